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
from quanheng.store.reviews import read_month_done, write_month_done

_DAY: Final = timedelta(days=1)


def look_after_reviews(context: Context) -> str:
    """Write the month's lists from its first working day on, once, where there is a folder for them; tell of
    lists that are late. Returns one line for the log. Nothing is done twice.

    Raises :class:`SourceError` for a bad file of holidays, :class:`ConfigurationError` for a folder that
    takes none.
    """
    written = _write(context)
    told = tell_overdue(context)
    return f"{written} overdue={told}"


def _write(context: Context) -> str:
    if context.settings.lifecycle.reviews_directory is None:
        return "no folder for lists"
    today = day_in_china(context.clock())
    month = month_of(today)
    with context.database.reading() as connection:
        done = read_month_done(connection)
    if done >= month or today < first_working_day(context, today):
        return "lists=0"
    review = write_review(context)
    with context.database.transaction() as connection:
        write_month_done(connection, month)
    return f"lists={len(review.lists)} new={review.new}"


def first_working_day(context: Context, day: date) -> date:
    """The first working day of a day's month."""
    return working_days(context).add(day.replace(day=1) - _DAY, 1)
