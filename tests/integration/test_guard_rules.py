"""Which rules the guard believes, what it does without any, and what each kind of rule refuses."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from deploy.local.keycloak import RunningKeycloak

from fixtures.guard import (
    COUNTIES,
    QUALIFICATION,
    GuardedRealm,
    assert_vetoed,
    build_guarded_realm,
    raw,
)
from fixtures.servers_keycloak import describe_realm
from quanheng.keycloak.configuration_files import read_mapper_rules
from quanheng.keycloak.judged_mappers import Verdict


def put(realm: GuardedRealm, sealed: Any) -> tuple[int, str]:
    """Status and explanation of an attempt to put rules in force."""
    answer = raw(realm.sync, "PUT", realm.guard_path("rules"), json=sealed)
    return answer.status_code, "" if answer.status_code == 204 else answer.json()["error_description"]


def today_in_china() -> Any:
    """The day in China, which keeps one time all year."""
    return (datetime.now(UTC) + timedelta(hours=8)).date()


def test_status(guarded_realm: GuardedRealm) -> None:
    """The guard says which rules are in force; the same rules may be put again."""
    realm = guarded_realm
    sealed = realm.seal(realm.rules())

    assert put(realm, sealed) == put(realm, sealed) == (204, "")

    assert realm.status() == {
        "version": "1.0.0",
        "required": True,
        "valid": True,
        "problem": "",
        "sequence": realm.sequence,
    }


def _another_key(realm: GuardedRealm) -> Any:
    return realm.seal(realm.rules(), Ed25519PrivateKey.generate())


def _another_text(realm: GuardedRealm) -> Any:
    return {**realm.seal(realm.rules()), "payload": realm.seal(realm.rules(writers=[]))["payload"]}


def _no_signature(realm: GuardedRealm) -> Any:
    return {"payload": realm.seal(realm.rules())["payload"]}


def _lower(realm: GuardedRealm) -> Any:
    return realm.seal(realm.rules(sequence=1))


def _same_number(realm: GuardedRealm) -> Any:
    return realm.seal({**realm.rules(card="another"), "sequence": realm.sequence - 1})


def _another_realm(realm: GuardedRealm) -> Any:
    return realm.seal(realm.rules(realm="guarded-other"))


def _another_format(realm: GuardedRealm) -> Any:
    return realm.seal(realm.rules(format=2))


def _unknown_part(realm: GuardedRealm) -> Any:
    return realm.seal(realm.rules(exceptions=[]))


def _missing_part(realm: GuardedRealm) -> Any:
    body = realm.rules()
    del body["exclusions"]
    return realm.seal(body)


def _unknown_scope(realm: GuardedRealm) -> Any:
    rule = {**realm.exclusion("x-rule", "person", ["handler"], ["reviewer"]), "scope": "office"}
    return realm.seal(realm.rules(exclusions=[rule]))


def _no_json(realm: GuardedRealm) -> Any:
    return "rules"


def _nothing(realm: GuardedRealm) -> Any:
    return None


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (_another_key, "signature"),
        (_another_text, "signature"),
        (_no_signature, "signature"),
        (_lower, "newer rules"),
        (_same_number, "same sequence"),
        (_another_realm, "another realm"),
        (_another_format, "cannot be read"),
        (_unknown_part, "cannot be read"),
        (_missing_part, "cannot be read"),
        (_unknown_scope, "cannot be read"),
        (_no_json, "cannot be read"),
        (_nothing, "cannot be read"),
    ],
)
def test_rules_that_are_not_believed(
    guarded_realm: GuardedRealm, bad: Callable[[GuardedRealm], Any], words: str
) -> None:
    """Rules that are not ours, not newest, not this realm's or not understood are refused; the old stay."""
    realm = guarded_realm
    before = realm.sequence

    status, explanation = put(realm, bad(realm))

    assert (status, words in explanation) == (409, True), explanation
    assert (realm.status()["valid"], realm.status()["sequence"]) == (True, before)


