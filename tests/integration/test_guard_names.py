"""The names by which the next rules find roles, and the accounts that may give them: kept by the guard."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
import requests

from fixtures.guard import GuardedRealm, assert_vetoed, raw
from quanheng.keycloak.connection import Connection
from quanheng.keycloak.rest import CONFIGURATOR_CLIENT, SYNC_CLIENT

Send = Callable[[GuardedRealm, Connection], requests.Response]


def post_by_name(realm: GuardedRealm, by: Connection) -> requests.Response:
    """The role of a post, as the console does it."""
    return raw(by, "PUT", realm.path("/roles/duty-handler"), json={"name": "taken"})


def post_by_id(realm: GuardedRealm, by: Connection) -> requests.Response:
    """The same by its id."""
    path = realm.path(f"/roles-by-id/{realm.roles['handler']}")
    return raw(by, "PUT", path, json={"name": "taken"})


def permission(realm: GuardedRealm, by: Connection) -> requests.Response:
    """The role of a permission."""
    path = realm.path(f"/clients/{realm.client('jiujinban')}/roles/service_query")
    return raw(by, "PUT", path, json={"name": "taken"})


def subsystem(realm: GuardedRealm, by: Connection) -> requests.Response:
    """The client of a subsystem, whose permissions are its roles."""
    client = realm.admin.get(realm.path("/clients"), clientId="jiujinban")[0]
    return raw(by, "PUT", realm.path(f"/clients/{client['id']}"), json={**client, "clientId": "taken"})


RENAMINGS = {
    post_by_name: "duty-role-rename",
    post_by_id: "duty-role-rename",
    permission: "duty-role-rename",
    subsystem: "duty-client-rename",
}


def named(function: Callable[..., Any]) -> str:
    """What a case is called."""
    return function.__name__


def names(realm: GuardedRealm) -> Any:
    """Of all duties, and of the clients."""
    roles = {role: realm.role_name(role) for role in realm.roles.values()}
    clients = realm.admin.get(realm.path("/clients"), max=500)
    return roles, {client["id"]: client["clientId"] for client in clients}


@pytest.mark.parametrize("rename", RENAMINGS, ids=named)
def test_duties_keep_their_names(guarded_realm: GuardedRealm, rename: Send) -> None:
    """Two duties that swap names would swap rules: an administrator is refused, and nothing is renamed."""
    before = names(guarded_realm)
    answer = rename(guarded_realm, guarded_realm.admin)
    assert_vetoed(answer, RENAMINGS[rename], 403, "受权限规则约束，不得")
    assert names(guarded_realm) == before


def test_sealed_roles_keep_their_names(guarded_realm: GuardedRealm) -> None:
    """Keycloak's own that everybody holds, and the default role: the next rules would not know them."""
    realm = guarded_realm
    default = realm.admin.get(realm.path(""))["defaultRole"]["id"]
    tail = f"/clients/{realm.client('account')}/roles/view-profile"
    own = realm.admin.get(realm.path(tail))["id"]
    realm.publish(protect={**realm.rules()["protect"], "composites": {default: [own], own: []}})
    power = realm.admin.get(realm.path(f"/clients/{realm.client('realm-management')}/roles/manage-users"))

    for role in (own, default):
        path = realm.path(f"/roles-by-id/{role}")
        assert_vetoed(raw(realm.admin, "PUT", path, json={"name": "taken"}), "duty-role-rename", 403)
        widened = raw(realm.admin, "POST", f"{path}/composites", json=[power])
        assert_vetoed(widened, "power-composite", 403)
    assert [role["id"] for role in realm.admin.get(realm.path(f"/roles-by-id/{default}/composites"))] == [own]


@pytest.mark.parametrize("rename", RENAMINGS, ids=named)
def test_unknown_duties_keep_their_names(guarded_realm: GuardedRealm, rename: Send) -> None:
    """While there are no rules, whatever may be a duty keeps its name."""
    guarded_realm.wipe_rules()
    before = names(guarded_realm)
    answer = rename(guarded_realm, guarded_realm.admin)
    assert_vetoed(answer, RENAMINGS[rename], 403, "规则缺失")
    assert names(guarded_realm) == before


