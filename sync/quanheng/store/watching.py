"""What the watcher keeps between two ticks: events seen, whom to judge, exposures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, select, update

from quanheng.model.change import ChangeKind
from quanheng.model.ids import KeycloakId
from quanheng.model.realm import AdminEvent
from quanheng.store.database import upsert
from quanheng.store.tables import exposure, ledger, seen_event, to_judge
from quanheng.watch.actors import MoveKind
from quanheng.watch.doubt import GroupWrites
from quanheng.watch.exposure import CauseKind, Exposure

_STRUCTURE: Final = "*structure"
_EVERYBODY: Final = "*everybody"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToJudge:
    """What has changed and was not judged since."""

    users: frozenset[KeycloakId] = frozenset()
    structure: bool = False
    """Groups, roles or settings."""
    everybody: bool = False

    def __bool__(self) -> bool:
        return bool(self.users) or self.structure or self.everybody

    def __or__(self, other: ToJudge) -> ToJudge:
        return ToJudge(
            users=self.users | other.users,
            structure=self.structure or other.structure,
            everybody=self.everybody or other.everybody,
        )


def read_to_judge(connection: Connection) -> ToJudge:
    """Everything that waits to be judged."""
    found = set(connection.execute(select(to_judge.c.user_id)).scalars())
    return ToJudge(
        users=frozenset(KeycloakId(user) for user in found - {_STRUCTURE, _EVERYBODY}),
        structure=_STRUCTURE in found,
        everybody=_EVERYBODY in found,
    )


def put_to_judge(connection: Connection, wanted: ToJudge, now: datetime) -> None:
    """Have these judged; in the transaction that takes in what was read of them."""
    names = [*wanted.users, *([_STRUCTURE] * wanted.structure), *([_EVERYBODY] * wanted.everybody)]
    upsert(connection, to_judge, [{"user_id": name, "since": now} for name in names], keep=("since",))


def clear_to_judge(connection: Connection, judged: ToJudge) -> None:
    """A look has judged them, and looked after what a plan does not compare."""
    if judged.everybody:
        connection.execute(delete(to_judge))
        return
    names = [*judged.users, *([_STRUCTURE] * judged.structure)]
    connection.execute(delete(to_judge).where(to_judge.c.user_id.in_(names)))


def read_seen(connection: Connection) -> Mapping[str, datetime]:
    """Events that are in the mirror, as far back as they may be shown again, with their times."""
    return {row.id: row.at for row in connection.execute(select(seen_event))}


def remember_events(
    connection: Connection, events: Collection[AdminEvent], shown_again: datetime, *, anew: bool = False
) -> None:
    """Note that these are in the mirror, and forget those before ``shown_again``, but for the newest.

    The newest is always asked for again: when it is missing then, events were purged. ``anew``: forget all
    others.
    """
    known: dict[str, datetime] = {} if anew else dict(read_seen(connection))
    known |= {event.id: event.at for event in events}
    newest = max(known.values(), default=None)
    if anew:
        connection.execute(delete(seen_event))
    elif newest is not None:
        old = seen_event.c.at < min(shown_again, newest)
        connection.execute(delete(seen_event).where(old))
    rows: list[dict[str, Any]] = [
        {"id": event.id, "at": event.at}
        for event in {event.id: event for event in events}.values()
        if event.at >= shown_again or event.at == newest
    ]
    upsert(connection, seen_event, rows)


def count_group_steps(connection: Connection, after: int, since: datetime) -> GroupWrites:
    """What the ledger has of our own changes of groups since a time, after the entry of this number."""
    kinds = [kind for kind in ChangeKind if kind.value.startswith("group_")]
    query = select(ledger.c.kind, ledger.c.body).where(
        ledger.c.sequence > after, ledger.c.at >= since, ledger.c.kind.in_(kinds)
    )
    groups = mappings = 0
    for kind, body in connection.execute(query):
        if kind in (ChangeKind.GROUP_ROLE_ADD, ChangeKind.GROUP_ROLE_REMOVE):
            mappings += 1
            continue
        groups += 1
        mappings += kind == ChangeKind.GROUP_CREATE and bool(json.loads(body)["detail"]["roles"])
    return GroupWrites(groups=groups, mappings=mappings)


def put_exposures(connection: Connection, items: Iterable[Exposure]) -> None:
    """Exposures that have begun."""
    rows = [
        {
            "event_id": _exposure_key(item),
            "user_id": item.user or "",
            "kind": str(item.kind),
            "subject": item.subject,
            "granted_at": item.granted_at,
            "revoked_at": item.revoked_at,
        }
        for item in items
    ]
    upsert(connection, exposure, rows)


def _exposure_key(item: Exposure) -> str:
    # One event may give several things: a user made with groups.
    return f"{item.event}:{hashlib.sha256(item.subject.encode()).hexdigest()[:16]}"


def end_exposures(connection: Connection, ended: Iterable[Exposure]) -> None:
    """Exposures that are over."""
    rows = [{"key": _exposure_key(item), "end": item.revoked_at} for item in ended]
    if rows:
        same = exposure.c.event_id == bindparam("key")
        connection.execute(update(exposure).where(same).values(revoked_at=bindparam("end")), rows)


def read_exposures(
    connection: Connection, *, only_open: bool = False, since: datetime | None = None
) -> Sequence[Exposure]:
    """Exposures, oldest first: all, those still open, or those that began at or after a time."""
    query = select(exposure).order_by(exposure.c.granted_at, exposure.c.event_id)
    if only_open:
        query = query.where(exposure.c.revoked_at.is_(None))
    if since is not None:
        query = query.where(exposure.c.granted_at >= since)
    return [
        Exposure(
            event=row.event_id.partition(":")[0],
            user=KeycloakId(row.user_id) if row.user_id else None,
            kind=CauseKind(row.kind) if row.kind in set(CauseKind) else MoveKind(row.kind),
            subject=row.subject,
            granted_at=row.granted_at,
            revoked_at=row.revoked_at,
        )
        for row in connection.execute(query)
    ]
