"""A guard that is taken out of the server, or whose rules are wiped time and again: told each time, once."""

from __future__ import annotations

import pytest

from fixtures.fake_guard import install_guard
from fixtures.watching import watcher
from fixtures.world import VILLAGE, World
from quanheng.keycloak.fake_base import FakeGuardState
from quanheng.operations.watching.watcher import Watcher


@pytest.fixture
def guard(world: World) -> FakeGuardState:
    """A guard in the server."""
    return install_guard(world.fake, world.settings.keys_directory)


@pytest.fixture
def look(world: World, guard: FakeGuardState) -> Watcher:
    """A watcher over a realm in which the guard has its rules."""
    world.hire(VILLAGE)
    world.issue_and_sync()
    watching = watcher(world)
    watching.tick()
    return watching


def some_minutes(world: World, look: Watcher) -> None:
    """Five minutes of looks."""
    for _ in range(5):
        world.pass_time(minutes=1)
        look.tick()


def test_a_guard_that_is_gone(world: World, look: Watcher, guard: FakeGuardState) -> None:
    """Told once each time it goes; who never had one is told nothing."""
    for times in (1, 2):
        guard.installed = False
        some_minutes(world, look)
        assert len(world.ledger("guard_gone")) == times
        guard.installed = True
        some_minutes(world, look)
    assert len(world.ledger("guard_gone")) == 2
    world.verify_ledger()


def test_no_guard_at_all(world: World) -> None:
    """A server that never had a guard is the doctor's to tell, not the watcher's."""
    world.hire(VILLAGE)
    world.issue_and_sync()
    some_minutes(world, watcher(world))
    assert world.ledger("guard_gone") == []


def test_rules_wiped_again(world: World, look: Watcher, guard: FakeGuardState) -> None:
    """Whoever wipes the rules a second time is told of a second time."""
    for times in (1, 2):
        guard.rules = None
        some_minutes(world, look)
        assert len(world.ledger("guard_rules_invalid")) == times
