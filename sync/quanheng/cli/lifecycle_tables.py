"""What ``quanheng lifecycle plan`` shows: as JSON, and for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from quanheng.cli.account_terms import STATES
from quanheng.clock import CHINA
from quanheng.lifecycle.inactivity import describe_span
from quanheng.operations.lifecycle.ahead import Ahead
from quanheng.operations.lifecycle.lateness import Overdue
from quanheng.operations.lifecycle.tenure import TenureLine
from quanheng.operations.lifecycle.terms import TermLine
from quanheng.operations.lifecycle.unused import Unused
from quanheng.operations.limits_exceeded import describe_excess

_SHOWN: Final = 20
"""Accounts of one kind that a person sees; JSON has all."""


def ahead_payload(found: Ahead) -> dict[str, Any]:
    """Everything, for programs."""
    return {
        "done": found.done,
        "logins_read_to": found.position.cursor if found.position is not None else None,
        "problem": found.problem,
        "gaps": [{"since": gap.since, "until": gap.until, "reason": gap.reason} for gap in found.gaps],
        "locks": [_payload(item) for item in found.locks],
        "asked": [_payload(item) for item in found.asked],
        "excess": [describe_excess(item) for item in found.excess],
        "near": [_payload(item) for item in found.near],
        "exempt": [_payload(item) for item in found.exempt],
        "terms": [
            {"username": str(item.username), "state": str(item.state), "until": item.until}
            for item in found.terms
        ],
        "tenures": [
            {
                "username": str(item.username),
                "area": str(item.area),
                "post": str(item.post),
                "state": str(item.state),
                "full": item.judged.over_from,
                "article": item.article,
            }
            for item in found.tenures
        ],
        "waiting": [
            {
                "proposal": item.key,
                "kind": str(item.kind),
                "staff_no": str(item.staff_no),
                "made": item.waited.made,
                "due": item.waited.due,
                "state": str(item.state),
            }
            for item in found.waiting
        ],
        "outside": [
            {"username": item.username, "kind": item.kind, "reason": item.reason} for item in found.outsiders
        ],
    }


def _payload(item: Unused) -> dict[str, Any]:
    verdict = item.verdict
    return {
        "username": str(item.person.username),
        "county": str(verdict.county),
        "last_login": verdict.last,
        "due": verdict.locks_at,
        "after": f"{verdict.after.value} {verdict.after.unit}",
        "article": verdict.article,
        "exempt": None
        if verdict.exempt is None
        else {"reason": verdict.exempt.reason, "until": verdict.exempt.until},
    }


def print_ahead(out: Console, found: Ahead, *, now: datetime) -> None:
    """The same for people, each kind under its own heading."""
    out.print(f"账号生命周期（{_moment(now)}）", style="bold")
    out.print(f"  上次完成：{found.done.isoformat() if found.done is not None else '从未'}")
    read_to = _moment(found.position.cursor) if found.position is not None else "从未"
    out.print(f"  登录记录读至：{read_to}")
    if found.problem:
        out.print(f"  登录记录不完整，不锁定任何账号：{found.problem}", style="bold red")
    for gap in found.gaps:
        out.print(
            f"  缺失的登录记录：{_moment(gap.since)} 至 {_moment(gap.until)}（{gap.reason}）；"
            "视为人人都曾登录，可用 quanheng lifecycle history 补入"
        )
    _accounts(out, "今日锁定", found.locks)
    if found.asked:
        out.print("超出安全限度，待第二人批准：", style="bold")
        for excess in found.excess:
            out.print(f"  {describe_excess(excess)}")
    _accounts(out, "待批准后锁定", found.asked)
    _accounts(out, "即将锁定", found.near)
    _accounts(out, "不锁定", found.exempt)
    _lines(out, "临时账号、测试账号", [f"{item.username}：{_term(item)}" for item in found.terms])
    _lines(out, "高风险岗位任职年限", [f"{item.username}：{_tenure(item)}" for item in found.tenures])
    _lines(out, "待第二人决定", [f"{item.key[:12]} {_waiting(item)}" for item in found.waiting])
    out.print(f"非实名账号，不适用（{len(found.outsiders):,}）", style="bold")
    for item in found.outsiders:
        out.print(f"  {item.username}：{item.reason}")


def _lines(out: Console, title: str, lines: Sequence[str]) -> None:
    """What the pack asks for elsewhere, a line each; nothing when there is none."""
    if not lines:
        return
    out.print(f"{title}（{len(lines):,}）", style="bold")
    for line in lines[:_SHOWN]:
        out.print(f"  {line}")
    if len(lines) > _SHOWN:
        out.print(f"  另有 {len(lines) - _SHOWN:,} 项，见 --format json")


def _term(item: TermLine) -> str:
    until = f"，至 {item.until.isoformat()}" if item.until is not None else ""
    return f"{STATES[item.state]}{until}"


def _tenure(item: TenureLine) -> str:
    return (
        f"{item.area} {item.label}，{item.judged.over_from.isoformat()} 满 {item.years} 年（{item.article}）"
    )


def _waiting(item: Overdue) -> str:
    due = f"限 {item.waited.due.isoformat()}" if item.waited.due is not None else "应及时办理"
    return f"{item.what} {item.username or item.staff_no}，{item.waited.made.isoformat()} 提出，{due}"


def _accounts(out: Console, title: str, items: Sequence[Unused]) -> None:
    out.print(f"{title}（{len(items):,}）", style="bold")
    if not items:
        return
    table = Table()
    for label in ("账号", "县（市、区）", "最近登录", "锁定时间", "期限", "说明"):
        table.add_column(label, overflow="fold")
    for item in items[:_SHOWN]:
        verdict = item.verdict
        exempt = verdict.exempt
        table.add_row(
            str(item.person.username),
            str(verdict.county),
            _moment(verdict.last) if verdict.last is not None else "从未",
            _moment(verdict.locks_at),
            f"{describe_span(verdict.after)}（{verdict.article}）",
            f"{exempt.reason}，至 {exempt.until.isoformat()}" if exempt is not None else "",
        )
    out.print(table)
    if len(items) > _SHOWN:
        out.print(f"  另有 {len(items) - _SHOWN:,} 个，见 --format json")


def _moment(moment: datetime) -> str:
    return moment.astimezone(CHINA).strftime("%Y-%m-%d %H:%M")
