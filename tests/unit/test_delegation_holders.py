"""Which seats have charge of whom: by reach, tier and area of the charges."""

from __future__ import annotations

import pytest

from fixtures.delegating import ENSHI, GANSU, SHANXI, units_of_lines
from quanheng.delegation.holders import Holders
from quanheng.model.ids import OrgCode
from quanheng.model.staff import OrgKind
from quanheng.policy.pack import find_pack, load_pack, load_packs
from quanheng.policy.schema import Over, Power
from quanheng.policy.units import Units

LINES = {"shanxi": SHANXI, "enshi": ENSHI, "gansu": GANSU}


def holders(pack: str) -> Holders:
    """Of a shipped pack over its organisations."""
    return Holders(load_pack(find_pack(pack)), units_of_lines(LINES[pack]))


@pytest.mark.parametrize(
    ("pack", "area", "over", "power", "seats"),
    [
        ("shanxi", "140902", Over.TOWNS, Power.ACCOUNTS, {"140902.system_admin"}),
        ("shanxi", "140902", Over.TOWNS, Power.DUTIES, {"140902.business_admin"}),
        ("shanxi", "140902", Over.BUREAUS, Power.ACCOUNTS, {"14.system_admin"}),
        ("shanxi", "140902", Over.ADMINISTRATORS, Power.ACCOUNTS, {"14.system_admin"}),
        ("shanxi", "140902", Over.ADMINISTRATORS, Power.DUTIES, set()),
        ("shanxi", "1409", Over.BUREAUS, Power.DUTIES, {"14.business_admin"}),
        ("shanxi", "14", Over.BUREAUS, Power.ACCOUNTS, set()),
        ("enshi", "422801", Over.ADMINISTRATORS, Power.ACCOUNTS, {"4228.account_admin"}),
        ("enshi", "4228", Over.BUREAUS, Power.ACCOUNTS, {"4228.account_admin"}),
        ("gansu", "620102", Over.TOWNS, Power.DUTIES, {"6201.permission_maintainer"}),
        (
            "gansu",
            "6201",
            Over.BUREAUS,
            Power.ACCOUNTS,
            {"6201.permission_maintainer", "62.permission_maintainer"},
        ),
    ],
)
def test_who_has_charge(pack: str, area: str, over: Over, power: Power, seats: set[str]) -> None:
    """Own, below, own and below; a tier that has no such post has no seat."""
    assert {str(seat) for seat in holders(pack).over(OrgCode(area), over, power)} == seats


def test_only_areas_have_administrators() -> None:
    """Provinces, cities and counties, in the order of the codes; what hangs in the air is below nobody."""
    assert [unit.code for unit in holders("gansu").areas] == ["62", "6201", "620102"]
    lost = units_of_lines((("140999", "孤县", OrgKind.COUNTY, "1499"),))
    found = Holders(load_pack(find_pack("shanxi")), lost)
    assert {str(seat) for seat in found.everywhere} == {"140999.system_admin", "140999.business_admin"}


def test_charges_of_a_stacked_pack_stay_in_its_scope() -> None:
    """超级管理员 of 晋城 have charge there; the same post in another city has none."""
    found = Holders(load_packs(["shanxi", "jincheng"]), units_of_lines(SHANXI))
    assert "1405.super_admin" in {str(seat) for seat in found.in_area(OrgCode("140502"))}
    assert not [seat for seat in found.everywhere if seat.area == "1409"]


def test_without_organisations_nobody_has_charge() -> None:
    """Nothing known, nobody."""
    assert Holders(load_pack(find_pack("shanxi")), Units({})).everywhere == frozenset()
