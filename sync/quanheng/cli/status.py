"""``quanheng status``."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from rich.console import Console
from rich.table import Table

from quanheng.cli.labels import describe_exposure
from quanheng.cli.run_tables import print_reasons
from quanheng.cli.session import Given
from quanheng.clock import CHINA
from quanheng.operations.status import Status, read_status


def status(*, session: Given) -> None:
    """Say how things stand, from the store alone: it answers when Keycloak does not."""
    found = read_status(session.context)
    session.report(asdict(found), lambda out: _show(out, found))


def _show(out: Console, found: Status) -> None:
    out.print(f"域 {found.realm}", style="bold")
    table = Table(show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    beat = found.heartbeat
    for label, value in (
        ("首任管理员", "已任命" if found.bootstrapped else "未任命：quanheng bootstrap"),
        ("人员", f"{found.people:,}"),
        ("账号", f"{found.accounts:,}"),
        ("机构", f"{found.units:,}"),
        ("控制台停用等", f"{found.holds:,}"),
        ("待第二人决定", f"{found.proposals:,}"),
        ("有效的豁免", _waivers(found)),
        ("隔离的行", f"{sum(found.quarantine.values()):,}"),
        ("上次执行计划", _time(found.last_applied)),
        ("中断的计划", found.unfinished[:12] if found.unfinished else "无"),
        ("正在写入", found.writer or "无"),
        ("上次全面核读", _time(found.mirror.swept_at if found.mirror else None)),
        ("台账", f"{found.ledger_entries:,} 条"),
        ("越权存续（授予至收回）", describe_exposure(found.exposure)),
        (
            "守护进程",
            "未见"
            if beat is None
            else f"{beat.state}，{_time(beat.at)}，{beat.job or ''} {beat.result or ''}",
        ),
        ("上次监看", _time(beat.watched if beat is not None else None)),
    ):
        table.add_row(label, value)
    for source in found.sources:
        table.add_row(
            f"来源 {source.source}",
            f"{source.rows:,} 行，截至 {_time(source.as_of)}，接受于 {_time(source.accepted_at)}",
        )
    out.print(table)
    print_reasons(out, {str(reason): count for reason, count in found.quarantine.items()})


def _waivers(found: Status) -> str:
    end = found.next_waiver_end
    return "无" if end is None else f"{found.waivers:,}，最早至 {end.isoformat()}"


def _time(moment: datetime | None) -> str:
    return "从未" if moment is None else moment.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")
