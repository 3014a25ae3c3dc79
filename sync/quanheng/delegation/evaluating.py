"""Who may do what by permissions as Keycloak has them, evaluated as Keycloak does. Pure.

Found in the sources of 26.7.3 (``FGAPEvaluation``, ``DecisionPermissionCollector``, ``PartialEvaluator``):
a permission gives what it says to those of whom all its policies say yes; one that names no resource is about
every one of its type; a permission that names something and says no to somebody takes the same power over it
away, whatever another one gives; one without policies gives and denies nothing. What cannot be told from
memberships and roles counts as yes, to anybody. That a permission about all users denies each account to
whoever it does not mean is left out: powers are never told too small.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from quanheng.model.ids import GroupPath, KeycloakId, RoleName, join
from quanheng.model.permission import AdminPermission, AdminPermissions, AdminPolicy
from quanheng.model.realm import ObservedRealm, RealmGroup, RealmUser

EVERY: Final = KeycloakId("")
"""In place of an id: every one of the type."""

Signature = frozenset[str]
"""Names of the policies that say yes to somebody: whoever has the same may do the same."""


@dataclass(frozen=True, slots=True, order=True)
class Power:
    """One thing that somebody may do to one thing, in Keycloak's words."""

    kind: str
    """``Groups``, ``Users``, ``Roles``, ``Clients``, …"""
    scope: str
    target: KeycloakId
    """:data:`EVERY` for all of the kind."""


class RolesHeld:
    """Every role that somebody effectively holds, and through what; worked out once per role and group."""

    def __init__(self, observed: ObservedRealm) -> None:
        self._observed = observed
        self._of_role: dict[RoleName, Mapping[RoleName, str]] = {}
        self._of_group: dict[KeycloakId, Mapping[RoleName, str]] = {}

    def of(self, user: RealmUser) -> Mapping[RoleName, str]:
        """Each role and the way to it; empty for a direct mapping."""
        held: dict[RoleName, str] = {}
        for group in sorted(user.groups):
            held |= self._group(group)
        for role in sorted(user.roles):
            held |= self._role(role)
        return held

    def inside(self, role: RoleName) -> frozenset[RoleName]:
        """What a role contains, however deep."""
        return frozenset(self._role(role)) - {role}

    def above(self, group: KeycloakId) -> tuple[RealmGroup, ...]:
        """A group and the groups above it, topmost first; empty for one that is not there."""
        found = self._observed.groups.get(group)
        if found is None:
            return ()
        higher = (self._by_path.get(found.path[:depth]) for depth in range(1, len(found.path)))
        return (*filter(None, higher), found)

    @cached_property
    def _by_path(self) -> Mapping[GroupPath, RealmGroup]:
        return {group.path: group for group in self._observed.groups.values()}

    def _role(self, role: RoleName) -> Mapping[RoleName, str]:
        known = self._of_role.get(role)
        if known is None:
            found, waiting = {role: ""}, [role]
            while waiting:
                contained = self._observed.roles.get(waiting.pop())
                for inner in sorted(contained.composites - found.keys()) if contained is not None else ():
                    found[inner] = f"角色 {role}"
                    waiting.append(inner)
            known = self._of_role[role] = found
        return known

    def _group(self, joined: KeycloakId) -> Mapping[RoleName, str]:
        known = self._of_group.get(joined)
        if known is None:
            found: dict[RoleName, str] = {}
            for carrier in self.above(joined):
                for role in sorted(carrier.roles):
                    through = f"组 {join(carrier.path)}"
                    found |= {
                        part: f"{through} 的{way}" if way else through
                        for part, way in self._role(role).items()
                    }
            known = self._of_group[joined] = found
        return known


