"""What the bench of the night sets up is what it says: both sides can find the same people."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta

import pytest
from bench.lifecycle_logins import LAST_DAY, draw_days
from bench.lifecycle_script import months_ago

from quanheng.clock import CHINA
from quanheng.lifecycle.inactivity import add_span
from quanheng.policy.schema_lifecycle import Span

MONTHS = Span(value=3, unit="months")
MONTH = timedelta(days=30)


@pytest.mark.parametrize("today", [date(2026, 5, 31), date(2026, 11, 23), date(2028, 2, 29)])
def test_who_is_due_is_due_and_nobody_else(today: date) -> None:
    """By the product's own reckoning: one in a hundred is due, two are due within a month, the rest later."""
    now = datetime(today.year, today.month, today.day, 1, tzinfo=CHINA)
    days = draw_days(2000, now, logins=3, due_percent=1, near_percent=2)
    newest: dict[int, datetime] = defaultdict(lambda: now - timedelta(days=250))
    for person, at in [*days.before, *days.last_day]:
        newest[person] = max(newest[person], at)
    due = {person: add_span(newest[person], MONTHS) for person in range(2000)}
    assert (len(days.due), len(days.near)) == (20, 40)
    assert {person for person, at in due.items() if at <= now} == days.due
    assert {person for person, at in due.items() if now < at <= now + MONTH} == days.near


def test_a_quarter_on_the_last_day() -> None:
    """The events of the last day are all within it, the others before; some of the due never came."""
    now = datetime(2026, 11, 23, tzinfo=UTC)
    days = draw_days(4000, now, logins=2, due_percent=1, near_percent=2)
    assert 900 < len(days.last_day) < 1100
    assert all(now - LAST_DAY < at <= now for _, at in days.last_day)
    assert all(at <= now - LAST_DAY for _, at in days.before)
    assert days.due - {person for person, _ in days.before}


def test_the_same_each_time() -> None:
    """Two drawings are equal, so that measurements are of the same thing."""
    now = datetime(2026, 11, 23, tzinfo=UTC)
    first, second = (draw_days(500, now, logins=2, due_percent=1, near_percent=2) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("now", "before"),
    [
        (datetime(2026, 11, 23, 8, tzinfo=CHINA), datetime(2026, 8, 23, 8, tzinfo=CHINA)),
        (datetime(2026, 5, 31, 8, tzinfo=CHINA), datetime(2026, 2, 28, 8, tzinfo=CHINA)),
        (datetime(2026, 3, 15, 8, tzinfo=CHINA), datetime(2025, 12, 15, 8, tzinfo=CHINA)),
    ],
)
def test_the_script_reckons_in_calendar_months(now: datetime, before: datetime) -> None:
    """The last day of the month where it is shorter."""
    assert months_ago(now, 3) == before
