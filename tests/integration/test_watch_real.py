"""Every way to give power past the rules, on a real server: undone by one look of the watcher.

In a realm without the guard each way is undone. What the guard vetoes (``test_guard_paths.py``,
``test_guard_aftermath.py``) cannot happen in a guarded realm; what comes past it is set right there too, by
the guard itself where our accounts may not.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fixtures.watched_realm import CHIEF, DIRECTORY, HANDLER, OFFICE, ROLE, WHO, WatchedRealm
from quanheng.keycloak.clients import close_configurator, open_configurator
from quanheng.keycloak.configuration import NotMendedError
from quanheng.keycloak.credentials import AdminPassword
from quanheng.keycloak.port import RealmRefusedError
from quanheng.keycloak.rest import CONFIGURATOR_CLIENT, SYNC_CLIENT
from quanheng.model.finding import FindingKind
from quanheng.model.ids import RoleName
from quanheng.model.sensitive import Sensitive
from quanheng.operations.check import check
from quanheng.operations.doctor.result import Result, State
from quanheng.operations.doctor.server import examine_server
from quanheng.operations.realm import RealmOptions, apply_realm
from quanheng.operations.watching.doubting import read_doubt
from quanheng.operations.watching.watcher import read_exposure
from quanheng.store.meta import read_text, write_text

OPERATOR: Final = "/岗位/140902-忻府区/业务操作员"
DOUBT: Final = "own_events_doubted"
"""Entry of ``meta``."""
Way = Callable[[WatchedRealm], str]
"""Gives power past the rules; returns the user who then breaks one."""
Cause = Callable[[WatchedRealm], None]
Make = Callable[[str, Ed25519PrivateKey], WatchedRealm]


@pytest.fixture(scope="module")
def unguarded(make_watched: Make) -> WatchedRealm:
    """A realm that the guard does not guard, and for which it believes no rules."""
    return make_watched("test-watched", Ed25519PrivateKey.generate())


@pytest.fixture(scope="module")
def guarded(make_watched: Make, rules_key: Ed25519PrivateKey) -> WatchedRealm:
    """A realm that the guard guards, with the rules that the sync gave it."""
    watched = make_watched("guarded-watched", rules_key)
    status = watched.world.context.guard.read_status()
    assert status is not None
    assert (status.required, status.valid) == (True, True)
    return watched


@pytest.fixture(scope="module")
def stays_open(make_watched: Make) -> WatchedRealm:
    """A realm that no guard guards, whose operator declared that the configurator stays open."""
    watched = make_watched("test-stays-open", Ed25519PrivateKey.generate())
    keycloak = watched.world.settings.keycloak.model_copy(update={"configurator_stays_open": True})
    declared = watched.world.settings.model_copy(update={"keycloak": keycloak})
    watched.world.settings = watched.world.context.settings = declared
    return watched


# Ways that end in what somebody holds: the watcher takes it away again


def direct_role(watched: WatchedRealm) -> str:
    """A role mapped directly."""
    user = watched.ids[WHO]
    watched.admin.map_role(user, ROLE)
    return user


def client_role(watched: WatchedRealm) -> str:
    """A permission of a subsystem mapped directly."""
    user, client = watched.ids[CHIEF], watched.client("jiujinban")
    roles = watched.admin.get(f"/clients/{client}/roles", max=500)
    permission = next(role for role in roles if role["name"] == "benefit_review")
    watched.admin.send("POST", f"/users/{user}/role-mappings/clients/{client}", [permission])
    return user


def composite(watched: WatchedRealm) -> str:
    """A role of somebody's own that contains another which contains the duty."""
    user = watched.ids[WHO]
    for name, part in (("inner", ROLE), ("outer", "inner")):
        watched.admin.send("POST", "/roles", {"name": name})
        path = f"/roles-by-id/{watched.role(name)['id']}/composites"
        watched.admin.send("POST", path, [watched.role(part)])
    watched.admin.map_role(user, "outer")
    return user


