"""From admin events to what must be read again. Pure.

An event is a hint: it says where to look, never what is there. What is not known here means that
everything is read again; what is left out has been seen on a real server not to touch users, groups
or roles (``tests/integration/test_keycloak_events.py``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from quanheng.keycloak.representation import GUARD_EVENT
from quanheng.model.ids import KeycloakId
from quanheng.model.realm import AdminEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """What must be read again. ``everything`` includes all the rest."""

    users: frozenset[KeycloakId] = frozenset()
    memberships: frozenset[KeycloakId] = frozenset()
    """Those of ``users`` of whom nothing but memberships changed."""
    groups: frozenset[KeycloakId] = frozenset()
    """Groups whose roles or existence changed, and no other group with them."""
    all_groups: bool = False
    """A group was made below another, renamed or moved: paths of others may have changed, and the
    event of a new subgroup names only its parent."""
    roles: bool = False
    everything: bool = False
    configuration: bool = False
    """Settings, clients, flows or the user profile: nothing of the mirror, but ``check`` compares them."""
    permissions: bool = False
    """Fine-grained permissions of administrators; ``check`` compares them too."""

    def __or__(self, other: Affected) -> Affected:
        users = self.users | other.users
        whole = (self.users - self.memberships) | (other.users - other.memberships)
        return Affected(
            users=users,
            memberships=users - whole,
            groups=self.groups | other.groups,
            all_groups=self.all_groups or other.all_groups,
            roles=self.roles or other.roles,
            everything=self.everything or other.everything,
            configuration=self.configuration or other.configuration,
            permissions=self.permissions or other.permissions,
        )


_EVERYTHING: Final = Affected(everything=True)
_CONFIGURATION: Final = Affected(configuration=True)
_PERMISSIONS: Final = Affected(permissions=True)

_CONFIGURATION_TYPES: Final = frozenset(
    {
        "AUTH_EXECUTION",
        "AUTH_EXECUTION_FLOW",
        "AUTH_FLOW",
        "AUTHENTICATOR_CONFIG",
        "CLIENT_INITIAL_ACCESS_MODEL",
        "CLIENT_SCOPE",
        "CLIENT_SCOPE_CLIENT_MAPPING",
        "CLIENT_SCOPE_MAPPING",
        "IDENTITY_PROVIDER_MAPPER",
        "PROTOCOL_MAPPER",
        "REALM_SCOPE_MAPPING",
        "REQUIRED_ACTION",
        "USER_PROFILE",
    }
)
_PERMISSION_TYPES: Final = frozenset(
    {
        "AUTHORIZATION_POLICY",
        "AUTHORIZATION_RESOURCE",
        "AUTHORIZATION_RESOURCE_SERVER",
        "AUTHORIZATION_SCOPE",
    }
)
_USER: Final = re.compile(r"users/([^/]+)(?:/.*)?")
_GROUP: Final = re.compile(r"groups/([^/]+)")
_CHILDREN: Final = re.compile(r"groups(?:/[^/]+/children)?")
_GROUP_ROLES: Final = re.compile(r"groups/([^/]+)/role-mappings/.*")


def affected(events: Iterable[AdminEvent], *, known_actors: frozenset[str] = frozenset()) -> Affected:
    """What the events say must be read again.

    ``known_actors`` are the user ids of our own service accounts: the mirror was told of each user and
    group as they wrote it, and they write the permissions of administrators, so those are not read again
    because of them. Roles and settings are. When
    somebody else saved the realm's settings everything is: admin events may have been switched off, something
    done, and switched on again between two looks.
    """
    users: set[KeycloakId] = set()
    whole: set[KeycloakId] = set()
    groups: set[KeycloakId] = set()
    rest = Affected()
    for event in events:
        found = _of(event)
        if event.actor_user in known_actors:
            found = replace(found, users=frozenset(), groups=frozenset(), all_groups=False, permissions=False)
        elif _is_of_the_realm(event):
            found = replace(found, everything=True)
        # Gathered apart: a union of frozen sets for each of many events would take their number squared.
        users |= found.users
        if event.resource_type != "GROUP_MEMBERSHIP":
            whole |= found.users
        groups |= found.groups
        rest |= replace(found, users=frozenset(), groups=frozenset())
    return replace(
        rest, users=frozenset(users), memberships=frozenset(users - whole), groups=frozenset(groups)
    )


def _is_of_the_realm(event: AdminEvent) -> bool:
    return (event.resource_type, event.operation, event.resource_path) == ("REALM", "UPDATE", "")


def _of(event: AdminEvent) -> Affected:
    kind, path, operation = event.resource_type, event.resource_path, event.operation
    if kind in _CONFIGURATION_TYPES:
        return _CONFIGURATION
    if kind in _PERMISSION_TYPES:
        return _PERMISSIONS
    match kind:
        case "USER" | "GROUP_MEMBERSHIP":
            return _user(path)
        case "REALM_ROLE_MAPPING" | "CLIENT_ROLE_MAPPING":
            found = _GROUP_ROLES.fullmatch(path)
            return Affected(groups=frozenset({KeycloakId(found[1])})) if found else _user(path)
        case "GROUP":
            return _group(path, operation)
        case "REALM_ROLE" | "CLIENT_ROLE":
            # A new role, or one put into or out of a composite. Renamed or deleted, it changes its holders.
            unnamed = operation in ("UPDATE", "DELETE") and not path.endswith("/composites")
            return _EVERYTHING if unnamed else Affected(roles=True)
        case "CLIENT" | "IDENTITY_PROVIDER":
            # With a client go its roles and service account, with a provider the links to it.
            if operation == "DELETE":
                return _EVERYTHING
            # A client may have another name now, and its roles with it.
            return replace(_CONFIGURATION, roles=kind == "CLIENT" and operation == "UPDATE")
        case _ if kind == GUARD_EVENT:
            return Affected()  # something that was not done
        case "REALM":
            return _realm(path, operation)
        case _:
            return _EVERYTHING


def _user(path: str) -> Affected:
    found = _USER.fullmatch(path)
    return Affected(users=frozenset({KeycloakId(found[1])})) if found else _EVERYTHING


def _group(path: str, operation: str) -> Affected:
    if path.startswith("default-groups/"):
        return _CONFIGURATION
    found = _GROUP.fullmatch(path)
    if operation == "CREATE" and found:
        return Affected(groups=frozenset({KeycloakId(found[1])}))
    if operation in ("CREATE", "UPDATE") and (found or _CHILDREN.fullmatch(path)):
        return Affected(all_groups=True)
    return _EVERYTHING


def _realm(path: str, operation: str) -> Affected:
    """The realm itself (no path), or something that a partial import brought in."""
    if operation == "UPDATE" and not path:
        return _CONFIGURATION
    if operation == "ACTION":
        return Affected()
    if operation == "CREATE":
        return _user(path)
    return _EVERYTHING
