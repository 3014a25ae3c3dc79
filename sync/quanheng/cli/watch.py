"""``quanheng watch``."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Final

from rich.console import Console

from quanheng.cli.labels import describe_exposure
from quanheng.cli.session import Given
from quanheng.errors import LeaseHeldError, UnsafePlanError
from quanheng.operations.watching.watcher import Tick, Watcher, read_exposure
from quanheng.watch.exposure import ExposureReport

_LOOKS: Final = 5
"""The first look after a start may only read, and what others are writing has to be waited for."""


def watch(*, session: Given) -> int:
    """Look once at what happened in Keycloak, judge and repair it; 'quanheng run' does so all the time.

    Exit 0 when nothing is left to do, 1 when Keycloak refused a repair, 4 when one exceeds a limit and waits
    for a person, 6 when another process writes to the realm all the while.
    """
    pause = session.settings.watch.seconds
    watcher = Watcher(session.context)
    events = changes = refused = 0
    last = Tick(waiting=True)
    for look in range(_LOOKS):
        if look and last.waiting:
            time.sleep(pause)
        last = watcher.tick()
        events += last.events
        changes += last.changes
        refused += last.refused
        if last.stopped or last.quiet:
            break
    if last.waiting:
        raise LeaseHeldError(
            f"something is left to do, and another process wrote to the realm at each of {_LOOKS} looks; "
            f"{changes} changes were carried out",
            remedy="wait until it has finished ('quanheng status' says who it is), then run it again",
        )
    exposure = read_exposure(session.context)
    session.report(
        {
            "events": events,
            "changes": changes,
            "refused": refused,
            "stopped": last.stopped,
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
        out.print("修复超出安全限度，除撤销违规授予外均未执行：请查看 quanheng plan", style="bold red")
    out.print(f"越权存续（授予至收回）：{describe_exposure(exposure)}")
