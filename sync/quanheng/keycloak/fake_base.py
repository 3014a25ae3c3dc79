"""What the realm in memory is made of: users, groups, roles, events, and the way every call goes."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from quanheng.clock import Clock, system_clock
from quanheng.errors import UnreachableError
from quanheng.keycloak.guard import SealedRules
from quanheng.keycloak.port import RealmRefusedError
from quanheng.model.ids import GroupPath, KeycloakId, RoleName, Username
from quanheng.model.permission import AdminPermission, AdminPolicy
from quanheng.model.realm import (
    AdminEvent,
    LoginEvent,
    MapperHolder,
    NewUser,
    RealmGroup,
    RealmMapper,
    RealmRole,
    RealmUser,
)

Hook = Callable[[str], None]
"""Called with the name of a port method; what it raises, the caller of the method gets."""


@dataclass
class FakePermissionState:
    """The administrators' permissions of a realm; a test sets them."""

    enabled: bool = True
    policies: dict[str, AdminPolicy] = field(default_factory=dict)
    permissions: dict[str, AdminPermission] = field(default_factory=dict)


@dataclass
class FakeGuardState:
    """What the guard in memory was told by its server, and the rules it has."""

    installed: bool = False
    version: str = "1.0.0"
    required: bool = True
    public_keys: tuple[bytes, ...] = ()
    """Raw Ed25519 keys, 32 bytes each."""
    break_glass_until: datetime | None = None
    rules: SealedRules | None = None
    """The realm's attribute: a test may put there what it likes."""
    highest: int = 0
    """Highest sequence that was ever believed, as the server's own file keeps it."""
    seen: bytes = b""
    """The payload that had it."""


class FakeState:
    """What the realm holds; shared by the views of several actors."""

    def __init__(self, realm: str, clock: Clock) -> None:
        self.lock = threading.RLock()
        self.clock = clock
        self.realm = realm
        self.users: dict[KeycloakId, RealmUser] = {}
        self.names: dict[Username, KeycloakId] = {}
        self.children: dict[tuple[KeycloakId | None, str], KeycloakId] = {}
        self.parents: dict[KeycloakId, KeycloakId | None] = {}
        self.groups: dict[KeycloakId, RealmGroup] = {}
        """Their ``path`` is just the name; whole paths are made when they are read."""
        self.roles: dict[RoleName, RealmRole] = {}
        self.default_groups: set[KeycloakId] = set()
        self.mappers: dict[KeycloakId, RealmMapper] = {}
        self.events: list[AdminEvent] = []
        self.guard = FakeGuardState()
        self.permissions = FakePermissionState()
        self.is_down = False
        self.passwords: dict[KeycloakId, str] = {}
        """By user: what tells its password from the one before."""
        self.otps: dict[KeycloakId, str] = {}
        """The same of one-time passwords."""
        self.logins: list[LoginEvent] = []
        self.not_before: dict[str, datetime] = {}
        """By account: tokens that it was given before are void."""


