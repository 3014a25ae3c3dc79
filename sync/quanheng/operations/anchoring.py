"""Signed heads of the ledger, written where those who may change the store cannot (decision 22)."""

from __future__ import annotations

from pathlib import Path

from quanheng.errors import ConfigurationError
from quanheng.ledger.anchor import read_anchor, read_newest_anchor, write_anchor
from quanheng.ledger.chain import Ledger
from quanheng.ledger.entry import Anchor, LedgerBrokenError
from quanheng.ledger.verify import VerifyReport, verify
from quanheng.operations.context import Context
from quanheng.store.meta import read_founders


def anchor_ledger(context: Context) -> Path | None:
    """Write the newest head to ``anchors_directory``; None while the ledger is empty.

    Raises :class:`ConfigurationError` when no folder is set, :class:`UnreachableError` when it cannot be
    written.
    """
    directory = context.settings.anchors_directory
    if directory is None:
        raise ConfigurationError(
            "anchors_directory is not set", remedy="name a folder in quanheng.toml, best on another host"
        )
    keyring = context.keyring  # opened before the transaction: it may need one of its own
    with context.database.transaction() as connection:
        head = Ledger(connection, keyring, context.clock).sign_head()
    if head is None:
        return None
    directory.mkdir(parents=True, exist_ok=True)
    return write_anchor(directory, head)


def verify_ledger(context: Context, anchor_file: Path | None = None) -> VerifyReport:
    """Check the whole ledger, against a given anchor or the newest one in ``anchors_directory``.

    Raises :class:`IntegrityError` naming the first entry that is wrong.
    """
    directory = context.settings.anchors_directory
    anchor: Anchor | None = None
    if anchor_file is not None:
        anchor = read_anchor(anchor_file)
    elif directory is not None and directory.is_dir():
        anchor = read_newest_anchor(directory)
    keyring = context.keyring
    with context.database.reading() as connection:
        report = verify(connection, keyring, anchor)
        if report.entries == 0 and read_founders(connection):
            raise LedgerBrokenError(0, "the bootstrap was done, but the ledger is empty")
        return report
