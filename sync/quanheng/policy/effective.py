"""What a person effectively holds: direct roles, roles of groups and their parents, composites, client roles.

Pure, and safe against composites that contain themselves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from quanheng.model.ids import GroupPath, KeycloakId, OrgCode, RoleName, join
from quanheng.model.realm import ObservedRealm, RealmGroup, RealmRole, RealmUser
from quanheng.policy.rules import CompiledRules, Held
from quanheng.policy.units import area_code

DIRECT: Final = "直接授予"
"""First step of the path of what is mapped directly."""


class Ways:
    """The duties that each role of a realm is or contains, worked out once for any number of questions."""

    def __init__(self, roles: Mapping[RoleName, RealmRole], duties: Collection[RoleName]) -> None:
        self._contents = {name: role.composites for name, role in roles.items()}
        self._duties = duties
        self._of: dict[RoleName, tuple[tuple[RoleName, ...], ...]] = {}

    def of(self, role: RoleName) -> tuple[tuple[RoleName, ...], ...]:
        """The shortest way from a role to each of its duties; none for a role that gives no power."""
        known = self._of.get(role)
        if known is None:
            found = _shortest(role, self._contents)
            known = self._of[role] = tuple(way for way in found if way[-1] in self._duties)
        return known


class Powers:
    """What each role and each group of one realm gives, worked out once for any number of people."""

    def __init__(self, observed: ObservedRealm, rules: CompiledRules) -> None:
        self._observed = observed
        self._by_path: Mapping[GroupPath, RealmGroup] = {
            group.path: group for group in observed.groups.values()
        }
        self._ways = Ways(observed.roles, rules.duties)
        self._of_group: dict[KeycloakId, tuple[Held, ...]] = {}

    def of_user(self, user: RealmUser) -> tuple[Held, ...]:
        """Every duty in a person's hands, once for each direct mapping and each group that gives it."""
        held = [item for role in user.roles for item in self.of_role(role)]
        held += [item for group in user.groups for item in self.of_group(group)]
        return in_order(held)

    def of_role(self, role: RoleName) -> tuple[Held, ...]:
        """The duties that a direct mapping of a role gives."""
        return tuple(
            Held(role=way[-1], area=None, path=(DIRECT, *map(str, way))) for way in self._ways.of(role)
        )

    def of_group(self, group: KeycloakId) -> tuple[Held, ...]:
        """The duties that a member of a group has through it and its parents; none for an unknown group."""
        known = self._of_group.get(group)
        if known is None:
            known = self._of_group[group] = in_order(self._through(group))
        return known

    def _through(self, joined: KeycloakId) -> Iterator[Held]:
        group = self._observed.groups.get(joined)
        if group is None:
            return
        for depth in range(len(group.path), 0, -1):
            carrier = group if depth == len(group.path) else self._by_path.get(group.path[:depth])
            if carrier is None:
                continue
            code = next(iter(carrier.attributes.get("org_code", ())), None)
            area = None if code is None else area_code(code)
            steps = [join(group.path)] if carrier is group else [join(group.path), join(carrier.path)]
            for role in carrier.roles:
                for way in self._ways.of(role):
                    yield Held(role=way[-1], area=area, path=(*steps, *map(str, way)))


def held_through_post(
    rules: CompiledRules, role: RoleName, area: OrgCode | None, place: str
) -> tuple[Held, ...]:
    """What a post gives in an area by the rules alone, before any group is there; ``place`` begins the path.

    For the desired state, and for predictions about duties whose group does not exist yet.
    """
    ways = _shortest(role, rules.composites)
    return in_order(
        Held(role=way[-1], area=area, path=(place, *map(str, way))) for way in ways if way[-1] in rules.duties
    )


def in_order(held: Iterable[Held]) -> tuple[Held, ...]:
    """Without doubles, shortest paths first, always in the same order."""
    return tuple(sorted(set(held), key=lambda item: (len(item.path), item.role, item.area or "", item.path)))


def closure(start: Iterable[RoleName], roles: Mapping[RoleName, RealmRole]) -> frozenset[RoleName]:
    """These roles and everything that they contain."""
    found: set[RoleName] = set()
    queue = deque(start)
    while queue:
        role = queue.popleft()
        if role not in found:
            found.add(role)
            queue.extend(roles[role].composites if role in roles else ())
    return frozenset(found)


def _shortest(
    start: RoleName, contents: Mapping[RoleName, frozenset[RoleName]]
) -> Iterator[tuple[RoleName, ...]]:
    queue: deque[tuple[RoleName, ...]] = deque([(start,)])
    seen = {start}
    while queue:
        way = queue.popleft()
        yield way
        for inner in sorted(contents.get(way[-1], ())):
            if inner not in seen:
                seen.add(inner)
                queue.append((*way, inner))
