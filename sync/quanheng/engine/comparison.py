"""What is compared with what, and what came of it so far; shared by the parts of the comparison."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from quanheng.engine.desired import Desired
from quanheng.model.change import Change, ChangeKind, Json
from quanheng.model.finding import Finding, FindingKind
from quanheng.model.ids import GroupPath, KeycloakId, OrgCode, PersonId, RoleName
from quanheng.model.realm import Attributes, ObservedRealm
from quanheng.model.registry import Registry
from quanheng.policy.effective import Ways

RETIRED: Final = "retired"
"""Group attribute of a unit that is gone: the group is emptied and kept (decision 17)."""


@dataclass
class Comparison:
    """The two sides, which observed group is which desired one, and the results as they are found."""

    desired: Desired
    observed: ObservedRealm
    registry: Registry
    default_role: RoleName
    roots: frozenset[str]
    recoded: Mapping[OrgCode, OrgCode]
    contents: Mapping[RoleName, frozenset[RoleName]] = field(default_factory=dict)
    """What each protected role should contain."""
    exchanged: frozenset[RoleName] = frozenset()
    """Names that may be another role's than they should: what goes by them is neither judged nor written."""
    changes: list[Change] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    ids: dict[str, KeycloakId] = field(default_factory=dict)
    """Key of each of our groups that exists → its id."""
    keys: dict[KeycloakId, str] = field(default_factory=dict)
    """Id of each of our groups that exists → its key."""
    by_path: dict[GroupPath, str] = field(default_factory=dict)
    """Desired path → key."""
    path_ids: Mapping[GroupPath, KeycloakId] = field(default_factory=dict)
    """Path of each group that exists → its id."""

    _ways: Ways = field(init=False)

    def __post_init__(self) -> None:
        # What entered the default role is taken out of it, not out of everybody.
        others = {name: role for name, role in self.observed.roles.items() if name != self.default_role}
        self._ways = Ways(others, self.desired.duties)

    def gives_power(self, role: RoleName) -> bool:
        """Whether a role is a duty's, or contains one other than through the default role."""
        return bool(self._ways.of(role))

    def add(
        self,
        kind: ChangeKind,
        subject: str,
        reason: str,
        *,
        person: PersonId | None = None,
        origin: str = "",
        article: str = "",
        detail: Mapping[str, Json],
        private: Mapping[str, Json] | None = None,
    ) -> None:
        """Note that something has to change."""
        self.changes.append(
            Change(
                kind=kind,
                subject=subject,
                reason=reason,
                person=person,
                origin=origin,
                article=article,
                detail=detail,
                private=private or {},
            )
        )

    def find(self, kind: FindingKind, subject: str, detail: str, *, violation: bool = False) -> None:
        """Note something that is only told."""
        self.findings.append(Finding(kind=kind, subject=subject, detail=detail, violation=violation))

    def named(self, key: str, *, as_key: str = "key", as_id: str = "group") -> dict[str, Json]:
        """One of our groups as a change names it: by key, and by id when it is there already.

        Whoever may edit attributes can write our key into a group of their own, so what is known by its
        id is never looked up by its key again.
        """
        found = self.ids.get(key)
        return {as_key: key} if found is None else {as_key: key, as_id: found}

    def path_of(self, key: str) -> GroupPath:
        """The path of one of our groups: where it should be, or is when it should not be."""
        if key in self.desired.groups:
            return self.desired.groups[key].path
        return self.observed.groups[self.ids[key]].path


def names(roles: Iterable[RoleName]) -> list[Json]:
    """Names of roles as JSON, sorted."""
    return [str(role) for role in sorted(roles)]


def plain(attributes: Attributes) -> dict[str, Json]:
    """Attributes as JSON."""
    return {name: list(values) for name, values in attributes.items()}
