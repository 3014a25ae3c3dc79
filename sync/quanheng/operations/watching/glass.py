"""Each use of a sealed account, and each attempt at one: into the ledger, and told.

By login events, of the accounts' own client and of each of the accounts wherever it logs in: two requests a
look, the accounts in turn. They are read from where the last look that was written down stood, so what
happened while nobody looked is told when somebody does again. While none is sealed nothing is asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection

from quanheng.keycloak.glass import GLASS_CLIENT
from quanheng.logs import get_logger
from quanheng.model.change import Json
from quanheng.model.ids import KeycloakId
from quanheng.model.realm import LoginEvent
from quanheng.notify.port import NoticeKind
from quanheng.operations.context import Context
from quanheng.operations.glass.accounts import LOGGED_IN, REFUSED, USED, GlassAccount, ids_of, read_glass
from quanheng.operations.noting import note_all
from quanheng.operations.watching.announcing import announce
from quanheng.operations.watching.news import OVERLAP
from quanheng.store.meta import read_text, write_text

REFUSALS_EVERY: Final = timedelta(minutes=15)
"""Refused attempts are told at once, and those that follow together after this time."""
_MEMORY: Final = "glass_logins"
"""Entry of ``meta``: up to where events were read, which were, and what waits to be told."""
_SESSION: Final = timedelta(days=2)
"""A session ends long before: so long its further logins, at the console above all, are no other use."""
_WRITE_EVERY: Final = timedelta(days=1)
"""How far behind the place may be that is written down while nothing happens."""
_ADDRESSES: Final = 20
"""Addresses in one entry and one notice; more are counted."""
_OTHERS: Final = ""
"""Account of an attempt that was none of the sealed accounts'."""

_REASONS: Final[Mapping[str, str]] = {
    "access_denied": "无权使用此入口，或没有通过动态口令",
    "credential_setup_required": "没有动态口令",
    "invalid_user_credentials": "口令或动态口令错误",
    "user_disabled": "账号已停用",
    "user_not_found": "用户名不存在",
    "user_temporarily_disabled": "连续失败，已暂时锁定",
}

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempts:
    """Refused attempts at one account that are not told yet."""

    count: int = 0
    since: str = ""
    until: str = ""
    addresses: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()

    def with_(self, event: LoginEvent) -> _Attempts:
        at = event.at.isoformat()
        return _Attempts(
            count=self.count + 1,
            since=min(self.since or at, at),
            until=max(self.until, at),
            addresses=_added(self.addresses, event.address),
            errors=_added(self.errors, event.error),
        )


def _added(known: tuple[str, ...], item: str) -> tuple[str, ...]:
    # One more than is shown: that there are more is shown as well.
    return known if item in known or len(known) > _ADDRESSES else (*known, item)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Memory:
    read_to: datetime
    seen: Mapping[str, datetime] = field(default_factory=dict)
    """Ids of events that were taken in, as far back as they may be shown again."""
    sessions: Mapping[str, datetime] = field(default_factory=dict)
    """Those whose use was told."""
    waiting: Mapping[str, _Attempts] = field(default_factory=dict)
    """By account."""
    told_at: datetime | None = None
    """When refused attempts were told last, by our clock."""

    def write(self) -> str:
        """As text."""
        return json.dumps(
            {
                "read_to": self.read_to.isoformat(),
                "seen": {key: at.isoformat() for key, at in self.seen.items()},
                "sessions": {key: at.isoformat() for key, at in self.sessions.items()},
                "waiting": {
                    name: {
                        "count": item.count,
                        "since": item.since,
                        "until": item.until,
                        "addresses": item.addresses,
                        "errors": item.errors,
                    }
                    for name, item in self.waiting.items()
                },
                "told_at": None if self.told_at is None else self.told_at.isoformat(),
            },
            sort_keys=True,
        )


def _read(connection: Connection, accounts: Iterable[GlassAccount]) -> _Memory | None:
    """What is remembered; None while none of the accounts was made."""
    begun = [account.made_at for account in accounts if account.made_at is not None]
    if not begun:
        return None
    text = read_text(connection, _MEMORY)
    if text is None:
        return _Memory(read_to=min(begun))
    body: Mapping[str, Any] = json.loads(text)
    return _Memory(
        read_to=datetime.fromisoformat(body["read_to"]),
        seen={key: datetime.fromisoformat(at) for key, at in body["seen"].items()},
        sessions={key: datetime.fromisoformat(at) for key, at in body["sessions"].items()},
        waiting={
            name: _Attempts(
                count=item["count"],
                since=item["since"],
                until=item["until"],
                addresses=tuple(item["addresses"]),
                errors=tuple(item["errors"]),
            )
            for name, item in body["waiting"].items()
        },
        told_at=None if body["told_at"] is None else datetime.fromisoformat(body["told_at"]),
    )


