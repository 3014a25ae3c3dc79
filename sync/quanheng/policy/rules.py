"""Rules in the form in which they are matched: names of roles, and nothing left to look up.

A pack is compiled to this once (:mod:`quanheng.policy.compiling`). The judge works on it directly; for the
guard, names become ids of Keycloak and the whole is signed (:mod:`quanheng.keycloak.sealing`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from quanheng.model.ids import KeycloakId, OrgCode, PostId, QualificationId, RoleName


@dataclass(frozen=True, slots=True, kw_only=True)
class Within:
    """What a pack that is stacked on another asks of a duty inside its own scope, beyond the general."""

    areas: tuple[OrgCode, ...]
    """Codes with everything below."""
    requires: frozenset[QualificationId]
    """Required there as well."""
    granters: frozenset[RoleName]
    """Of the general granters, those who may grant it there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """A role that is a power: of a post, or of a permission of a subsystem."""

    role: RoleName
    label: str
    article: str
    post: PostId | None = None
    """The post it is the role of; None for a permission."""
    requires: frozenset[QualificationId] = frozenset()
    """Qualifications without which nobody may hold it."""
    granters: frozenset[RoleName] = frozenset()
    """Roles of posts whose holders may grant it in the console, in their own area and below."""
    within: tuple[Within, ...] = ()
    """Where more is asked. What is held without a county is held there too."""

    def requires_at(self, area: OrgCode | None) -> frozenset[QualificationId]:
        """Qualifications needed to hold it in an area."""
        return self.requires.union(*(item.requires for item in self.within if covers(item.areas, area)))

    def granters_at(self, area: OrgCode) -> frozenset[RoleName]:
        """Roles whose holders may grant it in an area."""
        return self.granters.intersection(
            *(item.granters for item in self.within if covers(item.areas, area))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExclusionRule:
    """Nobody holds something of ``left`` and something of ``right``.

    ``county``: only when both are held in one county. What is held without a county (a direct mapping)
    is held in every county.
    """

    id: str
    """Id in the pack; one that was expanded (``among``, scopes) has ``#1``, ``#2``, … after it."""
    label: str
    article: str
    scope: Literal["person", "county"]
    left: frozenset[RoleName]
    right: frozenset[RoleName]
    areas: tuple[OrgCode, ...] = ()
    """Codes with everything below where the rule applies; empty: everywhere. What is held without a
    county is held there too."""
    waivable: bool = False

    @property
    def roles(self) -> frozenset[RoleName]:
        """Everything that it is about."""
        return self.left | self.right

    @property
    def source(self) -> str:
        """Id of the rule in the pack, which a waiver names."""
        return self.id.partition("#")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaximumRule:
    """Nobody holds more than ``most`` of ``roles``; or no county has more than ``most`` holders of them."""

    id: str
    label: str
    article: str
    per: Literal["person", "county"]
    roles: frozenset[RoleName]
    most: int
    areas: tuple[OrgCode, ...] = ()
    digits: frozenset[int] = frozenset()
    """With ``county``: how long the codes of the areas are that count (GB/T 2260: province 2, city 4,
    county 6); empty: any. What is held without a county counts in none."""
    waivable: bool = False

    def limits(self, role: RoleName, area: OrgCode | None) -> bool:
        """Whether a holder of a role in an area counts towards what a county may have."""
        return (
            self.per == "county"
            and role in self.roles
            and area is not None
            and covers(self.areas, area)
            and (not self.digits or len(area) in self.digits)
        )

    @property
    def source(self) -> str:
        """Id of the rule in the pack, which a waiver names."""
        return self.id.partition("#")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverInForce:
    """A person for whom a rule does not count until a day, that day included (in China)."""

    user: KeycloakId
    rule: str
    until: date


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRules:
    """Every rule of a realm."""

    duties: Mapping[RoleName, Duty] = field(default_factory=dict)
    exclusions: tuple[ExclusionRule, ...] = ()
    maxima: tuple[MaximumRule, ...] = ()
    composites: Mapping[RoleName, frozenset[RoleName]] = field(default_factory=dict)
    """What each role of a post contains: its permissions, what opens Keycloak's console for an administrator
    (which is no duty), and nothing else."""
    qualifications: Mapping[QualificationId, str] = field(default_factory=dict)
    """Labels of qualifications, for reasons."""

    @property
    def vetoing(self) -> tuple[ExclusionRule | MaximumRule, ...]:
        """Every rule that is vetoed, exclusions first."""
        return (*self.exclusions, *self.maxima)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A role in somebody's hands, and the way it got there."""

    role: RoleName
    area: OrgCode | None
    """Code of the county, city or province whose group gives it; None when it is mapped directly."""
    path: tuple[str, ...]
    """For people: ``("/岗位/140902-忻府区/经办人员", "post-handler", "jiujinban/service_query")``, or
    ``("直接授予", …)``; from the outermost cause to the role."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """One rule that one person breaks, or would break."""

    rule: str
    label: str
    article: str
    held: tuple[Held, ...]
    """The things that meet: two for an exclusion, all that count for a maximum, one for a missing
    qualification."""
    reason: str
    """A Chinese sentence with rule, article, both things and their paths; no name of a person."""


def covers(areas: tuple[OrgCode, ...], area: OrgCode | None) -> bool:
    """Whether something held in ``area`` is held where a rule for ``areas`` applies."""
    return not areas or area is None or area.startswith(areas)
