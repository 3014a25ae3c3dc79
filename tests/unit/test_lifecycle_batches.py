"""How many accounts one day locks without a second person."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import pytest

from quanheng.clock import CHINA
from quanheng.config import Limit
from quanheng.lifecycle.batches import Split, split_locks
from quanheng.lifecycle.inactivity import Verdict
from quanheng.model.ids import OrgCode, PersonId
from quanheng.policy.schema_lifecycle import Span

ONE, TWO = OrgCode("140902"), OrgCode("140921")


def split(
    due: Mapping[OrgCode, int],
    population: Mapping[OrgCode, int],
    limit: Limit | None = None,
    already: Mapping[OrgCode, int] | None = None,
) -> Split:
    """Divide so many of each county."""
    verdicts = [
        Verdict(
            person=PersonId(f"{county}{number}"),
            county=county,
            last=None,
            due=datetime(2026, 3, 2, tzinfo=CHINA),
            after=Span(value=3, unit="months"),
            article="S11",
        )
        for county, count in due.items()
        for number in range(count)
    ]
    return split_locks(
        verdicts,
        population,
        accounts=sum(population.values()),
        realm=limit or Limit(count=1000, percent=100),
        county_percent=20,
        already=already or {},
    )


@pytest.mark.parametrize(
    ("count", "asked"), [(0, False), (1, False), (19, False), (20, True), (21, True), (100, True)]
)
def test_a_fifth_of_a_county(count: int, asked: bool) -> None:
    """Twenty of a hundred are asked about, nineteen are not."""
    found = split({ONE: count}, {ONE: 100, TWO: 100})
    assert (len(found.asked), len(found.now)) == ((count, 0) if asked else (0, count))
    if asked:
        (excess,) = found.excess
        assert str(excess) == f"lock:140902: {count} of 100, 19 allowed"


def test_one_account_of_a_small_office() -> None:
    """A single one passes, or nobody could be locked in an office of three; two do not."""
    assert len(split({ONE: 1}, {ONE: 3}).now) == 1
    assert len(split({ONE: 2}, {ONE: 3}).asked) == 2


def test_counties_by_themselves() -> None:
    """Where it is too much is asked about; the other is locked."""
    found = split({ONE: 30, TWO: 5}, {ONE: 100, TWO: 100})
    assert {item.county for item in found.now} == {TWO}
    assert {item.county for item in found.asked} == {ONE}


@pytest.mark.parametrize(
    "limit", [Limit(count=9, percent=100), Limit(count=1000, percent=4)], ids=["count", "percent"]
)
def test_the_whole_realm(limit: Limit) -> None:
    """Beyond either limit of the realm nobody is locked."""
    found = split({ONE: 5, TWO: 5}, {ONE: 100, TWO: 100}, limit)
    assert found.now == ()
    assert [item.name for item in found.excess] == ["lock"]


def test_a_county_of_which_nothing_is_known() -> None:
    """Accounts whose county has no count are all that there are: two of two are asked about."""
    assert len(split({OrgCode(""): 2}, {ONE: 100}).asked) == 2


@pytest.mark.parametrize(("count", "asked"), [(0, False), (9, False), (10, True)])
def test_what_the_day_has_locked_already_counts(count: int, asked: bool) -> None:
    """A county of a hundred of which ten were locked this morning; another county goes on."""
    found = split({ONE: count, TWO: 1}, {ONE: 90, TWO: 100}, already={ONE: 10})
    assert (len(found.asked), len(found.now)) == ((count, 1) if asked else (0, count + 1))


@pytest.mark.parametrize(("count", "asked"), [(0, 0), (2, 0), (3, 3)])
def test_and_in_the_whole_realm(count: int, asked: int) -> None:
    """Five a day, of which three were in the morning."""
    limit = Limit(count=5, percent=100)
    assert len(split({TWO: count}, {ONE: 90, TWO: 100}, limit, already={ONE: 3}).asked) == asked