def role_into_composite(watched: WatchedRealm) -> str:
    """The duty put into a harmless role that the person was given before."""
    user = watched.ids[WHO]
    watched.admin.map_role(user, "harmless")
    path = f"/roles-by-id/{watched.role('harmless')['id']}/composites"
    watched.admin.send("POST", path, [watched.role()])
    return user


def group_join(watched: WatchedRealm) -> str:
    """A membership in the duty's group."""
    user = watched.ids[WHO]
    watched.admin.send("PUT", f"/users/{user}/groups/{watched.ids[OFFICE]}")
    return user


def role_into_group(watched: WatchedRealm) -> str:
    """The role put into a group that the person is in."""
    watched.admin.send("POST", f"/groups/{watched.ids[HANDLER]}/role-mappings/realm", [watched.role()])
    return watched.ids[WHO]


def role_into_parent(watched: WatchedRealm) -> str:
    """The role put into a group above."""
    watched.admin.send("POST", f"/groups/{watched.ids['/岗位']}/role-mappings/realm", [watched.role()])
    return watched.ids[WHO]


def group_move(watched: WatchedRealm) -> str:
    """A duty's group moved below another's, whose role it inherits."""
    body = {"id": watched.ids[HANDLER], "name": "经办人员"}
    watched.admin.send("POST", f"/groups/{watched.ids[OFFICE]}/children", body)
    return watched.ids[WHO]


def group_into_new_one(watched: WatchedRealm) -> str:
    """A group of somebody's own with the role."""
    user = watched.ids[WHO]
    watched.admin.send("POST", "/groups", {"name": "领导"})
    made = watched.admin.get("/group-by-path/领导")["id"]
    watched.admin.send("POST", f"/groups/{made}/role-mappings/realm", [watched.role()])
    watched.admin.send("PUT", f"/users/{user}/groups/{made}")
    return user


def new_user(watched: WatchedRealm) -> str:
    """A user created with both groups."""
    body = {"username": "outsider", "enabled": True, "groups": [HANDLER, OFFICE]}
    watched.admin.send("POST", "/users", body)
    return watched.named("outsider")


def partial_import(watched: WatchedRealm) -> str:
    """A user imported with a group and a role."""
    user = {"username": "imported", "enabled": True, "groups": [HANDLER], "realmRoles": [ROLE]}
    body = {"ifResourceExists": "SKIP", "users": [user]}
    watched.admin.send("POST", "/partialImport", body)
    return watched.named("imported")


def default_group(watched: WatchedRealm) -> str:
    """A duty's group made a default: whoever is created next is in it."""
    path = f"/default-groups/{watched.ids[HANDLER]}"
    watched.admin.send("PUT", path)
    watched.admin.send("POST", "/users", {"username": "next", "enabled": True, "groups": [OFFICE]})
    watched.admin.send("DELETE", path)
    return watched.named("next")


WAYS: Final = (
    direct_role,
    client_role,
    composite,
    role_into_composite,
    group_join,
    role_into_group,
    role_into_parent,
    group_move,
    group_into_new_one,
    new_user,
    partial_import,
    default_group,
)


def assert_undone(watched: WatchedRealm, way: Way) -> None:
    """The way breaks the exclusion; one look later nobody breaks it, and nothing differs."""
    who = way(watched)
    assert who in watched.in_conflict()
    assert watched.look().changes > 0
    watched.assert_right()
    assert watched.look().quiet


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_without_the_guard_one_look_undoes_it(unguarded: WatchedRealm, way: Way) -> None:
    """Whatever the way, the exclusion is broken until the next look and not after it."""
    assert_undone(unguarded, way)


