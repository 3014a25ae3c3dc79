"""Putting into the ledger what was done besides changes of a plan."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Final

from sqlalchemy import Connection, select

from quanheng.ledger.chain import Ledger
from quanheng.ledger.entry import Entry
from quanheng.model.change import Json
from quanheng.model.finding import Finding, FindingKind
from quanheng.operations.context import Context
from quanheng.store.tables import ledger

_FORGED: Final = "forged_decision"


def note(context: Context, connection: Connection, kind: str, body: Mapping[str, Json]) -> None:
    """Write an entry within the caller's transaction, with who runs this process.

    Open ``context.keyring`` before that transaction: the first time it needs one of its own.
    """
    Ledger(connection, context.keyring, context.clock).append(
        [Entry(kind=kind, body={"by": context.who, **body})]
    )


def note_all(
    context: Context, connection: Connection, entries: Iterable[tuple[str, Mapping[str, Json]]]
) -> None:
    """The same of several, each a kind and a body, under one signature."""
    Ledger(connection, context.keyring, context.clock).append(
        [Entry(kind=kind, body={"by": context.who, **body}) for kind, body in entries]
    )


def note_forgeries(context: Context, connection: Connection, findings: Iterable[Finding]) -> None:
    """Write down what was found forged, each once: the next sync may write over it."""
    query = select(ledger.c.body).where(ledger.c.kind == _FORGED)
    told = {
        (body["subject"], body["detail"]) for body in map(json.loads, connection.execute(query).scalars())
    }
    found = [
        (_FORGED, {"subject": item.subject, "detail": item.detail})
        for item in findings
        if item.kind is FindingKind.FORGED_DECISION and (item.subject, item.detail) not in told
    ]
    note_all(context, connection, found)


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
