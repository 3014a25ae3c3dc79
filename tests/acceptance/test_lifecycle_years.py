"""Years in a high-risk post in 甘肃: kept from day to day, told once, nothing taken away (G13)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select

from fixtures.gansu import BUREAU, COUNTY, POST, REGION, settle
from fixtures.life import Life, make_life
from fixtures.world import VILLAGE, World, WorldTemplate, kinds_of, make_template
from quanheng.lifecycle.tenure import TenureState
from quanheng.model.finding import FindingKind
from quanheng.model.ids import OrgCode, PostId, StaffNo
from quanheng.model.person import BasisKind, GrantedBasis, Hold, HoldKind, Withholding
from quanheng.model.staff import OrgKind
from quanheng.notify.port import NoticeKind
from quanheng.operations.lifecycle import tenure
from quanheng.operations.lifecycle.tenure import TenureLine, look_after_tenure, read_tenures
from quanheng.operations.trust import sign_basis, sign_withholding
from quanheng.store import tables
from quanheng.store.registry_rows import basis_row, hold_row, withholding_row

BEGAN = "2021-06-15"
WARNED, FULL = date(2026, 3, 15), date(2026, 6, 15)
KEY_CHANGE = PostId("key_change_clerk")


@pytest.fixture(scope="module")
def gansu_template(tmp_path_factory: pytest.TempPathFactory) -> WorldTemplate:
    """The store and keys of 甘肃."""
    return make_template(tmp_path_factory, REGION)


@pytest.fixture
def life(gansu_template: WorldTemplate, tmp_path: Path) -> Life:
    """A province with one bureau, before anybody is hired."""
    return make_life(gansu_template.make(tmp_path / "gansu"))


@pytest.fixture
def clerk(life: Life) -> StaffNo:
    """Somebody who began in the post on 15 June 2021; today is 2 March 2026."""
    (who,) = settle(life.world, POST, post_start=BEGAN)
    assert look_after_tenure(life.context) == "held=1 near=0 over=0 announced=0"
    return who


def on(life: Life, day: date) -> str:
    """Noon of a day, and its work."""
    life.at(datetime(day.year, day.month, day.day, 4, tzinfo=UTC))
    return look_after_tenure(life.context)


def line(life: Life) -> TenureLine:
    """The one who holds such a post."""
    (found,) = read_tenures(life.context, everybody=True)
    return found


def spells(life: Life) -> list[tuple[date, date | None]]:
    """Every time in a post, as the store has it."""
    with life.context.database.reading() as connection:
        rows = connection.execute(select(tables.tenure).order_by(tables.tenure.c.since)).all()
    return [(row.since, row.until) for row in rows]


def change(life: Life, who: str, **fields: str) -> None:
    """The next issue says something else of somebody, and is taken in."""
    life.world.change(who, **fields)
    life.world.issue_and_sync()


def put(life: Life, table: Any, row: dict[str, Any]) -> None:
    """A row that somebody decided on."""
    with life.context.database.transaction() as connection:
        connection.execute(insert(table).values(row))


# Kept, warned of, reported


def test_years_are_warned_of_then_reported_and_nothing_is_taken(life: Life, clerk: StaffNo) -> None:
    """Four years nine months, five years, each to the day and told once; the duty stays."""
    assert read_tenures(life.context) == ()
    assert on(life, WARNED - timedelta(days=1)) == "held=1 near=0 over=0 announced=0"
    assert on(life, WARNED) == "held=1 near=1 over=0 announced=1"
    assert on(life, WARNED) == "held=1 near=1 over=0 announced=0"
    assert on(life, FULL - timedelta(days=1)) == "held=1 near=1 over=0 announced=0"
    assert on(life, FULL) == "held=1 near=0 over=1 announced=1"
    assert on(life, FULL + timedelta(days=300)) == "held=1 near=0 over=1 announced=0"
    life.world.sync()
    assert life.world.duties(clerk) == {POST}
    assert life.enabled(clerk)
    (first, second) = life.told(NoticeKind.TENURE)
    username = str(life.world.person(clerk).username)
    assert first["county"] == str(COUNTY)
    assert first["people"] == [f"{username}：{POST}，自 2021-06-15 起任职，将于 2026-06-15 满 5 年（G13）"]
    assert second["people"] == [f"{username}：{POST}，自 2021-06-15 起任职，已于 2026-06-15 满 5 年（G13）"]


def test_who_is_near_is_read_by_the_review(life: Life, clerk: StaffNo) -> None:
    """With who, where, which post, the dates and the article."""
    on(life, WARNED)
    (found,) = read_tenures(life.context)
    person = life.world.person(clerk)
    assert (found.person, found.username, found.staff_no) == (person.id, person.username, clerk)
    assert (found.area, found.post, found.label) == (COUNTY, KEY_CHANGE, POST)
    assert (found.state, found.years, found.article) == (TenureState.WARN, 5, "G13")
    assert (found.judged.warn_from, found.judged.over_from) == (WARNED, FULL)


def test_check_tells_and_is_not_broken_by_it(life: Life, clerk: StaffNo) -> None:
    """A finding, and no violation: only the bureau can put somebody else there."""
    before = life.world.check()
    assert FindingKind.TENURE not in kinds_of(before.findings)
    on(life, FULL)
    report = life.world.check()
    found = [item for item in report.findings if item.kind is FindingKind.TENURE]
    assert [(item.subject, item.violation) for item in found] == [
        (str(life.world.person(clerk).username), False)
    ]
    assert report.clean == before.clean


def test_the_day_of_china_counts_on_a_server_in_utc(life: Life, clerk: StaffNo) -> None:
    """At 16:00 of the day before by Greenwich, the day has begun in China."""
    life.at(datetime(2026, 3, 14, 15, 59, 59, tzinfo=UTC))
    assert "near=0" in look_after_tenure(life.context)
    life.at(datetime(2026, 3, 14, 16, 0, tzinfo=UTC))
    assert "near=1" in look_after_tenure(life.context)


def test_other_posts_and_packs_count_no_years(life: Life, world: World) -> None:
    """A post without a limit is not kept; where no pack has one there is nothing to do."""
    settle(life.world, "参保登记岗", post_start="2010-01-01")
    assert look_after_tenure(life.context) == "held=0 near=0 over=0 announced=0"
    assert spells(life) == []
    world.hire(VILLAGE)
    world.issue_and_sync()
    assert look_after_tenure(world.context) == "not asked for"
    assert read_tenures(world.context, everybody=True) == ()


def test_two_posts_are_counted_apart(life: Life) -> None:
    """One person, two high-risk posts, each with its own day."""
    (who,) = settle(life.world, POST, post_start=BEGAN)
    life.world.also(who, post="待遇补发岗", post_start="2025-01-01")
    life.world.issue_and_sync()
    life.world.approve()
    life.world.sync()
    look_after_tenure(life.context)
    assert [item.judged.since for item in read_tenures(life.context, everybody=True)] == [
        *(date(2021, 6, 15), date(2025, 1, 1))
    ]


# Breaks


def test_a_short_leave_pauses_the_years(life: Life, clerk: StaffNo) -> None:
    """Away for 100 days with the account off: told 100 days later, and the notice says so."""
    change(life, clerk, status="产假", status_from="2026-03-02", status_to="2026-06-09")
    assert on(life, date(2026, 3, 2)) == "held=0 near=0 over=0 announced=0"
    assert spells(life) == [(date(2021, 6, 15), date(2026, 3, 1))]
    on(life, date(2026, 6, 9))
    change(life, clerk, status="在职", status_from="", status_to="")
    life.at(datetime(2026, 6, 10, 4, tzinfo=UTC))
    life.world.sync()
    assert on(life, date(2026, 6, 10)) == "held=1 near=0 over=0 announced=0"
    assert line(life).judged.paused_days == 100
    assert line(life).judged.over_from == FULL + timedelta(days=100)
    on(life, FULL + timedelta(days=100))
    assert "，扣除中断 100 天，" in life.told(NoticeKind.TENURE)[0]["people"][0]


def test_a_leave_of_half_a_year_begins_them_anew(life: Life, clerk: StaffNo) -> None:
    """184 days away: the post begins on the day of the return, though the source names its old start."""
    change(life, clerk, status="病假", status_from="2026-03-02", status_to="2026-09-01")
    on(life, date(2026, 3, 2))
    on(life, date(2026, 9, 1))
    change(life, clerk, status="在职", status_from="", status_to="")
    on(life, date(2026, 9, 2))
    assert line(life).judged.since == date(2026, 9, 2)
    assert line(life).state is TenureState.OK


@pytest.mark.parametrize("how", ["withheld", "frozen"])
def test_what_is_withheld_or_frozen_is_a_break(life: Life, clerk: StaffNo, how: str) -> None:
    """Whoever may not work in the post does not serve in it."""
    person = life.world.person(clerk).id
    if how == "withheld":
        revoked = Withholding(
            person=person, post=KEY_CHANGE, area=COUNTY, actor="a", at=life.context.clock(), reason="试"
        )
        row = withholding_row(sign_withholding(life.context.keyring, revoked))
        put(life, tables.withholding, row)
    else:
        day = date(2026, 3, 2)
        frozen = Hold(person=person, kind=HoldKind.FROZEN, since=day, reason="试", origin="freeze:os")
        put(life, tables.hold, hold_row(frozen))
    assert on(life, date(2026, 3, 3)) == "held=0 near=0 over=0 announced=0"
    assert spells(life) == [(date(2021, 6, 15), date(2026, 3, 2))]


def test_days_on_which_nothing_ran_change_nothing(life: Life, clerk: StaffNo) -> None:
    """The daemon was down for two months, past both days: told once of what is so now."""
    before = spells(life)
    assert on(life, date(2026, 6, 30)) == "held=1 near=0 over=1 announced=1"
    assert spells(life) == before
    assert len(life.told(NoticeKind.TENURE)) == 1


def test_who_comes_back_under_another_number_is_the_same(life: Life, clerk: StaffNo) -> None:
    """A person is known by the document: the years go on."""
    row = life.world.row(clerk)
    life.world.drop(clerk)
    life.world.people.append(replace(row, staff_no="T90000"))
    life.world.issue_and_sync()
    life.world.approve()
    life.world.sync()
    on(life, date(2026, 3, 4))
    assert line(life).staff_no == "T90000"
    assert spells(life) == [(date(2021, 6, 15), None)]


# What gives the post


@pytest.mark.parametrize(("said", "since"), [("2019-01-01", 2019), ("2022-01-01", 2022)])
def test_the_source_corrects_the_start(life: Life, clerk: StaffNo, said: str, since: int) -> None:
    """Earlier or later: the years are as the source says now, and what was told wrongly is told anew."""
    on(life, FULL)
    change(life, clerk, post_start=said)
    on(life, FULL + timedelta(days=1))
    assert line(life).judged.since == date(since, 1, 1)
    assert len(spells(life)) == 1
    assert len(life.told(NoticeKind.TENURE)) == (2 if since == 2019 else 1)


def test_a_start_told_anew_does_not_take_back_what_was_seen(life: Life, clerk: StaffNo) -> None:
    """A clerk whose row begins again each year would never come to five."""
    on(life, date(2026, 9, 1))
    change(life, clerk, post_start="2026-08-30")
    on(life, date(2026, 9, 2))
    assert line(life).judged.since == date(2021, 6, 15)  # a day after the post was seen here moves nothing


def test_an_appointment_told_anew_keeps_the_years_before_it_was_seen(life: Life, clerk: StaffNo) -> None:
    """In the post since June 2021, seen on 2 March, appointed again on 20 March: warned of, and full, on the
    day, as if nothing had been told. No day is taken back, neither what was seen nor what was said before it.
    """
    change(life, clerk, post_start="2026-03-20")
    assert on(life, WARNED - timedelta(days=1)) == "held=1 near=0 over=0 announced=0"
    assert on(life, WARNED) == "held=1 near=1 over=0 announced=1"
    on(life, date(2026, 3, 21))
    assert line(life).judged.since == date(2021, 6, 15)
    assert on(life, FULL) == "held=1 near=0 over=1 announced=1"
    assert spells(life) == [(date(2021, 6, 15), None)]


def test_standing_in_counts(life: Life, clerk: StaffNo) -> None:
    """The source's row goes to another post, an approved application keeps this one: the years go on."""
    stands_in = GrantedBasis(
        person=life.world.person(clerk).id,
        post=KEY_CHANGE,
        area=COUNTY,
        kind=BasisKind.APPLICATION,
        actor="form",
        at=life.context.clock(),
        reason="顶岗",
    )
    put(life, tables.basis, basis_row(sign_basis(life.context.keyring, stands_in)))
    change(life, clerk, post="")
    assert life.world.duties(clerk) == {POST}
    on(life, WARNED)
    assert spells(life) == [(date(2021, 6, 15), None)]
    assert line(life).state is TenureState.WARN