class FakeBase:
    """State, counting, hooks and events; shared by the port's methods and the tampering ones."""

    def __init__(
        self,
        realm: str = "shanxi",
        *,
        clock: Clock = system_clock,
        before_call: Hook | None = None,
        after_call: Hook | None = None,
        can_import: bool = True,
        actor: str = "service-account-quanheng-sync",
    ) -> None:
        self._state = FakeState(realm, clock)
        self.default_role = RoleName(f"default-roles-{realm}")
        self.before_call = before_call
        self.after_call = after_call
        self.can_import = can_import
        self.actor = actor
        self.token_of: datetime | None = None
        """When the only token was given that this view has; None for who gets a new one whenever it likes."""
        self.calls: Counter[str] = Counter()
        self._put_role(self.default_role, "${role_default-roles}", frozenset())

    @contextmanager
    def _call(self, name: str) -> Iterator[None]:
        if self.before_call is not None:
            self.before_call(name)
        with self._state.lock:
            self.calls[name] += 1
            if self._state.is_down:
                raise UnreachableError("Keycloak does not answer", remedy="see whether it runs")
            not_before = self._state.not_before.get(self.actor)
            if self.token_of is not None and not_before is not None and self.token_of < not_before:
                raise refusal(401, "the token is void")
            yield
        if self.after_call is not None:
            self.after_call(name)

    def _tell(self, operation: str, kind: str, path: str, detail: str = "") -> None:
        now = self._state.clock()
        event = AdminEvent(
            id=str(uuid.uuid4()),
            at=now - timedelta(microseconds=now.microsecond % 1000),
            operation=operation,
            resource_type=kind,
            resource_path=path,
            actor_realm=self._state.realm,
            actor_client=self.actor,
            actor_user=self.actor,
            detail=detail,
        )
        self._state.events.append(event)

    def _tell_roles(self, operation: str, holder: str, roles: frozenset[RoleName]) -> None:
        if any("/" not in role for role in roles):
            self._tell(operation, "REALM_ROLE_MAPPING", f"{holder}/role-mappings/realm")
        for client in sorted({role.split("/")[0] for role in roles if "/" in role}):
            self._tell(operation, "CLIENT_ROLE_MAPPING", f"{holder}/role-mappings/clients/{client}")

    def _tell_mapper(self, operation: str, mapper: RealmMapper) -> None:
        if mapper.holder is MapperHolder.PROVIDER:
            path = f"identity-provider/instances/{mapper.holder_id}/mappers/{mapper.id}"
            self._tell(operation, "IDENTITY_PROVIDER_MAPPER", path)
        else:
            tail = "clients" if mapper.holder is MapperHolder.CLIENT else "client-scopes"
            path = f"{tail}/{mapper.holder_id}/protocol-mappers/models/{mapper.id}"
            self._tell(operation, "PROTOCOL_MAPPER", path)

    def _user(self, user: KeycloakId) -> RealmUser:
        if user not in self._state.users:
            raise refusal(404, f"there is no user {user}")
        return self._state.users[user]

    def _named(self, username: Username) -> RealmUser | None:
        user = self._state.names.get(Username(username.lower()))
        return None if user is None else self._state.users[user]

    def _put_user(self, user: RealmUser) -> None:
        self._state.users[user.id] = user
        self._state.names[user.username] = user.id

    def _at(self, path: GroupPath) -> KeycloakId:
        at: KeycloakId | None = None
        for name in path:
            at = self._child(at, name)
            if at is None:
                break
        if at is None:
            raise refusal(404, f"there is no group '{'/'.join(path)}'")
        return at

    def _made(self, user: NewUser) -> RealmUser:
        return RealmUser(
            id=KeycloakId(str(uuid.uuid4())),
            username=user.username,
            enabled=user.enabled,
            name=user.name,
            attributes=dict(user.attributes),
            groups=frozenset(self._at(path) for path in user.groups),
            roles=frozenset({self.default_role}),
            identities=user.identities,
        )

    def _put_role(self, name: RoleName, description: str, composites: frozenset[RoleName]) -> None:
        known = self._state.roles.get(name)
        self._state.roles[name] = RealmRole(
            id=known.id if known is not None else KeycloakId(str(uuid.uuid4())),
            name=name,
            description=description,
            composites=composites,
        )

    def _group(self, group: KeycloakId) -> RealmGroup:
        if group not in self._state.groups:
            raise refusal(404, f"there is no group {group}")
        return self._state.groups[group]

    def _put_group(self, group: RealmGroup) -> None:
        self._state.groups[group.id] = group

    def _child(self, parent: KeycloakId | None, name: str) -> KeycloakId | None:
        return self._state.children.get((parent, name))

    def _whole(self, group: KeycloakId) -> RealmGroup:
        path: GroupPath = ()
        at: KeycloakId | None = group
        while at is not None:
            path = (*self._state.groups[at].path, *path)
            at = self._state.parents[at]
        return replace(self._state.groups[group], path=path)

    def _check_roles(self, roles: frozenset[RoleName]) -> None:
        for role in roles:
            if role not in self._state.roles or "/" in role:
                raise refusal(404, f"there is no realm role '{role}'")

    def _role(self, role: KeycloakId) -> RealmRole:
        found = next((item for item in self._state.roles.values() if item.id == role), None)
        if found is None:
            raise refusal(404, f"there is no role {role}")
        return found

    def _add_group_roles(self, group: KeycloakId, roles: frozenset[RoleName]) -> None:
        known = self._group(group)
        new = roles - known.roles
        if new:
            self._put_group(replace(known, roles=known.roles | new))
            self._tell_roles("CREATE", f"groups/{group}", new)


def refusal(status: int, message: str) -> RealmRefusedError:
    return RealmRefusedError(message, status=status, remedy="see 'quanheng doctor'")