class GlassWatch:
    """Looks for uses, time after time, through one context."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._read_to: dict[KeycloakId | None, datetime] = {}
        """By account, None for the client: up to where this process has read, by the server's clock."""
        self._turn = 0

    def look(self) -> int:
        """Take in what happened since the last look; returns how many events were new.

        Needs no lease: nothing but the ledger and the notices is written, in one transaction.
        """
        context = self._context
        with context.database.reading() as connection:
            accounts = read_glass(context, connection)
            memory = _read(connection, accounts)
        if memory is None:
            return 0
        moment = context.realm.read_server_time()
        users = sorted(ids_of(accounts))
        asked = users[self._turn % len(users)]
        self._turn += 1
        events = [*self._ask(memory, moment, None), *self._ask(memory, moment, asked)]
        reached = {**self._read_to, None: moment, asked: moment}
        # What one of them has not read yet is read again by the next process.
        read_to = min(reached.get(key, memory.read_to) for key in (None, *users))
        new = [event for event in events if event.id not in memory.seen]
        if new or self._is_due(memory) or read_to - memory.read_to >= _WRITE_EVERY:
            self._take_in(accounts, new, max(read_to, memory.read_to))
        # Not before what was read is kept: the store may fail for longer than the overlap.
        self._read_to = reached
        return len({event.id for event in new})

    def _ask(self, memory: _Memory, moment: datetime, user: KeycloakId | None) -> list[LoginEvent]:
        """Events of a user, or of the client, since they were asked for last.

        From a little before: an event's time is set before its commit. The clock may be set back.
        """
        since = min(max(self._read_to.get(user, memory.read_to), memory.read_to), moment) - OVERLAP
        realm = self._context.realm
        return list(realm.read_logins(since, client="" if user else GLASS_CLIENT, user=user))

    def _is_due(self, memory: _Memory) -> bool:
        """Whether attempts that wait are told now. A clock that was set back makes nobody wait."""
        if not memory.waiting:
            return False
        now = self._context.clock()
        return memory.told_at is None or not timedelta() <= now - memory.told_at < REFUSALS_EVERY

    def _take_in(
        self, accounts: Sequence[GlassAccount], events: Sequence[LoginEvent], read_to: datetime
    ) -> None:
        context = self._context
        _ = context.keyring  # opened before the transaction: it may need one of its own
        names = {account.id: str(account.name) for account in accounts}
        with context.database.transaction() as connection:
            memory = _read(connection, accounts)  # another process may have looked meanwhile
            assert memory is not None  # noqa: S101 -- who was made stays so
            new = {event.id: event for event in events if event.id not in memory.seen}
            memory = replace(
                memory,
                read_to=max(read_to, memory.read_to),
                seen={**memory.seen, **{key: event.at for key, event in new.items()}},
            )
            for event in sorted(new.values(), key=lambda event: event.at):
                account = names.get(event.user, _OTHERS)
                if event.error:
                    attempts = memory.waiting.get(account, _Attempts()).with_(event)
                    memory = replace(memory, waiting={**memory.waiting, account: attempts})
                else:
                    if event.session not in memory.sessions:
                        _tell_of_use(context, connection, event, account)
                    memory = replace(memory, sessions={**memory.sessions, event.session: event.at})
            if self._is_due(memory):
                _tell_of_attempts(context, connection, memory.waiting)
                memory = replace(memory, waiting={}, told_at=context.clock())
            write_text(connection, _MEMORY, _forgetting(memory).write())


def _forgetting(memory: _Memory) -> _Memory:
    """Without what is not shown again."""
    old, ended = memory.read_to - 2 * OVERLAP, memory.read_to - _SESSION
    return replace(
        memory,
        seen={key: at for key, at in memory.seen.items() if at >= old},
        sessions={key: at for key, at in memory.sessions.items() if at >= ended},
    )


def _tell_of_use(context: Context, connection: Connection, event: LoginEvent, account: str) -> None:
    log.critical("A SEALED ACCOUNT LOGGED IN", account=account or "another account")
    body: dict[str, Json] = {
        "account": account,
        "user": event.user,
        "outcome": LOGGED_IN,
        "since": event.at.isoformat(),
        "address": event.address,
        "client": event.client,
    }
    note_all(context, connection, [(USED, body)])
    # Who is none of them is named by its user name, as far as it is known.
    facts = {**body, "account": _called(account), "user": None if account else event.user}
    announce(context, connection, NoticeKind.GLASS_USED, facts)


def _tell_of_attempts(context: Context, connection: Connection, waiting: Mapping[str, _Attempts]) -> None:
    """One entry per account, and one notice."""
    log.error("attempts to log in as a sealed account were refused", accounts=len(waiting))
    entries: list[tuple[str, Mapping[str, Json]]] = []
    lines: list[Json] = []
    for account, item in sorted(waiting.items()):
        addresses, more = item.addresses[:_ADDRESSES], len(item.addresses) > _ADDRESSES
        body: dict[str, Json] = {
            "account": account,
            "outcome": REFUSED,
            "count": item.count,
            "since": item.since,
            "until": item.until,
            "addresses": list(addresses),
            "errors": list(item.errors),
        }
        entries.append((USED, body))
        why = "、".join(dict.fromkeys(_REASONS.get(error, error) for error in item.errors))
        lines.append(
            f"{_called(account)}：{item.count} 次，{why}；来自 {'、'.join(addresses)}{' 等' if more else ''}"
        )
    note_all(context, connection, entries)
    facts: dict[str, Json] = {
        "count": sum(item.count for item in waiting.values()),
        "attempts": lines,
        "since": min(item.since for item in waiting.values()),
        "until": max(item.until for item in waiting.values()),
    }
    announce(context, connection, NoticeKind.GLASS_REFUSED, facts)


def _called(account: str) -> str:
    return account or "其他账号，或不存在的用户名"
