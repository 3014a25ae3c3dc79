"""Keycloak behind a narrow port: ``port`` says what we need, ``rest`` does it, ``fake`` remembers it."""