def test_endpoint_is_ours(guarded_realm: GuardedRealm) -> None:
    """Nobody but our service accounts reads or writes at the guard's endpoint."""
    realm = guarded_realm
    person = realm.log_in(realm.add_person("system-admin"))

    for by in (realm.admin, person):
        for method, tail in (
            ("GET", "status"),
            ("PUT", "rules"),
            ("POST", "restore"),
            ("POST", "clear-caches"),
        ):
            answer = raw(by, method, realm.guard_path(tail), json={} if method == "PUT" else None)
            assert answer.status_code == 403, (method, tail)


def test_attribute_wiped(guarded_realm: GuardedRealm) -> None:
    """A realm update that drops the attribute takes the rules; no duty is given until they are back."""
    realm = guarded_realm
    user = realm.add_person()
    realm.wipe_rules()

    answer = realm.join(realm.sync, user, realm.duty("handler"))
    assert_vetoed(answer, "rules-missing", 409, "规则缺失")
    assert_vetoed(realm.grant(realm.sync, user, realm.roles["handler"]), "rules-missing", 409)
    assert realm.status()["problem"] == "the realm has no rules"
    # Keycloak's own roles are no duties, and managed accounts stay protected.
    realm.log_in(user)
    assert_vetoed(raw(realm.sync, "DELETE", realm.path(f"/users/{user}")), "account-removal", 403)

    realm.publish()
    assert realm.join(realm.sync, user, realm.duty("handler")).status_code == 204


def test_attribute_changed(guarded_realm: GuardedRealm) -> None:
    """Rules that somebody writes into the attribute are not believed, whether forged or outdated."""
    realm = guarded_realm
    user = realm.add_person()
    old = realm.admin.get(realm.path(""))["attributes"]
    realm.publish()

    forged = realm.seal(realm.rules(exclusions=[]), Ed25519PrivateKey.generate())
    attributes = {**old, "quanheng.rules": str(forged).replace("'", '"')}
    realm.configurator.request("PUT", realm.path(""), json={"attributes": attributes})
    assert_vetoed(realm.join(realm.sync, user, realm.duty("handler")), "rules-missing", 409)

    realm.publish()
    assert realm.status()["valid"]


def test_renamed_and_deleted_roles(guarded_realm: GuardedRealm) -> None:
    """A renamed role is still under its rules; a deleted one leaves the other rules as they are."""
    realm = guarded_realm
    passing = realm.add_role("passing-role", "")
    rules = [
        realm.exclusion("s3-admins", "person", ["business-admin"], ["system-admin"]),
        {**realm.exclusion("x-gone", "person", ["handler"], []), "right": [passing]},
    ]
    realm.publish(exclusions=rules)
    realm.admin.request("DELETE", realm.path(f"/roles-by-id/{passing}"))
    role = realm.roles["system-admin"]
    path = realm.path(f"/roles-by-id/{role}")
    realm.configurator.request("PUT", path, json={"name": "harmless", "id": role})
    user = realm.add_person("business-admin", "handler")

    answer = realm.join(realm.sync, user, realm.duty("system-admin"))

    assert_vetoed(answer, "s3-admins", 409)
    realm.configurator.request("PUT", path, json={"name": "duty-system-admin", "id": role})


def test_duty_roles_stay(guarded_realm: GuardedRealm) -> None:
    """The role of a duty is not deleted: made again under its name it would have an id that no rule knows."""
    realm = guarded_realm
    role = realm.roles["handler"]

    answer = raw(realm.admin, "DELETE", realm.path(f"/roles-by-id/{role}"))

    assert_vetoed(answer, "duty-role-removal", 403, "经办人员", "不得删除")
    assert realm.role_name(role) == "duty-handler"
    with_its_client = raw(realm.admin, "DELETE", realm.path(f"/clients/{realm.client('jiujinban')}"))
    assert_vetoed(with_its_client, "duty-role-removal", 403)


