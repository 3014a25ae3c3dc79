"""The life of accounts at work: who has not come for three months is locked, who is near it is announced, and
what is not as it should be is put to the counties."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from rich.console import Console
from tests.fixtures.people import Population, SyntheticRow

from deploy.demo.approval import unlock
from deploy.demo.commands import Commands
from deploy.demo.folder import DemoFolder
from deploy.demo.issue import Issue
from deploy.demo.samples import DemoAdministrator, Sample, first_county
from quanheng.clock import CHINA, Clock
from quanheng.engine.calendar import add_months

_FILE: Final = "login-history.csv"
_SYSTEM: Final = "jiujinban"
_IDLE: Final = 3
"""People whose last login lies three months and a day back."""
_NEAR: Final = 4
"""People who come near to it."""


def show_life(
    console: Console,
    commands: Commands,
    folder: DemoFolder,
    issue: Issue,
    administrator: DemoAdministrator,
    samples: Sequence[Sample],
    simulator_url: str,
    clock: Clock,
) -> frozenset[str]:
    """Bring a bureau's history of logins, do the day's work, give one account back, write the month's lists.

    Returns the staff numbers of who stays locked.
    """
    chosen = _choose(issue.population, {sample.staff_no for sample in samples})
    if not (folder.root / _FILE).exists():
        folder.write_text(_FILE, _history(chosen, clock()))
    commands.life(Path(_FILE))
    back, *locked = (row.staff_no for row in chosen[:_IDLE])
    user = administrator.find(back)
    if user is not None and not user["enabled"]:
        above, below = (sample for sample in samples if sample.post == "系统管理员")
        unlock(console, commands, folder, user["username"], (below, above), simulator_url)
    commands.write_review()
    return frozenset(locked)


def _choose(population: Population, samples: set[str]) -> list[SyntheticRow]:
    """Operators of the first county whom nobody is shown as."""
    county = first_county(population)
    found = [
        row
        for row in population.good
        if row.org.startswith(county)
        and row.post_id == "operator"
        and row.staff_no in population.enabled
        and row.staff_no not in samples
    ]
    return sorted(found, key=lambda row: row.staff_no)[: _IDLE + _NEAR]


def _history(chosen: Sequence[SyntheticRow], now: datetime) -> str:
    """Of the idle ones three months and a day ago, of the others a few days later each."""
    today = now.astimezone(CHINA).date()
    lines = ["账号,系统,登录时间"]
    for number, row in enumerate(chosen):
        days = -1 if number < _IDLE else 5 * (number - _IDLE) + 1
        day = add_months(today, -3) + timedelta(days=days)
        lines.append(f"{row.staff_no},{_SYSTEM},{day.isoformat()} 09:30:00")
    return "\n".join([*lines, ""])
