"""Locks that did not go through in one go: whoever died on the way, and approvals that nobody used."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from fixtures.asking import CLERK, COLLEAGUE, KEEPER, OTHER_KEEPER, bodies, look, staffed, weeks
from fixtures.kills import MortalContext, run_mortal
from fixtures.life import CONSOLE, Life, make_life
from fixtures.watching import as_administrator, watcher
from fixtures.world import World, WorldTemplate
from quanheng.clock import day_in_china
from quanheng.config import LifecycleSettings, Limit
from quanheng.errors import RefusedError, UnsafePlanError
from quanheng.keycloak.fake_base import refusal
from quanheng.model.person import HoldKind, Proposal, ProposalKind
from quanheng.notify.port import NoticeKind
from quanheng.operations.lifecycle import locking
from quanheng.operations.lifecycle.use import look_after_use
from quanheng.operations.synchronise import apply_digest
from quanheng.store import tables


def nearly_locked(world: World) -> Life:
    """The clerk has not logged in for three months, everybody else has just now."""
    life = staffed(world)
    weeks(life, 13)
    world.pass_time(days=3)
    come(life)
    assert life.enabled(CLERK)
    return life


def come(life: Life) -> None:
    """Everybody logs in but the clerk."""
    for who in (KEEPER, COLLEAGUE, OTHER_KEEPER, *life.world.region.founders.values()):
        life.login(who, CONSOLE)
    for who in life.lively:
        life.login(who)


def switch(life: Life, *, on: bool) -> None:
    """The county's administrator switches the clerk's account in the console."""
    user = life.world.user(CLERK)
    as_administrator(life.world, KEEPER).update_user(
        user.id, username=user.username, enabled=on, name=user.name, attributes=user.attributes
    )


def dead_at(life: Life, name: str) -> None:
    """The day's work dies at such a step; a new process is there a minute later."""
    assert run_mortal(life.world, 1, name, operation=look_after_use).dead
    life.context = life.world.context = life.world.open(settings=life.world.settings)


@pytest.mark.parametrize("off_again", [False, True])
@pytest.mark.parametrize("watcher_first", [False, True])
def test_dead_before_the_entry(world: World, watcher_first: bool, off_again: bool) -> None:
    """Keycloak had switched the account off, and no entry tells when: who switches it on in the console and
    logs in has not logged in before the lock, whoever looks first, and though they switch it off again."""
    life = nearly_locked(world)
    dead_at(life, "after update_user")
    assert not life.enabled(CLERK)
    assert life.holds(CLERK) == {HoldKind.INACTIVE}
    world.pass_time(minutes=5)
    switch(life, on=True)
    life.login(CLERK)
    world.pass_time(minutes=1)
    if off_again:
        switch(life, on=False)
    world.pass_time(minutes=5)
    if watcher_first:
        look(life, 2)
    life.day()
    look(life, 2)
    world.sync()
    life.day()
    assert HoldKind.INACTIVE in life.holds(CLERK)
    assert not life.enabled(CLERK)
    assert world.ledger("lock_mistaken") == []


def test_dead_before_the_entry_and_a_login_before_the_lock(world: World) -> None:
    """One that shows late lifts the lock all the same."""
    life = nearly_locked(world)
    moment = world.clock() - timedelta(seconds=1)
    dead_at(life, "after update_user")
    life.login(CLERK, at=moment)
    life.day()
    assert life.enabled(CLERK)
    assert len(world.ledger("lock_mistaken")) == 1


def test_a_login_between_the_hold_and_the_switch(world: World) -> None:
    """The account was still on: the lock of whoever came is lifted, when its own entry tells the moment."""
    life = nearly_locked(world)

    def late(name: str) -> None:
        if name == "update_user":
            world.clock.now += timedelta(seconds=20)
            life.login(CLERK, at=world.clock() - timedelta(seconds=5))

    world.fake.before_call = late
    look_after_use(life.context)
    world.fake.before_call = None
    life.day()
    assert life.enabled(CLERK)
    assert len(world.ledger("lock_mistaken")) == 1


def test_a_lock_of_which_the_ledger_knows_nothing(world: World) -> None:
    """Nobody knows when it began: no login lifts it."""
    life = nearly_locked(world)
    row = {"person_id": world.person(CLERK).id, "kind": HoldKind.INACTIVE, "origin": locking.ORIGIN}
    with life.context.database.transaction() as connection:
        reason = {"since": day_in_china(world.clock()), "reason": "长期未登录"}
        connection.execute(insert(tables.hold).values(**row, **reason))
    life.login(CLERK)
    world.pass_time(minutes=1)
    life.day()
    assert life.holds(CLERK) == {HoldKind.INACTIVE}
    assert world.ledger("lock_mistaken") == []


