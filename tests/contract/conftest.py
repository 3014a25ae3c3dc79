"""The same realm twice: in memory, and on a real Keycloak."""

from __future__ import annotations

from typing import Any, Protocol

import pytest

from fixtures.servers_keycloak import POST_ROLES, KeycloakRealm
from quanheng.keycloak.fake import FakeRealm
from quanheng.keycloak.port import Realm
from quanheng.keycloak.rest import SYNC_CLIENT, RestRealm
from quanheng.model.ids import KeycloakId, RoleName


class Bench(Protocol):
    """A realm under test, and what only an administrator of the server can do to it."""

    realm: Realm

    def without_import(self) -> Realm:
        """The realm while the configurator is closed."""

    def composite(self, name: str, parts: frozenset[RoleName]) -> RoleName:
        """Make a composite role; ``account/view-profile`` is a client's role."""

    def map_client_role(self, holder: KeycloakId, role: RoleName) -> None:
        """Map a client's role to a user or a group."""

    def service_account(self) -> KeycloakId:
        """Make a client with a service account."""

    def delete_user(self, user: KeycloakId) -> None:
        """Delete a user."""

    def delete_group(self, group: KeycloakId) -> None:
        """Delete a group."""


class FakeBench:
    """In memory."""

    def __init__(self) -> None:
        fake = FakeRealm("test")
        for name, label in POST_ROLES.items():
            fake.tamper_role(name, label)
        self.realm: Realm = fake
        self._console = fake.as_actor("console")

    def without_import(self) -> Realm:
        self._console.can_import = False
        return self._console

    def composite(self, name: str, parts: frozenset[RoleName]) -> RoleName:
        return self._console.tamper_role(name, composites=parts)

    def map_client_role(self, holder: KeycloakId, role: RoleName) -> None:
        self._console.tamper_map_client_role(holder, role)

    def service_account(self) -> KeycloakId:
        return self._console.tamper_service_account("foreign")

    def delete_user(self, user: KeycloakId) -> None:
        self._console.tamper_delete_user(user)

    def delete_group(self, group: KeycloakId) -> None:
        self._console.tamper_delete_group(group)


class KeycloakBench:
    """On a real server."""

    def __init__(self, made: KeycloakRealm) -> None:
        self._made = made
        self._admin = made.admin()
        self.realm: Realm = made.rest()

    def without_import(self) -> Realm:
        return RestRealm(self._made.client(SYNC_CLIENT))

    def composite(self, name: str, parts: frozenset[RoleName]) -> RoleName:
        self._send("POST", "/roles", {"name": name})
        self._send("POST", f"/roles/{name}/composites", [self._role(part) for part in parts])
        return RoleName(name)

    def map_client_role(self, holder: KeycloakId, role: RoleName) -> None:
        body = self._role(role)
        kind = "users" if self.realm.read_user(holder) else "groups"
        self._send("POST", f"/{kind}/{holder}/role-mappings/clients/{body['containerId']}", [body])

    def service_account(self) -> KeycloakId:
        client = {"clientId": "foreign", "publicClient": False, "serviceAccountsEnabled": True}
        self._send("POST", "/clients", client)
        identifier = self._get("/clients?clientId=foreign")[0]["id"]
        return KeycloakId(self._get(f"/clients/{identifier}/service-account-user")["id"])

    def delete_user(self, user: KeycloakId) -> None:
        self._send("DELETE", f"/users/{user}")

    def delete_group(self, group: KeycloakId) -> None:
        self._send("DELETE", f"/groups/{group}")

    def _role(self, role: RoleName) -> Any:
        client, _, name = role.rpartition("/")
        if not client:
            return self._get(f"/roles/{name}")
        identifier = self._get(f"/clients?clientId={client}")[0]["id"]
        return self._get(f"/clients/{identifier}/roles/{name}")

    def _get(self, tail: str) -> Any:
        return self._admin.get(self._admin.realm_path(tail))

    def _send(self, method: str, tail: str, body: Any = None) -> None:
        self._admin.request(method, self._admin.realm_path(tail), json=body)


@pytest.fixture(params=["fake", "keycloak"])
def bench(request: pytest.FixtureRequest) -> Bench:
    """A fresh realm, in memory and real."""
    if request.param == "fake":
        return FakeBench()
    return KeycloakBench(request.getfixturevalue("keycloak_realm"))


@pytest.fixture
def realm(bench: Bench) -> Realm:
    """A fresh realm behind the port."""
    return bench.realm
