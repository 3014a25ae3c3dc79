"""What changes of people's records is written together with its entries in the ledger: holds, above all.

A hold that vanishes from the store without an entry that lifts it counts as being there
(:mod:`quanheng.operations.standing`); so every hold that is put or lifted goes through here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import Connection, and_, delete, select

from quanheng.engine.adopt import CONSOLE
from quanheng.logs import redact_text
from quanheng.model.change import Json
from quanheng.model.ids import PersonId
from quanheng.model.person import Hold, HoldKind
from quanheng.model.registry import RegistryDelta
from quanheng.operations.context import Context
from quanheng.operations.noting import note_all
from quanheng.operations.standing import HOLD_LIFTED, HOLD_PUT, read_standing_holds
from quanheng.store import tables
from quanheng.store.database import upsert
from quanheng.store.logins import begin_counts
from quanheng.store.registry import commit_delta, raise_revision
from quanheng.store.registry_rows import hold_of, hold_row

_FROZEN = HoldKind.FROZEN


def commit(context: Context, connection: Connection, delta: RegistryDelta) -> None:
    """Write a delta within the caller's transaction, and enter its holds into the ledger.

    Somebody may have been frozen by command since the delta was made: such a freeze is neither lifted nor
    replaced by what was seen of the console before.
    """
    frozen = _frozen_by_command(connection, [*delta.holds_put, *delta.holds_lifted])
    delta = replace(
        delta,
        holds_put=tuple(
            hold
            for hold in delta.holds_put
            if hold.kind is not _FROZEN or hold.origin != CONSOLE or hold.person not in frozen
        ),
        holds_lifted=tuple(
            (person, kind)
            for person, kind in delta.holds_lifted
            if kind != HoldKind.FROZEN or person not in frozen
        ),
    )
    lifted = [_body_of(connection, person, kind) for person, kind in delta.holds_lifted]
    back = _given_back(connection, delta)
    commit_delta(connection, delta, context.keyring, context.clock())
    begin_counts(connection, back, context.clock(), given_back=True)
    entries = [(HOLD_LIFTED, body) for body in lifted]
    note_all(context, connection, [*entries, *((HOLD_PUT, _body(hold)) for hold in delta.holds_put)])


def _given_back(connection: Connection, delta: RegistryDelta) -> frozenset[PersonId]:
    """Whom somebody switched on in the console when nothing held them any more: what we would have done.

    Not whose hold of the console is lifted: switching off and on would keep an account alive.
    """
    lifted = {person for person, _ in delta.holds_lifted}
    on = {item.person for item in delta.adopted if item.enabled_written} - lifted
    if not on:
        return frozenset()
    query = select(tables.account.c.person_id).where(tables.account.c.enabled_written.is_(False))
    return frozenset(on.intersection(map(PersonId, connection.execute(query).scalars())))


def put_hold(context: Context, connection: Connection, hold: Hold) -> None:
    """Put one hold, in place of one of its kind; also without the lease, since it touches nothing else."""
    upsert(connection, tables.hold, [hold_row(hold)])
    raise_revision(connection)
    note_all(context, connection, [(HOLD_PUT, _body(hold))])


def lift_hold(
    context: Context, connection: Connection, person: PersonId, kind: HoldKind, *, why: str = ""
) -> None:
    """Lift one hold, whoever put it. ``why``: key of the request that was approved.

    Whoever calls it has the account judged afterwards: something else may hold it too.
    """
    body = _body_of(connection, person, kind)
    if why:
        body["request"] = why
    table = tables.hold
    connection.execute(delete(table).where(and_(table.c.person_id == person, table.c.kind == kind)))
    raise_revision(connection)
    note_all(context, connection, [(HOLD_LIFTED, body)])


def _frozen_by_command(
    connection: Connection, touched: Iterable[Hold | tuple[PersonId, str]]
) -> frozenset[PersonId]:
    """Of these people, whom a freeze by command holds: by the store, or by the ledger where the store was
    made to forget it."""
    people = {
        item.person if isinstance(item, Hold) else item[0]
        for item in touched
        if (item.kind if isinstance(item, Hold) else item[1]) == _FROZEN
    }
    if not people:
        return frozenset()
    table = tables.hold
    query = select(table.c.person_id).where(table.c.kind == _FROZEN, table.c.origin != CONSOLE)
    stored = people.intersection(map(PersonId, connection.execute(query).scalars()))
    standing = read_standing_holds(connection, people)
    return frozenset(stored) | {
        person for (person, kind), hold in standing.items() if kind is _FROZEN and hold.origin != CONSOLE
    }


def _body(hold: Hold) -> dict[str, Json]:
    return {
        "person": str(hold.person),
        "kind": str(hold.kind),
        "since": hold.since.isoformat(),
        "origin": hold.origin,
        "reason": redact_text(hold.reason),
    }


def _body_of(connection: Connection, person: PersonId, kind: str) -> dict[str, Json]:
    """A hold that is about to be lifted; of one that is not in the store the ledger alone has the rest."""
    table = tables.hold
    row = connection.execute(select(table).where(table.c.person_id == person, table.c.kind == kind)).first()
    if row is None:
        return {"person": str(person), "kind": str(kind)}
    hold = hold_of(row)
    return {
        "person": str(hold.person),
        "kind": str(hold.kind),
        "since": hold.since.isoformat(),
        "origin": hold.origin,
    }
