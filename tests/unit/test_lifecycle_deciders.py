"""Who asks for an account and who decides, by the charges of every pack: there is always somebody."""

from __future__ import annotations

import pytest

from fixtures.delegating import ENSHI, GANSU, SHANXI, units_of_lines
from quanheng.model.ids import OrgCode
from quanheng.operations.lifecycle.deciders import Belonging, who_may_ask, who_may_decide
from quanheng.policy.pack import load_packs

LINES = {"shanxi": SHANXI, "enshi": ENSHI, "gansu": GANSU}


def seats(packs: str, code: str, *, administrator: bool = False) -> tuple[set[str], set[str]]:
    """Seats that ask, and seats that decide, about somebody of a unit."""
    names = packs.split("+")
    units, pack = units_of_lines(LINES[names[0]]), load_packs(names)
    unit = units.resolve(OrgCode(code))
    assert unit is not None
    area = units.area(unit)
    assert area is not None
    where = Belonging(unit=unit, area=area, administrator=administrator)
    return (
        {str(seat) for seat in who_may_ask(pack, units, where)},
        {str(seat) for seat in who_may_decide(pack, units, where)},
    )


@pytest.mark.parametrize(
    ("packs", "code", "administrator", "deciding"),
    [
        ("shanxi", "140902001", False, {"140902.system_admin", "14.system_admin"}),
        ("shanxi", "140902000", False, {"14.system_admin"}),
        ("shanxi", "140902000", True, {"14.system_admin"}),
        ("shanxi", "140000000", False, {"14.system_admin"}),
        ("shanxi", "140000000", True, {"14.system_admin", "14.business_admin"}),
        ("enshi", "422801001", False, {"422801.account_admin", "4228.account_admin"}),
        ("enshi", "422801000", True, {"4228.account_admin"}),
        ("enshi", "422800000", True, {"4228.account_admin", "4228.permission_admin"}),
    ],
)
def test_who_decides(packs: str, code: str, administrator: bool, deciding: set[str]) -> None:
    """Those with charge; about an administrator the level above, and at the top a counterpart."""
    assert seats(packs, code, administrator=administrator)[1] == deciding


def test_the_principal_decides_in_gansu() -> None:
    """主要负责人 approves, of the county or above (G16); about an administrator only above."""
    deciding = seats("gansu", "620102001")[1]
    assert {"620102.principal", "6201.principal"} <= deciding
    above = seats("gansu", "620102000", administrator=True)[1]
    assert "6201.principal" in above
    assert "620102.principal" not in above


def test_who_audits_asks_and_decides_nothing() -> None:
    """三员: neither for staff nor for administrators."""
    for packs, code in (("shanxi", "140000000"), ("enshi", "422800000"), ("gansu", "620102000")):
        for administrator in (False, True):
            asking, deciding = seats(packs, code, administrator=administrator)
            assert not any(seat.endswith(".auditor") for seat in asking | deciding)


def test_who_asks_is_of_the_county_or_above() -> None:
    """Not of another county, nor below."""
    asking = seats("shanxi", "140902001")[0]
    assert asking == {
        "140902.system_admin",
        "140902.business_admin",
        "14.system_admin",
        "14.business_admin",
    }


@pytest.mark.parametrize("packs", ["shanxi", "shanxi+jincheng", "enshi", "gansu"])
@pytest.mark.parametrize("administrator", [False, True])
def test_two_can_be_found_everywhere(packs: str, administrator: bool) -> None:
    """For every organisation there is a seat that decides, and another one that asks."""
    units = units_of_lines(LINES[packs.split("+")[0]])
    for unit in units:
        if units.area(unit) is None:
            continue
        asking, deciding = seats(packs, unit.code, administrator=administrator)
        assert deciding, unit.code
        assert deciding <= asking, unit.code
        assert len(asking | deciding) >= 2, unit.code
