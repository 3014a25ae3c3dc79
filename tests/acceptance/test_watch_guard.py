"""The watcher beside a guard: causes restored, rules given, its state looked after."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from fixtures.fake_guard import install_guard
from fixtures.watching import watcher
from fixtures.world import BUREAU, VILLAGE, World
from quanheng.config import NotifySettings
from quanheng.keycloak.fake_base import FakeGuardState
from quanheng.model.ids import RoleName
from quanheng.operations.daemon import SWEEP
from quanheng.operations.judging import find_conflicts
from quanheng.operations.refresh import read_live
from quanheng.operations.watching.watcher import Watcher
from quanheng.store.tables import notice

REVIEWER = RoleName("post-reviewer")


@pytest.fixture
def guard(world: World) -> FakeGuardState:
    """A guard in the server, before anything is there."""
    return install_guard(world.fake, world.settings.keys_directory)


@pytest.fixture
def look(world: World, guard: FakeGuardState) -> Watcher:
    """A watcher over a few people, which tells into a file."""
    for _ in range(5):
        world.hire(VILLAGE)
    world.hire(BUREAU, "经办人员")
    world.issue_and_sync()
    told = world.settings.model_copy(update={"notify": NotifySettings(file=world.folder / "notices.jsonl")})
    watching = watcher(world, world.open(settings=told))
    watching.tick()
    return watching


def notices(world: World) -> list[str]:
    """Kinds of notices that wait, oldest first."""
    with world.context.database.reading() as connection:
        return list(connection.execute(select(notice.c.kind).order_by(notice.c.id)).scalars())


def test_a_first_sync_gives_the_rules_before_anybody_joins(world: World, look: Watcher) -> None:
    """The guard has valid rules, with the groups of the qualifications that the same sync made."""
    status = world.context.guard.read_status()
    assert status is not None
    assert (status.valid, status.sequence) == (True, 2)  # once before the groups were there, once after
    rules = world.fake._state.guard.rules
    assert rules is not None
    groups = json.loads(rules.payload)["groups"]
    assert world.group("/资格/正式在编").id in groups


def test_a_role_in_a_composite_is_taken_out_of_it(world: World, look: Watcher) -> None:
    """The guard restores the composite; its holders are logged out and lose nothing else; it is told."""
    roles = world.console.read_roles()
    before = roles[RoleName("post-operator")].composites
    world.console.tamper_role("post-operator", composites=before | {REVIEWER})
    world.fake.calls.clear()
    look.tick()
    assert world.console.read_roles()[RoleName("post-operator")].composites == before
    assert world.fake.writes == world.fake.calls["logout"] == 5
    body = json.loads(world.ledger("cause_restored")[0].body)
    assert (body["subject"], body["removed"], body["actors"], body["sessions"]) == (
        "post-operator",
        "post-reviewer",
        ["console"],
        "holders",
    )
    assert notices(world) == ["cause"]
    look.tick()
    assert look.tick().quiet
    assert world.check().clean


def test_rules_that_were_wiped_are_given_again(world: World, look: Watcher, guard: FakeGuardState) -> None:
    """Within a minute, and it is told once."""
    guard.rules = None
    world.pass_time(minutes=2)
    look.tick()
    world.pass_time(seconds=2)
    look.tick()
    status = world.context.guard.read_status()
    assert status is not None
    assert status.valid
    assert len(world.ledger("guard_rules_invalid")) == 1
    assert notices(world) == ["rules"]


def test_break_glass_is_loud(world: World, look: Watcher, guard: FakeGuardState) -> None:
    """Told and in the ledger, once for each time."""
    guard.break_glass_until = world.clock() + timedelta(hours=2)
    for _ in range(4):
        world.pass_time(minutes=2)
        look.tick()
    assert len(world.ledger("guard_break_glass")) == 1
    assert notices(world) == ["break_glass"]


def test_nothing_new_with_a_guard(world: World, look: Watcher) -> None:
    """A quiet look asks for events; each minute for the time, and in another look for the guard's state."""
    look.tick()
    world.pass_time(seconds=2)
    world.fake.calls.clear()
    look.tick()
    assert sum(world.fake.calls.values()) <= 2
    for _ in range(60):
        world.pass_time(seconds=2)
        world.fake.calls.clear()
        look.tick()
        assert sum(world.fake.calls.values()) <= 2


def test_the_sweep_clears_caches_and_judges_everybody(world: World, look: Watcher) -> None:
    """What was written past Keycloak, with no event, is found by the sweep and undone at the next look."""
    user = world.user("P00001")
    handler = world.group("/岗位/140902-忻府区/经办人员").id
    world.fake._state.users[user.id] = type(user)(
        **{name: getattr(user, name) for name in user.__slots__} | {"groups": user.groups | {handler}}
    )
    assert look.tick().quiet
    conflicts = find_conflicts(world.context, read_live(world.console)).conflicts
    assert {(str(held.username), conflict.article) for held, conflict in conflicts} == {
        (str(user.username), "S4")
    }
    world.fake.calls.clear()
    assert "conflicts=" in SWEEP.run(world.context)
    assert world.fake.calls["guard_clear_caches"] == 1
    assert look.tick().changes == 1
    assert world.duties("P00001") == {"系统管理员"}
    assert find_conflicts(world.context, read_live(world.console)).conflicts == ()


def test_swapped_names_of_duties_are_told(world: World, look: Watcher, guard: FakeGuardState) -> None:
    """The guard keeps its rules; it is told once, and again when it is done again."""
    handler = RoleName("post-handler")
    rules = guard.rules

    def swap() -> None:
        aside = world.console.tamper_rename_role(handler, "aside")
        world.console.tamper_rename_role(REVIEWER, handler)
        world.console.tamper_rename_role(aside, REVIEWER)

    for times in (1, 2):
        swap()
        for number in range(3):
            world.pass_time(minutes=1)
            world.console.tamper_role(f"harmless-{times}-{number}")
            look.tick()
        assert guard.rules == rules
        entries = [json.loads(entry.body) for entry in world.ledger("guard_rules_withheld")]
        assert len(entries) == times
        assert len(entries[-1]["causes"]) == 2
        assert entries[-1]["causes"][0].startswith("经办人员（post-handler）")
        assert "realm apply 拒绝" in entries[-1]["remedy"]
        assert notices(world) == ["cause"] * times
        swap()
        world.pass_time(minutes=1)
        look.tick()
    assert world.ledger("guard_rules_invalid") == []
    world.verify_ledger()
