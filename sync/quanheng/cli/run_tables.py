"""A run's report for a person: what came of each source, what was changed, what to do next."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from quanheng.cli.labels import FINDINGS, label_of_change
from quanheng.model.finding import FindingKind
from quanheng.model.staff import Reason
from quanheng.operations.limits_exceeded import SAFETY
from quanheng.sources.reasons import EXPLANATIONS

_SHOWN_FINDINGS = 5
"""Findings of one kind that are listed; the rest are counted."""

_FIGURES = {
    "created": "新建账号",
    "changed": "变更账号",
    "unchanged": "无需变更",
    "groups": "新建或调整的组",
    "proposals": "待第二人决定",
    "quarantined": "隔离的行",
    "recovered": "补记上次中断的步骤",
    "seconds": "用时（秒）",
    "people_per_second": "每秒人数",
}


def print_run(out: Console, report: Mapping[str, Any], *, title: str, shown_changes: int = 0) -> None:
    """Print everything but what to do next."""
    print_sources(out, report["sources"])
    print_reasons(out, report["quarantine"])
    out.print(title, style="bold")
    figures = Table(show_header=False)
    figures.add_column()
    figures.add_column(justify="right")
    for key, label in _FIGURES.items():
        if key in report and (report[key] or key != "recovered"):
            value = report[key]
            figures.add_row(label, f"{value:,.1f}" if isinstance(value, float) else f"{value:,}")
    out.print(figures)
    if report["counts"]:
        kinds = "、".join(f"{label_of_change(kind)} {count:,}" for kind, count in report["counts"].items())
        out.print(f"步骤：{kinds}")
    for change in report.get("change_list", [])[:shown_changes]:
        out.print(f"  {label_of_change(change['kind'])}  {change['subject']}  {change['reason']}")
    if (more := len(report.get("change_list", [])) - shown_changes) > 0:
        out.print(f"  …… 另有 {more:,} 步，--format json 可列出全部")
    for item in report.get("refused", []):
        out.print(
            f"Keycloak 拒绝：{label_of_change(item['kind'])} {item['subject']}：{item['refusal']}",
            style="red",
        )
    print_findings(out, report["findings"])
    for item in report["excess"]:
        out.print(
            f"超出安全限度：{SAFETY.get(item['name'], item['name'])} {item['count']:,}，"
            f"现有 {item['population']:,}，允许 {item['allowed']:,}",
            style="bold red",
        )


def print_sources(out: Console, sources: Sequence[Mapping[str, Any]]) -> None:
    """One line per source."""
    table = Table()
    for label in ("来源", "结果", "人员", "行", "隔离", "说明"):
        table.add_column(label, justify="right" if label in ("人员", "行", "隔离") else "left")
    for source in sources:
        table.add_row(
            source["source"],
            "接受" if source["accepted"] else "未接受",
            f"{source['people']:,}",
            f"{source['rows']:,}",
            f"{sum(source['rejected'].values()):,}",
            source["message"],
            style=None if source["accepted"] else "red",
        )
    out.print(table)
    for source in sources:
        for note in source["notes"]:
            out.print(f"{source['source']}：{note}")


def print_reasons(out: Console, reasons: Mapping[str, int]) -> None:
    """Rows in quarantine by reason, the most frequent first."""
    if not reasons:
        return
    table = Table()
    table.add_column("隔离原因")
    table.add_column("行", justify="right")
    table.add_column("如何更正")
    for reason, count in sorted(reasons.items(), key=lambda item: -item[1]):
        explanation = EXPLANATIONS[Reason(reason)]
        table.add_row(explanation.label, f"{count:,}", explanation.remedy)
    out.print(table)


def print_findings(out: Console, findings: Sequence[Mapping[str, Any]]) -> None:
    """Findings by kind, violations first."""
    by_kind: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for finding in findings:
        by_kind[finding["kind"]].append(finding)
    ordered = sorted(by_kind.items(), key=lambda item: not any(finding["violation"] for finding in item[1]))
    for kind, items in ordered:
        violation = any(item["violation"] for item in items)
        out.print(
            f"{FINDINGS[FindingKind(kind)]}（{len(items):,}）", style="bold red" if violation else "bold"
        )
        for item in items[:_SHOWN_FINDINGS]:
            out.print(f"  {item['subject']}：{item['detail']}")
        if (more := len(items) - _SHOWN_FINDINGS) > 0:
            out.print(f"  …… 另有 {more:,} 项")


def print_next(out: Console, report: Mapping[str, Any], *, planned: bool) -> None:
    """What the operator does next, one line each."""
    digest = report["digest"][:12]
    steps = [
        f"来源 {source['source']} 未被接受，其人员保持原状；请按说明处理后再次运行"
        for source in report["sources"]
        if not source["accepted"]
    ]
    if report["excess"]:
        steps.append(
            f"请第二人核对后批准：quanheng approve {digest}；再运行 quanheng apply --digest {digest}"
        )
    elif planned and report["changes"]:
        steps.append(f"执行本计划：quanheng apply --digest {digest}")
    if report.get("refused"):
        steps.append("被拒绝的步骤下次运行会再试；原因见上，也可运行 quanheng doctor")
    if report["proposals"]:
        steps.append(
            f"有 {report['proposals']:,} 项待第二人决定：quanheng proposals 查看，quanheng approve 批准"
        )
    if report["quarantined"]:
        steps.append(f"有 {report['quarantined']:,} 行在隔离区：quanheng quarantine --county 县编码")
    if report.get("permissions", {}).get("outdated"):
        steps.append("管理员的控制台权限待更新：quanheng admin apply --admin-user 主域管理员")
    if not report["changes"] and not steps:
        out.print("Keycloak 已与来源一致，无事可做。", style="green")
    for number, step in enumerate(steps, start=1):
        out.print(f"{number}. {step}")
