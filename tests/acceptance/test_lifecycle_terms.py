"""Accounts that are for a time end by themselves; test accounts go at acceptance (J18, J21)."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, insert, select, update

from fixtures.life import Life, make_life
from fixtures.terms import (
    KEEPER,
    OTHER_KEEPER,
    OWNER,
    PURPOSE,
    begin,
    bodies,
    bound_pack,
    line,
    night,
    put,
    staffed,
    today,
)
from fixtures.watching import foreigner, watcher
from fixtures.world import BUREAU, FOUNDERS, OTHER_VILLAGE, VILLAGE, VILLAGE_2, World, WorldTemplate
from quanheng.config import Limit, SafetySettings
from quanheng.errors import ConfigurationError, RefusedError, UnsafePlanError
from quanheng.lifecycle.terms import TermState
from quanheng.model.ids import PostId
from quanheng.model.person import Hold, HoldKind, ProposalKind, TermKind
from quanheng.notify.port import NoticeKind
from quanheng.operations.lifecycle.closing_tests import close_tests, prepare_closing
from quanheng.operations.lifecycle.ending import lift_hold
from quanheng.operations.lifecycle.putting_terms import prepare_term, put_prepared
from quanheng.operations.lifecycle.terms import look_after_terms, put_term, read_terms
from quanheng.operations.synchronise import apply_digest
from quanheng.store import tables
from quanheng.store.registry_rows import hold_row
from quanheng.store.terms import read_noted_terms

CHIEF = FOUNDERS[PostId("system_admin")]


@pytest.fixture(scope="module")
def begun(world_template: WorldTemplate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """忻府区 and 定襄县 with their administrators, and one clerk of a village to put an end on."""
    life = staffed(world_template.make(tmp_path_factory.mktemp("terms") / "world"))
    life.world.hire(VILLAGE_2, staff_no="C00001")
    begin(life)
    yield life
    life.world.close()


@pytest.fixture
def life(begun: Life, world_template: WorldTemplate, tmp_path: Path) -> Iterator[Life]:
    """A copy of it."""
    copied = make_life(world_template.fork(begun.world, tmp_path / "world"))
    copied.lively = list(begun.lively)
    yield copied
    copied.world.close()


CLERK = "C00001"


def ended(life: Life, who: str = CLERK) -> tuple[bool, set[HoldKind]]:
    """Whether an account is on, and what holds it."""
    return life.enabled(who), life.holds(who)


ON: tuple[bool, set[HoldKind]] = (True, set())
OFF = (False, {HoldKind.EXPIRED})


# Ending


def test_ends_by_itself_on_the_day_after(life: Life) -> None:
    """On for the whole last day; the next day held, off, sessions ended, and in the ledger with the article's
    place, the reason and whose it is."""
    put(life, CLERK, 10)
    night(life, 10)
    assert (today(life), ended(life)) == (line(life, CLERK).until, ON)
    before = life.world.fake.calls["logout"]
    night(life)
    assert ended(life) == OFF
    assert life.world.fake.calls["logout"] == before + 1
    entry = bodies(life, "disable")[-1]
    assert (entry["origin"], entry["person"]) == ("term", life.world.person(CLERK).id)
    assert "已到期：至 2026-03-12" in entry["reason"]
    assert line(life, CLERK).state is TermState.ENDED
    life.world.sync()
    assert ended(life) == OFF
    life.world.verify_ledger()


@pytest.mark.parametrize(("hour", "on"), [(15, True), (16, False)])
def test_midnight_is_china_s_on_a_server_in_utc(life: Life, hour: int, on: bool) -> None:
    """16:00 in UTC is the next day there."""
    put(life, CLERK, until=date(2026, 3, 12))
    life.at(datetime(2026, 3, 12, hour, tzinfo=UTC))
    look_after_terms(life.context)
    assert life.enabled(CLERK) is on


def test_missed_for_two_weeks(life: Life) -> None:
    """Done on the return, once."""
    put(life, CLERK, 3)
    night(life, 17)
    assert ended(life) == OFF
    assert [facts["accounts"] for facts in life.told(NoticeKind.TERM_ENDS)] == [
        [f"{life.world.person(CLERK).username}：临时账号，2026-03-05 到期，已停用"]
    ]


def test_twice_does_nothing_twice(life: Life) -> None:
    """Neither the ledger nor anybody hears of it again; nor does the watcher find anything left."""
    put(life, CLERK, 3)
    night(life, 4)
    entries, told = len(life.world.ledger()), len(life.told())
    assert "ended=0" in look_after_terms(life.context)
    assert "ended=0" in night(life)
    assert (len(life.world.ledger()), len(life.told())) == (entries, told)
    life.world.sync()
    assert not life.world.check().differences


def test_where_there_are_none_nothing_is_asked(life: Life) -> None:
    """Without such accounts the day costs three small queries and no lease."""
    assert look_after_terms(life.context) == "terms=0"


def test_an_account_that_is_off_already_is_held_all_the_same(life: Life) -> None:
    """So that lifting the other hold does not give it back."""
    put(life, CLERK, 3)
    user = life.world.user(CLERK)
    life.world.console.update_user(
        user.id, username=user.username, enabled=False, name=user.name, attributes=user.attributes
    )
    life.world.sync()
    night(life, 4)
    assert ended(life) == (False, {HoldKind.FROZEN, HoldKind.EXPIRED})
    assert [body for body in bodies(life, "disable") if body["origin"] == "term"] == []


@pytest.mark.parametrize("by", ["the next run", "the watcher"])
def test_who_dies_on_the_way_is_finished(life: Life, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    """The hold was written and Keycloak was gone: the watcher switches the account off, or the next run."""
    put(life, CLERK, 3)
    life.world.pass_time(days=4)

    def away(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("quanheng.operations.carrying_out.apply_plan", away)
        with pytest.raises(KeyboardInterrupt):
            look_after_terms(life.context)
    assert ended(life) == (True, {HoldKind.EXPIRED})
    if by == "the watcher":
        watcher(life.world, life.context).tick()
    else:
        assert "ended=1" in look_after_terms(life.context)
    assert ended(life) == OFF


def test_beyond_the_limits_of_safety(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held at once, whatever the number; switched off in Keycloak only after a second person approved the
    next sync's plan. A notice names so many, and counts the rest."""
    monkeypatch.setattr("quanheng.operations.lifecycle.term_telling._NAMED", 2)
    monkeypatch.setattr("quanheng.operations.lifecycle.term_facts._FEW", 2)
    world = make_world(safety=SafetySettings(disable=Limit(count=1, percent=100)))
    life = staffed(world)
    people = [world.hire(VILLAGE) for _ in range(3)]
    begin(life)
    for who in people:
        put(life, who, 3)
    told = night(life, 4)
    assert "ended=0 stopped=3" in told
    assert {ended(life, who)[0] for who in people} == {True}
    assert all(life.holds(who) == {HoldKind.EXPIRED} for who in people)
    (facts,) = life.told(NoticeKind.TERM_ENDS)
    assert facts["count"] == 3
    assert "停用账号 3 项，上限 1" in facts["excess"][0]
    assert (len(facts["accounts"]), "另有 1 项" in facts["accounts"][-1]) == (3, True)
    assert "已登记停用，尚未执行" in facts["accounts"][0]
    entries, plans = len(world.ledger()), count_plans(life)
    night(life)
    assert (len(world.ledger()), len(life.told(NoticeKind.TERM_ENDS))) == (entries, 1)
    assert count_plans(life) == plans
    with pytest.raises(UnsafePlanError):
        world.sync()
    (proposal,) = [item for item in world.proposals() if item.kind is ProposalKind.UNSAFE_PLAN]
    world.approve(proposal.key)
    apply_digest(life.context, proposal.subject)
    assert all(ended(life, who) == OFF for who in people)


