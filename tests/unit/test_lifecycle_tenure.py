"""Time in a high-risk post: what begins, goes on and ends it, and when its years are near and full."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quanheng.lifecycle.tenure import Held, Judged, Spell, TenureState, advance, judge, rename_areas
from quanheng.model.ids import OrgCode, PersonId, PostId
from quanheng.policy.schema_lifecycle import Tenure

TODAY = date(2026, 3, 2)
DAY = timedelta(days=1)
RULE = Tenure(warn_months=3, break_days=183, article="G13")
SEAT: dict[str, Any] = {
    "person": PersonId("p1"),
    "post": PostId("key_change_clerk"),
    "area": OrgCode("620102"),
}


def spell(since: date, until: date | None = None, seen: date | None = None, **seat: Any) -> Spell:
    return Spell(**(SEAT | seat), since=since, until=until, seen=seen or since)


def held(since: date | None = None, *, said: bool = True, **seat: Any) -> Held:
    return Held(**(SEAT | seat), since=since, said=said)


def judged(*spells: Spell, today: date = TODAY, rule: Tenure = RULE) -> Judged:
    found = judge(spells, 5, rule, today)
    assert found is not None
    return found


def span(first: date, last: date | None = None) -> tuple[date, date | None]:
    return (first, last)


def spans(spells: tuple[Spell, ...]) -> list[tuple[date, date | None]]:
    return [(item.since, item.until) for item in spells]


# What begins, goes on, ends


@pytest.mark.parametrize(
    ("since", "said", "first"),
    [
        (date(2021, 5, 1), True, date(2021, 5, 1)),  # the source's post_start lies years back
        (date(2026, 2, 27), False, date(2026, 2, 27)),  # the day of a grant
        (None, True, TODAY),  # nobody says
        (None, False, TODAY),
        (date(2026, 4, 1), True, TODAY),  # held before the source says that it begins
    ],
)
def test_what_is_held_begins(since: date | None, said: bool, first: date) -> None:
    """On the day that what gives it says, on this one when nothing does, and never later than now."""
    assert advance([], [held(since, said=said)], TODAY) == (spell(first, seen=TODAY),)


def test_what_is_held_goes_on() -> None:
    """The next day, and after days on which nobody looked, there is the same spell."""
    first = advance([], [held(date(2021, 5, 1))], TODAY)
    assert advance(first, [held(date(2021, 5, 1))], TODAY + DAY) == first
    assert advance(first, [held(date(2021, 5, 1))], TODAY + timedelta(days=400)) == first


def test_what_is_gone_ended_yesterday() -> None:
    """A leave, a revoke, a hold: the post counts up to the day before it was seen gone, and stays written."""
    before = [spell(date(2021, 5, 1), seen=date(2025, 1, 1))]
    ended = advance(before, [], TODAY)
    assert spans(ended) == [(date(2021, 5, 1), TODAY - DAY)]
    assert advance(ended, [], TODAY + timedelta(days=30)) == ended


def test_given_and_taken_on_one_day_is_nothing() -> None:
    """No day was served."""
    assert advance([spell(TODAY)], [], TODAY) == ()


def test_gone_and_back_on_one_day_is_no_break() -> None:
    """Twice on a day is the same as once: the spell that ended yesterday goes on."""
    before = (spell(date(2021, 5, 1), seen=date(2025, 1, 1)),)
    assert advance(advance(before, [], TODAY), [held(date(2021, 5, 1))], TODAY) == before


@pytest.mark.parametrize("said", [True, False])
def test_who_comes_back_begins_another_spell(said: bool) -> None:
    """What gives the post was there before the break, so it does not say when that ended; today does."""
    ended = [spell(date(2021, 5, 1), date(2026, 1, 31), seen=date(2025, 1, 1))]
    after = advance(ended, [held(date(2021, 5, 1), said=said)], TODAY)
    assert spans(after) == [span(date(2021, 5, 1), date(2026, 1, 31)), span(TODAY)]


def test_who_comes_back_on_another_basis_begins_with_it() -> None:
    """Granted on Friday, seen on Monday: it began on Friday."""
    ended = [spell(date(2021, 5, 1), date(2026, 1, 31))]
    after = advance(ended, [held(date(2026, 2, 27), said=False)], TODAY)
    assert spans(after)[1:] == [span(date(2026, 2, 27))]


def test_another_basis_is_the_same_post() -> None:
    """The source's post ends and an application's begins on the same day: standing in counts."""
    before = (spell(date(2021, 5, 1), seen=date(2025, 1, 1)),)
    assert advance(before, [held(TODAY, said=False)], TODAY) == before


def test_people_posts_and_areas_are_each_their_own() -> None:
    """Another post, another county, another person: three more seats, none of which breaks another."""
    others = [
        held(post=PostId("back_pay_clerk")),
        held(area=OrgCode("620302")),
        held(person=PersonId("p2")),
    ]
    after = advance([spell(date(2021, 5, 1))], others, TODAY)
    assert sorted(item.until is None for item in after) == [False, True, True, True]


# A source that corrects itself


@pytest.mark.parametrize(
    ("said", "first"),
    [
        (date(2019, 1, 1), date(2019, 1, 1)),  # earlier
        (date(2022, 1, 1), date(2022, 1, 1)),  # later
        (date(2025, 1, 1), date(2025, 1, 1)),  # the day on which it was seen held
        (date(2025, 1, 2), date(2021, 5, 1)),  # later than that: an appointment told anew is no start
    ],
)
def test_a_source_corrects_the_start(said: date, first: date) -> None:
    """Before it was seen here the source's word alone counts; a day after that takes nothing back."""
    before = [spell(date(2021, 5, 1), seen=date(2025, 1, 1))]
    assert spans(advance(before, [held(said)], TODAY)) == [span(first)]


