"""Decisions that wait: measured in working days from when they were asked for, told once when late (G19)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from fixtures.gansu import COUNTY, REGION, settle
from fixtures.life import Life, make_life
from fixtures.world import PROVINCE_BUREAU, VILLAGE, World, WorldTemplate, make_template
from quanheng.config import LifecycleSettings
from quanheng.errors import SourceError
from quanheng.lifecycle.lateness import Lateness
from quanheng.model.ids import StaffNo
from quanheng.model.person import ProposalKind, ProposalState
from quanheng.notify.port import NoticeKind
from quanheng.operations.doctor.local import examine_files
from quanheng.operations.doctor.result import Result, State
from quanheng.operations.lifecycle import lateness
from quanheng.operations.lifecycle.lateness import Overdue, look_after_deadlines, read_overdue, read_waiting
from quanheng.operations.noting import note
from quanheng.operations.standing import REJECTED
from quanheng.store import tables

MONDAY = date(2026, 3, 2)
LAST = date(2026, 3, 4)
"""The second working day after it."""


@pytest.fixture(scope="module")
def gansu_template(tmp_path_factory: pytest.TempPathFactory) -> WorldTemplate:
    """The store and keys of 甘肃."""
    return make_template(tmp_path_factory, REGION)


@pytest.fixture
def life(gansu_template: WorldTemplate, tmp_path: Path) -> Life:
    """A province in which everything follows within two working days."""
    return make_life(gansu_template.make(tmp_path / "gansu"))


@pytest.fixture
def clerk(life: Life) -> StaffNo:
    """Somebody at work; it is Monday."""
    (who,) = settle(life.world, "参保登记岗")
    assert look_after_deadlines(life.context) == "waiting=0 late=0 announced=0"
    return who


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 4, tzinfo=UTC)


def on(life: Life, day: date) -> str:
    """Noon of a day, and its work."""
    life.at(noon(day))
    return look_after_deadlines(life.context)


def change(life: Life, who: str, **fields: str) -> None:
    """The next issue says something else of somebody, and is taken in."""
    life.world.change(who, **fields)
    life.world.issue_and_sync()


def retire(life: Life, who: str) -> None:
    """Somebody is retired."""
    change(life, who, status="退休", status_from="2026-03-02")


def only(life: Life) -> Overdue:
    """What waits."""
    (found,) = read_waiting(life.context)
    return found


def test_two_working_days_after_it_was_asked_for_it_is_late(life: Life, clerk: StaffNo) -> None:
    """Asked on Monday: in time through Wednesday, late on Thursday, told once; the account is off."""
    retire(life, clerk)
    assert not life.enabled(clerk)
    assert on(life, MONDAY) == "waiting=1 late=0 announced=0"
    assert on(life, LAST) == "waiting=1 late=0 announced=0"
    assert read_overdue(life.context) == ()
    assert on(life, LAST + timedelta(days=1)) == "waiting=1 late=1 announced=1"
    assert on(life, LAST + timedelta(days=1)) == "waiting=1 late=1 announced=0"
    assert on(life, LAST + timedelta(days=30)) == "waiting=1 late=1 announced=0"
    (told,) = life.told(NoticeKind.OVERDUE)
    found, username = only(life), life.world.person(clerk).username
    assert told["county"] == str(COUNTY)
    assert told["items"] == [
        f"{username}：注销，2026-03-02 提出，应在 2 个工作日内（至 2026-03-04）决定，"
        f"已逾 1 个工作日（事项 {found.key[:12]}）"
    ]


def test_what_is_late_is_read_by_the_review(life: Life, clerk: StaffNo) -> None:
    """With what, whose, which area, and how late."""
    retire(life, clerk)
    life.at(noon(date(2026, 3, 10)))
    (found,) = read_overdue(life.context)
    assert (found.kind, found.what) == (ProposalKind.DEREGISTER, "注销")
    assert (found.staff_no, found.username) == (clerk, life.world.person(clerk).username)
    assert (found.area, found.state) == (COUNTY, Lateness.LATE)
    assert (found.waited.made, found.waited.due) == (MONDAY, LAST)
    assert (found.waited.waiting, found.waited.late, found.waited.within) == (6, 4, 2)


def test_the_day_of_china_counts_on_a_server_in_utc(life: Life, clerk: StaffNo) -> None:
    """Asked at 17:00 on Monday by Greenwich, it was asked on Tuesday; late from Friday 00:00 in China on."""
    life.at(datetime(2026, 3, 2, 17, tzinfo=UTC))
    retire(life, clerk)
    assert only(life).waited.made == date(2026, 3, 3)
    life.at(datetime(2026, 3, 5, 15, 59, tzinfo=UTC))
    assert only(life).state is Lateness.IN_TIME
    life.at(datetime(2026, 3, 5, 16, tzinfo=UTC))
    assert only(life).state is Lateness.LATE


def test_holidays_do_not_count(life: Life) -> None:
    """Asked on the Friday before 春节: a Saturday that was worked, then the Tuesday after."""
    life.at(noon(date(2026, 2, 13)))
    (who,) = settle(life.world, "参保登记岗")
    change(life, who, status="退休", status_from="2026-02-13")
    assert on(life, date(2026, 2, 24)) == "waiting=1 late=0 announced=0"
    assert on(life, date(2026, 2, 25)) == "waiting=1 late=1 announced=1"


def test_the_operators_holidays_count(life: Life, clerk: StaffNo, tmp_path: Path) -> None:
    """A day off of the region's own lengthens the time; a bad file stops it before anything is told."""
    file = tmp_path / "holidays.yaml"
    file.write_text("2026:\n  holidays: [03-03]\n", encoding="utf-8")
    settings = LifecycleSettings(holidays_file=file)
    life.context = life.world.open(settings=life.world.settings.model_copy(update={"lifecycle": settings}))
    retire(life, clerk)
    assert on(life, LAST + timedelta(days=1)) == "waiting=1 late=0 announced=0"
    file.write_text("2026: [03-03]\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"holidays\.yaml: 2026"):
        on(life, LAST + timedelta(days=2))
    assert life.told(NoticeKind.OVERDUE) == []


def test_a_year_without_holidays_is_marked(life: Life) -> None:
    """Nobody knows the days off of 2140: late all the same, and the notice says how it was counted."""
    life.at(noon(date(2140, 3, 1)))
    (who,) = settle(life.world, "参保登记岗")
    change(life, who, status="退休", status_from="2140-03-01")
    on(life, date(2140, 3, 8))
    assert "期限仅按周末推算" in life.told(NoticeKind.OVERDUE)[0]["items"][0]


def test_the_weekend_after_the_last_day_is_late_by_no_working_day(life: Life, clerk: StaffNo) -> None:
    """Asked on Wednesday, due on Friday, told on Saturday."""
    life.at(noon(date(2026, 3, 4)))
    retire(life, clerk)
    on(life, date(2026, 3, 7))
    assert "期限已过" in life.told(NoticeKind.OVERDUE)[0]["items"][0]


def test_an_investigation_is_not_called_by_its_name(life: Life, clerk: StaffNo) -> None:
    """Neither in the list nor in the notice: 暂收岗位 may be for a leave as well."""
    change(life, clerk, status="接受调查", status_from="2026-03-02")
    on(life, date(2026, 3, 10))
    (told,) = life.told(NoticeKind.OVERDUE)
    assert "暂收岗位" in told["items"][0]
    for text in (told["items"][0], str(read_overdue(life.context))):
        assert "调查" not in text
        assert "investigation" not in text.lower()


# What ends it, and what begins it again


def test_what_the_source_takes_back_waits_no_longer(life: Life, clerk: StaffNo) -> None:
    """Said again later, it is asked anew: two days from then on, and late a second time."""
    retire(life, clerk)
    on(life, date(2026, 3, 10))
    change(life, clerk, status="在职", status_from="")
    assert on(life, date(2026, 3, 11)) == "waiting=0 late=0 announced=0"
    life.at(noon(date(2026, 3, 16)))
    retire(life, clerk)
    assert on(life, date(2026, 3, 18)) == "waiting=1 late=0 announced=0"
    assert on(life, date(2026, 3, 19)) == "waiting=1 late=1 announced=1"


def test_what_goes_on_keeps_its_day(life: Life, clerk: StaffNo) -> None:
    """Each reading asks for the same thing; the first counts."""
    retire(life, clerk)
    life.at(noon(date(2026, 3, 4)))
    life.world.issue_and_sync()
    assert only(life).waited.made == MONDAY


def test_what_is_decided_waits_no_longer(life: Life, clerk: StaffNo) -> None:
    """However it was decided."""
    retire(life, clerk)
    key = only(life).key
    with life.context.database.transaction() as connection:
        state = {"state": ProposalState.REJECTED, "decided_by": "somebody"}
        connection.execute(update(tables.proposal).where(tables.proposal.c.key == key).values(**state))
    assert on(life, date(2026, 3, 10)) == "waiting=0 late=0 announced=0"


def test_missing_from_the_roll_is_late_too(life: Life, clerk: StaffNo) -> None:
    """After the grace the question is put, and two working days later it is late."""
    life.world.drop(clerk)
    grace = life.world.pack.info.absence_grace_days
    life.world.issue_and_sync()
    life.at(noon(MONDAY + timedelta(days=grace)))
    life.world.issue_and_sync()
    made = only(life).waited.made
    assert made == MONDAY + timedelta(days=grace)
    assert only(life).waited.within == 2
    assert "late=1" in on(life, made + timedelta(days=7))


def test_whose_number_is_anothers_by_now_is_still_told(life: Life, clerk: StaffNo) -> None:
    """The proposal names a staff number that nobody has any more: the strictest days count."""
    retire(life, clerk)
    with life.context.database.transaction() as connection:
        same = tables.person.c.staff_no == clerk
        connection.execute(update(tables.person).where(same).values(staff_no="T99999"))
    on(life, date(2026, 3, 10))
    (found,) = read_overdue(life.context)
    assert (found.username, found.waited.within) == (None, 2)
    assert f"人员编号 {clerk}：注销" in life.told(NoticeKind.OVERDUE)[0]["items"][0]


def test_what_is_not_signed_is_not_told(life: Life, clerk: StaffNo) -> None:
    """A question that somebody wrote into the store was never put."""
    row: dict[str, Any] = {
        "key": "f" * 64,
        "kind": ProposalKind.DEREGISTER,
        "subject": clerk,
        "summary": "注销",
        "area": COUNTY,
        "origin": "x",
        "proposer": "source:hr",
        "state": ProposalState.OPEN,
        "created_at": noon(MONDAY),
    }
    with life.context.database.transaction() as connection:
        connection.execute(insert(tables.proposal).values(row))
    assert on(life, date(2026, 3, 10)) == "waiting=0 late=0 announced=0"


def test_what_the_ledger_has_as_rejected_is_not_told(life: Life, clerk: StaffNo) -> None:
    """Somebody set it back to open in the store: the answer stands."""
    retire(life, clerk)
    with life.context.database.transaction() as connection:
        note(life.context, connection, REJECTED, {"key": only(life).key})
    assert on(life, date(2026, 3, 10)) == "waiting=0 late=0 announced=0"


def test_promptly_is_listed_and_never_late(world: World) -> None:
    """山西 names no number: what waits is listed with its days, and nobody is told that it is late."""
    life = make_life(world)
    who = world.hire(VILLAGE)
    for _ in range(10):
        world.hire(VILLAGE)
    world.issue_and_sync()
    retire(life, who)
    assert on(life, date(2026, 4, 30)) == "waiting=1 late=0 announced=0"
    (found,) = read_overdue(life.context)
    assert (found.state, found.waited.due, found.waited.waiting) == (Lateness.PROMPTLY, None, 42)


def test_administrators_proposals_are_no_followups(world: World) -> None:
    """A post that waits for a second person follows from no fact that froze anybody."""
    life = make_life(world)
    world.hire(PROVINCE_BUREAU, "审计员")
    world.issue_and_sync()
    assert world.proposals()
    assert on(life, date(2026, 4, 30)) == "waiting=0 late=0 announced=0"


def test_thousands_are_looked_up_in_parts(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many wait, each is judged once, and one notice of a county counts what it does not name."""
    monkeypatch.setattr(lateness, "_AT_A_TIME", 2)
    monkeypatch.setattr(lateness, "_NAMED", 3)
    clerks = settle(life.world, *["参保登记岗"] * 5)
    for who in clerks:
        life.world.change(who, status="退休", status_from="2026-03-02")
    life.world.issue_and_sync()
    assert on(life, date(2026, 3, 10)) == "waiting=5 late=5 announced=5"
    (told,) = life.told(NoticeKind.OVERDUE)
    assert told["count"] == 5
    assert told["items"][3:] == ["另有 2 项，见 quanheng proposals"]
    assert {item.staff_no for item in read_overdue(life.context)} == set(clerks)


# The doctor


def holidays(life: Life, day: date, file: Path | None = None) -> Result:
    """What the doctor says of holidays on a day."""
    life.at(noon(day))
    lifecycle = LifecycleSettings(holidays_file=file)
    settings = life.world.settings.model_copy(update={"lifecycle": lifecycle})
    found = {item.id: item for item in examine_files(life.world.open(settings=settings))}
    return found["holidays"]


@pytest.mark.parametrize(
    ("day", "state"),
    [
        (date(2026, 11, 30), State.OK),
        (date(2149, 3, 1), State.WARN),  # this year is not known
        (date(2150, 11, 30), State.OK),
        (date(2150, 12, 1), State.WARN),  # the next should be by now
    ],
)
def test_the_doctor_warns_of_a_year_without_holidays(
    life: Life, tmp_path: Path, day: date, state: State
) -> None:
    """This year, and from December on the next."""
    file = tmp_path / "holidays.yaml"
    file.write_text("2150: {holidays: [01-01, 05-01, 10-01 to 10-07]}\n", encoding="utf-8")
    found = holidays(life, day, file)
    assert found.state is state
    if state is State.WARN:
        assert str(day.year if day.month == 3 else day.year + 1) in found.message
        assert "holidays_file" in found.remedy


def test_the_doctor_fails_on_a_bad_file(life: Life, tmp_path: Path) -> None:
    """The day's work does not count by half a file, so it is more than a warning."""
    found = holidays(life, MONDAY, tmp_path / "gone.yaml")
    assert found.state is State.FAIL
    assert "gone.yaml" in found.message
    assert found.remedy
