"""Who has come to administer the realm: told once, since our daily client may not take such a role away."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection

from quanheng.logs import get_logger
from quanheng.model.change import Json
from quanheng.model.ids import KeycloakId
from quanheng.model.realm import AdminEvent, ObservedRealm, RealmUser
from quanheng.notify.port import NoticeKind
from quanheng.operations.administering import administrators_of
from quanheng.operations.context import Context
from quanheng.operations.glass.accounts import ids_of, read_glass
from quanheng.operations.noting import note
from quanheng.operations.watching.announcing import announce
from quanheng.policy.administration import Administrator, Administrators, describe
from quanheng.store.meta import read_text, write_text
from quanheng.store.mirror import read_mirror
from quanheng.store.registry import accounts_among
from quanheng.store.watching import ToJudge

_MEMORY: Final = "told_administrators"
"""Entry of ``meta``: who was told, and which groups and roles gave such a role then."""
_FEW: Final = 400
"""Users that are read one by one; of more, everybody is."""
_NAMED: Final = 20
"""Holders in one notice and one entry; more are counted."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Told:
    carriers: str = ""
    holders: Mapping[str, str] = field(default_factory=dict)
    """User id and what it held."""


def look_after_administrators(
    context: Context, observed: ObservedRealm, wanted: ToJudge, events: Sequence[AdminEvent]
) -> int:
    """Tell of those who hold a role that administers the realm and did not when it was told last.

    ``observed``: groups and roles after the events were taken in, and users that were touched. What a repair
    has just taken away again is not told here. Returns how many holders are new.
    """
    if not wanted:
        return 0
    found = administrators_of(context, observed)
    with context.database.reading() as connection:
        told = _read(connection)
    carriers = told.carriers
    if wanted.everybody or wanted.structure:
        carriers = hashlib.sha256("\n".join(found.carriers()).encode()).hexdigest()
    everybody = wanted.everybody or carriers != told.carriers or len(wanted.users) > _FEW
    with context.database.reading() as connection:
        users = _holders(connection, found, observed, None if everybody else wanted.users)
        people = accounts_among(connection, [user.id for user in users])
        sealed = ids_of(read_glass(context, connection))
    now = {str(item.user): item for item in found.find(users, people, context.realm.own_actors, sealed)}
    untouched = {key: text for key, text in told.holders.items() if key not in wanted.users}
    before = {} if everybody else untouched
    after = _Told(carriers, {**before, **{key: describe(item) for key, item in now.items()}})
    if after == told:
        return 0
    new = [item for key, item in now.items() if told.holders.get(key) != describe(item)]
    _ = context.keyring  # opened before the transaction: it may need one of its own
    with context.database.transaction() as connection:
        body = {"carriers": after.carriers, "holders": dict(after.holders)}
        write_text(connection, _MEMORY, json.dumps(body, ensure_ascii=False, sort_keys=True))
        if new:
            _tell(context, connection, new, _actors(context, events))
    return len(new)


def _holders(
    connection: Connection,
    found: Administrators,
    observed: ObservedRealm,
    touched: Iterable[KeycloakId] | None,
) -> list[RealmUser]:
    """Holders as the mirror has them after the repair; of these users, or of all."""
    if touched is None:
        return list(filter(found.holds, read_mirror(connection).users.values()))
    # Whoever did not hold one before the repair does not after it: most looks end here, without a query.
    seen = [observed.users.get(user) for user in touched]
    asked = [
        key
        for key, user in zip(touched, seen, strict=True)
        if user is None or found.holds(user)  # None: taken in by a sync, before this look
    ]
    if not asked:
        return []
    return list(filter(found.holds, read_mirror(connection, users=asked).users.values()))


def _tell(
    context: Context, connection: Connection, new: Sequence[Administrator], actors: Sequence[str]
) -> None:
    log.error("somebody has come to administer the realm", holders=len(new))
    holders: list[Json] = [
        {
            "user": str(item.user),
            "username": str(item.username),
            "kind": str(item.kind),
            "roles": [str(role) for role in sorted(item.ways)],
        }
        for item in new[:_NAMED]
    ]
    lines: list[Json] = [describe(item) for item in new[:_NAMED]]
    if len(new) > _NAMED:
        lines.append(f"另有 {len(new) - _NAMED} 个账号")
    who: list[Json] = list(actors)
    note(context, connection, "administrator_found", {"count": len(new), "holders": holders, "actors": who})
    announce(context, connection, NoticeKind.ADMINISTRATOR, {"holders": lines, "actors": who})


def _actors(context: Context, events: Sequence[AdminEvent]) -> Sequence[str]:
    own = context.realm.own_actors
    return sorted({event.actor_user for event in events if event.actor_user and event.actor_user not in own})


def _read(connection: Connection) -> _Told:
    text = read_text(connection, _MEMORY)
    if not text:
        return _Told()
    body = json.loads(text)
    return _Told(carriers=body["carriers"], holders=body["holders"])
