"""Whoever changes the administrators' permissions gives power without a grant: the watcher tells of it."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures.watching import watcher
from fixtures.world import BUREAU, VILLAGE, World
from quanheng.delegation.comparing import Deed, PermissionChange
from quanheng.model.ids import KeycloakId
from quanheng.model.permission import GROUPS, AdminPermission, AdminPolicy
from quanheng.model.staff import OrgKind
from quanheng.operations.watching.watcher import Watcher

_ANYBODY = AdminPolicy(name="anybody", kind="js", members=frozenset(), detail="true")
_EVERYTHING = AdminPermission(
    name="everything",
    resource_type=GROUPS,
    resources=frozenset(),
    scopes=frozenset({"manage"}),
    policies=frozenset({"anybody"}),
)


@pytest.fixture
def look(world: World) -> Watcher:
    """A watcher over a small realm whose permissions are written."""
    world.hire(VILLAGE)
    world.hire(BUREAU, "系统管理员")
    world.issue_and_sync()
    look = watcher(world)
    look.tick()
    return look


def write(world: World, *changes: PermissionChange) -> None:
    """Somebody changes permissions in the console."""
    world.console.permissions.write(changes)


def told(world: World) -> list[Any]:
    """What the ledger has of it, oldest first."""
    return [entry.body for entry in world.ledger("permissions_changed")]


def test_a_foreign_permission_is_told_once(world: World, look: Watcher) -> None:
    """Named with who made it, and not again while it stays; check fails until it is gone."""
    assert look.tick().quiet
    write(
        world,
        PermissionChange(deed=Deed.CREATE, wanted=_ANYBODY, found=None),
        PermissionChange(deed=Deed.CREATE, wanted=_EVERYTHING, found=None),
    )
    look.tick()
    assert len(told(world)) == 1
    assert "everything" in told(world)[0]
    assert "console" in told(world)[0]
    write(world, PermissionChange(deed=Deed.UPDATE, wanted=_ANYBODY, found=_ANYBODY))
    look.tick()
    assert len(told(world)) == 1
    assert not world.check().clean
    write(world, PermissionChange(deed=Deed.DELETE, wanted=None, found=_EVERYTHING))
    look.tick()
    assert world.check().clean


def test_a_changed_permission_of_ours_is_told(world: World, look: Watcher) -> None:
    """One more group in a policy of ours, which would give another's people to who is in it."""
    known = world.fake.permissions.read()
    assert known is not None
    policy = next(item for item in known.policies.values() if item.kind == "group")
    wider = AdminPolicy(
        name=policy.name, kind=policy.kind, members=policy.members | {KeycloakId("another-group")}
    )
    write(world, PermissionChange(deed=Deed.UPDATE, wanted=wider, found=policy))
    look.tick()
    assert policy.name in told(world)[0]


def test_what_we_write_ourselves_is_not_compared_at_once(world: World, look: Watcher) -> None:
    """A sync that writes permissions makes the next look read none of them."""
    before = world.fake.calls["permissions_read"]
    world.add_unit("140902199", "新设镇", OrgKind.TOWNSHIP, "140902")
    world.issue_and_sync()
    assert world.fake.calls["permissions_read"] == before + 1
    look.tick()
    assert world.fake.calls["permissions_read"] == before + 1
    assert told(world) == []
