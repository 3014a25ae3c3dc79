"""How late a decision is that follows from a fact: 注销, duties withheld (G19, E14). Pure.

The fact froze the account at once; working days only measure how long the form takes after it (decision 24).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from quanheng.engine.following import Followup, find_followups
from quanheng.lifecycle.working_days import WorkingDays
from quanheng.model.ids import PersonId
from quanheng.model.person import Proposal, ProposalKind
from quanheng.model.registry import Registry
from quanheng.policy.pack import Pack


class Lateness(StrEnum):
    """How a proposal that waits stands to its deadline."""

    IN_TIME = "in_time"
    LATE = "late"
    PROMPTLY = "promptly"
    """The regulation names no number of days: it is never late, and listed all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited:
    """How long something has waited, and how long it may."""

    made: date
    """Day (in China) on which it was proposed."""
    within: int | None
    """Working days that it may take; None: promptly."""
    due: date | None
    """Last day in time."""
    waiting: int
    """Working days since it was made."""
    late: int
    """Working days since the last day in time; 0 too on a weekend right after it."""
    provisional: bool
    """Whether it was counted in a year of which nobody knows when people are off."""
    state: Lateness


def measure(made: date, within: int | None, calendar: WorkingDays, today: date) -> Waited:
    """How something stands today that was proposed on the day ``made``.

    The day itself does not count: what was proposed on a Monday and has two working days is in time through
    Wednesday.
    """
    due = calendar.add(made, within) if within is not None else None
    late = due is not None and today > due
    counted = Lateness.LATE if late else Lateness.IN_TIME
    return Waited(
        made=made,
        within=within,
        due=due,
        waiting=calendar.count(made, today),
        late=calendar.count(due, today) if due is not None else 0,
        provisional=calendar.is_provisional_between(made, max(today, due or today)),
        state=counted if due is not None else Lateness.PROMPTLY,
    )


def days_allowed(
    registry: Registry, pack: Pack, proposal: Proposal, person: PersonId | None, today: date
) -> int | None:
    """Working days that the pack gives for what a proposal asks; None: promptly.

    Those of the status that it rests on. For somebody missing from the roll, and when no source says any
    more what it rests on, the fewest of all statuses that ask for the same.
    """
    fact = _fact(registry, pack, proposal, person, today)
    if fact is not None and not fact.missing:
        return fact.status.within_working_days
    return strictest(pack, proposal.kind)


def strictest(pack: Pack, kind: ProposalKind) -> int | None:
    """The fewest working days that any status gives for this kind of proposal; None when none counts them."""
    asks = {ProposalKind.DEREGISTER: "deregister", ProposalKind.WITHHOLD: "withhold"}.get(kind)
    given = [item.within_working_days for item in pack.statuses.statuses if item.proposes == asks]
    return min((days for days in given if days is not None), default=None)


def _fact(
    registry: Registry, pack: Pack, proposal: Proposal, person: PersonId | None, today: date
) -> Followup | None:
    record = registry.persons.get(person) if person is not None else None
    if record is None:
        return None
    rank = {source: place for place, source in enumerate(registry.sources)}
    claims = sorted(
        (claim for claim in registry.claims.values() if claim.person == record.id),
        key=lambda claim: rank.get(claim.source, len(rank)),
    )
    holds = [hold for hold in registry.holds if hold.person == record.id]
    found = find_followups(record, claims, holds, registry.proposals, pack, today=today)
    return next((item for item in found if item.key == proposal.key), None)
