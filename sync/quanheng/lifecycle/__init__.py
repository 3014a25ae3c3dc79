"""The life of accounts: logins, absence, terms, tenure, reviews. Pure."""
