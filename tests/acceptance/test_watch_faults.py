"""The watcher when things go wrong: lost events, a wrong clock, a held lease, a kill, too much at once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Final

import pytest

from fixtures.fake_guard import install_guard
from fixtures.kills import assert_converged, run_mortal
from fixtures.watching import as_administrator, foreigner, watcher
from fixtures.world import BUREAU, VILLAGE, World, WorldTemplate, temporary
from quanheng.config import NotifySettings, SafetySettings
from quanheng.model.ids import RoleName, StaffNo
from quanheng.notify.open import open_notifiers
from quanheng.operations.carrying_out import hold_lease
from quanheng.operations.context import Context
from quanheng.operations.watching.announcing import deliver_notices
from quanheng.operations.watching.watcher import Watcher, read_exposure

REVIEWER: Final = RoleName("post-reviewer")
LOOK: Final = Counter({"read_admin_events": 1})


@pytest.fixture
def staff(world: World) -> list[StaffNo]:
    """Thirty villagers and a handler; the watcher has nothing to do."""
    return staffed(world)


def staffed(world: World, people: int = 30) -> list[StaffNo]:
    found = [world.hire(VILLAGE) for _ in range(people)]
    world.hire(BUREAU, "经办人员")
    world.issue_and_sync()
    watcher(world).tick()
    return found


def give(world: World, staff_no: StaffNo) -> None:
    """A role that nobody is entitled to give."""
    world.console.add_roles(world.user(staff_no).id, frozenset({REVIEWER}))


def calls_of(world: World, look: Watcher) -> Counter[str]:
    """What one look asked."""
    world.fake.calls.clear()
    look.tick()
    return Counter(world.fake.calls)


def right(world: World) -> bool:
    """Whether nothing differs."""
    return world.check().differences == ()


# What a look costs


def test_a_look_with_nothing_new_costs_one_request(world: World, staff: list[StaffNo]) -> None:
    """One more each minute, for the server's time, and one for the guard's state."""
    look = watcher(world)
    look.tick()
    for _ in range(5):
        world.pass_time(seconds=2)
        assert calls_of(world, look) == LOOK
    world.pass_time(seconds=60)
    assert sum(calls_of(world, look).values()) <= 2


def test_what_we_did_ourselves_is_nothing_new(world: World, staff: list[StaffNo]) -> None:
    """The events of a sync are passed over, without the lease and without reading anybody again."""
    look = watcher(world)
    look.tick()
    world.change(staff[0], name="改名")
    world.issue_and_sync()
    world.pass_time(seconds=2)
    with world.open() as other, hold_lease(other):
        assert calls_of(world, look) == LOOK


def test_one_user_costs_a_few_requests(world: World, staff: list[StaffNo]) -> None:
    """Nobody else is read again, and the sources are not asked: their folder is gone."""
    look = watcher(world)
    look.tick()
    world.pass_time(seconds=2)
    give(world, staff[0])
    (world.folder / "hr").rename(world.folder / "away")
    calls = calls_of(world, look)
    assert calls == Counter(
        {"read_admin_events": 2, "read_user": 1, "remove_roles": 1, "logout": 1, "guard_read_status": 0}
    )
    assert right(world)


def test_a_membership_costs_one_request_to_read(world: World, staff: list[StaffNo]) -> None:
    """Of somebody of whom only memberships changed nothing else is read; with another change, all is."""
    look = watcher(world)
    look.tick()
    world.pass_time(seconds=2)
    handler = world.group("/岗位/140902-忻府区/经办人员").id
    for staff_no in staff[:2]:
        world.console.join_group(world.user(staff_no).id, handler)
    give(world, staff[1])
    calls = calls_of(world, look)
    assert (calls["read_memberships"], calls["read_user"]) == (1, 1)
    assert right(world)


# Lost events and clocks


def test_purged_events_are_noticed(world: World, staff: list[StaffNo]) -> None:
    """Somebody gives a role and clears the events: the gap is told, everything is read, the role goes."""
    look = watcher(world)
    look.tick()
    world.change(staff[1], name="改名")
    world.issue_and_sync()
    world.pass_time(seconds=2)
    assert look.tick().quiet  # our own events are passed over, and missed all the same
    give(world, staff[0])
    world.fake._state.events.clear()
    look.tick()
    assert right(world)
    look.tick()
    assert look.tick().quiet
    assert len(world.ledger("events_missing")) == 1


def test_events_that_expired_while_the_daemon_was_off(world: World, staff: list[StaffNo]) -> None:
    """A new process finds that the events it would go on from are gone."""
    give(world, staff[0])
    world.pass_time(days=90)
    kept = world.clock() - timedelta(days=30)
    world.fake._state.events[:] = [event for event in world.fake._state.events if event.at > kept]
    watcher(world).tick()
    assert right(world)
    assert len(world.ledger("events_missing")) == 1


@pytest.mark.parametrize("minutes", [10, -10])
def test_our_clock_is_wrong(world: World, minutes: int) -> None:
    """Ten minutes between the server's clock and ours: nothing is missed."""
    fake = world.fake
    fake._state.events.clear()  # made by the clock of before
    fake._state.clock = lambda: world.clock() + timedelta(minutes=minutes)
    staff = staffed(world, 5)
    look = watcher(world)
    look.tick()
    for number, staff_no in enumerate(staff, start=1):
        world.pass_time(seconds=2)
        give(world, staff_no)
        world.pass_time(seconds=3)
        look.tick()
        report = read_exposure(world.context)
        assert (report.ended, report.open, report.longest_seconds) == (number, 0, 3.0)
    assert right(world)