def count_plans(life: Life) -> int:
    """How many plans were kept."""
    with life.context.database.reading() as connection:
        return connection.scalar(select(func.count()).select_from(tables.plan)) or 0


def test_a_wrong_clock_ends_nothing(life: Life) -> None:
    """A machine a year ahead of Keycloak is told to set its clock; nobody is switched off."""
    put(life, CLERK, 3)
    server = life.world.clock()
    life.world.pass_time(days=365)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(life.world.fake), "read_server_time", lambda _: server)
        with pytest.raises(ConfigurationError, match="clock"):
            look_after_terms(life.context)
        with pytest.raises(ConfigurationError, match="clock"):
            put(life, OWNER, 30, owner=KEEPER)
    assert ended(life) == ON


def test_restored_from_a_backup(life: Life) -> None:
    """The store is last week's: what had ended since ends again, and nothing comes back on the way."""
    file = life.world.folder / "quanheng.db"
    put(life, CLERK, 3)
    life.world.close()
    kept = shutil.copyfile(file, file.with_suffix(".kept"))
    life.context = life.world.context = life.world.open()
    night(life, 4)
    assert ended(life) == OFF
    life.world.close()
    shutil.copyfile(kept, file)
    life.context = life.world.context = life.world.open()
    life.world.sync()
    assert not life.enabled(CLERK)
    look_after_terms(life.context)
    assert HoldKind.EXPIRED in life.holds(CLERK)
    assert not life.enabled(CLERK)


