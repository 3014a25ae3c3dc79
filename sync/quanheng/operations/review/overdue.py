"""Lists that nobody answered in time: for the level above, told once for each county and month (S11, E8)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlalchemy import Connection

from quanheng.clock import day_in_china
from quanheng.lifecycle.review import ReviewItem
from quanheng.model.change import Json
from quanheng.model.ids import OrgCode
from quanheng.notify.port import NoticeKind
from quanheng.operations.context import Context
from quanheng.operations.noting import note
from quanheng.operations.organisations import read_recoded, units_of
from quanheng.operations.review.naming import find_area
from quanheng.operations.trust import read_trusted_part
from quanheng.operations.watching.announcing import announce
from quanheng.policy.units import Units
from quanheng.store.announced import announce_once
from quanheng.store.reviews import REVIEW_UNANSWERED, read_altered, read_items

_TOPIC: Final = "review"


@dataclass(frozen=True, slots=True, kw_only=True)
class OverdueList:
    """One county's list of a month with lines that nobody answered in time."""

    month: str
    county: OrgCode
    county_name: str
    above: OrgCode
    """Whose administrators see to it: the city's for a county, the province's for a city."""
    above_name: str
    unanswered: int
    """Lines whose last day is over."""
    deadlines: tuple[date, ...]
    """Those days: lines that were found later in the month have a later one. Today, when there is none."""
    altered: bool = False
    """Whether somebody changed the list in the store; then it is told whatever it says."""

    @property
    def deadline(self) -> date:
        """The first of those days."""
        return self.deadlines[0]


def read_overdue(context: Context, *, above: OrgCode | None = None) -> tuple[OverdueList, ...]:
    """Every list with lines that are late, by month and county. ``above``: those that this area sees to.

    Asks Keycloak nothing and changes nothing. Raises :class:`ConfigurationError` when there is no such area.
    """
    today, keyring = day_in_china(context.clock()), context.keyring
    with context.database.reading() as connection:
        # Units are the same in any part of the registry.
        registry = read_trusted_part(connection, keyring, ()).registry
        items = read_items(connection)
        altered = set(read_altered(connection))
    units = units_of(context, registry, read_recoded(context))
    if above is not None:
        find_area(units, above)
    late = _late_lists(items, today)
    found = []
    for month, county in sorted(late.keys() | altered):
        mine = late.get((month, county), [])
        higher, name, higher_name = _above(context, units, county)
        line = OverdueList(
            month=month,
            county=county,
            county_name=name,
            above=higher,
            above_name=higher_name,
            unanswered=len(mine),
            deadlines=tuple(sorted({item.deadline for item in mine})) or (today,),
            altered=(month, county) in altered,
        )
        if above in (None, higher):
            found.append(line)
    return tuple(found)


def tell_overdue(context: Context) -> int:
    """Tell the level above of each such list, once. Returns how many were told of now."""
    lists = read_overdue(context)
    _ = context.keyring  # opened before the transaction: it may need one of its own
    with context.database.transaction() as connection:
        return _tell(context, connection, lists)


def _tell(context: Context, connection: Connection, lists: tuple[OverdueList, ...]) -> int:
    groups: dict[tuple[str, OrgCode], list[OverdueList]] = defaultdict(list)
    for item in lists:
        ends = [end.isoformat() for end in item.deadlines] if item.unanswered else []
        subjects = [f"{item.month}:{item.county}:{end}" for end in (*ends, *["altered"] * item.altered)]
        now = context.clock()
        if sum(announce_once(connection, _TOPIC, subject, now) for subject in subjects):  # each is marked
            groups[item.month, item.above].append(item)
    for (month, above), some in sorted(groups.items()):
        counties: list[Json] = [_describe(item) for item in some]
        facts: dict[str, Json] = {
            "month": month,
            "above": f"{above} {some[0].above_name}",
            "counties": counties,
        }
        announce(context, connection, NoticeKind.REVIEW_UNANSWERED, facts)
        counts: dict[str, Json] = {str(item.county): item.unanswered for item in some}
        note(
            context, connection, REVIEW_UNANSWERED, {"month": month, "above": str(above), "counties": counts}
        )
    return sum(map(len, groups.values()))


def _late_lists(items: Sequence[ReviewItem], today: date) -> Mapping[tuple[str, OrgCode], list[ReviewItem]]:
    """Lines that nobody answered in time, by month and county.

    One that goes on in a later list was late all the same, as long as nobody has answered there.
    """
    by_key = {item.key: item for item in items}
    found: dict[tuple[str, OrgCode], list[ReviewItem]] = defaultdict(list)
    for item in items:
        last = _last(item, by_key)
        was_late = item.late or (not item.settled and item.deadline < today)
        if item.answer is None and was_late and last.answer is None and (last.into or not last.settled):
            found[item.month, item.county].append(item)
    return found


def _last(item: ReviewItem, by_key: Mapping[str, ReviewItem]) -> ReviewItem:
    """The newest line of the same matter that the store has; months only go on."""
    while (following := by_key.get(item.into)) is not None and following.month > item.month:
        item = following
    return item


def _describe(item: OverdueList) -> str:
    changed = "，清单与台账不符，疑被改动" if item.altered else ""
    return (
        f"{item.county} {item.county_name}：{item.unanswered} 条，期限 {item.deadline.isoformat()}{changed}"
    )


def _above(context: Context, units: Units, county: OrgCode) -> tuple[OrgCode, str, str]:
    """The area above a county, and the names of both; of the topmost one itself."""
    root = units.by_code[OrgCode(context.pack.info.root[0])]
    unit = units.resolve(county)
    if unit is None:
        return root.code, "", root.name
    lineage = units.lineage(unit)
    above = lineage[-2] if len(lineage) > 1 else unit
    return above.code, unit.name, above.name
