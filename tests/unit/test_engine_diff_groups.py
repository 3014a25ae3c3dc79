"""Our groups compared with what they should be: missing, renamed, moved, gone, copied."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixtures.pure import (
    UNITS,
    claim,
    compare,
    desire,
    registry,
)
from fixtures.scene import (
    DUTY,
    ONE,
    Scene,
)
from quanheng.engine.trees import KEY
from quanheng.model.finding import FindingKind
from quanheng.model.ids import KeycloakId, OrgCode, RoleName
from quanheng.model.realm import ObservedRealm, RealmGroup


@pytest.fixture
def scene() -> Scene:
    """One operator."""
    return Scene(registry([ONE], [claim(ONE)]))


def test_missing_group_is_created_under_its_parent(scene: Scene) -> None:
    """A missing group names its parent by key and, when that is there, by id; its members are put back."""
    scene.without_group(DUTY)
    create, grant = scene.compare().changes
    assert (create.detail["parent"], create.detail["parent_id"]) == ("duties:140902", "id duties:140902")
    assert "group" not in grant.detail
    assert grant.detail["key"] == "duty:140902:operator"


def test_empty_realm_needs_every_group() -> None:
    """In a new realm every group is created, parents by key alone."""
    known = registry()
    difference = compare(known, ObservedRealm(groups={}, users={}, roles={}))
    creates = [change for change in difference.changes if str(change.kind) == "group_create"]
    assert len(creates) == len(desire(known).groups)
    assert all("parent_id" not in change.detail for change in creates)
    assert [c.detail["path"] for c in creates if "parent" not in c.detail] == [
        ["机构"],
        ["岗位"],
        ["管理员"],
        ["资格"],
    ]


GROUPS: dict[str, tuple[dict[str, object], list[str]]] = {
    "renamed": ({"path": ("岗位", "140902-忻府区", "另名")}, ["group_update"]),
    "moved": ({"path": ("岗位", "140921-定襄县", "业务操作员甲")}, ["group_update", "group_move"]),
    "wiped": ({"attributes": {}}, ["group_update"]),
    "attribute edited": ({"attributes": {KEY: ("duty:140902:operator",), "post": ("x",)}}, ["group_update"]),
    "role added": (
        {"roles": frozenset({RoleName("post-operator"), RoleName("x/y")})},
        ["group_role_remove"],
    ),
    "role lost": ({"roles": frozenset()}, ["group_role_add"]),
}


@pytest.mark.parametrize(("fields", "expected"), GROUPS.values(), ids=list(GROUPS))
def test_damaged_group(scene: Scene, fields: dict[str, object], expected: list[str]) -> None:
    """Each thing that is not as it should be on our group is a change of it; its members are not touched."""
    scene.group(DUTY, **fields)
    difference = scene.compare()
    assert [str(change.kind) for change in difference.changes] == expected
    assert {change.detail["id"] for change in difference.changes} == {DUTY}


def test_foreign_groups(scene: Scene) -> None:
    """A group inside our trees is told, with a role as a violation; outside it is nobody's business."""
    plain = RealmGroup(id=KeycloakId("a"), path=("岗位", "组"))
    armed = RealmGroup(id=KeycloakId("b"), path=("岗位", "组二"), roles=frozenset({RoleName("x")}))
    outside = RealmGroup(id=KeycloakId("c"), path=("其他",), roles=frozenset({RoleName("x")}))
    for made in (plain, armed, outside):
        scene.add_group(made)
    difference = scene.compare()
    assert difference.changes == ()
    assert [(item.subject, item.violation) for item in difference.findings] == [
        ("/岗位/组", False),
        ("/岗位/组二", True),
    ]


@pytest.mark.parametrize("path", [("岗位", "甲"), ("岗位", "140902-忻府区", "甲"), ("甲",), ("甲", "乙")])
def test_copied_key(scene: Scene, path: tuple[str, ...]) -> None:
    """Wherever a copy of our key stands, the group at its place is ours, and the copy is told."""
    scene.add_group(RealmGroup(id=KeycloakId("a"), path=path, attributes={KEY: ("duty:140902:operator",)}))
    difference = scene.compare()
    assert difference.changes == ()
    assert {item.subject for item in difference.findings if item.violation} == {"/" + "/".join(path)}


