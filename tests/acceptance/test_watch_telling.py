"""States are told when they come about: once each, whatever else holds, and again after they were gone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import pytest
from sqlalchemy import select

from fixtures.fake_guard import install_guard
from fixtures.watching import foreigner, watcher
from fixtures.world import BUREAU, VILLAGE, World
from quanheng.config import Limit, NotifySettings, SafetySettings
from quanheng.keycloak.fake_base import FakeGuardState
from quanheng.model.ids import RoleName
from quanheng.operations.watching.telling import Topic, clear, find_untold
from quanheng.operations.watching.watcher import Watcher
from quanheng.store.tables import notice

REVIEWER: Final = RoleName("post-reviewer")
OPERATOR: Final = RoleName("post-operator")
HANDLER: Final = RoleName("post-handler")


def telling(world: World) -> Watcher:
    """A watcher over a few people, which tells into a file, and has nothing to do."""
    for _ in range(3):
        world.hire(VILLAGE)
    world.hire(BUREAU, "经办人员")
    world.issue_and_sync()
    told = world.settings.model_copy(update={"notify": NotifySettings(file=world.folder / "notices.jsonl")})
    look = watcher(world, world.open(settings=told))
    look.tick()
    return look


@pytest.fixture
def guard(world: World) -> FakeGuardState:
    """A guard in the server, before anything is there."""
    return install_guard(world.fake, world.settings.keys_directory)


@pytest.fixture
def guarded(world: World, guard: FakeGuardState) -> Watcher:
    """A watcher beside a guard that has its rules."""
    return telling(world)


@pytest.fixture
def look(world: World) -> Watcher:
    """A watcher over a server without a guard."""
    return telling(world)


def some_minutes(world: World, look: Watcher) -> None:
    """Five minutes of looks."""
    for _ in range(5):
        world.pass_time(minutes=1)
        look.tick()


def told(world: World) -> Counter[str]:
    """Notices that wait, by kind."""
    with world.context.database.reading() as connection:
        return Counter(connection.execute(select(notice.c.kind)).scalars())


def causes(world: World) -> list[str]:
    """Causes that the ledger names, oldest first."""
    return [json.loads(entry.body)["cause"] for entry in world.ledger("cause_found")]


def role_event(world: World, number: int) -> None:
    """Somebody makes a harmless role."""
    world.console.tamper_role(f"harmless-{number}")


# States of the guard


def test_two_states_at_once(world: World, guarded: Watcher, guard: FakeGuardState) -> None:
    """Break-glass, and rules that the guard does not take: each is told once over many looks."""
    guard.break_glass_until = world.clock() + timedelta(hours=2)
    guard.public_keys = ()
    for number in range(4):
        some_minutes(world, guarded)
        role_event(world, number)
    assert len(world.ledger("guard_break_glass")) == len(world.ledger("guard_rules_invalid")) == 1
    assert told(world) == {"break_glass": 1, "rules": 1}


def test_another_break_glass(world: World, guarded: Watcher, guard: FakeGuardState) -> None:
    """A server that was started again with a later end is told of again."""
    for hours in (2, 3):
        guard.break_glass_until = world.clock() + timedelta(hours=hours)
        some_minutes(world, guarded)
    assert len(world.ledger("guard_break_glass")) == 2


def test_no_longer_required(world: World, guarded: Watcher, guard: FakeGuardState) -> None:
    """A server that was started without naming our realm has our rules and vetoes nothing: told each time."""
    for times in (1, 2):
        guard.required = False
        some_minutes(world, guarded)
        assert len(world.ledger("guard_not_required")) == times
        guard.required = True
        some_minutes(world, guarded)
    assert told(world) == {"guard_not_required": 2}
    assert json.loads(world.ledger("guard_not_required")[0].body)["sequence"] == 2
    world.verify_ledger()


def test_never_required(world: World, guard: FakeGuardState) -> None:
    """A guard that never took our rules is told of once, as one that has none."""
    guard.required, guard.public_keys = False, ()
    some_minutes(world, telling(world))
    assert world.ledger("guard_not_required") == []
    assert told(world) == {"rules": 1}


# Causes


def test_a_cause_that_stays(world: World, look: Watcher) -> None:
    """Nobody mends it, and ten role events follow: told once. A second one is told by itself."""
    operator = world.console.read_roles()[RoleName("post-operator")].composites
    world.console.tamper_role("post-operator", composites=operator | {REVIEWER})
    for number in range(10):
        look.tick()
        role_event(world, number)
    assert causes(world) == ["post-operator 含有 post-reviewer"]
    world.console.tamper_role("post-handler", composites=frozenset({REVIEWER}))
    look.tick()
    assert len(causes(world)) == 2
    assert causes(world)[1].startswith("post-handler 含有")
    assert told(world) == {"cause": 2}


def test_a_cause_that_comes_back(world: World, look: Watcher) -> None:
    """Mended and done again, it is another act."""
    operator = world.console.read_roles()[RoleName("post-operator")].composites
    for times in (1, 2):
        world.console.tamper_role("post-operator", composites=operator | {REVIEWER})
        look.tick()
        world.console.tamper_role("post-operator", composites=operator)
        look.tick()
        assert len(causes(world)) == times


def test_a_foreign_composite_is_a_cause(world: World, look: Watcher) -> None:
    """A role of somebody's own that contains a duty: it is named also before anybody holds it, and whoever is
    given it loses it."""
    inner = world.console.tamper_role("inner", composites=frozenset({REVIEWER, RoleName("harmless")}))
    world.console.tamper_role("outer", composites=frozenset({inner}))
    look.tick()
    assert causes(world) == ["inner 含有 post-reviewer"]
    user = foreigner(world)
    world.console.add_roles(user, frozenset({RoleName("outer")}))
    assert look.tick().changes == 1
    assert causes(world) == ["inner 含有 post-reviewer"]
    assert told(world)["cause"] == 1


CONSOLE, MANAGE = (RoleName(f"realm-management/{name}") for name in ("query-users", "manage-users"))


def test_what_enters_keycloaks_own_role_is_a_cause(world: World, look: Watcher) -> None:
    """An administrator's post contains that role: told once as a cause, and by check, until it is gone."""
    world.console.tamper_client_role("realm-management", "manage-users")
    world.console.tamper_client_role("realm-management", "query-users", "", frozenset({MANAGE}))
    for _ in range(2):
        look.tick()
    assert causes(world) == [f"{CONSOLE} 含有 {MANAGE}"]
    assert told(world) == {"cause": 1}
    assert str(CONSOLE) in {item.subject for item in world.check().findings if item.violation}
    world.console.tamper_client_role("realm-management", "query-users")
    look.tick()
    assert len(causes(world)) == 1
    assert world.check().clean


