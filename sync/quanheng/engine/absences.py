"""Since when somebody is away: a leave that is renewed month by month is one leave. Pure.

G19 and its like count from the first day on which somebody is away. Sources tell a leave in rows that are
replaced: the end moves, or a new row begins where the last one ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from typing import Final

from quanheng.model.person import Claim, HoldKind
from quanheng.policy.pack import Pack

SEAM: Final = timedelta(days=3)
"""A leave that begins within so many days of the end of the last one goes on with it: from Friday to Monday
nobody was at work. A longer gap is a return, as is a row that says so."""


def first_day(claim: Claim) -> date | None:
    """The day since which what the row says of somebody has lasted; None when nothing tells."""
    return claim.absent_since or claim.status_from


def go_on(new: Claim, old: Iterable[Claim], pack: Pack, *, seen: date) -> Claim:
    """The row as it goes on with ``old``, what the same source said of the same person until now.

    Kinds of leave that hold alike are one: whoever is ill, then on maternity leave, is away all the time.
    Of a status without a first day ``seen``, the day of the reading, is kept: what follows from it has to be
    the same thing at the next reading.
    """
    status = pack.status_of(new.status)
    if status.hold is None:
        return new
    alike = [item for item in old if _holds_alike(item, status.hold, pack)]
    if new.status_from is None:
        known = [day for item in alike if (day := first_day(item)) is not None]
        return replace(new, absent_since=min(known, default=seen))
    if status.ends_post:
        return new  # nobody leaves by and by: another day is another word on it
    since = min((day for item in alike if (day := _joined(item, new.status_from))), default=new.status_from)
    return new if since == new.status_from else replace(new, absent_since=since)


def _holds_alike(claim: Claim, hold: HoldKind, pack: Pack) -> bool:
    status = pack.status_by_id.get(claim.status)
    return status is not None and status.hold is hold


def _joined(old: Claim, begins: date) -> date | None:
    """The first day of ``old`` if a leave that begins on ``begins`` goes on with it.

    One that begins before it is told anew, by its own first day.
    """
    since = first_day(old)
    if since is None or since > begins:
        return None
    return since if old.status_to is None or begins <= old.status_to + SEAM else None