@pytest.mark.parametrize("other", ["retired", "held"])
def test_the_last_administrator_at_the_top_stays(life: Life, other: str) -> None:
    """No end is put on one; and one that got its office later is left on while it is the last, and told."""
    world, business = life.world, FOUNDERS[PostId("business_admin")]
    with pytest.raises(RefusedError, match="topmost"):
        put(life, business, 3, by=CHIEF)
    second = world.hire("140000000", "")
    world.issue_and_sync()
    put(life, second, 9, by=CHIEF, owner=CHIEF, test=True)
    world.change(second, post="系统管理员", post_id="system_admin")
    world.issue_and_sync()
    world.approve(by=CHIEF)
    world.sync()
    if other == "retired":
        world.change(CHIEF, status="退休", status_from="2026-03-01")
        world.issue_and_sync()
    else:  # and not switched off yet
        frozen = Hold(
            person=world.person(CHIEF).id, kind=HoldKind.FROZEN, since=today(life), reason="x", origin="x"
        )
        with life.context.database.transaction() as connection:
            connection.execute(insert(tables.hold).values(**hold_row(frozen)))
    assert "系统管理员" in world.duties(second)
    with pytest.raises(RefusedError, match="last administrator"):
        close(life, by=business)
    assert "ended=0 stopped=0 lifted=0 kept=1" in night(life, 10)
    assert ended(life, second) == ON
    night(life)
    assert [facts["accounts"][0].partition("；")[2] for facts in life.told(NoticeKind.TERM_ENDS)] == [
        "是本级最后一名管理员，未停用，请先补任"
    ]


# Announcing


def test_announced_once_on_each_day(life: Life) -> None:
    """30, 7 and 1 days before, by county, with the user name, the owner's, and nothing of the person."""
    put(life, CLERK, 40)
    for _ in range(41):
        night(life)
    name, owner = life.world.person(CLERK).username, life.world.person(OWNER).username
    told = life.told(NoticeKind.TERM_ENDS)
    assert [facts["accounts"] for facts in told] == [
        [f"{name}：临时账号，2026-04-11 到期，还有 {days} 天，责任人 {owner}"] for days in (30, 7, 1)
    ] + [[f"{name}：临时账号，2026-04-11 到期，已停用"]]
    assert {facts["county"] for facts in told} == {"140902"}
    everything = str(told)
    assert life.world.person(CLERK).name not in everything
    assert PURPOSE not in everything


def test_an_extension_is_announced_anew(life: Life) -> None:
    """Each end has its own announcements."""
    put(life, CLERK, 7)
    night(life)
    put(life, CLERK, 20)
    night(life)
    assert len(life.told(NoticeKind.TERM_ENDS)) == 2


