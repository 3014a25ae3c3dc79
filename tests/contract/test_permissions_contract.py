"""The port to the administrators' permissions, over both of its implementations."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quanheng.delegation.comparing import Deed, PermissionChange, compare_permissions
from quanheng.keycloak.permissions import Permissions
from quanheng.keycloak.permissions_rest import RestPermissions
from quanheng.keycloak.port import RealmRefusedError
from quanheng.keycloak.rest import RestRealm
from quanheng.model.ids import KeycloakId, RoleName
from quanheng.model.permission import GROUPS, AdminPermission, AdminPermissions, AdminPolicy

from .conftest import Bench, FakeBench, KeycloakBench

NOTHING = AdminPermissions(policies={}, permissions={})


@pytest.fixture
def permissions(bench: Bench) -> Permissions:
    """The permissions of a fresh realm."""
    return bench.realm.permissions


@pytest.fixture
def groups(bench: Bench) -> tuple[KeycloakId, KeycloakId]:
    """Two groups to speak of."""
    made = [bench.realm.create_group(None, name, {}, frozenset()) for name in ("甲", "乙")]
    return made[0], made[1]


def members(*groups: KeycloakId, name: str = "qh:who") -> AdminPolicy:
    """Members of groups."""
    return AdminPolicy(name=name, kind="group", members=frozenset(groups))


def about(*groups: KeycloakId, name: str = "qh:what", policy: str = "qh:who") -> AdminPermission:
    """Looking at groups."""
    return AdminPermission(
        name=name,
        resource_type=GROUPS,
        resources=frozenset(groups),
        scopes=frozenset({"view", "view-members"}),
        policies=frozenset({policy}),
    )


def of(*items: AdminPolicy | AdminPermission) -> AdminPermissions:
    """Permissions of these."""
    return AdminPermissions(
        policies={item.name: item for item in items if isinstance(item, AdminPolicy)},
        permissions={item.name: item for item in items if isinstance(item, AdminPermission)},
    )


def put(permissions: Permissions, wanted: AdminPermissions) -> None:
    """Have them be as wanted."""
    found = permissions.read()
    assert found is not None
    permissions.write(compare_permissions(wanted, found).changes)


def test_nothing_at_first(permissions: Permissions) -> None:
    """A realm that has them switched on has none of its own."""
    assert permissions.read() == NOTHING


def test_made_changed_and_deleted(
    permissions: Permissions, groups: tuple[KeycloakId, KeycloakId], bench: Bench
) -> None:
    """What was written is what is read, policies of groups and of roles; repeated, nothing is left to do."""
    one, two = groups
    role = bench.realm.read_roles()[RoleName("post-operator")].id
    holders = AdminPolicy(name="qh:holders", kind="role", members=frozenset({role}))
    first = of(members(one), about(one, two), holders, about(two, name="qh:way", policy="qh:holders"))
    put(permissions, first)
    assert permissions.read() == first
    assert compare_permissions(first, first).changes == ()

    second = of(members(one, two), about(two), members(two, name="qh:more"), about(name="qh:every"))
    put(permissions, second)
    assert permissions.read() == second

    put(permissions, NOTHING)
    assert permissions.read() == NOTHING


def test_deleting_may_be_repeated(permissions: Permissions, groups: tuple[KeycloakId, KeycloakId]) -> None:
    """What is gone already is no fault, as after a write that was cut off."""
    put(permissions, of(members(groups[0]), about(groups[0])))
    gone = PermissionChange(deed=Deed.DELETE, wanted=None, found=about(groups[0]))
    permissions.write([gone])
    permissions.write([gone])
    assert permissions.read() == of(members(groups[0]))


def test_many_about_one_group_at_once(
    permissions: Permissions, groups: tuple[KeycloakId, KeycloakId]
) -> None:
    """Permissions that share groups are written all the same, however many at once."""
    many = [
        item
        for number in range(12)
        for item in (
            members(groups[0], name=f"qh:who{number}"),
            about(*groups, name=f"qh:what{number}", policy=f"qh:who{number}"),
        )
    ]
    put(permissions, of(*many))
    assert permissions.read() == of(*many)


def test_a_name_is_given_once(
    permissions: Permissions, groups: tuple[KeycloakId, KeycloakId], bench: Bench
) -> None:
    """Policies and permissions share their names; what has one of ours is made anew, another kind too."""
    one, two = groups
    role = bench.realm.read_roles()[RoleName("post-operator")].id
    holders = AdminPolicy(name="qh:who", kind="role", members=frozenset({role}))
    put(permissions, of(holders, about(one, name="qh:other"), members(two, name="qh:what")))
    with pytest.raises(RealmRefusedError) as told:
        permissions.write([PermissionChange(deed=Deed.CREATE, wanted=about(two), found=None)])
    assert told.value.status == 409

    wanted = of(members(one), about(one), about(two, name="qh:other"))
    put(permissions, wanted)
    assert permissions.read() == wanted


def test_a_permission_goes_with_its_last_policy(
    permissions: Permissions, groups: tuple[KeycloakId, KeycloakId]
) -> None:
    """And means more people without one of two: so what uses a policy is looked at before it goes."""
    one, two = groups
    both = replace(about(two, name="qh:both"), policies=frozenset({"qh:who", "qh:more"}))
    put(permissions, of(members(one), about(one), members(two, name="qh:more"), both))
    permissions.write([PermissionChange(deed=Deed.DELETE, wanted=None, found=members(one))])
    left = replace(both, policies=frozenset({"qh:more"}))
    assert permissions.read() == of(members(two, name="qh:more"), left)


def test_refused_while_the_configurator_is_closed(
    permissions: Permissions, groups: tuple[KeycloakId, KeycloakId], bench: Bench
) -> None:
    """The daily client reads, and writes nothing."""
    put(permissions, of(members(groups[0]), about(groups[0])))
    closed = bench.without_import().permissions
    with pytest.raises(RealmRefusedError) as told:
        closed.write([PermissionChange(deed=Deed.DELETE, wanted=None, found=about(groups[0]))])
    assert told.value.status == 403
    assert closed.read() == of(members(groups[0]), about(groups[0]))


def test_what_others_made_is_read(
    permissions: Permissions, groups: tuple[KeycloakId, KeycloakId], bench: Bench
) -> None:
    """Everybody else, whole trees, single users, other kinds: all told apart from what we make."""
    one, two = groups
    put(permissions, of(members(one), about(one)))
    if isinstance(bench, FakeBench):
        foreign = {
            "others": members(one, name="others"),
            "tree": members(one, name="tree"),
            "late": AdminPolicy(name="late", kind="time", members=frozenset(), detail='{"nbf": "x"}'),
        }
        foreign["others"] = AdminPolicy(name="others", kind="group", members=frozenset({one}), negative=True)
        foreign["tree"] = AdminPolicy(
            name="tree", kind="group", members=frozenset({two}), extending=frozenset({two})
        )
        bench.permission_state.policies.update(foreign)
    else:
        assert isinstance(bench, KeycloakBench)
        named = {"decisionStrategy": "UNANIMOUS", "description": "控制台"}
        bench.policy("group", name="others", logic="NEGATIVE", groups=[{"id": one}], **named)
        bench.policy("group", name="tree", groups=[{"id": two, "extendChildren": True}], **named)
        bench.policy("time", name="late", notBefore="2026-01-01 00:00:00", **named)
    found = permissions.read()
    assert found is not None
    plain = found.policies["qh:who"]
    assert plain == members(one)
    others, tree, late = (found.policies[name] for name in ("others", "tree", "late"))
    assert (others.negative, others.members, others.is_open) == (True, {one}, False)
    assert (tree.extending, tree.members, tree.is_open) == ({two}, {two}, False)
    assert late.is_open
    assert not plain.negative
    assert not plain.is_open


def test_read_alike_with_and_without_an_export(
    permissions: Permissions, groups: tuple[KeycloakId, KeycloakId], bench: Bench
) -> None:
    """Who may not change the realm reads the same, if slower."""
    put(permissions, of(members(*groups), about(*groups), about(name="qh:every")))
    realm = bench.without_import()
    if isinstance(realm, RestRealm):
        assert RestPermissions(realm.connection, None).read() == permissions.read()
    assert realm.permissions.read() == permissions.read() != NOTHING
