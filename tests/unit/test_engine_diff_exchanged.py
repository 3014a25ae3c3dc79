"""While duties' roles go by each other's names: what is still done, and what is left alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from fixtures.pure import DEFAULT_ROLE, claim, compare, registry, stranger
from fixtures.scene import ADMIN, DUTY, ONE, OTHER_DUTY, TWO, Scene
from quanheng.engine.diff import Difference
from quanheng.model.ids import KeycloakId, RoleName
from quanheng.model.realm import RealmGroup

OPERATOR, REVIEWER, OTHER = RoleName("post-operator"), RoleName("post-reviewer"), RoleName("x/y")
EXCHANGED: Final = frozenset({OPERATOR, REVIEWER})


@pytest.fixture
def scene() -> Scene:
    """One operator; the roles of two duties go by each other's names."""
    scene = Scene(registry([ONE], [claim(ONE)]))
    scene.group(DUTY, roles=frozenset({REVIEWER}))
    scene.group(OTHER_DUTY, roles=frozenset({OPERATOR}))
    for name, other in ((OPERATOR, REVIEWER), (REVIEWER, OPERATOR)):
        parts = scene.realm.roles[name].composites
        role = replace(scene.realm.roles[other], name=other, composites=parts)
        scene.realm = replace(scene.realm, roles={**scene.realm.roles, other: role})
    return scene


def found(scene: Scene, exchanged: frozenset[RoleName] = EXCHANGED) -> Difference:
    """What differs."""
    return compare(scene.known, scene.realm, exchanged=exchanged)


def kinds(difference: Difference) -> list[str]:
    """Kinds of changes."""
    return [str(change.kind) for change in difference.changes]


def test_right_groups_and_roles_are_left(scene: Scene) -> None:
    """By their names every group of the two posts would have to be changed, and the roles be mended."""
    blind = found(scene, frozenset())
    assert {"group_role_remove", "group_role_add"} <= {*kinds(blind)}
    assert blind.findings
    difference = found(scene)
    assert difference == Difference(changes=(), findings=())


def test_what_is_surely_too_much_is_taken(scene: Scene) -> None:
    """Another role on a group of theirs, one of theirs on any other group, and on people."""
    scene.group(DUTY, roles=frozenset({REVIEWER, OTHER}))
    admin = scene.realm.groups[ADMIN].roles
    scene.group(ADMIN, roles=admin | {OPERATOR})
    scene.add_group(RealmGroup(id=KeycloakId("a"), path=("其他",), roles=frozenset({REVIEWER})))
    scene.user(lambda user: replace(user, roles=user.roles | {OPERATOR}))
    foreign = stranger(roles=frozenset({DEFAULT_ROLE, REVIEWER}))
    scene.realm = replace(scene.realm, users={**scene.realm.users, foreign.id: foreign})
    taken = {
        (str(change.kind), str(change.detail["id"]), str(change.detail["roles"]))
        for change in found(scene).changes
    }
    assert taken == {
        ("group_role_remove", DUTY, "['x/y']"),
        ("group_role_remove", ADMIN, "['post-operator']"),
        ("group_role_remove", "a", "['post-reviewer']"),
        ("role_remove", scene.id, "['post-operator']"),
        ("role_remove", foreign.id, "['post-reviewer']"),
    }


def test_nothing_is_given(scene: Scene) -> None:
    """No group and no account is made, nobody joins, is switched on, or given a role."""
    scene.known = replace(registry([ONE, TWO], [claim(ONE), claim(TWO)]), accounts=scene.known.accounts)
    scene.without_group(KeycloakId("id duty:140921:operator"))
    scene.user(lambda user: replace(user, enabled=False, groups=frozenset(), roles=frozenset()))
    scene.group(ADMIN, roles=frozenset())
    given = {"group_create", "create", "move", "grant", "role_add", "group_role_add", "enable"}
    assert given <= {*kinds(found(scene, frozenset()))}
    assert kinds(found(scene)) == []


def test_the_role_of_everybody(scene: Scene) -> None:
    """Under whose name there is a duty: it is not taken from everybody, and that duty not given to them."""
    scene.user(lambda user: replace(user, roles=frozenset({OPERATOR})))
    assert {"role_remove", "role_add"} <= {*kinds(found(scene, frozenset()))}
    assert kinds(found(scene, EXCHANGED | {DEFAULT_ROLE})) == []
