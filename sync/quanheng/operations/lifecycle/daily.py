"""What each day asks for, once a day; a day that was missed is made up for, and none is done twice.

Every part looks at what is due now, not at what was due on that very day: a daemon that was down for two
weeks does on its return what it would have done, in one go, and the limits of a day hold for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, time
from typing import Final

from quanheng.clock import CHINA, day_in_china
from quanheng.errors import ConfigurationError, QuanhengError
from quanheng.logs import get_logger
from quanheng.operations.context import Context
from quanheng.operations.lifecycle.lateness import look_after_deadlines
from quanheng.operations.lifecycle.tenure import look_after_tenure
from quanheng.operations.lifecycle.terms import look_after_terms
from quanheng.operations.lifecycle.use import look_after_use
from quanheng.operations.review.daily import look_after_reviews
from quanheng.operations.waiving import require_clock
from quanheng.store.meta import read_text, write_text

_DONE: Final = "lifecycle_day"
"""Entry of ``meta``: the last day that was done."""

_TELLS: Final = "use"
"""The part that tells the operator of a clock that is wrong."""

PARTS: Final[Mapping[str, Callable[[Context], str]]] = {
    _TELLS: look_after_use,
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
    # One that was done on a day to come was done by a clock that was wrong.
    return done != now.date() and now.time() >= begins


def do_day(context: Context) -> str:
    """Do what today asks for; returns one line for the log.

    A part that fails hinders no other; then the day is not done, and all of it is tried again later. With a
    clock that is wrong nothing is done that counts in days, but telling so. Raises the first failure.
    """
    told: list[str] = []
    failure: Exception | None = _clock_problem(context)
    parts = PARTS if failure is None else {_TELLS: PARTS[_TELLS]}
    for name, part in parts.items():
        try:
            told.append(f"{name}: {part(context)}")
        except QuanhengError as error:
            log.error("a part of the day failed", part=name, problem=str(error))  # noqa: TRY400 -- expected
            failure = failure or error
        except Exception as error:
            # Whatever it is, accounts whose time is over end all the same.
            log.exception("a part of the day failed", part=name)
            failure = failure or error
    if failure is not None:
        raise failure
    with context.database.transaction() as connection:
        write_text(connection, _DONE, day_in_china(context.clock()).isoformat())
    return "; ".join(told)


def _clock_problem(context: Context) -> ConfigurationError | None:
    try:
        require_clock(context)
    except ConfigurationError as error:
        return error
    except QuanhengError:
        pass  # Keycloak is away: whoever needs it says so, and the others go on
    return None
