"""What a change leaves behind, and whether it is in effect already."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixtures.pure import card, claim, compare, desire, person, realm_of, registry, with_accounts
from quanheng.engine.effects import InEffect, group_after, target_of, user_after
from quanheng.engine.plan import order_changes
from quanheng.engine.trees import KEY
from quanheng.model.change import Change, ChangeKind
from quanheng.model.ids import KeycloakId, RoleName, Username
from quanheng.model.realm import FederatedIdentity, ObservedRealm, RealmGroup, RealmUser

USER = RealmUser(
    id=KeycloakId("u"),
    username=Username("sx1"),
    enabled=True,
    name="人",
    attributes={"staff_no": ("S1",)},
    groups=frozenset({KeycloakId("g")}),
    roles=frozenset({RoleName("r")}),
    identities=frozenset({card("1", "sx1")}),
)
GROUP = RealmGroup(id=KeycloakId("g"), path=("岗位", "甲"), roles=frozenset({RoleName("r")}))
ABOVE = RealmGroup(id=KeycloakId("p"), path=("机构",))


def change(kind: ChangeKind, private: dict[str, Any] | None = None, **detail: Any) -> Change:
    """A change of the user or group."""
    return Change(kind=kind, subject="sx1", reason="", detail={"id": "u", **detail}, private=private or {})


USERS = {
    ChangeKind.UPDATE: (
        change(ChangeKind.UPDATE, {"name": "新", "attributes": {"staff_no": ["S2"]}}, fields=[]),
        {"name": "新", "attributes": {"staff_no": ("S2",)}},
    ),
    ChangeKind.DISABLE: (change(ChangeKind.DISABLE), {"enabled": False}),
    ChangeKind.GRANT: (
        change(ChangeKind.GRANT, key="k", group="h"),
        {"groups": frozenset({KeycloakId("g"), KeycloakId("h")})},
    ),
    ChangeKind.REVOKE: (change(ChangeKind.REVOKE, group="g"), {"groups": frozenset()}),
    ChangeKind.MOVE: (
        change(ChangeKind.MOVE, key="k", group="h", **{"from": "g"}),
        {"groups": frozenset({KeycloakId("h")})},
    ),
    ChangeKind.ROLE_ADD: (
        change(ChangeKind.ROLE_ADD, roles=["s"]),
        {"roles": frozenset({RoleName("r"), RoleName("s")})},
    ),
    ChangeKind.ROLE_REMOVE: (change(ChangeKind.ROLE_REMOVE, roles=["r"]), {"roles": frozenset()}),
    ChangeKind.LINK: (
        change(ChangeKind.LINK, {"subject": "2"}, provider="social-card"),
        {"identities": frozenset({card("2", "sx1")})},
    ),
    ChangeKind.UNLINK: (change(ChangeKind.UNLINK, provider="social-card"), {"identities": frozenset()}),
}


@pytest.mark.parametrize(("done", "fields"), USERS.values(), ids=[str(kind) for kind in USERS])
def test_user_after(done: Change, fields: dict[str, Any]) -> None:
    """Each change of a user changes what it says, nothing else; doing it twice is doing it once."""
    target = target_of(done, {}) if done.kind in (ChangeKind.GRANT, ChangeKind.MOVE) else None
    after = user_after(done, USER, target)
    assert after == replace(USER, **fields)
    assert user_after(done, after, target) == after


@pytest.mark.parametrize(("done", "fields"), USERS.values(), ids=[str(kind) for kind in USERS])
def test_user_change_in_effect(done: Change, fields: dict[str, Any]) -> None:
    """A change is in effect in a realm where it is done, and not where it is not or the user is gone."""
    for user, expected in ((USER, False), (replace(USER, **fields), True)):
        realm = ObservedRealm(groups={}, users={user.id: user}, roles={})
        assert InEffect(realm, [done])(done) is expected
    assert not InEffect(ObservedRealm(groups={}, users={}, roles={}), [done])(done)


GROUPS = {
    ChangeKind.GROUP_UPDATE: (
        change(ChangeKind.GROUP_UPDATE, id="g", name="乙", attributes={"a": ["b"]}),
        {"path": ("岗位", "乙"), "attributes": {"a": ("b",)}},
    ),
    ChangeKind.GROUP_RETIRE: (
        change(ChangeKind.GROUP_RETIRE, id="g", name="甲", attributes={"retired": ["true"]}),
        {"attributes": {"retired": ("true",)}},
    ),
    ChangeKind.GROUP_MOVE: (
        change(ChangeKind.GROUP_MOVE, id="g", parent="k", parent_id="p"),
        {"path": ("机构", "甲")},
    ),
    ChangeKind.GROUP_ROLE_ADD: (
        change(ChangeKind.GROUP_ROLE_ADD, id="g", roles=["s"]),
        {"roles": frozenset({RoleName("r"), RoleName("s")})},
    ),
    ChangeKind.GROUP_ROLE_REMOVE: (
        change(ChangeKind.GROUP_ROLE_REMOVE, id="g", roles=["r"]),
        {"roles": frozenset()},
    ),
}


@pytest.mark.parametrize(("done", "fields"), GROUPS.values(), ids=[str(kind) for kind in GROUPS])
def test_group_change(done: Change, fields: dict[str, Any]) -> None:
    """The same for groups: what it leaves, and whether it is in effect."""
    after = replace(GROUP, **fields)
    assert group_after(done, GROUP, ABOVE.path) == after
    for group, expected in ((GROUP, False), (after, True)):
        realm = ObservedRealm(groups={group.id: group, ABOVE.id: ABOVE}, users={}, roles={})
        assert InEffect(realm, [done])(done) is expected
    assert not InEffect(ObservedRealm(groups={}, users={}, roles={}), [done])(done)


def test_creation_in_effect() -> None:
    """A created user counts as ours by name and card; a foreign user of that name does not."""
    create = change(ChangeKind.CREATE, {"name": "人", "subject": "1"}, groups=[])
    mine = ObservedRealm(groups={}, users={USER.id: USER}, roles={})
    assert InEffect(mine, [create])(create)
    other = replace(USER, identities=frozenset({FederatedIdentity("social-card", "9", "sx1")}))
    assert not InEffect(replace(mine, users={USER.id: other}), [create])(create)


def test_created_group_is_found_where_its_parent_had_the_old_name() -> None:
    """A group created below one that was not renamed yet is found by key and parent; a copy of its key that
    stands elsewhere, at the same depth and by the same name, is not it."""
    create = change(ChangeKind.GROUP_CREATE, key="k", path=["机构", "新名", "乙"], parent="x", parent_id="p")
    above = RealmGroup(id=KeycloakId("p"), path=("机构", "旧名"))
    copy = RealmGroup(id=KeycloakId("c"), path=("其他", "旧名", "乙"), attributes={KEY: ("k",)})
    realm = ObservedRealm(groups={above.id: above, copy.id: copy}, users={}, roles={})
    assert not InEffect(realm, [create])(create)
    made = replace(copy, id=KeycloakId("m"), path=("机构", "旧名", "乙"))
    realm = replace(realm, groups={**realm.groups, made.id: made})
    assert InEffect(realm, [create])(create)
    assert InEffect(realm, [create]).group(create) == made
    grant = change(ChangeKind.GRANT, key="k")
    member = replace(USER, groups=USER.groups | {made.id})
    realm = replace(realm, users={USER.id: member})
    assert InEffect(realm, [create, grant])(grant)
    assert not InEffect(realm, [grant])(grant), "the group of the key was not made by this plan"


def test_change_of_the_wrong_sort_is_a_mistake() -> None:
    """A change of a user cannot be asked of a group, nor the other way round."""
    with pytest.raises(ValueError, match="group_move"):
        user_after(change(ChangeKind.GROUP_MOVE), USER)
    with pytest.raises(ValueError, match="grant"):
        group_after(change(ChangeKind.GRANT), GROUP)


def test_whole_plan_after_its_own_effects() -> None:
    """In a realm that holds what is desired, every change that led there is in effect."""
    one = person(1)
    known = registry([one], [claim(one)])
    target = realm_of(desire(known))
    empty = ObservedRealm(groups={}, users={}, roles={})
    changes = order_changes(compare(with_accounts(known, empty), empty).changes)
    done = InEffect(target, changes)
    assert changes
    assert all(done(item) for item in changes)
    nothing = InEffect(empty, changes)
    assert not any(nothing(item) for item in changes)