def test_what_enters_keycloaks_own_role_beside_a_guard(world: World, guarded: Watcher) -> None:
    """The guard takes it out again."""
    world.console.tamper_client_role("realm-management", "manage-users")
    world.console.tamper_client_role("realm-management", "query-users", "", frozenset({MANAGE}))
    guarded.tick()
    assert world.console.read_roles()[CONSOLE].composites == frozenset()
    (entry,) = world.ledger("cause_restored")
    body = json.loads(entry.body)
    assert (body["subject"], body["removed"]) == (str(CONSOLE), str(MANAGE))
    assert causes(world) == []


@pytest.mark.parametrize("through", ["itself", "what it contains", "Keycloak's own"])
def test_power_over_the_realm_for_everybody_is_one_cause(world: World, look: Watcher, through: str) -> None:
    """Whoever logs in would administer the realm: the default role is named, and not each of its holders; and
    the role inside that brings it. One of Keycloak's own is named itself: there it is taken out."""
    role = world.console.tamper_client_role("realm-management", "manage-users")
    default = world.context.realm.default_role
    cause = f"{default} 含有 {MANAGE}"
    if through == "what it contains":
        role = world.console.tamper_role("inner", composites=frozenset({role}))
        cause = f"{cause}（经 {role}）"
    elif through == "Keycloak's own":
        role = world.console.tamper_client_role("account", "view-profile", "", frozenset({role}))
        cause = f"{role} 含有 {MANAGE}"
    world.console.tamper_role(str(default), composites=frozenset({role}))
    look.tick()
    assert causes(world) == [cause]
    assert told(world) == {"cause": 1}


def test_a_foreign_composite_beside_a_guard(world: World, guarded: Watcher) -> None:
    """The guard takes the duty out of it, and nothing is left to be told."""
    world.console.tamper_role("own", composites=frozenset({HANDLER}))
    guarded.tick()
    assert world.console.read_roles()[RoleName("own")].composites == frozenset()
    assert causes(world) == []
    (entry,) = world.ledger("cause_restored")
    body = json.loads(entry.body)
    assert (body["subject"], body["sessions"]) == ("own", "")


# Limits


def test_a_limit_that_stays_exceeded(make_world: Callable[..., World]) -> None:
    """Each look finds again that too much differs: told once; and again after it was in order for a while."""
    world: World = make_world(safety=SafetySettings(structure=Limit(count=0, percent=0)))
    look = telling(world)
    group = world.group("/岗位/140902-忻府区/业务操作员").id
    world.console.add_group_roles(group, frozenset({REVIEWER}))
    assert look.tick().stopped
    for number in range(5):
        world.console.add_group_roles(group, frozenset({world.console.tamper_role(f"more-{number}")}))
        look.tick()
    assert len(world.ledger("repair_stopped")) == 1
    assert told(world) == {"cap_reached": 1}
    (line,) = json.loads(world.ledger("repair_stopped")[0].body)["excess"]
    assert line.startswith("调整组 1 项，上限 ")
    world.console.remove_group_roles(group, world.group("/岗位/140902-忻府区/业务操作员").roles - {OPERATOR})
    assert not look.tick().stopped
    world.console.add_group_roles(group, frozenset({REVIEWER}))
    assert look.tick().stopped
    assert told(world) == {"cap_reached": 2}


# The memory itself


def test_memory(world: World) -> None:
    """What is new of what holds is told; what is gone may come again; topics have no say in each other."""
    database = world.context.database

    def tell(topic: Topic, *items: str) -> tuple[str, ...]:
        with database.transaction() as connection:
            return find_untold(connection, topic, items)

    assert tell(Topic.CAUSES, "a", "b") == ("a", "b")
    assert tell(Topic.CAUSES, "b", "a") == ()
    assert tell(Topic.CONFIGURATION, "a") == ("a",)
    assert tell(Topic.CAUSES, "b", "c") == ("c",)
    assert tell(Topic.CAUSES, "a", "b", "c") == ("a",)
    clear(world.context, Topic.CAUSES)
    assert tell(Topic.CONFIGURATION, "a") == ()
    assert tell(Topic.CAUSES, "c") == ("c",)
