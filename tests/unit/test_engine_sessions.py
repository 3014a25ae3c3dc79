"""Whose sessions end when a group or a role loses something."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pytest

from fixtures.pure import card
from fixtures.world import NOON
from quanheng.engine.apply import apply_plan
from quanheng.engine.plan import Plan
from quanheng.engine.sessions import MOST, among, end_sessions, holders_of, members_of
from quanheng.engine.steps import Result
from quanheng.keycloak.fake import FakeRealm
from quanheng.model.change import Change, ChangeKind
from quanheng.model.ids import KeycloakId, RoleName, Username
from quanheng.model.realm import NewUser
from quanheng.operations.refresh import read_live

POWER: Final = RoleName("power")
OTHER: Final = RoleName("other")
NONE: Final[frozenset[RoleName]] = frozenset()


class Scene:
    """Two trees: 上 with 中 and 下 below it, and 旁 beside; a member in each."""

    def __init__(self) -> None:
        self.fake = FakeRealm("shanxi")
        for role in (POWER, OTHER):
            self.fake.tamper_role(role)
        self.groups: dict[str, KeycloakId] = {}
        above = None
        for name in ("上", "中", "下"):
            above = self.groups[name] = self.fake.create_group(above, name, {}, NONE)
        self.groups["旁"] = self.fake.create_group(None, "旁", {}, NONE)
        self.users = {
            name: self.add(number, group) for number, (name, group) in enumerate(self.groups.items())
        }

    def add(self, number: int, group: KeycloakId) -> KeycloakId:
        """A member."""
        user = NewUser(
            username=Username(f"sx{number}"),
            enabled=True,
            name="人",
            attributes={},
            groups=(),
            identities=frozenset({card(f"card-{number}", f"sx{number}")}),
        )
        made = self.fake.create_user(user)
        self.fake.join_group(made, group)
        return made

    def apply(self, kind: ChangeKind, **detail: Any) -> set[str]:
        """Carry out one change; who was logged out, by group."""
        change = Change(kind=kind, subject="组", reason="", detail=detail)
        plan = Plan(
            digest="x",
            realm="shanxi",
            base_revision=0,
            planner="x",
            created_at=NOON,
            changes=(change,),
            delta=None,  # type: ignore[arg-type]
            findings=(),
            excess=(),
            sources=(),
        )
        before = len(self.fake._state.events)
        apply_plan(
            plan, self.fake, read_live(self.fake), Forgetful(), provider="card", workers=1, batch_size=1
        )
        names = {user: name for name, user in self.users.items()}
        return {
            names[KeycloakId(event.resource_path.split("/")[1])]
            for event in self.fake._state.events[before:]
            if event.resource_path.endswith("/logout")
        }


class Forgetful:
    """Keeps no record."""

    def require_writer(self) -> None:
        """It is."""

    def record(self, plan: Plan, results: Sequence[Result]) -> None:
        """Nothing."""


@pytest.fixture
def scene() -> Scene:
    """Two trees with members."""
    return Scene()


def test_role_taken_from_a_group(scene: Scene) -> None:
    """Its members and those of the groups below it are logged out, and nobody else."""
    scene.fake.add_group_roles(scene.groups["中"], frozenset({POWER}))
    assert scene.apply(ChangeKind.GROUP_ROLE_REMOVE, id=scene.groups["中"], roles=[POWER]) == {"中", "下"}


def test_role_given_to_a_group(scene: Scene) -> None:
    """Whoever gains something stays."""
    assert scene.apply(ChangeKind.GROUP_ROLE_ADD, id=scene.groups["中"], roles=[POWER]) == set()


@pytest.mark.parametrize(("role", "ended"), [(POWER, {"下"}), (None, set())])
def test_group_moved(scene: Scene, role: RoleName | None, ended: set[str]) -> None:
    """Away from a role that it inherited: its members are logged out. Without one, nobody is."""
    if role:
        scene.fake.add_group_roles(scene.groups["上"], frozenset({role}))
    detail = {"id": scene.groups["下"], "parent": "k", "parent_id": scene.groups["旁"]}
    assert scene.apply(ChangeKind.GROUP_MOVE, **detail) == ended


def test_group_moved_where_it_inherits_the_same(scene: Scene) -> None:
    """Nothing is lost."""
    for name in ("上", "旁"):
        scene.fake.add_group_roles(scene.groups[name], frozenset({POWER}))
    detail = {"id": scene.groups["下"], "parent": "k", "parent_id": scene.groups["旁"]}
    assert scene.apply(ChangeKind.GROUP_MOVE, **detail) == set()


def test_holders_of_a_role(scene: Scene) -> None:
    """Directly, through another role, through a group or one above; each way, and nobody else."""
    outer = scene.fake.tamper_role("outer", composites=frozenset({POWER}))
    scene.fake.tamper_role("outermost", composites=frozenset({outer}))
    scene.fake.add_group_roles(scene.groups["中"], frozenset({RoleName("outermost")}))
    scene.fake.add_roles(scene.users["旁"], frozenset({POWER}))
    scene.fake.add_roles(scene.users["上"], frozenset({OTHER}))
    observed = read_live(scene.fake)
    found = among(observed.users)(holders_of(observed, {POWER}), MOST)
    assert set(found) == {scene.users[name] for name in ("中", "下", "旁")}


def test_role_that_contains_itself(scene: Scene) -> None:
    """Two roles that contain each other are held together."""
    scene.fake.tamper_role("a", composites=frozenset({RoleName("b")}))
    scene.fake.tamper_role("b", composites=frozenset({RoleName("a")}))
    observed = read_live(scene.fake)
    assert holders_of(observed, {RoleName("a")}).roles == {"a", "b"}


def test_many_at_once(scene: Scene) -> None:
    """Up to a hundred are logged out one by one, whoever is gone among them; of more, everybody is, once."""
    people = [scene.add(number, scene.groups["旁"]) for number in range(10, 10 + MOST)]
    scene.fake.calls.clear()
    scene.fake.tamper_delete_user(people[0])
    assert not end_sessions(scene.fake, people)
    assert (scene.fake.calls["logout"], scene.fake.calls["logout_everybody"]) == (MOST, 0)
    observed = read_live(scene.fake)
    found = among(observed.users)(members_of(observed.groups, {scene.groups["旁"]}), MOST - 1)
    assert len(found) == MOST  # it stops early
    assert end_sessions(scene.fake, [*people, scene.users["上"]])
    assert (scene.fake.calls["logout"], scene.fake.calls["logout_everybody"]) == (MOST, 1)