def test_a_name_like_the_realms_address_is_no_way_out(guarded_realm: GuardedRealm) -> None:
    """A role whose name reads like the address of the realm is not taken for the realm being deleted."""
    realm = guarded_realm
    role, name = realm.roles["handler"], f"x/admin/realms/{realm.name}"
    realm.configurator.request("PUT", realm.path(f"/roles-by-id/{role}"), json={"name": name})
    try:
        answer = raw(realm.admin, "DELETE", realm.path(f"/roles/{quote(name, safe='')}"))
    finally:
        realm.configurator.request("PUT", realm.path(f"/roles-by-id/{role}"), json={"name": "duty-handler"})
    assert_vetoed(answer, "duty-role-removal", 403)


def test_without_rules_no_role_is_deleted(guarded_realm: GuardedRealm) -> None:
    """Nobody can tell then which roles are duties; the realm mends itself when the rules come again."""
    realm = guarded_realm
    spare = realm.add_role(f"spare-{realm.sequence}", "")
    for text in ("", "null"):
        body = {**realm.admin.get(realm.path("")), "attributes": {"quanheng.rules": text}}
        realm.configurator.request("PUT", realm.path(""), json=body)
        assert not realm.status()["valid"]
        for role in (realm.roles["handler"], spare):
            answer = raw(realm.admin, "DELETE", realm.path(f"/roles-by-id/{role}"))
            assert_vetoed(answer, "duty-role-removal", 403, "规则缺失")
    realm.publish()
    assert raw(realm.admin, "DELETE", realm.path(f"/roles-by-id/{spare}")).status_code == 204


def test_another_name_is_no_way_out(guarded_realm: GuardedRealm) -> None:
    """A realm that has had rules stays guarded when it is renamed to something nobody asked to guard."""
    realm = guarded_realm
    user = realm.add_person("business-admin")
    group = realm.duty("system-admin")
    assert_vetoed(raw(realm.admin, "PUT", realm.path(""), json={"realm": "escaped"}), "realm-rename", 403)
    realm.configurator.request("PUT", realm.path(""), json={"realm": "escaped"})
    try:
        path = f"admin/realms/escaped/users/{user}"
        joined = raw(realm.admin, "PUT", f"{path}/groups/{group}")
        deleted = raw(realm.admin, "DELETE", path)
    finally:
        realm.admin.request("PUT", "admin/realms/escaped", json={"realm": realm.name})
    assert_vetoed(joined, "acting-not-entitled", 403, "不相容")
    assert_vetoed(deleted, "account-removal", 403)
    assert realm.groups_of(user) == {realm.duty("business-admin")}


def test_a_guarded_realm_can_be_deleted(
    keycloak_server: RunningKeycloak,
    keycloak_keys: dict[str, ec.EllipticCurvePrivateKey],
    rules_key: Ed25519PrivateKey,
) -> None:
    """With everything in it: who may delete a realm is nobody that a guard could stop."""
    name = f"guarded-gone-{os.environ.get('PYTEST_XDIST_WORKER', 'one')}"
    realm = build_guarded_realm(describe_realm(keycloak_server, keycloak_keys, name), rules_key)
    realm.add_person("handler")

    assert raw(realm.admin, "DELETE", realm.path("")).status_code == 204
    realm.realm.close()


def test_composite_that_contains_itself(guarded_realm: GuardedRealm) -> None:
    """Roles that contain each other are walked once."""
    realm = guarded_realm
    one, two = realm.add_role("circle-1", ""), realm.add_role("circle-2", "")
    realm.contain(one, two)
    realm.contain(two, one)
    realm.contain(two, realm.roles["system-admin"])
    user = realm.add_person("business-admin")

    assert_vetoed(realm.grant(realm.sync, user, one), "s3-admins", 409)


@pytest.mark.parametrize("name", ["甲/乙 组", "引号\"组'", "${user} {0}", "<b>组</b>"])
def test_awkward_names(guarded_realm: GuardedRealm, name: str) -> None:
    """Groups with slashes, quotes and the like in their names are judged and quoted as they are."""
    realm = guarded_realm
    path = f"/岗位/{name}"
    if path not in realm.groups:
        realm.add_group("/岗位", name, area="140902", role=realm.roles["system-admin"])
    user = realm.add_person("business-admin")

    answer = realm.join(realm.sync, user, realm.groups[path])

    assert_vetoed(answer, "s3-admins", 409, path)
    assert realm.vetoes(user)[0]["reason"] == answer.json()["error"]


