"""Reasons for an account to be disabled: stored ones, and what rows of a source say. Pure (decision 4)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from typing import Final

from quanheng.engine.calendar import add_months
from quanheng.model.ids import SourceId
from quanheng.model.person import Claim, Hold, HoldKind, PersonRecord
from quanheng.policy.pack import Pack

DEREGISTERED: Final = "deregistered"
"""Begins the origin of a stored hold LEFT: 注销 was approved, and only a request to restore lifts it."""


def holds_of(
    person: PersonRecord, claims: Sequence[Claim], stored: Sequence[Hold], pack: Pack, *, today: date
) -> list[Hold]:
    """Holds of a person: those stored, those that a row says, and having left. Stricter source wins."""
    holds = list(stored)
    by_source: dict[SourceId, list[Claim]] = defaultdict(list)
    for claim in claims:
        by_source[claim.source].append(claim)
        status = pack.status_by_id[claim.status]
        if status.hold is not None and not status.ends_post and _applies(claim, status.from_months, today):
            holds.append(_hold(person, status.hold, status.label, claim, today))
    for rows in by_source.values():
        if all(is_over(claim, pack, today=today) for claim in rows):
            label = pack.status_by_id[rows[0].status].label
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
    status = pack.status_by_id[claim.status]
    return status.ends_post and (claim.status_from is None or claim.status_from <= today)


def _hold(person: PersonRecord, kind: HoldKind, label: str, claim: Claim, today: date) -> Hold:
    since = claim.status_from or today
    return Hold(person=person.id, kind=kind, since=since, reason=label, origin=str(claim.origin))


def _applies(claim: Claim, from_months: int, today: date) -> bool:
    if claim.status_from is not None and claim.status_from > today:
        return False
    if claim.status_to is not None and claim.status_to < today:
        return False
    if from_months == 0 or claim.status_to is None or claim.status_from is None:
        return True
    return claim.status_to >= add_months(claim.status_from, from_months)
