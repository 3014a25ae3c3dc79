"""The generator of synthetic people keeps its promises: tests and the demo compare against them."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest
from stdnum.cn import ric

from fixtures.divisions import read_divisions, read_units
from fixtures.faults import FAULTS
from fixtures.people import Population, generate, generate_many
from quanheng.model.person import HoldKind
from quanheng.model.staff import OrgKind, Reason
from quanheng.policy.pack import Pack, find_pack, load_pack


@pytest.fixture(scope="module")
def xinzhou() -> Population:
    return generate("1409")


@pytest.fixture(scope="module")
def pack() -> Pack:
    return load_pack(find_pack("shanxi"))


def test_divisions_are_the_real_ones() -> None:
    """忻州 has 1 city, 15 counties, 173 townships and 2,878 villages; 山西 has 23,380 units."""
    kinds = Counter(unit.kind for unit in read_units("1409"))
    assert kinds == {
        OrgKind.CITY: 1,
        OrgKind.COUNTY: 15,
        OrgKind.TOWNSHIP: 173,
        OrgKind.VILLAGE: 2878,
        OrgKind.BUREAU: 17,
        OrgKind.BANK_BRANCH: 10,
    }
    made_up = (OrgKind.BUREAU, OrgKind.BANK_BRANCH)
    assert sum(unit.kind not in made_up for unit in read_divisions("14")) == 23_380


@pytest.mark.parametrize("scope", ["14", "1409", "140902"])
def test_every_parent_is_there_or_is_the_root(scope: str) -> None:
    """Whatever the scope, a unit's parent is among the units or is the province."""
    units = read_units(scope)
    codes = {unit.code for unit in units}
    assert {unit.parent for unit in units if unit.parent not in codes} <= {"14", None}
    assert len(codes) == len(units)


def test_same_scope_and_seed_make_the_same_people() -> None:
    """The generator is deterministic, and another seed makes other people."""
    assert generate("140902") == generate("140902")
    assert generate("140902") != generate("140902", seed=2)


def test_only_absences_depend_on_the_day() -> None:
    """The same people on another day: nothing but the dates of their status moves."""
    spring, autumn = generate("140902"), generate("140902", today=date(2026, 11, 21))
    for before, after in zip(spring.people, autumn.people, strict=True):
        assert (before.staff_no, before.name, before.document_number, before.post_start) == (
            after.staff_no,
            after.name,
            after.document_number,
            after.post_start,
        )
    assert spring.held == autumn.held


def test_a_wider_scope_holds_the_same_people(xinzhou: Population) -> None:
    """SCOPE=14 gives the very same rows for 忻州 as SCOPE=1409, and that for 忻府区 as SCOPE=140902."""
    province = set(generate("14").people)
    assert set(xinzhou.people) <= province
    assert set(generate("140902").people) <= set(xinzhou.people)


def test_every_resident_number_is_valid_and_none_was_ever_issued(xinzhou: Population) -> None:
    """stdnum accepts each; each has the code of the whole province, where a county's must stand."""
    numbers = {row.canonical_number for row in xinzhou.people if row.document_kind.endswith("身份证")}
    assert [number for number in numbers if not ric.is_valid(number)] == []
    assert {number[:6] for number in numbers} == {"140000"}


def test_nobody_shares_a_number_or_phone() -> None:
    """Over all of 山西, one number and one phone is one staff number, and the reverse."""
    people = generate("14").people
    persons = {row.staff_no for row in people}
    assert len({row.canonical_number for row in people}) == len(persons)
    assert len({(row.staff_no, row.canonical_number) for row in people}) == len(persons)
    assert all(row.phone[:3] in ("154", "１５４", "") for row in people)


def test_every_service_point_has_an_operator_who_is_enabled(xinzhou: Population) -> None:
    """Wrong rows and absent people come beside the one operator that each service point keeps."""
    points = {
        unit.code
        for unit in xinzhou.units
        if unit.kind in (OrgKind.TOWNSHIP, OrgKind.VILLAGE, OrgKind.BANK_BRANCH)
    }
    served = {
        row.org for row in xinzhou.good if row.post_id == "operator" and row.staff_no in xinzhou.enabled
    }
    assert served == points


