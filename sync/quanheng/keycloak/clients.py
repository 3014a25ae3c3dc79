"""The configurator is disabled between uses (decision 14): opened and closed by a master administrator."""

from __future__ import annotations

from typing import Final

from quanheng.errors import ConfigurationError
from quanheng.keycloak.connection import Connection

DEFAULT_CONFIGURATOR: Final = "quanheng-configurator"


def open_configurator(admin: Connection, client_id: str = DEFAULT_CONFIGURATOR) -> bool:
    """Enable the configurator's client. Tells whether it was closed before.

    ``admin`` is a connection to the realm with a credential of the master realm, given for this moment.
    Raises :class:`ConfigurationError` when the realm has no such client.
    """
    return _switch(admin, client_id, enabled=True)


def close_configurator(admin: Connection, client_id: str = DEFAULT_CONFIGURATOR) -> bool:
    """Disable it again; its tokens are refused from then on. Tells whether it was open."""
    return _switch(admin, client_id, enabled=False)


def _switch(admin: Connection, client_id: str, *, enabled: bool) -> bool:
    found = admin.get(admin.realm_path("/clients"), clientId=client_id)
    if not found:
        raise ConfigurationError(
            f"realm '{admin.realm}' has no client '{client_id}'", remedy="apply the configuration first"
        )
    client = found[0]
    if client["enabled"] == enabled:
        return False
    admin.request("PUT", admin.realm_path(f"/clients/{client['id']}"), json={**client, "enabled": enabled})
    return True
