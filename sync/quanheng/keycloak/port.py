"""The port through which everything else reads and writes one Keycloak realm.

Two implementations: :class:`quanheng.keycloak.rest.RestRealm` over the Admin REST API and
:class:`quanheng.keycloak.fake.FakeRealm` in memory. ``tests/contract`` runs over both.

May: retry a call that is idempotent. Must: raise :class:`UnreachableError` when the server does
not answer, answers 5xx, or refuses the token after a refresh; raise :class:`RealmRefusedError` for
any other refusal; never delete a user, group or role; never put a person's name, ID number or phone
into a log or an exception.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from quanheng.errors import QuanhengError
from quanheng.keycloak.guard import Guard
from quanheng.keycloak.permissions import Permissions
from quanheng.model.ids import GroupPath, KeycloakId, RoleName, Username
from quanheng.model.realm import (
    AdminEvent,
    Attributes,
    FederatedIdentity,
    LoginEvent,
    NewUser,
    RealmGroup,
    RealmMapper,
    RealmRole,
    RealmUser,
)


class RealmRefusedError(QuanhengError):
    """Keycloak refused a request."""

    exit_code = 5

    def __init__(self, message: str, *, status: int, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.status = status
        """HTTP status: 404 not there, 409 conflict or vetoed, 403 not allowed, 400 not valid."""


class RealmReader(Protocol):
    """Reading one realm. Values are whole: a user comes with its groups, roles and identities."""

    def read_roles(self) -> Mapping[RoleName, RealmRole]:
        """Every role of the realm and of its clients, with what each contains.

        One request per client and one per composite role, so only for role events and sweeps.
        """

    def read_groups(self) -> Mapping[KeycloakId, RealmGroup]:
        """Every group of every tree with attributes and role mappings."""

    def read_group(self, group: KeycloakId) -> RealmGroup | None:
        """One group, or None when it is gone."""

    def read_user(self, user: KeycloakId) -> RealmUser | None:
        """One user, whole, or None when it is gone."""

    def read_memberships(self, user: KeycloakId) -> frozenset[KeycloakId] | None:
        """Groups that a user is a member of, or None when the user is gone: one request."""

    def read_passwords(self, user: KeycloakId) -> frozenset[str]:
        """A mark of each password that a user has, another one for each that is set; none when the user is
        gone: one request."""

    def read_credentials(self, user: KeycloakId) -> frozenset[str]:
        """A mark of each credential that a user has, which begins with its kind (``password``, ``otp``) and a
        blank; another one for each that is set; none when the user is gone: one request."""

    def find_user(self, username: Username) -> RealmUser | None:
        """The user with exactly this name, whole, or None."""

    def sweep_users(self) -> Iterator[RealmUser]:
        """Every user of the realm, whole, service accounts included."""

    def read_default_groups(self) -> Mapping[KeycloakId, str]:
        """Groups that each user who is made later joins unasked, with their names: one request."""

    def read_mappers(self) -> Sequence[RealmMapper]:
        """Every mapper of clients, client scopes and identity providers: one request per provider, and one
        per 200 clients."""

    def read_admin_events(self, since: datetime, *, page_size: int = 5000) -> Iterator[AdminEvent]:
        """Admin events at or after ``since``, oldest first (``/admin-events``, ``direction=asc``)."""

    def read_role_events(self, since: datetime) -> Iterator[AdminEvent]:
        """Those of them alone by which roles were put into something: of a load they are few."""

    def read_logins(
        self, since: datetime, *, client: str = "", user: KeycloakId | None = None, refreshes: bool = False
    ) -> Iterator[LoginEvent]:
        """Logins, and attempts that were refused, at or after ``since``, oldest first (``/events``): at this
        client, or of this user. ``refreshes``: renewed tokens too, if the realm keeps those events."""

    def read_server_time(self) -> datetime:
        """The server's clock, aware, to the second (a fresh token's ``iat``: Keycloak sends no ``Date``)."""


class RealmWriter(Protocol):
    """Writing one realm. Every method may be repeated with the same outcome."""

    def create_group(
        self, parent: KeycloakId | None, name: str, attributes: Attributes, roles: frozenset[RoleName]
    ) -> KeycloakId:
        """Create a group with its role mappings; when it exists, complete it and return its id."""

    def update_group(self, group: KeycloakId, name: str, attributes: Attributes) -> None:
        """Set name and all attributes."""

    def move_group(self, group: KeycloakId, parent: KeycloakId) -> None:
        """Move a group with everything below it under another parent."""

    def add_group_roles(self, group: KeycloakId, roles: frozenset[RoleName]) -> None:
        """Map roles to the group."""

    def remove_group_roles(self, group: KeycloakId, roles: frozenset[RoleName]) -> None:
        """Take roles from the group."""

    def import_users(self, users: Sequence[NewUser]) -> Mapping[Username, KeycloakId]:
        """Create users in one transaction (``POST /partialImport``, SKIP), all or none.

        A user of that name that exists is left as it is and is absent from the result. Outcome per
        user is the same as :meth:`create_user`'s. Needs the configurator.
        """

    def create_user(self, user: NewUser) -> KeycloakId:
        """Create one user (``POST /users``); a user of that name that exists raises 409."""

    def update_user(
        self, user: KeycloakId, *, username: Username, enabled: bool | None, name: str, attributes: Attributes
    ) -> None:
        """Set the user's own fields; groups, roles and credentials are left alone.

        ``enabled`` None leaves the switch as it is, whoever may have turned it a moment ago.
        """

    def switch_off(self, user: KeycloakId) -> None:
        """Disable a user and leave all else as it is, whatever somebody else has written there."""

    def join_group(self, user: KeycloakId, group: KeycloakId) -> None:
        """Make the user a member."""

    def leave_group(self, user: KeycloakId, group: KeycloakId) -> None:
        """End a membership; nothing happens when there is none."""

    def add_roles(self, user: KeycloakId, roles: frozenset[RoleName]) -> None:
        """Map realm roles directly to the user (used for the default role only)."""

    def remove_roles(self, user: KeycloakId, roles: frozenset[RoleName]) -> None:
        """Take direct realm or client roles from the user; those of ``realm-management`` are beyond us (403):
        with fine-grained permissions only who administers all of the realm gives or takes them."""

    def link_identity(self, user: KeycloakId, identity: FederatedIdentity) -> None:
        """Link a federated identity; an existing link to the same provider is replaced."""

    def unlink_identity(self, user: KeycloakId, provider: str) -> None:
        """End the link to a provider."""

    def add_role_parts(self, role: KeycloakId, parts: frozenset[KeycloakId]) -> None:
        """Put roles into a role, all by id. Needs the configurator, as do the next three: whoever may do one
        of these may make anybody anything."""

    def remove_role_parts(self, role: KeycloakId, parts: frozenset[KeycloakId]) -> None:
        """Take roles out of a role; nothing happens to one that is not in it. Needs the configurator."""

    def remove_default_group(self, group: KeycloakId) -> None:
        """Let nobody join a group unasked any more. Needs the configurator."""

    def remove_mapper(self, mapper: RealmMapper) -> None:
        """Take a mapper away; nothing happens when it is gone. Needs the configurator."""

    def logout(self, user: KeycloakId) -> None:
        """End every session of the user, and void every token it got before."""

    def logout_everybody(self) -> None:
        """End every session of the realm, and void every token that it gave before; our own next call gets a
        new one."""


class Realm(RealmReader, RealmWriter, Protocol):
    """Both halves."""

    default_role: RoleName
    """``default-roles-<realm>``: held by every user that Keycloak creates itself."""

    @property
    def own_actors(self) -> frozenset[str]:
        """User ids of our own service accounts: what they did, the mirror was told as it was done. Those of
        now, though they were made anew: known at the latest when the events of that were read."""

    @property
    def guard(self) -> Guard:
        """The guard of this realm, whether or not the server has one."""

    @property
    def permissions(self) -> Permissions:
        """The fine-grained permissions of administrators; writing them needs the configurator."""

    @property
    def can_import(self) -> bool:
        """Whether the configurator is open now, for :meth:`import_users` and what else needs it."""


__all__ = ["GroupPath", "Realm", "RealmReader", "RealmRefusedError", "RealmWriter"]
