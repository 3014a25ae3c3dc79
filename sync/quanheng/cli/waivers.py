"""``quanheng waivers``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from quanheng.cli.labels import WAIVER_STATES
from quanheng.cli.session import Given
from quanheng.operations.waivers import WaiverLine, WaiverState, read_waivers


def waivers(*, session: Given) -> None:
    """List every waiver with its state and its last day."""
    found = read_waivers(session.context)
    session.report(
        {"waivers": [waiver_payload(line) for line in found]},
        lambda out: print_waivers(out, found) if found else out.print("没有豁免。"),
    )


def waiver_payload(line: WaiverLine) -> dict[str, Any]:
    """A waiver."""
    return {
        "key": line.waiver.key,
        "user": line.username,
        "rule": line.waiver.rule,
        "label": line.label,
        "article": line.article,
        "area": line.area,
        "reason": line.waiver.reason,
        "control": line.waiver.control,
        "until": line.waiver.until,
        "state": str(line.state),
        "asked_by": line.asked_by,
        "decided_by": line.decided_by,
    }


def print_waivers(out: Console, found: Sequence[WaiverLine]) -> None:
    """A line each."""
    out.print(f"豁免（{len(found):,}）", style="bold")
    table = Table()
    for label in ("编号", "账号", "规则", "至", "状态", "理由", "防控措施", "申请人", "决定人"):
        table.add_column(label, overflow="fold")
    for line in found:
        table.add_row(
            line.waiver.key[:12],
            str(line.username or ""),
            f"{line.label}（{line.article}）" if line.label else line.waiver.rule,
            line.waiver.until.isoformat(),
            WAIVER_STATES[line.state],
            line.waiver.reason,
            line.waiver.control,
            line.asked_by,
            str(line.decided_by or ""),
            style=None if line.state in (WaiverState.OPEN, WaiverState.IN_FORCE) else "dim",
        )
    out.print(table)