@pytest.mark.parametrize("wiped", [False, True], ids=["rules", "no rules"])
@pytest.mark.parametrize("rename", RENAMINGS, ids=named)
def test_writers_rename(guarded_realm: GuardedRealm, rename: Send, wiped: bool) -> None:
    """Our configurator may give duties other names."""
    realm = guarded_realm
    if wiped:
        realm.wipe_rules()
    before = names(realm)
    try:
        answer = rename(realm, realm.configurator)
        assert answer.status_code == 204, answer.text
        assert "taken" in str(names(realm))
    finally:
        for role in realm.roles.values():
            path = realm.path(f"/roles-by-id/{role}")
            realm.configurator.request("PUT", path, json={"name": before[0][role]})
        for client in realm.admin.get(realm.path("/clients"), clientId="taken"):
            path = realm.path(f"/clients/{client['id']}")
            realm.configurator.request("PUT", path, json={**client, "clientId": "jiujinban"})
    assert names(realm) == before


def test_no_name_of_keycloaks_own(guarded_realm: GuardedRealm) -> None:
    """While there are no rules, a duty does not become one of Keycloak's own roles, which anybody may grant,
    by taking the name of one that was put out of the way."""
    realm = guarded_realm
    realm.wipe_rules()
    path = realm.path("/roles/uma_authorization")
    assert raw(realm.admin, "PUT", path, json={"name": "aside"}).status_code == 204
    own = realm.admin.get(realm.path("/roles/aside"))["id"]
    try:
        duty = realm.path(f"/roles-by-id/{realm.roles['handler']}")
        answer = raw(realm.admin, "PUT", duty, json={"name": "uma_authorization"})
    finally:
        realm.configurator.request(
            "PUT", realm.path(f"/roles-by-id/{own}"), json={"name": "uma_authorization"}
        )
    assert_vetoed(answer, "duty-role-rename", 403)


def test_other_names_are_free(guarded_realm: GuardedRealm) -> None:
    """What is no duty is renamed by its administrator; what keeps its name is changed by anybody; a name that
    is taken is refused by Keycloak itself."""
    realm = guarded_realm
    role, number = realm.add_role(f"own-{realm.sequence}", ""), realm.sequence
    path = realm.path(f"/roles-by-id/{role}")
    assert raw(realm.admin, "PUT", path, json={"name": f"renamed-{number}"}).status_code == 204
    assert raw(realm.admin, "PUT", path, json={"name": "duty-handler"}).status_code == 409
    assert realm.role_name(role) == f"renamed-{number}"
    realm.admin.request("POST", realm.path("/clients"), json={"clientId": f"own-{number}"})
    client = realm.path(f"/clients/{realm.client(f'own-{number}')}")
    realm.admin.request("POST", f"{client}/roles", json={"name": "reader"})
    assert raw(realm.admin, "PUT", f"{client}/roles/reader", json={"name": "writer"}).status_code == 204
    assert raw(realm.admin, "PUT", client, json={"clientId": f"renamed-{number}"}).status_code == 204
    unchanged = (
        (f"/roles-by-id/{realm.roles['handler']}", {"name": "duty-handler", "description": "经办"}),
        (f"/clients/{realm.client('jiujinban')}", {"clientId": "jiujinban", "description": "就金办"}),
        (f"/clients/{realm.client('jiujinban')}", {"description": "就金办"}),
    )
    for tail, body in unchanged:
        assert raw(realm.admin, "PUT", realm.path(tail), json=body).status_code == 204
    realm.admin.request("DELETE", path)
    realm.admin.request("DELETE", client)


IMPORTS: dict[str, dict[str, Any]] = {
    "role": {"roles": {"realm": [{"name": "duty-handler"}]}},
    "client role": {"roles": {"client": {"jiujinban": [{"name": "service_query"}]}}},
    "client": {"clients": [{"clientId": "jiujinban"}]},
}


@pytest.mark.parametrize("body", IMPORTS.values(), ids=IMPORTS)
def test_overwriting_import_is_a_removal(guarded_realm: GuardedRealm, body: dict[str, Any]) -> None:
    """An import that overwrites a duty's role or its client deletes it and makes another: refused as that."""
    realm = guarded_realm
    before = names(realm)
    answer = raw(
        realm.admin, "POST", realm.path("/partialImport"), json={"ifResourceExists": "OVERWRITE", **body}
    )
    assert_vetoed(answer, "duty-role-removal", 403, "不得删除")
    assert names(realm) == before


