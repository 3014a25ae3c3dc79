"""Which administrators have charge of the people of each area, by the charges of the packs. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from quanheng.model.ids import OrgCode, PostId
from quanheng.model.staff import OrgKind, OrgUnit
from quanheng.policy.pack import Pack
from quanheng.policy.schema import Charge, Over, Power, Reach, Tier
from quanheng.policy.units import Units, in_scope

_AREA_TIERS: Final[Mapping[OrgKind, Tier]] = {
    OrgKind.PROVINCE: Tier.PROVINCE,
    OrgKind.CITY: Tier.CITY,
    OrgKind.COUNTY: Tier.COUNTY,
}


@dataclass(frozen=True, slots=True, order=True)
class Seat:
    """An administrator's post in an area; whoever sits on it."""

    area: OrgCode
    post: PostId

    @property
    def key(self) -> str:
        """Key of the group where its holders live."""
        return f"admin:{self.area}:{self.post}"

    def __str__(self) -> str:
        return f"{self.area}.{self.post}"


Seats = frozenset[Seat]


class Holders:
    """Looks up seats by area; made once for a pack and its organisations."""

    def __init__(self, pack: Pack, units: Units) -> None:
        self._pack = pack
        self._units = units

    @cached_property
    def areas(self) -> tuple[OrgUnit, ...]:
        """Every province, city and county, in the order of the codes."""
        return tuple(
            sorted((unit for unit in self._units if unit.kind in _AREA_TIERS), key=lambda unit: unit.code)
        )

    def over(self, area: OrgCode, over: Over, power: Power) -> Seats:
        """Seats with a power over such people of an area."""
        return frozenset(self._found.get((area, over, power), ()))

    def in_area(self, area: OrgCode) -> Seats:
        """Seats with any power over anybody of an area."""
        return frozenset[Seat]().union(
            *(seats for (code, _, _), seats in self._found.items() if code == area)
        )

    @cached_property
    def everywhere(self) -> Seats:
        """Every seat that has charge of anybody."""
        return frozenset[Seat]().union(*self._found.values())

    @cached_property
    def _found(self) -> Mapping[tuple[OrgCode, Over, Power], set[Seat]]:
        found: dict[tuple[OrgCode, Over, Power], set[Seat]] = defaultdict(set)
        for area in self.areas:
            lineage = [unit for unit in self._units.lineage(area) if unit.kind in _AREA_TIERS]
            for above in lineage:
                for charge in self._charges(above, area):
                    for over in charge.over:
                        for power in charge.powers:
                            found[area.code, over, power].add(Seat(above.code, PostId(charge.post)))
        return found

    def _charges(self, own: OrgUnit, area: OrgUnit) -> Iterator[Charge]:
        """Charges that somebody with a post in the area ``own`` has in ``area``."""
        for charge in self._pack.administration.charges:
            reaches = charge.reach is Reach.OWN_AND_BELOW or (charge.reach is Reach.OWN) == (own is area)
            post = self._pack.post_at(PostId(charge.post), own.code)
            if (
                reaches
                and post is not None
                and _AREA_TIERS[own.kind] in charge.tiers
                and _AREA_TIERS[own.kind] in post.tiers
                and (not charge.areas or in_scope(area.code, charge.areas))
            ):
                yield charge
