"""The trees of groups (decision 10): where each organisation, duty and administrator belongs. Pure.

``/机构/14-山西省/1409-忻州市/140902-忻府区/…`` · ``/岗位/140902-忻府区/<岗位>`` carries the role ·
``/管理员/140902-忻府区/<类别>`` · ``/资格/正式在编``
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from quanheng.model.ids import GroupPath, OrgCode, QualificationId, RoleName
from quanheng.model.realm import Attributes
from quanheng.model.staff import OrgKind, OrgUnit
from quanheng.policy.pack import Pack
from quanheng.policy.schema import Post, Tier
from quanheng.policy.units import Units

KEY: Final = "quanheng_key"
"""Group attribute that says what a group is, so that a renamed group is still known."""

_JOINED: Final = ("qual", "org")

_AREA_TIERS: Final = {
    OrgKind.PROVINCE: frozenset({Tier.PROVINCE}),
    OrgKind.CITY: frozenset({Tier.CITY}),
    OrgKind.COUNTY: frozenset({Tier.COUNTY, Tier.TOWNSHIP, Tier.VILLAGE, Tier.BANK_BRANCH}),
}
"""Tiers whose duties hang at an area of each kind: towns are served by their county."""


@dataclass(frozen=True, slots=True)
class Node:
    """One group of a tree."""

    key: str
    path: GroupPath
    extra: Attributes = field(default_factory=dict)
    roles: frozenset[RoleName] = frozenset()

    @property
    def fields(self) -> dict[str, Any]:
        """Key, path, attributes and roles by name."""
        attributes = {KEY: (self.key,), **self.extra}
        return {"key": self.key, "path": self.path, "attributes": attributes, "roles": self.roles}


def join_rank(key: str) -> int:
    """When a group is joined: qualifications first, which duties require, then the organisation, then duties.

    The guard judges each join as it comes.
    """
    word = key.partition(":")[0]
    return _JOINED.index(word) if word in _JOINED else len(_JOINED)


def root_names(pack: Pack) -> tuple[str, str, str, str]:
    """Names of the four roots: organisations, duties, administrators, qualifications."""
    names = pack.organisations
    return (names.organisation_root, names.duty_root, names.administrator_root, names.qualification_root)


def qualification_places(pack: Pack) -> Mapping[QualificationId, GroupPath]:
    """Where the group of each qualification is."""
    root = pack.organisations.qualification_root
    return {QualificationId(item.id): (root, item.label) for item in pack.qualifications.qualifications}


class Trees:
    """Paths of the groups of one pack over one set of organisations."""

    def __init__(self, pack: Pack, units: Units) -> None:
        self._pack = pack
        self._units = units
        self._org_paths: dict[OrgCode, GroupPath] = {}
        self._qualifications = qualification_places(pack)

    @cached_property
    def roots(self) -> tuple[str, str, str, str]:
        """:func:`root_names` of the pack."""
        return root_names(self._pack)

    def home_path(self, unit: OrgUnit) -> GroupPath | None:
        """The group of a unit, or of the nearest unit above that has one."""
        path = self._org_paths.get(unit.code)
        if path is None:
            grouped = self._pack.organisations.grouped
            steps = [above for above in self._units.lineage(unit) if above.kind in grouped]
            if not steps:
                return None
            path = (self.roots[0], *(_name(step) for step in steps))
            self._org_paths[unit.code] = path
        return path

    def duty_path(self, area: OrgUnit, post: Post) -> GroupPath:
        """The group that carries a post's role in an area."""
        return (self.roots[1], _name(area), post.label)

    def administrator_path(self, area: OrgUnit, post: Post) -> GroupPath:
        """The group where an area's administrators of one kind live."""
        return (self.roots[2], _name(area), post.label)

    def post_path(self, area: OrgUnit, post: Post) -> GroupPath:
        """The group that carries a post's role in an area, whatever kind of post it is."""
        at = self.administrator_path if post.kind == "administrator" else self.duty_path
        return at(area, post)

    def qualification_path(self, qualification: str) -> GroupPath:
        """The group of a qualification."""
        return self._qualifications[QualificationId(qualification)]

    def nodes(self) -> Iterator[Node]:
        """Every group that should be there, parents before children, in the order of the codes."""
        organisation, duty, administrator, qualification = self.roots
        for key, name in (
            ("org", organisation),
            ("duty", duty),
            ("admin", administrator),
            ("qual", qualification),
        ):
            yield Node(f"root:{key}", (name,))
        units = sorted(self._units, key=lambda unit: (len(self._units.lineage(unit)), unit.code))
        for unit in units:
            if unit.kind in self._pack.organisations.grouped and (path := self.home_path(unit)) is not None:
                yield Node(f"org:{unit.code}", path, {"org_code": (str(unit.code),)})
        tiers = self._served(units)
        for unit in units:
            if unit.kind in _AREA_TIERS:
                yield from self._area_nodes(unit, tiers[unit.code])
        for identifier, path in self._qualifications.items():
            yield Node(f"qual:{identifier}", path)

    def _served(self, units: Iterable[OrgUnit]) -> Mapping[OrgCode, set[Tier]]:
        """Tiers whose duties hang at each area: the usual ones, and those of any unit right below it, as
        in a city without counties."""
        tiers: dict[OrgCode, set[Tier]] = defaultdict(set)
        for unit in units:
            area, tier = self._units.area(unit), self._units.tier(unit)
            if area is not None and tier is not None:
                tiers[area.code] |= {tier, *_AREA_TIERS[area.kind]}
        return tiers

    def _area_nodes(self, area: OrgUnit, tiers: Collection[Tier]) -> Iterator[Node]:
        code: Attributes = {"org_code": (str(area.code),)}
        posts = [post for post in self._pack.posts_at(area.code) if set(post.tiers).intersection(tiers)]
        for kind, root, word, words in (
            ("duty", self.roots[1], "duty", "duties"),
            ("administrator", self.roots[2], "admin", "admins"),
        ):
            own = [post for post in posts if post.kind == kind]
            if own:
                yield Node(f"{words}:{area.code}", (root, _name(area)), code)
            for post in own:
                yield Node(
                    f"{word}:{area.code}:{post.id}",
                    (root, _name(area), post.label),
                    {**code, "post": (post.id,)},
                    frozenset({RoleName(post.role)}),
                )


def _name(unit: OrgUnit) -> str:
    return f"{unit.code}-{unit.name}"
