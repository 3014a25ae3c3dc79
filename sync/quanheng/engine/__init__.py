"""From what sources say to what Keycloak holds: merge → desired → diff → plan → safety (pure) → apply."""
