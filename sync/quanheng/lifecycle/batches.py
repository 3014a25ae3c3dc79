"""How many accounts one day may lock without a second person. Pure (decision 15).

A Monday on which a fifth of a county would be locked is no ordinary Monday: that county is asked about, and
the others go on; when it is too much for the whole realm, all of it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from quanheng.engine.safety import Bound, Excess
from quanheng.lifecycle.inactivity import Verdict
from quanheng.model.ids import OrgCode

REALM: Final = "lock"
"""Name of the excess of the whole realm; of a county it is ``lock:`` and its code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Who is locked now, and who only after a second person has looked."""

    now: tuple[Verdict, ...]
    asked: tuple[Verdict, ...]
    excess: tuple[Excess, ...]
    """Why those are asked about."""


def split_locks(
    due: Sequence[Verdict],
    population: Mapping[OrgCode, int],
    *,
    accounts: int,
    realm: Bound,
    county_percent: float,
    already: Mapping[OrgCode, int],
) -> Split:
    """Divide who is due by what one day may do.

    ``population``: accounts that are switched on, by county; ``accounts``: how many there are at all;
    ``already``: those that this day has locked before, by county, which are switched off by now. The first
    one of a day always passes the percentage, or nobody could be locked in an office of four.
    """
    count = len(due) + sum(already.values())
    allowed = min(realm.count, max(1, int(accounts * realm.percent / 100)))
    if due and count > allowed:
        excess = Excess(name=REALM, count=count, allowed=allowed, population=accounts)
        return Split(now=(), asked=tuple(due), excess=(excess,))
    by_county: dict[OrgCode, list[Verdict]] = defaultdict(list)
    for item in due:
        by_county[item.county].append(item)
    now: list[Verdict] = []
    asked: list[Verdict] = []
    excesses: list[Excess] = []
    for county, items in sorted(by_county.items()):
        count = len(items) + already.get(county, 0)
        there = population.get(county, len(items)) + already.get(county, 0)
        if count > 1 and count * 100 >= there * county_percent:
            asked += items
            most = max(1, ceil(there * county_percent / 100) - 1)
            excesses.append(Excess(name=f"{REALM}:{county}", count=count, allowed=most, population=there))
        else:
            now += items
    return Split(now=tuple(now), asked=tuple(asked), excess=tuple(excesses))
