"""A bureau's own history of logins, from before Keycloak kept any.

CSV in UTF-8 with the columns ``账号`` (user name or staff number), ``系统`` (client of the realm) and
``登录时间`` (``2026-08-31 15:00:00``, or ``2026-08-31`` for the end of that day, in China). Of each account
and system the newest line counts.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Final

from quanheng.clock import CHINA
from quanheng.errors import SourceError

COLUMNS: Final = ("账号", "系统", "登录时间")
_LAST_SECOND: Final = time(23, 59, 59)
_LONGEST: Final = 255
_SAVE_IT: Final = "save it as CSV in UTF-8, with a header"


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryLine:
    """One line that can be read."""

    line: int
    who: str
    """User name or staff number."""
    client: str
    at: datetime
    """Of a whole day its last second: the account may have been used until then."""
    whole_day: bool
    """Whether the line names the day alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLine:
    """One line that cannot: where, and what to do. The value itself is not kept: it may be anything."""

    line: int
    field: str
    kind: str
    """What kind of value stands there."""
    remedy: str


def read_login_history(file: Path) -> Iterator[HistoryLine | BadLine]:
    """Every line, good and bad. Raises :class:`SourceError` when the file itself cannot be read."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            if tuple(next(reader, ())) != COLUMNS:
                raise SourceError(
                    f"{file.name}: the columns are not {'、'.join(COLUMNS)}",
                    remedy="write them in this order",
                )
            for row in reader:
                if row:
                    yield _read(reader.line_num, row)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{file.name}: cannot be read ({type(error).__name__})", remedy=_SAVE_IT) from None


def _read(number: int, row: list[str]) -> HistoryLine | BadLine:
    def bad(field: str, kind: str, remedy: str) -> BadLine:
        return BadLine(line=number, field=field, kind=kind, remedy=remedy)

    if len(row) != len(COLUMNS):
        return bad("", f"{len(row)} columns", f"write {len(COLUMNS)}")
    who, client, when = (cell.strip() for cell in row)
    for field, value in zip(COLUMNS, (who, client, when), strict=True):
        if not value:
            return bad(field, "empty", "fill it in, or leave the line out")
        if len(value) > _LONGEST:
            return bad(field, f"{len(value)} characters", f"at most {_LONGEST}")
    with suppress(ValueError):
        day = datetime.combine(date.fromisoformat(when), _LAST_SECOND, CHINA)
        return HistoryLine(line=number, who=who, client=client, at=day, whole_day=True)
    try:
        moment = datetime.fromisoformat(when)
    except ValueError:
        return bad("登录时间", "not a time", "write it as 2026-08-31 15:00:00")
    # A time without a zone is one on a wall in China.
    at = moment if moment.tzinfo is not None else moment.replace(tzinfo=CHINA)
    return HistoryLine(line=number, who=who, client=client, at=at, whole_day=False)
