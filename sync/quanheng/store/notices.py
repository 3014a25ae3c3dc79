"""Notices that wait to be delivered: written with what they tell of, so none is lost and nothing waits for
the other side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, select, update

from quanheng.logs import redact_json
from quanheng.model.change import Json
from quanheng.store.tables import notice

PAUSES: Final = (timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=15), timedelta(hours=2))
"""How long to wait after each failed attempt; after one more it is given up."""
_AT_ONCE: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingNotice:
    """A notice for one way of telling."""

    id: int
    channel: str
    kind: str
    at: datetime
    facts: Mapping[str, Json]
    attempts: int


def put_notice(
    connection: Connection, channels: Iterable[str], kind: str, facts: Mapping[str, Any], now: datetime
) -> None:
    """Have it told in each of these ways; ID numbers, phones and secrets are taken out of the facts here."""
    told = redact_json(dict(facts))
    rows = [
        {"channel": channel, "kind": kind, "at": now, "facts": told, "attempts": 0, "due_at": now}
        for channel in channels
    ]
    if rows:
        connection.execute(insert(notice), rows)


def read_due(connection: Connection, now: datetime) -> Sequence[WaitingNotice]:
    """Those whose time has come, oldest first."""
    query = select(notice).where(notice.c.due_at <= now).order_by(notice.c.id).limit(_AT_ONCE)
    return [
        WaitingNotice(
            id=row.id, channel=row.channel, kind=row.kind, at=row.at, facts=row.facts, attempts=row.attempts
        )
        for row in connection.execute(query)
    ]


def drop_notice(connection: Connection, identifier: int) -> None:
    """It was delivered, or given up."""
    connection.execute(delete(notice).where(notice.c.id == identifier))


def put_off(connection: Connection, item: WaitingNotice, now: datetime) -> bool:
    """Try it again later; False when it has been tried often enough."""
    if item.attempts >= len(PAUSES):
        return False
    connection.execute(
        update(notice)
        .where(notice.c.id == item.id)
        .values(attempts=item.attempts + 1, due_at=now + PAUSES[item.attempts])
    )
    return True
