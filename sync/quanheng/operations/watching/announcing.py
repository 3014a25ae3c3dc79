"""Telling people: a notice is kept with what it tells of, and delivered apart from it."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from quanheng.errors import QuanhengError
from quanheng.logs import get_logger
from quanheng.model.change import Json
from quanheng.model.ids import KeycloakId
from quanheng.notify.open import channels_of
from quanheng.notify.port import USERS, Notice, NoticeKind, Notifier, UndeliveredError
from quanheng.operations.context import Context
from quanheng.operations.noting import note
from quanheng.store.mirror import read_users
from quanheng.store.notices import WaitingNotice, drop_notice, put_notice, put_off, read_due

log = get_logger(__name__)


def announce(context: Context, connection: Connection, kind: NoticeKind, facts: Mapping[str, Json]) -> None:
    """Have something told, within the caller's transaction; no facts about persons but user names and ids.

    The fact ``names`` is added: the user name of each Keycloak id in ``user``, ``actor`` and ``actors``, as
    far as the mirror has it.
    """
    channels = channels_of(context.settings.notify)
    if channels:
        told = {**facts, "names": _names(connection, facts)}
        put_notice(connection, channels, kind, told, context.clock())


def _names(connection: Connection, facts: Mapping[str, Json]) -> dict[str, Json]:
    ids: set[KeycloakId] = set()
    for fact in USERS:
        value = facts.get(fact)
        ids |= {KeycloakId(str(item)) for item in (value if isinstance(value, list) else [value]) if item}
    return {str(user.id): str(user.username) for user in read_users(connection, ids).values()}


def deliver_notices(context: Context, notifiers: Mapping[str, Notifier]) -> int:
    """Deliver what is due; returns how many were. What fails, for whatever reason, hinders nothing else:
    it is tried later, a few times, then noted."""
    now = context.clock()
    _ = context.keyring  # opened before any transaction of ours: it may need one of its own
    with context.database.reading() as connection:
        due = read_due(connection, now)
    delivered = 0
    for item in due:
        sent = _deliver(context, notifiers, item)
        delivered += sent
        with context.database.transaction() as connection:
            if sent:
                drop_notice(connection, item.id)
            elif not put_off(connection, item, now):
                drop_notice(connection, item.id)
                note(context, connection, "notice_lost", {"channel": item.channel, "kind": item.kind})
    return delivered


def _deliver(context: Context, notifiers: Mapping[str, Notifier], item: WaitingNotice) -> bool:
    try:
        notifier = notifiers.get(item.channel)
        if notifier is None:
            raise UndeliveredError(f"notify.{item.channel} is no longer set")  # noqa: TRY301
        notifier.send(
            Notice(
                id=f"{item.id}-{item.channel}",
                kind=NoticeKind(item.kind),
                at=item.at,
                realm=context.realm_name,
                facts=item.facts,
            )
        )
    except QuanhengError as error:
        log.warning("a notice was not delivered", channel=item.channel, id=item.id, problem=str(error))
        return False
    except Exception:
        # The text of a fault that nobody expected may hold anything: the log keeps its kind and its place.
        log.exception("a notice was not delivered", channel=item.channel, id=item.id)
        return False
    return True