def steps_of_the_lock(world: World, monkeypatch: pytest.MonkeyPatch) -> range:
    """Those of the day's work at which somebody is locked."""
    found: list[int] = []
    locks = locking._run

    def count(context: MortalContext, *rest: Any) -> Any:
        assert context.switch is not None
        found.append(context.switch.steps)
        done = locks(context, *rest)
        found.append(context.switch.steps)
        return done

    with monkeypatch.context() as patch:
        patch.setattr(locking, "_run", count)
        run_mortal(world, operation=look_after_use)
    return range(found[0] + 1, found[1] + 1)


@pytest.mark.parametrize("by_watcher", [False, True])
def test_dead_at_each_step(
    world_template: WorldTemplate,
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    by_watcher: bool,
) -> None:
    """The next look of the watcher, or the day's work done again, finishes it: the account is off, its lock
    was told once, and the ledger has each step once."""
    before = nearly_locked(world)
    folders = (tmp_path / f"fork{number}" for number in range(1000))
    other = world_template.fork(world, next(folders))
    make_life(other)
    steps = steps_of_the_lock(other, monkeypatch)
    other.close()
    assert len(steps) > 10
    for at in steps[by_watcher::2]:
        other = world_template.fork(world, next(folders))
        life = make_life(other)
        life.lively = before.lively
        switched = run_mortal(other, at, operation=look_after_use)
        assert switched.dead
        locked = bool(life.holds(CLERK))
        life.context = other.context = other.open(settings=other.settings)
        if by_watcher:
            look(life)
            assert life.enabled(CLERK) is not locked, at
        come(life)
        look_after_use(life.context)
        assert not life.enabled(CLERK), at
        look(life, 2)
        assert other.sync().plan.empty
        assert (not life.enabled(CLERK), life.holds(CLERK)) == (True, {HoldKind.INACTIVE}), at
        name = str(other.user(CLERK).username)
        assert [item["accounts"] for item in life.told(NoticeKind.LOCKED)] == [[name]], at
        assert [len(bodies(life, kind)) for kind in ("hold_put", "disable")] == [1, 1], at
        other.verify_ledger()
        other.close()
        shutil.rmtree(other.folder)


def test_whom_keycloak_refuses_to_switch_off(world: World) -> None:
    """The lock stands and is told; the watcher tries again."""
    life = nearly_locked(world)
    watching = watcher(world, life.context)
    for _ in range(2):
        watching.tick()

    def refuse(name: str) -> None:
        if name == "update_user":
            raise refusal(400, "not now")

    world.fake.before_call = refuse
    assert "locked=1" in look_after_use(life.context)
    world.fake.before_call = None
    assert life.enabled(CLERK)
    watching.tick()
    assert not life.enabled(CLERK)
    assert life.holds(CLERK) == {HoldKind.INACTIVE}
    assert len(life.told(NoticeKind.LOCKED)) == 1


def asked(world: World) -> list[Proposal]:
    """Plans that wait for a second person."""
    return [item for item in world.proposals() if item.kind is ProposalKind.UNSAFE_PLAN]


def test_an_approval_that_was_not_used(world: World) -> None:
    """Whoever applies it too late is told that the day's work asks anew, and so it does: once."""
    life = make_life(world, LifecycleSettings(lock=Limit(count=2, percent=100), lock_county_percent=100))
    many = [life.hire() for _ in range(4)]
    life.begin()
    life.pass_days(92)
    (first,) = asked(world)
    world.approve(first.key)
    world.pass_time(hours=23)
    life.day()
    assert asked(world) == []
    world.pass_time(hours=2)
    with pytest.raises(RefusedError, match="expired"):
        apply_digest(life.context, first.subject)
    life.day()
    life.day()
    (again,) = asked(world)
    assert again.subject == first.subject
    assert len(life.told(NoticeKind.LOCK_STOPPED)) == 2
    with pytest.raises(UnsafePlanError):
        apply_digest(life.context, again.subject)
    world.approve(again.key)
    apply_digest(life.context, again.subject)
    assert not any(life.enabled(who) for who in many)
