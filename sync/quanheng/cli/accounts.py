"""``quanheng accounts``: drafts made in the console, and their completion; the rest is beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from rich.console import Console
from rich.table import Table

from quanheng.cli.account_requests import accounts_deregister, accounts_exempt, accounts_restore
from quanheng.cli.account_terms import accounts_temporary, accounts_term
from quanheng.cli.asking import ask, ask_secret
from quanheng.cli.deciding import authenticate
from quanheng.cli.session import Given, Session
from quanheng.engine.drafts import WITHOUT_NUMBER, shows_number
from quanheng.errors import ConfigurationError
from quanheng.identity.files import require_private
from quanheng.model.ids import Username
from quanheng.operations.completing import (
    FIELDS,
    Completed,
    DraftLine,
    complete,
    prepare_completion,
    read_drafts,
)

_UNSEEN: Final = ("document_number", "phone")
"""Asked for without echo."""
_UNKNOWN: Final = "不详"
_WRITE_IT: Final = f"write a YAML file, mode 0600, with {', '.join(FIELDS)}"


__all__ = [
    "accounts_complete",
    "accounts_deregister",
    "accounts_drafts",
    "accounts_exempt",
    "accounts_restore",
    "accounts_temporary",
    "accounts_term",
]


def accounts_drafts(*, session: Given) -> None:
    """List accounts made in the console that are nobody's yet, with where, since when and by whom."""
    lines = read_drafts(session.context)
    now = session.context.clock()

    def days(line: DraftLine) -> int | None:
        return None if line.made_at is None else (now - line.made_at).days

    payload = [
        {
            "username": line.draft.label,
            "organisations": [str(code) for code in line.draft.organisations],
            "enabled": line.draft.user.enabled,
            "made_at": line.made_at,
            "days": days(line),
            "made_by": line.made_by,
            "obstacle": line.draft.obstacle,
            "holds_number": shows_number(line.draft.user),
        }
        for line in lines
    ]
    session.report({"drafts": payload}, lambda out: _show(out, payload))


def accounts_complete(
    username: str,
    /,
    *,
    file: Path | None = None,
    open_with: str | None = None,
    session: Given,
) -> int:
    """Say who the person of a draft is; the account becomes that person's, and is enabled.

    Asks for the person's data, never on the command line. Whoever completes it logs in to the realm in a
    browser, and has charge of that organisation's accounts. Exit 1: completed, but the account is not
    enabled yet.

    Parameters
    ----------
    username
        Name of the draft, from 'quanheng accounts drafts'.
    file
        YAML file, mode 0600, with staff_no, name, document_kind, document_number, phone, employment, org;
        otherwise each is asked for. Delete it afterwards.
    open_with
        Program that is given the address to log in at; otherwise the address is shown.
    """
    context = session.context
    values = _ask(session) if file is None else _read(file)
    # Everything is seen to first: nobody logs in for something that cannot be.
    prepare_completion(context, Username(username), values)
    person = authenticate(session, open_with, role="补全人")
    done = complete(context, Username(username), values, person)
    session.report(
        {
            "draft": username,
            "username": str(done.username),
            "completed_by": str(done.by),
            "enabled": done.enabled,
            "waits": list(done.waits),
            "made_by": done.made_by,
            "maker_completed": done.alone,
            "unproved_qualifications": list(done.unproved),
        },
        lambda out: _tell(out, username, done),
    )
    return 0 if done.enabled else 1


def _tell(out: Console, draft: str, done: Completed) -> None:
    people = f"建立人 {done.made_by or _UNKNOWN}，补全人 {done.by}"
    if done.enabled:
        out.print(f"已补全：草稿 {draft} 现为实名账号 {done.username}，已启用（{people}）。")
    else:
        out.print(f"已登记：草稿 {draft} 将成为实名账号 {done.username}（{people}），但尚未启用。")
    if done.alone:
        out.print("注意：建立和补全为同一账号，已记入台账。运行本命令的维护人员即第二人：请与书面申请核对。")
    for label in done.unproved:
        out.print(f"注意：“{label}”不以申请认定，来源报送该人员为{label}后取得。")
    if done.enabled:
        return
    for why in done.waits:
        out.print(f"原因：{why}")
    out.print("下一步：quanheng sync")


def _ask(session: Session) -> Mapping[str, str]:
    labels = session.context.pack.sources.feed.people.model_dump()
    values: dict[str, str] = {}
    for name in FIELDS:
        if name in _UNSEEN:
            values[name] = ask_secret(f"{labels[name]}（不显示）：", instead="--file").reveal()
        else:
            values[name] = ask(f"{labels[name]}：", instead="--file")
    return values


def _read(file: Path) -> Mapping[str, str]:
    """The fields of a file; every value is taken as text. Nothing that it holds is shown."""
    require_private(file, if_missing=_WRITE_IT)
    try:
        # Plain texts: a number of 18 digits stays what was written.
        found = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506 -- builds texts only
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        raise ConfigurationError(f"{file}: is not YAML in UTF-8", remedy=_WRITE_IT) from None
    if (
        not isinstance(found, dict)
        or set(found) != set(FIELDS)
        or not all(isinstance(value, str) for value in found.values())
    ):
        raise ConfigurationError(
            f"{file}: does not have exactly the fields that are asked for, each a text", remedy=_WRITE_IT
        )
    return found


def _show(out: Console, drafts: Sequence[Mapping[str, Any]]) -> None:
    if not drafts:
        out.print("没有草稿账号。")
        return
    out.print(f"草稿账号（{len(drafts):,}）", style="bold")
    table = Table()
    for label in ("用户名", "机构", "天数", "建立人", "状态"):
        table.add_column(label, overflow="fold")
    for item in drafts:
        state = _state(item)
        table.add_row(
            item["username"],
            "、".join(item["organisations"]),
            "" if item["days"] is None else f"{item['days']:,}",
            item["made_by"] or _UNKNOWN,
            state,
        )
    out.print(table)
    out.print("补全：quanheng accounts complete 用户名")


def _state(item: Mapping[str, Any]) -> str:
    if item["holds_number"]:
        return f"含证件号码或电话；{WITHOUT_NUMBER}"
    waiting = "已被启用，下次同步将停用" if item["enabled"] else "等待补全"
    return str(item["obstacle"] or waiting)
