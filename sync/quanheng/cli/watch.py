"""``quanheng watch``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from rich.console import Console

from quanheng.cli.labels import describe_exposure
from quanheng.cli.session import Given
from quanheng.errors import UnsafePlanError
from quanheng.operations.watching.watcher import Tick, Watcher, read_exposure
from quanheng.watch.exposure import ExposureReport

_LOOKS: Final = 5
"""The first look after a start may only read, and one behind somebody else's repair has to wait."""


def watch(*, session: Given) -> int:
    """Look once at what happened in Keycloak, judge and repair it; 'quanheng run' does so all the time.

    Exit 0 when nothing is left to do, 1 when Keycloak refused a repair, 4 when one exceeds a limit and waits
    for a person.
    """
    watcher = Watcher(session.context)
    events = changes = refused = 0
    last = Tick(waiting=True)
    for _ in range(_LOOKS):
        last = watcher.tick()
        events += last.events
        changes += last.changes
        refused += last.refused
        if last.stopped or last.quiet:
            break
    exposure = read_exposure(session.context)
    session.report(
        {
            "events": events,
            "changes": changes,
            "refused": refused,
            "stopped": last.stopped,
            "waiting": last.waiting,
            "exposure": asdict(exposure),
        },
        lambda out: _show(out, events, changes, refused, last, exposure),
    )
    if last.stopped:
        return UnsafePlanError.exit_code
    return 1 if refused else 0


def _show(
    out: Console, events: int, changes: int, refused: int, last: Tick, exposure: ExposureReport
) -> None:
    out.print(f"新事件 {events}，修复 {changes} 项")
    if refused:
        out.print(
            f"{refused} 项修复被 Keycloak 拒绝，越权仍然存在：请由 master 域管理员按 quanheng check 所列收回",
            style="bold red",
        )
    if last.stopped:
        out.print("修复超出安全限度，未执行：请查看 quanheng plan", style="bold red")
    if last.waiting:
        out.print("另一进程正在写入：请稍后再试")
    out.print(f"越权存续（授予至收回）：{describe_exposure(exposure)}")