def test_the_servers_clock_is_put_back(world: World, staff: list[StaffNo]) -> None:
    """Events of a time that was read already are found within a minute, by reading everything."""
    look = watcher(world)
    look.tick()
    world.fake._state.clock = lambda: world.clock() - timedelta(minutes=10)
    give(world, staff[0])
    world.pass_time(seconds=60)
    look.tick()
    assert right(world)
    assert "时钟" in json.loads(world.ledger("events_missing")[0].body)["why"]


def test_an_event_committed_late_is_found(world: World, staff: list[StaffNo]) -> None:
    """Its time was set two minutes before it showed: the look of the minute goes back far enough."""
    look = watcher(world)
    look.tick()
    give(world, staff[0])
    late = world.fake._state.events.pop()
    world.pass_time(seconds=30)
    foreigner(world)
    look.tick()
    world.pass_time(minutes=2)
    world.fake._state.events.append(late)
    look.tick()
    assert right(world)


# The lease and kills


def test_a_held_lease_means_the_next_look(world: World, staff: list[StaffNo]) -> None:
    """While a sync writes, nothing is taken in; afterwards it is."""
    look = watcher(world)
    look.tick()
    give(world, staff[0])
    with world.open() as other, hold_lease(other):
        assert look.tick().waiting
        assert not right(world)
    assert look.tick().changes == 1
    assert right(world)


def prepare_kills(world: World) -> None:
    """Grants that stand, grants that do not, a group, a new user: everything that a look may have to do."""
    staffed(world, 6)
    world.hire(BUREAU, "", staff_no="C00001")
    world.issue_and_sync()
    watcher(world).tick()
    staff = [row.staff_no for row in world.people if row.org == VILLAGE]
    for staff_no in staff[:3]:
        give(world, StaffNo(staff_no))
    handler = world.group("/岗位/140902-忻府区/经办人员").id
    as_administrator(world, "P00002").join_group(world.user("C00001").id, handler)
    world.console.join_group(world.user(staff[4]).id, handler)
    world.console.add_group_roles(handler, frozenset({REVIEWER}))
    world.console.join_group(foreigner(world), handler)


def look_twice(context: Context) -> None:
    look = Watcher(context)
    look.tick()
    look.tick()


def test_killed_while_looking(world_template: WorldTemplate, world: World, tmp_path: object) -> None:
    """Killed at any step of a look: the next look does the rest, each thing once in the ledger."""
    prepare_kills(world)
    folder = world.folder.parent
    with temporary(world_template.fork(world, folder / "whole")) as whole:
        steps = run_mortal(whole, operation=look_twice).steps
        assert right(whole)
    random = Random(4)  # noqa: S311
    for number, at in enumerate(sorted(random.sample(range(1, steps), min(steps - 1, 25)))):
        with temporary(world_template.fork(world, folder / f"kill-{number}")) as victim:
            assert run_mortal(victim, at, operation=look_twice).dead
            look_twice(victim.context)
            assert right(victim), at
            assert victim.duties("C00001") == {"经办人员"}, at
            assert len(victim.ledger("basis_adopted")) == 1
            assert_converged(victim)