def test_an_owner_who_left_is_told_of_once_and_listed(life: Life) -> None:
    """The account goes on to its end; another owner mends it, and the first one's return is no news."""
    put(life, CLERK, 60)
    night(life)
    assert life.told(NoticeKind.TERM_ENDS) == []
    life.world.change(OWNER, status="离职", status_from="2026-03-03")
    life.world.issue_and_sync()
    night(life)
    night(life)
    (facts,) = life.told(NoticeKind.TERM_ENDS)
    assert "请另行指定责任人" in facts["accounts"][0]
    found = line(life, CLERK)
    assert (found.owner_fit, found.state) == (False, TermState.IN_FORCE)
    assert ended(life) == ON
    put(life, CLERK, 60, owner=KEEPER)
    night(life)
    assert line(life, CLERK).owner_fit
    assert len(life.told(NoticeKind.TERM_ENDS)) == 1


def test_an_owner_who_is_gone_again_is_told_of_again(life: Life) -> None:
    """Back in between: it is news once more."""
    put(life, CLERK, 60)
    for state in ("离职", "在职", "离职"):
        life.world.change(OWNER, status=state, status_from=today(life).isoformat())
        life.world.issue_and_sync()
        night(life)
    assert len(life.told(NoticeKind.TERM_ENDS)) == 2


# Putting an end


def test_what_the_ledger_has_of_it(life: Life) -> None:
    """Who put it, for whom, until when, and for what."""
    put(life, CLERK, 10, test=True)
    (body,) = bodies(life, "term_put")
    names = {
        key: body[key] for key in ("person", "kind", "owner", "until", "purpose", "put_by", "by", "request")
    }
    assert names == {
        "person": life.world.person(CLERK).id,
        "kind": "test",
        "owner": life.world.person(OWNER).id,
        "until": "2026-03-12",
        "purpose": PURPOSE,
        "put_by": life.world.person(KEEPER).username,
        "by": "os:operator@test",
        "request": "",
    }


def test_extended_and_shortened_by_one_administrator(life: Life) -> None:
    """On the last day still; a test account stays one; the account goes on, or ends the sooner."""
    put(life, CLERK, 5, test=True)
    night(life, 5)
    done = put(life, CLERK, 100)
    assert (done.term.kind, done.lifted, done.enabled) == (TermKind.TEST, False, True)
    night(life, 20)
    assert ended(life) == ON
    put(life, CLERK, 2)
    night(life, 3)
    assert ended(life) == OFF
    assert len(bodies(life, "term_put")) == 3


@pytest.mark.parametrize("worked", [True, False])
def test_what_has_ended_is_not_extended(life: Life, worked: bool) -> None:
    """Also before the day's work was done: a second person has to give it back."""
    put(life, CLERK, 3)
    life.world.pass_time(days=4)
    if worked:
        look_after_terms(life.context)
    with pytest.raises(RefusedError, match="accounts restore"):
        put(life, CLERK, 30)
    assert len(bodies(life, "term_put")) == 1


def test_what_a_second_person_gives_back(life: Life) -> None:
    """With the hold lifted and a new end the account is on again, and ends on that one."""
    put(life, CLERK, 3)
    night(life, 4)
    (hold,) = life.stored(CLERK)
    with life.context.database.transaction() as connection:
        term = read_noted_terms(connection)[life.world.person(CLERK).id]
        later = replace(term, until=today(life) + timedelta(days=5))
        put_term(life.context, connection, later, by="sx0000001", why="f" * 64)
        lift_hold(life.context, connection, hold)
    life.world.sync()
    assert ended(life) == ON
    assert bodies(life, "term_put")[-1]["request"] == "f" * 64
    night(life, 5)
    assert ended(life) == ON
    night(life)
    assert ended(life) == OFF


def test_how_far_ahead(life: Life) -> None:
    """Today at the earliest, six calendar months at the latest: 2 September."""
    for days in (-1, 185):
        with pytest.raises(RefusedError, match=r"past|ahead"):
            put(life, CLERK, days)
    for days in (184, 0):
        assert put(life, CLERK, days).enabled


