"""Two people: one asks, the province's 系统管理员 approves. Both log in by card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from deploy.demo.commands import Commands
from deploy.demo.folder import DemoFolder
from deploy.demo.samples import Sample

_SHOWN = 6
_PERSON = "person.json"


def approve_proposals(
    console: Console,
    commands: Commands,
    folder: DemoFolder,
    approver: Sample,
    simulator_url: str,
    proposals: Sequence[Mapping[str, Any]],
) -> None:
    """Log in by card and approve every proposal, showing who approves what."""
    console.print(f"For a second person to decide: {len(proposals)}")
    for proposal in proposals[:_SHOWN]:
        console.print(f"  {proposal['summary']}")
    if len(proposals) > _SHOWN:
        console.print(f"  … and {len(proposals) - _SHOWN} more")
    console.print(f"{approver.area} {approver.post} {approver.name} ({approver.username}) scans and logs in")
    with _at_the_browser(folder, approver, simulator_url) as person:
        commands.approve((proposal["key"] for proposal in proposals), person)


def unlock(
    console: Console,
    commands: Commands,
    folder: DemoFolder,
    username: str,
    people: tuple[Sample, Sample],
    simulator_url: str,
) -> None:
    """Give a locked account back: the first asks, the second approves. It takes effect at once."""
    asks, approves = people
    console.print(f"{asks.area} {asks.post} {asks.name} ({asks.username}) scans and asks")
    with _at_the_browser(folder, asks, simulator_url) as person:
        commands.unlock(username, "抽调三个月后返岗，仍办理原业务", person)
    approve_proposals(console, commands, folder, approves, simulator_url, commands.proposals())


@contextmanager
def _at_the_browser(folder: DemoFolder, who: Sample, simulator_url: str) -> Iterator[Path]:
    """A file that stands for the person at the browser and the phone."""
    folder.write(_PERSON, {"simulator_url": simulator_url, "person": who.staff_no})
    try:
        yield folder.root / _PERSON
    finally:
        (folder.root / _PERSON).unlink(missing_ok=True)
