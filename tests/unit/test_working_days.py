"""Working days: which they are, in which years that is known, and what an operator's file may say."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from quanheng.config import LifecycleSettings
from quanheng.errors import SourceError
from quanheng.lifecycle.working_days import DaysKnown, WorkingDays
from quanheng.operations.context import Context
from quanheng.operations.lifecycle.calendar import working_days
from quanheng.sources.holidays import read_holidays, read_library

NOTICE = """\
2027:
  holidays:
    - 2026-12-31 to 2027-01-03
    - 05-01至05-05
    - 10-01 ~ 10-07
    - 2027-09-15
  workdays:
    - 10-09
"""


@pytest.fixture(scope="module")
def library() -> WorkingDays:
    """The days that the installed library knows."""
    return WorkingDays.of(read_library())


def write(folder: Path, text: str) -> Path:
    file = folder / "holidays.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_without_knowledge_weekends_are_off() -> None:
    """Monday to Friday, and it says that nothing more is known."""
    days = WorkingDays()
    assert [days.is_working(date(2027, 3, day)) for day in range(1, 8)] == [True] * 5 + [False] * 2
    assert days.is_provisional(2027)


@pytest.mark.parametrize(
    ("day", "works"),
    [
        (date(2026, 2, 13), True),
        (date(2026, 2, 14), True),  # Saturday, 调休上班
        (date(2026, 2, 15), False),
        (date(2026, 2, 23), False),  # Monday, 春节
        (date(2026, 2, 24), True),
        (date(2026, 2, 28), True),  # Saturday, 调休上班
        (date(2026, 3, 1), False),  # Sunday
    ],
)
def test_spring_festival(library: WorkingDays, day: date, works: bool) -> None:
    """Days off in the week, and weekends on which people work."""
    assert library.is_working(day) is works


def test_the_library_says_which_years_it_knows(library: WorkingDays) -> None:
    """By its data: the years that it lists, and no other."""
    known = {day.year for day in read_library().off}
    assert library.years == known
    assert 2026 in known
    assert library.is_provisional(max(known) + 1)
    assert library.is_provisional(min(known) - 1)


def test_a_year_nobody_told_of_has_weekends_only(library: WorkingDays) -> None:
    """元旦 of a year that the library does not know counts as any other day, marked provisional."""
    year = max(library.years) + 1
    assert library.is_working(date(year, 10, 1)) == (date(year, 10, 1).weekday() < 5)
    assert library.is_provisional_between(date(year - 1, 12, 31), date(year, 1, 4))
    assert not library.is_provisional_between(date(year - 1, 12, 1), date(year - 1, 12, 31))


@pytest.mark.parametrize(
    ("day", "count", "later"),
    [
        (date(2026, 3, 2), 1, date(2026, 3, 3)),
        (date(2026, 3, 2), 2, date(2026, 3, 4)),
        (date(2026, 3, 5), 2, date(2026, 3, 9)),  # over a weekend
        (date(2026, 3, 7), 2, date(2026, 3, 10)),  # from a Saturday
        (date(2026, 2, 13), 1, date(2026, 2, 14)),  # a Saturday on which people work
        (date(2026, 2, 14), 2, date(2026, 2, 25)),  # over 春节
        (date(2026, 9, 30), 2, date(2026, 10, 9)),  # over 国庆节
    ],
)
def test_the_nth_working_day_after_a_day(library: WorkingDays, day: date, count: int, later: date) -> None:
    """Weekends and days off do not count, the day itself does not either."""
    assert library.add(day, count) == later
    assert library.count(day, later) == count


@pytest.mark.parametrize("count", [0, -1])
def test_there_is_no_working_day_before_the_first(library: WorkingDays, count: int) -> None:
    """No number of days less than one, which would never come."""
    with pytest.raises(ValueError, match="first working day"):
        library.add(date(2026, 3, 2), count)


def test_counting_begins_after_the_first_day_and_has_the_last(library: WorkingDays) -> None:
    """(after, until]; nothing from a day to itself or to an earlier one."""
    monday = date(2026, 3, 2)
    assert [library.count(monday, monday + timedelta(days=n)) for n in range(-1, 8)] == [
        *(0, 0, 1, 2, 3, 4, 4, 4, 5)
    ]


def test_the_file_wins_and_leaves_the_other_days(tmp_path: Path) -> None:
    """A region's own day off is off; the country's days are as they were."""
    file = write(tmp_path, "2026:\n  holidays: [08-19]\n  workdays: [2026-05-05]\n")
    days = WorkingDays.of(read_library(), read_holidays(file))
    assert not days.is_working(date(2026, 8, 19))
    assert days.is_working(date(2026, 5, 5))  # off by the library, a Tuesday
    assert not days.is_working(date(2026, 5, 4))
    back = WorkingDays.of(
        DaysKnown(work=frozenset({date(2026, 2, 14)})), DaysKnown(off=frozenset({date(2026, 2, 14)}))
    )
    assert not back.is_working(date(2026, 2, 14))


def test_a_notice_written_down_makes_the_year_known(tmp_path: Path) -> None:
    """Days by month and day or whole, ranges in three ways, the last days of the year before among them."""
    assert WorkingDays().is_provisional(2027)
    days = WorkingDays.of(read_holidays(write(tmp_path, NOTICE)))
    assert not days.is_provisional(2027)
    off = [date(2026, 12, 31), date(2027, 1, 1), date(2027, 5, 5), date(2027, 10, 7), date(2027, 9, 15)]
    assert not any(days.is_working(day) for day in off)
    assert days.is_working(date(2027, 10, 9))
    assert days.is_working(date(2026, 12, 30))


@pytest.mark.parametrize("page", ["holidays.md", "holidays.zh-CN.md"])
def test_the_documents_example_is_a_whole_year(tmp_path: Path, page: str) -> None:
    """Engineers copy it."""
    text = (Path(__file__).parents[2] / "docs/howto" / page).read_text(encoding="utf-8")
    example = text.split("```yaml\n")[1].split("```")[0]
    days = WorkingDays.of(read_holidays(write(tmp_path, example)))
    assert days.years == {2027}
    assert days.work == {date(2027, 2, 13), date(2027, 10, 9)}
    assert not days.is_working(date(2026, 12, 31))


def test_another_years_last_days_do_not_make_it_known(tmp_path: Path) -> None:
    """A notice of 2028 speaks of a day in December 2027, of which nothing else is known."""
    text = NOTICE.replace("2027", "2028").replace("2026", "2027").replace("    - 10-09\n", "    - 10-14\n")
    days = WorkingDays.of(read_holidays(write(tmp_path, text)))
    assert (days.is_provisional(2027), days.is_provisional(2028)) == (True, False)


def test_no_file_and_an_empty_one_say_nothing(tmp_path: Path) -> None:
    """The library's word alone counts then."""
    assert read_holidays(None) == read_holidays(write(tmp_path, "# 2027: not yet\n")) == DaysKnown()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("2027: [", "line 1"),
        ("- 10-01", "a list where years should be"),
        ("'2027':\n  holidays: []\n", "a text where a year should be"),
        ("true:\n  holidays: []\n", "yes or no where a year should be"),
        ("20270:\n  holidays: []\n", "a number where a year should be"),
        ("2027: {off: []}", "2027: has to be"),
        ("2027: {holidays: [], extra: 1}", "2027: has to be"),
        ("2027: {workdays: []}", "2027: has to be"),
        ("2027: 10-01", "2027: has to be"),
        ("2027: {holidays: 10-01}", "2027: holidays: a text where a list"),
        ("2027: {holidays: }", "2027: holidays: nothing where a list"),
        ("2027: {holidays: [1001]}", "holidays: entry 1: a number where a day"),
        ("2027: {holidays: [10-01, 秋分]}", "holidays: entry 2: not a day"),
        ("2027: {holidays: [02-29]}", "holidays: entry 1: not a day"),
        ("2027: {holidays: [2027-13-45]}", "holidays: entry 1: not a day"),
        ("2027: {holidays: [10-07 to 10-01]}", "entry 1: ends before it begins"),
        ("2027: {holidays: [10-01 to 10-03 to 10-07]}", "entry 1: more than two days"),
        ("2027: {holidays: [10-01 to 10-17]}", "17 days in a row"),
        ("2027: {holidays: [2028-01-01]}", "2028-01-01 is neither in 2027"),
        ("2027: {holidays: [2026-11-30]}", "2026-11-30 is neither in 2027"),
        ("2026: {holidays: [05-01], workdays: [05-01]}", "2026-05-01 is under holidays and under workdays"),
        ("2026: {holidays: [], workdays: [2026-03-02]}", "2026-03-02 is no weekend"),
        ("2150: {holidays: [01-01]}", "05-01, 10-01 missing"),
        ("2150: {holidays: [08-19]}", "01-01, 05-01, 10-01 missing"),
        (NOTICE + NOTICE, "a key is there twice"),
        ("2027: !!python/object/apply:os.system [true]", "not YAML"),
    ],
)
def test_a_wrong_entry_refuses_the_file(tmp_path: Path, text: str, named: str) -> None:
    """File, key, kind of value and what to do; never half a year in silence."""
    with pytest.raises(SourceError) as caught:
        read_holidays(write(tmp_path, text))
    assert "holidays.yaml: " in str(caught.value)
    assert named in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize("content", [b"2027: \xff", b"2027: " + b"[" * 100_000])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    """Not UTF-8, or nested beyond reading."""
    file = tmp_path / "holidays.yaml"
    file.write_bytes(content)
    with pytest.raises(SourceError, match=r"holidays\.yaml: cannot be read"):
        read_holidays(file)


def test_a_file_that_is_not_there_or_is_huge_is_named(tmp_path: Path) -> None:
    """Somebody asked for it, so nothing is counted without it."""
    with pytest.raises(SourceError, match=r"gone\.yaml: cannot be read"):
        read_holidays(tmp_path / "gone.yaml")
    with pytest.raises(SourceError, match="larger than"):
        read_holidays(write(tmp_path, "#" * 1_000_001))


def test_the_settings_name_the_file(tmp_path: Path) -> None:
    """What an operation counts by is the library's and the file's."""
    for file, works in ((None, True), (write(tmp_path, NOTICE), False)):
        settings = SimpleNamespace(lifecycle=LifecycleSettings(holidays_file=file))
        context = cast(Context, cast(Any, SimpleNamespace(settings=settings)))
        assert working_days(context).is_working(date(2027, 10, 7)) is works