def test_who_may_put_it(life: Life) -> None:
    """The county's 系统管理员 and the province's; not another county's, not a clerk, not oneself."""
    for by in (OTHER_KEEPER, OWNER, CLERK):
        with pytest.raises(RefusedError, match="own account" if by == CLERK else "no charge"):
            put(life, CLERK, 3, by=by)
    assert bodies(life, "term_put") == []
    for by in (KEEPER, CHIEF):
        put(life, CLERK, 3, by=by)


def test_an_administrator_s_account_is_the_level_above_s(life: Life) -> None:
    """A county's 系统管理员 is its own counterpart's to decide about no more than its own."""
    with pytest.raises(RefusedError, match="own account"):
        put(life, KEEPER, 3, by=KEEPER, owner=CHIEF)
    with pytest.raises(RefusedError, match="no charge"):
        put(life, OTHER_KEEPER, 3, by=KEEPER, owner=CHIEF)
    put(life, KEEPER, 3, by=CHIEF, owner=CHIEF)
    night(life, 4)
    assert ended(life, KEEPER) == OFF


def test_somebody_whose_token_outlived_the_account(life: Life) -> None:
    """Who is off by now decides nothing."""
    person = life.world.login(KEEPER)
    prepared = prepare_term(life.context, CLERK, owner=OWNER, until=today(life), purpose=PURPOSE, test=False)
    life.world.change(KEEPER, status="离职", status_from="2026-03-01")
    life.world.issue_and_sync()
    with pytest.raises(RefusedError, match="not an enabled account"):
        put_prepared(life.context, prepared, person)


def test_who_may_answer_for_an_account(life: Life) -> None:
    """Another one, on, of that county or above, whose own account has no end."""
    world = life.world
    far = world.hire(OTHER_VILLAGE)
    gone = world.hire(VILLAGE)
    world.issue_and_sync()
    world.change(gone, status="退休", status_from="2026-03-01")
    world.issue_and_sync()
    for owner, word in ((far, "neither"), (gone, "enabled"), (CLERK, "itself")):
        with pytest.raises(RefusedError, match=word):
            put(life, CLERK, 3, owner=owner)
    with pytest.raises(ConfigurationError, match="nobody"):
        put(life, CLERK, 3, owner="nobody-here")
    put(life, OWNER, 30, owner=KEEPER)
    with pytest.raises(RefusedError, match="for a time itself"):
        put(life, CLERK, 3)
    put(life, CLERK, 3, owner=CHIEF)


def test_a_purpose_that_is_refused(life: Life) -> None:
    """Too short, too long, or with a phone, which is not said again."""
    for purpose in ("联调", "x" * 201, "联系 13812345678 王工"):
        with pytest.raises(RefusedError, match="purpose") as refused:
            put(life, CLERK, 3, purpose=purpose)
        assert purpose not in str(refused.value)


def test_whose_account_gets_no_end(life: Life) -> None:
    """Somebody who has left, nobody's account, and nobody."""
    stranger = foreigner(life.world)
    with pytest.raises(RefusedError, match="not an account of a person"):
        put(life, str(life.world.console.read_user(stranger).username), 3)
    life.world.change(CLERK, status="退休", status_from="2026-03-01")
    life.world.issue_and_sync()
    with pytest.raises(RefusedError, match="has left"):
        put(life, CLERK, 3)
    with pytest.raises(ConfigurationError, match="nobody"):
        put(life, "nobody-here", 3)


def test_somebody_of_two_counties_gets_no_end(life: Life) -> None:
    """It has to be clear first who keeps the account."""
    life.world.also(CLERK, org=OTHER_VILLAGE)
    life.world.issue_and_sync()
    with pytest.raises(RefusedError, match="one county"):
        put(life, CLERK, 3)


def test_two_who_put_it_at_once(life: Life) -> None:
    """The second is told to look again."""
    prepared = prepare_term(life.context, CLERK, owner=OWNER, until=today(life), purpose=PURPOSE, test=False)
    put(life, CLERK, 30)
    with pytest.raises(RefusedError, match="a moment ago"):
        put_prepared(life.context, prepared, life.world.login(KEEPER))


# Employments whose accounts must have an end


