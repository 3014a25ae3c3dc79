"""What Keycloak has no event of its own for is refused as the request ends: nothing of it is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fixtures.guard import CARD, QUALIFICATION, GuardedRealm, assert_vetoed, raw
from quanheng.keycloak.connection import Connection

PROTECT = {
    "protocol_mappers": ["oidc-hardcoded-role-mapper"],
    "provider_mappers": ["oidc-hardcoded-role-idp-mapper"],
    "role_claims": ["sub"],
    "truthful": [],
    "provider_attributes": ["person_id", "org_code", "username", "email", "lastname"],
}
MAPPER = {
    "name": "给角色",
    "protocol": "openid-connect",
    "protocolMapper": "oidc-hardcoded-role-mapper",
    "config": {"role": "duty-reviewer"},
}
ORDINARY = {
    "name": "hello",
    "protocol": "openid-connect",
    "protocolMapper": "oidc-hardcoded-claim-mapper",
    "config": {"claim.name": "hello", "claim.value": "x", "access.token.claim": "true"},
}
PROVIDER_MAPPER = {
    "name": "给角色",
    "identityProviderAlias": CARD,
    "identityProviderMapper": "oidc-hardcoded-role-idp-mapper",
    "config": {"role": "duty-reviewer", "syncMode": "INHERIT"},
}


@pytest.fixture
def realm(guarded_realm: GuardedRealm) -> Iterator[GuardedRealm]:
    """The guarded realm with a client, a scope and a role that are nobody's duty, gone afterwards."""
    guarded = guarded_realm
    composites = {
        guarded.roles["handler"]: [guarded.roles["jiujinban/service_query"]],
        guarded.roles["jiujinban/service_query"]: [],
    }
    guarded.publish(protect={**PROTECT, "composites": composites})
    guarded.add_role("plain", "无关角色")
    guarded.admin.request("POST", guarded.path("/clients"), json={"clientId": "plain"})
    scope = {"name": "plain", "protocol": "openid-connect"}
    guarded.admin.request("POST", guarded.path("/client-scopes"), json=scope)
    yield guarded
    guarded.publish(protect={**PROTECT, "composites": composites})
    guarded.configurator.request("DELETE", guarded.path("/roles/plain"))
    guarded.configurator.request("DELETE", guarded.path(f"/clients/{guarded.client('plain')}"))
    guarded.configurator.request("DELETE", guarded.path(f"/client-scopes/{scope_id(guarded)}"))


def scope_id(realm: GuardedRealm) -> str:
    """Keycloak's id of the scope ``plain``."""
    found: str = next(
        scope["id"] for scope in realm.admin.get(realm.path("/client-scopes")) if scope["name"] == "plain"
    )
    return found


def role(realm: GuardedRealm, name: str) -> dict[str, Any]:
    """A realm role."""
    found: dict[str, Any] = realm.admin.get(realm.path(f"/roles/{name}"))
    return found


Attempt = tuple[str, str, Any]
"""Method, path and body of a request."""


def _into_composite(realm: GuardedRealm) -> Attempt:
    path = f"/roles-by-id/{role(realm, 'plain')['id']}/composites"
    return "POST", path, [role(realm, "duty-reviewer")]


def _into_composite_by_name(realm: GuardedRealm) -> Attempt:
    return "POST", "/roles/plain/composites", [role(realm, "duty-reviewer")]


def _into_duty(realm: GuardedRealm) -> Attempt:
    return "POST", "/roles/duty-handler/composites", [role(realm, "duty-reviewer")]


def _into_default_role(realm: GuardedRealm) -> Attempt:
    default = realm.admin.get(realm.path(""))["defaultRole"]["id"]
    return "POST", f"/roles-by-id/{default}/composites", [role(realm, "duty-reviewer")]


def _new_composite(realm: GuardedRealm) -> Attempt:
    return "POST", "/roles", {"name": "new", "composite": True, "composites": {"realm": ["duty-reviewer"]}}


def _client_role(realm: GuardedRealm) -> Attempt:
    body = {"name": "new", "composite": True, "composites": {"realm": ["duty-reviewer"]}}
    return "POST", f"/clients/{realm.client('plain')}/roles", body


