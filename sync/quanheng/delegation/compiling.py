"""From charges to fine-grained permissions over the trees (decision 10). Pure.

What was found of Keycloak 26.7.3 decides the form (``docs/decisions/2026-11-22-delegated-permissions.md``):
lists do not look at parent groups, so each group is named; two permissions that give one thing about one
group to different people deny it to both, so there is one, with one policy that means "any of these"; what a
duty's group gives counts for its members, so whoever sees the people of a duty's group sees the group.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from quanheng.delegation.holders import Holders, Seat, Seats
from quanheng.engine.trees import Trees
from quanheng.model.ids import KeycloakId, OrgCode, PostId, RoleName
from quanheng.model.permission import GROUPS, AdminPermission, AdminPermissions, AdminPolicy
from quanheng.model.staff import OrgKind, OrgUnit
from quanheng.policy.pack import Pack
from quanheng.policy.schema import Over, Post, Power, Tier
from quanheng.policy.units import Units

PREFIX: Final = "qh:"
"""How the names of everything that is ours begin."""

VIEW: Final = "view"
_SEE: Final = frozenset({VIEW, "view-members"})
_ACCOUNTS: Final = frozenset({"manage-members", "manage-membership"})
"""Keycloak asks for both of who makes an account in a group."""
_OFFICES: Final = frozenset({"manage-members"})
"""Of administrators' groups: whoever could make an account there would make an administrator."""
_PEOPLE: Final = frozenset({"manage-membership-of-members"})
_DUTIES: Final = frozenset({"manage-membership"})

_EVERYBODY: Final = f"{PREFIX}administrators"
_LONGEST: Final = 120
"""Characters of a name; Keycloak keeps 255."""

