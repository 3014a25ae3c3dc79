"""``quanheng check``."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from quanheng.cli.labels import label_of_change
from quanheng.cli.run_report import change_payload, finding_payload
from quanheng.cli.run_tables import print_findings
from quanheng.cli.separation import report_separation
from quanheng.cli.session import Given
from quanheng.operations.check import check as check_realm


def check(*, sod: Annotated[bool, Parameter(negative=())] = False, session: Given) -> int:
    """Read Keycloak live and say what is not as it should be. Writes nothing.

    Exit 0: what is ours is right; foreign things are only named. 1: something of ours differs.

    Parameters
    ----------
    sod
        Judge separation of duties instead: what everybody effectively holds, whatever gives it. Exit 1 when
        anybody breaks a rule; posts that nobody fills, and waivers, are only named.
    """
    if sod:
        return report_separation(session)
    with session.err.status("逐项读取 Keycloak"):
        found = check_realm(session.context)
    findings = [finding_payload(finding) for finding in found.findings]
    report = {
        "ok": found.clean,
        "users": found.users,
        "groups": found.groups,
        "differences": [change_payload(change) for change in found.differences],
        "configuration": [
            {"where": gap.where, "wanted": gap.wanted, "found": gap.found, "foreign": gap.foreign}
            for gap in found.configuration
        ],
        "configuration_not_seen": list(found.configuration_not_seen),
        "findings": findings,
    }

    def show(out: Console) -> None:
        for change in found.differences:
            out.print(
                f"不一致：{change.subject}：须{label_of_change(change.kind)}（{change.reason}）", style="red"
            )
        for gap in found.configuration:
            kind = "非本系统配置" if gap.foreign else "配置不一致"
            out.print(
                f"{kind}：{gap.where}：应为 {gap.wanted}，实为 {gap.found}",
                style="yellow" if gap.foreign else "red",
            )
        print_findings(out, findings)
        if found.configuration_not_seen:
            parts = "、".join(found.configuration_not_seen)
            out.print(
                f"未能核对（日常客户端无权查看）：{parts}；用 quanheng realm status --admin-user",
                style="yellow",
            )
        verdict = (
            "一致"
            if found.clean
            else "不一致；同步可修复账号和组：quanheng sync --live；配置：quanheng realm apply"
        )
        out.print(
            f"已核对 {found.users:,} 个账号、{found.groups:,} 个组：{verdict}",
            style="green" if found.clean else "bold red",
        )

    session.report(report, show)
    return 0 if found.clean else 1