def _imported_composite(realm: GuardedRealm) -> Attempt:
    new = {"name": "new", "composite": True, "composites": {"realm": ["duty-reviewer"]}}
    return "POST", "/partialImport", {"ifResourceExists": "SKIP", "roles": {"realm": [new]}}


def _client_mapper(realm: GuardedRealm) -> Attempt:
    return "POST", f"/clients/{realm.client('plain')}/protocol-mappers/models", MAPPER


def _client_mappers(realm: GuardedRealm) -> Attempt:
    return "POST", f"/clients/{realm.client('plain')}/protocol-mappers/add-models", [ORDINARY, MAPPER]


def _new_client(realm: GuardedRealm) -> Attempt:
    return "POST", "/clients", {"clientId": "new", "protocolMappers": [MAPPER]}


def _imported_client(realm: GuardedRealm) -> Attempt:
    client = {"clientId": "new", "protocolMappers": [MAPPER]}
    return "POST", "/partialImport", {"ifResourceExists": "SKIP", "clients": [client]}


def _scope_mapper(realm: GuardedRealm) -> Attempt:
    return "POST", f"/client-scopes/{scope_id(realm)}/protocol-mappers/models", MAPPER


def _new_scope(realm: GuardedRealm) -> Attempt:
    body = {"name": "new", "protocol": "openid-connect", "protocolMappers": [MAPPER]}
    return "POST", "/client-scopes", body


def _forged_subject(realm: GuardedRealm) -> Attempt:
    config = {"claim.name": "sub", "claim.value": realm.sync.subject(), "access.token.claim": "true"}
    return "POST", f"/client-scopes/{scope_id(realm)}/protocol-mappers/models", {**ORDINARY, "config": config}


def _provider_mapper(realm: GuardedRealm) -> Attempt:
    return "POST", f"/identity-provider/instances/{CARD}/mappers", PROVIDER_MAPPER


def _into_permission(realm: GuardedRealm) -> Attempt:
    path = f"/roles-by-id/{realm.roles['jiujinban/service_query']}/composites"
    return "POST", path, [role(realm, "plain")]


def _into_permission_by_name(realm: GuardedRealm) -> Attempt:
    path = f"/clients/{realm.client('jiujinban')}/roles/service_query/composites"
    management = realm.client("realm-management")
    power = realm.admin.get(realm.path(f"/clients/{management}/roles/manage-users"))
    return "POST", path, [power]


COMPOSITES = (
    _into_composite,
    _into_composite_by_name,
    _into_duty,
    _into_default_role,
    _new_composite,
    _client_role,
    _imported_composite,
    _into_permission,
    _into_permission_by_name,
)
MAPPERS = (
    _client_mapper,
    _client_mappers,
    _new_client,
    _imported_client,
    _scope_mapper,
    _new_scope,
    _forged_subject,
)


def state(realm: GuardedRealm) -> dict[str, Any]:
    """Everything that the attempts are after."""
    admin, path = realm.admin, realm.path
    roles = admin.get(path("/roles"))
    default = admin.get(path(""))["defaultRole"]["id"]
    clients = admin.get(path("/clients"), max=1000)
    return {
        "composites": {
            item["name"]: sorted(
                part["name"] for part in admin.get(path(f"/roles-by-id/{item['id']}/composites"))
            )
            for item in [
                *roles,
                {"id": default, "name": "default role"},
                {"id": realm.roles["jiujinban/service_query"], "name": "permission"},
            ]
        },
        "client roles": [item["name"] for item in admin.get(path(f"/clients/{realm.client('plain')}/roles"))],
        "clients": {item["clientId"]: item.get("protocolMappers") for item in clients},
        "scopes": {item["name"]: item.get("protocolMappers") for item in admin.get(path("/client-scopes"))},
        "provider": admin.get(path(f"/identity-provider/instances/{CARD}/mappers")),
    }


def attempt(by: Connection, realm: GuardedRealm, made: Attempt) -> Any:
    """The raw answer to an attempt."""
    method, tail, body = made
    return raw(by, method, realm.path(tail), json=body)


@pytest.mark.parametrize("make", [*COMPOSITES, *MAPPERS, _provider_mapper])
def test_power_is_refused(realm: GuardedRealm, make: Callable[[GuardedRealm], Attempt]) -> None:
    """A role in a composite, a mapper that gives or forges: an administrator is told why, nothing is kept."""
    rule = (
        "power-composite"
        if make in COMPOSITES
        else "power-provider-mapper"
        if make is _provider_mapper
        else "power-protocol-mapper"
    )
    before = state(realm)
    made = make(realm)

    answer = attempt(realm.admin, realm, made)

    assert_vetoed(answer, rule, 403, "不得")
    assert state(realm) == before