def test_a_duty_in_a_role_of_somebodys_own_is_taken_out(guarded: WatchedRealm) -> None:
    """Nobody holds that role yet, and whoever gets it gets nothing by it; so long as it was there counts."""
    watched = guarded
    told, counted = len(watched.bodies("cause_restored")), read_exposure(watched.world.context).ended
    watched.admin.send("POST", "/roles", {"name": "harmless"})
    path = f"/roles-by-id/{watched.role('harmless')['id']}/composites"
    with watched.past_the_guard():
        watched.admin.send("POST", path, [watched.role()])
    assert watched.look().changes == 0
    assert watched.admin.get(path) == []
    (entry,) = watched.bodies("cause_restored")[told:]
    assert (entry["subject"], entry["removed"]) == ("harmless", ROLE)
    assert read_exposure(watched.world.context).ended == counted + 1
    watched.assert_right()
    assert watched.look().quiet


def test_what_the_daily_client_may_not_take_is_told(unguarded: WatchedRealm) -> None:
    """A realm-admin is beyond our daily client: it is told, and a permission beside it goes all the same."""
    watched = unguarded
    user = client_role(watched)
    management = watched.client("realm-management")
    power = watched.admin.get(f"/clients/{management}/roles/realm-admin")
    watched.admin.send("POST", f"/users/{user}/role-mappings/clients/{management}", [power])
    try:
        assert watched.look().refused == 1
        assert user not in watched.in_conflict()
    finally:
        watched.admin.send("DELETE", f"/users/{user}/role-mappings/clients/{management}", [power])
    for _ in range(3):
        last = watched.look()
    assert last.quiet
    watched.assert_right()


def test_admin_events_switched_off(unguarded: WatchedRealm) -> None:
    """It is told, and until they are on again each far look reads everything instead."""
    watched = unguarded
    watched.admin.send("PUT", "/events/config", {"adminEventsEnabled": False})
    watched.look()
    try:
        role_into_group(watched)
        assert watched.look().changes > 0
        watched.assert_right()
    finally:
        watched.admin.send("PUT", "/events/config", {"adminEventsEnabled": True})
    for _ in range(3):
        last = watched.look()
    assert last.quiet


@pytest.mark.parametrize("realm", ["unguarded", "guarded"])
def test_a_token_of_our_own_client_in_other_hands(realm: str, request: pytest.FixtureRequest) -> None:
    """What is done with it is undone, though what our own accounts do is otherwise passed over."""
    watched: WatchedRealm = request.getfixturevalue(realm)
    token = watched.steal_token(SYNC_CLIENT)
    name = watched.world.settings.keycloak.realm
    user = watched.ids[next(row.staff_no for row in watched.world.people if row.post == "业务操作员")]
    joined = requests.put(
        f"{watched.server.url}/admin/realms/{name}/users/{user}/groups/{watched.ids[HANDLER]}",
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
    )
    assert joined.status_code == 204, joined.text
    assert watched.look().changes > 0
    watched.assert_right()


def age_doubt(watched: WatchedRealm) -> None:
    """As if the doubt had begun eleven minutes earlier."""
    with watched.world.context.database.transaction() as connection:
        moments = map(datetime.fromisoformat, json.loads(read_text(connection, DOUBT) or ""))
        earlier = [(moment - timedelta(minutes=11)).isoformat() for moment in moments]
        write_text(connection, DOUBT, json.dumps(earlier))


@pytest.mark.parametrize("client", [SYNC_CLIENT, CONFIGURATOR_CLIENT])
def test_a_stolen_token_does_not_outlive_the_doubt(guarded: WatchedRealm, client: str) -> None:
    """It was made to live for an hour: after the time of the doubt Keycloak refuses it, and we go on."""
    watched = guarded
    realm = watched.real.realm
    token = watched.steal_token(client, seconds=3600)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 3600
    path = f"{watched.server.url}/admin/realms/{watched.world.settings.keycloak.realm}/users/count"

    def asks() -> int:
        answer = requests.get(path, headers={"Authorization": f"Bearer {token}"}, timeout=30)
        return answer.status_code

    watched.look()
    assert asks() == 200
    age_doubt(watched)
    while time.time() < claims["iat"] + 2:  # one of the very second outlives it
        time.sleep(0.1)
    ours = [connection.claims()["jti"] for connection in watched.real.connections]
    watched.look()
    assert asks() == 401
    with watched.world.context.database.reading() as connection:
        doubt = read_doubt(connection)
    assert doubt is not None
    assert doubt.ended is not None
    for connection, before in zip(watched.real.connections, ours, strict=True):
        assert connection.get(connection.realm_path("/users/count")) > 0
        assert connection.claims()["jti"] != before
    logged_out = [
        event.resource_path for event in realm.read_admin_events(doubt.since) if event.operation == "ACTION"
    ]
    assert {f"users/{account}/logout" for account in realm.own_actors} <= {*logged_out}
    assert len(realm.own_actors) == 2
    assert watched.look().quiet
    watched.assert_right()


