"""The second person: the province's 系统管理员 logs in and approves what the sources only propose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from deploy.demo.commands import Commands
from deploy.demo.folder import DemoFolder
from deploy.demo.samples import Sample

_SHOWN = 6
_PERSON = "approver.json"


def approve_proposals(
    console: Console,
    commands: Commands,
    folder: DemoFolder,
    approver: Sample,
    simulator_url: str,
    proposals: Sequence[Mapping[str, Any]],
) -> None:
    """Log in by card and approve every proposal, showing who approves what."""
    console.print(f"{len(proposals)} posts wait for a second person:")
    for proposal in proposals[:_SHOWN]:
        console.print(f"  {proposal['summary']}")
    if len(proposals) > _SHOWN:
        console.print(f"  … and {len(proposals) - _SHOWN} more")
    console.print(f"{approver.area} {approver.post} {approver.name} ({approver.username}) scans and logs in")
    # The file stands for the person at the browser and the phone.
    person = {"simulator_url": simulator_url, "person": approver.staff_no}
    folder.write(_PERSON, person)
    try:
        commands.approve((proposal["key"] for proposal in proposals), folder.root / _PERSON)
    finally:
        (folder.root / _PERSON).unlink(missing_ok=True)
