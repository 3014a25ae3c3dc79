"""Months of the regulations are calendar months."""

from __future__ import annotations

from datetime import date

import pytest

from quanheng.engine.calendar import add_months


@pytest.mark.parametrize(
    ("day", "months", "later"),
    [
        (date(2026, 1, 15), 3, date(2026, 4, 15)),
        (date(2025, 11, 30), 3, date(2026, 2, 28)),
        (date(2027, 11, 30), 3, date(2028, 2, 29)),
        (date(2026, 12, 31), 2, date(2027, 2, 28)),
        (date(2026, 10, 1), 3, date(2027, 1, 1)),
        (date(2024, 2, 29), 12, date(2025, 2, 28)),
        (date(2026, 5, 5), 0, date(2026, 5, 5)),
    ],
)
def test_same_day_of_a_later_month(day: date, months: int, later: date) -> None:
    """The same day, or the month's last where it has no such day; years and leap years included."""
    assert add_months(day, months) == later
