"""Every organisation there is now."""

from __future__ import annotations

from collections.abc import Mapping

from quanheng.clock import day_in_china
from quanheng.model.ids import OrgCode
from quanheng.model.registry import Registry
from quanheng.operations.context import Context
from quanheng.policy.units import Units
from quanheng.sources.organisations import with_root
from quanheng.sources.reorganisation import read_reorganisation


def units_of(context: Context, registry: Registry, recoded: Mapping[OrgCode, OrgCode]) -> Units:
    """Every organisation there is now: merged and recoded ones are found through their successor."""
    there = {code: unit for code, unit in registry.units.items() if code not in recoded}
    return with_root(Units(there, recoded), context.pack)


def read_recoded(context: Context) -> Mapping[OrgCode, OrgCode]:
    """Old codes and their successors, as of today."""
    today = day_in_china(context.clock())
    return read_reorganisation(context.settings.organisation_changes, today=today)
