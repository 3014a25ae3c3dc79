"""Whether looks succeed: told when none has for minutes, and when one does again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from quanheng.errors import QuanhengError, UnreachableError
from quanheng.keycloak.port import RealmRefusedError
from quanheng.ledger.chain import Ledger
from quanheng.logs import get_logger
from quanheng.model.change import Json
from quanheng.notify.port import NoticeKind
from quanheng.operations.context import Context
from quanheng.operations.noting import note
from quanheng.operations.watching.announcing import announce
from quanheng.store.meta import read_text, write_text

BLIND_AFTER: Final = timedelta(minutes=3)
"""So long no look has succeeded before it is told: a server that is started again is back by then."""
_BLIND: Final = "watch_blind"
"""Entry of ``meta``: since when no look has succeeded, once that was told; empty otherwise."""
_DOCTOR: Final = "运行 quanheng doctor，按各项提示处理。"
_TAMPERED: Final = (
    "服务器正常而令牌被拒绝、无效或缺少角色的，多为本系统客户端、其服务账号或客户端范围（如 basic）被改动："
    "由主域管理员运行 quanheng realm apply 恢复，并删除多出的映射器。"
)

log = get_logger(__name__)


class Sight:
    """What one process knows of its looks. What was told is kept in the store, so that it is told once."""

    def __init__(self) -> None:
        self._since: datetime | None = None
        """Of the last look that succeeded, or the first that failed."""
        self._is_clear = False
        """Whether nothing is left to be told of the time before."""

    def succeeded(self, context: Context) -> None:
        """A look succeeded. Costs a reading of the store only after a failure, or the start."""
        self._since = now = context.clock()
        if self._is_clear:
            return
        with context.database.reading() as connection:
            since = read_text(connection, _BLIND)
        if since:
            log.info("looks succeed again", since=since)
            _ = context.keyring  # opened before the transaction: it may need one of its own
            with context.database.transaction() as connection:
                write_text(connection, _BLIND, "")
                facts: dict[str, Json] = {"since": since, "until": now.isoformat(timespec="seconds")}
                note(context, connection, "watch_resumed", facts)
                announce(context, connection, NoticeKind.SEEING, facts)
        self._is_clear = True

    def failed(self, context: Context, error: Exception) -> None:
        """A look failed; tell of it when none has succeeded for :data:`BLIND_AFTER`."""
        now = context.clock()
        self._since = min(self._since or now, now)  # the clock may have been set back
        self._is_clear = False
        if now - self._since < BLIND_AFTER:
            return
        with context.database.reading() as connection:
            if read_text(connection, _BLIND):
                return
        since = self._since.isoformat(timespec="seconds")
        log.critical("THE WATCHER IS BLIND: no look has succeeded", since=since)
        reason, remedy = _describe(error)
        # The text of a fault that nobody expected may hold anything.
        problem = str(error) if isinstance(error, QuanhengError) else type(error).__name__
        _ = context.keyring  # opened before the transaction: it may need one of its own
        with context.database.transaction() as connection:
            if Ledger(connection, context.keyring, context.clock).last() is None:
                return  # before the bootstrap nothing is ours
            write_text(connection, _BLIND, since)
            facts: dict[str, Json] = {"since": since, "reason": reason, "problem": problem}
            note(context, connection, "watch_blind", facts)
            announce(context, connection, NoticeKind.BLIND, {**facts, "remedy": remedy})


def _describe(error: Exception) -> tuple[str, str]:
    """Why no look succeeds and what to do, in Chinese."""
    if isinstance(error, UnreachableError):
        start = "确认 Keycloak 正在运行、网络和证书正常；"
        return "Keycloak 无应答，或不给、不认本系统的令牌", start + _DOCTOR + _TAMPERED
    if isinstance(error, RealmRefusedError):
        return "Keycloak 拒绝了本系统的请求", _DOCTOR + _TAMPERED
    return "本系统自身的故障", "查看日志；" + _DOCTOR
