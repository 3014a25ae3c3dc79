"""Accounts that are for a time (J18, J21): when they end, when it is announced, which must have an end. Pure.

The last day counts whole, in China; the account is off from the day after.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from quanheng.engine.calendar import add_months
from quanheng.engine.holds import is_over
from quanheng.model.ids import PersonId
from quanheng.model.person import Claim, Hold, HoldKind, Term, TermKind
from quanheng.policy.pack import Pack

ORIGIN: Final = "term"
"""Origin of the holds that come of an end, and of their changes."""
MOST_MONTHS: Final = 6
"""How far ahead an end may lie where no pack says."""
NOTICES_DAYS: Final = (30, 7, 1)
"""Days before the end on which it is announced, where no pack says."""
KINDS: Final = {TermKind.TEMPORARY: "临时账号", TermKind.TEST: "测试账号"}
"""For staff."""


class TermState(StrEnum):
    """How it stands with an account that is for a time."""

    IN_FORCE = "in_force"
    ENDING = "ending"  # within the days in which the monthly review names it
    ENDED = "ended"  # its last day is over, or it was closed
    MISSING = "missing"  # its kind of employment asks for an end, and it has none


class Step(StrEnum):
    """What is to be done about an account now."""

    NOTHING = "nothing"
    HOLD = "hold"
    LIFT = "lift"


@dataclass(frozen=True, slots=True, kw_only=True)
class TermFacts:
    """What decides about one account."""

    term: Term | None
    hold: Hold | None
    """The stored hold :attr:`HoldKind.EXPIRED`, if there is one."""
    needed: bool
    """Whether it must have an end (:func:`needs_term`)."""


def latest_end(pack: Pack, today: date) -> date:
    """The last day on which an end may lie that is put today."""
    temporary = pack.lifecycle.temporary
    return add_months(today, temporary.most_months if temporary is not None else MOST_MONTHS)


def article_of(pack: Pack) -> str:
    """What says that such accounts end; empty where no pack does."""
    return pack.lifecycle.temporary.article if pack.lifecycle.temporary is not None else ""


def needs_term(claims: Iterable[Claim], pack: Pack, *, today: date) -> bool:
    """Whether somebody's account must have an end: any source has the person in such an employment now."""
    temporary = pack.lifecycle.temporary
    return temporary is not None and any(
        claim.employment in temporary.employments and not is_over(claim, pack, today=today)
        for claim in claims
    )


def is_past(term: Term, today: date) -> bool:
    """Whether the last day is over."""
    return today > term.until


def days_left(term: Term, today: date) -> int:
    """Days until the last one; 0 on it, negative after it."""
    return (term.until - today).days


def notice_due(term: Term, pack: Pack, today: date) -> int | None:
    """Days before the end of the announcement that has its time now: the last whose time has come, so that of
    those that were missed one is made up for. None before the first, and after the end."""
    left = days_left(term, today)
    inactivity = pack.lifecycle.inactivity
    days: Sequence[int] = inactivity.notices_days if inactivity is not None else ()
    return min((item for item in days or NOTICES_DAYS if left <= item), default=None) if left >= 0 else None


def state_of(facts: TermFacts, pack: Pack, today: date) -> TermState | None:
    """How it stands; None for an account that has no end and needs none."""
    if facts.term is None:
        return TermState.MISSING if facts.needed else None
    if facts.hold is not None or is_past(facts.term, today):
        return TermState.ENDED
    if days_left(facts.term, today) <= pack.lifecycle.review.ending_days:
        return TermState.ENDING
    return TermState.IN_FORCE


def next_step(facts: TermFacts, today: date) -> Step:
    """What the day asks for.

    What has ended is given back by a person alone. What only lacked an end comes back when the sources no
    longer ask for one.
    """
    if facts.term is not None:
        return Step.HOLD if facts.hold is None and is_past(facts.term, today) else Step.NOTHING
    if facts.needed:
        return Step.HOLD if facts.hold is None else Step.NOTHING
    return Step.LIFT if facts.hold is not None and facts.hold.origin == ORIGIN else Step.NOTHING


def hold_of(person: PersonId, term: Term | None, today: date, *, closed: bool = False) -> Hold:
    """The hold that comes of an end, or of there being none. ``closed``: ended by a person before its day."""
    if term is None:
        reason = "没有期限和责任人"
    elif closed:
        reason = f"{KINDS[term.kind]}已在验收前关闭"
    else:
        reason = f"{KINDS[term.kind]}已到期：至 {term.until.isoformat()}"
    return Hold(person=person, kind=HoldKind.EXPIRED, since=today, reason=reason, origin=ORIGIN)
