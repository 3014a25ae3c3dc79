"""Who keeps whose accounts, by command: charges of the packs, and above them the officers who approve."""

from __future__ import annotations

import pytest

from fixtures.delegating import ENSHI, GANSU, SHANXI, units_of_lines
from quanheng.model.ids import OrgCode
from quanheng.model.staff import OrgKind
from quanheng.operations.keepers import keepers_of
from quanheng.policy.pack import find_pack, load_packs

LINES = {"shanxi": SHANXI, "enshi": ENSHI, "gansu": GANSU}


def keepers(packs: str, code: str, *, administrator: bool = False) -> set[str]:
    """Seats with charge of a unit."""
    names = packs.split("+")
    units = units_of_lines(LINES[names[0]])
    unit = units.resolve(OrgCode(code))
    assert unit is not None
    return {str(seat) for seat in keepers_of(load_packs(names), units, unit, administrator=administrator)}


@pytest.mark.parametrize(
    ("packs", "code", "administrator", "seats"),
    [
        ("shanxi", "140902001", False, {"140902.system_admin", "14.system_admin"}),
        ("shanxi", "140902000", False, {"14.system_admin"}),
        ("shanxi", "140902000", True, {"14.system_admin"}),
        ("shanxi", "140902", False, {"14.system_admin"}),
        ("shanxi", "140902001", True, {"14.system_admin"}),
        ("shanxi", "140900000", False, {"14.system_admin"}),
        ("shanxi", "140000000", False, {"14.system_admin"}),
        ("shanxi", "140000000", True, {"14.system_admin"}),
        ("shanxi+jincheng", "140500000", False, {"1405.super_admin", "14.system_admin"}),
        ("shanxi+jincheng", "140900000", False, {"14.system_admin"}),
        ("enshi", "422801001", False, {"422801.account_admin", "4228.account_admin"}),
        ("enshi", "422801000", True, {"4228.account_admin"}),
        ("gansu", "620102001", False, {"6201.permission_maintainer"}),
        ("gansu", "620102000", False, {"6201.permission_maintainer", "62.permission_maintainer"}),
        ("gansu", "620102000", True, set()),
    ],
)
def test_who_keeps_them(packs: str, code: str, administrator: bool, seats: set[str]) -> None:
    """A county's towns its own administrator, its bureau and its administrators the level above; of the
    topmost area, above which there is nothing, its own."""
    assert keepers(packs, code, administrator=administrator) == seats


def test_nobody_keeps_what_hangs_in_the_air() -> None:
    """A unit in no area is nobody's."""
    units = units_of_lines((("140999001", "孤镇", OrgKind.TOWNSHIP, "140999"),))
    unit = units.resolve(OrgCode("140999001"))
    assert unit is not None
    assert keepers_of(load_packs([str(find_pack("shanxi"))]), units, unit, administrator=False) == frozenset()
