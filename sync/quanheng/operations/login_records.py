"""Logins by card in the ledger: the bridge has no key for it, so the daemon takes its records over."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from quanheng.ledger.chain import Ledger
from quanheng.ledger.entry import Entry
from quanheng.operations.context import Context
from quanheng.store.login_records import forget_records, has_unnoted, mark_noted, read_unnoted

LOGIN: Final = "card_login"
"""Kind of the ledger's entries."""
_AT_ONCE: Final = 500


def note_logins(context: Context) -> int:
    """Take records that are not in the ledger into it, and forget those that are there and old; how many were
    taken. Nothing before the bootstrap, which is the ledger's first entry.

    Entry and mark are one transaction, so each record is in the ledger once, also after a crash and with two
    daemons.
    """
    with context.database.reading() as connection:
        if not has_unnoted(connection):
            return 0
    keyring = context.keyring  # opened before the transaction: it may need one of its own
    taken = 0
    while True:
        with context.database.transaction() as connection:
            ledger = Ledger(connection, keyring, context.clock)
            if ledger.last() is None:
                return taken
            some = read_unnoted(connection, _AT_ONCE)
            ledger.append(
                [
                    Entry(
                        kind=LOGIN,
                        body={
                            "at": kept.record.at.isoformat(timespec="seconds"),
                            "outcome": kept.record.outcome,
                            "person": kept.record.person,
                            "client": kept.record.client_id,
                            "address": kept.record.address,
                            "browser": kept.record.browser,
                            "region": kept.record.region,
                            "login": kept.record.login,
                        },
                    )
                    for kept in some
                ]
            )
            mark_noted(connection, [kept.number for kept in some], context.clock())
        taken += len(some)
        if len(some) < _AT_ONCE:
            break
    _forget_old(context)
    return taken


def _forget_old(context: Context) -> None:
    if context.settings.bridge is None:
        return
    before = context.clock() - timedelta(days=context.settings.bridge.keep_days)
    with context.database.transaction() as connection:
        forget_records(connection, before)
