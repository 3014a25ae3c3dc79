"""Whether the store came from a backup and was not compared with Keycloak since.

A backup knows nothing of what was frozen, locked or given back after it was made; until everything was
compared, an account that is found off may be off for a reason that nobody remembers.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, delete

from quanheng.store.meta import read_number, read_text, write_number, write_text
from quanheng.store.tables import meta

_RESTORED: Final = "restored"
_ANCHOR: Final = "restored_behind_anchor"
"""Sequence of the newest anchor by which an older store was recognised."""


def mark_restored(connection: Connection) -> None:
    """The store came from a backup just now."""
    write_text(connection, _RESTORED, "1")


def is_restored(connection: Connection) -> bool:
    """Whether it did, and was not compared since."""
    return read_text(connection, _RESTORED) is not None


def mark_compared(connection: Connection) -> None:
    """Everything was compared with Keycloak."""
    connection.execute(delete(meta).where(meta.c.key == _RESTORED))


def mark_behind(connection: Connection, anchor: int) -> bool:
    """An anchor tells of entries that the ledger does not have; whether that is news."""
    if read_number(connection, _ANCHOR, -1) >= anchor:
        return False
    write_number(connection, _ANCHOR, anchor)
    mark_restored(connection)
    return True