def test_equal_names_in_two_counties(guarded_realm: GuardedRealm) -> None:
    """A rule of the county speaks of one county: by the code on the group, not by its name."""
    realm = guarded_realm
    user = realm.add_person("handler")

    assert_vetoed(realm.join(realm.sync, user, realm.duty("reviewer")), "g11-review", 409)
    assert realm.join(realm.sync, user, realm.duty("reviewer", "140921")).status_code == 204


def test_rule_of_an_area(guarded_realm: GuardedRealm) -> None:
    """A rule for some areas counts there and below, and nowhere else."""
    realm = guarded_realm
    rule = {**realm.exclusion("j8", "person", ["handler"], ["reviewer"]), "areas": ["1409"]}
    realm.publish(exclusions=[{**rule, "areas": ["140921"]}])
    assert realm.join(realm.sync, realm.add_person("handler"), realm.duty("reviewer")).status_code == 204

    realm.publish(exclusions=[rule])
    assert_vetoed(realm.join(realm.sync, realm.add_person("handler"), realm.duty("reviewer")), "j8", 409)


def test_qualification(guarded_realm: GuardedRealm) -> None:
    """Who is not in the group of a qualification gets no post that needs it."""
    realm = guarded_realm
    group = realm.groups[f"/资格/{QUALIFICATION}"]
    rules = realm.rules(groups={group: QUALIFICATION})
    rules["duties"][realm.roles["system-admin"]]["requires"] = [group]
    assert put(realm, realm.seal(rules)) == (204, "")
    user = realm.add_person()

    refused = realm.join(realm.sync, user, realm.duty("system-admin"))
    assert_vetoed(refused, f"requires-{group}", 409, "“系统管理员须由正式在编人员担任”（S5）")
    assert realm.join(realm.sync, user, group).status_code == 204
    assert realm.join(realm.sync, user, realm.duty("system-admin")).status_code == 204
    # In one creation Keycloak joins groups in the order given.
    county = f"/岗位/140902-{COUNTIES['140902']}/系统管理员"
    realm.add_person(groups=[f"/资格/{QUALIFICATION}", county])


def test_waiver(guarded_realm: GuardedRealm) -> None:
    """A waiver counts for its person and rule, to the end of its day in China."""
    realm = guarded_realm
    today = today_in_china()
    users = {name: realm.add_person("handler") for name in ("today", "ended", "other", "none")}

    def waiver(name: str, rule: str, until: Any) -> dict[str, str]:
        return {"user": users[name], "rule": rule, "until": until.isoformat()}

    realm.publish(
        exclusions=[realm.exclusion("g11-review#1", "county", ["handler"], ["reviewer"])],
        waivers=[
            # The day may end while the test runs.
            waiver("today", "g11-review", today + timedelta(days=1)),
            waiver("ended", "g11-review", today - timedelta(days=1)),
            waiver("other", "s3-admins", today + timedelta(days=1)),
        ],
    )

    answers = {name: realm.join(realm.sync, user, realm.duty("reviewer")) for name, user in users.items()}

    assert answers.pop("today").status_code == 204
    for answer in answers.values():
        assert_vetoed(answer, "g11-review#1", 409)


def _maximum(realm: GuardedRealm, per: str, posts: list[str], most: int, **more: Any) -> dict[str, Any]:
    return {
        "id": f"s8-{per}",
        "label": "限额",
        "article": "S8",
        "per": per,
        "areas": [],
        "roles": [realm.roles[post] for post in posts],
        "most": most,
        **more,
    }


