"""The realm's settings, clients, flows and roles: compared with ``keycloak-config/`` and set right.

``keycloak-config/README.md`` says what is managed, what is only created, and what is never touched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from quanheng.errors import ConfigurationError, QuanhengError
from quanheng.keycloak import configured_clients as clients
from quanheng.keycloak import configured_flows as flows
from quanheng.keycloak import configured_mappers as mappers
from quanheng.keycloak import configured_realm as realm
from quanheng.keycloak import configured_roles as roles
from quanheng.keycloak import configured_scopes as scopes
from quanheng.keycloak.aspect import Documents
from quanheng.keycloak.compare import MISSING, Difference
from quanheng.keycloak.configuration_files import (
    DesiredConfiguration,
    Pins,
    RealmChoices,
    Subsystem,
    load_configuration,
)
from quanheng.keycloak.configured_realm import created_pins, read_pins
from quanheng.keycloak.connection import Connection
from quanheng.keycloak.port import RealmRefusedError

PARTS: Final = (
    # Flows before the realm and the providers that name them, scopes before the clients that have them,
    # clients before what their accounts hold, permissions before the posts that are made of them.
    flows.flows,
    realm.settings,
    realm.user_profile,
    realm.required_actions,
    realm.default_groups,
    realm.identity_providers,
    realm.other_ways_in,
    scopes.client_scopes,
    clients.our_clients,
    roles.subsystems,
    clients.names_of_built_in,
    clients.other_clients,
    clients.service_roles,
    roles.keycloaks_roles,
    roles.permission_roles,
    roles.post_roles,
    roles.default_role,
    mappers.protocol_mappers,
    mappers.provider_mappers,
)

UNFORESEEN: Final = (LookupError, TypeError, AttributeError, ValueError)
"""What somebody made of a part may have a shape that nobody foresaw: that is a difference, and no reason to
pass over the other parts."""


class NotMendedError(QuanhengError):
    """Something of the realm could not be set right; everything else was."""

    exit_code = 5

    def __init__(self, refused: Sequence[str], mended: Sequence[Difference]) -> None:
        super().__init__(
            f"not everything could be set right: {'; '.join(refused)}",
            remedy="mend what is named in the console, then apply the configuration again",
        )
        self.refused = tuple(refused)
        self.mended = tuple(mended)
        """What was set right, and foreign things that were left alone."""


def apply_configuration(connection: Connection, desired: DesiredConfiguration) -> list[Difference]:
    """Set right everything of ours that is not as wanted; the realm is made when there is none.

    May be repeated: where nothing differs, nothing is written. Returns what was mended, and foreign
    things that were found and left alone. The connection is an administrator's of the master realm, who
    alone can make the realm, or the open configurator's: the daily client may read, and writes none of it.
    Raises :class:`NotMendedError` when something was refused, after everything else.
    """
    documents = Documents(connection)
    found: list[Difference] = []
    if documents.get("") is None:
        # Closed to everybody until it is configured.
        body = {"realm": desired.realm_name, "enabled": False, "sslRequired": "external"}
        connection.request("POST", "admin/realms", json=body)
        found.append(Difference("realm", desired.realm_name, MISSING))
    refused: list[str] = []
    for part in PARTS:
        with _gathering(refused, part.__name__):
            for mending in part(documents, desired):
                with _gathering(refused, mending.differences[0].where):
                    if mending.mend is not None:
                        mending.mend()
                    found += mending.differences
    if refused:
        raise NotMendedError(refused, found)
    return found


@contextmanager
def _gathering(refused: list[str], where: str) -> Iterator[None]:
    try:
        yield
    except (RealmRefusedError, ConfigurationError) as error:
        refused.append(f"{where}: {error}")
    except UNFORESEEN as error:
        refused.append(f"{where}: has a shape that nobody foresaw ({type(error).__name__})")


__all__ = [
    "PARTS",
    "UNFORESEEN",
    "DesiredConfiguration",
    "Difference",
    "NotMendedError",
    "Pins",
    "RealmChoices",
    "Subsystem",
    "apply_configuration",
    "created_pins",
    "load_configuration",
    "read_pins",
]
