"""``quanheng explain``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table

from quanheng.cli.assessed import (
    assessment_payload,
    held_payload,
    reasons_text,
    subject_payload,
    subject_text,
    ways_text,
)
from quanheng.cli.console import lines_of
from quanheng.cli.labels import BASES, HOLDS
from quanheng.cli.run_report import finding_payload
from quanheng.cli.session import Given
from quanheng.cli.waivers import print_waivers, waiver_payload
from quanheng.clock import CHINA
from quanheng.engine.holds import told_kinds, told_reason
from quanheng.model.person import BasisKind
from quanheng.operations.answering.assessing import Assessment
from quanheng.operations.answering.explaining import BasisTold, DutyTold, Explanation
from quanheng.operations.answering.explaining import explain as explain_user
from quanheng.operations.context import Context


def explain(user: str, /, *, session: Given) -> None:
    """Say why somebody holds each duty, and which posts it could not be given, and why. Writes nothing.

    Parameters
    ----------
    user
        User name, or staff number.
    """
    context = session.context
    found = explain_user(context, user)
    session.report(_payload(context, found), lambda out: _show(out, context, found))


def _payload(context: Context, found: Explanation) -> dict[str, Any]:
    desired = found.subject.desired
    return {
        **subject_payload(found.subject),
        "duties": [
            {
                **held_payload(context, item.held),
                "article": item.article,
                "post": item.post,
                "area_name": item.area_name,
                "effective": item.effective,
                "bases": [_basis_payload(basis) for basis in item.bases],
            }
            for item in found.duties
        ],
        "holds": [
            {
                "kind": told_kinds([hold])[0],
                "since": hold.since,
                "reason": told_reason([hold]),
                "origin": hold.origin,
            }
            for hold in (desired.holds if desired is not None else ())
        ],
        "withholdings": [
            {
                "post": item.post,
                "label": item.label,
                "area": item.area,
                "actor": item.actor,
                "at": item.at,
                "reason": item.reason,
            }
            for item in found.withholdings
        ],
        "waivers": [waiver_payload(line) for line in found.waivers],
        "findings": [finding_payload(item) for item in found.subject.findings],
        "could": [assessment_payload(context, item) for item in found.posts if item.possible],
        "could_not": [assessment_payload(context, item) for item in found.posts if not item.possible],
    }


def _basis_payload(basis: BasisTold) -> dict[str, Any]:
    return {
        "kind": str(basis.kind),
        "article": basis.article,
        "origin": basis.origin,
        "actor": basis.actor,
        "at": basis.at,
        "since": basis.since,
        "until": basis.until,
        "reason": basis.reason,
    }


def _show(out: Console, context: Context, found: Explanation) -> None:
    out.print(subject_text(found.subject), style="bold")
    _show_duties(out, found.duties)
    desired = found.subject.desired
    for hold in desired.holds if desired is not None else ():
        since, reason = hold.since.isoformat(), told_reason([hold])
        out.print(f"停用原因：{HOLDS[hold.kind]}，自 {since}：{reason}（{hold.origin}）", style="yellow")
    for item in found.withholdings:
        out.print(
            f"已收回：{item.area} {item.label}，由 {item.actor} 于 {_time(item.at)}：{item.reason}",
            style="yellow",
        )
    for finding in found.subject.findings:
        out.print(f"未授予：{finding.detail}", style="yellow")
    if found.waivers:
        print_waivers(out, found.waivers)
    _show_posts(out, context, found.posts)


def _show_duties(out: Console, duties: Sequence[DutyTold]) -> None:
    if not duties:
        out.print("没有任何岗位或权限。")
        return
    out.print(f"岗位和权限（{len(duties):,}）", style="bold")
    table = Table()
    for label in ("岗位或权限", "地区", "途径", "依据"):
        table.add_column(label, overflow="fold")
    for item in sorted(duties, key=lambda item: item.held.path):
        table.add_row(
            item.label,
            f"{item.held.area} {item.area_name}" if item.held.area else "不限地区",
            item.path,
            _bases_text(item),
            style=None if item.bases and item.effective else "red" if item.effective else "yellow",
        )
    out.print(table)


def _bases_text(item: DutyTold) -> RenderableType:
    if not item.bases:
        return "没有依据，将被收回"
    lines = [_basis_text(basis) for basis in item.bases]
    return lines_of(lines if item.effective else ["尚未生效，待同步", *lines])


def _basis_text(basis: BasisTold) -> str:
    parts = [f"{BASES[basis.kind]}（{basis.article}）"]
    if basis.origin:
        parts.append(basis.origin)
    if basis.actor:
        word = "由" if basis.kind is BasisKind.CONSOLE else "批准人"
        parts.append(f"{word} {basis.actor}")
    if basis.at is not None:
        parts.append(_time(basis.at))
    if basis.since is not None:
        parts.append(f"自 {basis.since.isoformat()}")
    if basis.until is not None:
        parts.append(f"至 {basis.until.isoformat()}")
    if basis.reason:
        parts.append(basis.reason)
    return " ".join(parts)


def _show_posts(out: Console, context: Context, posts: Sequence[Assessment]) -> None:
    shown: Sequence[tuple[Assessment, RenderableType]]
    for title, column, shown in (
        ("可以授予", "可凭", [(item, ways_text(context, item)) for item in posts if item.possible]),
        ("不能授予", "原因", [(item, reasons_text(item)) for item in posts if not item.possible]),
    ):
        if not shown:
            continue
        out.print(f"{title}（{len(shown):,}）", style="bold")
        table = Table()
        table.add_column("岗位")
        table.add_column(column, overflow="fold")
        for item, text in shown:
            table.add_row(item.post.label, text)
        out.print(table)


def _time(moment: datetime) -> str:
    return moment.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")