_TOWN_TIERS: Final = frozenset({Tier.TOWNSHIP, Tier.VILLAGE, Tier.BANK_BRANCH})
_OWN_TIER: Final[Mapping[OrgKind, Tier]] = {
    OrgKind.PROVINCE: Tier.PROVINCE,
    OrgKind.CITY: Tier.CITY,
    OrgKind.COUNTY: Tier.COUNTY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One group, and who may do what to it and its members."""

    key: str
    area: OrgCode
    scopes: Mapping[str, Seats]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """Permissions as they should be, and what of them has to wait."""

    permissions: AdminPermissions
    waiting: frozenset[str]
    """Keys of groups that are not there yet: the next sync makes them."""


def build_places(pack: Pack, units: Units, trees: Trees) -> tuple[Place, ...]:
    """Who may do what where, by the keys of our groups; groups that concern nobody are left out."""
    return tuple(place for place in _Places(pack, units, trees).build() if place.scopes)


def compile_permissions(
    pack: Pack,
    places: Collection[Place],
    ids: Mapping[str, KeycloakId],
    roles: Mapping[RoleName, KeycloakId],
) -> Compiled:
    """The same as Keycloak keeps it.

    ``ids``: group of each key that exists; ``roles``: ids by name.
    """
    return _Writing(pack, ids, roles).write(places)


class _Places:
    """Goes through the areas."""

    def __init__(self, pack: Pack, units: Units, trees: Trees) -> None:
        self._pack = pack
        self._holders = Holders(pack, units)
        self._keys = {node.key for node in trees.nodes()}
        self._units: dict[OrgCode, list[OrgUnit]] = defaultdict(list)
        """Units with a group, by the area that they belong to; areas themselves are none."""
        self._below: dict[OrgCode, set[Seat]] = defaultdict(set)
        """Seats that have charge of somebody in an area or below it."""
        for unit in units:
            area = units.area(unit)
            if area is not None and unit.code != area.code and f"org:{unit.code}" in self._keys:
                self._units[area.code].append(unit)
        for area in self._holders.areas:
            for above in units.lineage(area):
                self._below[above.code] |= self._holders.in_area(area.code)

    def build(self) -> Iterator[Place]:
        root = OrgCode(self._pack.info.root[0])
        every = self._holders.everywhere
        yield Place(key="root:org", area=root, scopes=_for(every, {VIEW}))
        yield Place(key="root:duty", area=root, scopes=_for(every, {VIEW}))
        offices: set[Seat] = set()
        for area in self._holders.areas:
            seats = self._seats(area, Over.ADMINISTRATORS)
            offices |= seats
            yield from self._area(area, seats)
        yield Place(key="root:admin", area=root, scopes=_for(frozenset(offices), {VIEW}))

    def _area(self, area: OrgUnit, offices: Seats) -> Iterator[Place]:
        code = area.code
        yield Place(key=f"org:{code}", area=code, scopes=_for(frozenset(self._below[code]), {VIEW}))
        for unit in self._units[code]:
            over = Over.BUREAUS if unit.kind is OrgKind.BUREAU else Over.TOWNS
            yield Place(key=f"org:{unit.code}", area=code, scopes=self._people(area, over))
        seen: set[Seat] = set()
        for post in self._pack.posts_at(code):
            if post.kind == "duty" and f"duty:{code}:{post.id}" in self._keys:
                scopes = self._duty(area, post)
                seen |= scopes.get(VIEW, frozenset())
                yield Place(key=f"duty:{code}:{post.id}", area=code, scopes=scopes)
            elif f"admin:{code}:{post.id}" in self._keys:
                keeping = self._holders.over(code, Over.ADMINISTRATORS, Power.ACCOUNTS)
                scopes = {**_for(offices, _SEE), **_for(keeping, _OFFICES)}
                yield Place(key=f"admin:{code}:{post.id}", area=code, scopes=scopes)
        for key, seats in ((f"duties:{code}", frozenset(seen)), (f"admins:{code}", offices)):
            if key in self._keys:
                yield Place(key=key, area=code, scopes=_for(seats, {VIEW}))

    def _people(self, area: OrgUnit, over: Over) -> Mapping[str, Seats]:
        return {
            **_for(self._seats(area, over), _SEE),
            **_for(self._holders.over(area.code, over, Power.ACCOUNTS), _ACCOUNTS),
            **_for(self._holders.over(area.code, over, Power.DUTIES), _PEOPLE),
        }

    def _duty(self, area: OrgUnit, post: Post) -> Mapping[str, Seats]:
        """Whoever sees people who may have it sees it; those it names may grant it."""
        places = [
            over
            for over, tiers in ((Over.TOWNS, _TOWN_TIERS), (Over.BUREAUS, {_OWN_TIER[area.kind]}))
            if tiers & set(post.tiers)
        ]
        seeing = frozenset[Seat]().union(*(self._seats(area, over) for over in places))
        granting = frozenset[Seat]().union(
            *(self._holders.over(area.code, over, Power.DUTIES) for over in places)
        )
        granters = frozenset(seat for seat in granting if seat.post in post.granted_by)
        return {**_for(seeing, _SEE), **_for(granters, _DUTIES)}

    def _seats(self, area: OrgUnit, over: Over) -> Seats:
        return frozenset[Seat]().union(*(self._holders.over(area.code, over, power) for power in Power))


class _Writing:
    """Puts places with the same people and scopes together: one permission each."""

    def __init__(
        self,
        pack: Pack,
        ids: Mapping[str, KeycloakId],
        roles: Mapping[RoleName, KeycloakId],
    ) -> None:
        self._pack = pack
        self._ids = ids
        self._roles = roles
        self._waiting: set[str] = set()
        self._policies: dict[str, AdminPolicy] = {}

    def write(self, places: Collection[Place]) -> Compiled:
        ways: dict[tuple[OrgCode, Seats], set[str]] = defaultdict(set)
        powers: dict[tuple[Seats, frozenset[str]], set[str]] = defaultdict(set)
        for place in places:
            by_seats: dict[Seats, set[str]] = defaultdict(set)
            for scope, seats in place.scopes.items():
                by_seats[seats].add(scope)
            for seats, scopes in by_seats.items():
                if scopes == {VIEW}:
                    ways[place.area, seats].add(place.key)
                else:
                    powers[seats, frozenset(scopes)].add(place.key)
        every = frozenset[Seat]().union(*(seats for place in places for seats in place.scopes.values()))
        found = [
            self._permission(
                f"{PREFIX}way:{area}:{_word(keys)}", keys, {VIEW}, seats, everybody=seats == every
            )
            for (area, seats), keys in ways.items()
        ]
        found += [
            self._permission(f"{PREFIX}{_label(seats)}:{'+'.join(sorted(scopes))}", keys, scopes, seats)
            for (seats, scopes), keys in powers.items()
        ]
        permissions = {item.name: item for item in found if item is not None}
        used = {name for item in permissions.values() for name in item.policies}
        return Compiled(
            permissions=AdminPermissions(
                policies={name: policy for name, policy in self._policies.items() if name in used},
                permissions=permissions,
            ),
            waiting=frozenset(self._waiting),
        )

    def _permission(
        self,
        name: str,
        keys: Collection[str],
        scopes: Collection[str],
        seats: Seats,
        *,
        everybody: bool = False,
    ) -> AdminPermission | None:
        groups = self._groups(keys)
        policy = self._everybody(seats) if everybody else self._policy(name, seats, set(scopes) == {VIEW})
        if not groups or policy is None:
            return None
        return AdminPermission(
            name=name,
            resource_type=GROUPS,
            resources=groups,
            scopes=frozenset(scopes),
            policies=frozenset({policy}),
        )

    def _policy(self, permission: str, seats: Seats, way: bool) -> str | None:
        """Members of the groups of these seats. That of a way has a name that new counties do not change."""
        name = f"{permission}:who" if way else f"{PREFIX}{_label(seats)}"
        groups = self._groups(seat.key for seat in seats)
        if groups:
            self._policies[name] = AdminPolicy(name=name, kind="group", members=groups)
        return name if groups else None

    def _everybody(self, seats: Seats) -> str | None:
        """By the roles of their posts: hundreds of groups would have to be looked through."""
        known = self._pack.post_by_id
        names = {RoleName(known[PostId(seat.post)].role) for seat in seats}
        members = frozenset(self._roles[name] for name in names if name in self._roles)
        if members:
            self._policies[_EVERYBODY] = AdminPolicy(name=_EVERYBODY, kind="role", members=members)
        return _EVERYBODY if members else None

    def _groups(self, keys: Collection[str] | Iterator[str]) -> frozenset[KeycloakId]:
        wanted = set(keys)
        self._waiting |= wanted - self._ids.keys()
        return frozenset(self._ids[key] for key in wanted if key in self._ids)


def _for(seats: Seats, scopes: Collection[str]) -> Mapping[str, Seats]:
    return dict.fromkeys(scopes, seats) if seats else {}


def _label(seats: Seats) -> str:
    label = ",".join(map(str, sorted(seats)))
    if len(label) <= _LONGEST:
        return label
    return f"{label[:100]},{hashlib.sha256(label.encode()).hexdigest()[:16]}"


def _word(keys: Collection[str]) -> str:
    """What the first of the groups of a way is, so that another one beside it gives no other name."""
    return min(key.removeprefix("root:").partition(":")[0] for key in keys)