@pytest.fixture
def bound(make_world: Callable[..., World]) -> Life:
    """A world in which 劳务派遣 must have an end; one such clerk."""
    world = make_world()
    pack = bound_pack(world.folder / "pack", "dispatched", most_months=3)
    life = staffed(world, packs=(pack,))
    world.hire(VILLAGE, employment="劳务派遣", staff_no=CLERK)
    begin(life)
    return life


def test_without_an_end_it_is_held(bound: Life) -> None:
    """By the next day's work, told and listed; nobody else is."""
    night(bound)
    assert ended(bound) == OFF
    assert bound.stored(CLERK)[0].reason == "没有期限和责任人"
    assert ended(bound, OWNER) == ON
    found = line(bound, CLERK)
    assert (found.state, found.kind, found.until) == (TermState.MISSING, None, None)
    night(bound)
    (facts,) = bound.told(NoticeKind.TERM_ENDS)
    assert facts["accounts"] == [f"{found.username}：没有期限和责任人，已停用"]


def test_an_end_gives_it_back(bound: Life) -> None:
    """Put by one administrator: nothing had ended. With it the next night leaves the account alone."""
    night(bound)
    done = put(bound, CLERK, 30)
    assert (done.lifted, done.enabled) == (True, True)
    night(bound)
    assert ended(bound) == ON
    (body,) = bodies(bound, "hold_lifted")
    assert (body["kind"], body["origin"]) == ("expired", "term")


def test_what_was_added_meanwhile_does_not_come_back_with_it(bound: Life) -> None:
    """A duty that somebody slipped to the account while it was off is taken away before it is on."""
    night(bound)
    there = bound.world.group("/岗位/140921-定襄县/业务操作员")
    bound.world.console.join_group(bound.world.user(CLERK).id, there.id)
    put(bound, CLERK, 30)
    assert there.id not in bound.world.user(CLERK).groups
    assert ended(bound) == ON


def test_who_needs_an_end_answers_for_nobody(bound: Life) -> None:
    """Also one that has none yet, before the day's work has seen it."""
    newcomer = bound.hire(VILLAGE, employment="劳务派遣")
    bound.world.issue_and_sync()
    assert bound.enabled(newcomer)
    with pytest.raises(RefusedError, match="for a time itself"):
        put(bound, OWNER, 30, owner=newcomer)


def test_an_end_in_time_holds_nothing(bound: Life) -> None:
    """Put on the first day; the pack says how far ahead."""
    with pytest.raises(RefusedError, match="2026-06-02"):
        put(bound, CLERK, 100)
    put(bound, CLERK, 92)
    night(bound)
    assert ended(bound) == ON


def test_it_stays_off_for_something_else(bound: Life) -> None:
    """An end lifts its own hold alone."""
    bound.world.change(CLERK, status="接受调查", status_from="2026-03-01")
    bound.world.issue_and_sync()
    night(bound)
    done = put(bound, CLERK, 30)
    assert (done.lifted, done.enabled) == (True, False)
    assert not bound.enabled(CLERK)


def test_another_employment_gives_it_back(bound: Life) -> None:
    """The sources say 合同制 now: it needs no end, and the next day's work lifts the hold, once."""
    night(bound)
    bound.world.change(CLERK, employment="合同制")
    bound.world.issue_and_sync()
    assert ended(bound) == OFF
    assert read_terms(bound.context) == ()
    assert "lifted=1" in night(bound)
    assert ended(bound) == ON
    assert "terms=0" in night(bound)


def test_no_employment_gives_back_what_has_ended(bound: Life) -> None:
    """An end that was put stays one."""
    put(bound, CLERK, 3)
    night(bound, 4)
    bound.world.change(CLERK, employment="合同制")
    bound.world.issue_and_sync()
    night(bound)
    assert ended(bound) == OFF


# The store is not believed


