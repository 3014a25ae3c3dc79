"""``quanheng lifecycle``: what each day asks for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from quanheng.cli.lifecycle_tables import ahead_payload, print_ahead
from quanheng.cli.session import Given
from quanheng.operations.lifecycle.ahead import look_ahead
from quanheng.operations.lifecycle.daily import do_day
from quanheng.operations.lifecycle.history import TakenIn, take_in_history

_PARTS: Final = {
    "use": "登录与长期未登录",
    "terms": "临时账号和测试账号",
    "tenure": "任职年限",
    "deadlines": "办理时限",
    "reviews": "账号清理清单",
}
_COUNTS: Final = {
    "logins": "读到登录记录",
    "announced": "提醒",
    "locked": "锁定",
    "stopped": "超限待批准",
    "lifted": "解除",
    "terms": "在册",
    "ended": "到期停用",
    "kept": "保留",
    "held": "在任",
    "near": "将满",
    "over": "已满",
    "waiting": "待决定",
    "late": "逾期",
    "lists": "清单",
    "new": "新增",
    "overdue": "逾期未答复",
}
_FIXED: Final = {
    "not asked for": "规则包未规定",
    "no folder for lists ": "未设清单目录，",
    "nobody locked: ": "不锁定任何账号：",
}
_COUNT: Final = re.compile("([a-z]+)=([0-9]+) ?")


def lifecycle_plan(*, session: Given) -> None:
    """Show which accounts are locked today, which soon, which are kept from it, and why. Changes nothing."""
    context = session.context
    found = look_ahead(context)
    session.report(ahead_payload(found), lambda out: print_ahead(out, found, now=context.clock()))


def lifecycle_run(*, session: Given) -> None:
    """Do what today asks for, as the daemon does each day. Run twice, it does nothing twice."""
    told = do_day(session.context)
    session.report({"done": told.split("; ")}, lambda out: _print_day(out, told))


def lifecycle_history(file: Path, /, *, covers_gaps: bool = False, session: Given) -> int:
    """Take in a bureau's own history of logins. Exit 1: some lines could not be taken in.

    Parameters
    ----------
    file
        CSV in UTF-8 with the columns 账号, 系统, 登录时间; the account by user name or staff number.
    covers_gaps
        The history is whole for every time of which login events are missing, so those count no longer.
    """
    done = take_in_history(session.context, file, covers_gaps=covers_gaps)
    payload: dict[str, Any] = {
        "lines": done.lines,
        "people": done.people,
        "gaps_covered": done.covered,
        "bad": [
            {"line": item.line, "field": item.field, "kind": item.kind, "remedy": item.remedy}
            for item in done.bad
        ],
    }
    session.report(payload, lambda out: _print_history(out, file.name, done))
    return 1 if done.bad else 0


def _print_day(out: Console, told: str) -> None:
    out.print("今日的账号生命周期工作已完成：", style="bold")
    for part in told.split("; "):
        out.print(f"  {_in_words(part)}")


def _in_words(part: str) -> str:
    """A line of the log for staff: ``use: logins=3 locked=0`` says what was read and what was done."""
    name, _, rest = part.partition(": ")
    for fixed, said in _FIXED.items():
        rest = rest.replace(fixed, said)
    counted = _COUNT.sub(lambda found: f"{_COUNTS.get(found[1], found[1])} {found[2]}，", rest)
    return f"{_PARTS.get(name, name)}：{counted.removesuffix('，')}"


def _print_history(out: Console, name: str, done: TakenIn) -> None:
    out.print(f"已补入 {done.lines:,} 行登录记录，涉及 {done.people:,} 人。")
    if done.covered:
        out.print(f"{done.covered} 段缺失的登录记录已由此补齐。")
    for item in done.bad:
        field = f"，{item.field}" if item.field else ""
        out.print(f"{name} 第 {item.line} 行{field}：{item.kind} → {item.remedy}")
