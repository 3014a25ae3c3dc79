"""Who comes to administer the realm, by whatever way, is told once and named by ``check``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import pytest

from fixtures.watching import foreigner, watcher
from fixtures.world import VILLAGE, World
from quanheng.model.finding import FindingKind
from quanheng.model.ids import KeycloakId, RoleName
from quanheng.operations.check import CheckReport
from quanheng.policy.sealed_roles import BY_KEYCLOAK

ADMIN: Final = "realm-admin"


@pytest.fixture
def settled(world: World) -> World:
    """A few people at work, and a watcher that has nothing to do."""
    for _ in range(3):
        world.hire(VILLAGE)
    world.issue_and_sync()
    for _ in range(3):
        watcher(world).tick()
    assert watcher(world).tick().quiet
    return world


def told(world: World) -> list[Any]:
    """What the ledger says of administrators."""
    return [json.loads(entry.body) for entry in world.ledger("administrator_found")]


def named(report: CheckReport) -> list[str]:
    """Who ``check`` names."""
    return [item.subject for item in report.findings if item.kind is FindingKind.ADMINISTRATOR]


def role(world: World, name: str = ADMIN) -> RoleName:
    """A role of realm-management, as Keycloak makes it."""
    inside = BY_KEYCLOAK.get(RoleName(f"realm-management/{name}"), frozenset())
    made: RoleName = world.console.tamper_client_role("realm-management", name, "", inside)
    return made


def directly(world: World) -> KeycloakId:
    user = foreigner(world)
    world.console.tamper_map_client_role(user, role(world))
    return user


def service_account(world: World) -> KeycloakId:
    user: KeycloakId = world.console.tamper_service_account("outsider")
    world.console.tamper_map_client_role(user, role(world))
    return user


def by_composite(world: World) -> KeycloakId:
    user = foreigner(world)
    outer = world.console.tamper_role("outer", composites=frozenset({role(world)}))
    world.console.add_roles(user, frozenset({outer}))
    return user


def by_group(world: World) -> KeycloakId:
    user = foreigner(world)
    made = world.console.create_group(None, "领导", {}, frozenset())
    world.console.tamper_map_client_role(made, role(world))
    world.console.join_group(user, made)
    return user


def group_of_before(world: World) -> KeycloakId:
    """Somebody has been in the group since long before the role came into it."""
    user = foreigner(world)
    made = world.console.create_group(None, "领导", {}, frozenset())
    world.console.join_group(user, made)
    watcher(world).tick()
    world.console.tamper_map_client_role(made, role(world))
    return user


def role_of_before(world: World) -> KeycloakId:
    """The same with a harmless role."""
    user = foreigner(world)
    outer = world.console.tamper_role("outer")
    world.console.add_roles(user, frozenset({outer}))
    watcher(world).tick()
    world.console.tamper_role("outer", composites=frozenset({role(world)}))
    return user


WAYS: Final = (directly, service_account, by_composite, by_group, group_of_before, role_of_before)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_told_once_and_named(settled: World, way: Callable[[World], KeycloakId]) -> None:
    """A foreign user or a service account is named by the watcher, once, and by each ``check``."""
    world = settled
    assert world.check().clean
    user = way(world)
    for _ in range(3):
        watcher(world).tick()

    (entry,) = told(world)
    (holder,) = entry["holders"]
    assert (entry["count"], holder["user"]) == (1, user)
    assert holder["roles"] == ["realm-management/realm-admin"]
    assert holder["kind"] == ("service_account" if way is service_account else "foreign_user")
    assert entry["actors"]
    report = world.check()
    assert named(report) == [holder["username"]]
    assert not report.clean


def test_told_again_when_it_comes_again(settled: World) -> None:
    """Another role, or the same after it was gone, is told anew; that it went is not."""
    world = settled
    user = directly(world)
    watcher(world).tick()
    world.console.remove_roles(user, frozenset({role(world)}))
    watcher(world).tick()
    assert len(told(world)) == 1
    assert world.check().clean
    world.console.tamper_map_client_role(user, role(world, "manage-users"))
    watcher(world).tick()
    assert [entry["holders"][0]["roles"] for entry in told(world)] == [
        ["realm-management/realm-admin"],
        ["realm-management/manage-users"],
    ]


def test_what_the_repair_cannot_take_is_told(settled: World) -> None:
    """Keycloak lets none of our accounts take the role from a person of ours: told once, named by check."""
    world = settled
    staff_no = world.hire(VILLAGE)
    world.issue_and_sync()
    world.console.tamper_map_client_role(world.user(staff_no).id, role(world, "manage-users"))
    assert watcher(world).tick().refused == 1
    watcher(world).tick()
    (entry,) = told(world)
    assert [item["kind"] for item in entry["holders"]] == ["person"]
    assert not world.check().clean


def test_what_only_shows_things_is_no_alarm(settled: World) -> None:
    """A monitoring account that may look at users changes nothing: check alone names it, as a power that no
    pack gives."""
    world = settled
    world.console.tamper_map_client_role(foreigner(world), role(world, "view-users"))
    watcher(world).tick()
    assert told(world) == []
    (found,) = [item for item in world.check().findings if item.violation]
    assert (found.kind, found.subject) == (FindingKind.ADMIN_PERMISSION, "outsider")


def test_many_are_counted(settled: World) -> None:
    """A role that many hold is told in one entry, of twenty names and their number."""
    world = settled
    outer = world.console.tamper_role("outer")
    for number in range(25):
        world.console.add_roles(foreigner(world, f"outsider-{number:02}"), frozenset({outer}))
    watcher(world).tick()
    world.console.tamper_role("outer", composites=frozenset({role(world)}))
    watcher(world).tick()
    (entry,) = told(world)
    assert (entry["count"], len(entry["holders"])) == (25, 20)
    assert len(named(world.check())) == 25
