"""Showing one row of the quarantine as it came, which is written into the ledger."""

from __future__ import annotations

from sqlalchemy import Connection, select

from quanheng.errors import RefusedError
from quanheng.logs import redact_text
from quanheng.model.sensitive import Sensitive
from quanheng.operations.context import Context
from quanheng.operations.noting import note
from quanheng.store.quarantine import reveal
from quanheng.store.tables import quarantine

_SHORTEST_KEY = 8
_SHORTEST_REASON = 4


def reveal_row(context: Context, key: str, reason: str) -> Sensitive:
    """The original of a row; ``key`` may be its beginning. Who asked, and why, is in the ledger first.

    Raises :class:`RefusedError` without a reason, for a reason that itself holds somebody's number, and
    when no single row is called so.
    """
    if len(reason.strip()) < _SHORTEST_REASON:
        raise RefusedError("an original is shown for a reason", remedy="say why, with --reason")
    if redact_text(reason) != reason:
        raise RefusedError(
            "the reason holds what looks like an ID number or a phone; the ledger must not",
            remedy="say it without the number",
        )
    keyring = context.keyring
    with context.database.transaction() as connection:
        whole = _find(connection, key)
        original = reveal(connection, keyring, whole)
        note(context, connection, "quarantine_revealed", {"key": whole, "reason": reason.strip()})
    return original


def _find(connection: Connection, key: str) -> str:
    query = select(quarantine.c.key).where(quarantine.c.key.startswith(key, autoescape=True)).limit(2)
    found = list(connection.scalars(query)) if len(key) >= _SHORTEST_KEY else []
    if len(found) != 1:
        raise RefusedError(
            "no single row of the quarantine is called so", remedy="copy a key from 'quanheng quarantine'"
        )
    return str(found[0])
