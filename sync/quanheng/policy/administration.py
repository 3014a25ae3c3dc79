"""Who could administer the realm, by what is effectively held. Pure.

Such a role is no duty: no pack grants it, and nobody but our own service accounts should hold one. It lets
its holder change accounts, grants or what protects them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Final

from quanheng.model.ids import GroupPath, KeycloakId, RoleName, Username
from quanheng.model.realm import ObservedRealm, RealmGroup, RealmUser


class HolderKind(StrEnum):
    """What kind of account holds such a role."""

    PERSON = "person"
    """An account that the sync made."""
    FOREIGN_USER = "foreign_user"
    SERVICE_ACCOUNT = "service_account"


@dataclass(frozen=True, slots=True, kw_only=True)
class Administration:
    """Which roles administer the realm, and who may hold them; ``keycloak-config/ways-in.yaml``."""

    client: str
    """``realm-management``."""
    harmless: frozenset[str]
    """Roles of it that only show things."""
    own: Mapping[Username, frozenset[str]]
    """Our service accounts and what each may hold."""
    tolerated: Mapping[HolderKind, frozenset[str]]
    """What anybody else of a kind may hold."""
    sealed: Mapping[Username, frozenset[str]] = field(default_factory=dict)
    """The sealed accounts, which break the glass, and what each may hold."""

    def governs(self, role: RoleName) -> bool:
        """Whether a role administers the realm. One that is not known to be harmless does."""
        client, _, name = role.partition("/")
        return client == self.client and bool(name) and name not in self.harmless

    def short(self, role: RoleName) -> str:
        """Its name at its client."""
        return role.partition("/")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Administrator:
    """Somebody who holds such a role, and by which ways."""

    user: KeycloakId
    username: Username
    kind: HolderKind
    ways: Mapping[RoleName, str]
    """Each role, and through what it is held; empty for a direct mapping."""


_KINDS: Final[Mapping[HolderKind, str]] = {
    HolderKind.PERSON: "人员账号",
    HolderKind.FOREIGN_USER: "外来账号",
    HolderKind.SERVICE_ACCOUNT: "服务账号",
}


def describe(found: Administrator) -> str:
    """In words: ``外来账号 x 持有 realm-management/realm-admin（经由 /组）``."""
    held = [f"{role}（经由 {way}）" if way else str(role) for role, way in sorted(found.ways.items())]
    return f"{_KINDS[found.kind]} {found.username} 持有 {'、'.join(held)}"


class Administrators:
    """Finds them in one realm; roles and groups are worked out once for any number of people."""

    def __init__(
        self, observed: ObservedRealm, administration: Administration, ours: Collection[RoleName]
    ) -> None:
        """``ours``: the default role and those that the rules protect. What entered one of them is a cause,
        told as such and taken out of it, and not everybody who holds that role."""
        self._observed = observed
        self._administration = administration
        self._ours = frozenset(ours)
        self._of_role: dict[RoleName, Mapping[RoleName, str]] = {}
        self._of_group: dict[KeycloakId, Mapping[RoleName, str]] = {}

    def carriers(self) -> tuple[str, ...]:
        """Groups and roles, other than these roles themselves, that give one; sorted."""
        groups = (
            f"{key} {' '.join(sorted(ways))}" for key in self._observed.groups if (ways := self._group(key))
        )
        roles = (
            f"{role} {' '.join(sorted(ways))}"
            for role in self._observed.roles
            if not self._administration.governs(role) and (ways := self.ways_of(role))
        )
        return tuple(sorted([*groups, *roles]))

    def holds(self, user: RealmUser) -> bool:
        """Whether somebody holds such a role, tolerated or not."""
        return any(map(self.ways_of, user.roles)) or any(map(self._group, user.groups))

    def find(
        self,
        users: Iterable[RealmUser],
        people: Collection[KeycloakId],
        own: Collection[str],
        sealed: Collection[str] = (),
    ) -> Iterator[Administrator]:
        """Those of these users who hold more than is tolerated.

        ``people``: ids of accounts that we made. ``own``: ids of our service accounts, ``sealed``: of the
        sealed ones: whoever else has the name of one is none.
        """
        for user in sorted(filter(self.holds, users), key=lambda user: user.username):
            ways: dict[RoleName, str] = {}
            for group in sorted(user.groups):
                ways |= self._group(group)
            for role in sorted(user.roles):
                ways |= self.ways_of(role)
            kind = (
                HolderKind.SERVICE_ACCOUNT
                if user.service_account
                else HolderKind.PERSON
                if user.id in people
                else HolderKind.FOREIGN_USER
            )
            administration = self._administration
            allowed = administration.tolerated.get(kind, frozenset())
            if user.id in own:
                allowed = administration.own.get(user.username, allowed)
            elif user.id in sealed:
                allowed = administration.sealed.get(user.username, allowed)
            ways = {role: way for role, way in ways.items() if administration.short(role) not in allowed}
            if ways:
                yield Administrator(user=user.id, username=user.username, kind=kind, ways=ways)

    def ways_of(self, role: RoleName) -> Mapping[RoleName, str]:
        """What a direct mapping of a role gives. The search ends at such a role: what Keycloak put into it is
        less."""
        known = self._of_role.get(role)
        if known is None:
            ways: dict[RoleName, str] = {}
            seen, waiting = {role}, [role]
            while waiting:
                part = waiting.pop()
                if self._administration.governs(part):
                    ways[part] = "" if part == role else f"角色 {role}"
                    continue
                if part in self._ours:
                    continue
                contained = self._observed.roles.get(part)
                for inner in sorted(contained.composites - seen) if contained is not None else ():
                    seen.add(inner)
                    waiting.append(inner)
            known = self._of_role[role] = ways
        return known

    @cached_property
    def _by_path(self) -> Mapping[GroupPath, RealmGroup]:
        return {group.path: group for group in self._observed.groups.values()}

    def _group(self, joined: KeycloakId) -> Mapping[RoleName, str]:
        """What a member of a group has through it and the groups above it."""
        known = self._of_group.get(joined)
        if known is None:
            ways: dict[RoleName, str] = {}
            for carrier in self._carrying(joined):
                for role in sorted(carrier.roles):
                    ways |= dict.fromkeys(self.ways_of(role), f"组 /{'/'.join(carrier.path)}")
            known = self._of_group[joined] = ways
        return known

    def _carrying(self, joined: KeycloakId) -> Iterator[RealmGroup]:
        """The groups above a group, and itself."""
        group = self._observed.groups.get(joined)
        if group is not None:
            above = (self._by_path.get(group.path[:depth]) for depth in range(1, len(group.path)))
            yield from filter(None, above)
            yield group
