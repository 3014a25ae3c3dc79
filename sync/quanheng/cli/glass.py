"""``quanheng glass seal`` and ``status``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from quanheng.cli.realm import Administrator
from quanheng.cli.session import Given
from quanheng.clock import CHINA
from quanheng.model.ids import Username
from quanheng.operations.glass.accounts import read_glass
from quanheng.operations.glass.sealing import seal_accounts

_NOBODY = Administrator()


def glass_seal(
    *,
    to: Path,
    account: Annotated[list[str] | None, Parameter(negative=())] = None,
    admin: Administrator = _NOBODY,
    session: Given,
) -> None:
    """Make or renew the two sealed accounts. What they had before ends at once, sessions too.

    Parameters
    ----------
    to
        Folder for a file per account, with user name, password, one-time password and address: print each,
        put it into an envelope of its own, and destroy the file. Nothing is shown here, nor kept.
    account
        Only this one, as after its use; may be given twice.
    """
    names = [Username(name) for name in account or ()]
    files = seal_accounts(session.context, admin.credential(), to, names)
    payload = {"realm": session.context.realm_name, "files": [str(file) for file in files]}

    def show(out: Console) -> None:
        for file in files:
            out.print(f"已写入 {file}")
        out.print("请分别打印、装入信封密封，交两人分别保管，并立即销毁文件。原口令、动态口令和会话已失效。")

    session.report(payload, show)


def glass_status(*, session: Given) -> None:
    """Say when each account was sealed and last used, from the store alone."""
    with session.context.database.reading() as connection:
        accounts = read_glass(session.context, connection)
    payload = {
        "realm": session.context.realm_name,
        "accounts": [
            {
                "account": str(account.name),
                "sealed_at": account.sealed_at,
                "sealed_by": account.sealed_by or None,
                "used_at": account.used_at,
            }
            for account in accounts
        ],
    }

    def show(out: Console) -> None:
        for account in accounts:
            sealed = _time(account.sealed_at) + (f"（{account.sealed_by}）" if account.sealed_by else "")
            out.print(f"{account.name}：封存于 {sealed}，上次使用 {_time(account.used_at)}")

    session.report(payload, show)


def _time(at: datetime | None) -> str:
    return "无" if at is None else at.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")
