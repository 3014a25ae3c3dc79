"""A realm in memory that behaves like :class:`quanheng.keycloak.rest.RestRealm`.

Passes the same contract suite (``tests/contract``), and tells of changes in the same words: an import
gives one REALM event per user, a user created with groups one USER event and none for its groups, a
subgroup an event that names only its parent.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from quanheng.keycloak.fake_base import refusal
from quanheng.keycloak.fake_tampering import Tampering
from quanheng.keycloak.guard_fake import FakeGuard
from quanheng.keycloak.new_user import check_fields, check_new_users
from quanheng.keycloak.permissions_fake import FakePermissions
from quanheng.keycloak.representation import ROLE_EVENTS
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

_ADMINISTRATION: Final = "realm-management/"
_SERVICE: Final = "service-account-"
"""How the actors that we are begin; who acts in the console administers all of the realm."""
_WRITES = frozenset(
    {
        "create_group",
        "update_group",
        "move_group",
        "add_group_roles",
        "remove_group_roles",
        "import_users",
        "create_user",
        "update_user",
        "switch_off",
        "join_group",
        "leave_group",
        "add_roles",
        "remove_roles",
        "add_role_parts",
        "remove_role_parts",
        "remove_default_group",
        "remove_mapper",
        "link_identity",
        "unlink_identity",
        "logout",
        "logout_everybody",
    }
)


class FakeRealm(Tampering):
    """Implements :class:`quanheng.keycloak.port.Realm` in memory; may be used from several threads.

    ``before_call`` and ``after_call`` see every method: raise in the first and nothing was done, raise
    in the second and it was done but the caller never hears. ``calls`` counts methods, ``writes`` those
    that may change something.
    """

    # Standing

    @property
    def own_actors(self) -> frozenset[str]:
        """The actor of this view."""
        return frozenset({self.actor})

    @property
    def guard(self) -> FakeGuard:
        """The guard of this realm; it is not installed unless a test says so."""
        return FakeGuard(self._state, self._call, self._tell, self.actor)

    @property
    def permissions(self) -> FakePermissions:
        """The permissions of administrators."""
        return FakePermissions(self._state.permissions, self._call, self._tell, may_write=self.can_import)

    @property
    def writes(self) -> int:
        """Calls that may have changed something."""
        return sum(count for name, count in self.calls.items() if name in _WRITES)

    def as_actor(self, actor: str) -> FakeRealm:
        """The same realm seen by somebody else, without hooks: tamper through it like in the console."""
        other = FakeRealm(self._state.realm, actor=actor)
        other._state = self._state
        return other

    def steal_token(self, actor: str) -> FakeRealm:
        """The same seen by who has a token of another's account, given now, and no way to the next one."""
        thief = self.as_actor(actor)
        thief.token_of = self._state.clock().replace(microsecond=0)
        return thief

    def down(self, is_down: bool = True) -> None:
        """Stop answering (:class:`UnreachableError`) until told otherwise."""
        self._state.is_down = is_down

    # Reading

    def read_roles(self) -> Mapping[RoleName, RealmRole]:
        """Every realm role."""
        with self._call("read_roles"):
            return dict(self._state.roles)

    def read_groups(self) -> Mapping[KeycloakId, RealmGroup]:
        """Every group."""
        with self._call("read_groups"):
            return {group: self._whole(group) for group in self._state.groups}

    def read_group(self, group: KeycloakId) -> RealmGroup | None:
        """One group."""
        with self._call("read_group"):
            return self._whole(group) if group in self._state.groups else None

    def read_user(self, user: KeycloakId) -> RealmUser | None:
        """One user."""
        with self._call("read_user"):
            return self._state.users.get(user)

    def read_memberships(self, user: KeycloakId) -> frozenset[KeycloakId] | None:
        """Groups of one user."""
        with self._call("read_memberships"):
            known = self._state.users.get(user)
            return None if known is None else known.groups

    def read_passwords(self, user: KeycloakId) -> frozenset[str]:
        """Marks of a user's passwords: there is one, or none."""
        with self._call("read_passwords"):
            there = user in self._state.users and user in self._state.passwords
            return frozenset({self._state.passwords[user]}) if there else frozenset()

    def read_credentials(self, user: KeycloakId) -> frozenset[str]:
        """Marks of a user's credentials."""
        with self._call("read_credentials"):
            kinds = {"password": self._state.passwords, "otp": self._state.otps}
            there = user in self._state.users
            return frozenset(f"{kind} {held[user]}" for kind, held in kinds.items() if there and user in held)

    def find_user(self, username: Username) -> RealmUser | None:
        """The user of this name."""
        with self._call("find_user"):
            return self._named(username)

    def sweep_users(self) -> Iterator[RealmUser]:
        """Every user."""
        with self._call("sweep_users"):
            users = list(self._state.users.values())
        return iter(users)

    def read_default_groups(self) -> Mapping[KeycloakId, str]:
        """Default groups."""
        with self._call("read_default_groups"):
            return {group: self._state.groups[group].path[-1] for group in self._state.default_groups}

    def read_mappers(self) -> Sequence[RealmMapper]:
        """Every mapper that a test put there."""
        with self._call("read_mappers"):
            return list(self._state.mappers.values())

    def read_admin_events(self, since: datetime, *, page_size: int = 5000) -> Iterator[AdminEvent]:
        """Admin events, oldest first."""
        with self._call("read_admin_events"):
            return iter(self._events(since))

    def _events(self, since: datetime) -> list[AdminEvent]:
        # Keycloak keeps milliseconds.
        start = since.replace(microsecond=since.microsecond // 1000 * 1000)
        return sorted(
            (event for event in self._state.events if event.at >= start), key=lambda event: event.at
        )

    def read_role_events(self, since: datetime) -> Iterator[AdminEvent]:
        """Admin events by which roles were put into something, oldest first."""
        with self._call("read_role_events"):
            events = list(self._events(since))
        return (
            event for event in events if event.operation == "CREATE" and event.resource_type in ROLE_EVENTS
        )

    def read_logins(
        self, since: datetime, *, client: str = "", user: KeycloakId | None = None, refreshes: bool = False
    ) -> Iterator[LoginEvent]:
        """Logins and refused attempts, oldest first."""
        with self._call("read_logins"):
            start = since.replace(microsecond=since.microsecond // 1000 * 1000)
            found = [
                event
                for event in self._state.logins
                if event.at >= start
                and client in ("", event.client)
                and user in (None, event.user)
                and (refreshes or not event.refresh)
            ]
        return iter(sorted(found, key=lambda event: event.at))

    def read_server_time(self) -> datetime:
        """The clock."""
        with self._call("read_server_time"):
            return self._state.clock().replace(microsecond=0)

    # Writing groups

    def create_group(
        self, parent: KeycloakId | None, name: str, attributes: Attributes, roles: frozenset[RoleName]
    ) -> KeycloakId:
        """Create or complete a group."""
        with self._call("create_group"):
            if parent is not None:
                self._group(parent)
            self._check_roles(roles)
            group = self._child(parent, name)
            if group is None:
                group = KeycloakId(str(uuid.uuid4()))
                self._state.parents[group] = parent
                self._state.children[parent, name] = group
                self._state.groups[group] = RealmGroup(id=group, path=(name,), attributes=dict(attributes))
                path = f"groups/{group}" if parent is None else f"groups/{parent}/children"
                self._tell("CREATE", "GROUP", path)
            elif self._state.groups[group].attributes != dict(attributes):
                self._put_group(replace(self._state.groups[group], attributes=dict(attributes)))
                self._tell("UPDATE", "GROUP", f"groups/{group}")
            self._add_group_roles(group, roles)
            return group

    def update_group(self, group: KeycloakId, name: str, attributes: Attributes) -> None:
        """Set name and attributes."""
        with self._call("update_group"):
            known = self._group(group)
            parent = self._state.parents[group]
            if self._child(parent, name) not in (None, group):
                raise refusal(409, "a sibling of that name exists")
            del self._state.children[parent, known.path[0]]
            self._state.children[parent, name] = group
            self._put_group(replace(known, path=(name,), attributes=dict(attributes)))
            self._tell("UPDATE", "GROUP", f"groups/{group}")

    def move_group(self, group: KeycloakId, parent: KeycloakId) -> None:
        """Move a group."""
        with self._call("move_group"):
            known = self._group(group)
            self._group(parent)
            above, name = self._state.parents[group], known.path[0]
            if above == parent:
                return
            if self._child(parent, name) is not None:
                raise refusal(409, "a sibling of that name exists")
            del self._state.children[above, name]
            self._state.children[parent, name] = group
            self._state.parents[group] = parent
            self._tell("UPDATE", "GROUP", f"groups/{parent}/children")

    def add_group_roles(self, group: KeycloakId, roles: frozenset[RoleName]) -> None:
        """Map roles to the group."""
        with self._call("add_group_roles"):
            self._group(group)
            self._check_roles(roles)
            self._add_group_roles(group, roles)

    def remove_group_roles(self, group: KeycloakId, roles: frozenset[RoleName]) -> None:
        """Take roles from the group."""
        with self._call("remove_group_roles"):
            known = self._group(group)
            gone = known.roles & roles
            if gone:
                self._put_group(replace(known, roles=known.roles - gone))
                self._tell_roles("DELETE", f"groups/{group}", gone)

    # Writing users

    def import_users(self, users: Sequence[NewUser]) -> Mapping[Username, KeycloakId]:
        """Create users, all or none; those that exist are left as they are."""
        with self._call("import_users"):
            self._check_configurator()
            check_new_users(users)
            new = [self._made(user) for user in users if self._named(user.username) is None]
            for user in new:
                self._put_user(user)
                self._tell("CREATE", "REALM", f"users/{user.id}")
            return {user.username: user.id for user in new}

    def create_user(self, user: NewUser) -> KeycloakId:
        """Create one user."""
        with self._call("create_user"):
            check_new_users([user])
            if self._named(user.username) is not None:
                raise refusal(409, "a user of that name exists")
            made = self._made(user)
            made = replace(made, groups=made.groups | self._state.default_groups)
            self._put_user(made)
            self._tell("CREATE", "USER", f"users/{made.id}")
            return made.id

    def update_user(
        self, user: KeycloakId, *, username: Username, enabled: bool | None, name: str, attributes: Attributes
    ) -> None:
        """Set the user's own fields."""
        with self._call("update_user"):
            check_fields(username, name, attributes)
            known = self._user(user)
            other = self._named(username)
            if other is not None and other.id != user:
                raise refusal(409, "a user of that name exists")
            del self._state.names[known.username]
            switch = known.enabled if enabled is None else enabled
            self._put_user(
                replace(known, username=username, enabled=switch, name=name, attributes=dict(attributes))
            )
            self._tell("UPDATE", "USER", f"users/{user}")

    def switch_off(self, user: KeycloakId) -> None:
        """Disable a user."""
        with self._call("switch_off"):
            self._put_user(replace(self._user(user), enabled=False))
            self._tell("UPDATE", "USER", f"users/{user}")

    def join_group(self, user: KeycloakId, group: KeycloakId) -> None:
        """Make the user a member."""
        with self._call("join_group"):
            known = self._user(user)
            self._group(group)
            if group not in known.groups:
                self._put_user(replace(known, groups=known.groups | {group}))
                self._tell("CREATE", "GROUP_MEMBERSHIP", f"users/{user}/groups/{group}")

    def leave_group(self, user: KeycloakId, group: KeycloakId) -> None:
        """End a membership."""
        with self._call("leave_group"):
            known = self._user(user)
            self._group(group)
            self._put_user(replace(known, groups=known.groups - {group}))
            self._tell("DELETE", "GROUP_MEMBERSHIP", f"users/{user}/groups/{group}")

    def add_roles(self, user: KeycloakId, roles: frozenset[RoleName]) -> None:
        """Map realm roles to the user."""
        with self._call("add_roles"):
            known = self._user(user)
            self._check_roles(roles)
            if roles:
                self._put_user(replace(known, roles=known.roles | roles))
                self._tell_roles("CREATE", f"users/{user}", roles)

    def remove_roles(self, user: KeycloakId, roles: frozenset[RoleName]) -> None:
        """Take realm and client roles from the user."""
        with self._call("remove_roles"):
            known = self._user(user)
            gone = known.roles & roles
            ours = self.actor.startswith(_SERVICE)
            if ours and any(role.startswith(_ADMINISTRATION) for role in gone):
                raise refusal(403, "only who administers all of the realm takes its own roles from anybody")
            if gone:
                self._put_user(replace(known, roles=known.roles - gone))
                self._tell_roles("DELETE", f"users/{user}", gone)

    def link_identity(self, user: KeycloakId, identity: FederatedIdentity) -> None:
        """Link an identity in place of another of the same provider."""
        with self._call("link_identity"):
            known = self._user(user)
            if identity not in known.identities:
                others = {link for link in known.identities if link.provider != identity.provider}
                path = f"users/{user}/federated-identity/{identity.provider}"
                if others != known.identities:
                    self._tell("DELETE", "USER", path)
                self._put_user(replace(known, identities=frozenset(others | {identity})))
                self._tell("CREATE", "USER", path)

    def unlink_identity(self, user: KeycloakId, provider: str) -> None:
        """End a link."""
        with self._call("unlink_identity"):
            known = self._user(user)
            left = frozenset(link for link in known.identities if link.provider != provider)
            if left != known.identities:
                self._put_user(replace(known, identities=left))
                self._tell("DELETE", "USER", f"users/{user}/federated-identity/{provider}")

    # Writing what gives power past any grant: by the configurator

    def add_role_parts(self, role: KeycloakId, parts: frozenset[KeycloakId]) -> None:
        """Put roles into a role."""
        with self._call("add_role_parts"):
            self._change_parts("CREATE", role, parts)

    def remove_role_parts(self, role: KeycloakId, parts: frozenset[KeycloakId]) -> None:
        """Take roles out of a role."""
        with self._call("remove_role_parts"):
            self._change_parts("DELETE", role, parts)

    def remove_default_group(self, group: KeycloakId) -> None:
        """Let nobody join a group unasked any more."""
        with self._call("remove_default_group"):
            self._check_configurator()
            self._group(group)
            self._state.default_groups.discard(group)
            self._tell("DELETE", "GROUP", f"default-groups/{group}")

    def remove_mapper(self, mapper: RealmMapper) -> None:
        """Take a mapper away."""
        with self._call("remove_mapper"):
            self._check_configurator()
            if self._state.mappers.pop(mapper.id, None) is not None:
                self._tell_mapper("DELETE", mapper)

    def _change_parts(self, operation: str, role: KeycloakId, parts: frozenset[KeycloakId]) -> None:
        self._check_configurator()
        known = self._role(role)
        names = frozenset(self._role(part).name for part in parts)
        changed = known.composites | names if operation == "CREATE" else known.composites - names
        self._state.roles[known.name] = replace(known, composites=changed)
        kind = "CLIENT_ROLE" if "/" in known.name else "REALM_ROLE"
        self._tell(operation, kind, f"roles-by-id/{role}/composites")

    def _check_configurator(self) -> None:
        if not self.can_import:
            raise refusal(403, "this needs the configurator, and it is not open")

    def logout(self, user: KeycloakId) -> None:
        """End every session, and void every token; our own accounts are no users here."""
        with self._call("logout"):
            if user not in self.own_actors:
                self._user(user)
            self._state.not_before[user] = self._state.clock().replace(microsecond=0)
            self._tell("ACTION", "USER", f"users/{user}/logout")

    def logout_everybody(self) -> None:
        """End every session of the realm."""
        with self._call("logout_everybody"):
            self._tell("ACTION", "REALM", "logout-all")