def test_maximum_of_a_person(guarded_realm: GuardedRealm) -> None:
    """Nobody gets more of some posts than the rule allows."""
    realm = guarded_realm
    limit = _maximum(realm, "person", ["handler", "reviewer", "system-admin"], 2)
    realm.publish(exclusions=[], maxima=[limit])
    user = realm.add_person("handler", "reviewer")

    answer = realm.join(realm.sync, user, realm.duty("system-admin"))

    assert_vetoed(answer, "s8-person", 409, "一人至多 2 项")


def test_maximum_of_a_county(guarded_realm: GuardedRealm) -> None:
    """No county gets more holders than the rule allows, wherever in the county's groups they are."""
    realm = guarded_realm
    realm.add_group("/岗位", "140925-宁武县")
    first = realm.add_group("/岗位/140925-宁武县", "甲", area="140925", role=realm.roles["system-admin"])
    second = realm.add_group("/岗位/140925-宁武县", "乙", area="140925", role=realm.roles["system-admin"])
    below = realm.add_group("/岗位/140925-宁武县/甲", "丙")
    realm.publish(maxima=[_maximum(realm, "county", ["system-admin"], 2, digits=[6])])

    assert realm.join(realm.sync, realm.add_person(), first).status_code == 204
    assert realm.join(realm.sync, realm.add_person(), below).status_code == 204
    answer = realm.join(realm.sync, realm.add_person(), second)

    assert_vetoed(answer, "s8-county", 409, "140925 至多 2 人，另有 2 人在任")


def test_restore(guarded_realm: GuardedRealm) -> None:
    """What gives power past any grant is taken away, and told; what the rules list is put back."""
    realm = guarded_realm
    raw(realm.sync, "POST", realm.guard_path("restore"))  # what other tests left
    foreign, surplus = realm.add_role("foreign", ""), realm.add_role("surplus", "")
    realm.contain(foreign, realm.roles["system-admin"])
    realm.contain(realm.roles["handler"], surplus)
    realm.configurator.request("PUT", realm.path(f"/default-groups/{realm.duty('handler')}"))
    mapper = {
        "name": "power",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-hardcoded-role-mapper",
        "config": {"role": "duty-handler"},
    }
    client = realm.client("test-console")
    realm.configurator.request("POST", realm.path(f"/clients/{client}/protocol-mappers/models"), json=mapper)
    permission = realm.admin.get(realm.path(f"/roles-by-id/{realm.roles['handler']}/composites"))
    permission = [item for item in permission if item["clientRole"]]
    path = realm.path(f"/roles-by-id/{realm.roles['handler']}/composites")
    realm.admin.request("DELETE", path, json=permission)

    restored = raw(realm.sync, "POST", realm.guard_path("restore")).json()

    assert sorted(restored, key=lambda item: str(item["removed"])) == [
        {"kind": "composite", "subject": "foreign", "removed": "duty-system-admin"},
        {"kind": "protocol_mapper", "subject": "client test-console", "removed": "power"},
        {"kind": "composite", "subject": "duty-handler", "removed": "surplus"},
        {"kind": "default_group", "subject": realm.name, "removed": "经办人员"},
    ]
    assert [item["name"] for item in realm.admin.get(path)] == ["service_query"]
    assert raw(realm.sync, "POST", realm.guard_path("restore")).json() == []


