"""The store: SQLite by default, PostgreSQL by URL (decision 23)."""