class Evaluation:
    """Evaluates the permissions of one realm for any number of people."""

    def __init__(self, permissions: AdminPermissions, observed: ObservedRealm, roles: RolesHeld) -> None:
        self._permissions = permissions.permissions
        self._policies = permissions.policies
        self._roles = roles
        self._names = {role.id: name for name, role in observed.roles.items()}
        self._of: dict[Signature, Mapping[Power, frozenset[str]]] = {}

    def signature(self, user: RealmUser) -> Signature:
        """The policies that say yes to somebody, or may."""
        yes = set(self._users.get(user.id, ()))
        for group in user.groups:
            yes.update(self._groups.get(group, ()))
            for above in self._roles.above(group):
                yes.update(self._trees.get(above.id, ()))
        if self._by_role:
            for role in self._by_role.keys() & self._roles.of(user).keys():
                yes.update(self._by_role[role])
        return frozenset((yes ^ self._negative) | self._open)

    def powers(self, signature: Signature) -> Mapping[Power, frozenset[str]]:
        """What whoever has a signature may do, and by which permissions."""
        known = self._of.get(signature)
        if known is None:
            given: dict[Power, set[str]] = defaultdict(set)
            for name, permission in self._permissions.items():
                if permission.policies and self._agrees(permission, signature):
                    for power in powers_of(permission):
                        given[power].add(name)
            known = self._of[signature] = {
                power: frozenset(names)
                for power, names in given.items()
                if power.target == EVERY
                or all(self._agrees(self._permissions[name], signature) for name in self._about[power])
            }
        return known

    def is_for_anybody(self, permission: str) -> bool:
        """Whether nothing but policies of which it cannot be told whom they mean, or which mean everybody
        else, stand between anybody and what a permission gives."""
        found = self._permissions[permission].policies
        return bool(found) and found <= self._open | self._negative

    def ways(self, user: RealmUser, permission: str) -> tuple[str, ...]:
        """Through what somebody has what a permission gives, in words: one for each of its policies."""
        return tuple(
            self._way(user, self._policies[name])
            for name in sorted(self._permissions[permission].policies)
            if name in self._policies
        )

    def _way(self, user: RealmUser, policy: AdminPolicy) -> str:
        if policy.is_open:
            return f"策略 {policy.name}（{policy.kind}，可能是任何人）"
        if policy.negative:
            return f"策略 {policy.name}（其余所有人）"
        groups = [
            join(above[-1].path)
            for group in sorted(user.groups)
            if (above := self._roles.above(group))
            and (group in policy.members or any(item.id in policy.extending for item in above))
        ]
        held = self._roles.of(user)
        roles = [
            f"{name}（经由 {held[name]}）" if held[name] else f"{name}（直接授予）"
            for role in sorted(policy.members)
            if (name := self._names.get(role)) is not None and name in held
        ]
        found = "、".join([*groups, *roles]) or "本人"
        return f"{found} → 策略 {policy.name}"

    def _agrees(self, permission: AdminPermission, signature: Signature) -> bool:
        """Whether all its policies say yes; one that is not known may. Without any it gives and denies
        nothing."""
        return all(name in signature or name not in self._policies for name in permission.policies)

    @cached_property
    def _open(self) -> frozenset[str]:
        return frozenset(name for name, policy in self._policies.items() if policy.is_open)

    @cached_property
    def _negative(self) -> frozenset[str]:
        return frozenset(name for name, policy in self._policies.items() if policy.negative)

    @cached_property
    def _users(self) -> Mapping[KeycloakId, list[str]]:
        return _turned((item, name) for name, item in self._members("user"))

    @cached_property
    def _groups(self) -> Mapping[KeycloakId, list[str]]:
        return _turned((item, name) for name, item in self._members("group"))

    @cached_property
    def _trees(self) -> Mapping[KeycloakId, list[str]]:
        return _turned((item, name) for name, policy in self._policies.items() for item in policy.extending)

    @cached_property
    def _by_role(self) -> Mapping[RoleName, list[str]]:
        found: dict[RoleName, list[str]] = defaultdict(list)
        for name, item in self._members("role"):
            if item in self._names:
                found[self._names[item]].append(name)
        return found

    @cached_property
    def _about(self) -> Mapping[Power, list[str]]:
        found: dict[Power, list[str]] = defaultdict(list)
        for name, permission in self._permissions.items():
            for power in powers_of(permission):
                found[power].append(name)
        return found

    def _members(self, kind: str) -> Iterator[tuple[str, KeycloakId]]:
        for name, policy in self._policies.items():
            if policy.kind == kind:
                yield from ((name, item) for item in policy.members)


def powers_of(permission: AdminPermission) -> Iterator[Power]:
    """What a permission gives to those whom it means."""
    for scope in permission.scopes:
        for target in permission.resources or (EVERY,):
            yield Power(permission.resource_type, scope, target)


def _turned(pairs: Iterator[tuple[KeycloakId, str]]) -> Mapping[KeycloakId, list[str]]:
    found: dict[KeycloakId, list[str]] = defaultdict(list)
    for item, name in pairs:
        found[item].append(name)
    return found
