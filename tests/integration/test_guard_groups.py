"""Groups that give a duty or a qualification are changed by nobody but the sync."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fixtures.guard import COUNTIES, QUALIFICATION, GuardedRealm, assert_vetoed, raw

Send = Callable[[GuardedRealm], Any]
HOME = f"/岗位/140902-{COUNTIES['140902']}"


def role_into_group(realm: GuardedRealm) -> Any:
    """A duty's role put on a group that gives none."""
    group = realm.groups["/岗位"]
    body = [{"id": realm.roles["reviewer"], "name": realm.role_name(realm.roles["reviewer"])}]
    return raw(realm.admin, "POST", realm.path(f"/groups/{group}/role-mappings/realm"), json=body)


def another_area(realm: GuardedRealm) -> Any:
    """The duty of one county said to be the whole realm's."""
    group = realm.duty("handler")
    body = {"name": realm.admin.get(realm.path(f"/groups/{group}"))["name"], "attributes": {"org_code": [""]}}
    return raw(realm.admin, "PUT", realm.path(f"/groups/{group}"), json=body)


def moved_below(realm: GuardedRealm) -> Any:
    """A harmless group moved below one that gives a duty."""
    body = {"id": realm.groups["/资格"], "name": "资格"}
    return raw(realm.admin, "POST", realm.path(f"/groups/{realm.duty('handler')}/children"), json=body)


def moved_away(realm: GuardedRealm) -> Any:
    """A group that gives a duty moved to the top."""
    group = realm.duty("handler")
    name = realm.admin.get(realm.path(f"/groups/{group}"))["name"]
    return raw(realm.admin, "POST", realm.path("/groups"), json={"id": group, "name": name})


def default_group(realm: GuardedRealm) -> Any:
    """A duty for whoever is created next."""
    return raw(realm.admin, "PUT", realm.path(f"/default-groups/{realm.duty('handler')}"))


def renamed_qualification(realm: GuardedRealm) -> Any:
    """A qualification under another name."""
    group = realm.groups[f"/资格/{QUALIFICATION}"]
    return raw(realm.admin, "PUT", realm.path(f"/groups/{group}"), json={"name": "其他"})


def role_taken(realm: GuardedRealm) -> Any:
    """The role of a duty taken from its group: its members lose it, and nobody is told."""
    role, group = realm.roles["handler"], realm.duty("handler")
    body = [{"id": role, "name": realm.role_name(role)}]
    return raw(realm.admin, "DELETE", realm.path(f"/groups/{group}/role-mappings/realm"), json=body)


def role_taken_by_the_console(realm: GuardedRealm) -> Any:
    """The same by the console's page, which takes roles of the realm and of clients at once."""
    role, group = realm.roles["handler"], realm.duty("handler")
    body = [{"roleId": role, "roleName": realm.role_name(role)}]
    return raw(realm.admin, "POST", realm.path(f"/ui-ext/role-mapping-delete/groups/{group}"), json=body)


def imported_group(realm: GuardedRealm) -> Any:
    """A group with a duty's role, brought in with an import."""
    role = realm.role_name(realm.roles["reviewer"])
    body = {"ifResourceExists": "SKIP", "groups": [{"name": "外来", "realmRoles": [role]}]}
    return raw(realm.admin, "POST", realm.path("/partialImport"), json=body)


WAYS = (
    role_into_group,
    another_area,
    moved_below,
    moved_away,
    default_group,
    renamed_qualification,
    role_taken,
    role_taken_by_the_console,
    imported_group,
)


def with_qualification(realm: GuardedRealm) -> str:
    """Rules in which the group of a qualification is one; its id."""
    group = realm.groups[f"/资格/{QUALIFICATION}"]
    realm.publish(groups={group: QUALIFICATION})
    return group


def state(realm: GuardedRealm) -> Any:
    """Everything about the groups, with their roles, and who is in which by default."""
    everything = realm.admin.get(realm.path("/groups"), search="", briefRepresentation="false")
    known = {
        group: [realm.admin.get(realm.path(f"/groups/{group}{tail}")) for tail in ("", "/role-mappings")]
        for group in realm.groups.values()
    }
    return everything, known, realm.admin.get(realm.path("/default-groups"))


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_refused(guarded_realm: GuardedRealm, way: Send) -> None:
    """403 in Chinese for the master realm's administrator too, nothing changed, and an event of it."""
    with_qualification(guarded_realm)
    before = state(guarded_realm)
    assert_vetoed(way(guarded_realm), "duty-group", 403, "同步服务")
    assert state(guarded_realm) == before


@pytest.mark.parametrize("way", [role_into_group, imported_group], ids=lambda way: way.__name__)
def test_refused_without_rules(guarded_realm: GuardedRealm, way: Send) -> None:
    """While nobody can tell a duty from another role, none is put on a group."""
    realm = guarded_realm
    realm.wipe_rules()
    assert not realm.status()["valid"]
    before = state(realm)
    assert_vetoed(way(realm), "duty-group", 403)
    assert state(realm) == before


def test_harmless_groups_stay_the_administrators(guarded_realm: GuardedRealm) -> None:
    """A group that gives nothing can be made, renamed, moved and removed; it is nobody's by default."""
    realm = guarded_realm
    made = raw(realm.admin, "POST", realm.path("/groups"), json={"name": "自建组"})
    group = made.headers["Location"].rsplit("/", 1)[-1]
    body = {"name": "自建组二", "attributes": {"note": ["140902"]}}
    assert raw(realm.admin, "PUT", realm.path(f"/groups/{group}"), json=body).status_code == 204
    default = raw(realm.admin, "PUT", realm.path(f"/default-groups/{group}"))
    assert_vetoed(default, "power-default-group", 403)
    assert raw(realm.admin, "DELETE", realm.path(f"/groups/{group}")).status_code == 204


def test_qualification_is_the_syncs(guarded_realm: GuardedRealm) -> None:
    """Nobody else says that a person is 正式在编: what requires it could be granted then."""
    realm = guarded_realm
    person, group = realm.add_person(), with_qualification(realm)
    assert_vetoed(realm.join(realm.admin, person, group), "qualification", 403, QUALIFICATION)
    assert group not in realm.groups_of(person)
    assert realm.join(realm.sync, person, group).status_code == 204
    (veto,) = realm.vetoes(person)
    assert (veto["kind"], veto["rule"]) == ("veto", "qualification")


def test_area_that_is_no_code_is_nowhere(guarded_realm: GuardedRealm) -> None:
    """An office whose group says no county, or nonsense, entitles nowhere."""
    realm = guarded_realm
    officer = realm.add_person("business-admin")
    person = realm.add_person()
    group = realm.duty("business-admin")
    name = realm.admin.get(realm.path(f"/groups/{group}"))["name"]
    try:
        for code in ("", "1", "14％", "全省"):
            realm.sync.request(
                "PUT", realm.path(f"/groups/{group}"), json={"name": name, "attributes": {"org_code": [code]}}
            )
            answer = realm.join(realm.log_in(officer), person, realm.duty("handler", "140921"))
            assert_vetoed(answer, "acting-not-entitled", 403)
    finally:
        realm.sync.request(
            "PUT", realm.path(f"/groups/{group}"), json={"name": name, "attributes": {"org_code": ["140902"]}}
        )
