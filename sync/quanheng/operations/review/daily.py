"""What each day does about reviews: writes a month's lists once, and tells of what nobody answered."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from quanheng.clock import day_in_china
from quanheng.lifecycle.review import month_of
from quanheng.operations.context import Context
from quanheng.operations.lifecycle.calendar import working_days
from quanheng.operations.review.overdue import tell_overdue
from quanheng.operations.review.writing import write_review
from quanheng.store.reviews import read_month_done, read_noted_lists, write_month_done

_DAY: Final = timedelta(days=1)


def look_after_reviews(context: Context) -> str:
    """Tell of lists that are late; write the month's lists from its first working day on, once, where there
    is a folder for them. Returns one line for the log. Nothing is done twice.

    Raises :class:`SourceError` for a bad file of holidays, :class:`ConfigurationError` for a folder that
    takes none, :class:`UnreachableError` when Keycloak is away; what was late is told by then.
    """
    told = tell_overdue(context)
    written = _write(context)
    return f"{written} overdue={told}"


def _write(context: Context) -> str:
    if context.settings.lifecycle.reviews_directory is None:
        return "no folder for lists"
    today = day_in_china(context.clock())
    month = month_of(today)
    with context.database.reading() as connection:
        # A row alone says little: the ledger has to have it that accounts were looked at this month.
        done = read_month_done(connection) == month and month in read_noted_lists(connection).months
    if done or today < first_working_day(context, today):
        return "lists=0"
    review = write_review(context)
    with context.database.transaction() as connection:
        write_month_done(connection, month)
    kept = sum(item.kept for item in review.lists)
    line = f"lists={len(review.lists)} new={review.new}"
    line += f" kept={kept}" if kept else ""
    return line + (f" altered={len(review.altered)}" if review.altered else "")


def first_working_day(context: Context, day: date) -> date:
    """The first working day of a day's month."""
    return working_days(context).add(day.replace(day=1) - _DAY, 1)
