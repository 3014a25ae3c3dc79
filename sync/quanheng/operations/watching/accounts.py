"""What is done to accounts themselves and gives nobody a duty: one is gone, or has been given a password."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from sqlalchemy import Connection

from quanheng.logs import get_logger
from quanheng.model.change import Json
from quanheng.model.ids import KeycloakId
from quanheng.model.realm import AdminEvent, RealmUser
from quanheng.notify.port import NoticeKind
from quanheng.operations.context import Context
from quanheng.operations.noting import note
from quanheng.operations.watching.announcing import announce
from quanheng.store.mirror import read_users
from quanheng.store.registry import accounts_among

_ASKED: Final = 100
"""Users that a list left out and that are asked for one by one; of more, the list is believed."""
_NAMED: Final = 20
"""Accounts in one notice and one entry; more are counted."""
_PASSWORD: Final = re.compile(r"users/([^/]+)/reset-password")

log = get_logger(__name__)


def find_gone(context: Context, missing: Iterable[KeycloakId], *, listed: bool) -> frozenset[KeycloakId]:
    """Accounts of ours among users that were there and are not.

    ``listed``: it was a list that did not show them, which may leave out somebody while others come or go.
    """
    missing = sorted(missing)
    if not missing:
        return frozenset()
    with context.database.reading() as connection:
        ours = accounts_among(connection, missing)
    if not listed or len(ours) > _ASKED:
        return ours
    return frozenset(user for user in ours if context.realm.read_user(user) is None)


def tell_of_gone(
    context: Context,
    connection: Connection,
    gone: Iterable[KeycloakId],
    before: Mapping[KeycloakId, RealmUser],
    events: Sequence[AdminEvent],
) -> None:
    """Tell of accounts that are gone: whatever made them go, it was not us. They are made again, as others.

    Told once: the mirror forgets them in the same transaction.
    """
    users = [before[user] for user in sorted(gone)]
    if not users:
        return
    log.error("accounts of ours are gone from Keycloak", accounts=len(users))
    accounts: list[Json] = [{"user": str(user.id), "username": str(user.username)} for user in users[:_NAMED]]
    who: list[Json] = [*_who_deleted({f"users/{user.id}" for user in users}, events)]
    note(context, connection, "account_gone", {"count": len(users), "accounts": accounts, "actors": who})
    facts: dict[str, Json] = {"count": len(users), "accounts": _lines(users), "actors": who}
    announce(context, connection, NoticeKind.ACCOUNT_GONE, facts)


def _who_deleted(paths: Collection[str], events: Sequence[AdminEvent]) -> Sequence[str]:
    """Who deletes a user is in its event. Whoever is linked to a user storage goes with it, or when it does
    not know them: then all there is are events of who linked them, or changed a storage."""
    about = [event for event in events if event.resource_path in paths]
    deleted = [event for event in about if event.operation == "DELETE"]
    storages = [event for event in events if event.resource_type == "COMPONENT"]
    return sorted({event.actor_user for event in deleted or [*about, *storages]})


def tell_of_passwords(context: Context, connection: Connection, events: Iterable[AdminEvent]) -> None:
    """Tell of passwords that somebody set for accounts of ours: nobody of ours logs in by one.

    We set none, so one that was set in our name was not set by us.
    """
    found = {
        (KeycloakId(path[1]), event.actor_user)
        for event in events
        if event.operation == "ACTION" and (path := _PASSWORD.fullmatch(event.resource_path))
    }
    ours = accounts_among(connection, {user for user, _ in found}) if found else frozenset()
    users = read_users(connection, ours)
    settings = sorted(item for item in found if item[0] in users)
    if not settings:
        return
    log.warning("passwords of accounts of ours were set", accounts=len(users))
    accounts: list[Json] = [
        {"user": str(user), "username": str(users[user].username), "actor": actor}
        for user, actor in settings[:_NAMED]
    ]
    who: list[Json] = [*sorted({actor for _, actor in settings})]
    note(context, connection, "password_set", {"count": len(users), "accounts": accounts, "actors": who})
    named = [user for _, user in sorted(users.items())]
    facts: dict[str, Json] = {"count": len(users), "accounts": _lines(named), "actors": who}
    announce(context, connection, NoticeKind.PASSWORD, facts)


def _lines(users: Sequence[RealmUser]) -> list[Json]:
    """Accounts for people, the first of them."""
    lines: list[Json] = [str(user.username) for user in users[:_NAMED]]
    return [*lines, f"另有 {len(users) - _NAMED} 个账号"] if len(users) > _NAMED else lines
