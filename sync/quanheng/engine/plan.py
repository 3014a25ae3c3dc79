"""A plan: ordered changes with what they rest on, named by a digest. Pure (decisions 15 and 18)."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from quanheng.engine.safety import Excess
from quanheng.engine.trees import join_rank
from quanheng.model.change import ORDER, Change, ChangeKind
from quanheng.model.finding import Finding
from quanheng.model.registry import RegistryDelta
from quanheng.model.staff import Declaration


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSummary:
    """What became of one source in this run."""

    source: str
    accepted: bool
    message: str
    """Why it was refused, or how far it was believed; for the operator."""
    people: int = 0
    rows: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    """Number of quarantined rows by reason."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would be done, why, and on which state of the registry it was decided."""

    digest: str
    realm: str
    base_revision: int
    planner: str
    created_at: datetime
    changes: tuple[Change, ...]
    delta: RegistryDelta
    findings: tuple[Finding, ...]
    excess: tuple[Excess, ...]
    sources: tuple[SourceSummary, ...]

    @property
    def empty(self) -> bool:
        """Whether Keycloak is already as it should be."""
        return not self.changes

    def counts(self) -> dict[str, int]:
        """Number of changes by kind."""
        return dict(Counter(str(change.kind) for change in self.changes))


def order_changes(changes: Sequence[Change]) -> tuple[Change, ...]:
    """Revokes, moves and disables before creates and grants; groups from the root down. Stable.

    Qualifications, which give nothing by themselves, come before moves: into an administrators' group
    nobody moves without.
    """
    return tuple(sorted(changes, key=lambda change: (_rank(change), _depth(change), change.subject)))


def _rank(change: Change) -> float:
    if change.kind is ChangeKind.GRANT and join_rank(str(change.detail.get("key", ""))) == 0:
        return ORDER[ChangeKind.MOVE] - 0.5
    return ORDER[change.kind]


def _depth(change: Change) -> int:
    path = change.detail.get("path")
    return len(path) if change.kind is ChangeKind.GROUP_CREATE and isinstance(path, list) else 0


def digest_of(
    realm: str,
    base_revision: int,
    changes: Sequence[Change],
    declarations: Sequence[Declaration],
    *,
    once: str = "",
) -> str:
    """SHA-256 over what would be done. Random identities are left out, so the same plan made twice is
    the same plan: an approval given to it stands. ``once`` makes it differ from any other: a repair may have
    to be done again and again."""
    canonical = {
        "realm": realm,
        "base": base_revision,
        "sources": [[str(item.source), item.sequence, item.digest] for item in declarations],
        "changes": [
            [change.kind, change.subject, change.reason, _stable(change.detail), _stable(change.private)]
            for change in changes
        ],
        **({"once": once} if once else {}),
    }
    text = json.dumps(canonical, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _stable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _stable(item) for key, item in value.items() if key not in ("subject", "person_id")}
    return value