def test_refusal_is_recorded(realm: GuardedRealm) -> None:
    """The event of the veto outlives the refused transaction, and names who acted."""
    assert attempt(realm.admin, realm, _into_composite(realm)).status_code == 403
    assert attempt(realm.admin, realm, _imported_composite(realm)).status_code == 403

    events = realm.admin.get(realm.path("/admin-events"), max=20)

    vetoes = [event for event in events if event.get("resourceType") == "QUANHENG_GUARD"][:2]
    assert [event["resourcePath"] for event in vetoes] == [
        "realm",
        "realm-role",
    ]  # newest first; an import's events are of the realm
    assert all('"power-composite"' in event["representation"] for event in vetoes)
    assert len({event["authDetails"]["userId"] for event in vetoes} - {None}) == 1


def test_what_was_there_before_refuses_nobody(realm: GuardedRealm) -> None:
    """Whoever changes something else is not refused for what our own account, or SQL, has put there."""
    assert attempt(realm.configurator, realm, _client_mapper(realm)).ok
    assert attempt(realm.configurator, realm, _into_composite(realm)).ok

    other = attempt(
        realm.admin, realm, ("POST", f"/client-scopes/{scope_id(realm)}/protocol-mappers/models", ORDINARY)
    )
    more = attempt(realm.admin, realm, _new_client(realm))

    assert other.status_code == 201
    assert_vetoed(more, "power-protocol-mapper", 403)


def test_ordinary_changes_pass(realm: GuardedRealm) -> None:
    """A composite without a duty, a mapper that says nothing of anybody, the realm's name."""
    realm.add_role("part", "无关")
    try:
        assert attempt(realm.admin, realm, ("POST", "/roles/plain/composites", [role(realm, "part")])).ok
    finally:
        realm.admin.request("DELETE", realm.path("/roles/part"))
    path = f"/clients/{realm.client('plain')}/protocol-mappers/models"
    assert attempt(realm.admin, realm, ("POST", path, ORDINARY)).status_code == 201
    body = realm.admin.get(realm.path(""))
    assert attempt(realm.admin, realm, ("PUT", "", body)).status_code == 204


@pytest.mark.parametrize("change", ["wiped", "altered"])
def test_rules_stay(realm: GuardedRealm, change: str) -> None:
    """Nobody but our own accounts takes the rules out of the realm, or puts others there."""
    attributes = dict(realm.admin.get(realm.path(""))["attributes"])
    known = attributes.pop("quanheng.rules")
    if change == "altered":
        attributes["quanheng.rules"] = known.replace("{", "{ ", 1)

    answer = raw(realm.admin, "PUT", realm.path(""), json={"attributes": attributes})

    assert_vetoed(answer, "rules-removal", 403, "权限规则")
    assert realm.admin.get(realm.path(""))["attributes"]["quanheng.rules"] == known
    assert realm.status()["valid"]


@pytest.mark.parametrize("name", ["person_id", "org_code"])
@pytest.mark.parametrize("value", [[], ["another"]])
def test_record_stays(realm: GuardedRealm, name: str, value: list[str]) -> None:
    """Who somebody is, and where, is written by the sync: so no account escapes by losing its number."""
    known = {"person_id": ["p-1"], "org_code": ["140902"]}
    user = realm.add_person(attributes=known)
    body = realm.admin.get(realm.path(f"/users/{user}"))
    body["attributes"] = {**known, name: value}

    answer = raw(realm.admin, "PUT", realm.path(f"/users/{user}"), json=body)

    assert_vetoed(answer, "person-record", 403)
    after = realm.admin.get(realm.path(f"/users/{user}"))["attributes"]
    assert {key: after[key] for key in known} == known


