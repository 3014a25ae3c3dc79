"""Single values of the store: counters, and the founders named by the bootstrap."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert, select

from quanheng.store.tables import meta


def read_text(connection: Connection, key: str) -> str | None:
    """A value, or None."""
    value: str | None = connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar()
    return value


def write_text(connection: Connection, key: str, value: str) -> None:
    """Set a value."""
    connection.execute(delete(meta).where(meta.c.key == key))
    connection.execute(insert(meta).values(key=key, value=value))


def read_number(connection: Connection, key: str, default: int) -> int:
    """A counter, or ``default`` when it was never set."""
    value = read_text(connection, key)
    return default if value is None else int(value)


def write_number(connection: Connection, key: str, value: int) -> None:
    """Set a counter."""
    write_text(connection, key, str(value))


def read_founders(connection: Connection) -> Sequence[tuple[str, str, str]]:
    """Staff number, post and area of each founder."""
    value = read_text(connection, "founders")
    return [] if value is None else [(str(a), str(b), str(c)) for a, b, c in json.loads(value)]


def read_founders_signature(connection: Connection) -> str | None:
    """The signature under the founders, hex."""
    return read_text(connection, "founders_signature")


def write_founders(connection: Connection, founders: Sequence[tuple[str, str, str]], signature: str) -> None:
    """Name the founders; done once, by the bootstrap, which signs it."""
    write_text(connection, "founders", json.dumps([list(item) for item in founders], ensure_ascii=False))
    write_text(connection, "founders_signature", signature)
