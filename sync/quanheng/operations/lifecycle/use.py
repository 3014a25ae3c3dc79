"""The day's look at who uses an account: take logins in, announce, lock (S11)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from quanheng.clock import day_in_china
from quanheng.model.ids import PersonId
from quanheng.operations.carrying_out import hold_lease, recover
from quanheng.operations.context import Context
from quanheng.operations.lifecycle.locking import Locked, lock_unused
from quanheng.operations.lifecycle.logins import Feed, take_in_logins
from quanheng.operations.lifecycle.mistaken import lift_mistaken
from quanheng.operations.lifecycle.telling import tell_ahead, tell_missing
from quanheng.operations.lifecycle.unused import Unused, find_unused
from quanheng.operations.refresh import refresh_mirror
from quanheng.store.lease import Lease


def look_after_use(context: Context) -> str:
    """Announce and lock what has its time today; returns one line for the log. Nothing is done twice."""
    with hold_lease(context) as lease:
        recover(context, lease)
        feed = take_in_logins(context)
        lifted = lift_mistaken(context, lease)
        if feed.problem:
            return _tell_missing(context, feed)
        if context.pack.lifecycle.inactivity is None:
            return f"logins={feed.events}"
        found = find_unused(context)
        ahead = _announce(context, found)
        due = [item.person.id for item in found if item.verdict.is_due(context.clock())]
        locked, lifted_after = _lock(context, lease, due)
    return (
        f"logins={feed.events} announced={ahead} locked={locked.locked} stopped={locked.stopped} "
        f"lifted={lifted + lifted_after}"
    )


def _announce(context: Context, near: Sequence[Unused]) -> int:
    _ = context.keyring  # opened before the transaction: it may need one of its own
    with context.database.transaction() as connection:
        return tell_ahead(context, connection, near)


def _lock(context: Context, lease: Lease, due: Collection[PersonId]) -> tuple[Locked, int]:
    """Lock who of these is due by what is known at this very moment, and look once more after it.

    Somebody may log in while all this goes on: an event that shows only now ends the lock again.
    """
    refresh_mirror(context, lease, everybody=False)
    if take_in_logins(context, settings=False).problem:
        return Locked(), 0
    locked = lock_unused(context, lease, due)
    if not locked.locked:
        return locked, 0
    take_in_logins(context, settings=False)
    return locked, lift_mistaken(context, lease)


def _tell_missing(context: Context, feed: Feed) -> str:
    day = day_in_china(context.clock()).isoformat()
    _ = context.keyring  # opened before the transaction: it may need one of its own
    with context.database.transaction() as connection:
        tell_missing(context, connection, feed.problem, day)
    return f"logins={feed.events} nobody locked: {feed.problem}"
