"""Working days as this installation knows them (decision 24)."""

from __future__ import annotations

from quanheng.lifecycle.working_days import WorkingDays
from quanheng.operations.context import Context
from quanheng.sources.holidays import read_holidays, read_library


def working_days(context: Context) -> WorkingDays:
    """The library's days and, before them, those of the operator's file.

    Raises :class:`SourceError` when that file is bad: counting without it would be wrong in silence.
    """
    return WorkingDays.of(read_library(), read_holidays(context.settings.lifecycle.holidays_file))
