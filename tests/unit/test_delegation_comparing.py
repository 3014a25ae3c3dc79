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
        replace(right, kind="role"),
        replace(right, detail='{"groupsClaim": "x"}'),
        policy("qh:who", "a", "b"),
    ):
        found = of(wrong, permission("qh:what", "qh:who", "g"))
        (change,) = compare_permissions(WANTED, found).changes
        assert (change.deed, change.wanted) == (Deed.UPDATE, right)


def test_what_others_made_is_named_and_left_alone() -> None:
    """Also where it uses a policy of ours; a policy that nothing uses gives nobody anything."""
    foreign = permission("everything", "qh:who")
    found = of(policy("qh:who", "a"), permission("qh:what", "qh:who", "g"), policy("idle", "b"), foreign)
    comparison = compare_permissions(WANTED, found)
    assert comparison.changes == ()
    assert comparison.foreign == (foreign,)