# Causes that are nobody's: the guard takes them away, or an administrator who applies the configuration


def into_our_composite(watched: WatchedRealm) -> None:
    """A role put into the role of a post that many hold."""
    path = f"/roles-by-id/{watched.role('post-handler')['id']}/composites"
    watched.admin.send("POST", path, [watched.role()])


def into_default_role(watched: WatchedRealm) -> None:
    """A role put into the role that everybody holds."""
    default = watched.admin.get("")["defaultRole"]["id"]
    watched.admin.send("POST", f"/roles-by-id/{default}/composites", [watched.role()])


def left_default_group(watched: WatchedRealm) -> None:
    """A duty's group made a default."""
    watched.admin.send("PUT", f"/default-groups/{watched.ids[OFFICE]}")


def protocol_mapper(watched: WatchedRealm) -> None:
    """A mapper that writes the role into each token."""
    body = {
        "name": "granting",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-hardcoded-role-mapper",
        "config": {"role": ROLE},
    }
    watched.admin.send("POST", f"/clients/{watched.client('jiujinban')}/protocol-mappers/models", body)


def forged_claim(watched: WatchedRealm) -> None:
    """A mapper of somebody's own client that writes a role into the claim of roles of each token."""
    body = {
        "name": "forging",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-hardcoded-claim-mapper",
        "config": {
            "claim.name": "realm_access.roles",
            "claim.value": f'["{ROLE}"]',
            "jsonType.label": "JSON",
        },
    }
    if not watched.admin.get("/clients", clientId="bureau"):
        watched.admin.send("POST", "/clients", {"clientId": "bureau"})
        watched.look()
    watched.admin.send("POST", f"/clients/{watched.client('bureau')}/protocol-mappers/models", body)


def forged_scope(watched: WatchedRealm) -> None:
    """One in a scope, which writes a person's realm roles as permissions of a subsystem."""
    body = {
        "name": "forging",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-usermodel-realm-role-mapper",
        "config": {"claim.name": "resource_access.jiujinban.roles", "multivalued": "true"},
    }
    watched.admin.send("POST", f"/client-scopes/{scope(watched)}/protocol-mappers/models", body)


def scope(watched: WatchedRealm) -> str:
    """Keycloak's id of the scope in which one is forged."""
    return next(str(item["id"]) for item in watched.admin.get("/client-scopes") if item["name"] == "email")


def provider_attribute(watched: WatchedRealm) -> None:
    """A mapper that makes everybody who logs in by card one of another area."""
    body = {
        "name": "granting",
        "identityProviderAlias": "social-card",
        "identityProviderMapper": "hardcoded-attribute-idp-mapper",
        "config": {"attribute": "org_code", "attribute.value": "14", "syncMode": "FORCE"},
    }
    watched.admin.send("POST", "/identity-provider/instances/social-card/mappers", body)


def provider_mapper(watched: WatchedRealm) -> None:
    """A mapper that gives the role to everybody who logs in by card."""
    body = {
        "name": "granting",
        "identityProviderAlias": "social-card",
        "identityProviderMapper": "oidc-hardcoded-role-idp-mapper",
        "config": {"role": ROLE, "syncMode": "FORCE"},
    }
    watched.admin.send("POST", "/identity-provider/instances/social-card/mappers", body)


