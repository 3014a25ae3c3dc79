"""Days as sources write them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Final

from quanheng.clock import CHINA

_CHINESE: Final = re.compile(r"(\d{4})年(\d{1,2})月(\d{1,2})[日号]")
_GENERALIZED_TIME: Final = re.compile(r"(\d{14})(?:[.,]\d+)?Z")
"""RFC 4517, 3.3.13, in the one form that directories store: seconds, UTC."""
_YEARS: Final = range(1900, 2200)


class DayReader:
    """Reads days in the formats of a pack, in 年月日, and in LDAP's GeneralizedTime.

    Digits may be full width. A reading has few different days, so those that were understood are remembered.
    """

    def __init__(self, formats: Iterable[str]) -> None:
        self._formats = tuple(formats)
        self._known: dict[str, date] = {}

    def read(self, text: str) -> date | None:
        """The day (in China) that ``text`` says, or None when it says none that can be understood."""
        day = self._known.get(text)
        if day is None:
            day = self._parse("".join(unicodedata.normalize("NFKC", text).split()))
            if day is not None and day.year in _YEARS:
                self._known[text] = day
                return day
            return None
        return day

    def _parse(self, text: str) -> date | None:
        try:
            if match := _CHINESE.fullmatch(text):
                return date(int(match[1]), int(match[2]), int(match[3]))
            if match := _GENERALIZED_TIME.fullmatch(text):
                moment = datetime.strptime(match[1], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
                return moment.astimezone(CHINA).date()
        except ValueError:
            return None
        for layout in self._formats:
            try:
                # A day has no zone: it is a day in China, whatever the time.
                day = datetime.strptime(text, layout).date()  # noqa: DTZ007
            except ValueError:
                continue
            # strptime reads "2026111" as either of two days; without separators every digit must be there.
            if not text.isdigit() or text == day.strftime(layout):
                return day
        return None
