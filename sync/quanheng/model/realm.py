"""What Keycloak holds, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from quanheng.model.ids import GroupPath, KeycloakId, RoleName, Username

Attributes = Mapping[str, tuple[str, ...]]
"""Attribute names to values, as Keycloak keeps them: every attribute is a list."""


@dataclass(frozen=True, slots=True)
class FederatedIdentity:
    """A link between a user and an identity provider."""

    provider: str
    subject: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RealmUser:
    """A user of the realm with everything that gives it power."""

    id: KeycloakId
    username: Username
    enabled: bool
    name: str
    """Whole name, kept in ``firstName``; ``lastName`` is not used."""
    attributes: Attributes = field(default_factory=dict)
    groups: frozenset[KeycloakId] = frozenset()
    roles: frozenset[RoleName] = frozenset()
    """Direct role mappings; a client role is ``client-id/role``."""
    identities: frozenset[FederatedIdentity] = frozenset()
    service_account: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """A user to create, whole: Keycloak must not be left with half of one."""

    username: Username
    enabled: bool
    name: str
    attributes: Attributes
    groups: tuple[GroupPath, ...]
    """In the order in which they are joined: the guard judges each join as it comes, so a qualification
    comes before the duty that requires it."""
    identities: frozenset[FederatedIdentity]


@dataclass(frozen=True, slots=True, kw_only=True)
class RealmGroup:
    """A group of the realm with the roles it maps."""

    id: KeycloakId
    path: GroupPath
    attributes: Attributes = field(default_factory=dict)
    roles: frozenset[RoleName] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class RealmRole:
    """A role of the realm, or of a client of it (``client-id/role``)."""

    id: KeycloakId
    name: RoleName
    description: str = ""
    composites: frozenset[RoleName] = frozenset()


class MapperHolder(StrEnum):
    """What a mapper belongs to."""

    CLIENT = "client"
    CLIENT_SCOPE = "client scope"
    PROVIDER = "identity provider"


@dataclass(frozen=True, slots=True, kw_only=True)
class RealmMapper:
    """A mapper: of a client or client scope it writes into tokens, of a provider into users at login."""

    id: KeycloakId
    name: str
    holder: MapperHolder
    holder_id: str
    """Keycloak's id; a provider goes by its alias alone."""
    holder_name: str
    kind: str
    """Which of Keycloak's mappers it is: ``oidc-hardcoded-role-mapper``."""
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminEvent:
    """An admin event: a hint that something changed, to be re-read (never believed)."""

    id: str
    at: datetime
    operation: str
    """CREATE, UPDATE, DELETE or ACTION."""
    resource_type: str
    resource_path: str
    """``users/<id>/groups/<id>`` and the like."""
    actor_realm: str
    actor_client: str
    actor_user: str
    detail: str = ""
    """What the guard wrote of a veto, JSON; empty for Keycloak's own events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginEvent:
    """A login, or an attempt that was refused. What somebody typed for a user name is not in it."""

    id: str
    at: datetime
    client: str
    user: KeycloakId | None
    """None for a name that nobody has."""
    address: str
    session: str
    """Empty for an attempt."""
    error: str = ""
    """Why it was refused, in Keycloak's code; empty for a login."""
    refresh: bool = False
    """Whether it is no login but a token that was renewed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedRealm:
    """Everything the engine looks at: groups by id and users by id, from the mirror or read live."""

    groups: Mapping[KeycloakId, RealmGroup]
    users: Mapping[KeycloakId, RealmUser]
    roles: Mapping[RoleName, RealmRole]
