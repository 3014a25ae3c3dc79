"""The report of ``quanheng check --sod``."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from quanheng.cli.assessed import held_payload
from quanheng.cli.session import Session
from quanheng.model.realm import RealmUser
from quanheng.operations.answering.separation import Separation, check_separation
from quanheng.operations.context import Context
from quanheng.policy.judge import describe_path
from quanheng.policy.rules import Conflict


def report_separation(session: Session) -> int:
    """Judge everybody live, report it, and return the exit code."""
    context = session.context
    with session.err.status("逐人核对职责分离"):
        found = check_separation(context)
    session.report(_payload(context, found), lambda out: _show(out, context, found))
    return 0 if found.clean else 1


def _payload(context: Context, found: Separation) -> dict[str, Any]:
    return {
        "ok": found.clean,
        "users": found.users,
        "holders": found.holders,
        "conflicts": [_conflict(context, user, conflict) for user, conflict in found.conflicts],
        "foreign": [
            {
                **_user(item.user),
                "service_account": item.user.service_account,
                "held": [held_payload(context, held) for held in item.held],
            }
            for item in found.foreign
        ],
        "waived": [
            {**_conflict(context, item.user, item.conflict), "until": item.waiver.until}
            for item in found.waived
        ],
        "shortages": [
            {
                "rule": item.rule,
                "label": item.label,
                "article": item.article,
                "area": item.area,
                "detail": item.detail,
            }
            for item in found.shortages
        ],
    }


def _user(user: RealmUser) -> dict[str, Any]:
    return {"user": user.username, "enabled": user.enabled}


def _conflict(context: Context, user: RealmUser, conflict: Conflict) -> dict[str, Any]:
    return {
        **_user(user),
        "rule": conflict.rule,
        "label": conflict.label,
        "article": conflict.article,
        "reason": conflict.reason,
        "held": [held_payload(context, held) for held in conflict.held],
    }


def _show(out: Console, context: Context, found: Separation) -> None:
    for user, conflict in found.conflicts:
        out.print(f"违反：{user.username}：{conflict.reason}", style="red")
    for item in found.foreign:
        kind = "服务账号" if item.user.service_account else "非本系统账号"
        for held in item.held:
            out.print(
                f"违反：{item.user.username}：{kind}持有 {describe_path(context.rules, held)}", style="red"
            )
    for waived in found.waived:
        out.print(
            f"已豁免至 {waived.waiver.until.isoformat()}：{waived.user.username}：{waived.conflict.reason}",
            style="yellow",
        )
    for short in found.shortages:
        out.print(f"缺人：{short.label}（{short.article}）：{short.detail}", style="yellow")
    count = len(found.conflicts) + len(found.foreign)
    verdict = "职责分离未见违反" if found.clean else f"违反 {count:,} 处；quanheng explain 账号 可查看来由"
    out.print(
        f"已核对 {found.users:,} 个账号，其中 {found.holders:,} 个有岗位或权限：{verdict}",
        style="green" if found.clean else "bold red",
    )