def test_a_start_told_anew_each_year_takes_nothing_back() -> None:
    """Appointed again each January: the fifth year is full on the day that the first appointment says."""
    spells = advance([], [held(date(2021, 5, 1))], date(2022, 3, 1))
    for year in range(2023, 2027):
        spells = advance(spells, [held(date(year, 1, 1))], date(year, 1, 15))
    assert spans(spells) == [span(date(2021, 5, 1))]
    assert judged(*spells, today=date(2026, 4, 30)).state is TenureState.WARN
    assert judged(*spells, today=date(2026, 5, 1)).state is TenureState.OVER


def test_a_start_to_come_takes_nothing_back() -> None:
    """An appointment that begins next month is said of a post that is held today."""
    before = [spell(date(2021, 5, 1), seen=date(2025, 1, 1))]
    assert spans(advance(before, [held(TODAY + timedelta(days=30))], TODAY)) == [span(date(2021, 5, 1))]


def test_a_start_told_anew_after_a_short_break_takes_nothing_back() -> None:
    """The row after a leave of two months begins with the return; the years before it are still there."""
    before = [spell(date(2021, 5, 1), date(2025, 12, 31), seen=date(2025, 1, 1)), spell(TODAY)]
    after = advance(before, [held(date(2026, 2, 25))], TODAY)
    assert spans(after) == [span(date(2021, 5, 1), date(2025, 12, 31)), span(date(2026, 2, 25))]


@pytest.mark.parametrize("said", [date(2019, 1, 1), date(2022, 1, 1)])
def test_a_correction_after_a_break_is_about_the_spell_before_it(said: date) -> None:
    """The day lies before the break: the return is where it was."""
    before = [spell(date(2021, 5, 1), date(2025, 12, 31), seen=date(2025, 1, 1)), spell(TODAY)]
    after = advance(before, [held(said)], TODAY)
    assert spans(after) == [span(said, date(2025, 12, 31)), span(TODAY)]


def test_no_basis_but_a_source_corrects() -> None:
    """A grant in the console says when it was given, not when the post began."""
    before = (spell(date(2021, 5, 1), seen=date(2025, 1, 1)),)
    assert advance(before, [held(date(2019, 1, 1), said=False)], TODAY) == before


# How near the years are


@pytest.mark.parametrize(
    ("since", "today", "state"),
    [
        (date(2021, 3, 2), date(2025, 12, 1), TenureState.OK),
        (date(2021, 3, 2), date(2025, 12, 2), TenureState.WARN),  # 4 years 9 months
        (date(2021, 3, 2), date(2026, 3, 1), TenureState.WARN),  # the last day of the fifth year
        (date(2021, 3, 2), date(2026, 3, 2), TenureState.OVER),
        (date(2021, 3, 2), date(2036, 3, 2), TenureState.OVER),
        # 31 August: 31 May is there, and 31 August again.
        (date(2020, 8, 31), date(2025, 5, 30), TenureState.OK),
        (date(2020, 8, 31), date(2025, 5, 31), TenureState.WARN),
        (date(2020, 8, 31), date(2025, 8, 30), TenureState.WARN),
        (date(2020, 8, 31), date(2025, 8, 31), TenureState.OVER),
        # 31 May: 28 February takes the place of the 31st.
        (date(2020, 5, 31), date(2025, 2, 27), TenureState.OK),
        (date(2020, 5, 31), date(2025, 2, 28), TenureState.WARN),
        # 29 February: 28 February takes its place five years later.
        (date(2020, 2, 29), date(2024, 11, 28), TenureState.OK),
        (date(2020, 2, 29), date(2024, 11, 29), TenureState.WARN),
        (date(2020, 2, 29), date(2025, 2, 27), TenureState.WARN),
        (date(2020, 2, 29), date(2025, 2, 28), TenureState.OVER),
    ],
)
def test_years_and_months_are_those_of_the_calendar(since: date, today: date, state: TenureState) -> None:
    """Warned of from four years and nine months on, reported from five years on, to the day."""
    assert judged(spell(since), today=today).state is state


