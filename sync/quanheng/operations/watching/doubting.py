"""Events in our own name that may be a thief's, and what has to be read again for them.

What makes them doubtful is decided in :mod:`quanheng.watch.doubt`.

The time that is in doubt is kept in the store, so that a restart does not end it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from quanheng.keycloak.events import Affected, affected
from quanheng.ledger.chain import Ledger
from quanheng.logs import get_logger
from quanheng.model.realm import AdminEvent
from quanheng.operations.context import Context
from quanheng.operations.noting import note
from quanheng.store.meta import read_number, read_text, write_number, write_text
from quanheng.store.mirror import read_users
from quanheng.store.watching import count_group_steps
from quanheng.watch.doubt import (
    Doubt,
    count_group_writes,
    doubted,
    find_tampering,
    renew,
    unexplained,
    users_of,
)

_DOUBT: Final = "own_events_doubted"
_MARK: Final = "own_events_explained"
"""Entries of ``meta``: the time in doubt, and the newest ledger entry whose events were explained."""

log = get_logger(__name__)


def read_doubt(connection: Connection) -> Doubt | None:
    """The last time in which events in our own name are in doubt; it may be over."""
    kept = read_text(connection, _DOUBT)
    if kept is None:
        return None
    since, until = map(datetime.fromisoformat, json.loads(kept))
    return Doubt(since=since, until=until)


def doubt_by(context: Context, connection: Connection, events: Sequence[AdminEvent]) -> Doubt | None:
    """The same, as these new events renew it."""
    doubt = read_doubt(connection)
    for event in find_tampering(events, context.realm.own_actors):
        doubt = renew(doubt, event.at)
    return doubt


def find_doubted(context: Context, events: Sequence[AdminEvent]) -> tuple[AdminEvent, ...]:
    """New events in our own name that are in doubt."""
    if not events:
        return ()
    with context.database.reading() as connection:
        return doubted(events, context.realm.own_actors, doubt_by(context, connection, events))


def read_again(context: Context, events: Sequence[AdminEvent]) -> Affected:
    """What has to be read again for events in doubt: whatever the mirror and the ledger do not explain."""
    own = context.realm.own_actors
    with context.database.reading() as connection:
        doubt = doubt_by(context, connection, events)
        suspects = doubted(events, own, doubt)
        if doubt is None or not suspects:
            return Affected()
        strange = unexplained(suspects, read_users(connection, users_of(suspects)))
        # Should our clock be behind the server's, too little is explained, and more is read again.
        done = count_group_steps(connection, read_number(connection, _MARK, -1), doubt.since)
    hint = affected(strange)
    if not count_group_writes(suspects) <= done:
        hint = replace(hint, all_groups=True)
    return hint


def keep_doubt(
    context: Context, connection: Connection, events: Sequence[AdminEvent], *, unseen: datetime | None = None
) -> Doubt | None:
    """Keep what new events put in doubt, within the caller's transaction; the ledger has who did it.

    ``unseen``: when events are missing, the time of it, since a change of a client may be among them.
    """
    before, doubt = read_doubt(connection), doubt_by(context, connection, events)
    if unseen is not None:
        doubt = renew(doubt, unseen)
    ledger = Ledger(connection, context.keyring, context.clock)
    if doubt is not None and doubt != before:
        write_text(connection, _DOUBT, json.dumps([doubt.since.isoformat(), doubt.until.isoformat()]))
        actors = {event.actor_user for event in find_tampering(events, context.realm.own_actors)}
        log.warning("what tokens rest on was changed; our own accounts' acts are verified", until=doubt.until)
        if ledger.last() is not None and (before is None or doubt.since > before.since):
            note(
                context,
                connection,
                "own_account_doubted",
                {"actors": [*sorted(actors)], "until": doubt.until.isoformat(timespec="seconds")},
            )
    if doubt is not None and (last := ledger.last()) is not None:
        write_number(connection, _MARK, last[0])
    return doubt
