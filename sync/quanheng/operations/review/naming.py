"""Months and counties as people name them: a slip is refused, and does not read like "nothing was found"."""

from __future__ import annotations

from quanheng.errors import ConfigurationError
from quanheng.lifecycle.review import is_month
from quanheng.model.ids import OrgCode
from quanheng.model.staff import OrgUnit
from quanheng.policy.units import Units


def require_month(month: str | None) -> None:
    """Refuse what is no month. None is any. Raises :class:`ConfigurationError`."""
    if month is not None and not is_month(month):
        raise ConfigurationError("that is no month", remedy="write it as 2026-11")


def find_area(units: Units, code: OrgCode) -> OrgUnit:
    """The county, city or province of a code. Raises :class:`ConfigurationError` when there is none."""
    unit = units.resolve(code)
    if unit is None or units.area(unit) != unit:
        raise ConfigurationError(
            f"there is no county {code}", remedy="name a county, city or province by its code"
        )
    return unit
