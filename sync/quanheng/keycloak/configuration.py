"""The realm's settings, clients, flows and roles: compared with ``keycloak-config/`` and set right.

``keycloak-config/README.md`` says what is managed, what is only created, and what is never touched.
"""

from __future__ import annotations

from typing import Final

from quanheng.keycloak import configured_clients as clients
from quanheng.keycloak import configured_mappers as mappers
from quanheng.keycloak import configured_realm as realm
from quanheng.keycloak import configured_roles as roles
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

PARTS: Final = (
    # Flows before the realm and the providers that name them, clients before what their accounts hold,
    # permissions before the posts that are made of them.
    realm.flows,
    realm.settings,
    realm.user_profile,
    realm.required_actions,
    realm.default_groups,
    realm.identity_providers,
    realm.other_ways_in,
    clients.our_clients,
    roles.subsystems,
    clients.other_clients,
    clients.service_roles,
    roles.permission_roles,
    roles.post_roles,
    roles.default_role,
    mappers.protocol_mappers,
    mappers.provider_mappers,
)


def apply_configuration(connection: Connection, desired: DesiredConfiguration) -> list[Difference]:
    """Set right everything of ours that is not as wanted; the realm is made when there is none.

    May be repeated: where nothing differs, nothing is written. Returns what was mended, and foreign
    things that were found and left alone. The connection is an administrator's of the master realm, who
    alone can make the realm, or the open configurator's: the daily client may read, and writes none of it.
    """
    documents = Documents(connection)
    found: list[Difference] = []
    if documents.get("") is None:
        # Closed to everybody until it is configured.
        body = {"realm": desired.realm_name, "enabled": False, "sslRequired": "external"}
        connection.request("POST", "admin/realms", json=body)
        found.append(Difference("realm", desired.realm_name, MISSING))
    for part in PARTS:
        for mending in part(documents, desired):
            if mending.mend is not None:
                mending.mend()
            found += mending.differences
    return found


__all__ = [
    "PARTS",
    "DesiredConfiguration",
    "Difference",
    "Pins",
    "RealmChoices",
    "Subsystem",
    "apply_configuration",
    "created_pins",
    "load_configuration",
    "read_pins",
]
