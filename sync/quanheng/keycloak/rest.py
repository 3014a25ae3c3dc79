"""One Keycloak realm over its Admin REST API."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

from quanheng.errors import UnreachableError
from quanheng.keycloak import representation as made
from quanheng.keycloak.aspect import Documents
from quanheng.keycloak.connection import Connection
from quanheng.keycloak.found_mappers import find_protocol_mappers, find_provider_mappers, path_of
from quanheng.keycloak.group_paths import GroupPaths
from quanheng.keycloak.guard_rest import RestGuard
from quanheng.keycloak.new_user import check_fields, check_new_users
from quanheng.keycloak.own_actors import OwnActors
from quanheng.keycloak.permissions_rest import RestPermissions
from quanheng.keycloak.port import RealmRefusedError
from quanheng.keycloak.reading import RealmReading
from quanheng.keycloak.sweeping import RealmSweep
from quanheng.model.ids import KeycloakId, RoleName, Username
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

_T = TypeVar("_T")
SYNC_CLIENT: Final = "quanheng-sync"
CONFIGURATOR_CLIENT: Final = "quanheng-configurator"
_CLOSED_SECONDS: Final = 60.0
_EVENTS: Final = 5000
"""In a page of admin events."""
_MISSING: Final = 404
_CONFLICT: Final = 409


class RestRealm:
    """Implements :class:`quanheng.keycloak.port.Realm`; may be used from several threads.

    ``connection`` is the daily sync's. ``bulk`` is the configurator's, open for the moment of a first
    load, or always when the settings say so: without it whatever needs it raises
    :class:`RealmRefusedError` (403).
    """

    def __init__(
        self,
        connection: Connection,
        bulk: Connection | None = None,
        *,
        own_clients: Sequence[str] = (SYNC_CLIENT, CONFIGURATOR_CLIENT),
    ) -> None:
        self.connection = connection
        self.guard = RestGuard(connection)
        self.default_role = RoleName(f"default-roles-{connection.realm.lower()}")
        self._bulk = bulk
        self._closed_until = 0.0
        self._own_clients = tuple(own_clients)
        self._own = OwnActors(self._ask_own_actors)
        self._admin = connection.admin
        self._reading = RealmReading(connection)
        self._sweep = RealmSweep(connection, self._reading, self.guard)
        self._paths = GroupPaths(connection)
        self._role_bodies: dict[RoleName, Mapping[str, Any]] = {}

    def close(self) -> None:
        """Close both connections."""
        self.connection.close()
        if self._bulk is not None:
            self._bulk.close()

    @property
    def own_actors(self) -> frozenset[str]:
        """Ids of the service accounts of our two clients, asked once, and again when they may be others."""
        return self._own.ids(self.connection.acted_as)

    @property
    def permissions(self) -> RestPermissions:
        """Read by the daily client; told at once, and written, by the configurator while it is open."""
        return RestPermissions(self.connection, self._bulk if self.can_import else None)

    @property
    def can_import(self) -> bool:
        """Whether the configurator gets a token now; a refusal is believed for a minute."""
        if self._bulk is None or time.monotonic() < self._closed_until:
            return False
        try:
            self._bulk.subject()
        except UnreachableError:
            self._closed_until = time.monotonic() + _CLOSED_SECONDS
            return False
        return True

    # Reading

    def read_roles(self) -> Mapping[RoleName, RealmRole]:
        """Every role; that of a client is named by the client's id."""
        self._role_bodies = {}  # who reads them knows that they may have changed
        return self._reading.roles()

    def read_groups(self) -> Mapping[KeycloakId, RealmGroup]:
        """Every group: one request per 500 siblings."""
        groups = self._reading.groups()
        self._paths.learn(groups.values())
        return groups

    def read_group(self, group: KeycloakId) -> RealmGroup | None:
        """One group: one request per level."""
        return self._reading.group(group)

    def read_user(self, user: KeycloakId) -> RealmUser | None:
        """One user: three requests."""
        return self._reading.user(user)

    def read_memberships(self, user: KeycloakId) -> frozenset[KeycloakId] | None:
        """Groups of one user: one request per 500."""
        return self._reading.memberships(user)

    def read_passwords(self, user: KeycloakId) -> frozenset[str]:
        """Marks of a user's passwords: one request."""
        return self._reading.passwords(user)

    def read_credentials(self, user: KeycloakId) -> frozenset[str]:
        """Marks of a user's credentials: one request."""
        return self._reading.credentials(user)

    def find_user(self, username: Username) -> RealmUser | None:
        """The user of this name: four requests."""
        return self._reading.find(username)

    def sweep_users(self) -> Iterator[RealmUser]:
        """Every user: see :class:`RealmSweep` for the number of requests."""
        return self._sweep.users()

    def read_default_groups(self) -> Mapping[KeycloakId, str]:
        """Default groups: one request."""
        found = self.connection.get(self.connection.realm_path("/default-groups"))
        return {KeycloakId(body["id"]): body["name"] for body in found}

    def read_mappers(self) -> Sequence[RealmMapper]:
        """Every mapper: one request per 200 clients, one for the scopes, one per provider."""
        documents = Documents(self.connection)
        return [*find_protocol_mappers(documents), *find_provider_mappers(documents)]

    def read_admin_events(self, since: datetime, *, page_size: int = _EVENTS) -> Iterator[AdminEvent]:
        """Admin events, oldest first, each once; who we are is known anew after them."""
        for event in self._reading.admin_events(since, page_size):
            self._own.take_note(event)
            yield event
        self._own.renew()

    def read_role_events(self, since: datetime) -> Iterator[AdminEvent]:
        """Admin events by which roles were put into something, oldest first."""
        return self._reading.admin_events(
            since, _EVENTS, operationTypes="CREATE", resourceTypes=sorted(made.ROLE_EVENTS)
        )

    def read_logins(
        self, since: datetime, *, client: str = "", user: KeycloakId | None = None, refreshes: bool = False
    ) -> Iterator[LoginEvent]:
        """Logins and refused attempts: one request per 5,000."""
        only = {name: value for name, value in (("client", client), ("user", user)) if value}
        return self._reading.logins(since, _EVENTS, refreshes=refreshes, **only)

    def read_server_time(self) -> datetime:
        """The server's clock, at most a second early."""
        return self.connection.server_time()

    # Writing groups

    def create_group(
        self, parent: KeycloakId | None, name: str, attributes: Attributes, roles: frozenset[RoleName]
    ) -> KeycloakId:
        """Create or complete a group; a group of that name below the parent is taken as it."""
        body = {"name": name, "attributes": made.attributes_body(attributes)}
        existing: Mapping[str, Any] | None = None
        try:
            group = KeycloakId(str(self._admin.create_group(body, parent=parent)))
        except (RealmRefusedError, UnreachableError) as error:
            # It may be there from before, or from this very request whose answer was lost.
            if isinstance(error, RealmRefusedError) and error.status != _CONFLICT:
                raise
            existing = self._reading.child(parent, name)
            if existing is None:
                raise
            group = KeycloakId(existing["id"])
            if made.attributes_of(existing) != dict(attributes):
                self.update_group(group, name, attributes)
        missing = roles - (made.group_of(existing, ()).roles if existing else frozenset())
        if missing:
            self.add_group_roles(group, missing)
        self._paths.add(parent, name, group)
        return group

    def update_group(self, group: KeycloakId, name: str, attributes: Attributes) -> None:
        """Set name and all attributes."""
        self._admin.update_group(group, {"name": name, "attributes": made.attributes_body(attributes)})
        self._paths.forget()

    def move_group(self, group: KeycloakId, parent: KeycloakId) -> None:
        """Move a group; nothing happens when it is there already."""
        body = self.connection.get(self.connection.realm_path(f"/groups/{group}"))
        if body.get("parentId") != parent:
            path = self.connection.realm_path(f"/groups/{parent}/children")
            self.connection.request("POST", path, json={"id": group, "name": body["name"]})
            self._paths.forget()

    def add_group_roles(self, group: KeycloakId, roles: frozenset[RoleName]) -> None:
        """Map realm roles to the group."""
        self._map_roles(self._admin.assign_group_realm_roles, group, roles)

    def remove_group_roles(self, group: KeycloakId, roles: frozenset[RoleName]) -> None:
        """Take realm and client roles from the group."""
        self._unmap_roles(f"/groups/{group}", roles)

    # Writing users

    def import_users(self, users: Sequence[NewUser]) -> Mapping[Username, KeycloakId]:
        """Create users in one transaction; those that exist are left as they are."""
        configurator = self._configurator()
        if not users:
            return {}
        check_new_users(users)
        bodies = [
            # Here, unlike in POST /users, the default role has to be asked for.
            {**made.new_user_body(user, self._paths.texts(user.groups)), "realmRoles": [self.default_role]}
            for user in users
        ]
        payload = {"ifResourceExists": "SKIP", "users": bodies}
        bulk = configurator.admin
        answer = self._with_groups(users, lambda: bulk.partial_import_realm(self.connection.realm, payload))
        return {
            Username(item["resourceName"]): KeycloakId(item["id"])
            for item in answer["results"]
            if item["resourceType"] == "USER" and item["action"] == "ADDED"
        }

    def create_user(self, user: NewUser) -> KeycloakId:
        """Create one user with its groups and identities in one request."""
        check_new_users([user])
        body = made.new_user_body(user, self._paths.texts(user.groups))
        return KeycloakId(self._with_groups([user], lambda: self._admin.create_user(body)))

    def update_user(
        self, user: KeycloakId, *, username: Username, enabled: bool | None, name: str, attributes: Attributes
    ) -> None:
        """Set the user's own fields. What the body lacks stays: credentials, required actions, links.

        The exceptions are ``email`` and ``lastName``, which the realm's user profile lets nobody set.
        """
        check_fields(username, name, attributes)
        body: dict[str, Any] = {
            "username": username,
            "firstName": name,
            "attributes": made.attributes_body(attributes),
        }
        if enabled is not None:
            body["enabled"] = enabled
        self._admin.update_user(user, body)

    def switch_off(self, user: KeycloakId) -> None:
        """Disable a user."""
        self._admin.update_user(user, {"enabled": False})

    def join_group(self, user: KeycloakId, group: KeycloakId) -> None:
        """Make the user a member."""
        self._admin.group_user_add(user, group)

    def leave_group(self, user: KeycloakId, group: KeycloakId) -> None:
        """End a membership."""
        self._admin.group_user_remove(user, group)

    def add_roles(self, user: KeycloakId, roles: frozenset[RoleName]) -> None:
        """Map realm roles to the user."""
        self._map_roles(self._admin.assign_realm_roles, user, roles)

    def remove_roles(self, user: KeycloakId, roles: frozenset[RoleName]) -> None:
        """Take realm and client roles from the user."""
        self._unmap_roles(f"/users/{user}", roles)

    def link_identity(self, user: KeycloakId, identity: FederatedIdentity) -> None:
        """Link an identity in place of another of the same provider."""
        try:
            self._link(user, identity)
        except RealmRefusedError as error:
            if error.status != _CONFLICT:
                raise
            linked = made.identities_of(self._admin.get_user_social_logins(user))
            if identity not in linked:
                self.unlink_identity(user, identity.provider)
                self._link(user, identity)

    def unlink_identity(self, user: KeycloakId, provider: str) -> None:
        """End a link; nothing happens when there is none."""
        try:
            self._admin.delete_user_social_login(user, provider)
        except RealmRefusedError as error:
            if error.status != _MISSING:
                raise
            # No link, or no user: only the second is an error, and this raises it.
            self._admin.get_user(user)

    # Writing what gives power past any grant: by the configurator

    def add_role_parts(self, role: KeycloakId, parts: frozenset[KeycloakId]) -> None:
        """Put roles into a role."""
        self._change_parts("POST", role, parts)

    def remove_role_parts(self, role: KeycloakId, parts: frozenset[KeycloakId]) -> None:
        """Take roles out of a role."""
        self._change_parts("DELETE", role, parts)

    def remove_default_group(self, group: KeycloakId) -> None:
        """Let nobody join a group unasked any more."""
        configurator = self._configurator()
        configurator.request("DELETE", configurator.realm_path(f"/default-groups/{group}"))

    def remove_mapper(self, mapper: RealmMapper) -> None:
        """Take a mapper away."""
        configurator = self._configurator()
        try:
            configurator.request("DELETE", configurator.realm_path(path_of(mapper)))
        except RealmRefusedError as error:
            if error.status != _MISSING:
                raise

    def logout(self, user: KeycloakId) -> None:
        """End every session."""
        self._admin.user_logout(user)

    def logout_everybody(self) -> None:
        """End every session of the realm (``/logout-all``, which asks for no more than ``manage-users``)."""
        self.connection.request("POST", self.connection.realm_path("/logout-all"))

    # How

    def _configurator(self) -> Connection:
        if self._bulk is None:
            raise RealmRefusedError(
                "this needs the configurator, and it is not open",
                status=403,
                remedy="open it with an administrator of the master realm: 'quanheng realm open'",
            )
        return self._bulk

    def _change_parts(self, method: str, role: KeycloakId, parts: frozenset[KeycloakId]) -> None:
        configurator = self._configurator()
        body = [{"id": part} for part in sorted(parts)]
        configurator.request(method, configurator.realm_path(f"/roles-by-id/{role}/composites"), json=body)

    def _ask_own_actors(self) -> frozenset[str]:
        found = (self._reading.service_account(client) for client in self._own_clients)
        return frozenset(user for user in found if user is not None)

    def _link(self, user: KeycloakId, identity: FederatedIdentity) -> None:
        self._admin.add_user_social_login(user, identity.provider, identity.subject, identity.name)

    def _with_groups(self, users: Sequence[NewUser], send: Callable[[], _T]) -> _T:
        """Send users with groups: Keycloak answers 500 when a group is not there (any more)."""
        try:
            return send()
        except UnreachableError:
            self._paths.forget()
            for path in {path for user in users for path in user.groups}:
                self._paths.text(path)  # raises 404 for the one that is gone
            raise

    def _map_roles(
        self, send: Callable[[str, list[Any]], Any], holder: KeycloakId, roles: frozenset[RoleName]
    ) -> None:
        if not roles:
            return
        bodies = self._role_bodies
        if not roles <= bodies.keys():
            bodies = self._role_bodies = self._reading.role_bodies()
        unknown = roles - bodies.keys()
        if unknown:
            raise RealmRefusedError(
                f"there is no realm role '{min(unknown)}'",
                status=_MISSING,
                remedy="apply the configuration, which makes the roles of the packs",
            )
        try:
            send(holder, [bodies[role] for role in sorted(roles)])
        except RealmRefusedError as error:
            if error.status == _MISSING:  # another role by that name perhaps: known at the next try, not now
                self._role_bodies = {}
            raise

    def _unmap_roles(self, holder: str, roles: frozenset[RoleName]) -> None:
        if not roles:
            return
        path = self.connection.realm_path(f"{holder}/role-mappings")
        mapped = self.connection.get(path)
        realm = [role for role in mapped.get("realmMappings") or () if made.realm_role(role["name"]) in roles]
        parts = [("realm", realm)] if realm else []
        for client_id, mapping in (mapped.get("clientMappings") or {}).items():
            held = [
                role for role in mapping["mappings"] if made.client_role(client_id, role["name"]) in roles
            ]
            if held:
                parts.append((f"clients/{mapping['id']}", held))
        refusals = []
        for tail, held in parts:
            # What one client's roles are refused for (we may not give them ourselves) keeps no others.
            try:
                self.connection.request("DELETE", f"{path}/{tail}", json=held)
            except RealmRefusedError as error:
                refusals.append(error)
        if refusals:
            raise refusals[0]
