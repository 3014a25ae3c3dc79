"""The ledger as JSON lines, for the archive and for an auditor's own tools."""

from __future__ import annotations

import json
from typing import TextIO

from sqlalchemy import Connection

from quanheng.ledger.entry import canonical_json, moment_text
from quanheng.ledger.verify import read_entries


def export_entries(connection: Connection, stream: TextIO, *, after: int = -1) -> int:
    """Write every entry after a sequence as one line of JSON, oldest first; returns how many.

    ``hash`` is SM3 over the canonical JSON (sorted keys, no blanks, not escaped) of the list
    ``[sequence, at, kind, plan, step, body, previous]``, where ``body`` is the text of its own
    canonical JSON.
    """
    count = 0
    for entry in read_entries(connection, after=after):
        line = {
            "sequence": entry.sequence,
            "at": moment_text(entry.at),
            "kind": entry.kind,
            "plan": entry.plan,
            "step": entry.step,
            "body": json.loads(entry.body),
            "previous": entry.previous,
            "hash": entry.hash,
        }
        stream.write(canonical_json(line) + "\n")
        count += 1
    return count
