"""From the settings to an open realm."""

from __future__ import annotations

from pathlib import Path

from quanheng.clock import Clock, system_clock
from quanheng.config import ClientSettings, KeycloakSettings, Settings
from quanheng.errors import ConfigurationError
from quanheng.keycloak.connection import Connection
from quanheng.keycloak.credentials import ClientKey, Credential
from quanheng.keycloak.rest import RestRealm

MASTER = "master"


def open_realm(settings: Settings, *, clock: Clock = system_clock) -> RestRealm:
    """The realm through the daily sync's client; the configurator is used while it is enabled."""
    keycloak = settings.keycloak
    return RestRealm(
        connect_client(keycloak, keycloak.sync, clock=clock),
        connect_client(keycloak, keycloak.configurator, clock=clock)
        if keycloak.configurator.key_file.exists()
        else None,
        own_clients=(keycloak.sync.client_id, keycloak.configurator.client_id),
    )


def connect_client(
    settings: KeycloakSettings, client: ClientSettings, *, clock: Clock = system_clock
) -> Connection:
    """A connection of one of our two clients."""
    credential = ClientKey.read(client.client_id, client.key_file, clock=clock)
    return _connect(settings, credential)


def connect_admin(settings: KeycloakSettings, credential: Credential) -> Connection:
    """A connection to our realm with a credential of the master realm, for one moment."""
    return _connect(settings, credential, token_realm=MASTER)


def _connect(
    settings: KeycloakSettings, credential: Credential, *, token_realm: str | None = None
) -> Connection:
    ca_file: Path | None = settings.ca_file
    if ca_file is not None and not ca_file.exists():
        raise ConfigurationError(
            f"keycloak.ca_file: there is no {ca_file}", remedy="put the certificate of the server's CA there"
        )
    return Connection(
        settings.url,
        settings.realm,
        credential,
        token_realm=token_realm,
        workers=settings.workers,
        timeout_seconds=settings.timeout_seconds,
        ca_file=ca_file,
    )
