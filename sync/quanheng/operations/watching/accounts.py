"""What is done to accounts themselves and gives nobody a duty: one is gone, or has been given a password."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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
from quanheng.operations.watching.doubting import find_doubted
from quanheng.store.meta import read_text, write_text
from quanheng.store.mirror import read_users
from quanheng.store.registry import accounts_among

_ASKED: Final = 100
"""Users that a list left out and that are asked for one by one; of more, the list is believed."""
_NAMED: Final = 20
"""Accounts in one notice and one entry; more are counted."""
_PASSWORD: Final = re.compile(r"users/([^/]+)/reset-password")
_SAVED: Final = re.compile(r"users/([^/]+)(?:/federated-identity/[^/]+|/reset-password)?")
"""Paths of what may bring a password (``POST /users``, ``PUT /users/{id}``, a partial import), or make an
account one of ours."""
_TOLD: Final = "told_passwords"
"""Entry of ``meta``: marks of the passwords that were told, by account."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """The passwords of an account that somebody made or saved."""

    marks: frozenset[str]
    actors: frozenset[str]


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


def find_passwords(
    context: Context, users: Mapping[KeycloakId, RealmUser], events: Sequence[AdminEvent]
) -> Mapping[KeycloakId, Brought]:
    """Passwords of accounts of ours that somebody else made or saved, which no event tells apart from what
    brings none: one request for each of these accounts.

    ``users``: as they are now. One that says whose it is, with a card, is taken for one of ours to be.
    """
    own = context.realm.own_actors
    found: dict[KeycloakId, set[str]] = {}
    made: dict[KeycloakId, set[str]] = {}
    for event in [*(item for item in events if item.actor_user not in own), *find_doubted(context, events)]:
        if event.operation == "DELETE" or not (path := _SAVED.fullmatch(event.resource_path)):
            continue
        user = KeycloakId(path[1])
        is_new = event.operation == "CREATE" and event.resource_path == f"users/{user}"
        there = made if is_new and event.actor_user in own else found
        there.setdefault(user, set()).add(event.actor_user)
    if not found and not made:
        return {}
    with context.database.reading() as connection:
        # What we made has no password: a whole load is made just after the realm's settings were changed.
        ours_made = accounts_among(connection, made)
        for user in made.keys() - ours_made:
            found.setdefault(user, set()).update(made[user])
        ours = accounts_among(connection, found)
    said = {key for key in found.keys() & users.keys() if _says_whose(users[key])}
    asked = sorted(ours | said)
    with ThreadPoolExecutor(context.settings.keycloak.workers) as pool:
        marks = list(pool.map(context.realm.read_passwords, asked))
    return {
        user: Brought(marks=there, actors=frozenset(found[user]))
        for user, there in zip(asked, marks, strict=True)
    }


def _says_whose(user: RealmUser) -> bool:
    return bool(user.attributes.get("person_id")) and bool(user.identities)


def tell_of_passwords(
    context: Context,
    connection: Connection,
    events: Iterable[AdminEvent],
    brought: Mapping[KeycloakId, Brought],
) -> None:
    """Tell of passwords that somebody set for accounts of ours: nobody of ours logs in by one.

    We set none, so one that was set in our name was not set by us.
    """
    found = {
        (KeycloakId(path[1]), event.actor_user)
        for event in events
        if event.operation == "ACTION" and (path := _PASSWORD.fullmatch(event.resource_path))
    }
    told = {user for user, _ in found}
    found |= {(user, actor) for user in _untold(connection, brought) - told for actor in brought[user].actors}
    ours = brought.keys() | accounts_among(connection, told)
    users = read_users(connection, ours & {user for user, _ in found})
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


def _untold(connection: Connection, brought: Mapping[KeycloakId, Brought]) -> set[KeycloakId]:
    """Who has a password that was not there when it was looked last; it counts as told then."""
    before: dict[str, list[str]] = json.loads(read_text(connection, _TOLD) or "{}")
    now = {str(user): sorted(item.marks) for user, item in brought.items()}
    after = {user: marks for user, marks in {**before, **now}.items() if marks}
    if after != before:
        write_text(connection, _TOLD, json.dumps(after, sort_keys=True))
    return {user for user, item in brought.items() if item.marks - set(before.get(user, ()))}


def _lines(users: Sequence[RealmUser]) -> list[Json]:
    """Accounts for people, the first of them."""
    lines: list[Json] = [str(user.username) for user in users[:_NAMED]]
    return [*lines, f"另有 {len(users) - _NAMED} 个账号"] if len(users) > _NAMED else lines
