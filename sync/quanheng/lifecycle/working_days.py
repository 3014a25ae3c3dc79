"""Days on which offices work: by them lateness is measured, and nothing else (decision 24). Pure.

Act when a fact arrives; how late that was is counted in working days. A year of which nobody has said when
people are off counts Monday to Friday, and is provisional.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Self

FIXED: Final = ((1, 1), (5, 1), (10, 1))
"""元旦, 劳动节, 国庆节: days off in every year (《全国年节及纪念日放假办法》 art. 2). Without them a list
of a year's days is not whole, and the year counts as not known."""

_SATURDAY: Final = 5
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DaysKnown:
    """What somebody – the library, the operator – says of days, in China."""

    off: frozenset[date] = frozenset()
    """Days off, weekends among them or not."""
    work: frozenset[date] = frozenset()
    """Days on which people work, weekends too (调休上班)."""

    def knows(self, year: int) -> bool:
        """Whether it says all of a year: at least the days that are off in every year."""
        return all(date(year, month, day) in self.off for month, day in FIXED)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingDays:
    """Which days are working days. Make one by :meth:`of`."""

    off: frozenset[date] = frozenset()
    work: frozenset[date] = frozenset()
    """On these people work, whether or not they are off."""
    years: frozenset[int] = frozenset()
    """Years that are known; in any other weekends alone are off."""

    @classmethod
    def of(cls, *layers: DaysKnown) -> Self:
        """What all of them say; of each day the last that speaks of it counts, and of others' days nothing
        changes: a region's own day off is beside the country's."""
        off: frozenset[date] = frozenset()
        work: frozenset[date] = frozenset()
        for layer in layers:
            off |= layer.off
            work = (work - layer.off) | layer.work
        years = {day.year for layer in layers for day in layer.off}
        return cls(
            off=off,
            work=work,
            years=frozenset(year for year in years if any(layer.knows(year) for layer in layers)),
        )

    def is_working(self, day: date) -> bool:
        """Whether offices work on a day."""
        if day in self.work:
            return True
        return day.weekday() < _SATURDAY and day not in self.off

    def is_provisional(self, year: int) -> bool:
        """Whether nobody has said when people are off in a year, so that weekends alone are."""
        return year not in self.years

    def is_provisional_between(self, first: date, last: date) -> bool:
        """Whether any year between two days is provisional: then what is counted there may change."""
        return any(self.is_provisional(year) for year in range(first.year, last.year + 1))

    def add(self, day: date, count: int) -> date:
        """The ``count``-th working day after a day. Raises :class:`ValueError` for less than one."""
        if count < 1:
            raise ValueError("the first working day after a day is the nearest there is")
        while count:
            day += _DAY
            count -= self.is_working(day)
        return day

    def count(self, after: date, until: date) -> int:
        """How many working days there are after one day, up to and including another; none when that is
        earlier."""
        days = range(1, (until - after).days + 1)
        return sum(self.is_working(after + timedelta(days=number)) for number in days)
