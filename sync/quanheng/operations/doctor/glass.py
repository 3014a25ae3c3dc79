"""The sealed accounts: there, and as they were sealed."""

from __future__ import annotations

from collections.abc import Iterator

from quanheng.operations.context import Context
from quanheng.operations.doctor.result import Result, fail, ok, warn
from quanheng.operations.doctor.stored import is_usable
from quanheng.operations.glass.judging import judge_glass

_HOWTO = "见 docs/howto/break-glass.zh-CN.md"


def examine_glass(context: Context) -> Iterator[Result]:
    """Each of the sealed accounts; none while there is no store that says how they were sealed."""
    if not is_usable(context):
        return
    for state in judge_glass(context):
        name = f"glass.{state.account.name}"
        text = f"应急账号 {state.account.name}：{'；'.join(state.problems) or '已封存'}"
        if not state.problems:
            yield ok(name, text)
        elif state.wrong:
            yield fail(name, text, _HOWTO)
        else:
            yield warn(name, text, _HOWTO)