def test_a_short_break_is_not_counted() -> None:
    """183 days away: the years are full 183 days later, and not before."""
    away = spell(date(2021, 1, 1), date(2023, 5, 31))
    back = spell(date(2023, 5, 31) + timedelta(days=184))
    found = judged(away, back)
    assert (found.since, found.paused_days) == (date(2021, 1, 1), 183)
    assert found.over_from == date(2026, 7, 3)  # five years from 3 July 2021
    assert found.warn_from == date(2026, 4, 3)


def test_a_long_break_begins_the_years_anew() -> None:
    """One day more, and only what came after it counts."""
    away = spell(date(2021, 1, 1), date(2023, 5, 31))
    back = spell(date(2023, 5, 31) + timedelta(days=185))
    found = judged(away, back)
    assert (found.since, found.paused_days) == (back.since, 0)


def test_several_breaks_add_up_to_the_last_long_one() -> None:
    """Each is short by itself; before a long one nothing counts."""
    found = judged(
        spell(date(2015, 1, 1), date(2017, 12, 31)),
        spell(date(2019, 1, 1), date(2020, 12, 31)),
        spell(date(2021, 1, 11), date(2021, 12, 31)),
        spell(date(2022, 1, 21)),
    )
    assert (found.since, found.paused_days) == (date(2019, 1, 1), 10 + 20)
    assert found.state is TenureState.OVER


def test_without_short_breaks_each_one_counts() -> None:
    """A pack may say that any break begins the years anew."""
    rule = Tenure(break_days=0, article="G13")
    found = judged(spell(date(2020, 1, 1), date(2025, 12, 31)), spell(date(2026, 1, 2)), rule=rule)
    assert found.since == date(2026, 1, 2)


@pytest.mark.parametrize(
    "spells",
    [[], [spell(date(2015, 1, 1), date(2026, 2, 28))], [spell(TODAY + DAY)]],
    ids=["none", "ended", "not begun"],
)
def test_what_is_not_held_is_not_judged(spells: list[Spell]) -> None:
    """Whoever left the post is near nothing."""
    assert judge(spells, 5, RULE, TODAY) is None


def test_a_warning_longer_than_the_years_comes_at_once() -> None:
    """Not before the post began."""
    rule = Tenure(warn_months=24, article="G13")
    found = judge([spell(TODAY)], 1, rule, TODAY)
    assert found is not None
    assert (found.warn_from, found.state) == (TODAY, TenureState.WARN)


# Counties that get another code


def test_a_county_with_another_code_is_the_same_post() -> None:
    """The spells go with it."""
    moved = rename_areas([spell(date(2021, 5, 1))], lambda _: OrgCode("620199"))
    assert moved == (spell(date(2021, 5, 1), area=OrgCode("620199")),)


def test_counties_that_become_one_make_one_post_of_two() -> None:
    """Whoever held it in both held it once: times that overlap are one, others stay apart."""
    one, other = (
        [spell(date(2019, 1, 1), date(2019, 6, 30)), spell(date(2021, 1, 1), date(2023, 1, 1))],
        [
            spell(date(2022, 1, 1), None, seen=date(2022, 2, 1), area=OrgCode("620199")),
            spell(date(2019, 2, 1), date(2019, 3, 1), area=OrgCode("620199")),
        ],
    )
    moved = rename_areas([*one, *other], lambda _: OrgCode("620199"))
    assert spans(moved) == [span(date(2019, 1, 1), date(2019, 6, 30)), span(date(2021, 1, 1))]
    assert [item.seen for item in moved] == [date(2019, 1, 1), date(2021, 1, 1)]


# Any life


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 200), st.integers(0, 900)), max_size=25))
def test_any_life_is_a_row_of_days(life: list[tuple[bool, int, int]]) -> None:
    """Whatever comes and goes: spells are in order and apart, at most the last goes on, none begins after it
    was seen, and the same day twice changes nothing."""
    spells: tuple[Spell, ...] = ()
    day = TODAY
    for there, later, back in life:
        day += timedelta(days=later)
        now = [held(day - timedelta(days=back))] if there else []
        spells = advance(spells, now, day)
        assert advance(spells, now, day) == spells
        assert (judge(spells, 5, RULE, day) is not None) is there
        assert all(item.since <= item.seen <= day for item in spells)
        assert all(item.until is None or item.since <= item.until for item in spells)
        for earlier, following in pairwise(spells):
            assert earlier.until is not None
            assert earlier.until < following.since
