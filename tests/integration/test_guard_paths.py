"""Each way to a duty, on a real server: what the rules forbid is vetoed in the transaction, and told."""

from __future__ import annotations

from typing import Any

import requests

from fixtures.guard import CARD, PERMISSION, GuardedRealm, assert_vetoed, raw

COUNTY = "/岗位/140902-忻府区"


def newcomer(name: str, *posts: str, **fields: Any) -> dict[str, Any]:
    """A user to create, with the groups of posts of 忻府区."""
    return {
        "username": name,
        "enabled": True,
        "firstName": "李四",
        "groups": [f"{COUNTY}/{post}" for post in posts],
        "federatedIdentities": [{"identityProvider": CARD, "userId": f"sub-{name}", "userName": name}],
        **fields,
    }


def find(realm: GuardedRealm, name: str) -> list[Any]:
    """The users of a name."""
    found: list[Any] = realm.admin.get(realm.path("/users"), username=name, exact="true")
    return found


def test_group_join(guarded_realm: GuardedRealm) -> None:
    """Joining a duty group against a held post is undone; the reason names both ways, the event the actor."""
    realm = guarded_realm
    user = realm.add_person("business-admin")

    answer = realm.join(realm.sync, user, realm.duty("system-admin"))

    assert_vetoed(
        answer,
        "s3-admins",
        409,
        "（S3）：",
        "“系统管理员”（/岗位/140902-忻府区/系统管理员 → 系统管理员）",
        "“业务管理员”（/岗位/140902-忻府区/业务管理员 → 业务管理员）",
    )
    assert realm.groups_of(user) == {realm.duty("business-admin")}
    [told] = realm.vetoes(user)
    by = told.pop("by")
    assert by["userId"] == realm.sync.subject()
    assert told == {
        "kind": "veto",
        "rule": "s3-admins",
        "article": "S3",
        "duty": "系统管理员",
        "reason": answer.json()["error"],
    }


def test_group_below(guarded_realm: GuardedRealm) -> None:
    """A group below a duty group gives its role too."""
    realm = guarded_realm
    below = realm.add_group(f"{COUNTY}/系统管理员", "甲组")
    user = realm.add_person("business-admin")

    answer = realm.join(realm.sync, user, below)

    assert_vetoed(answer, "s3-admins", 409, f"{COUNTY}/系统管理员/甲组 → {COUNTY}/系统管理员")
    assert realm.groups_of(user) == {realm.duty("business-admin")}


def test_direct_mapping(guarded_realm: GuardedRealm) -> None:
    """A role that is mapped directly, by our own service account, is judged like any other."""
    realm = guarded_realm
    user = realm.add_person("business-admin")

    answer = realm.grant(realm.sync, user, realm.roles["system-admin"])

    assert_vetoed(answer, "s3-admins", 409, "直接授予 → 系统管理员")
    assert realm.roles["system-admin"] not in realm.roles_of(user)


def test_both_at_once(guarded_realm: GuardedRealm) -> None:
    """Two roles that exclude each other, mapped in one request, are both refused."""
    realm = guarded_realm
    user = realm.add_person()

    answer = realm.grant(realm.sync, user, realm.roles["system-admin"], realm.roles["business-admin"])

    assert_vetoed(answer, "s3-admins", 409)
    assert realm.roles_of(user).isdisjoint(realm.roles.values())


def test_composite(guarded_realm: GuardedRealm) -> None:
    """A role of somebody's own that contains a duty, two levels deep, is that duty."""
    realm = guarded_realm
    inner, outer = realm.add_role("bundle-inner", ""), realm.add_role("bundle-outer", "")
    realm.contain(inner, realm.roles["system-admin"])
    realm.contain(outer, inner)
    user = realm.add_person("business-admin")

    answer = realm.grant(realm.sync, user, outer)

    assert_vetoed(answer, "s3-admins", 409, "直接授予 → bundle-outer → bundle-inner → 系统管理员")
    assert outer not in realm.roles_of(user)


