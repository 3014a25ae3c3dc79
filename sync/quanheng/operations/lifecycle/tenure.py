"""Time in high-risk posts (G13): kept each day, warned of and reported once each, never acted upon."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlalchemy import Connection

from quanheng.clock import day_in_china
from quanheng.engine.desired import build_people
from quanheng.engine.trees import Trees
from quanheng.lifecycle.tenure import (
    Held,
    Judged,
    Spell,
    TenureState,
    advance,
    judge,
    rename_areas,
)
from quanheng.model.change import Json
from quanheng.model.finding import Finding, FindingKind
from quanheng.model.ids import OrgCode, PersonId, PostId, StaffNo, Username
from quanheng.model.person import BasisKind
from quanheng.model.registry import Seat
from quanheng.notify.port import NoticeKind
from quanheng.operations.context import Context
from quanheng.operations.organisations import read_recoded, units_of
from quanheng.operations.trust import read_trusted
from quanheng.operations.watching.announcing import announce
from quanheng.policy.pack import Pack
from quanheng.store.announced import announce_once
from quanheng.store.tenure import Holder, read_holders, read_spells, write_spells

_TOPIC: Final = "tenure"
_NAMED: Final = 200
"""People in one notice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TenureLine:
    """Somebody in a high-risk post, and how near the end of its years is."""

    person: PersonId
    username: Username
    staff_no: StaffNo
    area: OrgCode
    post: PostId
    label: str
    """Of the post."""
    years: int
    judged: Judged
    article: str

    @property
    def state(self) -> TenureState:
        """Whether it is warned of, or reported."""
        return self.judged.state


def look_after_tenure(context: Context) -> str:
    """Keep time in high-risk posts up to this day, and tell once of each that comes near its end or reaches
    it; returns one line for the log. Asks Keycloak nothing. Nothing is told twice."""
    if context.pack.lifecycle.tenure is None:
        return "not asked for"
    recoded = read_recoded(context)
    held = _read_held(context, recoded)
    today = day_in_china(context.clock())
    _ = context.keyring  # opened before the transaction: it may need one of its own
    with context.database.transaction() as connection:
        before = read_spells(connection)
        renamed = rename_areas(before, lambda area: _successor(recoded, area))
        after = advance(renamed, held, today)
        write_spells(connection, before, after)
        lines = _lines(context.pack, after, read_holders(connection), today)
        told = _tell(context, connection, lines)
    count = Counter(line.state for line in lines)
    return f"held={len(lines)} near={count[TenureState.WARN]} over={count[TenureState.OVER]} announced={told}"


def read_tenures(context: Context, *, everybody: bool = False) -> tuple[TenureLine, ...]:
    """Who is near the end of a post's years or past it, the earliest first; or everybody who holds such a
    post. As of the last day on which time was kept; Keycloak is not asked and nothing is changed."""
    if context.pack.lifecycle.tenure is None:
        return ()
    with context.database.reading() as connection:
        spells, holders = read_spells(connection), read_holders(connection)
    lines = _lines(context.pack, spells, holders, day_in_china(context.clock()))
    return tuple(line for line in lines if everybody or line.state is not TenureState.OK)


def find_tenures(context: Context) -> Iterator[Finding]:
    """The same for whoever looks at the realm. It is no difference: only the bureau can put it right."""
    for line in read_tenures(context):
        yield Finding(
            kind=FindingKind.TENURE,
            subject=str(line.username),
            detail=f"{line.area} {_describe(line)}；请安排轮岗",
        )


def _read_held(context: Context, recoded: Mapping[OrgCode, OrgCode]) -> list[Held]:
    """Posts with a limit of years that somebody holds now, on whatever basis, with an account that is on."""
    with context.database.reading() as connection:
        registry = read_trusted(connection, context.keyring).registry
    units = units_of(context, registry, recoded)
    today = day_in_china(context.clock())
    trees = Trees(context.pack, units)
    people = build_people(registry, units, context.pack, context.rules, trees, today=today)
    return [
        Held(
            person=basis.person,
            post=basis.post,
            area=basis.area,
            since=basis.since,
            said=basis.kind is BasisKind.SOURCE,
        )
        for user in people.users.values()
        if user.enabled
        for basis in user.bases
        if _years(context.pack, basis.post, basis.area) is not None
    ]


def _years(pack: Pack, post: PostId, area: OrgCode) -> int | None:
    found = pack.post_at(post, area)
    return found.tenure_years if found is not None else None


def _successor(recoded: Mapping[OrgCode, OrgCode], area: OrgCode) -> OrgCode:
    while area in recoded:  # the mapping has no circles: whoever read it made sure
        area = recoded[area]
    return area


def _lines(
    pack: Pack, spells: Iterable[Spell], holders: Mapping[PersonId, Holder], today: date
) -> list[TenureLine]:
    rule = pack.lifecycle.tenure
    seats: dict[Seat, list[Spell]] = defaultdict(list)
    for spell in spells:
        seats[spell.seat].append(spell)
    found: list[TenureLine] = []
    for (person, post, area), mine in seats.items():
        years, holder = _years(pack, post, area), holders.get(person)
        if rule is None or years is None or holder is None:
            continue
        judged = judge(mine, years, rule, today)
        if judged is not None:
            line = TenureLine(
                person=person,
                username=holder.username,
                staff_no=holder.staff_no,
                area=area,
                post=post,
                label=pack.post_by_id[post].label,
                years=years,
                judged=judged,
                article=rule.article,
            )
            found.append(line)
    return sorted(found, key=lambda line: (line.judged.over_from, line.username, line.post))


def _tell(context: Context, connection: Connection, lines: Sequence[TenureLine]) -> int:
    """Tell of each once for each state, in one notice for each area. Returns how many were told of now.

    The first day is part of what was told: when a source corrects it, or the years begin anew, the dates are
    others and are told again.
    """
    groups: dict[OrgCode, list[TenureLine]] = defaultdict(list)
    for line in lines:
        if line.state is TenureState.OK:
            continue
        subject = f"{line.person}:{line.post}:{line.area}:{line.judged.since}:{line.state}"
        if announce_once(connection, _TOPIC, subject, context.clock()):
            groups[line.area].append(line)
    for area, some in sorted(groups.items()):
        people: list[Json] = [f"{line.username}：{_describe(line)}" for line in some[:_NAMED]]
        if len(some) > _NAMED:
            people.append(f"另有 {len(some) - _NAMED:,} 人，见 quanheng check")
        facts: dict[str, Json] = {"county": str(area), "count": len(some), "people": people}
        announce(context, connection, NoticeKind.TENURE, facts)
    return sum(map(len, groups.values()))


def _describe(line: TenureLine) -> str:
    judged = line.judged
    pause = f"，扣除中断 {judged.paused_days} 天" if judged.paused_days else ""
    full = f"{'已于' if line.state is TenureState.OVER else '将于'} {judged.over_from} 满 {line.years} 年"
    return f"{line.label}，自 {judged.since} 起任职{pause}，{full}（{line.article}）"
