"""What a sync took in, and what was refused, is looked after; and nothing keeps a look from the guard."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Final

import pytest
from sqlalchemy import select

from fixtures.fake_guard import install_guard
from fixtures.watching import foreigner, watcher
from fixtures.world import BUREAU, VILLAGE, World
from quanheng.config import NotifySettings, Settings
from quanheng.errors import UnreachableError
from quanheng.keycloak.fake import FakeRealm
from quanheng.keycloak.fake_base import FakeGuardState, refusal
from quanheng.model.ids import RoleName
from quanheng.model.realm import AdminEvent
from quanheng.operations.carrying_out import hold_lease
from quanheng.operations.context import Context
from quanheng.operations.realm import Drift
from quanheng.operations.synchronise import synchronise
from quanheng.operations.watching import protection
from quanheng.operations.watching.watcher import Watcher
from quanheng.store.tables import notice

REVIEWER: Final = RoleName("post-reviewer")
OPERATOR: Final = RoleName("post-operator")


def told(world: World) -> Counter[str]:
    """Notices that wait, by kind."""
    with world.context.database.reading() as connection:
        return Counter(connection.execute(select(notice.c.kind)).scalars())


def prepared(world: World) -> Watcher:
    """A watcher over a few people, which tells into a file, and has nothing to do."""
    for _ in range(3):
        world.hire(VILLAGE)
    world.hire(BUREAU, "经办人员")
    world.issue_and_sync()
    settings = world.settings.model_copy(update={"notify": NotifySettings(file=world.folder / "told.jsonl")})
    look = watcher(world, world.open(settings=settings))
    look.tick()
    assert look.tick().quiet
    return look


@pytest.fixture
def look(world: World) -> Watcher:
    """A watcher over a server without a guard."""
    return prepared(world)


def tamper(world: World) -> None:
    """A duty put into another's role."""
    inside = world.console.read_roles()[OPERATOR].composites
    world.console.tamper_role(OPERATOR, composites=inside | {REVIEWER})


def causes(world: World) -> list[str]:
    """Causes that the ledger names."""
    return [json.loads(entry.body)["cause"] for entry in world.ledger("cause_found")]


# Taken in by a sync


@pytest.mark.parametrize("live", [False, True], ids=["by its events", "by reading everything"])
def test_a_cause_that_a_sync_took_in(world: World, look: Watcher, live: bool) -> None:
    """A duty in another's role, whose event a sync read first: the next look names it, and the one after that
    is quiet."""
    tamper(world)
    synchronise(world.context, live=live)
    assert causes(world) == []
    watcher(world).tick()
    assert causes(world) == ["post-operator 含有 post-reviewer"]
    assert watcher(world).tick().quiet


def test_an_administrator_whom_a_sync_took_in(world: World, look: Watcher) -> None:
    """Somebody came to administer the realm, and a sync read the event first: told at the next look."""
    role = world.console.tamper_client_role("realm-management", "realm-admin")
    look.tick()
    world.console.tamper_map_client_role(foreigner(world), role)
    world.sync()
    assert world.ledger("administrator_found") == []
    look.tick()
    assert told(world)["administrator"] == 1


def test_a_look_that_died(world: World, look: Watcher) -> None:
    """Taken in, and killed before anything was looked after: the next look does it."""

    def die(name: str) -> None:
        if name == "guard_read_status":
            raise RuntimeError(name)

    tamper(world)
    world.fake.before_call = die
    with pytest.raises(RuntimeError):
        watcher(world).tick()
    world.fake.before_call = None
    watcher(world).tick()
    assert causes(world) == ["post-operator 含有 post-reviewer"]


