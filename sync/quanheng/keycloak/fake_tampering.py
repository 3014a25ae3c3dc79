"""What only an administrator of the server can do, for tests that tamper."""

from __future__ import annotations

import uuid
from dataclasses import replace

from quanheng.keycloak.fake_base import FakeBase
from quanheng.keycloak.representation import SERVICE_ACCOUNT_PREFIX
from quanheng.model.ids import KeycloakId, RoleName, Username
from quanheng.model.realm import (
    RealmRole,
    RealmUser,
)


class Tampering(FakeBase):
    """Changes that no method of our port makes."""

    def tamper_role(
        self, name: str, description: str = "", composites: frozenset[RoleName] = frozenset()
    ) -> RoleName:
        """Create a realm role, or change what is in it."""
        with self._state.lock:
            role = RoleName(name)
            known = self._state.roles.get(role)
            self._state.roles[role] = RealmRole(name=role, description=description, composites=composites)
            if known is None:
                self._tell("CREATE", "REALM_ROLE", f"roles/{name}")
            if composites != (known.composites if known else frozenset()):
                self._tell("CREATE", "REALM_ROLE", f"roles/{name}/composites")
            return role

    def tamper_client_role(self, client: str, name: str) -> RoleName:
        """Create a role of a client."""
        with self._state.lock:
            role = RoleName(f"{client}/{name}")
            self._state.client_roles.add(role)
            self._tell("CREATE", "CLIENT_ROLE", f"clients/{client}/roles/{name}")
            return role

    def tamper_map_client_role(self, holder: KeycloakId, role: RoleName) -> None:
        """Map a client's role to a user or a group."""
        with self._state.lock:
            if holder in self._state.users:
                known = self._state.users[holder]
                self._put_user(replace(known, roles=known.roles | {role}))
                self._tell_roles("CREATE", f"users/{holder}", frozenset({role}))
            else:
                self._add_group_roles(holder, frozenset({role}))

    def tamper_delete_user(self, user: KeycloakId) -> None:
        """Delete a user."""
        with self._state.lock:
            del self._state.names[self._state.users.pop(user).username]
            self._tell("DELETE", "USER", f"users/{user}")

    def tamper_delete_group(self, group: KeycloakId) -> None:
        """Delete a group, with what is below it and every membership."""
        with self._state.lock:
            gone = {group}
            while more := {key for key, above in self._state.parents.items() if above in gone} - gone:
                gone |= more
            for key in gone:
                del self._state.children[self._state.parents.pop(key), self._state.groups.pop(key).path[0]]
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
