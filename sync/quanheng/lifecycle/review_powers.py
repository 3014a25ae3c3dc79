"""Roles that an account has in fact and that nothing gives it rightly, by whatever way: directly, through a
group, within another role. Pure; duties are left to the judge.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from quanheng.lifecycle.review_scene import Scene
from quanheng.model.ids import RoleName
from quanheng.model.realm import RealmUser

REALM: Final = "realm-management/"
"""Begins the roles that give power over the realm itself."""


def surplus_roles(scene: Scene, user: RealmUser, posts: Iterable[RoleName] = ()) -> frozenset[RoleName]:
    """Roles beside those that everybody has and those of these posts; no duties."""
    rightly = scene.contents_of(frozenset({scene.default_role, *posts}))
    return scene.roles_of(user).difference(rightly, scene.rules.duties)


def powers_over_realm(scene: Scene, user: RealmUser) -> frozenset[RoleName]:
    """Those of the surplus that are power over the realm; of accounts that are nobody's the rest is none of
    ours."""
    return frozenset(role for role in surplus_roles(scene, user) if role.startswith(REALM))
