"""``quanheng accounts temporary`` and ``accounts term``: accounts that are for a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Final

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from quanheng.cli.asking import confirm
from quanheng.cli.deciding import authenticate
from quanheng.cli.session import Given, Session
from quanheng.clock import CHINA
from quanheng.errors import ConfigurationError, RefusedError
from quanheng.lifecycle.terms import KINDS, TermState
from quanheng.model.ids import OrgCode
from quanheng.model.person import TermKind
from quanheng.operations.lifecycle.closing_tests import Closed, close_tests, prepare_closing
from quanheng.operations.lifecycle.putting_terms import prepare_term, put_prepared
from quanheng.operations.lifecycle.terms import TermLine, read_terms

STATES: Final[Mapping[TermState, str]] = {
    TermState.IN_FORCE: "有效",
    TermState.ENDING: "即将到期",
    TermState.ENDED: "已到期",
    TermState.MISSING: "缺期限和责任人",
}


def accounts_term(
    username: str,
    /,
    *,
    owner: str,
    until: str,
    purpose: str,
    test: Annotated[bool, Parameter(negative=())] = False,
    open_with: str | None = None,
    session: Given,
) -> int:
    """Give an account its end and the person who answers for it; the same again extends or shortens it.

    Whoever does it logs in to the realm in a browser, and has charge of that account. What has ended already
    is given back by 'accounts restore'. Exit 1: written down, but the account that lacked an end is not
    enabled yet.

    Parameters
    ----------
    username
        User name or staff number of whose account it is.
    owner
        User name or staff number of who answers for it.
    until
        Its last day, YYYY-MM-DD.
    purpose
        What it is for; no ID number and no phone.
    test
        It is a test account, which is closed before acceptance.
    open_with
        Program that is given the address to log in at; otherwise the address is shown.
    """
    context = session.context
    # Everything is seen to first: nobody logs in for something that cannot be.
    prepared = prepare_term(context, username, owner=owner, until=_day(until), purpose=purpose, test=test)
    done = put_prepared(context, prepared, authenticate(session, open_with, role="账号管理员"))
    before = prepared.before
    payload: dict[str, Any] = {
        "username": str(prepared.username),
        "kind": done.term.kind,
        "owner": str(prepared.owner),
        "until": done.term.until,
        "before": before.until if before is not None else None,
        "purpose": done.term.purpose,
        "put_by": str(done.by),
        "lifted": done.lifted,
        "enabled": done.enabled,
    }
    session.report(payload, lambda out: _print_put(out, payload))
    return 1 if done.lifted and not done.enabled else 0


def accounts_temporary(
    *,
    before_acceptance: Annotated[bool, Parameter(negative=())] = False,
    area: str | None = None,
    owner: str | None = None,
    yes: Annotated[bool, Parameter(negative=())] = False,
    open_with: str | None = None,
    session: Given,
) -> int:
    """List accounts that are for a time; or close the test accounts, which go at acceptance.

    Closing takes an administrator with charge of every one of them, who logs in to the realm in a browser.
    Exit 1: closed, but Keycloak refused to switch some off.

    Parameters
    ----------
    before_acceptance
        List the test accounts and close them: their time is over at once, their sessions end.
    area
        Only those of this province, city, county or organisation, with everything below.
    owner
        Only those for which this person (user name or staff number) answers.
    yes
        Do not ask whether the list is right.
    open_with
        Program that is given the address to log in at; otherwise the address is shown.
    """
    context = session.context
    code = OrgCode(area) if area is not None else None
    if before_acceptance:
        return _close(session, prepare_closing(context, area=code, owner=owner), yes=yes, open_with=open_with)
    if yes:
        raise ConfigurationError("--yes goes with --before-acceptance", remedy="leave it out to list")
    lines = read_terms(context, area=code, owner=owner)
    session.report({"accounts": [_payload(item) for item in lines]}, lambda out: _print_list(out, lines))
    return 0


def _close(session: Session, lines: Sequence[TermLine], *, yes: bool, open_with: str | None) -> int:
    if not lines:
        session.report(
            {"closed_by": None, "accounts": [], "refused": []},
            lambda out: out.print("没有须在验收前关闭的测试账号。"),
        )
        return 0
    _print_list(session.err, lines)
    if not yes and not confirm(f"以上 {len(lines):,} 个测试账号立即到期停用，终止会话？"):
        raise RefusedError(
            "not confirmed; nothing was closed", remedy="narrow the list with --area or --owner"
        )
    done = close_tests(session.context, lines, authenticate(session, open_with, role="账号管理员"))
    payload = {
        "closed_by": str(done.by),
        "accounts": [str(name) for name in done.accounts],
        "refused": [str(name) for name in done.refused],
    }
    session.report(payload, lambda out: _print_closed(out, done))
    return 1 if done.refused else 0


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigurationError("--until is no day", remedy="write it as 2026-12-31") from None


def _payload(item: TermLine) -> dict[str, Any]:
    return {
        "username": str(item.username),
        "organisation": item.org,
        "state": item.state,
        "kind": item.kind,
        "owner": None if item.owner is None else str(item.owner),
        "owner_enabled": item.owner_fit,
        "until": item.until,
        "days_left": item.days_left,
        "purpose": item.purpose,
        "last_login": item.last_login,
        "enabled": item.enabled,
    }


def _print_put(out: Console, told: Mapping[str, Any]) -> None:
    kind: TermKind = told["kind"]
    change = f"（原为 {told['before'].isoformat()}）" if told["before"] is not None else ""
    out.print(
        f"{told['username']}：{KINDS[kind]}，责任人 {told['owner']}，至 {told['until'].isoformat()}{change}；"
        f"办理人 {told['put_by']}。次日起自动停用。"
    )
    if told["lifted"]:
        out.print(
            "此前因缺期限停用，已启用。" if told["enabled"] else "此前因缺期限停用，尚未启用：quanheng sync"
        )


def _print_closed(out: Console, done: Closed) -> None:
    off = len(done.accounts) - len(done.refused)
    out.print(f"{done.by}：已关闭测试账号 {off:,} 个，会话已终止。")
    for name in done.refused:
        out.print(f"{name}：已登记到期，Keycloak 尚未停用。下一步：quanheng sync")


def _print_list(out: Console, lines: Sequence[TermLine]) -> None:
    if not lines:
        out.print("没有临时账号和测试账号。")
        return
    out.print(f"临时账号和测试账号（{len(lines):,}）", style="bold")
    table = Table()
    for label in ("账号", "类型", "责任人", "截止日期", "剩余天数", "最近登录", "状态"):
        table.add_column(label, overflow="fold")
    for item in lines:
        owner = str(item.owner or "")
        table.add_row(
            str(item.username),
            KINDS[item.kind] if item.kind is not None else "",
            owner if item.owner_fit or not owner else f"{owner}（账号已停用，请另行指定）",
            item.until.isoformat() if item.until is not None else "",
            f"{item.days_left:,}" if item.days_left is not None and item.state not in _OVER else "",
            _moment(item.last_login),
            STATES[item.state] + ("，账号尚未停用" if item.state in _OVER and item.enabled else ""),
        )
    out.print(table)


_OVER: Final = (TermState.ENDED, TermState.MISSING)


def _moment(at: datetime | None) -> str:
    return at.astimezone(CHINA).strftime("%Y-%m-%d %H:%M") if at is not None else "无记录"
