"""What has to change so that permissions are as compiled, in an order that gives nobody more meanwhile."""

from __future__ import annotations

from dataclasses import replace

from quanheng.delegation.comparing import Deed, compare_permissions
from quanheng.model.ids import KeycloakId
from quanheng.model.permission import GROUPS, AdminPermission, AdminPermissions, AdminPolicy

NOTHING = AdminPermissions(policies={}, permissions={})


def policy(name: str, *groups: str) -> AdminPolicy:
    """Members of groups."""
    return AdminPolicy(name=name, kind="group", members=frozenset(map(KeycloakId, groups)))


def permission(name: str, of: str, *groups: str) -> AdminPermission:
    """Something about groups."""
    return AdminPermission(
        name=name,
        resource_type=GROUPS,
        resources=frozenset(map(KeycloakId, groups)),
        scopes=frozenset({"view"}),
        policies=frozenset({of}),
    )


def of(*items: AdminPolicy | AdminPermission) -> AdminPermissions:
    """Permissions of these."""
    return AdminPermissions(
        policies={item.name: item for item in items if isinstance(item, AdminPolicy)},
        permissions={item.name: item for item in items if isinstance(item, AdminPermission)},
    )


WANTED = of(policy("qh:who", "a"), permission("qh:what", "qh:who", "g"))


def test_the_same_is_no_change() -> None:
    """Descriptions do not count."""
    found = of(policy("qh:who", "a"), replace(permission("qh:what", "qh:who", "g"), description="x"))
    assert compare_permissions(WANTED, found).changes == ()


def test_policies_before_the_permissions_that_use_them() -> None:
    """Made in this order, deleted in the other."""
    made = compare_permissions(WANTED, NOTHING).changes
    assert [(change.deed, change.name) for change in made] == [
        (Deed.CREATE, "qh:who"),
        (Deed.CREATE, "qh:what"),
    ]
    gone = compare_permissions(NOTHING, WANTED).changes
    assert [(change.deed, change.name) for change in gone] == [
        (Deed.DELETE, "qh:what"),
        (Deed.DELETE, "qh:who"),
    ]


def test_what_takes_away_comes_first() -> None:
    """A permission that is over is deleted before a policy that it uses means more people."""
    found = of(policy("qh:who", "b"), permission("qh:old", "qh:who", "g"))
    changes = compare_permissions(WANTED, found).changes
    assert [(change.deed, change.name) for change in changes] == [
        (Deed.DELETE, "qh:old"),
        (Deed.UPDATE, "qh:who"),
        (Deed.CREATE, "qh:what"),
    ]


def test_everything_that_means_more_people_is_a_change() -> None:
    """Turned round, with subgroups, by something else: each is set right."""
    right = policy("qh:who", "a")
    for wrong in (
        replace(right, negative=True),
        replace(right, extending=frozenset({KeycloakId("a")})),
        replace(right, detail='{"groupsClaim": "x"}'),
        policy("qh:who", "a", "b"),
    ):
        found = of(wrong, permission("qh:what", "qh:who", "g"))
        (change,) = compare_permissions(WANTED, found).changes
        assert (change.deed, change.wanted) == (Deed.UPDATE, right)


def test_a_policy_of_another_kind_is_made_anew() -> None:
    """Keycloak changes no kind: what uses it goes first, and comes back after it."""
    found = of(replace(policy("qh:who", "a"), kind="role"), permission("qh:what", "qh:who", "g"))
    changes = compare_permissions(WANTED, found).changes
    assert [(change.deed, change.name, change.is_policy) for change in changes] == [
        (Deed.DELETE, "qh:what", False),
        (Deed.DELETE, "qh:who", True),
        (Deed.CREATE, "qh:who", True),
        (Deed.CREATE, "qh:what", False),
    ]


def test_a_policy_with_a_permissions_name_goes_first() -> None:
    """Policies and permissions share their names: while it is there, the permission cannot be made."""
    changes = compare_permissions(WANTED, of(policy("qh:what", "b"))).changes
    assert [(change.deed, change.name, change.is_policy) for change in changes] == [
        (Deed.DELETE, "qh:what", True),
        (Deed.CREATE, "qh:who", True),
        (Deed.CREATE, "qh:what", False),
    ]


def test_what_is_in_the_way_and_used_by_others_is_told() -> None:
    """Without it a permission of somebody else's would be gone, or mean more people."""
    foreign = permission("everything", "qh:what")
    found = of(policy("qh:what", "b"), foreign, permission("else", "qh:who"))
    assert compare_permissions(WANTED, found).blocking == (foreign,)


def test_a_policy_that_only_others_use_is_left() -> None:
    """What uses it is told; it goes when that is gone."""
    found = of(*WANTED.policies.values(), *WANTED.permissions.values(), policy("qh:old", "b"))
    (gone,) = compare_permissions(WANTED, found).changes
    assert (gone.deed, gone.name) == (Deed.DELETE, "qh:old")
    used = replace(found, permissions={**found.permissions, "x": permission("x", "qh:old")})
    assert compare_permissions(WANTED, used).changes == ()


def test_what_others_made_is_named_and_left_alone() -> None:
    """Also where it uses a policy of ours; a policy that nothing uses gives nobody anything."""
    foreign = permission("everything", "qh:who")
    found = of(policy("qh:who", "a"), permission("qh:what", "qh:who", "g"), policy("idle", "b"), foreign)
    comparison = compare_permissions(WANTED, found)
    assert comparison.changes == ()
    assert comparison.foreign == (foreign,)
