"""Reading the ledger as an auditor does: believing nothing but the keys and the anchor."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass

from sqlalchemy import Connection, select

from quanheng.identity.port import Keyring
from quanheng.ledger.entry import (
    BOOTSTRAP,
    NO_HASH,
    Anchor,
    Head,
    LedgerBrokenError,
    LedgerEntry,
    chain_hash,
)
from quanheng.store.tables import ledger, ledger_head


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """A ledger that holds together."""

    entries: int
    head: Head | None
    """The newest signed head; None while the ledger is empty."""
    heads: int
    anchored: int | None
    """Up to this entry it agrees with the anchor; None without one. Without an anchor, entries cut
    off the end together with their heads do not show."""


def verify(connection: Connection, keyring: Keyring, anchor: Anchor | None = None) -> VerifyReport:
    """Check every hash, every signature and the anchor, in one pass.

    Raises :class:`LedgerBrokenError` naming the first entry that was changed, removed or put in, and
    the entry after the last when the end is missing.
    """
    with closing(read_entries(connection)) as entries, closing(read_heads(connection)) as heads:
        return verify_entries(entries, heads, keyring, anchor)


def verify_entries(
    entries: Iterable[LedgerEntry],
    heads: Iterable[Head],
    keyring: Keyring,
    anchor: Anchor | None = None,
) -> VerifyReport:
    """Check entries and heads in the order of their sequence; see :func:`verify`."""
    if anchor is not None and not keyring.verify(anchor.message(), anchor.signature):
        raise LedgerBrokenError(anchor.sequence, "the anchor was not signed with a key of this ledger")
    remaining = iter(heads)
    head = next(remaining, None)
    newest: Head | None = None
    count = signed = 0
    previous = NO_HASH
    for entry in entries:
        _check_entry(entry, count, previous)
        previous = entry.hash
        count += 1
        while head is not None and head.sequence <= entry.sequence:
            _check_head(head, entry, keyring)
            newest, signed = head, signed + 1
            head = next(remaining, None)
        if anchor is not None and anchor.sequence == entry.sequence and anchor.hash != entry.hash:
            raise LedgerBrokenError(entry.sequence, "is not the entry that the anchor signed")
    if head is not None:
        raise LedgerBrokenError(count, f"is missing: a head was signed at entry {head.sequence}")
    if anchor is not None and anchor.sequence >= count:
        raise LedgerBrokenError(count, f"is missing: the anchor was signed at entry {anchor.sequence}")
    if count and (newest is None or newest.sequence != count - 1):
        first = 0 if newest is None else newest.sequence + 1
        raise LedgerBrokenError(first, "is not signed, nor is any after it")
    return VerifyReport(
        entries=count, head=newest, heads=signed, anchored=None if anchor is None else anchor.sequence
    )


def _check_entry(entry: LedgerEntry, expected: int, previous: str) -> None:
    if entry.sequence != expected:
        raise LedgerBrokenError(expected, f"is missing: entry {entry.sequence} follows {expected - 1}")
    if (entry.kind == BOOTSTRAP) != (entry.sequence == 0):
        raise LedgerBrokenError(entry.sequence, "the bootstrap is entry 0 and no other")
    if entry.previous != previous:
        raise LedgerBrokenError(entry.sequence, "does not follow the entry before it")
    try:
        computed = chain_hash(entry)
    except (TypeError, ValueError):  # SQLite lets anything be written into any column
        computed = ""
    if computed != entry.hash:
        raise LedgerBrokenError(entry.sequence, "was changed: its hash is another")


def _check_head(head: Head, entry: LedgerEntry, keyring: Keyring) -> None:
    if head.sequence != entry.sequence:
        raise LedgerBrokenError(max(head.sequence, 0), "a head is signed where no entry is")
    if head.hash != entry.hash:
        raise LedgerBrokenError(entry.sequence, "is not the entry that its head signed")
    try:
        signed = keyring.verify(head.message(), head.signature)
    except (TypeError, ValueError):
        signed = False
    if not signed:
        raise LedgerBrokenError(entry.sequence, "its head was not signed with a key of this ledger")


def read_entries(connection: Connection, *, after: int = -1) -> Generator[LedgerEntry, None, None]:
    """Every entry after a sequence, oldest first, a thousand in memory at a time.

    Whoever may stop before the end closes it: the cursor is on the server.
    """
    query = select(ledger).where(ledger.c.sequence > after).order_by(ledger.c.sequence)
    expected = after + 1
    with connection.execute(query.execution_options(yield_per=1000)) as rows:
        try:
            for row in rows.mappings():
                yield LedgerEntry(**row)
                expected += 1
        except (TypeError, ValueError):
            raise LedgerBrokenError(expected, "or one soon after it holds what no entry can hold") from None


def read_heads(connection: Connection) -> Generator[Head, None, None]:
    """Every signed head, oldest first; to be closed like :func:`read_entries`."""
    query = select(ledger_head).order_by(ledger_head.c.sequence)
    with connection.execute(query.execution_options(yield_per=1000)) as rows:
        try:
            for row in rows.mappings():
                yield Head(**row)
        except (TypeError, ValueError):
            raise LedgerBrokenError(0, "or a later one has a head that nobody signed") from None
