"""Telling people: a notice is kept with what it tells of, and delivered apart from it."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from quanheng.logs import get_logger
from quanheng.model.change import Json
from quanheng.notify.open import channels_of
from quanheng.notify.port import Notice, NoticeKind, Notifier, UndeliveredError
from quanheng.operations.context import Context
from quanheng.operations.noting import note
from quanheng.store.notices import drop_notice, put_notice, put_off, read_due

log = get_logger(__name__)


def announce(context: Context, connection: Connection, kind: NoticeKind, facts: Mapping[str, Json]) -> None:
    """Have something told, within the caller's transaction; no facts about persons but user names."""
    put_notice(connection, channels_of(context.settings.notify), kind, facts, context.clock())


def deliver_notices(context: Context, notifiers: Mapping[str, Notifier]) -> int:
    """Deliver what is due; returns how many were. What fails is tried later, a few times, then noted."""
    now = context.clock()
    _ = context.keyring  # opened before any transaction of ours: it may need one of its own
    with context.database.reading() as connection:
        due = read_due(connection, now)
    delivered = 0
    for item in due:
        notifier = notifiers.get(item.channel)
        notice = Notice(
            id=f"{item.id}-{item.channel}",
            kind=NoticeKind(item.kind),
            at=item.at,
            realm=context.realm_name,
            facts=item.facts,
        )
        try:
            if notifier is None:
                raise UndeliveredError(f"notify.{item.channel} is no longer set")  # noqa: TRY301
            notifier.send(notice)
        except UndeliveredError as error:
            log.warning("a notice was not delivered", channel=item.channel, problem=str(error))
            with context.database.transaction() as connection:
                if not put_off(connection, item, now):
                    drop_notice(connection, item.id)
                    note(context, connection, "notice_lost", {"channel": item.channel, "kind": item.kind})
        else:
            delivered += 1
            with context.database.transaction() as connection:
                drop_notice(connection, item.id)
    return delivered
