"""Locks that should not have been: a login came to light that was earlier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select

from quanheng.clock import day_in_china
from quanheng.lifecycle.inactivity import clients_that_count
from quanheng.logs import get_logger
from quanheng.model.ids import PersonId
from quanheng.model.person import HoldKind
from quanheng.model.registry import RegistryDelta
from quanheng.operations.committing import commit
from quanheng.operations.context import Context
from quanheng.operations.lifecycle.locking import ORIGIN
from quanheng.operations.noting import note_all
from quanheng.operations.standing import read_lock_moment
from quanheng.operations.watching.repairing import repair
from quanheng.store.lease import Lease
from quanheng.store.logins import read_last_logins, read_people_of
from quanheng.store.meta import read_number
from quanheng.store.tables import hold
from quanheng.store.watching import ToJudge

_LATE: Final = timedelta(days=2)
"""So long after a lock an event of a login before it may show."""

log = get_logger(__name__)


def lift_mistaken(context: Context, lease: Lease) -> int:
    """Lift the locks of the last days before which, as events show that came late, somebody had logged in.

    Such a login was a day or two before the lock at the most, since the events of earlier ones had been read.
    One that was after it proves nothing: somebody switched the account on in the console, and would have
    unlocked it alone.
    """
    today = day_in_china(context.clock())
    query = select(hold.c.person_id, hold.c.since).where(
        hold.c.kind == HoldKind.INACTIVE, hold.c.origin == ORIGIN, hold.c.since >= today - _LATE
    )
    with context.database.reading() as connection:
        locked = {PersonId(row.person_id): row.since for row in connection.execute(query)}
        logins = read_last_logins(connection, locked) if locked else {}
        users = {person: user for user, person in read_people_of(connection).items()} if locked else {}
    counted = clients_that_count(context.pack)
    late = {
        person: [
            at
            for client, at in logins.get(person, {}).items()
            if client in counted and day_in_china(at) >= since - timedelta(days=1)
        ]
        for person, since in locked.items()
    }
    wrong = _before_the_lock(context, {person: times for person, times in late.items() if times})
    if not wrong:
        return 0
    _ = context.keyring  # opened before the transaction: it may need one of its own
    with context.database.transaction() as connection:
        lease.assert_held(connection)
        delta = RegistryDelta(
            holds_lifted=tuple((person, HoldKind.INACTIVE) for person in wrong),
            next_serial=read_number(connection, "next_serial", 1),
        )
        commit(context, connection, delta)
        note_all(context, connection, [("lock_mistaken", {"person": str(person)}) for person in wrong])
    log.warning("locks were lifted: a login before them came to light", accounts=len(wrong))
    repair(context, lease, ToJudge(users=frozenset(users[person] for person in wrong if person in users)))
    return len(wrong)


def _before_the_lock(context: Context, late: Mapping[PersonId, Sequence[datetime]]) -> list[PersonId]:
    """Who of these logged in when the account was still on, by the clock of the server that tells of it."""
    if not late:
        return []
    ahead = context.realm.read_server_time() - context.clock()
    with context.database.reading() as connection:
        off = {person: read_lock_moment(connection, person) for person in late}
    return [
        person
        for person, times in late.items()
        if (moment := off[person]) is not None and any(at <= moment + ahead for at in times)
    ]