def account_deleted(realm: GuardedRealm, by: Connection, name: str) -> requests.Response:
    """The user itself."""
    return raw(by, "DELETE", realm.path(f"/users/{account(realm, name)}"))


def client_deleted(realm: GuardedRealm, by: Connection, name: str) -> requests.Response:
    """Its client, and the user with it."""
    return raw(by, "DELETE", realm.path(f"/clients/{realm.client(name)}"))


def account_switched_off(realm: GuardedRealm, by: Connection, name: str) -> requests.Response:
    """The switch in the client's settings, which deletes the user."""
    client = realm.admin.get(realm.path("/clients"), clientId=name)[0]
    path = realm.path(f"/clients/{client['id']}")
    return raw(by, "PUT", path, json={**client, "serviceAccountsEnabled": False})


def client_renamed(realm: GuardedRealm, by: Connection, name: str) -> requests.Response:
    """Another client could take the name, by which the server's operator named ours."""
    client = realm.admin.get(realm.path("/clients"), clientId=name)[0]
    return raw(by, "PUT", realm.path(f"/clients/{client['id']}"), json={**client, "clientId": "taken"})


def client_overwritten(realm: GuardedRealm, by: Connection, name: str) -> requests.Response:
    """An import of a client of the same name."""
    body = {"ifResourceExists": "OVERWRITE", "clients": [{"clientId": name, "serviceAccountsEnabled": True}]}
    return raw(by, "POST", realm.path("/partialImport"), json=body)


def account_overwritten(realm: GuardedRealm, by: Connection, name: str) -> requests.Response:
    """An import of a user of the same name."""
    body = {"ifResourceExists": "OVERWRITE", "users": [{"username": f"service-account-{name}"}]}
    return raw(by, "POST", realm.path("/partialImport"), json=body)


ENDS = (
    account_deleted,
    client_deleted,
    account_switched_off,
    client_renamed,
    client_overwritten,
    account_overwritten,
)


def account(realm: GuardedRealm, name: str) -> str:
    """The service account of a client."""
    found: str = realm.admin.get(realm.path(f"/clients/{realm.client(name)}/service-account-user"))["id"]
    return found


@pytest.mark.parametrize("wiped", [False, True], ids=["rules", "no rules"])
@pytest.mark.parametrize("end", ENDS, ids=named)
def test_writers_stay(guarded_realm: GuardedRealm, end: Callable[..., Any], wiped: bool) -> None:
    """Nobody ends a service account that the rules name, not even they themselves: no rules could follow."""
    realm = guarded_realm
    if wiped:
        realm.wipe_rules()
    before = [account(realm, name) for name in (SYNC_CLIENT, CONFIGURATOR_CLIENT)]
    for name in (SYNC_CLIENT, CONFIGURATOR_CLIENT):
        for by in (realm.admin, realm.configurator):
            assert_vetoed(end(realm, by, name), "writer-account", 403, "同步服务的客户端")
    assert [account(realm, name) for name in (SYNC_CLIENT, CONFIGURATOR_CLIENT)] == before
    assert realm.status()["valid"] is not wiped


def test_rules_of_writers_that_are_gone(guarded_realm: GuardedRealm) -> None:
    """What happened while there was no guard is mended by an administrator, who takes the old rules away."""
    realm = guarded_realm
    sealed = json.dumps(realm.seal(realm.rules(writers=[str(uuid4())])))
    realm.wipe_rules()
    found = realm.admin.get(realm.path(""))
    attributes = {**found["attributes"], "quanheng.rules": sealed}
    realm.admin.request("PUT", realm.path(""), json={**found, "attributes": attributes})
    put = {"method": "PUT", "path": realm.guard_path("rules")}
    assert raw(realm.sync, **put, json=realm.seal(realm.rules())).status_code == 403
    realm.wipe_rules(realm.admin)
    realm.publish()
    assert realm.status()["valid"]
