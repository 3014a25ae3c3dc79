"""``quanheng quarantine``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from quanheng.cli.session import Given, Session
from quanheng.errors import ConfigurationError
from quanheng.model.ids import OrgCode, SourceId
from quanheng.operations.quarantine import reveal_row
from quanheng.sources.reasons import EXPLANATIONS
from quanheng.store.quarantine import QuarantinedRow, read_quarantine


def quarantine(
    *,
    county: str | None = None,
    source: str | None = None,
    reveal: str | None = None,
    reason: str = "",
    session: Given,
) -> None:
    """List rows that could not be believed, without what was wrong in them.

    Parameters
    ----------
    county
        Only rows of this county (six digits).
    source
        Only rows of this source.
    reveal
        Key of one row to show as it came, personal data included. Goes into the ledger.
    reason
        Why it has to be seen; goes into the ledger too.
    """
    if reveal is not None:
        _reveal(session, reveal, reason)
        return
    if reason:
        raise ConfigurationError("--reason goes with --reveal", remedy="name the row with --reveal")
    with session.context.database.reading() as connection:
        rows = read_quarantine(
            connection,
            county=None if county is None else OrgCode(county),
            source=None if source is None else SourceId(source),
        )
    session.report({"rows": [_payload(row) for row in rows]}, lambda out: _show(out, rows))


def _reveal(session: Session, key: str, reason: str) -> None:
    original = reveal_row(session.context, key, reason)
    session.report(
        {"key": key, "original": original.reveal()}, lambda out: out.print(original.reveal(), soft_wrap=True)
    )


def _payload(row: QuarantinedRow) -> dict[str, Any]:
    return {
        "key": row.key,
        "source": row.origin.source,
        "locator": row.origin.locator,
        "reason": str(row.reason),
        "field": row.field,
        "value_kind": row.value_kind,
        "remedy": row.remedy,
        "county": row.county,
        "staff_no": row.staff_no,
        "first_seen": row.first_seen,
        "last_seen": row.last_seen,
    }


def _show(out: Console, rows: Sequence[QuarantinedRow]) -> None:
    if not rows:
        out.print("隔离区没有这样的行。")
        return
    out.print(f"隔离的行（{len(rows):,}）", style="bold")
    table = Table()
    for label in ("编号", "出处", "县", "人员编号", "原因", "字段", "如何更正"):
        table.add_column(label, overflow="fold")
    for row in rows:
        table.add_row(
            row.key[:12],
            str(row.origin),
            row.county or "",
            row.staff_no or "",
            EXPLANATIONS[row.reason].label,
            row.field,
            row.remedy,
        )
    out.print(table)
    out.print("查看一行原文（记入台账）：quanheng quarantine --reveal 编号 --reason 事由")