def test_record_is_not_claimed(realm: GuardedRealm) -> None:
    """A new account that says it is somebody; one without such a claim is made as ever, and edited."""
    claims = {"username": "impostor", "enabled": True, "attributes": {"person_id": ["p-1"]}}
    assert_vetoed(raw(realm.admin, "POST", realm.path("/users"), json=claims), "person-record", 403)
    imported = {"ifResourceExists": "SKIP", "users": [claims]}
    assert_vetoed(raw(realm.admin, "POST", realm.path("/partialImport"), json=imported), "person-record", 403)
    assert realm.admin.get(realm.path("/users"), username="impostor", exact="true") == []

    made = raw(realm.admin, "POST", realm.path("/users"), json={"username": "guest", "enabled": True})
    assert made.status_code == 201
    guest = made.headers["Location"].rsplit("/", 1)[-1]
    body = {**realm.admin.get(realm.path(f"/users/{guest}")), "lastName": "客人"}
    assert raw(realm.admin, "PUT", realm.path(f"/users/{guest}"), json=body).status_code == 204
    renamed = raw(realm.admin, "PUT", realm.path(f"/users/{guest}"), json={**body, "username": "sx9999999"})
    assert_vetoed(renamed, "person-record", 403)
    realm.admin.request("DELETE", realm.path(f"/users/{guest}"))


@pytest.mark.parametrize(
    ("user", "rule"),
    [
        ({"id": "a/b", "attributes": {"person_id": ["p-1"]}}, "person-record"),
        ({"id": "a/c", "serviceAccountClientId": "quanheng-sync"}, "writer-account"),
    ],
)
def test_an_id_with_a_slash_is_no_way_out(realm: GuardedRealm, user: dict[str, Any], rule: str) -> None:
    """An import takes any text for an id."""
    users = [{"username": "impostor", "enabled": True, **user}]
    body = {"ifResourceExists": "SKIP", "users": users}
    assert_vetoed(raw(realm.admin, "POST", realm.path("/partialImport"), json=body), rule, 403)
    assert realm.admin.get(realm.path("/users"), username="impostor", exact="true") == []


def test_an_account_whose_id_has_a_slash_is_judged_later_too(realm: GuardedRealm) -> None:
    """It says nothing of anybody when it is imported; then somebody saves it."""
    user = {"id": "a/d", "username": "impostor", "enabled": True}
    body = {"ifResourceExists": "SKIP", "users": [user]}
    assert raw(realm.admin, "POST", realm.path("/partialImport"), json=body).status_code == 200
    path = realm.path("/users/a%2Fd")
    try:
        saved = raw(realm.admin, "PUT", path, json={**user, "attributes": {"person_id": ["p-1"]}})
        assert_vetoed(saved, "person-record", 403)
    finally:
        assert raw(realm.admin, "DELETE", path).status_code == 204


def test_a_path_with_a_slash_at_its_end_is_no_way_out(realm: GuardedRealm) -> None:
    """Keycloak takes it for the same, and tells of it with the slash."""
    user = realm.add_person(attributes={"person_id": ["p-1"]}, card=False)
    body = {**realm.admin.get(realm.path(f"/users/{user}")), "attributes": {}}
    assert_vetoed(raw(realm.admin, "PUT", realm.path(f"/users/{user}/"), json=body), "person-record", 403)
    assert_vetoed(raw(realm.admin, "DELETE", realm.path(f"/users/{user}/")), "account-removal", 403)


def test_nobody_changes_the_own_record(realm: GuardedRealm) -> None:
    """Even where somebody has opened the profile for it: one's own account page makes no admin event."""
    user = realm.add_person(attributes={"person_id": ["p-1"]})
    person = realm.log_in(user)
    client = realm.client("account")
    role = realm.admin.get(realm.path(f"/clients/{client}/roles/manage-account"))
    realm.admin.request("POST", realm.path(f"/users/{user}/role-mappings/clients/{client}"), json=[role])
    kept = realm.admin.get(realm.path("/users/profile"))
    opened = [
        {**item, "permissions": {"view": ["admin", "user"], "edit": ["admin", "user"]}}
        for item in kept["attributes"]
    ]
    realm.admin.request("PUT", realm.path("/users/profile"), json={**kept, "attributes": opened})
    try:
        account = f"realms/{realm.name}/account/"
        body = raw(person, "GET", account).json()
        body["attributes"] = {**body["attributes"], "person_id": ["p-2"]}
        assert_vetoed(raw(person, "POST", account, json=body), "person-record", 403)
    finally:
        realm.admin.request("PUT", realm.path("/users/profile"), json=kept)
    assert realm.admin.get(realm.path(f"/users/{user}"))["attributes"]["person_id"] == ["p-1"]


