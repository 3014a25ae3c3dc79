"""quanheng 权衡: identity, separation of duties and account lifecycle on Keycloak."""

__version__ = "0.1.0"
