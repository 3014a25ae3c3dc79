"""Ways to be taken for our service accounts, or to change a client unseen."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from fixtures.guard import CARD, GuardedRealm, assert_vetoed, raw
from quanheng.keycloak.rest import CONFIGURATOR_CLIENT, SYNC_CLIENT


def _bearer(realm: GuardedRealm, token: str, method: str, path: str, **content: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    return requests.request(method, f"{realm.admin.url}/{path}", headers=headers, timeout=30, **content)


def _says_sync(realm: GuardedRealm) -> dict[str, Any]:
    """A mapper by which a token is of our sync."""
    return {
        "name": "sub",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-hardcoded-claim-mapper",
        "config": {
            "claim.name": "sub",
            "claim.value": realm.sync.subject(),
            "jsonType.label": "String",
            "access.token.claim": "true",
        },
    }


def test_service_account_that_says_it_is_ours(guarded_realm: GuardedRealm) -> None:
    """Another client's tokens with our account's id in ``sub`` grant nothing and link no card."""
    realm = guarded_realm
    body = {
        "clientId": "says-sync",
        "serviceAccountsEnabled": True,
        "secret": "not-ours",
        "protocolMappers": [_says_sync(realm)],
    }
    realm.admin.request("POST", realm.path("/clients"), json=body)
    try:
        form = {"grant_type": "client_credentials", "client_id": "says-sync", "client_secret": "not-ours"}
        url = f"{realm.admin.url}/realms/{realm.name}/protocol/openid-connect/token"
        token = requests.post(url, data=form, timeout=30).json()["access_token"]
        duty = realm.path(f"/users/{realm.add_person()}/groups/{realm.duty('reviewer')}")
        assert_vetoed(_bearer(realm, token, "PUT", duty), "acting-not-entitled", 403)
        card = realm.path(f"/users/{realm.add_person(card=False)}/federated-identity/{CARD}")
        link = {"identityProvider": CARD, "userId": "thief", "userName": "thief"}
        assert_vetoed(_bearer(realm, token, "POST", card, json=link), "card-link", 403)
        assert _bearer(realm, token, "GET", realm.guard_path("status")).status_code == 403
    finally:
        realm.admin.request("DELETE", realm.path(f"/clients/{realm.client('says-sync')}"))


def test_person_whose_token_says_it_is_ours(guarded_realm: GuardedRealm) -> None:
    """Whose session it is counts, not what a mapper wrote into the token."""
    realm = guarded_realm
    mappers = realm.path(f"/clients/{realm.client('test-console')}/protocol-mappers/models")
    person = realm.log_in(realm.add_person())
    realm.admin.request("POST", mappers, json=_says_sync(realm))
    try:
        joined = realm.join(person, realm.add_person(), realm.duty("reviewer"))
    finally:
        for mapper in realm.admin.get(mappers):
            realm.admin.request("DELETE", f"{mappers}/{mapper['id']}")
    assert_vetoed(joined, "acting-not-entitled", 403)


@pytest.mark.parametrize(
    ("client", "change"),
    [
        pytest.param(SYNC_CLIENT, {"attributes": {"access.token.lifespan": "36000"}}, id="ours"),
        pytest.param("jiujinban", {"defaultRoles": ["service_query"]}, id="default role"),
    ],
)
def test_clients_do_not_register(guarded_realm: GuardedRealm, client: str, change: dict[str, Any]) -> None:
    """A client's registration token, which leaves no admin event, changes nothing."""
    realm = guarded_realm
    path = realm.path(f"/clients/{realm.client(client)}")
    before = realm.admin.get(path)
    made = raw(realm.admin, "POST", f"{path}/registration-access-token").json()
    url = f"realms/{realm.name}/clients-registrations/default/{client}"
    answer = _bearer(realm, made["registrationAccessToken"], "PUT", url, json={"clientId": client, **change})
    assert_vetoed(answer, "client-registration", 403)
    assert realm.admin.get(path)["attributes"] == before["attributes"]
    default = realm.admin.get(realm.path(""))["defaultRole"]["id"]
    parts = realm.admin.get(realm.path(f"/roles-by-id/{default}/composites"))
    assert "service_query" not in {part["name"] for part in parts}


def _impostors() -> list[dict[str, Any]]:
    """Users that say they are the accounts of our clients, as an import takes them."""
    return [
        {"username": name, "enabled": True, "serviceAccountClientId": client}
        for name, client in (("impostor-1", SYNC_CLIENT), ("impostor-2", CONFIGURATOR_CLIENT))
    ]


@pytest.mark.parametrize("wiped", [False, True], ids=["rules", "no rules"])
def test_no_second_account_of_a_client_of_ours(guarded_realm: GuardedRealm, wiped: bool) -> None:
    """Keycloak answers 500 to a client of which two users say that they are its account: none is imported."""
    realm = guarded_realm
    if wiped:
        realm.wipe_rules()
    for user in _impostors():
        body = {"ifResourceExists": "SKIP", "users": [user]}
        answer = raw(realm.admin, "POST", realm.path("/partialImport"), json=body)
        assert_vetoed(answer, "writer-account", 403, "另设")
        assert realm.admin.get(realm.path("/users"), username=user["username"], exact="true") == []
    assert realm.configurator.get(realm.path(""))["realm"] == realm.name


def test_second_account_of_a_client_of_ours(guarded_realm: GuardedRealm) -> None:
    """One that came past the guard locks nobody out of it, and can be deleted."""
    realm = guarded_realm
    realm.wipe_rules()
    try:
        body = {"ifResourceExists": "SKIP", "users": _impostors()}
        realm.configurator.request("POST", realm.path("/partialImport"), json=body)
        for ours in (realm.sync, realm.configurator):
            assert raw(ours, "GET", realm.guard_path("status")).status_code == 200
        assert not raw(realm.sync, "GET", realm.guard_path("status")).json()["valid"]
    finally:
        for user in _impostors():
            found = realm.admin.get(realm.path("/users"), username=user["username"], exact="true")
            realm.admin.request("DELETE", realm.path(f"/users/{found[0]['id']}"))
        realm.publish()
    assert raw(realm.sync, "GET", realm.guard_path("status")).json()["valid"]


def test_rules_name_who_gives_them(guarded_realm: GuardedRealm) -> None:
    """Rules of writers that are others would shut out whoever gives them, and everybody after that."""
    realm = guarded_realm
    sealed = realm.seal({**realm.rules(), "writers": [realm.configurator.subject()]})
    answer = raw(realm.sync, "PUT", realm.guard_path("rules"), json=sealed)
    assert answer.status_code == 409
    assert "none of their writers" in answer.json()["error_description"]
    assert raw(realm.sync, "GET", realm.guard_path("status")).json()["valid"]
