"""Days off: those that the library knows, and the operator's file with those that it does not know yet.

The State Council tells the next year's in November; the library learns of them in a later version, which an
intranet gets late. So an operator writes them down (``docs/howto/holidays.md``)::

    2027:
      holidays:
        - 2026-12-31 to 2027-01-03
        - 10-01 to 10-07
      workdays:
        - 10-09
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from chinese_calendar import constants

from quanheng.errors import SourceError
from quanheng.lifecycle.working_days import FIXED, DaysKnown

_LONGEST: Final = timedelta(days=15)
"""More days off in a row than any notice had; a longer range is a typing error."""
_DAY: Final = re.compile(r"(?:(\d{4})-)?(\d{1,2})-(\d{1,2})")
_RANGE: Final = re.compile(r"\s+(?:to|至)\s+|\s*(?:至|~)\s*")
_MOST_BYTES: Final = 1_000_000
_WRITE: Final = "write a day as 10-01 and a range as 10-01 to 10-07; see docs/howto/holidays.md"
_EARLIEST, _LATEST = 2000, 2199


@cache
def read_library() -> DaysKnown:
    """What the installed version of ``chinesecalendar`` knows."""
    return DaysKnown(off=frozenset(constants.holidays), work=frozenset(constants.workdays))


def read_holidays(file: Path | None) -> DaysKnown:
    """What the operator's file says; nothing without a file.

    One wrong entry refuses the whole file: half a year would be counted wrongly in silence. Raises
    :class:`SourceError` naming file, key, kind of value, and what to do.
    """
    if file is None:
        return DaysKnown()
    off: set[date] = set()
    work: set[date] = set()
    for year, entry in _read(file).items():
        where = f"{file.name}: {year}"
        free = set(_days(where, entry, "holidays", year))
        busy = set(_days(where, entry, "workdays", year))
        _require_sense(where, year, free, busy)
        off |= free
        work |= busy
    if both := sorted(off & work):
        raise SourceError(
            f"{file.name}: {both[0]} is under holidays and under workdays",
            remedy="keep the one that the notice says",
        )
    return DaysKnown(off=frozenset(off), work=frozenset(work))


class _Loader(yaml.SafeLoader):
    """YAML that does not let a second entry for a year hide the first, and leaves days to us."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    if len({repr(key) for key in keys}) != len(keys):
        raise yaml.constructor.ConstructorError(None, None, "a key is there twice", node.start_mark)
    return loader.construct_mapping(node, deep=True)


def _text(loader: _Loader, node: yaml.ScalarNode) -> Any:
    return loader.construct_scalar(node)


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _text)


def _read(file: Path) -> Mapping[int, Mapping[str, Any]]:
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise SourceError(f"{file.name}: larger than {_MOST_BYTES:,} bytes", remedy=_WRITE)
        content = yaml.load(file.read_text(encoding="utf-8-sig"), Loader=_Loader)  # noqa: S506 -- a safe one
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark is not None else ""
        raise SourceError(f"{file.name}: {line}not YAML: {error.problem}", remedy="mend the line") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise SourceError(
            f"{file.name}: cannot be read ({type(error).__name__})",
            remedy="check lifecycle.holidays_file, and save the file as YAML in UTF-8",
        ) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SourceError(
            f"{file.name}: {_kind(content)} where years should be", remedy="begin with a year: '2027:'"
        )
    for year, entry in content.items():
        if isinstance(year, bool) or not isinstance(year, int) or not _EARLIEST <= year <= _LATEST:
            raise SourceError(
                f"{file.name}: key '{str(year)[:20]}': {_kind(year)} where a year should be",
                remedy="write the year in four digits, without quotation marks",
            )
        if (
            not isinstance(entry, dict)
            or not entry.keys() <= {"holidays", "workdays"}
            or "holidays" not in entry
        ):
            raise SourceError(
                f"{file.name}: {year}: has to be 'holidays' and 'workdays', and nothing else",
                remedy="see docs/howto/holidays.md",
            )
    return content


def _days(where: str, entry: Mapping[str, Any], key: str, year: int) -> Iterator[date]:
    items = entry.get(key, [])
    if not isinstance(items, list):
        raise SourceError(
            f"{where}: {key}: {_kind(items)} where a list should be",
            remedy="write each day or range on a line of its own, after '- '",
        )
    for number, item in enumerate(items, start=1):
        place = f"{where}: {key}: entry {number}"
        if not isinstance(item, str):
            raise SourceError(f"{place}: {_kind(item)} where a day should be", remedy=_WRITE)
        ends = [_day(place, part, year) for part in _RANGE.split(item.strip())]
        if len(ends) > 2:
            raise SourceError(f"{place}: more than two days", remedy=_WRITE)
        first, last = ends[0], ends[-1]
        if last < first:
            raise SourceError(f"{place}: ends before it begins", remedy=_WRITE)
        if last - first >= _LONGEST:
            raise SourceError(
                f"{place}: {(last - first).days + 1} days in a row",
                remedy=f"a holiday has fewer than {_LONGEST.days + 1}; compare it with the notice",
            )
        yield from (first + timedelta(days=step) for step in range((last - first).days + 1))


def _day(place: str, text: str, year: int) -> date:
    found = _DAY.fullmatch(text)
    try:
        if found is None:
            raise ValueError  # noqa: TRY301 -- the same remedy
        day = date(int(found[1] or year), int(found[2]), int(found[3]))
    except ValueError:
        raise SourceError(f"{place}: not a day", remedy=_WRITE) from None
    return _in_year(place, day, year)


def _in_year(place: str, day: date, year: int) -> date:
    """A notice speaks of its year, and of the last days of the one before (元旦)."""
    if day.year != year and (day.year, day.month) != (year - 1, 12):
        raise SourceError(
            f"{place}: {day} is neither in {year} nor in the December before",
            remedy=f"write it under {day.year}",
        )
    return day


def _require_sense(where: str, year: int, off: set[date], work: set[date]) -> None:
    library = read_library()
    for day in sorted(work):
        if day.weekday() < 5 and day not in library.off:
            raise SourceError(
                f"{where}: workdays: {day} is no weekend, so people work anyway",
                remedy="compare it with the notice: 调休上班 is on a Saturday or Sunday",
            )
    missing = [f"{month:02}-{day:02}" for month, day in FIXED if date(year, month, day) not in off]
    if missing and not library.knows(year):
        raise SourceError(
            f"{where}: holidays: {', '.join(missing)} missing, which are off in every year",
            remedy="write down all of the notice, or leave the year out until there is one",
        )


def _kind(value: object) -> str:
    """What kind of value stands there; the value itself may be anything."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "yes or no"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            return f"a {type(value).__name__}"