def test_another_basis_alone_counts_from_its_day(life: Life) -> None:
    """Nobody says since when but the form."""
    (who,) = settle(life.world, "")
    granted = GrantedBasis(
        person=life.world.person(who).id,
        post=KEY_CHANGE,
        area=COUNTY,
        kind=BasisKind.APPLICATION,
        actor="form",
        at=datetime(2026, 2, 25, 17, tzinfo=UTC),  # one o'clock of the 26th in China
        reason="顶岗",
    )
    put(life, tables.basis, basis_row(sign_basis(life.context.keyring, granted)))
    on(life, date(2026, 3, 2))
    assert line(life).judged.since == date(2026, 2, 26)


def test_a_county_with_another_code_is_the_same_post(life: Life, clerk: StaffNo) -> None:
    """城关区 is recoded: the years since 2021 go with it, also those that no source says."""
    with life.context.database.transaction() as connection:
        connection.execute(tables.tenure.update().values(since=date(2020, 1, 1), seen=date(2020, 1, 1)))
    world = life.world
    world.add_unit("620199", "新城关区", OrgKind.COUNTY, "6201")
    world.add_unit("620199000", "局机关", OrgKind.BUREAU, "620199")
    world.recode(("改码", "620102", "620199"), ("改码", BUREAU, "620199000"))
    world.issue_and_sync()
    world.approve()
    world.sync()
    on(life, date(2026, 3, 3))
    assert line(life).area == OrgCode("620199")
    assert spells(life) == [(date(2020, 1, 1), None)]


