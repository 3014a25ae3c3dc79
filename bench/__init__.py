"""Measurements of quanheng next to Keycloak's own LDAP federation. Each prints JSON; see README.md."""
