"""``quanheng admin apply|list|explain|matrix``: administrators in the console, and what they may do."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from quanheng.cli.admin_tables import (
    account_payload,
    account_text,
    gain_payload,
    matrix_rows,
    office_payload,
    print_account,
    print_matrix,
    print_offices,
    print_surplus,
    row_payload,
)
from quanheng.cli.realm import Administrator
from quanheng.cli.run_report import finding_payload
from quanheng.cli.session import Given, Session
from quanheng.errors import ConfigurationError
from quanheng.operations.answering.powers import PowersReport, read_powers
from quanheng.operations.delegating import apply_delegation

_NOBODY = Administrator()
Area = Annotated[str, Parameter(name="--area")]


def admin_apply(*, admin: Administrator = _NOBODY, session: Given) -> None:
    """Write the administrators' permissions as the packs say, or set right what differs in them.

    Without an administrator of the master realm the configurator does it, while it is open ('quanheng realm
    open'). A sync does the same by itself while it is open, whenever organisations or packs changed.
    """
    credential = None if admin.admin_user is None else admin.credential()
    done = apply_delegation(session.context, credential)
    payload = {
        "changes": [{"deed": str(change.deed), "name": change.name} for change in done.changes],
        "foreign": list(done.foreign),
        "waiting": sorted(done.waiting),
    }

    def show(out: Console) -> None:
        for name in done.foreign:
            out.print(f"外来权限，未改动：{name}；请核实后在控制台删除", style="bold red")
        if done.waiting:
            out.print(f"有 {len(done.waiting)} 个组尚未建立，待下次同步。", style="yellow")
        out.print(f"管理员权限已与规则包一致（改动 {len(done.changes)} 项）。", style="green")

    session.report(payload, show)


def admin_list(*, area: Area = "", session: Given) -> int:
    """List administrators by area and kind, as Keycloak has them now; areas that lack one are named.

    Exit 1: somebody has more than the packs give. One request per permission, beside reading the realm.

    Parameters
    ----------
    area
        Code of an area: only that one and those below it.
    """
    report = _read(session)
    offices = [item for item in report.offices if item.seat.area.startswith(area)]
    lacking = [item for item in report.shortages if item.area.startswith(area)]
    payload = {
        **_surplus(report),
        "offices": [office_payload(item) for item in offices],
        "shortages": [
            {"rule": item.rule, "article": item.article, "area": item.area, "detail": item.detail}
            for item in lacking
        ],
    }

    def show(out: Console) -> None:
        print_offices(out, offices, lacking)
        print_surplus(out, report)

    session.report(payload, show)
    return _exit_code(report)


def admin_explain(user: str, /, *, session: Given) -> int:
    """Say what somebody may do to whom in the console, and through what: group, policy, permission.

    Computed from Keycloak's live permissions. Exit 1: this account has more than the packs give.

    Parameters
    ----------
    user
        User name.
    """
    report = _read(session)
    if not any(item.username == user for item in report.observed.users.values()):
        raise ConfigurationError(
            f"nobody is called {user} in Keycloak", remedy="give a user name as the console shows it"
        )
    found = report.find(user)
    anybody = [gain for gain in report.realm.gains if gain.anybody]
    payload = {
        "user": user,
        **(account_payload(report, found) if found is not None else {}),
        "anybody": [gain_payload(report, gain) for gain in anybody],
    }

    def show(out: Console) -> None:
        if found is None:
            out.print(f"{user} 在控制台没有任何管理权限。")
        else:
            out.print(account_text(report, found), style="bold")
            print_account(out, report, found)
        for gain in anybody:
            text = report.wording.describe(gain.powers)
            out.print(f"可能任何人都有（{report.explain_cause(gain.cause)}）：{text}", style="bold red")

    session.report(payload, show)
    return 1 if anybody or (found is not None and found.has_surplus) else 0


def admin_matrix(*, area: Area = "", session: Given) -> int:
    """Show who may do what to whom: a row per account, a column per power, in each cell over which people.

    Computed from Keycloak's live permissions. Exit 1: somebody has more than the packs give.

    Parameters
    ----------
    area
        Code of an area: only powers over people of that one and those below it, whoever has them.
    """
    report = _read(session)
    rows = matrix_rows(report, area)
    payload = {**_surplus(report), "rows": [row_payload(report, row) for row in rows]}

    def show(out: Console) -> None:
        print_matrix(out, report, rows)
        print_surplus(out, report)

    session.report(payload, show)
    return _exit_code(report)


def _read(session: Session) -> PowersReport:
    with session.err.status("读取 Keycloak 的管理权限"):
        return read_powers(session.context)


def _surplus(report: PowersReport) -> dict[str, Any]:
    return {
        "ok": not report.has_surplus,
        "surplus": [gain_payload(report, gain) for gain in report.realm.gains],
        "differences": [finding_payload(item) for item in report.differences],
    }


def _exit_code(report: PowersReport) -> int:
    return 1 if report.has_surplus else 0