CAUSES: Final = {
    into_our_composite: ("composite", "post-handler", ROLE),
    into_default_role: ("composite", "default-roles-", ROLE),
    protocol_mapper: ("protocol_mapper", "client jiujinban", "granting"),
    forged_claim: ("protocol_mapper", "client bureau", "forging"),
    forged_scope: ("protocol_mapper", "client scope email", "forging"),
    provider_mapper: ("provider_mapper", "social-card", "granting"),
    provider_attribute: ("provider_mapper", "social-card", "granting"),
}


def is_there(watched: WatchedRealm, cause: Cause) -> bool:
    """Whether a cause is in force, by Keycloak's own word."""
    if cause is protocol_mapper:
        client = watched.client("jiujinban")
        return bool(watched.admin.get(f"/clients/{client}/protocol-mappers/models"))
    if cause is forged_claim:
        return bool(watched.admin.get(f"/clients/{watched.client('bureau')}/protocol-mappers/models"))
    if cause is forged_scope:
        found = watched.admin.get(f"/client-scopes/{scope(watched)}/protocol-mappers/models")
        return "forging" in {item["name"] for item in found}
    if cause in (provider_mapper, provider_attribute):
        return bool(watched.admin.get("/identity-provider/instances/social-card/mappers"))
    if cause is left_default_group:
        return bool(watched.admin.get("/default-groups"))
    outer = "post-handler" if cause is into_our_composite else watched.admin.get("")["defaultRole"]["name"]
    parts = watched.admin.get(f"/roles-by-id/{watched.role(outer)['id']}/composites")
    return ROLE in {part["name"] for part in parts}


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.__name__)
def test_with_the_guard_one_look_takes_the_cause_away(guarded: WatchedRealm, cause: Cause) -> None:
    """It came past the guard, which restores it; no person is touched, and the ledger has what and who."""
    watched = guarded
    told = len(watched.bodies("cause_restored"))
    with pytest.raises(RealmRefusedError, match=r"answered 403 \(power-"):
        cause(watched)
    with watched.past_the_guard():
        cause(watched)
    assert is_there(watched, cause)
    assert watched.look().changes == 0
    assert not is_there(watched, cause)
    (entry,) = watched.bodies("cause_restored")[told:]
    kind, subject, removed = CAUSES[cause]
    assert (entry["kind"], entry["removed"]) == (kind, removed)
    assert entry["subject"].startswith(subject)
    assert entry["actors"]
    watched.assert_right()
    assert watched.look().quiet


@pytest.mark.parametrize("cause", [*CAUSES, left_default_group], ids=lambda cause: cause.__name__)
def test_without_the_guard_a_cause_is_told(unguarded: WatchedRealm, cause: Cause) -> None:
    """Our daily accounts may not mend it: it is told once, nobody is touched, ``realm apply`` mends it."""
    watched = unguarded
    kinds = ("cause_found", "configuration_changed")
    told = len(watched.bodies(*kinds))
    cause(watched)
    assert is_there(watched, cause)
    assert watched.look().changes == 0
    assert len(watched.bodies(*kinds)) == told + 1
    watched.apply_realm()
    assert not is_there(watched, cause)
    watched.assert_right()
    watched.look()
    assert watched.look().quiet


@pytest.mark.parametrize("cause", [*CAUSES, left_default_group], ids=lambda cause: cause.__name__)
def test_through_the_open_configurator_one_look_takes_the_cause_away(
    stays_open: WatchedRealm, cause: Cause
) -> None:
    """The same without a guard, where the operator lets the configurator stay open."""
    watched = stays_open
    kinds = ("cause_found", "cause_not_restored", "configuration_changed")
    told, others = len(watched.bodies("cause_restored")), len(watched.bodies(*kinds))
    cause(watched)
    assert is_there(watched, cause)
    assert watched.look().changes == 0
    assert not is_there(watched, cause)
    (entry,) = watched.bodies("cause_restored")[told:]
    kind, subject, removed = CAUSES.get(cause, ("default_group", "test-stays-open", "系统管理员"))
    assert (entry["kind"], entry["removed"]) == (kind, removed)
    assert entry["subject"].startswith(subject)
    assert watched.server.admin_user in names_of_master(watched, entry["actors"])
    assert len(watched.bodies(*kinds)) == others
    watched.assert_right()
    assert check(watched.world.context).configuration == ()
    watched.look()
    assert watched.look().quiet


