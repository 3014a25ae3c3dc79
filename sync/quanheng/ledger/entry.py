"""What a ledger holds, and the one text of it that is hashed and signed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from cryptography.hazmat.primitives.hashes import SM3, Hash

from quanheng.errors import IntegrityError
from quanheng.logs import redact_json
from quanheng.model.change import Json

BOOTSTRAP: Final = "bootstrap"
"""Kind of entry 0: the two-person bootstrap (decision 5)."""
NO_HASH: Final = "0" * 64
"""What entry 0 has before it."""
_HEAD: Final = "quanheng ledger head 1"
"""Keeps a signed head apart from anything else the key may sign."""


class LedgerBrokenError(IntegrityError):
    """The ledger was changed outside quanheng."""

    def __init__(self, sequence: int, problem: str) -> None:
        super().__init__(
            f"ledger entry {sequence}: {problem}",
            remedy="keep the store as it is for the auditor, and compare it with the last backup and anchor",
        )
        self.sequence = sequence
        """The first entry that is not as it was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Something to be written down. No name of a person, no ID number, no phone."""

    kind: str
    """What was done, ASCII, for example ``grant`` or ``apply_begin``."""
    body: Mapping[str, Json]
    plan: str | None = None
    """Digest of the plan whose change this is."""
    step: int | None = None
    """Number of the change in the plan: a change is in the ledger once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """An entry in its place in the chain."""

    sequence: int
    at: datetime
    kind: str
    plan: str | None
    step: int | None
    body: str
    """Canonical JSON, as it was hashed."""
    previous: str
    """Hash of the entry before, 64 hex digits."""
    hash: str
    """SM3 (GB/T 32905), 64 hex digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A signature under the chain up to an entry. Written off the host it is an *anchor*."""

    sequence: int
    hash: str
    at: datetime
    signature: bytes

    def message(self) -> bytes:
        """What is signed."""
        return canonical_json([_HEAD, self.sequence, self.hash, moment_text(self.at)]).encode()


Anchor = Head
"""A head that was written where those who may change the store cannot."""


def canonical_json(value: object) -> str:
    """JSON with sorted keys, without blanks, not escaped: equal values have an equal text.

    Raises :class:`TypeError` for anything that JSON does not have, ``Sensitive`` among it.
    """
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def moment_text(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds."""
    if moment.tzinfo is None:
        raise ValueError("a naive datetime reached the ledger")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def chain(entry: Entry, *, sequence: int, at: datetime, previous: str) -> LedgerEntry:
    """Put an entry in its place: everything it holds and the hash before it are hashed.

    Here, where nobody who writes an entry can pass by, its texts lose what looks like an ID number, a phone
    or a secret: many come from Keycloak, and what is in the ledger stays there.
    """
    unhashed = LedgerEntry(
        sequence=sequence,
        at=at,
        kind=entry.kind,
        plan=entry.plan,
        step=entry.step,
        body=canonical_json(redact_json(dict(entry.body))),
        previous=previous,
        hash="",
    )
    return replace(unhashed, hash=chain_hash(unhashed))


def chain_hash(entry: LedgerEntry) -> str:
    """SM3 over the canonical JSON of all that an entry holds but its own hash."""
    digest = Hash(SM3())
    digest.update(
        canonical_json(
            [
                entry.sequence,
                moment_text(entry.at),
                entry.kind,
                entry.plan,
                entry.step,
                entry.body,
                entry.previous,
            ]
        ).encode()
    )
    return digest.finalize().hex()
