"""Keycloak's JSON to our values and back. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from quanheng.model.ids import GroupPath, KeycloakId, RoleName, Username
from quanheng.model.realm import (
    AdminEvent,
    Attributes,
    FederatedIdentity,
    LoginEvent,
    NewUser,
    RealmGroup,
    RealmUser,
)

Json = Mapping[str, Any]
SERVICE_ACCOUNT_PREFIX: Final = "service-account-"
"""Keycloak's name for a client's own user; nothing else in its answers tells one."""
GUARD_EVENT: Final = "QUANHENG_GUARD"
"""Resource type of the events that our guard writes inside Keycloak: what it vetoed."""


def attributes_of(body: Json) -> dict[str, tuple[str, ...]]:
    """The ``attributes`` of a user, group or role."""
    return {name: tuple(values) for name, values in (body.get("attributes") or {}).items()}


def attributes_body(attributes: Attributes) -> dict[str, list[str]]:
    """Attributes as they are sent."""
    return {name: list(values) for name, values in attributes.items()}


def user_of(
    body: Json,
    groups: Iterable[KeycloakId],
    roles: Iterable[RoleName],
    identities: Iterable[FederatedIdentity],
) -> RealmUser:
    """A whole user from its four parts."""
    username = Username(body["username"])
    name = " ".join(part for part in (body.get("firstName"), body.get("lastName")) if part)
    return RealmUser(
        id=KeycloakId(body["id"]),
        username=username,
        enabled=bool(body.get("enabled", False)),
        name=name,
        attributes=attributes_of(body),
        groups=frozenset(groups),
        roles=frozenset(roles),
        identities=frozenset(identities),
        service_account=username.startswith(SERVICE_ACCOUNT_PREFIX),
    )


def identities_of(bodies: Iterable[Json]) -> frozenset[FederatedIdentity]:
    """Federated identities of a user."""
    return frozenset(
        FederatedIdentity(body["identityProvider"], body["userId"], body.get("userName") or "")
        for body in bodies
    )


def mapped_roles(body: Json) -> frozenset[RoleName]:
    """Names in an answer of ``role-mappings``: realm roles and ``client-id/role``."""
    realm = {realm_role(role["name"]) for role in body.get("realmMappings") or ()}
    client = {
        client_role(client_id, role["name"])
        for client_id, mapping in (body.get("clientMappings") or {}).items()
        for role in mapping["mappings"]
    }
    return frozenset(realm | client)


def realm_role(name: str) -> RoleName:
    """Name under which a role of the realm is known here.

    A slash in it is escaped: else a realm role called ``account/view-profile`` would pass for the client's.
    """
    return RoleName(_escaped(name))


def client_role(client_id: str, role: str) -> RoleName:
    """Name under which a client's role is known here: ``client-id/role``, with slashes of either escaped."""
    return RoleName(f"{_escaped(client_id)}/{_escaped(role)}")


def plain_name(role: RoleName) -> str:
    """The name of a role as the guard says it, with nothing escaped: roles with a slash may share one."""
    return role.replace("%2F", "/").replace("%25", "%")


def _escaped(name: str) -> str:
    return name.replace("%", "%25").replace("/", "%2F")


def group_of(body: Json, above: GroupPath) -> RealmGroup:
    """A group below ``above``. Its path is made of names: Keycloak's own ``path`` has bare slashes."""
    return RealmGroup(
        id=KeycloakId(body["id"]),
        path=(*above, body["name"]),
        attributes=attributes_of(body),
        roles=frozenset(realm_role(name) for name in body.get("realmRoles") or ())
        | frozenset(
            client_role(client_id, name)
            for client_id, names in (body.get("clientRoles") or {}).items()
            for name in names
        ),
    )


def new_user_body(user: NewUser, groups: Iterable[str]) -> dict[str, Any]:
    """A new user as both ``POST /users`` and ``partialImport`` take it; ``groups`` are path strings."""
    return {
        "username": user.username,
        "enabled": user.enabled,
        "firstName": user.name,
        "emailVerified": False,
        "attributes": attributes_body(user.attributes),
        "groups": list(groups),
        "federatedIdentities": [
            {"identityProvider": link.provider, "userId": link.subject, "userName": link.name}
            for link in sorted(user.identities, key=lambda link: link.provider)
        ],
    }


ROLE_EVENTS: Final = frozenset({"REALM_ROLE", "CLIENT_ROLE", "REALM_ROLE_MAPPING", "CLIENT_ROLE_MAPPING"})
"""Types of the events by which roles are put into roles, groups and users."""


def event_of(body: Json) -> AdminEvent:
    """An admin event; what Keycloak left out is empty.

    Representations of Keycloak's own events hold personal data and are never taken in.
    """
    actor = body.get("authDetails") or {}
    resource_type = body.get("resourceType", "")
    return AdminEvent(
        id=body["id"],
        at=datetime.fromtimestamp(body["time"] / 1000, tz=UTC),
        operation=body.get("operationType", ""),
        resource_type=resource_type,
        resource_path=body.get("resourcePath") or "",
        actor_realm=actor.get("realmId", ""),
        actor_client=actor.get("clientId", ""),
        actor_user=actor.get("userId", ""),
        detail=(body.get("representation") or "") if resource_type == GUARD_EVENT else "",
    )


REFRESH: Final = "REFRESH_TOKEN"
_GRANTED: Final = frozenset({"LOGIN", REFRESH})


def login_of(body: Json) -> LoginEvent:
    """A login or a refused attempt. Its details hold what somebody typed, and are never taken in."""
    user = body.get("userId")
    return LoginEvent(
        id=body["id"],
        at=datetime.fromtimestamp(body["time"] / 1000, tz=UTC),
        client=body.get("clientId") or "",
        user=KeycloakId(user) if user else None,
        address=body.get("ipAddress") or "",
        session=(body.get("sessionId") or "") if body["type"] in _GRANTED else "",
        error="" if body["type"] in _GRANTED else body.get("error") or "unknown",
        refresh=body["type"] == REFRESH,
    )
