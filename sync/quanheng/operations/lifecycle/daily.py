"""What each day asks for, once a day; a day that was missed is made up for, and none is done twice.

Every part looks at what is due now, not at what was due on that very day: a daemon that was down for two
weeks does on its return what it would have done, in one go, and the limits of a day hold for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, time
from typing import Final

from quanheng.clock import CHINA, day_in_china
from quanheng.errors import QuanhengError
from quanheng.logs import get_logger
from quanheng.operations.context import Context
from quanheng.operations.lifecycle.lateness import look_after_deadlines
from quanheng.operations.lifecycle.tenure import look_after_tenure
from quanheng.operations.lifecycle.terms import look_after_terms
from quanheng.operations.lifecycle.use import look_after_use
from quanheng.operations.review.daily import look_after_reviews
from quanheng.store.meta import read_text, write_text

_DONE: Final = "lifecycle_day"
"""Entry of ``meta``: the last day that was done."""

PARTS: Final[Mapping[str, Callable[[Context], str]]] = {
    "use": look_after_use,
    "terms": look_after_terms,
    "tenure": look_after_tenure,
    "deadlines": look_after_deadlines,
    "reviews": look_after_reviews,
}
"""In this order; each does its own writing, under the lease where it needs it."""

log = get_logger(__name__)


def read_done(context: Context) -> date | None:
    """The last day (in China) of which everything was done."""
    with context.database.reading() as connection:
        kept = read_text(connection, _DONE)
    return None if kept is None else date.fromisoformat(kept)


def is_due(context: Context) -> bool:
    """Whether today's work waits: its time has come, and it was not done. Asks Keycloak nothing."""
    now = context.clock().astimezone(CHINA)
    done = read_done(context)
    begins = time.fromisoformat(context.settings.lifecycle.daily_at)
    # A day that was missed is no reason to begin before the time of the next: a start at noon comes after it.
    return (done is None or done < now.date()) and now.time() >= begins


def do_day(context: Context) -> str:
    """Do what today asks for; returns one line for the log.

    A part that fails hinders no other; then the day is not done, and all of it is tried again later. Raises
    the first :class:`QuanhengError`.
    """
    told: list[str] = []
    failure: QuanhengError | None = None
    for name, part in PARTS.items():
        try:
            told.append(f"{name}: {part(context)}")
        except QuanhengError as error:
            log.error("a part of the day failed", part=name, problem=str(error))  # noqa: TRY400 -- expected
            failure = failure or error
    if failure is not None:
        raise failure
    with context.database.transaction() as connection:
        write_text(connection, _DONE, day_in_china(context.clock()).isoformat())
    return "; ".join(told)