def test_key_of_our_own_outside_our_trees(scene: Scene) -> None:
    """A group that somebody took out of our trees is not ours any more, whatever it says of itself: it is
    told, its duty is taken out of it, and another one is made at its place."""
    scene.group(DUTY, path=("其他",))
    difference = scene.compare()
    assert {"group_create", "group_role_remove"} <= {str(change.kind) for change in difference.changes}
    assert [change.subject for change in difference.changes if str(change.kind) == "revoke"] == ["sx0000001"]
    told = [item.detail for item in difference.findings if item.subject == "/其他" and item.violation]
    assert any("组标识" in detail for detail in told)


def test_vanished_unit_is_retired(scene: Scene) -> None:
    """Groups of a unit that is gone lose their roles and are marked; marked ones are left."""
    known = replace(scene.known, units={c: u for c, u in UNITS.items() if not c.startswith("140921")})
    difference = compare(known, scene.realm)
    kinds = {str(change.kind) for change in difference.changes}
    assert kinds == {"group_role_remove", "group_retire"}
    retired = {change.detail["id"] for change in difference.changes if str(change.kind) == "group_retire"}
    assert "id org:140921" in retired
    assert "id duty:140921:operator" in retired
    for identifier in retired:
        marked = {**scene.realm.groups[identifier].attributes, "retired": ("true",)}  # type: ignore[index]
        scene.group(identifier, attributes=marked, roles=frozenset())  # type: ignore[arg-type]
    assert compare(known, scene.realm).changes == ()
    back = scene.compare()
    assert {str(change.kind) for change in back.changes} == {"group_update", "group_role_add"}


def test_recoded_unit_keeps_its_groups(scene: Scene) -> None:
    """改码: each group of the old code is the group of the new one, duty groups too."""
    units = dict(UNITS)
    old = units.pop(OrgCode("140921"))
    units[OrgCode("140922")] = replace(old, code=OrgCode("140922"))
    known = replace(scene.known, units=units)
    difference = compare(known, scene.realm, recoded={OrgCode("140921"): OrgCode("140922")})
    renamed = {change.detail["id"] for change in difference.changes}
    assert {str(change.kind) for change in difference.changes} == {"group_update"}
    assert {"id org:140921", "id duties:140921", "id duty:140921:operator", "id admins:140921"} <= renamed


OPERATOR, QUERY = RoleName("post-operator"), RoleName("jiujinban/service_query")
CONSOLE = RoleName("realm-management/query-users")
ROLES: dict[str, tuple[RoleName, frozenset[RoleName] | None, str]] = {
    "post missing": (OPERATOR, None, "角色不存在"),
    "permission missing": (QUERY, None, "角色不存在"),
    "post holds more": (OPERATOR, frozenset({QUERY, RoleName("x")}), "含有不应有的角色 x"),
    "post holds less": (OPERATOR, frozenset(), "缺少应含的角色 jiujinban/"),
    "permission holds something": (QUERY, frozenset({RoleName("x")}), "含有不应有的角色 x"),
    "the console's role holds something": (CONSOLE, frozenset({RoleName("x")}), "含有不应有的角色 x"),
}


@pytest.mark.parametrize(("name", "composites", "said"), ROLES.values(), ids=list(ROLES))
def test_roles_of_posts(
    scene: Scene, name: RoleName, composites: frozenset[RoleName] | None, said: str
) -> None:
    """A role of a post that is missing or does not hold exactly its permissions is a violation for the
    configurator, told once; so is a permission that holds anything."""
    roles = dict(scene.realm.roles)
    role = roles.pop(name)
    if composites is not None:
        roles[name] = replace(role, composites=composites)
    scene.realm = replace(scene.realm, roles=roles)
    difference = scene.compare()
    assert difference.changes == ()
    (found,) = difference.findings
    assert (found.kind, found.subject, found.violation) == (FindingKind.FOREIGN_ROLE, name, True)
    assert said in found.detail
