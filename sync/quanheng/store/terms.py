"""Ends of accounts that are for a time.

The ledger says which ends were really put: a row that somebody wrote into the store counts for nothing, one
that was taken out counts all the same.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date
from typing import Any, Final

from sqlalchemy import Connection, delete, select

from quanheng.model.ids import PersonId
from quanheng.model.person import Hold, HoldKind, Term, TermKind
from quanheng.store import tables
from quanheng.store.database import upsert
from quanheng.store.registry_rows import hold_of, term_of, term_row

TERM_PUT: Final = "term_put"
TESTS_CLOSED: Final = "test_accounts_closed"


def write_terms(connection: Connection, terms: Collection[Term]) -> None:
    """Write rows, without a word in the ledger: see :func:`quanheng.operations.lifecycle.terms.put_term`."""
    upsert(connection, tables.term, [term_row(item) for item in terms])


def drop_terms(connection: Connection, people: Collection[PersonId]) -> None:
    """Take rows out that never counted."""
    connection.execute(delete(tables.term).where(tables.term.c.person_id.in_(list(people))))


def read_term_rows(connection: Connection) -> Mapping[PersonId, Term]:
    """What the store has."""
    return {item.person: item for item in map(term_of, connection.execute(select(tables.term)))}


def read_noted_terms(connection: Connection) -> Mapping[PersonId, Term]:
    """What the ledger has: the last end that was put for each person, by whoever might. These count."""
    table = tables.ledger
    query = (
        select(table.c.kind, table.c.body)
        .where(table.c.kind.in_([TERM_PUT, TESTS_CLOSED]))
        .order_by(table.c.sequence)
    )
    found: dict[PersonId, Term] = {}
    for kind, body in connection.execute(query):
        told: dict[str, Any] = json.loads(body)
        until = date.fromisoformat(told["until"])
        if kind == TERM_PUT:
            person = PersonId(told["person"])
            found[person] = Term(
                person=person,
                kind=TermKind(told["kind"]),
                owner=PersonId(told["owner"]),
                until=until,
                purpose=told["purpose"],
            )
            continue
        for person in map(PersonId, told["persons"]):
            if person in found:
                found[person] = replace(found[person], until=until)
    return found


def read_expired(connection: Connection) -> Mapping[PersonId, Hold]:
    """Stored holds of accounts whose time is over."""
    table = tables.hold
    rows = connection.execute(select(table).where(table.c.kind == HoldKind.EXPIRED))
    return {item.person: item for item in map(hold_of, rows)}


def read_employed(connection: Connection, employments: Collection[str]) -> frozenset[PersonId]:
    """People with an account whom any row of a source has in one of these employments."""
    if not employments:
        return frozenset()
    claim, account = tables.claim, tables.account
    query = (
        select(claim.c.person_id)
        .join(account, account.c.person_id == claim.c.person_id)
        .where(claim.c.employment.in_(sorted(employments)))
    )
    return frozenset(map(PersonId, connection.execute(query).scalars()))
