"""PLACEHOLDER until lifecycle/working_days.py is there: replace this file."""

from __future__ import annotations

from datetime import date, timedelta

from quanheng.operations.context import Context


class _Weekdays:
    def count(self, after: date, until: date) -> int:
        """Weekdays in (after, until]."""
        days = 0
        while after < until:
            after += timedelta(days=1)
            days += after.weekday() < 5
        return days


def working_days(context: Context) -> _Weekdays:
    """Weekdays."""
    return _Weekdays()
