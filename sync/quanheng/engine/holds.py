"""Reasons for an account to be disabled: stored ones, and what rows of a source say. Pure (decision 4)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Final, Protocol

from quanheng.engine.absences import first_day
from quanheng.engine.calendar import add_months
from quanheng.model.change import Json
from quanheng.model.ids import SourceId
from quanheng.model.person import Claim, Hold, HoldKind, PersonRecord
from quanheng.policy.pack import Pack

DEREGISTERED: Final = "deregistered"
"""Begins the origin of a stored hold LEFT: 注销 was approved, and only a request to restore lifts it."""

SUSPENDED: Final = "暂停使用"
"""What an investigation is called wherever the reason for a hold is read."""


def holds_of(
    person: PersonRecord, claims: Sequence[Claim], stored: Sequence[Hold], pack: Pack, *, today: date
) -> list[Hold]:
    """Holds of a person: those stored, those that a row says, and having left. Stricter source wins."""
    holds = list(stored)
    by_source: dict[SourceId, list[Claim]] = defaultdict(list)
    for claim in claims:
        by_source[claim.source].append(claim)
        status = pack.status_of(claim.status)
        if status.hold is not None and holds_now(claim, pack, today=today):
            holds.append(_hold(person, status.hold, status.label, claim, today))
    for rows in by_source.values():
        if all(is_over(claim, pack, today=today) for claim in rows):
            label = pack.status_of(rows[0].status).label
            holds.append(_hold(person, HoldKind.LEFT, label, rows[0], today))
            break
    if not claims:
        holds.append(
            Hold(
                person=person.id,
                kind=HoldKind.LEFT,
                since=today,
                reason="完整名册中已无此人",
                origin="absence",
            )
        )
    return holds


def is_over(claim: Claim, pack: Pack, *, today: date) -> bool:
    """Whether the status of a row has ended its post."""
    return has_ended(claim, pack, today=today)


class _Said(Protocol):
    """A row, or the claim that became of it."""

    @property
    def status(self) -> str:
        """Id of the status."""

    @property
    def status_from(self) -> date | None:
        """Its first day."""


def has_ended(said: _Said, pack: Pack, *, today: date) -> bool:
    """The same of a row that is no claim yet."""
    status = pack.status_of(said.status)
    return status.ends_post and (said.status_from is None or said.status_from <= today)


def holds_now(claim: Claim, pack: Pack, *, today: date) -> bool:
    """Whether the status of a row that goes on holds the account today.

    An absence holds when it is as long as the pack says, counted from its first day over all rows that it
    was told in, or when nobody knows how long it is.
    """
    status = pack.status_of(claim.status)
    if status.hold is None or status.ends_post:
        return False
    if claim.status_from is not None and claim.status_from > today:
        return False
    if claim.status_to is not None and claim.status_to < today:
        return False
    since = first_day(claim)
    if status.from_months == 0 or claim.status_to is None or claim.status_from is None or since is None:
        return True
    # Its last day is one of absence too: from 1 March to 31 May are three months.
    return claim.status_to + timedelta(days=1) >= add_months(since, status.from_months)


def is_deregistered(holds: Iterable[Hold]) -> bool:
    """Whether 注销 was approved and nobody has restored the account since."""
    return any(hold.kind is HoldKind.LEFT and hold.origin.startswith(DEREGISTERED) for hold in holds)


def told_kinds(holds: Iterable[Hold]) -> list[Json]:
    """Kinds of holds for whoever may read it: an investigation reads like a freeze (G19)."""
    neutral = {HoldKind.INVESTIGATION: HoldKind.FROZEN}
    return list(dict.fromkeys(str(neutral.get(hold.kind, hold.kind)) for hold in holds))


def told_reason(holds: Iterable[Hold]) -> str:
    """Reasons of holds for whoever may read them."""
    told = (SUSPENDED if hold.kind is HoldKind.INVESTIGATION else hold.reason for hold in holds)
    return "；".join(dict.fromkeys(told))


def _hold(person: PersonRecord, kind: HoldKind, label: str, claim: Claim, today: date) -> Hold:
    reason = SUSPENDED if kind is HoldKind.INVESTIGATION else label
    since = first_day(claim) or today
    return Hold(person=person.id, kind=kind, since=since, reason=reason, origin=str(claim.origin))
