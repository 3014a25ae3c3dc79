"""Writing the ledger: entries are added at the end of the chain, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, insert, select, text

from quanheng.clock import Clock
from quanheng.errors import ConfigurationError
from quanheng.identity.port import Keyring
from quanheng.ledger.entry import BOOTSTRAP, NO_HASH, Entry, Head, LedgerEntry, chain
from quanheng.model.change import Json
from quanheng.store.tables import ledger, ledger_head

__all__ = ["Entry", "Ledger"]  # who writes needs just these two

_COLUMNS: Final = tuple(item.name for item in fields(LedgerEntry))


class Ledger:
    """The ledger within the caller's transaction: what it records commits or vanishes with it."""

    def __init__(self, connection: Connection, keyring: Keyring, clock: Clock) -> None:
        self._connection = connection
        self._keyring = keyring
        self._clock = clock

    def begin(self, body: Mapping[str, Json]) -> bool:
        """Write entry 0, the bootstrap, unless it is there; returns whether it was written."""
        if self.last() is not None:
            return False
        self.append([Entry(kind=BOOTSTRAP, body=body)])
        return True

    def last(self) -> tuple[int, str] | None:
        """Sequence and hash of the newest entry, or None while the ledger is empty."""
        row = self._connection.execute(
            select(ledger.c.sequence, ledger.c.hash).order_by(ledger.c.sequence.desc()).limit(1)
        ).first()
        return None if row is None else (row.sequence, row.hash)

    def append(self, entries: Sequence[Entry]) -> None:
        """Add entries, in this order, and sign the new head: no entry is ever without a signature.

        Raises :class:`ConfigurationError` when the ledger does not begin with its bootstrap, and
        (from the transaction) ``StoreConflictError`` when a change of a plan is in it already.
        """
        if not entries:
            return
        self._lock()
        last = self.last()
        sequence, previous = last or (-1, NO_HASH)
        for place, entry in enumerate(entries, start=sequence + 1):
            if (entry.kind == BOOTSTRAP) != (place == 0):
                raise ConfigurationError(
                    "the ledger begins with the bootstrap, and has only one",
                    remedy="run 'quanheng bootstrap' for a new realm; for an old one restore the backup",
                )
        at = self._clock()
        rows: list[LedgerEntry] = []
        for place, entry in enumerate(entries, start=sequence + 1):
            rows.append(chain(entry, sequence=place, at=at, previous=previous))
            previous = rows[-1].hash
        # By name: asdict copies every value deeply, a third of the time of a large append.
        self._connection.execute(
            insert(ledger), [{name: getattr(row, name) for name in _COLUMNS} for row in rows]
        )
        self._write_head(rows[-1].sequence, previous, at)

    def sign_head(self) -> Head | None:
        """The signed head of the newest entry, or None while the ledger is empty."""
        last = self.last()
        if last is None:
            return None
        row = self._connection.execute(select(ledger_head).where(ledger_head.c.sequence == last[0])).first()
        if row is not None:
            return Head(sequence=row.sequence, hash=row.hash, at=row.at, signature=row.signature)
        return self._write_head(*last, self._clock())

    def _write_head(self, sequence: int, hash_: str, at: datetime) -> Head:
        unsigned = Head(sequence=sequence, hash=hash_, at=at, signature=b"")
        head = Head(sequence=sequence, hash=hash_, at=at, signature=self._keyring.sign(unsigned.message()))
        self._connection.execute(
            insert(ledger_head).values(
                sequence=head.sequence, hash=head.hash, at=head.at, signature=head.signature
            )
        )
        return head

    def _lock(self) -> None:
        # SQLite has one writer anyway. Here two would take the same number, and one of them fail.
        if self._connection.dialect.name == "postgresql":
            self._connection.execute(text("LOCK TABLE ledger IN EXCLUSIVE MODE"))
