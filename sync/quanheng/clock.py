"""The clock is a parameter (decision 24): tests and rehearsals set it, production reads it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

Clock = Callable[[], datetime]
"""Returns now, aware."""

CHINA: Final = ZoneInfo("Asia/Shanghai")
"""Dates of the regulations and of feeds are days in this zone."""


def system_clock() -> datetime:
    """Now, aware, in UTC."""
    return datetime.now(UTC)


def day_in_china(moment: datetime) -> date:
    """The day of a moment where the regulations count days."""
    return moment.astimezone(CHINA).date()