JUDGED: Final = {
    "fixed roles": ("oidc-hardcoded-claim-mapper", {"claim.name": "realm_access.roles", "claim.value": "x"}),
    "escaped": ("oidc-hardcoded-claim-mapper", {"claim.name": "Realm\\_access.roles", "claim.value": "x"}),
    "friendly": ("oidc-hardcoded-claim-mapper", {"claim.name": "x", "friendly.name": "Role"}),
    "fixed person": ("oidc-hardcoded-claim-mapper", {"claim.name": "org_code", "claim.value": "14"}),
    "fixed name": ("oidc-hardcoded-claim-mapper", {"claim.name": "name", "claim.value": "x"}),
    "fixed posts": ("oidc-hardcoded-claim-mapper", {"claim.name": "posts", "claim.value": "x"}),
    "other's name": (
        "oidc-usermodel-attribute-mapper",
        {"claim.name": "preferred_username", "user.attribute": "staff_no"},
    ),
    "prefixed": (
        "oidc-usermodel-realm-role-mapper",
        {"claim.name": "realm_access.roles", "usermodel.realmRoleMapping.rolePrefix": "duty-"},
    ),
    "elsewhere": ("oidc-usermodel-realm-role-mapper", {"claim.name": "resource_access.x.roles"}),
    "any client's": ("oidc-usermodel-client-role-mapper", {"claim.name": "${client_id}.roles"}),
    "renamed": ("oidc-role-name-mapper", {"role": "a", "new.role.name": "b"}),
    "groups": ("oidc-group-membership-mapper", {"claim.name": "groups", "full.path": "false"}),
    "true roles": (
        "oidc-usermodel-client-role-mapper",
        {"claim.name": "resource_access.${client_id}.roles", "multivalued": "true"},
    ),
    "own claim": (
        "oidc-usermodel-attribute-mapper",
        {"claim.name": "department", "user.attribute": "department"},
    ),
    "own name": ("oidc-usermodel-attribute-mapper", {"claim.name": "name", "user.attribute": "firstName"}),
    "own area": ("oidc-usermodel-attribute-mapper", {"claim.name": "org_code", "user.attribute": "org_code"}),
}
"""Mappers by name."""


def test_restore_judges_mappers_as_check_does(guarded_realm: GuardedRealm) -> None:
    """Whatever forges roles, or who somebody is, by its claim goes, from a client and from a scope; the guard
    and the watcher's comparison agree on each, and Keycloak's own stay."""
    realm, judge = guarded_realm, read_mapper_rules()
    raw(realm.sync, "POST", realm.guard_path("restore"))
    rules = realm.rules()
    rules["protect"] |= {
        "protocol_mappers": list(judge.protocol_mappers),
        "provider_mappers": list(judge.provider_mappers),
        "role_claims": sorted(judge.decisive_claims),
        "truthful": [{"kind": item.kind, "config": dict(item.config)} for item in judge.truthful],
        "provider_attributes": sorted(judge.provider_attributes),
    }
    assert put(realm, realm.seal(rules)) == (204, "")
    assert raw(realm.sync, "POST", realm.guard_path("restore")).json() == []  # Keycloak's own
    scopes = {item["name"]: item["id"] for item in realm.admin.get(realm.path("/client-scopes"))}
    holders = {
        "client test-console": f"/clients/{realm.client('test-console')}",
        "client scope address": f"/client-scopes/{scopes['address']}",
    }
    for tail in holders.values():
        for name, (kind, config) in JUDGED.items():
            body = {"name": name, "protocol": "openid-connect", "protocolMapper": kind, "config": config}
            realm.configurator.request("POST", realm.path(f"{tail}/protocol-mappers/models"), json=body)
    made = [
        (subject, mapper)
        for subject, tail in holders.items()
        for mapper in realm.admin.get(realm.path(f"{tail}/protocol-mappers/models"))
        if mapper["name"] in JUDGED
    ]
    assert len(made) == 2 * len(JUDGED)

    restored = raw(realm.sync, "POST", realm.guard_path("restore")).json()

    assert {(item["subject"], item["removed"]) for item in restored} == {
        (subject, mapper["name"])
        for subject, mapper in made
        if judge.of_protocol_mapper(mapper) is Verdict.FORGES
    }
    assert len(restored) == 2 * 12
    for subject, mapper in made:
        if (subject, mapper["name"]) not in {(item["subject"], item["removed"]) for item in restored}:
            path = realm.path(f"{holders[subject]}/protocol-mappers/models/{mapper['id']}")
            realm.admin.request("DELETE", path)


def test_clear_caches(guarded_realm: GuardedRealm) -> None:
    """The sync may have Keycloak forget what it has cached."""
    realm = guarded_realm

    assert raw(realm.sync, "POST", realm.guard_path("clear-caches")).status_code == 204
