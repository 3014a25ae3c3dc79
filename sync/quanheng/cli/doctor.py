"""``quanheng doctor``."""

from __future__ import annotations

from typing import Final

from rich.console import Console

from quanheng.cli.session import Given
from quanheng.operations.doctor.examine import examine
from quanheng.operations.doctor.result import Result, State

_MARKS: Final = {
    State.OK: ("正常", "green"),
    State.WARN: ("注意", "yellow"),
    State.FAIL: ("故障", "bold red"),
}


def doctor(*, session: Given) -> int:
    """Look at every connection, permission, setting and known hole, and say what to do. Changes nothing.

    Exit 0: nothing fails; warnings may remain. 1: something fails.
    """
    results = []
    for result in examine(session.config, session.new_context):
        results.append(result)
        if session.format == "text":
            _show(session.out, result)
    failed = sum(result.state is State.FAIL for result in results)
    warned = sum(result.state is State.WARN for result in results)
    payload = {
        "ok": failed == 0,
        "checks": [
            {
                "id": result.id,
                "state": str(result.state),
                "message": result.message,
                "remedy": result.remedy,
            }
            for result in results
        ],
    }
    session.report(
        payload, lambda out: out.print(f"共 {len(results)} 项：故障 {failed}，注意 {warned}", style="bold")
    )
    return 1 if failed else 0


def _show(out: Console, result: Result) -> None:
    word, style = _MARKS[result.state]
    out.print(f"{word}  {result.id}：{result.message}", style=style)
    if result.remedy:
        out.print(f"      → {result.remedy}")
