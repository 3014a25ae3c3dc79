"""Roles that an account has in fact and that nothing gives it rightly, by whatever way: directly, through a
group, within another role. Pure; duties are left to the judge.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from quanheng.lifecycle.review_scene import Scene
from quanheng.model.ids import RoleName
from quanheng.model.realm import RealmUser
from quanheng.policy.effective import closure

REALM: Final = "realm-management/"
"""Begins the roles that give power over the realm itself."""


def surplus_roles(scene: Scene, user: RealmUser, posts: Iterable[RoleName] = ()) -> frozenset[RoleName]:
    """Roles beside those that everybody has and those of these posts; no duties."""
    roles = scene.observed.roles
    there = set(user.roles)
    for key in user.groups:
        group = scene.observed.groups.get(key)
        while group is not None:
            there |= group.roles
            group = scene.groups_by_path.get(group.path[:-1])
    rightly = closure({scene.default_role, *posts}, roles)
    return frozenset(closure(there, roles) - rightly - scene.rules.duties.keys())


def powers_over_realm(scene: Scene, user: RealmUser) -> frozenset[RoleName]:
    """Those of the surplus that are power over the realm; of accounts that are nobody's the rest is none of
    ours."""
    return frozenset(role for role in surplus_roles(scene, user) if role.startswith(REALM))
