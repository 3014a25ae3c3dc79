"""The same realm twice: in memory, and on a real Keycloak."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fixtures.servers_keycloak import POST_ROLES, KeycloakRealm
from quanheng.keycloak.fake import FakeRealm
from quanheng.keycloak.port import Realm
from quanheng.keycloak.representation import REFRESH, client_role, realm_role
from quanheng.keycloak.rest import SYNC_CLIENT, RestRealm
from quanheng.model.ids import KeycloakId, RoleName
from quanheng.model.realm import MapperHolder

HOLDERS: Final = {
    MapperHolder.CLIENT: "hall",
    MapperHolder.CLIENT_SCOPE: "email",
    MapperHolder.PROVIDER: "social-card",
}
"""What bears the mappers of tests."""


_PASSWORD: Final = "Sunny-Day-2026-11"


class Bench(Protocol):
    """A realm under test, and what only an administrator of the server can do to it."""

    realm: Realm

    def without_import(self) -> Realm:
        """The realm while the configurator is closed."""

    def composite(self, name: str, parts: frozenset[RoleName]) -> RoleName:
        """Make a composite role; ``account/view-profile`` is a client's role."""

    def put_into(self, role: RoleName, parts: frozenset[RoleName]) -> None:
        """Put roles into a realm role that is there."""

    def client_role(self, client: str, name: str, description: str, parts: frozenset[RoleName]) -> RoleName:
        """Make a role of a client, and the client when there is none."""

    def rename_role(self, role: RoleName, name: str) -> RoleName:
        """Give a realm role another name."""

    def map_client_role(self, holder: KeycloakId, role: RoleName) -> None:
        """Map a client's role to a user or a group."""

    def service_account(self) -> KeycloakId:
        """Make a client with a service account."""

    def default_group(self, group: KeycloakId) -> None:
        """Have whoever is made later join a group."""

    def mapper(self, holder: MapperHolder, name: str, kind: str, config: Mapping[str, str]) -> str:
        """Add a mapper to a new client, the scope ``email`` or the card's provider; the holder's name."""

    def delete_user(self, user: KeycloakId) -> None:
        """Delete a user."""

    def delete_group(self, group: KeycloakId) -> None:
        """Delete a group."""

    def bring_password(self, user: KeycloakId) -> None:
        """Save a user with a password."""

    def bring_otp(self, user: KeycloakId) -> None:
        """Save a user with a one-time password."""

    def log_in(self, client: str, user: KeycloakId | None, *, right: bool) -> None:
        """Log in at a client with a password that is right or wrong; None: by a name that nobody has."""

    def renew(self, client: str, user: KeycloakId) -> None:
        """Log in at a client, and renew the token, in a realm that keeps events of that."""


class FakeBench:
    """In memory."""

    def __init__(self) -> None:
        fake = FakeRealm("test")
        for name, label in POST_ROLES.items():
            fake.tamper_role(name, label)
        self.realm: Realm = fake
        self._console = fake.as_actor("console")
        self.guard_state = fake.guard.state
        self.permission_state = fake.permissions.state

    def put_into(self, role: RoleName, parts: frozenset[RoleName]) -> None:
        known = self.realm.read_roles()[role]
        self._console.tamper_role(role, known.description, known.composites | parts)

    def without_import(self) -> Realm:
        self._console.can_import = False
        return self._console

    def composite(self, name: str, parts: frozenset[RoleName]) -> RoleName:
        return self._console.tamper_role(name, composites=parts)

    def client_role(self, client: str, name: str, description: str, parts: frozenset[RoleName]) -> RoleName:
        return self._console.tamper_client_role(client, name, description, parts)

    def rename_role(self, role: RoleName, name: str) -> RoleName:
        return self._console.tamper_rename_role(role, name)

    def map_client_role(self, holder: KeycloakId, role: RoleName) -> None:
        self._console.tamper_map_client_role(holder, role)

    def service_account(self) -> KeycloakId:
        return self._console.tamper_service_account("foreign")

    def default_group(self, group: KeycloakId) -> None:
        self._console.tamper_default_group(group)

    def mapper(self, holder: MapperHolder, name: str, kind: str, config: Mapping[str, str]) -> str:
        self._console.tamper_mapper(holder, HOLDERS[holder], name, kind, **config)
        return HOLDERS[holder]

    def delete_user(self, user: KeycloakId) -> None:
        self._console.tamper_delete_user(user)

    def delete_group(self, group: KeycloakId) -> None:
        self._console.tamper_delete_group(group)

    def bring_password(self, user: KeycloakId) -> None:
        self._console.tamper_bring_password(user)

    def bring_otp(self, user: KeycloakId) -> None:
        self._console.tamper_otp(user)

    def log_in(self, client: str, user: KeycloakId | None, *, right: bool) -> None:
        error = "user_not_found" if user is None else "" if right else "invalid_user_credentials"
        self._console.tamper_login(client, user, error)

    def renew(self, client: str, user: KeycloakId) -> None:
        for refresh in (False, True):
            self._console.tamper_login(client, user, refresh=refresh)


