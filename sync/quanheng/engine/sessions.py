"""Ending sessions whose tokens carry a power that was taken away (decision 13)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol

from quanheng.keycloak.port import Realm, RealmRefusedError
from quanheng.model.ids import GroupPath, KeycloakId, RoleName
from quanheng.model.realm import ObservedRealm, RealmGroup, RealmUser

MOST: Final = 100
"""People who are logged out one by one; for more, one request ends every session of the realm."""

Held = Callable[[RealmUser], bool]
"""Whether somebody held what was taken away."""


class FindsHolders(Protocol):
    """Finds who held something among everybody, and stops early."""

    def __call__(self, held: Held, most: int) -> Collection[KeycloakId]:
        """Some of them when there are more than ``most``, but more than ``most``; otherwise all."""


@dataclass(frozen=True, slots=True)
class Carriers:
    """Groups and roles through which something is held."""

    groups: frozenset[KeycloakId]
    roles: frozenset[RoleName] = frozenset()

    def __call__(self, user: RealmUser) -> bool:
        """Whether somebody is in one of the groups, or has one of the roles directly."""
        return not (self.groups.isdisjoint(user.groups) and self.roles.isdisjoint(user.roles))


def end_sessions(realm: Realm, users: Collection[KeycloakId]) -> bool:
    """Log these out; or everybody, when they are more than :data:`MOST`. Returns whether it was everybody.

    Beyond that number one log-in more for all is a smaller evil than minutes of requests.
    """
    if len(users) > MOST:
        realm.logout_everybody()
        return True
    for user in sorted(users):
        with suppress(RealmRefusedError):  # gone since
            realm.logout(user)
    return False


def members_of(groups: Mapping[KeycloakId, RealmGroup], tops: Collection[KeycloakId]) -> Carriers:
    """Who is in one of these groups, or in one below them."""
    paths = {groups[top].path for top in tops if top in groups}
    depths = {len(path) for path in paths}
    return Carriers(
        frozenset(
            key for key, group in groups.items() if any(group.path[:depth] in paths for depth in depths)
        )
    )


def holders_of(observed: ObservedRealm, names: Collection[RoleName]) -> Carriers:
    """Who holds one of these roles: directly, through another role, or through a group."""
    roles = set(names)
    while (
        more := {name for name, role in observed.roles.items() if not roles.isdisjoint(role.composites)}
        - roles
    ):
        roles |= more
    tops = [key for key, group in observed.groups.items() if not roles.isdisjoint(group.roles)]
    return Carriers(members_of(observed.groups, tops).groups, frozenset(roles))


def inherited(groups: Mapping[GroupPath, RealmGroup], path: GroupPath) -> frozenset[RoleName]:
    """Roles that the groups above give to the members of a group."""
    above = (groups.get(path[:depth]) for depth in range(1, len(path)))
    return frozenset(role for group in above if group is not None for role in group.roles)


def among(users: Mapping[KeycloakId, RealmUser]) -> FindsHolders:
    """Finds them among these."""

    def find(held: Held, most: int) -> Collection[KeycloakId]:
        return [user.id for user in islice(filter(held, users.values()), most + 1)]

    return find
