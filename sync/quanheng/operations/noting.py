"""Putting into the ledger what was done besides changes of a plan."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from quanheng.ledger.chain import Ledger
from quanheng.ledger.entry import Entry
from quanheng.model.change import Json
from quanheng.operations.context import Context


def note(context: Context, connection: Connection, kind: str, body: Mapping[str, Json]) -> None:
    """Write an entry within the caller's transaction, with who runs this process.

    Open ``context.keyring`` before that transaction: the first time it needs one of its own.
    """
    Ledger(connection, context.keyring, context.clock).append(
        [Entry(kind=kind, body={"by": context.who, **body})]
    )


def note_if_begun(context: Context, kind: str, body: Mapping[str, Json]) -> bool:
    """The same in a transaction of its own; before the bootstrap there is no ledger, and False is returned.

    For the few acts that come before the bootstrap, which make an empty realm and nothing in it.
    """
    keyring = context.keyring
    with context.database.transaction() as connection:
        if Ledger(connection, keyring, context.clock).last() is None:
            return False
        note(context, connection, kind, body)
        return True
