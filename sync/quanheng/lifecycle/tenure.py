"""How long somebody holds the same high-risk post (G13): time is kept, warned of, reported. Pure.

Time in a post is a row of *spells*, each from a day to a day. A spell goes on while the post is held, on
whatever basis, also by standing in for somebody; it ends with a leave, a revoke or a hold on the account.
A short break does not begin the years anew, and its days do not count. Nothing is taken away because of it:
who follows in a post is for the bureau to decide.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from quanheng.engine.calendar import add_months
from quanheng.model.ids import OrgCode, PersonId, PostId
from quanheng.model.registry import Seat
from quanheng.policy.schema_lifecycle import Tenure

_DAY: Final = timedelta(days=1)


class TenureState(StrEnum):
    """How near the end of the years is."""

    OK = "ok"
    WARN = "warn"
    OVER = "over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """A time in a post without a break."""

    person: PersonId
    post: PostId
    area: OrgCode
    since: date
    """First day."""
    until: date | None
    """Last day; None while it goes on."""
    seen: date
    """First day on which the post was seen held here: what lies before it is a source's word, which a source
    may correct; what was seen since is not taken back."""

    @property
    def seat(self) -> Seat:
        """The person at the post in the area; another area is another post."""
        return (self.person, self.post, self.area)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A post that somebody holds today."""

    person: PersonId
    post: PostId
    area: OrgCode
    since: date | None
    """Since when, by what gives it; None when nothing says."""
    said: bool = False
    """Whether a source says since when: it may lie years back, and a source may correct it."""

    @property
    def seat(self) -> Seat:
        """The person at the post in the area."""
        return (self.person, self.post, self.area)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the years of one seat come to, as long as it is held."""

    state: TenureState
    since: date
    """First day that counts."""
    paused_days: int
    """Days of short breaks since then, which do not count."""
    warn_from: date
    over_from: date
    """The day on which the years are full, and from which on it is reported."""


def advance(spells: Iterable[Spell], held: Iterable[Held], today: date) -> tuple[Spell, ...]:
    """The spells as they are today: those that are over end, those that begin open, the others go on.

    Days on which nobody looked change nothing: what was held before them and is held after them was held all
    the time, and what is gone after them was held until yesterday. Twice on a day is the same as once.
    """
    past: dict[Seat, list[Spell]] = defaultdict(list)
    for spell in spells:
        past[spell.seat].append(spell)
    there = {item.seat: item for item in held}
    found: list[Spell] = []
    for seat in sorted(past.keys() | there.keys()):
        mine = sorted(past.get(seat, ()), key=lambda spell: spell.since)
        found += _go_on(mine, there[seat], today) if seat in there else _end(mine, today)
    return tuple(found)


def _end(past: list[Spell], today: date) -> list[Spell]:
    last = past[-1]
    if last.until is not None:
        return past
    if last.since >= today:
        return past[:-1]  # given and taken on one day
    return [*past[:-1], replace(last, until=today - _DAY)]


def _go_on(past: list[Spell], held: Held, today: date) -> list[Spell]:
    last = past[-1] if past else None
    if last is not None and (last.until is None or last.until >= today - _DAY):
        spells = [*past[:-1], replace(last, until=None)]
    else:
        begun = min(held.since or today, today)
        if last is not None and last.until is not None and begun <= last.until:
            begun = today  # what gives it was there before the break
        person, post, area = held.seat
        new = Spell(person=person, post=post, area=area, since=begun, until=None, seen=today)
        spells = [*past, new]
    return _corrected(spells, min(held.since, today)) if held.said and held.since is not None else spells


def _corrected(spells: list[Spell], said: date) -> list[Spell]:
    """As a source says now since when: it speaks of the spell that contains the day, or comes after it.

    Earlier or later, but not later than we have seen it: a start that is told anew each year, with each
    appointment, would never come to five.
    """
    number = next(place for place, item in enumerate(spells) if item.until is None or item.until >= said)
    spell = spells[number]
    if said > spell.seen:
        return spells
    return [*spells[:number], replace(spell, since=said), *spells[number + 1 :]]


def judge(spells: Iterable[Spell], years: int, rule: Tenure, today: date) -> Judged | None:
    """How near one seat is to its years; None when it is not held today.

    ``spells``: all of one seat. Years and months are calendar months from the first day on: whoever began on
    1 March 2020 has five full years at the end of 28 February 2025, and is reported from 1 March on.
    """
    mine = sorted((spell for spell in spells if spell.since <= today), key=lambda spell: spell.since)
    if not mine or mine[-1].until is not None:
        return None
    first, paused = mine[-1].since, 0
    for earlier in reversed(mine[:-1]):
        gap = (first - (earlier.until or first)).days - 1
        if gap > rule.break_days:
            break
        first, paused = earlier.since, paused + max(gap, 0)
    counted_from = first + timedelta(days=paused)
    over_from = add_months(counted_from, 12 * years)
    warn_from = add_months(counted_from, max(0, 12 * years - rule.warn_months))
    state = TenureState.OK if today < warn_from else TenureState.WARN
    return Judged(
        state=TenureState.OVER if today >= over_from else state,
        since=first,
        paused_days=paused,
        warn_from=warn_from,
        over_from=over_from,
    )


def rename_areas(spells: Iterable[Spell], successor: Callable[[OrgCode], OrgCode]) -> tuple[Spell, ...]:
    """The spells under the codes that their areas have now: a county that is recoded, or merged into
    another, is no other post. Of a person who held the post in both, times that overlap become one."""
    moved: dict[Seat, list[Spell]] = defaultdict(list)
    for spell in spells:
        now = replace(spell, area=successor(spell.area))
        moved[now.seat].append(now)
    return tuple(joined for items in moved.values() for joined in _joined(items))


def _joined(spells: Sequence[Spell]) -> list[Spell]:
    found: list[Spell] = []
    for spell in sorted(spells, key=lambda item: item.since):
        last = found[-1] if found else None
        if last is None or (last.until is not None and last.until < spell.since):
            found.append(spell)
            continue
        ends = None if last.until is None or spell.until is None else max(last.until, spell.until)
        found[-1] = replace(last, until=ends, seen=min(last.seen, spell.seen))
    return found
