"""What people were told once, and are not told again."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, and_, delete

from quanheng.store.database import insert_new
from quanheng.store.tables import announced


def announce_once(connection: Connection, topic: str, subject: str, now: datetime) -> bool:
    """Mark that something is told; whether it had not been told before. Atomic among processes."""
    return insert_new(connection, announced, {"topic": topic, "subject": subject, "at": now})


def forget(connection: Connection, topic: str, subject: str) -> None:
    """What was told is over: should it come again, it is told again."""
    table = announced
    connection.execute(delete(table).where(and_(table.c.topic == topic, table.c.subject == subject)))


def forget_before(connection: Connection, before: datetime) -> None:
    """Forget what was told long ago: nothing of it can come again."""
    connection.execute(delete(announced).where(announced.c.at < before))