def test_each_bureau_has_its_staff(xinzhou: Population) -> None:
    """Counties and the province have one administrator of each kind, the city has none (S3); one audits."""
    admins = Counter((row.org, row.post_id) for row in xinzhou.rows("ldap") if row.post_id.endswith("_admin"))
    bureaus = {unit.code for unit in xinzhou.units if unit.kind is OrgKind.BUREAU}
    expected = {
        (org, kind): 1 for org in bureaus - {"140900000"} for kind in ("system_admin", "business_admin")
    }
    assert admins == expected
    assert [row.org for row in xinzhou.people if row.post_id == "auditor"] == ["140000000"]
    reviewers = Counter(row.org for row in xinzhou.rows("ldap") if row.post_id == "reviewer")
    assert reviewers == dict.fromkeys(bureaus, 2)


def test_about_two_percent_of_the_feed_is_wrong_in_every_way(xinzhou: Population) -> None:
    """Between 1.5% and 2.5% of the rows have a fault, and 忻州 alone has every kind of it."""
    feed = xinzhou.rows("hr")
    wrong = [row for row in feed if row.fault is not None]
    assert 0.015 <= len(wrong) / len(feed) <= 0.025
    assert {row.fault for row in wrong} == {fault.reason for fault in FAULTS}
    assert xinzhou.quarantined[Reason.MEMBER_OUTSIDE_BASE] == 1


def test_every_hold_that_a_source_can_cause_occurs(xinzhou: Population) -> None:
    """Retired, long away, under investigation; and those away for a short time stay enabled."""
    assert set(xinzhou.held.values()) == {HoldKind.LEFT, HoldKind.ABSENT, HoldKind.INVESTIGATION}
    away = {row.staff_no for row in xinzhou.good if row.status in ("病假", "借调") and row.hold is None}
    assert away
    assert away <= xinzhou.enabled
    assert not xinzhou.enabled & xinzhou.held.keys()


def test_odd_but_right_ways_of_writing_numbers_occur(xinzhou: Population) -> None:
    """Fifteen digits, full width and a lower-case x are in rows that must be believed."""
    written = [row.document_number for row in xinzhou.good]
    assert any(len(number) == 15 for number in written)
    assert any(number.endswith("x") for number in written)
    assert any(number.startswith("１") for number in written)
    assert any("𠮷" in row.name for row in generate("14").good)
    assert any("·" in row.name for row in xinzhou.good)


def test_labels_are_those_of_the_pack(xinzhou: Population, pack: Pack) -> None:
    """Every good row speaks of posts, statuses, employments and documents that the pack knows."""
    for row in xinzhou.good:
        assert pack.post_by_label[row.post].id == row.post_id
        assert row.status in pack.status_by_label
        assert row.employment in pack.employment_by_label
        assert row.document_kind in pack.sources.document_kinds


def test_numbers_and_phones_never_show_in_a_repr(xinzhou: Population) -> None:
    """A failing assertion that prints a row shows neither its ID number nor its phone."""
    row = xinzhou.people[0]
    assert row.canonical_number not in repr(row)
    assert row.phone not in repr(row)


@pytest.mark.parametrize(("source", "post"), [("ldap", "handler"), ("hr", "operator")])
def test_benches_get_as_many_good_people_as_they_ask_for(source: str, post: str) -> None:
    """``generate_many`` makes exactly so many distinct people at work, all in one source."""
    population = generate_many(500, source=source)  # type: ignore[arg-type]
    assert len(population.enabled) == 500
    assert len({row.canonical_number for row in population.people}) == 500
    assert {(row.source, row.post_id) for row in population.people} == {(source, post)}
    assert population == generate_many(500, source=source)  # type: ignore[arg-type]
