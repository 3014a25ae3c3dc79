"""Keys that sign the bridge's tokens. The private half is wrapped by the caller, in the bridge's own key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, text, update

from quanheng.store.tables import bridge_key


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey:
    """A signing key as it is kept."""

    kid: str
    """Its thumbprint (RFC 7638)."""
    algorithm: str
    public_jwk: dict[str, Any]
    private_wrapped: bytes = field(repr=False)
    created_at: datetime
    signs_from: datetime
    published_until: datetime | None
    """None while no later key has taken its place."""


def lock_keys(connection: Connection) -> None:
    """Have other processes wait that would make a key as well. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE bridge_key IN EXCLUSIVE MODE"))


def read_keys(connection: Connection, now: datetime) -> Sequence[StoredKey]:
    """Keys that are published, the one that signs last at the end."""
    table = bridge_key
    alive = table.c.published_until.is_(None) | (table.c.published_until > now)
    rows = connection.execute(select(table).where(alive).order_by(table.c.signs_from, table.c.kid))
    return [StoredKey(**row._mapping) for row in rows]  # noqa: SLF001 -- SQLAlchemy's public name


def put_key(connection: Connection, key: StoredKey, retire_at: datetime) -> None:
    """Keep a new key; those before it are published until ``retire_at``, and no longer: also those that an
    earlier one has taken the place of."""
    table = bridge_key
    longer = table.c.published_until.is_(None) | (table.c.published_until > retire_at)
    connection.execute(update(table).where(longer).values(published_until=retire_at))
    connection.execute(
        insert(table).values(
            kid=key.kid,
            algorithm=key.algorithm,
            public_jwk=key.public_jwk,
            private_wrapped=key.private_wrapped,
            created_at=key.created_at,
            signs_from=key.signs_from,
            published_until=key.published_until,
        )
    )


def forget_retired(connection: Connection, now: datetime) -> None:
    """Remove keys that are no longer published."""
    connection.execute(delete(bridge_key).where(bridge_key.c.published_until <= now))
