"""``kill -9`` at random steps, over the fake: the next run converges, the ledger has each change once.

``QUANHENG_KILLS`` scales the number of kills (100), here and over the real server (a tenth).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from fixtures.kills import KILLS, assert_converged, run_mortal
from fixtures.world import BANK, BUREAU, OTHER_VILLAGE, VILLAGE, World, WorldTemplate, temporary
from quanheng.config import SafetySettings
from quanheng.errors import LeaseHeldError, UnsafePlanError
from quanheng.model.realm import FederatedIdentity, NewUser
from quanheng.model.staff import OrgKind
from quanheng.operations.synchronise import apply_digest, plan_only, synchronise

Prepare = Callable[[World], None]


def first_load(world: World) -> None:
    """Nothing is there yet."""
    for _ in range(25):
        world.hire(VILLAGE)
    world.hire(BUREAU, "经办人员")
    world.hire(BUREAU, "系统管理员")
    world.issue()


def churn(world: World) -> None:
    """A bit of everything that may change: people, posts, units, and what somebody did in the console."""
    first_load(world)
    world.sync()
    world.approve()
    world.sync()
    staff = [row.staff_no for row in world.people if row.org == VILLAGE]
    world.change(staff[0], status="退休", status_from="2026-03-01")
    world.change(staff[1], status="接受调查")
    world.change(staff[2], org=OTHER_VILLAGE)
    world.change(staff[3], name="改名")
    world.change(staff[4], org=BUREAU, post="经办人员")
    for _ in range(8):
        world.hire(BANK)
    world.add_unit("140902002", "北城街道", OrgKind.TOWNSHIP, "140902")
    world.add_unit("140921", "新定襄县", OrgKind.COUNTY, "1409")
    users = [world.user(staff_no) for staff_no in staff]
    world.console.leave_group(users[5].id, world.group("/岗位/140902-忻府区/业务操作员").id)
    world.console.add_roles(users[6].id, frozenset({world.console.tamper_role("auditor")}))
    world.console.unlink_identity(users[7].id, "social-card")
    world.console.link_identity(users[8].id, FederatedIdentity("wechat", "w", "w"))
    group = world.group("/岗位/140902-忻府区/业务操作员")
    world.console.update_group(group.id, "另名", group.attributes)
    outsider = NewUser(
        username="outsider",  # type: ignore[arg-type]
        enabled=True,
        name="外来",
        attributes={},
        groups=(),
        identities=frozenset(),
    )
    world.console.join_group(world.console.create_user(outsider), group.id)
    world.issue()


def outcome(world: World) -> dict[str, tuple[bool, frozenset[str]]]:
    """What everybody ended up with."""
    return {
        staff_no: (user.enabled, frozenset(world.paths(staff_no))) for staff_no, user in world.users().items()
    }


_PARTS = {first_load: KILLS * 2 // 5, churn: KILLS * 2 // 5}


@pytest.mark.parametrize("prepare", list(_PARTS), ids=lambda item: item.__name__)
def test_kill_at_random_steps(
    world_template: WorldTemplate, world: World, tmp_path: Path, prepare: Prepare
) -> None:
    """Killed anywhere in a first load or in a plan of every kind of change, the next run converges."""
    prepare(world)
    with temporary(world_template.fork(world, tmp_path / "whole")) as whole:
        steps = run_mortal(whole).steps
        expected = outcome(whole)
    random = Random(20261121)  # noqa: S311
    for number in range(_PARTS[prepare]):
        at = random.randint(1, steps)
        with temporary(world_template.fork(world, tmp_path / f"kill-{number}")) as victim:
            assert run_mortal(victim, at).dead, at
            assert_converged(victim)
            assert outcome(victim) == expected, at


def test_kill_during_recovery(world_template: WorldTemplate, world: World, tmp_path: Path) -> None:
    """Killed in the middle, and killed again and again while recovering: it still converges."""
    churn(world)
    with temporary(world_template.fork(world, tmp_path / "whole")) as whole:
        steps = run_mortal(whole).steps
    random = Random(3)  # noqa: S311
    for number in range(max(1, KILLS - sum(_PARTS.values()))):
        with temporary(world_template.fork(world, tmp_path / f"kill-{number}")) as victim:
            for at in (random.randint(steps // 3, steps), *(random.randint(1, 40) for _ in range(3))):
                run_mortal(victim, at)
            assert_converged(victim)


def test_interrupted_first_load_needs_no_second_person(make_world: Callable[..., World]) -> None:
    """Under the limits that ship, a first load killed after some batches is finished by the next run."""
    world: World = make_world(safety=SafetySettings())
    first_load(world)
    run_mortal(world, 2, "after import_users")
    assert 0 < len(world.users()) < 28
    run_mortal(world, 1, "before import_users")  # and again, before anything more is done
    assert_converged(world)
    assert len(world.users()) == 29


def test_interrupted_approved_plan_needs_no_second_approval(make_world: Callable[..., World]) -> None:
    """What is left of a plan that was let through is let through; anything more is judged again."""
    world: World = make_world(safety=SafetySettings())
    first_load(world)
    world.sync()
    staff = [row.staff_no for row in world.people if row.org == VILLAGE]
    for staff_no in staff[:10]:
        world.change(staff_no, status="退休", status_from="2026-03-01")
    world.issue()
    digest = plan_only(world.context).plan.digest
    world.approve(digest)
    run_mortal(world, 4, "after update_user", operation=lambda context: apply_digest(context, digest))
    assert 0 < sum(not user.enabled for user in world.users().values()) < 10
    world.change(staff[10], status="退休", status_from="2026-03-01")
    world.issue_and_sync()
    assert sum(not user.enabled for user in world.users().values()) == 11
    for staff_no in staff[11:14]:
        world.change(staff_no, status="退休", status_from="2026-03-01")
    with pytest.raises(UnsafePlanError):
        world.issue_and_sync()


def test_what_was_found_done_is_written_down_as_found(world: World) -> None:
    """A step that the dead run had done, but not written down, is in the ledger as found by the next."""
    first_load(world)
    world.sync()
    staff_no = world.hire(VILLAGE)
    world.issue()
    run_mortal(world, 1, "after create_user")
    assert staff_no in world.users()
    assert len(world.ledger("create")) == 29
    assert world.sync().recovered == 1
    assert json.loads(world.ledger("create")[-1].body)["how"] == "found"
    assert_converged(world)


def test_plan_made_twice_and_killed(world: World) -> None:
    """A plan that was looked at before is applied with the identities of its last making, killed or not."""
    world.hire(VILLAGE)
    world.issue()
    plan_only(world.context)
    run_mortal(world, 1, "after import_users")
    assert world.sync().recovered > 0
    assert_converged(world)


def test_half_done_revocation_still_ends_the_session(world: World) -> None:
    """Died between leaving the group and logging the user out: the next run logs the user out."""
    first_load(world)
    world.sync()
    staff_no = world.row("T00003").staff_no
    world.change(staff_no, post="")
    world.issue()
    run_mortal(world, 1, "before logout")
    assert world.duties(staff_no) == set()
    world.fake.calls.clear()
    assert world.sync().recovered == 1
    assert world.fake.calls["logout"] == 1


def test_second_writer_waits(world: World) -> None:
    """Of two syncs at once one works; the other is told who does, and has touched nothing."""
    first_load(world)
    other = world.open()
    refused: list[LeaseHeldError] = []

    def try_too(name: str) -> None:
        if name == "read_admin_events":
            with pytest.raises(LeaseHeldError, match="writes to it") as caught:
                synchronise(other)
            refused.append(caught.value)

    world.fake.before_call = try_too
    world.sync()
    world.fake.before_call = None
    assert len(refused) == 1
    assert_converged(world)


def test_writer_whose_lease_ran_out_stops(world: World) -> None:
    """A sync that slept past its lease while another worked writes nothing more, and both end well."""
    first_load(world)
    other = world.open()
    slept: list[int] = []

    def sleep(name: str) -> None:
        if name == "import_users" and not slept:
            slept.append(1)
            world.pass_time(seconds=61)
            world.fake.before_call = None
            synchronise(other)

    world.fake.before_call = sleep
    with pytest.raises(LeaseHeldError):
        world.sync()
    assert_converged(world)


def test_write_that_landed_after_we_looked(world: World) -> None:
    """A request of the dead run that Keycloak carries out late is found, though its event is our own."""
    first_load(world)
    world.sync()
    staff_no = world.row("T00003").staff_no
    world.change(staff_no, status="接受调查")
    world.issue()
    run_mortal(world, 1, "before update_user")
    world.change(staff_no, status="在职")
    world.issue()
    assert world.sync().recovered == 0

    user = world.user(staff_no)
    world.fake.update_user(
        user.id, username=user.username, enabled=False, name=user.name, attributes=user.attributes
    )
    world.sync()

    # Found by the sync itself, and taken for a freeze: nobody is switched on on a guess.
    assert {hold.person for hold in world.registry().holds} == {world.person(staff_no).id}
