"""How logins by card ended: written once by the bridge, taken into the ledger by who has the key for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from quanheng.bridge.values import LoginId, LoginRecord
from quanheng.model.ids import PersonId
from quanheng.store.tables import login_record, person


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRecord:
    """A record and its place in the store."""

    number: int
    record: LoginRecord
    username: str
    """Of the person; empty when the card was nobody's."""
    noted_at: datetime | None
    """When it came into the ledger."""


def put_record(connection: Connection, record: LoginRecord) -> None:
    """Write a record. Of one login there is one: a second is passed over."""
    known = select(login_record.c.id).where(login_record.c.login == record.login)
    if connection.execute(known).first() is not None:
        return
    connection.execute(
        insert(login_record).values(
            at=record.at,
            login=record.login,
            outcome=record.outcome,
            person_id=record.person,
            client_id=record.client_id,
            address=record.address,
            browser=record.browser,
            region=record.region,
        )
    )


def read_records(
    connection: Connection,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    username: str | None = None,
    limit: int = 100,
) -> Sequence[KeptRecord]:
    """Records from ``since`` to before ``until``, the newest first."""
    table = login_record
    query = _with_names().order_by(table.c.at.desc(), table.c.id.desc()).limit(limit)
    if since is not None:
        query = query.where(table.c.at >= since)
    if until is not None:
        query = query.where(table.c.at < until)
    if username is not None:
        query = query.where(person.c.username == username)
    return [_kept(row) for row in connection.execute(query)]


def has_unnoted(connection: Connection) -> bool:
    """Whether a record is not in the ledger yet."""
    table = login_record
    query = select(table.c.id).where(table.c.noted_at.is_(None)).limit(1)
    return connection.execute(query).first() is not None


def read_unnoted(connection: Connection, limit: int) -> Sequence[KeptRecord]:
    """Records that are not in the ledger yet, the oldest first. Locks them where others may take them too."""
    table = login_record
    query = select(table.c.id).where(table.c.noted_at.is_(None)).order_by(table.c.id).limit(limit)
    numbers = list(connection.execute(query.with_for_update()).scalars())
    rows = connection.execute(_with_names().where(table.c.id.in_(numbers)).order_by(table.c.id))
    return [_kept(row) for row in rows]


def mark_noted(connection: Connection, numbers: Sequence[int], at: datetime) -> None:
    """They are in the ledger, from this transaction on."""
    table = login_record
    connection.execute(update(table).where(table.c.id.in_(numbers)).values(noted_at=at))


def forget_records(connection: Connection, before: datetime) -> int:
    """Remove records from before, never one that is not in the ledger; how many."""
    table = login_record
    over = (table.c.at < before) & table.c.noted_at.is_not(None)
    return connection.execute(delete(table).where(over)).rowcount


def _with_names() -> Any:
    table = login_record
    return select(*table.c, person.c.username).select_from(
        table.outerjoin(person, person.c.id == table.c.person_id)
    )


def _kept(row: Row[Any]) -> KeptRecord:
    return KeptRecord(
        number=row.id,
        record=LoginRecord(
            at=row.at,
            login=LoginId(row.login),
            outcome=row.outcome,
            person=None if row.person_id is None else PersonId(row.person_id),
            client_id=row.client_id,
            address=row.address,
            browser=row.browser,
            region=row.region,
        ),
        username=row.username or "",
        noted_at=row.noted_at,
    )