class KeycloakBench:
    """On a real server."""

    def __init__(self, made: KeycloakRealm) -> None:
        self._made = made
        self.name = made.name
        self._admin = made.admin()
        self.realm: Realm = made.rest()

    def without_import(self) -> Realm:
        return RestRealm(self._made.client(SYNC_CLIENT))

    def composite(self, name: str, parts: frozenset[RoleName]) -> RoleName:
        self._send("POST", "/roles", {"name": name})
        made = realm_role(name)
        self._contain(made, parts)
        return made

    def client_role(self, client: str, name: str, description: str, parts: frozenset[RoleName]) -> RoleName:
        if not self._get(f"/clients?clientId={client}"):
            self._send("POST", "/clients", {"clientId": client})
        identifier = self._get(f"/clients?clientId={client}")[0]["id"]
        self._send("POST", f"/clients/{identifier}/roles", {"name": name, "description": description})
        made = client_role(client, name)
        self._contain(made, parts)
        return made

    def rename_role(self, role: RoleName, name: str) -> RoleName:
        self._send("PUT", f"/roles-by-id/{self.realm.read_roles()[role].id}", {"name": name})
        return realm_role(name)

    def map_client_role(self, holder: KeycloakId, role: RoleName) -> None:
        body = self._role(role)
        kind = "users" if self.realm.read_user(holder) else "groups"
        self._send("POST", f"/{kind}/{holder}/role-mappings/clients/{body['containerId']}", [body])

    def service_account(self) -> KeycloakId:
        client = {"clientId": "foreign", "publicClient": False, "serviceAccountsEnabled": True}
        self._send("POST", "/clients", client)
        identifier = self._get("/clients?clientId=foreign")[0]["id"]
        return KeycloakId(self._get(f"/clients/{identifier}/service-account-user")["id"])

    def default_group(self, group: KeycloakId) -> None:
        self._send("PUT", f"/default-groups/{group}")

    def mapper(self, holder: MapperHolder, name: str, kind: str, config: Mapping[str, str]) -> str:
        called, body = HOLDERS[holder], {"name": name, "config": config}
        if holder is MapperHolder.PROVIDER:
            body |= {"identityProviderAlias": called, "identityProviderMapper": kind}
            self._send("POST", f"/identity-provider/instances/{called}/mappers", body)
            return called
        if holder is MapperHolder.CLIENT:
            if not self._get(f"/clients?clientId={called}"):
                self._send("POST", "/clients", {"clientId": called})
            found = f"/clients/{self._get(f'/clients?clientId={called}')[0]['id']}"
        else:
            scopes = {scope["name"]: scope["id"] for scope in self._get("/client-scopes")}
            found = f"/client-scopes/{scopes[called]}"
        body |= {"protocol": "openid-connect", "protocolMapper": kind}
        self._send("POST", f"{found}/protocol-mappers/models", body)
        return called

    def delete_user(self, user: KeycloakId) -> None:
        self._send("DELETE", f"/users/{user}")

    def delete_group(self, group: KeycloakId) -> None:
        self._send("DELETE", f"/groups/{group}")

    def bring_password(self, user: KeycloakId) -> None:
        password = {"type": "password", "value": _PASSWORD, "temporary": False}
        self._send("PUT", f"/users/{user}", {"credentials": [password]})

    def bring_otp(self, user: KeycloakId) -> None:
        settings = {"subType": "totp", "digits": 6, "counter": 0, "period": 30, "algorithm": "HmacSHA1"}
        secret = {"value": "a-secret-of-nobody"}
        otp = {"type": "otp", "credentialData": json.dumps(settings), "secretData": json.dumps(secret)}
        self._send("PUT", f"/users/{user}", {"credentials": [otp]})

    def log_in(self, client: str, user: KeycloakId | None, *, right: bool) -> None:
        name = "nobody" if user is None else self._get(f"/users/{user}")["username"]
        if right:
            self.bring_password(KeycloakId(str(user)))
        assert self._ask_for_token(client, name, _PASSWORD if right else "another").ok is right

    def renew(self, client: str, user: KeycloakId) -> None:
        config = self._get("/events/config")
        kinds = [*config["enabledEventTypes"], REFRESH]
        self._send("PUT", "/events/config", config | {"enabledEventTypes": kinds})
        self.bring_password(user)
        token = self._ask_for_token(client, self._get(f"/users/{user}")["username"], _PASSWORD).json()
        assert self._token(client, grant_type="refresh_token", refresh_token=token["refresh_token"]).ok

    def _ask_for_token(self, client: str, name: str, password: str) -> requests.Response:
        if not self._get(f"/clients?clientId={client}"):
            flows = {flow["alias"]: flow["id"] for flow in self._get("/authentication/flows")}
            body = {
                "clientId": client,
                "publicClient": True,
                "directAccessGrantsEnabled": True,
                "authenticationFlowBindingOverrides": {"direct_grant": flows["direct grant"]},
            }
            self._send("POST", "/clients", body)
        return self._token(client, grant_type="password", username=name, password=password)

    def _token(self, client: str, **asked: str) -> requests.Response:
        return requests.post(
            f"{self._admin.url}/realms/{self.name}/protocol/openid-connect/token",
            data={"client_id": client, **asked},
            timeout=30,
        )

    def put_into(self, role: RoleName, parts: frozenset[RoleName]) -> None:
        self._contain(role, parts)

    def policy(self, kind: str, **body: Any) -> None:
        """Make a policy of administrators' permissions, as the console does."""
        client = self._get("/clients?clientId=admin-permissions")[0]["id"]
        self._send("POST", f"/clients/{client}/authz/resource-server/policy/{kind}", body)

    def wipe_rules(self) -> None:
        body = self._get("")
        body["attributes"].pop("quanheng.rules")
        self._send("PUT", "", body)

    def _contain(self, role: RoleName, parts: frozenset[RoleName]) -> None:
        if parts:
            path = f"/roles-by-id/{self.realm.read_roles()[role].id}/composites"
            self._send("POST", path, [self._role(part) for part in parts])

    def _role(self, role: RoleName) -> Any:
        return self._get(f"/roles-by-id/{self.realm.read_roles()[role].id}")

    def _get(self, tail: str) -> Any:
        return self._admin.get(self._admin.realm_path(tail))

    def _send(self, method: str, tail: str, body: Any = None) -> None:
        self._admin.request(method, self._admin.realm_path(tail), json=body)


@dataclass
class GuardBench:
    """A realm with a guard, whose server knows a key of ours."""

    bench: Bench
    realm: str
    key: Ed25519PrivateKey
    wipe_rules: Callable[[], object]
    """Take the rules away, past the guard."""


@pytest.fixture
def guard_bench(bench: Bench, request: pytest.FixtureRequest) -> GuardBench:
    """A fresh realm with a guard, in memory and real."""
    if isinstance(bench, KeycloakBench):
        key = request.getfixturevalue("rules_key")
        return GuardBench(bench, bench.name, key, bench.wipe_rules)
    assert isinstance(bench, FakeBench)
    key = Ed25519PrivateKey.generate()
    state = bench.guard_state
    state.installed = True
    state.public_keys = (key.public_key().public_bytes_raw(),)
    return GuardBench(bench, "test", key, lambda: setattr(state, "rules", None))


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