def test_client_role(guarded_realm: GuardedRealm) -> None:
    """A permission of a subsystem is judged wherever it comes from."""
    realm = guarded_realm
    rule = realm.exclusion("s4-no-business", "person", ["system-admin"], [PERMISSION])
    realm.publish(exclusions=[rule])
    user = realm.add_person("system-admin")
    path = realm.path(f"/users/{user}/role-mappings/clients/{realm.client('jiujinban')}")

    direct = raw(realm.sync, "POST", path, json=[{"id": realm.roles[PERMISSION], "name": "service_query"}])
    through_post = realm.join(realm.sync, user, realm.duty("handler"))

    assert_vetoed(direct, "s4-no-business", 409, "“服务查询”（直接授予 → 服务查询）")
    assert_vetoed(through_post, "s4-no-business", 409, "经办人员 → 服务查询")


def test_new_user(guarded_realm: GuardedRealm) -> None:
    """A user whose groups exclude each other is not created; one whose groups do not, is."""
    realm = guarded_realm

    answer = raw(realm.sync, "POST", realm.path("/users"), json=newcomer("new-1", "业务管理员", "系统管理员"))
    good = raw(realm.sync, "POST", realm.path("/users"), json=newcomer("new-2", "业务管理员", "经办人员"))

    assert_vetoed(answer, "s3-admins", 409)
    assert good.status_code == 201
    assert find(realm, "new-1") == []


def test_partial_import(guarded_realm: GuardedRealm) -> None:
    """One conflict in a batch of users undoes the batch; without it our configurator's batch passes."""
    realm = guarded_realm
    path = realm.path("/partialImport")
    good = newcomer("batch-1", "经办人员")

    def send(*users: dict[str, Any]) -> requests.Response:
        body = {"ifResourceExists": "SKIP", "users": users}
        return raw(realm.configurator, "POST", path, json=body)

    for bad in (
        newcomer("batch-2", "业务管理员", "系统管理员"),
        newcomer("batch-3", "业务管理员", realmRoles=["duty-system-admin"]),
    ):
        assert_vetoed(send(good, bad), "s3-admins", 409)
        assert find(realm, "batch-1") == []
    assert send(good).status_code == 200

    [user] = find(realm, "batch-1")
    assert realm.groups_of(user["id"]) == {realm.duty("handler")}


def test_overwriting_import(guarded_realm: GuardedRealm) -> None:
    """An import that would delete a managed user and make it anew is refused."""
    realm = guarded_realm
    user = realm.add_person("handler")
    name = realm.admin.get(realm.path(f"/users/{user}"))["username"]

    body = {"ifResourceExists": "OVERWRITE", "users": [newcomer(name, "经办人员")]}
    answer = raw(realm.configurator, "POST", realm.path("/partialImport"), json=body)

    assert_vetoed(answer, "account-removal", 403)
    assert [found["id"] for found in find(realm, name)] == [user]


def test_default_group(guarded_realm: GuardedRealm) -> None:
    """Where a duty group is a default, no user can be created until it is none any more."""
    realm = guarded_realm
    path = realm.path(f"/default-groups/{realm.duty('handler')}")
    realm.configurator.request("PUT", path)
    try:
        answer = raw(realm.sync, "POST", realm.path("/users"), json={"username": "new-3", "enabled": True})
        assert_vetoed(answer, "target-unlinked", 409)
        assert find(realm, "new-3") == []
    finally:
        realm.admin.request("DELETE", path)


def test_nothing_personal(guarded_realm: GuardedRealm) -> None:
    """Neither answer nor event names the person: no name, no user name, no attribute."""
    realm = guarded_realm
    user = realm.add_person("business-admin", attributes={"staff_no": ["A-7788"]})
    known = realm.admin.get(realm.path(f"/users/{user}"))

    answer = realm.join(realm.sync, user, realm.duty("system-admin"))

    [told] = realm.vetoes(user)
    for text in (answer.text, str(told)):
        for word in (known["username"], known["firstName"], "A-7788"):
            assert word not in text


def test_other_roles_are_free(guarded_realm: GuardedRealm) -> None:
    """What gives no duty passes, whoever does it and to whomever: no link, no rule is asked for."""
    realm = guarded_realm
    plain = realm.add_role("plain", "")
    group = realm.add_group(None, "普通", role=plain)
    user = realm.add_person(card=False)

    assert realm.join(realm.admin, user, group).status_code == 204
    assert realm.grant(realm.admin, user, plain).status_code == 204
    assert realm.vetoes(user) == []