# What Keycloak itself lets nobody change


CONSOLE: Final = "realm-management/query-realms"
POWER: Final = "realm-management/manage-users"


def console_role(watched: WatchedRealm, *parts: str) -> None:
    """A role of Keycloak's own, which administrators' posts contain, brought in anew by an import that
    overwrites: with these in it, and in no post."""
    role = {
        "name": "query-realms",
        "composite": bool(parts),
        "composites": {"client": {"realm-management": parts}},
    }
    body = {"ifResourceExists": "OVERWRITE", "roles": {"client": {"realm-management": [role]}}}
    watched.admin.send("POST", "/partialImport", body)


def inside(watched: WatchedRealm, role: RoleName) -> frozenset[RoleName]:
    """What a role contains, by Keycloak's own word."""
    return watched.world.context.realm.read_roles()[role].composites


def test_with_the_guard_power_in_keycloaks_own_role_is_taken_out(guarded: WatchedRealm) -> None:
    """Before the role is back in the posts that it belongs to: nobody gains by it for a moment."""
    watched = guarded
    told = len(watched.bodies("cause_restored"))
    console_role(watched, "manage-users")
    assert inside(watched, RoleName(CONSOLE)) == {POWER}
    assert CONSOLE not in inside(watched, RoleName("post-auditor"))
    watched.look()
    assert inside(watched, RoleName(CONSOLE)) == frozenset()
    assert CONSOLE in inside(watched, RoleName("post-auditor"))
    (entry,) = watched.bodies("cause_restored")[told:]
    assert (entry["kind"], entry["subject"], entry["removed"]) == ("composite", CONSOLE, POWER)
    for _ in range(2):
        last = watched.look()
    assert last.quiet
    assert check(watched.world.context).clean


@pytest.mark.parametrize("realm", ["unguarded", "stays_open"])
def test_without_the_guard_power_in_keycloaks_own_role_is_told(
    realm: str, request: pytest.FixtureRequest
) -> None:
    """Keycloak lets nobody take it out: it is told once and named by check, and the role is put into no post,
    until an import takes its place."""
    watched: WatchedRealm = request.getfixturevalue(realm)
    told = len(watched.bodies("cause_found"))
    console_role(watched, "manage-users")
    for _ in range(3):
        watched.look()
    found = [entry["cause"] for entry in watched.bodies("cause_found")[told:]]
    assert found.count(f"{CONSOLE} 含有 {POWER}") == 1
    assert CONSOLE in {item.subject for item in check(watched.world.context).findings if item.violation}
    with pytest.raises(NotMendedError, match=POWER):
        watched.apply_realm()
    assert CONSOLE not in inside(watched, RoleName("post-auditor"))
    console_role(watched)
    watched.apply_realm()
    assert CONSOLE in inside(watched, RoleName("post-auditor"))
    for _ in range(3):
        last = watched.look()
    assert last.quiet
    assert check(watched.world.context).clean


def names_of_master(watched: WatchedRealm, users: list[str]) -> set[str]:
    """Names of users of the master realm."""
    connection = watched.another_administrator()
    try:
        return {connection.get(f"admin/realms/master/users/{user}")["username"] for user in users}
    finally:
        connection.close()


