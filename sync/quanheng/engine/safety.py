"""Whether a plan is more than one person should let through. Pure (decision 15).

Per kind of change, by count *and* by percentage, in small realms too. A single change always passes
the percentage, or nobody could leave an office of ten; the last administrator is kept elsewhere.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from quanheng.model.change import Change, ChangeKind

_CLASSES: Final[Mapping[ChangeKind, str]] = {
    ChangeKind.DISABLE: "disable",
    ChangeKind.REVOKE: "revoke",
    ChangeKind.ROLE_REMOVE: "revoke",
    ChangeKind.UNLINK: "revoke",
    ChangeKind.GROUP_ROLE_REMOVE: "structure",
    ChangeKind.MOVE: "move",
    ChangeKind.UPDATE: "update",
    ChangeKind.LINK: "update",
    ChangeKind.ROLE_ADD: "update",
    ChangeKind.ENABLE: "enable",
    ChangeKind.GRANT: "grant",
    ChangeKind.GROUP_ROLE_ADD: "structure",
    ChangeKind.CREATE: "create",
    ChangeKind.GROUP_UPDATE: "structure",
    ChangeKind.GROUP_MOVE: "structure",
    ChangeKind.GROUP_RETIRE: "structure",
}


class Bound(Protocol):
    """How much of one class of change passes."""

    @property
    def count(self) -> int:
        """At most so many."""

    @property
    def percent(self) -> float:
        """At most so many in a hundred of what exists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Excess:
    """One class of change that exceeds its bound."""

    name: str
    count: int
    allowed: int
    population: int

    def __str__(self) -> str:
        return f"{self.name}: {self.count} of {self.population}, {self.allowed} allowed"


def judge_safety(
    changes: Sequence[Change],
    bounds: Mapping[str, Bound],
    *,
    accounts: int,
    groups: int,
    may_grow: bool,
    approved_keys: Collection[str] = (),
    admitted: Sequence[Change] = (),
) -> tuple[Excess, ...]:
    """Every class of change that exceeds its bound; empty when the plan is safe.

    ``accounts`` and ``groups`` exist and are ours. ``may_grow``: a first load, or a source that now
    speaks of more organisations, so that creations are expected. ``approved_keys``: groups that are
    joined only after a second person's approval, which therefore need no further one. ``admitted``
    are not counted: what an interrupted plan had left to do, since it was judged, or approved, then; and what
    undoes a grant that was never anybody's by right.
    """
    judged = {_signature(change) for change in admitted}
    found: Counter[str] = Counter()
    for change in changes:
        name = _CLASSES.get(change.kind)
        if name is None or (name == "create" and may_grow):
            continue
        if judged and _signature(change) in judged:
            continue
        if change.kind in (ChangeKind.MOVE, ChangeKind.GRANT) and change.detail.get("key") in approved_keys:
            continue
        found[name] += 1
    excess = []
    for name, count in sorted(found.items()):
        population = groups if name == "structure" else accounts
        allowed = min(bounds[name].count, max(1, int(population * bounds[name].percent / 100)))
        if count > allowed:
            excess.append(Excess(name=name, count=count, allowed=allowed, population=population))
    return tuple(excess)


def _signature(change: Change) -> tuple[str, str, str]:
    return (change.kind, change.subject, json.dumps(change.detail, sort_keys=True))
