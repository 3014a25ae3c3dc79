"""Addresses of the subsystem that Keycloak has to know, below its origin."""

from __future__ import annotations

from typing import Final

REDIRECT: Final = "/callback"
"""Where Keycloak sends a browser with its code."""
GOODBYE: Final = "/goodbye"
"""Where Keycloak sends a browser that logged out."""
LOGOUT: Final = "/backchannel-logout"
"""Where Keycloak says that somebody logged out elsewhere."""