def test_a_declared_configurator_that_is_closed(stays_open: WatchedRealm) -> None:
    """Open it is no difference; closed, ``check`` and ``doctor`` say so, causes are told and stay, and are
    tried again. ``realm apply`` leaves it open."""
    watched = stays_open
    context = watched.world.context
    client = context.settings.keycloak.configurator.client_id
    assert check(context).configuration == ()
    assert doctor_of(watched).state is State.OK
    told = len(watched.bodies("cause_not_restored"))
    restored = len(watched.bodies("cause_restored"))
    close_configurator(watched.admin.connection, client)
    try:
        assert [gap.where for gap in check(context).configuration] == [f"clients.{client}.enabled"]
        assert doctor_of(watched).state is State.FAIL
        into_our_composite(watched)
        protocol_mapper(watched)
        for _ in range(2):
            watched.look()
        assert is_there(watched, into_our_composite)
        assert is_there(watched, protocol_mapper)
        assert len(watched.bodies("cause_not_restored")) == told + 1
        assert len(watched.bodies("cause_restored")) == restored
    finally:
        open_configurator(watched.admin.connection, client)
    watched.look()
    assert not is_there(watched, into_our_composite)
    assert not is_there(watched, protocol_mapper)
    assert len(watched.bodies("cause_restored")) == restored + 2
    credential = AdminPassword(watched.server.admin_user, Sensitive(watched.server.admin_password))
    assert apply_realm(context, credential, RealmOptions()).configurator_open
    assert check(context).configuration == ()
    watched.assert_right()
    for _ in range(3):
        last = watched.look()
    assert last.quiet


def doctor_of(watched: WatchedRealm) -> Result:
    """What the doctor says of the configurator."""
    found = examine_server(watched.world.context)
    return next(item for item in found if item.id == "keycloak.configurator")


# Ways in that are not ours to take away: told once, and named by ``check``


def other_provider(watched: WatchedRealm) -> str:
    """An identity provider of somebody's own."""
    body = {"alias": "foreign", "providerId": "oidc", "enabled": True, "config": {}}
    watched.admin.send("POST", "/identity-provider/instances", body)
    return "identity-providers.foreign"


def other_storage(watched: WatchedRealm) -> str:
    """A directory with accounts of its own."""
    _component(watched, "org.keycloak.storage.UserStorageProvider", "ldap", DIRECTORY)
    return "user-storage.theirs"


def other_key(watched: WatchedRealm) -> str:
    """A key besides those that Keycloak made with the realm."""
    config = {"priority": ["1"], "algorithm": ["HS384"]}
    _component(watched, "org.keycloak.keys.KeyProvider", "hmac-generated", config)
    return "keys.theirs"


def other_login(watched: WatchedRealm) -> str:
    """A foreign client at which other things than the realm's say who logs in."""
    flows = {flow["alias"]: flow["id"] for flow in watched.admin.get("/authentication/flows")}
    overrides = {"browser": flows["browser"]}
    body = {"clientId": "theirs", "publicClient": True, "authenticationFlowBindingOverrides": overrides}
    watched.admin.send("POST", "/clients", body)
    return "clients.theirs.authenticationFlowBindingOverrides.browser"


def _component(watched: WatchedRealm, kind: str, provider: str, config: dict[str, list[str]]) -> None:
    body = {"name": "theirs", "providerId": provider, "providerType": kind, "config": config}
    watched.admin.send("POST", "/components", body)


def close(watched: WatchedRealm) -> None:
    """Take the ways in away."""
    for provider in watched.admin.get("/identity-provider/instances"):
        if provider["alias"] == "foreign":
            watched.admin.send("DELETE", "/identity-provider/instances/foreign")
    for component in watched.admin.get("/components"):
        if component.get("name") == "theirs":
            watched.admin.send("DELETE", f"/components/{component['id']}")
    for client in watched.admin.get("/clients", clientId="theirs"):
        watched.admin.send("DELETE", f"/clients/{client['id']}")


WAYS = [other_provider, other_storage, other_key, other_login]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_another_way_in_is_told_once(unguarded: WatchedRealm, way: Way) -> None:
    """Whoever opens it may have a reason: it stays, is told at the event, and ``check`` names it."""
    watched = unguarded
    told = len(watched.bodies("configuration_changed"))
    where = way(watched)
    try:
        for _ in range(3):
            assert watched.look().changes == 0
        (entry,) = watched.bodies("configuration_changed")[told:]
        assert entry["where"] == [where]
        assert entry["actors"]
        assert where in {gap.where for gap in check(watched.world.context).configuration if gap.foreign}
    finally:
        close(watched)
    for _ in range(3):
        last = watched.look()
    assert last.quiet