@pytest.mark.parametrize("name", ["person_id", "org_code"])
def test_no_group_says_who_its_members_are(realm: GuardedRealm, name: str) -> None:
    """A mapper that finds no such attribute of a user takes the one of a group."""
    made = {"name": "冒名", "attributes": {name: ["14"]}}
    assert_vetoed(raw(realm.admin, "POST", realm.path("/groups"), json=made), "person-record", 403)
    group = realm.add_group(None, "冒名")
    path = realm.path(f"/groups/{realm.groups.pop('/冒名')}")
    assert_vetoed(raw(realm.admin, "PUT", path, json=made), "person-record", 403)
    body = {"ifResourceExists": "SKIP", "groups": [{**made, "name": "冒名二", "path": "/冒名二"}]}
    assert_vetoed(raw(realm.admin, "POST", realm.path("/partialImport"), json=body), "person-record", 403)
    assert realm.admin.get(path).get("attributes", {}) == {}
    assert realm.admin.get(realm.path("/groups"), search="冒名二") == []
    realm.admin.request("DELETE", realm.path(f"/groups/{group}"))


def test_our_account_stays_switched_on(realm: GuardedRealm) -> None:
    """Without it nothing is mended any more."""
    path = realm.path(f"/users/{realm.sync.subject()}")
    assert_vetoed(raw(realm.admin, "PUT", path, json={"enabled": False}), "writer-account", 403)
    assert realm.sync.get(path)["enabled"]


def test_a_refused_import_leaves_no_way_to_log_in(realm: GuardedRealm) -> None:
    """Keycloak keeps a provider whose import came to nothing in its cache; it is forgotten."""
    provider = {
        "alias": "evil",
        "providerId": "oidc",
        "enabled": True,
        "config": {
            "authorizationUrl": "https://evil.invalid/a",
            "tokenUrl": "https://evil.invalid/t",
            "clientId": "x",
            "clientSecret": "y",
        },
    }
    users = [{"username": "impostor", "enabled": True, "attributes": {"person_id": ["p-1"]}}]
    body = {"ifResourceExists": "SKIP", "identityProviders": [provider], "users": users}
    assert_vetoed(raw(realm.admin, "POST", realm.path("/partialImport"), json=body), "person-record", 403)
    assert raw(realm.admin, "GET", realm.path("/identity-provider/instances/evil")).status_code == 404


def test_groups_are_not_removed(realm: GuardedRealm) -> None:
    """The group of a duty, or of a qualification, or one above it."""
    qualification = realm.groups[f"/资格/{QUALIFICATION}"]
    composites = {realm.roles["handler"]: [realm.roles["jiujinban/service_query"]]}
    realm.publish(groups={qualification: QUALIFICATION}, protect={**PROTECT, "composites": composites})
    above = realm.groups["/岗位/140902-忻府区"]
    for group in (realm.duty("reviewer"), qualification, above):
        answer = raw(realm.admin, "DELETE", realm.path(f"/groups/{group}"))
        assert_vetoed(answer, "duty-group", 403, "不得删除")
        assert realm.admin.get(realm.path(f"/groups/{group}"))["id"] == group
    other = realm.add_group(None, "别的组")
    assert raw(realm.admin, "DELETE", realm.path(f"/groups/{realm.groups.pop('/别的组')}")).status_code == 204
    assert raw(realm.admin, "GET", realm.path(f"/groups/{other}")).status_code == 404


def test_without_rules_no_group_is_joined_or_changed(realm: GuardedRealm) -> None:
    """A qualification carries no role: without rules any group may be one."""
    user = realm.add_person()
    qualification = realm.groups[f"/资格/{QUALIFICATION}"]
    realm.wipe_rules()
    try:
        assert_vetoed(realm.join(realm.admin, user, qualification), "rules-missing", 409)
        path = realm.path(f"/groups/{qualification}")
        assert_vetoed(raw(realm.admin, "PUT", path, json={"name": "另一资格"}), "duty-group", 403)
        assert_vetoed(raw(realm.admin, "DELETE", path), "duty-group", 403)
        assert realm.join(realm.sync, user, qualification).status_code == 204
    finally:
        realm.publish()
    assert realm.groups_of(user) == {qualification}
