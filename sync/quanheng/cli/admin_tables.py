"""Administrators and their powers, as tables and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from quanheng.delegation.evaluating import Power
from quanheng.delegation.powers import AccountPowers, Cause, Gain
from quanheng.delegation.wording import SCOPES, Reach, Where
from quanheng.model.permission import GROUPS
from quanheng.operations.answering.powers import Office, PowersReport
from quanheng.policy.shortages import Shortage

_COLUMNS: Final = tuple(scope for scope in SCOPES if scope[0] == GROUPS)
"""Powers with a column of their own; what is rarer stands in one."""
_MOST: Final = 3
"""Reaches in one cell; the rest are counted."""
_PAIR: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One account in the matrix."""

    account: AccountPowers
    powers: frozenset[Power]


def matrix_rows(report: PowersReport, area: str) -> list[Row]:
    """Everybody who may do anything; with an area only what is over people or duties of it."""
    rows = []
    for account in report.realm.accounts:
        powers = frozenset(power for power in account.powers if _concerns(report, power, area))
        if powers or (account.roles and not area):
            rows.append(Row(account=account, powers=powers))
    return rows


def print_offices(out: Console, offices: Sequence[Office], lacking: Sequence[Shortage]) -> None:
    """Posts of administrators with a holder, and which areas lack one."""
    table = Table()
    for label in ("地区", "岗位", "账号", "状态"):
        table.add_column(label, overflow="fold")
    for office in offices:
        for holder in office.holders:
            notes = ["启用" if holder.user.enabled else "停用"]
            notes += ["互为 AB 角"] if len(office.holders) == _PAIR else []
            notes += [] if holder.rightful else ["无依据"]
            table.add_row(
                f"{office.seat.area} {office.area_name}",
                office.label,
                str(holder.user.username),
                "，".join(notes),
                style=None if holder.rightful else "red",
            )
    out.print(table)
    empty = sum(not any(item.user.enabled for item in office.holders) for office in offices)
    out.print(f"管理岗位 {len(offices):,} 个，其中 {empty:,} 个没有启用的账号。")
    for item in lacking:
        out.print(f"缺人：{item.label}（{item.article}）：{item.detail}", style="yellow")


def print_surplus(out: Console, report: PowersReport) -> None:
    """What anybody has too much, by cause, and the verdict."""
    for finding in report.differences:
        out.print(f"{finding.subject}：{finding.detail}", style="red")
    told = {finding.subject for finding in report.differences}
    for gain in report.realm.gains:
        if gain.cause.name not in told:
            out.print(_gain_text(report, gain), style="red")
    missing = sum(bool(item.missing or item.missing_roles) for item in report.realm.accounts)
    if missing:
        out.print(f"{missing:,} 个账号少于规则包所给：同步，或 quanheng admin apply", style="yellow")
    if report.has_surplus:
        out.print("有规则包以外的管理权限；quanheng admin explain 账号 可查看来由", style="bold red")
    else:
        out.print("没有人多出规则包以外的管理权限。", style="green")


def account_text(report: PowersReport, account: AccountPowers) -> str:
    """Who it is: user name, whether switched on, which offices by right."""
    labels = {office.seat: f"{office.area_name}{office.label}" for office in report.offices}
    seats = "、".join(labels.get(seat, str(seat)) for seat in sorted(account.right.seats))
    state = "启用" if account.user.enabled else "停用"
    return f"{account.user.username}  {state}  {seats or '没有管理岗位'}"


def print_account(out: Console, report: PowersReport, account: AccountPowers) -> None:
    """Each power with its way, then what is too much and what is missing."""
    table = Table()
    for label in ("可以", "对象", "途径"):
        table.add_column(label, overflow="fold")
    for (what, permission), powers in _by_permission(account).items():
        (reaches,) = report.wording.by_scope(powers).values()
        ways = "；".join((*report.judge.evaluation.ways(account.user, permission), f"权限 {permission}"))
        table.add_row(SCOPES.get(what, " ".join(what)), report.wording.count(reaches), ways)
    for role, way in sorted(account.roles.items()):
        table.add_row(f"控制台角色 {role}", "", way or "直接授予")
    out.print(table)
    for cause, more in account.surplus.items():
        out.print(f"多出（{report.explain_cause(cause)}）：{report.wording.describe(more)}", style="bold red")
    for cause, roles in account.surplus_roles.items():
        out.print(f"多出（{report.explain_cause(cause)}）：{'、'.join(sorted(roles))}", style="bold red")
    if account.missing:
        out.print(f"缺少：{report.wording.describe(account.missing)}", style="yellow")
    if account.missing_roles:
        out.print(f"缺少：{'、'.join(sorted(account.missing_roles))}", style="yellow")


