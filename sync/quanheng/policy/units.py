"""Organisations by code: the tier, county, and group of each. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from quanheng.model.ids import OrgCode
from quanheng.model.staff import OrgKind, OrgUnit
from quanheng.policy.schema import Tier

_TIERS = {
    OrgKind.PROVINCE: Tier.PROVINCE,
    OrgKind.CITY: Tier.CITY,
    OrgKind.COUNTY: Tier.COUNTY,
    OrgKind.TOWNSHIP: Tier.TOWNSHIP,
    OrgKind.VILLAGE: Tier.VILLAGE,
    OrgKind.BANK_BRANCH: Tier.BANK_BRANCH,
}
_CODE: Final = re.compile("[0-9]{2,5}|[0-9]{6}[0-9A-Z]*")
_AREA_KINDS = (OrgKind.COUNTY, OrgKind.CITY, OrgKind.PROVINCE)


@dataclass(frozen=True, slots=True)
class Units:
    """Every known organisation, and the codes that were merged or recoded into others."""

    by_code: Mapping[OrgCode, OrgUnit]
    recoded: Mapping[OrgCode, OrgCode] = field(default_factory=dict)

    def resolve(self, code: OrgCode) -> OrgUnit | None:
        """The unit of a code, following the mapping of recoded and merged units."""
        seen: set[OrgCode] = set()
        while code in self.recoded and code not in seen:
            seen.add(code)
            code = self.recoded[code]
        return self.by_code.get(code)

    def lineage(self, unit: OrgUnit) -> tuple[OrgUnit, ...]:
        """The unit and everything above it, topmost first. A broken or cyclic chain ends where it breaks."""
        chain = [unit]
        while (parent := chain[-1].parent) is not None:
            above = self.resolve(parent)
            if above is None or above in chain:
                break
            chain.append(above)
        return tuple(reversed(chain))

    def area(self, unit: OrgUnit) -> OrgUnit | None:
        """The county, city or province that a unit's duties belong to: the nearest one, itself included."""
        return next((above for above in reversed(self.lineage(unit)) if above.kind in _AREA_KINDS), None)

    def tier(self, unit: OrgUnit) -> Tier | None:
        """The tier of a unit; a bureau's is that of its area. None when it hangs in the air."""
        if unit.kind is not OrgKind.BUREAU:
            return _TIERS[unit.kind]
        area = self.area(unit)
        return None if area is None else _TIERS[area.kind]

    def __iter__(self) -> Iterator[OrgUnit]:
        return iter(self.by_code.values())


def in_scope(code: str, scope: Iterable[str]) -> bool:
    """Whether a code lies in a scope: codes nest, so a scope is a set of prefixes."""
    return any(code.startswith(prefix) for prefix in scope)


def area_code(code: str) -> OrgCode | None:
    """The county, city or province in whose name a group gives a role, from the code on the group.

    Six digits name it (GB/T 2260); a bureau's own staff are coded ``140900000`` in the city ``1409`` and
    ``140000000`` in the province ``14``. None, which is nowhere in particular, for what is no such code: it
    may not be taken for a wide area.
    """
    if not _CODE.fullmatch(code):
        return None
    area = code[:6]
    while len(area) > 2 and area.endswith("00"):
        area = area[:-2]
    return OrgCode(area)