def test_a_bureaus_own_client_is_not_told(unguarded: WatchedRealm) -> None:
    """A client of a bureau's own, with a claim of its own, is legitimate."""
    watched = unguarded
    told = len(watched.bodies("configuration_changed", "cause_found", "administrator_found"))
    mapper = {
        "name": "department",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-usermodel-attribute-mapper",
        "config": {"claim.name": "department", "user.attribute": "department"},
    }
    body = {"clientId": "hall", "serviceAccountsEnabled": True, "protocolMappers": [mapper]}
    watched.admin.send("POST", "/clients", body)
    for _ in range(3):
        last = watched.look()
    assert last.quiet
    assert len(watched.bodies("configuration_changed", "cause_found", "administrator_found")) == told
    assert check(watched.world.context).clean


def test_administrators_are_named(unguarded: WatchedRealm) -> None:
    """A foreign user by a group, and a service account by a composite, come to administer the realm: the
    watcher names each once, and ``check`` both."""
    watched = unguarded
    told = len(watched.bodies("administrator_found"))
    management = watched.client("realm-management")
    powers = {
        name: watched.admin.get(f"/clients/{management}/roles/{name}")
        for name in ("realm-admin", "manage-clients")
    }
    watched.admin.send("POST", "/users", {"username": "boss", "enabled": True})
    watched.admin.send("POST", "/groups", {"name": "领导层"})
    group = watched.admin.get("/group-by-path/领导层")["id"]
    watched.admin.send("PUT", f"/users/{watched.named('boss')}/groups/{group}")
    watched.look()
    watched.admin.send("POST", f"/groups/{group}/role-mappings/clients/{management}", [powers["realm-admin"]])
    watched.admin.send("POST", "/clients", {"clientId": "robot", "serviceAccountsEnabled": True})
    robot = watched.admin.get(f"/clients/{watched.client('robot')}/service-account-user")["id"]
    watched.admin.send("POST", "/roles", {"name": "robots"})
    outer = watched.role("robots")
    watched.admin.send("POST", f"/roles-by-id/{outer['id']}/composites", [powers["manage-clients"]])
    watched.admin.map_role(robot, "robots")
    try:
        for _ in range(3):
            watched.look()
        holders = [
            item for entry in watched.bodies("administrator_found")[told:] for item in entry["holders"]
        ]
        assert sorted((item["username"], item["kind"], *item["roles"]) for item in holders) == [
            ("boss", "foreign_user", "realm-management/realm-admin"),
            ("service-account-robot", "service_account", "realm-management/manage-clients"),
        ]
        found = check(watched.world.context).findings
        named = {item.subject for item in found if item.kind is FindingKind.ADMINISTRATOR}
        assert named == {"boss", "service-account-robot"}
    finally:
        watched.admin.send("DELETE", f"/groups/{group}")
        watched.admin.send("DELETE", f"/clients/{watched.client('robot')}")
        watched.admin.send("DELETE", f"/users/{watched.named('boss')}")
    for _ in range(3):
        last = watched.look()
    assert last.quiet


def test_a_veto_is_in_the_ledger(guarded: WatchedRealm) -> None:
    """The guard refuses, its event is read, and the ledger has whom, by whom and why."""
    watched = guarded
    told = len(watched.bodies("guard_veto"))
    with pytest.raises(RealmRefusedError, match=r"answered 40[39]"):
        group_join(watched)
    assert watched.look().changes == 0
    (entry,) = watched.bodies("guard_veto")[told:]
    assert entry["user"] == watched.ids[WHO]
    assert entry["actor"]
    assert "系统管理员" in entry["reason"]
    assert "不相容" in entry["reason"]
    watched.assert_right()


def test_the_ledger_holds(unguarded: WatchedRealm, guarded: WatchedRealm, stays_open: WatchedRealm) -> None:
    """After all of it the ledgers verify."""
    for watched in (unguarded, guarded, stays_open):
        watched.world.verify_ledger()