def test_a_row_that_was_changed_counts_for_nothing(life: Life) -> None:
    """The ledger's last word ends the account; the row is put right, and it is written down once."""
    put(life, CLERK, 3)
    with life.context.database.transaction() as connection:
        connection.execute(update(tables.term).values(until=date(2030, 1, 1)))
    night(life, 4)
    assert ended(life) == OFF
    assert [term.until for term in life.world.registry().terms] == [date(2026, 3, 5)]
    assert len(bodies(life, "forged_decision")) == 1
    night(life)
    assert len(bodies(life, "forged_decision")) == 1


def test_a_row_that_was_taken_out_counts_all_the_same(life: Life) -> None:
    """So does a hold that was: it is put again."""
    put(life, CLERK, 3)
    with life.context.database.transaction() as connection:
        connection.execute(delete(tables.term))
    night(life, 4)
    assert ended(life) == OFF
    with life.context.database.transaction() as connection:
        connection.execute(delete(tables.hold))
    look_after_terms(life.context)
    assert ended(life) == OFF


def test_a_row_that_nobody_put_counts_for_nothing(bound: Life) -> None:
    """It does not spare an account that must have an end; it is taken out."""
    with bound.context.database.transaction() as connection:
        connection.execute(
            insert(tables.term).values(
                person_id=bound.world.person(CLERK).id,
                kind="temporary",
                owner=bound.world.person(OWNER).id,
                until=date(2026, 8, 1),
                purpose="x",
            )
        )
    night(bound)
    assert ended(bound) == OFF
    assert bound.world.registry().terms == ()


# Closing test accounts


@pytest.fixture
def tests(life: Life) -> list[str]:
    """Two test accounts in 忻府区 and one in 定襄县; the clerk is temporary."""
    world = life.world
    people = [world.hire(VILLAGE), world.hire(VILLAGE_2), world.hire(OTHER_VILLAGE)]
    world.issue_and_sync()
    for who in people[:2]:
        put(life, who, 90, test=True)
    put(life, people[2], 90, test=True, by=OTHER_KEEPER, owner=OTHER_KEEPER)
    put(life, CLERK, 90)
    return [str(who) for who in people]


def close(life: Life, by: str = CHIEF, **choice: Any) -> list[str]:
    """Close what is chosen; the staff numbers."""
    lines = prepare_closing(life.context, **{"area": None, "owner": None, **choice})
    done = close_tests(life.context, lines, life.world.login(by))
    assert done.refused == ()
    numbers = {item.username: item.staff_no for item in life.world.registry().persons.values()}
    return sorted(str(numbers[name]) for name in done.accounts)


def test_all_test_accounts_are_closed_at_once(life: Life, tests: list[str]) -> None:
    """Held, off, sessions ended, their last day today, in the ledger with names; temporary ones stay; a
    second run has nothing to close, and no night gives them back."""
    before = life.world.fake.calls["logout"]
    assert close(life) == sorted(tests)
    assert all(ended(life, who) == OFF for who in tests)
    assert life.world.fake.calls["logout"] == before + 3
    (body,) = bodies(life, "test_accounts_closed")
    names = {str(life.world.person(who).username) for who in tests}
    assert (set(body["accounts"]), body["until"]) == (names, "2026-03-02")
    assert body["closed_by"] == life.world.person(CHIEF).username
    assert prepare_closing(life.context, area=None, owner=None) == ()
    assert {line(life, who).until for who in tests} == {today(life)}
    rows = {term.until for term in life.world.registry().terms if term.kind is TermKind.TEST}
    assert rows == {today(life)}
    night(life, 5)
    life.world.sync()
    assert all(ended(life, who) == OFF for who in tests)
    assert ended(life) == ON
    with pytest.raises(RefusedError, match="accounts restore"):
        put(life, tests[0], 30)


def test_of_an_area_or_an_owner(life: Life, tests: list[str]) -> None:
    """An administrator closes what it has charge of; of others' accounts nothing at all."""
    with pytest.raises(RefusedError, match="no charge"):
        close(life, KEEPER)
    assert all(ended(life, who) == ON for who in tests)
    assert close(life, KEEPER, area="140902") == sorted(tests[:2])
    assert close(life, OTHER_KEEPER, owner=OTHER_KEEPER) == tests[2:]
    with pytest.raises(ConfigurationError, match="no organisation"):
        prepare_closing(life.context, area="999999", owner=None)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="owner"):
        prepare_closing(life.context, area=None, owner="nobody-here")