# A store that is not what it was


def test_from_an_old_backup_the_years_are_found_again(life: Life, clerk: StaffNo) -> None:
    """The rows are gone: the source's word makes them anew, and what was told is not told again."""
    on(life, WARNED)
    with life.context.database.transaction() as connection:
        connection.execute(delete(tables.tenure))
    assert on(life, WARNED + timedelta(days=1)) == "held=1 near=1 over=0 announced=0"
    assert line(life).judged.since == date(2021, 6, 15)


def test_a_forged_basis_begins_nothing(life: Life) -> None:
    """Whoever writes to the store without our key makes nobody a holder."""
    (who,) = settle(life.world, "")
    forged = GrantedBasis(
        person=life.world.person(who).id,
        post=KEY_CHANGE,
        area=COUNTY,
        kind=BasisKind.APPLICATION,
        actor="form",
        at=life.context.clock(),
        reason="顶岗",
        signature="00",
    )
    put(life, tables.basis, basis_row(forged))
    assert look_after_tenure(life.context) == "held=0 near=0 over=0 announced=0"


def test_many_at_once_are_one_notice_that_counts_the_rest(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A county's notice names the first, and says how many more there are."""
    monkeypatch.setattr(tenure, "_NAMED", 1)
    settle(life.world, POST, POST, POST, post_start="2020-01-01")
    assert look_after_tenure(life.context) == "held=3 near=0 over=3 announced=3"
    (told,) = life.told(NoticeKind.TENURE)
    assert told["count"] == 3
    assert told["people"][1:] == ["另有 2 人，见 quanheng check"]
