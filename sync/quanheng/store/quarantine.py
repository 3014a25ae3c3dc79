"""Rows that could not be believed, kept until their source mends them (decision 16).

Each county mends its own, so lists are by county. A list never shows the original row; one original
at a time is revealed, and whoever asks for it writes that into the ledger.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, delete, func, select

from quanheng.errors import RefusedError
from quanheng.identity.port import Keyring
from quanheng.identity.sealed import document_from_text, document_index, document_text, sealed_context
from quanheng.model.ids import OrgCode, SourceId, StaffNo
from quanheng.model.sensitive import Sensitive
from quanheng.model.staff import Document, Origin, Reason, RejectedRow
from quanheng.store.database import upsert
from quanheng.store.tables import quarantine

_AT_ONCE: Final = 500
"""Keys in one statement, below the limits of both databases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinedRow:
    """A rejected row as it may be listed: nothing in it says what the wrong value was."""

    key: str
    """Names the row in ``quanheng quarantine --reveal``."""
    origin: Origin
    reason: Reason
    field: str
    value_kind: str
    remedy: str
    county: OrgCode | None
    staff_no: StaffNo | None
    first_seen: datetime
    last_seen: datetime


def replace(
    connection: Connection,
    keyring: Keyring,
    source: SourceId,
    rejected: Sequence[RejectedRow],
    now: datetime,
    *,
    keep_unmentioned: bool = False,
    settled: Collection[StaffNo] = (),
) -> None:
    """Keep exactly the rows that this reading of the source rejected.

    A row that was there before keeps its ``first_seen``; one that is no longer rejected is removed.
    For a delta, ``keep_unmentioned`` keeps what it does not speak of, and only the rows of
    ``settled`` staff numbers (those with good rows now) are removed.
    """
    table = quarantine
    known = {
        row.key: (row.first_seen, row.staff_no)
        for row in connection.execute(
            select(table.c.key, table.c.first_seen, table.c.staff_no).where(table.c.source == source)
        )
    }
    rows: dict[str, dict[str, Any]] = {}
    repeats: Counter[str] = Counter()
    for row in rejected:
        if row.origin.source != source:
            raise ValueError("a rejected row of another source")
        values = _values(keyring, row, repeats)
        first_seen = known[values["key"]][0] if values["key"] in known else now
        rows[values["key"]] = values | {"first_seen": first_seen, "last_seen": now}
    gone = [
        key
        for key, (_, staff_no) in known.items()
        if key not in rows and (not keep_unmentioned or staff_no in settled)
    ]
    for start in range(0, len(gone), _AT_ONCE):
        connection.execute(delete(table).where(table.c.key.in_(gone[start : start + _AT_ONCE])))
    upsert(connection, table, list(rows.values()))


def read_quarantine(
    connection: Connection, *, county: OrgCode | None = None, source: SourceId | None = None
) -> tuple[QuarantinedRow, ...]:
    """The rejected rows of a county, of a source, or all, in the order of their places."""
    columns = [column for column in quarantine.c if column.name != "original_sealed"]
    query = select(*columns).order_by(quarantine.c.source, quarantine.c.locator, quarantine.c.key)
    if county is not None:
        query = query.where(quarantine.c.county == county)
    if source is not None:
        query = query.where(quarantine.c.source == source)
    return tuple(
        QuarantinedRow(
            key=row.key,
            origin=Origin(SourceId(row.source), row.locator),
            reason=Reason(row.reason),
            field=row.field,
            value_kind=row.value_kind,
            remedy=row.remedy,
            county=None if row.county is None else OrgCode(row.county),
            staff_no=None if row.staff_no is None else StaffNo(row.staff_no),
            first_seen=row.first_seen,
            last_seen=row.last_seen,
        )
        for row in connection.execute(query)
    )


def count_by_reason(connection: Connection) -> Mapping[Reason, int]:
    """How many rows each reason keeps out."""
    query = select(quarantine.c.reason, func.count()).group_by(quarantine.c.reason)
    return {Reason(reason): count for reason, count in connection.execute(query)}


def reveal(connection: Connection, keyring: Keyring, key: str) -> Sensitive:
    """The original of one row. The caller writes into the ledger who asked for it, and why.

    Raises :class:`RefusedError` when there is no such row.
    """
    sealed = connection.scalar(select(quarantine.c.original_sealed).where(quarantine.c.key == key))
    if sealed is None:
        raise RefusedError(
            "there is no such row in quarantine", remedy="list the rows with 'quanheng quarantine'"
        )
    return open_original(keyring, key, sealed)[0]


def seal_original(keyring: Keyring, key: str, original: Sensitive, document: Document | None) -> bytes:
    """The value of ``original_sealed``; the document goes with it, so that it can be indexed anew."""
    text = None if document is None else document_text(document)
    plain = json.dumps([original.reveal(), text]).encode()  # escaped: an original may be any text
    return keyring.encrypt(plain, context=sealed_context("quarantine", "original_sealed", key))


def open_original(keyring: Keyring, key: str, sealed: bytes) -> tuple[Sensitive, Document | None]:
    """Undo :func:`seal_original`; raises :class:`IntegrityError`."""
    plain = keyring.decrypt(sealed, context=sealed_context("quarantine", "original_sealed", key))
    original, text = json.loads(plain)
    return Sensitive(original), None if text is None else document_from_text(text)


def row_key(
    keyring: Keyring,
    *,
    source: str,
    reason: str,
    original: Sensitive,
    repeats: Counter[str],
) -> str:
    """A key that the same row has in each reading, wherever in the file it stands.

    Keyed, since the original could otherwise be guessed. Equal rows of one reading are numbered.
    """
    # A lone surrogate stands for a byte that was no text; JSON escapes it.
    base = json.dumps([source, reason, original.reveal()])
    repeats[base] += 1
    return keyring.index("quarantine", json.dumps([base, repeats[base]]))


def _values(keyring: Keyring, row: RejectedRow, repeats: Counter[str]) -> dict[str, Any]:
    key = row_key(
        keyring,
        source=row.origin.source,
        reason=row.reason,
        original=row.original,
        repeats=repeats,
    )
    return {
        "key": key,
        "source": row.origin.source,
        "locator": row.origin.locator,
        "reason": row.reason.value,
        "field": row.field,
        "value_kind": row.value_kind,
        "remedy": row.remedy,
        "county": row.county,
        "staff_no": row.staff_no,
        "document_index": None if row.document is None else document_index(keyring, row.document),
        "original_sealed": seal_original(keyring, key, row.original, row.document),
    }
