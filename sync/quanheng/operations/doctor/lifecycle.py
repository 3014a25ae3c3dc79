"""Whether the day's work is done, whether login events may be believed, and who is exempt for too long."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import make_url

from quanheng.clock import CHINA, day_in_china
from quanheng.engine.calendar import add_months
from quanheng.ledger.chain import Ledger
from quanheng.operations.context import Context
from quanheng.operations.doctor.result import Result, ok, warn
from quanheng.operations.lifecycle.daily import read_done
from quanheng.operations.lifecycle.requesting import LONGEST_MONTHS
from quanheng.store.login_position import read_position, read_problem
from quanheng.store.logins import read_gaps

_LATE: Final = timedelta(days=1)
"""Yesterday's work is enough: today's may not have its time yet."""


def examine_lifecycle(context: Context) -> Iterator[Result]:
    """The last day that was done, what was wrong with login events, times of which they are missing, and
    exemptions that the pack should not have."""
    url = make_url(context.settings.store_url)
    if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).exists():
        return  # looking would make one; that it is missing is told elsewhere
    with context.database.reading() as connection:
        begun = Ledger(connection, context.keyring, context.clock).last() is not None
        position, problem = read_position(connection), read_problem(connection)
        gaps = read_gaps(connection)
    if not begun:
        return
    today, done = day_in_china(context.clock()), read_done(context)
    if done is None or today - done > _LATE:
        told = "从未做过" if done is None else f"最近一次是 {done.isoformat()}"
        yield warn(
            "lifecycle.day",
            f"账号生命周期的每日工作{told}",
            "保持 quanheng run 运行；也可现在运行 quanheng lifecycle run",
        )
    else:
        yield ok("lifecycle.day", f"账号生命周期的每日工作做到 {done.isoformat()}")
    if problem:
        yield warn(
            "lifecycle.logins",
            f"登录记录不完整，没有锁定任何账号：{problem}",
            "核实 Keycloak 的登录事件设置和时钟，见 docs/howto/unused-accounts.zh-CN.md",
        )
    elif position is not None:
        read_to = position.cursor.astimezone(CHINA).strftime("%Y-%m-%d %H:%M")
        yield ok("lifecycle.logins", f"登录记录读至 {read_to}")
    if gaps:
        first, last = gaps[0].since.astimezone(CHINA), gaps[-1].until.astimezone(CHINA)
        yield warn(
            "lifecycle.gaps",
            f"有 {len(gaps)} 段登录记录缺失（{first:%Y-%m-%d} 至 {last:%Y-%m-%d}），视为人人都曾登录",
            "持有完整历史的，用 quanheng lifecycle history 文件 --covers-gaps 补入",
        )
    yield from _exemptions(context, today)


def _exemptions(context: Context, today: date) -> Iterator[Result]:
    """Those of the pack that last for longer than anybody may ask for, or are over."""
    inactivity = context.pack.lifecycle.inactivity
    for item in inactivity.exemptions if inactivity is not None else ():
        until = item.until.isoformat()
        if item.until > add_months(today, LONGEST_MONTHS):
            yield warn(
                "lifecycle.exemptions",
                f"规则包中的免予锁定“{item.reason}”至 {until}，超过 {LONGEST_MONTHS} 个月",
                f"在 lifecycle.yaml 中改为不超过 {LONGEST_MONTHS} 个月，到期确有需要再延长",
            )
        elif item.until < today:
            yield warn(
                "lifecycle.exemptions",
                f"规则包中的免予锁定“{item.reason}”已于 {until} 到期，不再起作用",
                "从 lifecycle.yaml 中删去，或改为新的期限",
            )
