"""How late a decision is: working days after the day on which it was asked for, by the status it rests on."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from fixtures.feeds import shanxi
from fixtures.pure import TODAY, claim, person, registry
from quanheng.engine.following import find_followups, propose
from quanheng.lifecycle.lateness import Lateness, days_allowed, measure, strictest
from quanheng.lifecycle.working_days import WorkingDays
from quanheng.model.ids import OrgCode, PersonId
from quanheng.model.person import Claim, Proposal, ProposalKind
from quanheng.model.registry import Registry
from quanheng.policy.pack import Pack, find_pack, load_pack, load_packs
from quanheng.policy.schema import StatusesFile
from quanheng.sources.holidays import read_library

COUNTY = OrgCode("140902")
ONE = person(1)


@pytest.fixture(scope="module")
def calendar() -> WorkingDays:
    """Days as the library knows them."""
    return WorkingDays.of(read_library())


@pytest.mark.parametrize(
    ("made", "today", "state", "late"),
    [
        (date(2026, 3, 2), date(2026, 3, 2), Lateness.IN_TIME, 0),
        (date(2026, 3, 2), date(2026, 3, 4), Lateness.IN_TIME, 0),  # Wednesday, the second day after Monday
        (date(2026, 3, 2), date(2026, 3, 5), Lateness.LATE, 1),
        (date(2026, 3, 4), date(2026, 3, 6), Lateness.IN_TIME, 0),
        (date(2026, 3, 4), date(2026, 3, 7), Lateness.LATE, 0),  # the Saturday after the last day in time
        (date(2026, 3, 4), date(2026, 3, 9), Lateness.LATE, 1),
        (date(2026, 3, 5), date(2026, 3, 9), Lateness.IN_TIME, 0),  # over a weekend
        (date(2026, 2, 13), date(2026, 2, 24), Lateness.IN_TIME, 0),  # over 春节, Saturday the 14th worked
        (date(2026, 2, 13), date(2026, 2, 25), Lateness.LATE, 1),
    ],
)
def test_two_working_days(calendar: WorkingDays, made: date, today: date, state: Lateness, late: int) -> None:
    """The day itself does not count, the last day is in time, and what is off is off."""
    found = measure(made, 2, calendar, today)
    assert (found.state, found.late) == (state, late)


def test_promptly_is_never_late(calendar: WorkingDays) -> None:
    """Where no number is named, what waits is only counted."""
    found = measure(date(2026, 3, 2), None, calendar, date(2026, 3, 31))
    assert (found.state, found.due, found.late, found.waiting) == (Lateness.PROMPTLY, None, 0, 21)


def test_a_year_that_nobody_knows_is_marked(calendar: WorkingDays) -> None:
    """Also when only the last day in time lies in it."""
    last = max(calendar.years)
    assert not measure(date(last, 3, 2), 2, calendar, date(last, 3, 9)).provisional
    assert measure(date(last, 12, 30), 2, calendar, date(last, 12, 30)).provisional
    assert measure(date(last, 12, 30), None, calendar, date(last + 1, 1, 3)).provisional


def varied(**within: int | None) -> Pack:
    """山西 with days for statuses by id."""
    pack = shanxi()
    statuses = [
        item.model_copy(update={"within_working_days": within[item.id]}) if item.id in within else item
        for item in pack.statuses.statuses
    ]
    return replace(pack, statuses=StatusesFile(statuses=tuple(statuses)))


def asked(pack: Pack, *claims: Claim, **fields: Any) -> tuple[Registry, Proposal]:
    """What somebody's rows ask for first, in a registry that has it."""
    first, *_ = find_followups(ONE, claims, (), {}, pack, today=TODAY)
    proposal = propose(first, ONE, COUNTY)
    return registry([ONE], claims, proposals={proposal.key: proposal}, **fields), proposal


def test_each_status_has_its_own_days() -> None:
    """Retired people in three days, those who were transferred in five, and resigned ones promptly."""
    pack = varied(retired=3, transferred=5, resigned=None)
    for status, days in (("retired", 3), ("transferred", 5), ("resigned", None)):
        known, proposal = asked(pack, claim(ONE, status=status, status_from=date(2026, 2, 1)))
        assert days_allowed(known, pack, proposal, ONE.id, TODAY) == days


def test_an_absence_has_the_days_of_its_status() -> None:
    """Withholding is counted apart from 注销."""
    pack = varied(retired=1, sick_leave=4)
    known, proposal = asked(pack, claim(ONE, status="sick_leave", status_from=date(2026, 2, 1)))
    assert proposal.kind is ProposalKind.WITHHOLD
    assert days_allowed(known, pack, proposal, ONE.id, TODAY) == 4


def test_missing_from_the_roll_has_the_fewest() -> None:
    """Why somebody is missing nobody knows: the strictest status that asks for 注销 counts."""
    pack = varied(retired=3, transferred=2, resigned=None)
    known, proposal = asked(pack)
    assert days_allowed(known, pack, proposal, ONE.id, TODAY) == 2


@pytest.mark.parametrize("who", [None, PersonId("nobody"), ONE.id])
def test_what_nobody_says_any_more_has_the_fewest(who: PersonId | None) -> None:
    """The fact is gone, or whom it is about: the next sync withdraws it; until then it is not forgotten."""
    pack = varied(retired=3, transferred=2)
    _, proposal = asked(pack, claim(ONE, status="retired", status_from=date(2026, 2, 1)))
    back = registry([ONE], [claim(ONE)], proposals={proposal.key: proposal})
    assert days_allowed(back, pack, proposal, who, TODAY) == 2


def test_of_two_sources_the_one_that_was_asked_about_counts() -> None:
    """Another source says later that the person was transferred: the question that waits keeps its days."""
    pack = varied(retired=3, transferred=5)
    retired = claim(ONE, status="retired", status_from=date(2026, 2, 1))
    known, proposal = asked(pack, retired)
    other = claim(ONE, source="ldap", status="transferred", status_from=date(2026, 1, 1))
    both = registry([ONE], [other, retired], proposals=known.proposals)
    assert days_allowed(both, pack, proposal, ONE.id, TODAY) == 3


@pytest.mark.parametrize(
    ("packs", "days"),
    [(("gansu",), 2), (("shanxi",), None), (("enshi",), None), (("shanxi", "jincheng"), None)],
)
def test_shipped_packs(packs: tuple[str, ...], days: int | None) -> None:
    """G19 names two working days; the others say promptly. What is no follow-up has no days."""
    pack = load_packs(packs)
    assert strictest(pack, ProposalKind.DEREGISTER) == strictest(pack, ProposalKind.WITHHOLD) == days
    assert strictest(pack, ProposalKind.WAIVER) is None


def test_gansu_gives_every_status_the_same() -> None:
    """So whichever status somebody left in, the number is that of G19."""
    pack = load_pack(find_pack("gansu"))
    asked = [item for item in pack.statuses.statuses if item.proposes is not None]
    assert {item.within_working_days for item in asked} == {2}
    assert {item.article for item in asked} == {"G19"}
