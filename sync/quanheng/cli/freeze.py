"""``quanheng freeze``."""

from __future__ import annotations

from rich.console import Console

from quanheng.cli.session import Given
from quanheng.operations.lifecycle.freezing import freeze as freeze_account


def freeze(user: str, /, *, reason: str, session: Given) -> int:
    """Freeze an account at once: it is switched off, and every session of it ends. For what has leaked.

    Needs no login and no second person, since it only takes away; the ledger keeps who ran it. It stays until
    a second person approves 'quanheng unfreeze'. Exit 5: frozen, but Keycloak could not be told yet.

    Parameters
    ----------
    user
        User name or staff number.
    reason
        Why; goes into the ledger. No ID number and no phone.
    """
    done = freeze_account(session.context, user, reason=reason)
    payload = {
        "username": str(done.username),
        "new": done.new,
        "off": done.off,
        "problem": done.problem,
    }
    name = str(done.username)
    if done.off:
        text = (
            f"{name}：已冻结，账号已停用，会话已终止。"
            if done.new
            else f"{name}：此前已冻结，账号处于停用状态。"
        )
        after = "解冻须第二人批准：quanheng unfreeze 用户名 --reason 事由"
    else:
        text = f"{name}：已登记冻结，但 Keycloak 尚未停用此账号：{done.problem}"
        after = (
            "值守进程（quanheng run）恢复连接后即停用；也可重新运行本命令。"
            "紧急时请在控制台停用，并终止其会话。"
        )

    def show(out: Console) -> None:
        out.print(text)
        out.print(after)

    session.report(payload, show)
    return done.exit_code
