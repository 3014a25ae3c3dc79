"""``quanheng ledger verify``, ``export`` and ``anchor``."""

from __future__ import annotations

import sys
from pathlib import Path

from quanheng.cli.session import Given
from quanheng.ledger.export import export_entries
from quanheng.operations.anchoring import anchor_ledger, verify_ledger


def ledger_verify(*, anchor: Path | None = None, session: Given) -> None:
    """Check every entry, every signature and the newest anchor. Exit 7 when anything was changed.

    Parameters
    ----------
    anchor
        An anchor kept elsewhere; otherwise the newest in anchors_directory.
    """
    found = verify_ledger(session.context, anchor)
    payload = {
        "ok": True,
        "entries": found.entries,
        "heads": found.heads,
        "anchored": found.anchored,
        "head": None if found.head is None else {"sequence": found.head.sequence, "hash": found.head.hash},
    }
    anchored = (
        "没有锚点可比对：末尾是否被截断无法得知"
        if found.anchored is None
        else f"与锚点一致至第 {found.anchored} 条"
    )
    session.report(payload, lambda out: out.print(f"台账 {found.entries:,} 条，完整无改动；{anchored}。"))


def ledger_export(*, after: int = -1, session: Given) -> None:
    """Write entries to standard output, one line of JSON each, oldest first.

    Parameters
    ----------
    after
        Only entries after this sequence number.
    """
    with session.context.database.reading() as connection:
        count = export_entries(connection, sys.stdout, after=after)
    session.err.print(f"已导出 {count:,} 条")


def ledger_anchor(*, session: Given) -> None:
    """Write the signed head of the ledger to anchors_directory."""
    file = anchor_ledger(session.context)
    session.report(
        {"anchor": file},
        lambda out: out.print("台账还是空的，没有可写的锚点。" if file is None else f"已写入锚点 {file}"),
    )
