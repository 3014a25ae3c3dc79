"""Which group is a qualification's: the comparison, the guard's rules and the judge choose alike."""

from __future__ import annotations

import pytest

from fixtures.feeds import shanxi
from fixtures.pure import claim, registry
from fixtures.scene import ONE, QUALIFIED, Scene
from quanheng.engine.matching import qualification_groups
from quanheng.engine.trees import KEY
from quanheng.model.ids import GroupPath, KeycloakId
from quanheng.model.realm import RealmGroup

PLACE = ("资格", "正式在编")
MINE = {KEY: ("qual:permanent",)}
FOUND: dict[str, tuple[GroupPath, list[GroupPath]]] = {
    "at its place": (PLACE, []),
    "renamed": (("资格", "另名"), []),
    "moved": (("岗位", "正式在编"), []),
    "copied above": (PLACE, [("机构", "甲")]),
    "copied elsewhere": (PLACE, [("甲",)]),
    "renamed and copied below": (("资格", "另名"), [("资格", "另名", "甲")]),
}


@pytest.mark.parametrize(("path", "copies"), FOUND.values(), ids=list(FOUND))
def test_one_choice(path: GroupPath, copies: list[GroupPath]) -> None:
    """The group that the comparison sets right, and leaves people in, is the one that counts."""
    scene = Scene(registry([ONE], [claim(ONE)]))
    scene.group(QUALIFIED, path=path)
    for number, copy in enumerate(copies):
        scene.add_group(RealmGroup(id=KeycloakId(str(number)), path=copy, attributes=MINE))
    assert dict(qualification_groups(shanxi(), scene.realm.groups)) == {"permanent": QUALIFIED}
    assert {change.detail["id"] for change in scene.compare().changes} <= {QUALIFIED}


def test_renamed_root() -> None:
    """Below a root that was renamed in the console it is still found."""
    scene = Scene(registry([ONE], [claim(ONE)]))
    scene.group(KeycloakId("id root:qual"), path=("另名",))
    scene.group(QUALIFIED, path=("另名", "正式在编"))
    assert dict(qualification_groups(shanxi(), scene.realm.groups)) == {"permanent": QUALIFIED}


def test_none_without_a_group() -> None:
    """Neither a group elsewhere nor one without our key below another root is a qualification's."""
    scene = Scene(registry([ONE], [claim(ONE)]))
    scene.without_group(QUALIFIED)
    scene.add_group(RealmGroup(id=KeycloakId("a"), path=("甲",), attributes=MINE))
    scene.add_group(RealmGroup(id=KeycloakId("b"), path=("机构", "正式在编")))
    assert dict(qualification_groups(shanxi(), scene.realm.groups)) == {}