# Causes


def test_role_in_a_composite_that_everybody_holds(make_world: Callable[..., World]) -> None:
    """A role put into the role that 3,000 people hold: told as one cause, and nobody is touched."""
    world: World = make_world(safety=SafetySettings())
    staffed(world, 3000)
    look = watcher(world)
    look.tick()
    operator = world.console.read_roles()[RoleName("post-operator")]
    world.console.tamper_role("post-operator", composites=operator.composites | {REVIEWER})
    writes = world.fake.writes
    look.tick()
    assert world.fake.writes == writes
    causes = [json.loads(entry.body)["cause"] for entry in world.ledger("cause_found")]
    assert causes == ["post-operator 含有 post-reviewer"]


def test_role_in_a_composite_that_everybody_holds_beside_a_guard(make_world: Callable[..., World]) -> None:
    """The guard puts the composite right; 3,000 people are not touched one by one, but for one request that
    ends every session; it is one cause."""
    world: World = make_world(safety=SafetySettings())
    install_guard(world.fake, world.settings.keys_directory)
    staffed(world, 3000)
    look = watcher(world)
    look.tick()
    operator = world.console.read_roles()[RoleName("post-operator")]
    world.console.tamper_role("post-operator", composites=operator.composites | {REVIEWER})
    before = dict(world.fake._state.users)
    world.fake.calls.clear()
    look.tick()
    assert world.console.read_roles()[RoleName("post-operator")].composites == operator.composites
    assert world.fake._state.users == before
    assert world.fake.writes == world.fake.calls["logout_everybody"] == 1
    (entry,) = world.ledger("cause_restored")
    assert json.loads(entry.body)["sessions"] == "everybody"
    assert world.ledger("cause_found") == []
    look.tick()
    assert look.tick().quiet


def test_role_in_the_default_role(world: World, staff: list[StaffNo]) -> None:
    """Everybody would have it: one cause, nobody is touched."""
    look = watcher(world)
    look.tick()
    default = world.console.default_role
    world.console.tamper_role(default, composites=frozenset({REVIEWER}))
    writes = world.fake.writes
    look.tick()
    assert world.fake.writes == writes
    causes = [json.loads(entry.body)["cause"] for entry in world.ledger("cause_found")]
    assert len(causes) == 1
    assert causes[0].startswith(f"{default} 含有")


def test_role_in_a_group_of_many(world: World, staff: list[StaffNo]) -> None:
    """The group is mended, no member is, and every member is logged out."""
    look = watcher(world)
    look.tick()
    world.console.add_group_roles(world.group("/岗位/140902-忻府区/业务操作员").id, frozenset({REVIEWER}))
    world.fake.calls.clear()
    assert look.tick().changes == 1
    assert world.fake.calls["logout"] == 30
    assert world.fake.writes == 31
    assert right(world)


def test_a_veto_is_in_the_ledger_once(world: World, staff: list[StaffNo]) -> None:
    """What the guard refused is noted with rule and actor, whoever reads it and however often."""
    look = watcher(world)
    look.tick()
    detail = {"kind": "veto", "rule": "s4", "article": "S4", "reason": "不得兼任", "duty": "经办人员"}
    world.console.tamper_veto(world.user(staff[0]).id, json.dumps(detail))
    look.tick()
    watcher(world).tick()
    world.sync()
    entries = [json.loads(entry.body) for entry in world.ledger("guard_veto")]
    assert [(entry["rule"], entry["article"], entry["actor"]) for entry in entries] == [
        ("s4", "S4", "console")
    ]


def test_notices_are_kept_until_they_are_delivered(world: World, staff: list[StaffNo]) -> None:
    """A repair is told in every way that is set, in Chinese, by user name alone."""
    file = world.folder / "notices.jsonl"
    settings = world.settings.model_copy(update={"notify": NotifySettings(file=file)})
    context = world.open(settings=settings)
    look = watcher(world, context)
    look.tick()
    give(world, staff[0])
    look.tick()
    assert deliver_notices(context, open_notifiers(settings.notify)) == 1
    told = json.loads(file.read_text(encoding="utf-8"))
    assert told["kind"] == "repair"
    assert str(world.user(staff[0]).username) in told["text"]
    assert world.row(staff[0]).name not in told["text"]
    assert deliver_notices(context, open_notifiers(settings.notify)) == 0