@pytest.mark.parametrize("fails", ["settings", "guard"])
def test_a_server_that_fails_at_something_else(
    world: World, look: Watcher, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    """It answers 500 when settings are compared, or to the guard: people are repaired all the same, the look
    counts as failed, and what was not looked after is as soon as it answers, also by another process."""

    def fail(_context: Context) -> Drift:
        raise UnreachableError("answered 500")

    def fail_guard(name: str) -> None:
        if name == "guard_read_status":
            fail(world.context)

    def seen(context: Context) -> Drift:
        compared.append(context.realm_name)
        return Drift()

    compared: list[str] = []
    monkeypatch.setattr(protection, "read_drift", fail if fails == "settings" else seen)
    world.fake.before_call = None if fails == "settings" else fail_guard
    user = foreigner(world)
    tamper(world)
    world.console._tell("CREATE", "CLIENT", "clients/own")
    world.console.add_roles(user, frozenset({REVIEWER}))
    for _ in range(2):
        with pytest.raises(UnreachableError, match="answered 500"):
            look.tick()
        assert REVIEWER not in world.console.read_user(user).roles
        assert compared == []
        world.pass_time(seconds=2)
    assert told(world)["repair"] == 1
    monkeypatch.setattr(protection, "read_drift", seen)
    world.fake.before_call = None
    watcher(world).tick()
    assert len(compared) == 1
    assert causes(world) == ["post-operator 含有 post-reviewer"]
    look.tick()
    assert look.tick().quiet
    assert len(compared) == 1


def test_the_realm_was_saved_by_somebody(world: World, look: Watcher) -> None:
    """Admin events switched off, a duty given, and switched on again between two looks: what shows is that
    the realm was saved, and that is enough."""
    user = foreigner(world)
    look.tick()
    state = world.fake._state
    before = len(state.events)
    world.console.add_roles(user, frozenset({REVIEWER}))
    del state.events[before:]
    world.console._tell("UPDATE", "REALM", "")
    assert look.tick().changes == 1
    assert REVIEWER not in world.console.read_user(user).roles
    assert look.tick().quiet
    assert world.ledger("events_missing") == []


# Refused


def refuse(name: str) -> None:
    """Keycloak lets nobody take a role away."""
    if name == "remove_roles":
        raise refusal(403, "no")


def test_a_refused_repair_is_told_and_tried_again(world: World, look: Watcher) -> None:
    """Told once while it stays, tried again each minute and in no look between; when it is done, that is
    told; and when it is refused another time, that is too."""
    user = foreigner(world)
    look.tick()
    for times in (1, 2):
        world.console.add_roles(user, frozenset({REVIEWER}))
        world.fake.before_call = refuse
        world.pass_time(minutes=1)
        assert look.tick().refused == 1
        for _ in range(3):
            world.pass_time(seconds=2)
            assert look.tick().quiet
            world.pass_time(minutes=1)
            assert look.tick().refused == 1
        assert told(world) == Counter(repair_refused=times, repair=times - 1)
        world.fake.before_call = None
        world.pass_time(minutes=1)
        assert look.tick().changes == 1
        assert REVIEWER not in world.console.read_user(user).roles
        assert told(world) == Counter(repair_refused=times, repair=times)
        world.pass_time(minutes=1)
        assert look.tick().quiet
    (line,) = json.loads(world.ledger("repair_refused")[0].body)["changes"]
    assert line.startswith("outsider：")
    world.verify_ledger()


# The guard, whatever else happens


@pytest.fixture
def guard(world: World) -> FakeGuardState:
    """A guard in the server, before anything is there."""
    return install_guard(world.fake, world.settings.keys_directory)


def test_events_without_an_end(world: World, guard: FakeGuardState) -> None:
    """At each look somebody has logged somebody out: the guard whose rules were wiped has them again soon."""
    look = prepared(world)
    user = world.user("P00001").id
    guard.rules = None
    for _ in range(65):
        world.pass_time(seconds=2)
        world.console.logout(user)
        assert look.tick().events == 1
    assert guard.rules is not None
    assert told(world) == {"rules": 1}


def test_rules_are_given_by_one_writer(world: World, guard: FakeGuardState) -> None:
    """While somebody else writes to the realm, and gives the rules, the watcher gives none."""
    look = prepared(world)
    guard.rules = None
    with world.open() as other, hold_lease(other) as lease:
        for _ in range(4):
            world.pass_time(seconds=40)
            lease.renew()
            look.tick()
        assert guard.rules is None
    look.tick()
    assert guard.rules is not None


# What a look reads


class Counting(FakeRealm):
    """The realm as the sync has it, with a count of the events that were shown."""

    shown = 0

    def read_admin_events(self, since: datetime, *, page_size: int = 5000) -> Iterator[AdminEvent]:
        """Admin events, counted."""
        events = list(super().read_admin_events(since, page_size=page_size))
        self.shown += len(events)
        return iter(events)


def test_quiet_looks_after_a_load(world: World, look: Watcher) -> None:
    """The events of a large sync are read a few times while they are young, and not at each look until the
    next sync."""
    realm = Counting(world.fake._state.realm, clock=world.clock, actor=world.fake.actor)
    realm._state = world.fake._state

    def same(_settings: Settings) -> FakeRealm:
        return realm

    counting = watcher(world, world.open(make_realm=same))
    world.pass_time(hours=1)
    user, load = world.user("P00001").id, 200
    for _ in range(load):
        world.pass_time(seconds=0.01)
        world.fake.logout(user)  # an event of our own, as each step of a sync
    for _ in range(180):
        world.pass_time(seconds=2)
        assert counting.tick().quiet
    assert realm.shown <= 20 * load  # those of twenty seconds, and of each minute for five
    realm.shown = 0
    for _ in range(60):
        world.pass_time(seconds=2)
        assert counting.tick().quiet
    assert realm.shown <= 70  # the newest, each time: it would show that events were cleared
