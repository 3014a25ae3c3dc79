"""What only an administrator of the server can do, for tests that tamper."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime, timedelta

from quanheng.keycloak.fake_base import FakeBase
from quanheng.keycloak.representation import GUARD_EVENT, SERVICE_ACCOUNT_PREFIX, client_role, realm_role
from quanheng.model.ids import KeycloakId, RoleName, Username
from quanheng.model.realm import LoginEvent, MapperHolder, RealmMapper, RealmUser


class Tampering(FakeBase):
    """Changes that no method of our port makes."""

    def tamper_role(
        self, name: str, description: str = "", composites: frozenset[RoleName] = frozenset()
    ) -> RoleName:
        """Create a realm role, or change what is in it."""
        with self._state.lock:
            role = realm_role(name)
            known = self._state.roles.get(role)
            self._put_role(role, description, composites)
            if known is None:
                self._tell("CREATE", "REALM_ROLE", f"roles/{name}")
            if composites != (known.composites if known else frozenset()):
                self._tell("CREATE", "REALM_ROLE", f"roles/{name}/composites")
            return role

    def tamper_client_role(
        self, client: str, name: str, description: str = "", composites: frozenset[RoleName] = frozenset()
    ) -> RoleName:
        """Create a role of a client, or change what is in it."""
        with self._state.lock:
            role = client_role(client, name)
            self._put_role(role, description, composites)
            self._tell("CREATE", "CLIENT_ROLE", f"clients/{client}/roles/{name}")
            return role

    def tamper_rename_role(self, role: RoleName, name: str) -> RoleName:
        """Give a role another name; its id and its holders stay."""
        with self._state.lock:
            client, _, _ = role.rpartition("/")
            renamed = RoleName(f"{client}/{realm_role(name)}") if client else realm_role(name)
            self._state.roles[renamed] = replace(self._state.roles.pop(role), name=renamed)
            self._swap_role(role, frozenset({renamed}))
            kind = "CLIENT_ROLE" if client else "REALM_ROLE"
            self._tell("UPDATE", kind, f"roles-by-id/{self._state.roles[renamed].id}")
            return renamed

    def tamper_delete_role(self, role: RoleName) -> None:
        """Delete a role; nobody and nothing holds it any more."""
        with self._state.lock:
            gone = self._state.roles.pop(role)
            self._swap_role(role, frozenset())
            self._tell("DELETE", "REALM_ROLE", f"roles-by-id/{gone.id}")

    def _swap_role(self, old: RoleName, new: frozenset[RoleName]) -> None:
        for user in list(self._state.users.values()):
            if old in user.roles:
                self._put_user(replace(user, roles=user.roles - {old} | new))
        for group in list(self._state.groups.values()):
            if old in group.roles:
                self._put_group(replace(group, roles=group.roles - {old} | new))
        for name, role in list(self._state.roles.items()):
            if old in role.composites:
                self._state.roles[name] = replace(role, composites=role.composites - {old} | new)

    def tamper_map_client_role(self, holder: KeycloakId, role: RoleName) -> None:
        """Map a client's role to a user or a group."""
        with self._state.lock:
            if holder in self._state.users:
                known = self._state.users[holder]
                self._put_user(replace(known, roles=known.roles | {role}))
                self._tell_roles("CREATE", f"users/{holder}", frozenset({role}))
            else:
                self._add_group_roles(holder, frozenset({role}))

    def tamper_veto(self, user: KeycloakId, detail: str) -> None:
        """Have the guard tell that it vetoed something that this actor tried; ``detail`` is its JSON."""
        with self._state.lock:
            self._tell("ACTION", GUARD_EVENT, f"users/{user}", detail)

    def tamper_delete_user(self, user: KeycloakId) -> None:
        """Delete a user."""
        with self._state.lock:
            del self._state.names[self._state.users.pop(user).username]
            self._tell("DELETE", "USER", f"users/{user}")

    def tamper_default_group(self, group: KeycloakId) -> None:
        """Have every user who is made later join a group."""
        with self._state.lock:
            self._state.default_groups.add(group)
            self._tell("CREATE", "GROUP", f"default-groups/{group}")

    def tamper_mapper(self, holder: MapperHolder, held_by: str, name: str, kind: str, **config: str) -> None:
        """Add a mapper to a client, client scope or identity provider."""
        with self._state.lock:
            mapper = RealmMapper(
                id=KeycloakId(str(uuid.uuid4())),
                name=name,
                holder=holder,
                holder_id=held_by,
                holder_name=held_by,
                kind=kind,
                config=config,
            )
            self._state.mappers[mapper.id] = mapper
            self._tell_mapper("CREATE", mapper)

    def tamper_remove_storage(self, *users: KeycloakId) -> None:
        """Remove a user storage, and with it those who were linked to it: no event names them."""
        with self._state.lock:
            for user in users:
                del self._state.names[self._state.users.pop(user).username]
            self._tell("DELETE", "COMPONENT", "components/storage")

    def tamper_password(self, user: KeycloakId) -> None:
        """Set a user's password."""
        with self._state.lock:
            self.tamper_bring_password(user)
            self._tell("ACTION", "USER", f"users/{user}/reset-password")

    def tamper_bring_password(self, user: KeycloakId) -> None:
        """Set a password within what makes or saves the user, whose event is all there is of it."""
        with self._state.lock:
            self._state.passwords[user] = str(uuid.uuid4())

    def tamper_otp(self, user: KeycloakId) -> None:
        """Give a user another one-time password."""
        with self._state.lock:
            self._state.otps[user] = str(uuid.uuid4())
            self._tell("UPDATE", "USER", f"users/{user}")

    def tamper_login(
        self,
        client: str,
        user: KeycloakId | None,
        error: str = "",
        *,
        session: str = "",
        address: str = "192.0.2.7",
        refresh: bool = False,
        at: datetime | None = None,
    ) -> None:
        """Log in at a client, be refused there, or renew a token; ``at``: an event that shows late."""
        with self._state.lock:
            now = at or self._state.clock()
            event = LoginEvent(
                id=str(uuid.uuid4()),
                at=now - timedelta(microseconds=now.microsecond % 1000),
                client=client,
                user=user,
                address=address,
                session="" if error else session or str(uuid.uuid4()),
                error=error,
                refresh=refresh,
            )
            self._state.logins.append(event)

    def tamper_clear_logins(self) -> None:
        """Clear the login events, as the console's button does."""
        with self._state.lock:
            self._state.logins.clear()

    def tamper_delete_group(self, group: KeycloakId) -> None:
        """Delete a group, with what is below it and every membership."""
        with self._state.lock:
            gone = {group}
            while more := {key for key, above in self._state.parents.items() if above in gone} - gone:
                gone |= more
            for key in gone:
                del self._state.children[self._state.parents.pop(key), self._state.groups.pop(key).path[0]]
            self._state.default_groups -= gone
            for user in list(self._state.users.values()):
                self._put_user(replace(user, groups=user.groups - gone))
            self._tell("DELETE", "GROUP", f"groups/{group}")

    def tamper_service_account(self, client: str) -> KeycloakId:
        """Create a client with a service account; the event names the client alone."""
        with self._state.lock:
            user = RealmUser(
                id=KeycloakId(str(uuid.uuid4())),
                username=Username(f"{SERVICE_ACCOUNT_PREFIX}{client}"),
                enabled=True,
                name="",
                roles=frozenset({self.default_role}),
                service_account=True,
            )
            self._put_user(user)
            self._tell("CREATE", "CLIENT", f"clients/{client}")
            return user.id
