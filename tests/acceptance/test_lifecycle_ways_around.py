"""Ways around the three months without a login, and around the limits of a day that locks."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from pydantic import ValidationError
from sqlalchemy import update

from fixtures.asking import CLERK, COLLEAGUE, KEEPER, OTHER_KEEPER, look, staffed
from fixtures.life import CLIENT, CONSOLE, Life, make_life
from fixtures.watching import as_administrator
from fixtures.world import VILLAGE, World
from quanheng.clock import CHINA
from quanheng.config import LifecycleSettings, Limit
from quanheng.model.person import HoldKind, ProposalKind, ProposalState
from quanheng.notify.port import NoticeKind
from quanheng.operations.lifecycle.ahead import look_ahead
from quanheng.operations.lifecycle.daily import do_day
from quanheng.operations.lifecycle.history import take_in_history
from quanheng.policy.schema_lifecycle import Span
from quanheng.store import tables
from quanheng.store.logins import put_logins


def a_day(life: Life) -> None:
    """The administrators come, the clerk does not."""
    life.world.pass_time(days=1)
    for who in (KEEPER, COLLEAGUE, OTHER_KEEPER):
        life.login(who, CONSOLE)
    life.day()


def switch_on(life: Life, who: str) -> None:
    """The county's administrator switches an account on in the console."""
    user = life.world.user(who)
    as_administrator(life.world, KEEPER).update_user(
        user.id, username=user.username, enabled=True, name=user.name, attributes=user.attributes
    )


def test_a_login_after_the_lock_lifts_nothing(world: World) -> None:
    """Switched on in the console, and logged in to before the watcher looks: one person alone would have
    unlocked the account."""
    life = staffed(world)
    while HoldKind.INACTIVE not in life.holds(CLERK):
        a_day(life)
    look(life, 2)
    life.world.pass_time(hours=3)
    switch_on(life, CLERK)
    life.login(CLERK)
    look(life)
    assert not life.enabled(CLERK)
    for _ in range(3):
        a_day(life)
    assert life.holds(CLERK) == {HoldKind.INACTIVE}
    assert world.ledger("lock_mistaken") == []


def test_the_console_keeps_administrators_alone_alive(world: World) -> None:
    """It opens for everybody who logs in; a clerk has no work there."""
    life = staffed(world)
    for number in range(100):
        if number % 30 == 0:
            life.login(CLERK, CONSOLE)
        a_day(life)
    assert life.holds(CLERK) == {HoldKind.INACTIVE}
    assert not life.holds(KEEPER)


def test_nor_does_a_history_of_it(world: World) -> None:
    """A bureau's file is read in the same way."""
    life = staffed(world)
    file = world.folder / "history.csv"
    lines = (f"{who},{CONSOLE},2026-03-01 09:00:00" for who in (CLERK, KEEPER))
    file.write_text("\n".join(["账号,系统,登录时间", *lines, ""]), encoding="utf-8")
    done = take_in_history(life.context, file)
    assert (done.lines, done.people, done.bad) == (2, 1, ())
    assert life.logins(CLERK) == {}
    assert set(life.logins(KEEPER)) == {CONSOLE}


@pytest.mark.parametrize(("minutes", "known"), [(8, True), (59, True), (75, False)])
def test_an_event_that_shows_late(world: World, minutes: int, known: bool) -> None:
    """Events of the last hour before the cursor are read again: what shows later than that is not seen."""
    life = make_life(world)
    clerk = life.hire()
    life.begin()
    life.world.pass_time(hours=2)
    life.day()
    life.login(clerk, at=life.world.clock() - timedelta(minutes=minutes))
    life.world.pass_time(seconds=30)
    life.day()
    assert (life.logins(clerk) != {}) is known


def test_two_runs_of_a_day_share_its_limits(world: World) -> None:
    """Whoever runs the day's work again locks no more than the day may, and the plan of the day says so."""
    life = make_life(world, LifecycleSettings(lock=Limit(count=5, percent=100), lock_county_percent=100))
    first = [life.hire() for _ in range(5)]
    life.begin()
    life.world.pass_time(hours=2)
    second = [life.hire() for _ in range(3)]
    life.world.issue_and_sync()
    life.pass_days(91)
    life.at(datetime(2026, 6, 2, 13, tzinfo=CHINA))
    life.day()
    assert [life.enabled(who) for who in first] == [False] * 5
    life.at(datetime(2026, 6, 2, 15, tzinfo=CHINA))
    ahead = look_ahead(life.context)
    assert (len(ahead.locks), len(ahead.asked)) == (0, 3)
    life.day()
    assert [life.enabled(who) for who in second] == [True] * 3
    life.at(datetime(2026, 6, 3, 13, tzinfo=CHINA))
    life.day()
    assert [life.enabled(who) for who in second] == [False] * 3


def test_who_was_refused_is_not_asked_again(world: World) -> None:
    """A second person who says no is not asked the same again the next day; about others it is asked."""
    life = make_life(world, LifecycleSettings(lock=Limit(count=2, percent=100), lock_county_percent=100))
    for _ in range(4):
        life.hire()
    life.begin()
    life.pass_days(93)
    (asked,) = [item for item in world.proposals() if item.kind is ProposalKind.UNSAFE_PLAN]
    world.approve(asked.key, approve=False)
    life.pass_days(3)
    known = [item for item in world.registry().proposals.values() if item.kind is ProposalKind.UNSAFE_PLAN]
    assert [(item.key, item.state) for item in known] == [(asked.key, ProposalState.REJECTED)]
    assert len(life.told(NoticeKind.LOCK_STOPPED)) == 1

    late = life.hire(VILLAGE)
    world.issue_and_sync()
    life.pass_days(93)
    (again,) = [item for item in world.proposals() if item.kind is ProposalKind.UNSAFE_PLAN]
    assert again.key != asked.key
    assert life.enabled(late)
    assert len(life.told(NoticeKind.LOCK_STOPPED)) == 2


def test_a_time_of_one_day_is_no_time() -> None:
    """What shows late is told from what was known by the day."""
    with pytest.raises(ValidationError, match="2 days or more"):
        Span(value=1, unit="days")
    assert Span(value=1, unit="months").value == 1


def tamper(life: Life, who: str, **values: datetime) -> None:
    """A row of the store says something of a day to come."""
    person = life.world.person(who).id
    with life.context.database.transaction() as connection:
        if "at" in values:
            put_logins(connection, {(person, CLIENT): values["at"]})
        else:
            mine = tables.account.c.person_id == person
            connection.execute(update(tables.account).where(mine).values(**values))


@pytest.mark.parametrize("what", ["at", "counts_from"])
def test_a_moment_to_come_counts_for_nothing(world: World, what: str) -> None:
    """Written by a wrong clock, or by whoever writes the store: the account is locked all the same."""
    life = make_life(world)
    clerk = life.hire()
    life.begin()
    tamper(life, clerk, **{what: life.world.clock() + timedelta(days=3000)})
    life.pass_days(92)
    assert not life.enabled(clerk)


def test_a_moment_to_come_hides_no_silence(world: World) -> None:
    """That nobody logs in any more is seen all the same."""
    life = make_life(world)
    clerk = life.hire()
    life.begin()
    tamper(life, clerk, at=life.world.clock() + timedelta(days=3000))
    life.world.pass_time(days=20)
    do_day(life.context)
    assert "没有任何人登录" in life.told(NoticeKind.LOGINS_MISSING)[-1]["reason"]
