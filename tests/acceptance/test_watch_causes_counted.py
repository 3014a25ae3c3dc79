"""A role that entered a group or another role, and was taken out again, counts as an exposure."""

from __future__ import annotations

from datetime import timedelta

from fixtures.fake_guard import install_guard
from fixtures.watching import watcher
from fixtures.world import BUREAU, VILLAGE, World
from quanheng.keycloak.port import RealmRefusedError
from quanheng.model.ids import RoleName
from quanheng.operations.watching.watcher import Watcher, read_exposure
from quanheng.store.watching import read_exposures
from quanheng.watch.exposure import CauseKind

REVIEWER = RoleName("post-reviewer")
OPERATOR = "/岗位/140902-忻府区/业务操作员"


def looking(world: World) -> Watcher:
    """A watcher over a few people, which has nothing to do."""
    world.hire(VILLAGE)
    world.hire(BUREAU, "经办人员")
    world.issue_and_sync()
    look = watcher(world)
    for _ in range(3):
        last = look.tick()
    assert last.quiet
    assert read_exposure(world.context).ended == 0
    return look


def counted(world: World) -> list[tuple[str, timedelta]]:
    """Kind and length of each exposure."""
    with world.context.database.reading() as connection:
        found = read_exposures(connection)
    return [(item.kind, item.revoked_at - item.granted_at) for item in found if item.revoked_at is not None]


def test_a_role_on_a_group(world: World) -> None:
    """From the mapping to its end, once; each time it is done anew."""
    look = looking(world)
    for times in (1, 2):
        world.console.add_group_roles(world.group(OPERATOR).id, frozenset({REVIEWER}))
        world.pass_time(seconds=7)
        assert look.tick().changes == 1
        look.tick()
        assert counted(world) == [(CauseKind.GROUP, timedelta(seconds=8))] * times
        world.pass_time(minutes=1)
    report = read_exposure(world.context)
    assert (report.ended, report.open, report.longest_seconds) == (2, 0, 8)


def test_what_keycloak_refuses_is_not_counted(world: World) -> None:
    """Nothing was taken out: it is counted when it is."""
    look = looking(world)
    world.console.add_group_roles(world.group(OPERATOR).id, frozenset({REVIEWER}))
    world.pass_time(seconds=7)

    def refuse(name: str) -> None:
        if name == "remove_group_roles":
            raise RealmRefusedError("not this one", status=403)

    world.fake.before_call = refuse
    assert look.tick().refused == 1
    assert counted(world) == []
    world.fake.before_call = None
    world.pass_time(minutes=1)
    look.tick()
    assert counted(world) == [(CauseKind.GROUP, timedelta(seconds=68))]


def test_a_role_in_another_that_the_guard_takes_out(world: World) -> None:
    """In a duty's role, and in the default role."""
    install_guard(world.fake, world.settings.keys_directory)
    look = looking(world)
    roles = world.console.read_roles()
    for name in (RoleName("post-operator"), world.fake.default_role):
        world.console.tamper_role(name, composites=roles[name].composites | {REVIEWER})
    world.pass_time(seconds=3)
    look.tick()
    now = world.console.read_roles()
    assert {name: now[name].composites for name in now} == {name: roles[name].composites for name in roles}
    look.tick()
    assert counted(world) == [(CauseKind.ROLE, timedelta(seconds=4))] * 2


def test_a_thief_in_our_name_is_counted(world: World) -> None:
    """While our own accounts' acts are in doubt."""
    look = looking(world)
    world.pass_time(hours=2)
    look.tick()
    world.fake.as_actor("master")._tell("UPDATE", "CLIENT", "clients/ours")
    thief = world.fake.as_actor(world.fake.actor)
    thief.add_group_roles(world.group(OPERATOR).id, frozenset({REVIEWER}))
    world.pass_time(seconds=7)
    assert look.tick().changes == 1
    assert counted(world) == [(CauseKind.GROUP, timedelta(seconds=8))]


def test_ours_are_not_counted(world: World) -> None:
    """What a sync puts into a group, or takes out of it, is nobody's exposure; a look with nothing to undo
    asks for nothing more."""
    look = looking(world)
    world.hire(BUREAU, "复核人员")
    world.issue_and_sync()
    world.console.tamper_role("harmless")
    look.tick()
    assert counted(world) == []


def test_what_dates_a_cause_is_asked_for_alone(world: World) -> None:
    """However much else happened on that day, of which the look reads what is new and no more."""
    look = looking(world)
    world.console.add_group_roles(world.group(OPERATOR).id, frozenset({REVIEWER}))
    world.fake.calls.clear()
    assert look.tick().changes == 1
    assert len(counted(world)) == 1
    assert (world.fake.calls["read_role_events"], world.fake.calls["read_admin_events"]) == (1, 1)
    look.tick()
    assert world.fake.calls["read_role_events"] == 1