def test_an_administrator_s_test_account_is_the_level_above_s(life: Life, tests: list[str]) -> None:
    """A county's 系统管理员 closes its clerks', not its counterpart's."""
    business = life.world.hire(BUREAU, "业务管理员")
    life.world.issue_and_sync()
    life.world.approve()
    life.world.sync()
    put(life, business, 90, by=CHIEF, owner=CHIEF, test=True)
    with pytest.raises(RefusedError, match="no charge"):
        close(life, KEEPER, area="140902")
    assert close(life, CHIEF, area="140902") == sorted([*tests[:2], str(business)])


def test_whom_no_source_names_any_more(life: Life, tests: list[str]) -> None:
    """Nobody of a county keeps such an account; the province's closes it with the others."""
    life.world.drop(tests[2])
    life.world.issue_and_sync()
    life.world.pass_time(days=40)
    life.world.issue_and_sync()
    assert line(life, tests[2]).org is None
    with pytest.raises(RefusedError, match="no charge"):
        close(life, OTHER_KEEPER, owner=OTHER_KEEPER)
    assert close(life, CHIEF) == sorted(tests)


def test_who_moved_is_the_new_county_s(life: Life) -> None:
    """The row that has ended says nothing of who keeps the account."""
    life.world.change(CLERK, status="调出", status_from="2026-03-01")
    life.world.also(CLERK, source="hr", org=OTHER_VILLAGE, status="在职", status_from="")
    life.world.issue_and_sync()
    put(life, CLERK, 3, by=OTHER_KEEPER, owner=OTHER_KEEPER, test=True)
    assert line(life, CLERK).org == OTHER_VILLAGE
    assert close(life, OTHER_KEEPER) == [CLERK]


def test_what_changed_meanwhile_is_left_out(life: Life, tests: list[str]) -> None:
    """The list that people saw is what is closed, no more: another end means another look."""
    lines = prepare_closing(life.context, area=None, owner=None)
    put(life, tests[0], 30)
    done = close_tests(life.context, lines, life.world.login(CHIEF))
    assert len(done.accounts) == 2
    assert ended(life, tests[0]) == ON


def test_many_at_once_take_somebody_at_the_top(life: Life, tests: list[str]) -> None:
    """Beyond the limits of safety the county's own administrator may not; the province's may."""
    limits = SafetySettings(disable=Limit(count=1, percent=100))
    life.context = life.world.open(settings=life.world.settings.model_copy(update={"safety": limits}))
    with pytest.raises(RefusedError, match="too many at once"):
        close(life, KEEPER, area="140902")
    assert bodies(life, "test_accounts_closed") == []
    assert close(life, CHIEF, area="140902") == sorted(tests[:2])
    assert all(ended(life, who) == OFF for who in tests[:2])


def test_a_closing_that_was_interrupted(
    life: Life, tests: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written and not done is done by the next day's work, when no sync came before it."""

    def away(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("quanheng.operations.carrying_out.apply_plan", away)
        with pytest.raises(KeyboardInterrupt):
            close(life)
    look_after_terms(life.context)
    assert all(ended(life, who) == OFF for who in tests)


def test_an_account_of_the_bureau_is_the_level_above_s(life: Life) -> None:
    """S4: a county's administrators keep those of its towns and villages."""
    who = life.world.hire(BUREAU, "经办人员")
    life.world.issue_and_sync()
    with pytest.raises(RefusedError, match="no charge"):
        put(life, who, 3)
    assert put(life, who, 3, by=CHIEF).enabled


def test_last_login_is_shown(life: Life) -> None:
    """The newest to whatever; none where none is known."""
    put(life, CLERK, 90)
    assert line(life, CLERK).last_login is None
    life.login(CLERK)
    life.day()
    assert line(life, CLERK).last_login == life.world.clock()
    assert timedelta(days=line(life, CLERK).days_left or 0) == timedelta(days=90)