def print_matrix(out: Console, report: PowersReport, rows: Iterable[Row]) -> None:
    """Rows by powers."""
    table = Table()
    table.add_column("账号")
    for scope in _COLUMNS:
        table.add_column(SCOPES[scope], overflow="fold")
    table.add_column("其他", overflow="fold")
    table.add_column("控制台角色", overflow="fold")
    for row in rows:
        found = report.wording.by_scope(row.powers)
        cells = [report.wording.count(found.get(scope, {}), most=_MOST) for scope in _COLUMNS]
        others = [
            f"{SCOPES.get(scope, ' '.join(scope))}：{report.wording.count(reaches, most=_MOST)}"
            for scope, reaches in found.items()
            if scope not in _COLUMNS
        ]
        roles = sorted(role.partition("/")[2] for role in row.account.roles)
        table.add_row(
            str(row.account.user.username),
            *cells,
            "；".join(others),
            "、".join(roles),
            style="red" if row.account.has_surplus else None,
        )
    out.print(table)


def office_payload(office: Office) -> dict[str, Any]:
    """One administrator's post in an area."""
    return {
        "area": office.seat.area,
        "area_name": office.area_name,
        "post": office.seat.post,
        "label": office.label,
        "holders": [
            {"user": item.user.username, "enabled": item.user.enabled, "rightful": item.rightful}
            for item in office.holders
        ],
    }


def account_payload(report: PowersReport, account: AccountPowers) -> dict[str, Any]:
    """One account with everything."""
    return {
        "enabled": account.user.enabled,
        "seats": [{"area": seat.area, "post": seat.post} for seat in sorted(account.right.seats)],
        "powers": [
            {
                "type": what[0],
                "scope": what[1],
                "permission": permission,
                "ways": list(report.judge.evaluation.ways(account.user, permission)),
                "over": _reaches(report, powers),
            }
            for (what, permission), powers in _by_permission(account).items()
        ],
        "roles": [{"role": role, "way": way} for role, way in sorted(account.roles.items())],
        "surplus": [
            *(_surplus_payload(report, cause, powers) for cause, powers in account.surplus.items()),
            *(
                {**_cause_payload(cause), "roles": sorted(roles)}
                for cause, roles in account.surplus_roles.items()
            ),
        ],
        "missing": _scopes(report, account.missing),
        "missing_roles": sorted(account.missing_roles),
    }


def row_payload(report: PowersReport, row: Row) -> dict[str, Any]:
    """One row of the matrix."""
    return {
        "user": row.account.user.username,
        "enabled": row.account.user.enabled,
        "surplus": row.account.has_surplus,
        "powers": _scopes(report, row.powers),
        "roles": sorted(row.account.roles),
    }


def gain_payload(report: PowersReport, gain: Gain) -> dict[str, Any]:
    """One cause of a surplus, and who gains by it."""
    return {
        **_surplus_payload(report, gain.cause, gain.powers),
        "roles": sorted(gain.roles),
        "accounts": len(gain.users),
        "anybody": gain.anybody,
    }


def _gain_text(report: PowersReport, gain: Gain) -> str:
    what = [report.wording.describe(gain.powers)] if gain.powers else []
    what += ["、".join(sorted(gain.roles))] if gain.roles else []
    who = f"{report.explain_cause(gain.cause)}，{len(gain.users)} 个账号"
    return f"{gain.cause.name}（{who}）：{'；'.join(what)}"


def _surplus_payload(report: PowersReport, cause: Cause, powers: Iterable[Power]) -> dict[str, Any]:
    return {**_cause_payload(cause), "powers": _scopes(report, powers)}


def _cause_payload(cause: Cause) -> dict[str, Any]:
    return {"cause": str(cause.kind), "name": cause.name}


def _scopes(report: PowersReport, powers: Iterable[Power]) -> list[dict[str, Any]]:
    return [
        {"type": what[0], "scope": what[1], "over": _over(reaches)}
        for what, reaches in report.wording.by_scope(powers).items()
    ]


def _reaches(report: PowersReport, powers: Iterable[Power]) -> list[dict[str, Any]]:
    return [item for reaches in report.wording.by_scope(powers).values() for item in _over(reaches)]


def _over(reaches: Mapping[Reach, int]) -> list[dict[str, Any]]:
    return [
        {"area": reach.area or None, "where": str(reach.where), "name": reach.name, "count": count}
        for reach, count in reaches.items()
    ]


def _by_permission(account: AccountPowers) -> Mapping[tuple[tuple[str, str], str], list[Power]]:
    found: dict[tuple[tuple[str, str], str], list[Power]] = {}
    for power, names in sorted(account.powers.items()):
        for name in sorted(names):
            found.setdefault(((power.kind, power.scope), name), []).append(power)
    return found


def _concerns(report: PowersReport, power: Power, area: str) -> bool:
    """Whether a power is over people or duties of an area, or over everything."""
    if not area:
        return True
    reach = report.wording.reach(power)
    return reach.where is Where.EVERYTHING or (reach.where is not Where.WAY and reach.area.startswith(area))
