"""Who administers whom in Keycloak's console: compiled from the packs, compared with what is there. Pure."""
