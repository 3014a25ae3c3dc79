"""What the parts of the desired state share while it is being decided. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from quanheng.engine.trees import Trees
from quanheng.model.finding import Finding, FindingKind
from quanheng.model.person import APPLICATION, Basis, Claim, PersonRecord, Proposal
from quanheng.model.registry import Registry
from quanheng.model.staff import OrgUnit
from quanheng.policy.pack import Pack
from quanheng.policy.rules import CompiledRules, WaiverInForce
from quanheng.policy.schema import Post
from quanheng.policy.units import Units

Placed = tuple[Claim, OrgUnit]
"""What a source says of somebody, and the organisation it says it of."""


def employments_of(placed: Iterable[Placed]) -> frozenset[str]:
    """Kinds of employment of somebody as far as they give qualifications: by the sources' word alone, never
    by that of whoever completed a draft (decision 2)."""
    return frozenset(claim.employment for claim, _ in placed if claim.source != APPLICATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """A post that somebody is to hold, and because of what."""

    post: Post
    area: OrgUnit
    basis: Basis


@dataclass
class Deciding:
    """What is decided on, and what came of it so far."""

    pack: Pack
    rules: CompiledRules
    units: Units
    trees: Trees
    registry: Registry
    today: date
    waivers: tuple[WaiverInForce, ...] = ()
    findings: list[Finding] = field(default_factory=list)
    proposals: dict[str, Proposal] = field(default_factory=dict)

    def find(self, kind: FindingKind, person: PersonRecord, detail: str, *, violation: bool = False) -> None:
        """Note something that is only told."""
        self.findings.append(
            Finding(kind=kind, subject=str(person.username), detail=detail, violation=violation)
        )

    def area_of(self, placed: list[Placed]) -> OrgUnit | None:
        """The one area that all of somebody's organisations lie in; None when there is none, or several."""
        areas = {area.code: area for _, unit in placed if (area := self.units.area(unit)) is not None}
        return next(iter(areas.values())) if len(areas) == 1 else None
