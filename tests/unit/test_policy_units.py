"""Organisations by code: tier, area and lineage, through mapped codes and over broken chains."""

from __future__ import annotations

import pytest

from fixtures.world import unit
from quanheng.model.ids import OrgCode
from quanheng.model.staff import OrgKind, OrgUnit
from quanheng.policy.schema import Tier
from quanheng.policy.units import Units, area_code, in_scope

PROVINCE = unit("14", "山西省", OrgKind.PROVINCE, None)
CITY = unit("1409", "忻州市", OrgKind.CITY, "14")
COUNTY = unit("140902", "忻府区", OrgKind.COUNTY, "1409")
BUREAU = unit("140902000", "局机关", OrgKind.BUREAU, "140902")
TOWNSHIP = unit("140902001", "南城街道", OrgKind.TOWNSHIP, "140902")
VILLAGE = unit("140902001001", "和平社区", OrgKind.VILLAGE, "140902001")
BANK = unit("140902Y01", "网点", OrgKind.BANK_BRANCH, "140902")
CITY_TOWNSHIP = unit("140900001", "开发区", OrgKind.TOWNSHIP, "1409")
ALL = (PROVINCE, CITY, COUNTY, BUREAU, TOWNSHIP, VILLAGE, BANK, CITY_TOWNSHIP)


def units(*items: OrgUnit, **recoded: str) -> Units:
    """Units by code; ``_1409="14"`` maps one code to another."""
    mapping = {OrgCode(old.lstrip("_")): OrgCode(new) for old, new in recoded.items()}
    return Units({item.code: item for item in items}, mapping)


@pytest.mark.parametrize(
    ("item", "tier", "area"),
    [
        (PROVINCE, Tier.PROVINCE, PROVINCE),
        (CITY, Tier.CITY, CITY),
        (COUNTY, Tier.COUNTY, COUNTY),
        (BUREAU, Tier.COUNTY, COUNTY),
        (TOWNSHIP, Tier.TOWNSHIP, COUNTY),
        (VILLAGE, Tier.VILLAGE, COUNTY),
        (BANK, Tier.BANK_BRANCH, COUNTY),
        (CITY_TOWNSHIP, Tier.TOWNSHIP, CITY),
    ],
    ids=lambda item: getattr(item, "name", str(item)),
)
def test_tier_and_area(item: OrgUnit, tier: Tier, area: OrgUnit) -> None:
    """A bureau has the tier of its area; towns, villages and bank branches are served by the county."""
    known = units(*ALL)
    assert known.tier(item) == tier
    assert known.area(item) == area


def test_lineage_is_topmost_first() -> None:
    """From the province down to the unit itself."""
    assert units(*ALL).lineage(VILLAGE) == (PROVINCE, CITY, COUNTY, TOWNSHIP, VILLAGE)


def test_broken_chain_ends_where_it_breaks() -> None:
    """Without its county a bureau hangs in the air: no area, no tier, nothing granted."""
    known = units(PROVINCE, BUREAU)
    assert known.lineage(BUREAU) == (BUREAU,)
    assert known.area(BUREAU) is None
    assert known.tier(BUREAU) is None


def test_circle_ends() -> None:
    """Two units that lie under each other do not hang us up."""
    one, two = unit("140901", "甲", OrgKind.COUNTY, "140902"), unit("140902", "乙", OrgKind.COUNTY, "140901")
    assert units(one, two).lineage(one) == (two, one)


def test_mapped_code_is_followed_to_its_end() -> None:
    """A code that was recoded twice leads to today's unit, for a parent's code too."""
    known = units(CITY, COUNTY, VILLAGE, _140901="140999", _140999="140902", _140902001="140902")
    assert known.resolve(OrgCode("140901")) == COUNTY
    assert known.lineage(VILLAGE) == (CITY, COUNTY, VILLAGE)


def test_mapping_in_a_circle_ends() -> None:
    """A circle in the mapping leads nowhere in particular, and ends."""
    known = units(COUNTY, _1="2", _2="1")
    assert known.resolve(OrgCode("1")) is None


def test_unknown_code() -> None:
    """A code that nobody named is no unit."""
    assert units(*ALL).resolve(OrgCode("620102")) is None


@pytest.mark.parametrize(
    ("code", "scope", "inside"),
    [
        ("140902001", ["1409"], True),
        ("1409", ["1409"], True),
        ("14", ["1409"], False),
        ("140902", ["1401", "140902"], True),
        ("140902", [], False),
    ],
)
def test_scope_is_a_prefix(code: str, scope: list[str], inside: bool) -> None:
    """A scope is a set of prefixes: a unit lies in it with everything below."""
    assert in_scope(code, scope) is inside


def test_iteration() -> None:
    """All units, in the order in which they were given."""
    assert tuple(units(*ALL)) == ALL


@pytest.mark.parametrize("code", ["", "1", "14％", "全省", "14 09", "１４"])
def test_what_is_no_code_is_no_area(code: str) -> None:
    """Whoever writes it on a group may not widen what the group gives."""
    assert area_code(code) is None
