"""Events in our own name that may be a thief's, and what has to be read again for them.

What makes them doubtful is decided in :mod:`quanheng.watch.doubt`.

The time that is in doubt is kept in the store, so that a restart does not end it. What ends it is that every
token of our own accounts is void: who can change our client can also have its tokens live for a day.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from quanheng.keycloak.events import Affected, affected
from quanheng.keycloak.port import RealmRefusedError
from quanheng.keycloak.representation import SERVICE_ACCOUNT_PREFIX
from quanheng.ledger.chain import Ledger
from quanheng.logs import get_logger
from quanheng.model.ids import KeycloakId, Username
from quanheng.model.realm import AdminEvent
from quanheng.operations.context import Context
from quanheng.operations.noting import note
from quanheng.store.lease import Lease
from quanheng.store.meta import read_number, read_text, write_number, write_text
from quanheng.store.mirror import read_users
from quanheng.store.watching import count_group_steps
from quanheng.watch.doubt import (
    Doubt,
    count_group_writes,
    doubted,
    end,
    follow,
    renew,
    unexplained,
    users_of,
)

_DOUBT: Final = "own_events_doubted"
_MARK: Final = "own_events_explained"
"""Entries of ``meta``: the time in doubt, and the newest ledger entry whose events were explained."""
_GONE: Final = 404

log = get_logger(__name__)


def read_doubt(connection: Connection) -> Doubt | None:
    """The last time in which events in our own name are in doubt; it may have ended.

    Of versions before there are two moments only: that one is open, since nobody voided a token then.
    """
    kept = read_text(connection, _DOUBT)
    if kept is None:
        return None
    since, until, *ended = map(datetime.fromisoformat, json.loads(kept))
    return Doubt(since=since, until=until, ended=ended[0] if ended else None)


def _write(connection: Connection, doubt: Doubt) -> None:
    moments = [doubt.since, doubt.until, *([doubt.ended] if doubt.ended is not None else [])]
    write_text(connection, _DOUBT, json.dumps([moment.isoformat() for moment in moments]))


def is_due(context: Context) -> bool:
    """Whether it is time to end a doubt. Asks Keycloak nothing while there is none."""
    with context.database.reading() as connection:
        doubt = read_doubt(connection)
    if doubt is None or doubt.ended is not None:
        return False
    return doubt.is_due(context.realm.read_server_time())


def end_doubt(context: Context, lease: Lease) -> bool:
    """Void every token that our own accounts were given, ours of now among them, and only then end the doubt.

    The next request gets a new one. Returns whether it was ended: somebody else may have done so. Raises
    :class:`QuanhengError` when Keycloak does not do it; the doubt stays open then.
    """
    realm = context.realm
    if not is_due(context):
        return False
    for account in sorted(_own_accounts(context)):
        try:
            realm.logout(account)
        except RealmRefusedError as error:
            if error.status != _GONE:  # with the account go its tokens
                raise
    at = realm.read_server_time()
    with context.database.transaction() as connection:
        lease.assert_held(connection)
        doubt = read_doubt(connection)
        assert doubt is not None  # noqa: S101 -- nobody forgets it
        _write(connection, end(doubt, at))
    log.info("every token of our own accounts was voided; the doubt about their acts is over")
    return True


def _own_accounts(context: Context) -> set[KeycloakId]:
    """Those that we know as ours, and those that are since somebody made a client anew: soon these are
    believed as well."""
    keycloak = context.settings.keycloak
    names = (SERVICE_ACCOUNT_PREFIX + client.client_id for client in (keycloak.sync, keycloak.configurator))
    found = (context.realm.find_user(Username(name)) for name in names)
    known = {KeycloakId(user) for user in context.realm.own_actors}
    return known | {user.id for user in found if user is not None}


def doubt_by(context: Context, connection: Connection, events: Sequence[AdminEvent]) -> Doubt | None:
    """The same, as these new events renew it."""
    return follow(read_doubt(connection), events, context.realm.own_actors)[0]


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
    before = read_doubt(connection)
    doubt, tampering = follow(before, events, context.realm.own_actors)
    if unseen is not None:
        doubt = renew(doubt, unseen)
    ledger = Ledger(connection, context.keyring, context.clock)
    if doubt is not None and doubt != before:
        _write(connection, doubt)
        actors = {event.actor_user for event in tampering}
        log.warning("what tokens rest on was changed; our own accounts' acts are verified", until=doubt.until)
        if ledger.last() is not None and doubt.is_news_after(before):
            note(
                context,
                connection,
                "own_account_doubted",
                {"actors": [*sorted(actors)], "until": doubt.until.isoformat(timespec="seconds")},
            )
    if doubt is not None and (last := ledger.last()) is not None:
        write_number(connection, _MARK, last[0])
    return doubt
