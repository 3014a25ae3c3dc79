"""Each use of a sealed account is in the ledger and told once; attempts are told together."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

import pytest
from sqlalchemy import select

from fixtures.watching import foreigner, watcher
from fixtures.world import VILLAGE, World
from quanheng.config import NotifySettings
from quanheng.errors import QuanhengError, UnreachableError
from quanheng.keycloak.glass import GLASS_CLIENT, GLASS_ROLE
from quanheng.model.finding import FindingKind
from quanheng.model.ids import KeycloakId, RoleName
from quanheng.operations.doctor.glass import examine_glass
from quanheng.operations.doctor.result import State
from quanheng.operations.glass.accounts import MADE, SEALED, digest_of_marks, read_glass
from quanheng.operations.lifecycle.ahead import look_ahead
from quanheng.operations.lifecycle.daily import do_day
from quanheng.operations.noting import note
from quanheng.operations.watching.glass import GlassWatch
from quanheng.operations.watching.watcher import Watcher
from quanheng.store.faults import StoreBusyError
from quanheng.store.tables import notice

FIRST: Final = "break-glass-1"
SECOND: Final = "break-glass-2"
CONSOLE: Final = "security-admin-console"
WRONG: Final = "invalid_user_credentials"


class Glass:
    """A world whose two accounts are sealed, with a watcher that tells into a file."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.hire(VILLAGE)
        world.issue_and_sync()
        told = NotifySettings(file=world.folder / "notices.jsonl")
        self.settings = world.settings.model_copy(update={"notify": told})
        world.console.tamper_role(
            GLASS_ROLE,
            composites=frozenset({world.console.tamper_client_role("realm-management", "manage-users")}),
        )
        self.ids = {name: self._seal(name) for name in (FIRST, SECOND)}
        self.look = self.restarted()
        self.settle()

    def _seal(self, name: str) -> KeycloakId:
        world = self.world
        context = world.context
        user = foreigner(world, name)
        body = {"account": name, "user": str(user), "administrator": "test"}
        with context.database.transaction() as connection:
            note(context, connection, MADE, {**body, "since": world.clock().isoformat()})
        world.console.add_roles(user, frozenset({RoleName(GLASS_ROLE)}))
        world.console.tamper_bring_password(user)
        world.console.tamper_otp(user)
        marks = digest_of_marks(world.console.read_credentials(user))
        with context.database.transaction() as connection:
            note(context, connection, SEALED, {**body, "credentials": marks})
        return user

    def restarted(self) -> Watcher:
        """The daemon, started anew."""
        return watcher(self.world, self.world.open(settings=self.settings))

    def settle(self) -> None:
        """Look until nothing is left to do."""
        for _ in range(4):
            self.world.pass_time(seconds=2)
            self.look.tick()

    def log_in(self, name: str | None, client: str = GLASS_CLIENT, error: str = "", **how: str) -> None:
        """Somebody logs in, or is refused; None for a name that nobody has."""
        user = None if name is None else self.ids.get(name) or self.world.console.find_user(name).id
        self.world.console.tamper_login(client, user, error, **how)

    def uses(self) -> list[Any]:
        """What the ledger has of uses."""
        return [json.loads(entry.body) for entry in self.world.ledger("glass_used")]

    def notices(self) -> list[tuple[str, Any]]:
        """Kind and facts of what is to be told."""
        with self.world.context.database.reading() as connection:
            rows = connection.execute(select(notice.c.kind, notice.c.facts).order_by(notice.c.id)).all()
        return [(row.kind, row.facts) for row in rows if row.kind.startswith("glass_")]


@pytest.fixture
def glass(world: World) -> Glass:
    """Two sealed accounts, and nothing to do."""
    return Glass(world)


def test_a_use_is_told_once(glass: Glass) -> None:
    """One entry and one notice for a session, with the console that it opened; a second one is another."""
    glass.log_in(FIRST, session="s1", address="192.0.2.9")
    glass.log_in(FIRST, CONSOLE, session="s1")
    glass.settle()
    glass.log_in(FIRST, CONSOLE, session="s1")
    glass.settle()

    assert [(use["account"], use["outcome"], use["address"]) for use in glass.uses()] == [
        (FIRST, "logged_in", "192.0.2.9")
    ]
    assert glass.uses()[0]["by"] == "os:operator@test"
    assert [kind for kind, _ in glass.notices()] == ["glass_used"]

    glass.log_in(FIRST, session="s2")
    glass.settle()
    assert len(glass.uses()) == 2


@pytest.mark.parametrize("name", [FIRST, SECOND])
def test_a_use_by_another_door_is_told(glass: Glass, name: str) -> None:
    """Whatever client an account logs in at; which of the two are asked for in turn."""
    glass.log_in(name, "some-client")
    glass.settle()

    assert [(use["account"], use["client"]) for use in glass.uses()] == [(name, "some-client")]


def test_anybody_through_the_door_is_told(glass: Glass) -> None:
    """Who is none of the accounts, and got in all the same, is named by its id."""
    user = foreigner(glass.world, "boss")
    glass.log_in("boss")
    glass.settle()

    assert [(use["account"], use["user"]) for use in glass.uses()] == [("", user)]


def test_others_are_not_told(glass: Glass) -> None:
    """What everybody else does at other clients is none of this."""
    foreigner(glass.world, "boss")
    glass.log_in("boss", CONSOLE)
    glass.log_in(None, CONSOLE, WRONG)
    glass.settle()

    assert glass.uses() == []
    assert glass.notices() == []


def test_attempts_are_told_together(glass: Glass) -> None:
    """The first at once, those of a brute force after a while with their number, by account."""
    glass.log_in(FIRST, error=WRONG)
    glass.settle()
    assert [(use["outcome"], use["count"]) for use in glass.uses()] == [("refused", 1)]

    for number in range(50):
        glass.log_in(FIRST, error=WRONG, address=f"192.0.2.{number}")
        glass.log_in(None, error="user_not_found")
        glass.world.pass_time(seconds=2)
        glass.look.tick()
    assert len(glass.notices()) == 1

    glass.world.pass_time(minutes=15)
    glass.settle()

    assert [(use["account"], use["count"]) for use in glass.uses()[1:]] == [("", 50), (FIRST, 50)]
    assert len(glass.uses()[2]["addresses"]) == 20
    kinds = [kind for kind, _ in glass.notices()]
    assert kinds == ["glass_refused", "glass_refused"]
    assert glass.notices()[1][1]["count"] == 100
    glass.world.pass_time(hours=1)
    glass.settle()
    assert len(glass.notices()) == 2


def test_a_use_amid_attempts_is_told_at_once(glass: Glass) -> None:
    """A guess that succeeded does not wait for those that did not."""
    glass.log_in(FIRST, error=WRONG)
    glass.settle()
    glass.log_in(FIRST, error=WRONG)
    glass.log_in(FIRST)
    glass.settle()

    assert [kind for kind, _ in glass.notices()] == ["glass_refused", "glass_used"]


def test_what_happened_while_nobody_looked_is_told(glass: Glass) -> None:
    """However long the daemon was down, and whatever else was synchronised meanwhile; once."""
    glass.log_in(SECOND, session="before")
    glass.settle()
    glass.world.pass_time(days=20)
    glass.log_in(SECOND, session="meanwhile")
    glass.log_in(FIRST, CONSOLE, session="elsewhere")
    glass.world.pass_time(days=20)
    glass.world.sync()

    for _ in range(2):
        glass.look = glass.restarted()
        glass.settle()

    assert [use["account"] for use in glass.uses()] == [SECOND, SECOND, FIRST]


def test_an_event_that_shows_late_is_told(glass: Glass) -> None:
    """Its time is set before its commit."""
    glass.world.pass_time(minutes=4)
    late = glass.world.fake._state.clock()
    glass.world.pass_time(minutes=3)
    glass.settle()
    now, glass.world.clock.now = glass.world.clock.now, late
    glass.log_in(FIRST)
    glass.world.clock.now = now
    glass.settle()

    assert len(glass.uses()) == 1


def test_what_it_costs(glass: Glass) -> None:
    """Two requests a look, however many looks went before; none while no account is sealed."""
    for _ in range(3):
        glass.world.fake.calls.clear()
        before = glass.look._context.realm.calls["read_logins"]  # type: ignore[attr-defined]
        glass.look.tick()
        assert glass.look._context.realm.calls["read_logins"] - before == 2  # type: ignore[attr-defined]


def test_nothing_is_asked_before_the_seal(world: World) -> None:
    """Without sealed accounts there is no use."""
    world.hire(VILLAGE)
    world.issue_and_sync()
    world.console.tamper_login(GLASS_CLIENT, None, WRONG)
    look = watcher(world)
    world.fake.calls.clear()
    look.tick()

    assert world.fake.calls["read_logins"] == 0
    assert world.ledger("glass_used") == []


def test_it_is_told_though_the_rest_fails(glass: Glass) -> None:
    """A server that fails at admin events keeps nobody from knowing."""
    glass.log_in(FIRST)
    realm: Any = glass.look._context.realm

    def fails(call: str) -> None:
        if call == "read_admin_events":
            raise UnreachableError("no", remedy="wait")

    realm.before_call = fails
    with pytest.raises(UnreachableError):
        glass.look.tick()
    realm.before_call = None

    assert len(glass.uses()) == 1


def test_they_are_no_strangers(glass: Glass) -> None:
    """Neither foreign users nor administrators that somebody made; who takes such a name is both."""
    world = glass.world
    report = world.check()
    assert [item for item in report.findings if item.subject in glass.ids] == []
    assert world.ledger("administrator_found") == []

    world.console.tamper_delete_user(glass.ids[SECOND])
    thief = foreigner(world, SECOND)
    world.console.add_roles(thief, frozenset({RoleName(GLASS_ROLE)}))
    glass.settle()

    kinds = {item.kind for item in world.check().findings if item.subject == SECOND}
    assert kinds == {FindingKind.FOREIGN_USER, FindingKind.ADMINISTRATOR, FindingKind.BREAK_GLASS}
    assert len(world.ledger("administrator_found")) == 1


def test_check_tells_that_none_is_sealed(world: World) -> None:
    """Which is no violation: whether to have them is the operator's choice, as long as it is made."""
    world.hire(VILLAGE)
    world.issue_and_sync()
    found = [item for item in world.check().findings if item.kind is FindingKind.BREAK_GLASS]

    assert [(item.subject, item.violation) for item in found] == [(FIRST, False), (SECOND, False)]


def test_one_that_is_on_and_was_never_sealed(world: World) -> None:
    """Nobody knows its credentials, or somebody does: a violation; off, it is only told."""
    world.hire(VILLAGE)
    world.issue_and_sync()
    user = foreigner(world, FIRST)
    body = {"account": FIRST, "user": str(user), "administrator": "test"}
    with world.context.database.transaction() as connection:
        note(world.context, connection, MADE, {**body, "since": world.clock().isoformat()})

    def found() -> dict[str, bool]:
        kind = FindingKind.BREAK_GLASS
        return {item.subject: item.violation for item in world.check().findings if item.kind is kind}

    assert found() == {FIRST: True, SECOND: False}
    assert [item.state for item in examine_glass(world.context)] == [State.FAIL, State.WARN]
    world.console.switch_off(user)
    assert found() == {FIRST: False, SECOND: False}


def test_when_it_was_used(glass: Glass) -> None:
    """By the ledger: an attempt is no use."""
    glass.log_in(FIRST, error=WRONG)
    glass.settle()
    glass.world.pass_time(days=1)
    glass.log_in(FIRST)
    at = glass.world.clock.now
    glass.settle()

    with glass.world.context.database.reading() as connection:
        known = {account.name: account for account in read_glass(glass.world.context, connection)}
    used = known[FIRST].used_at  # type: ignore[index]
    assert used is not None
    assert abs(used - at) < timedelta(seconds=1)
    assert known[SECOND].used_at is None  # type: ignore[index]


def test_a_store_that_fails_for_long_loses_no_use(glass: Glass, monkeypatch: pytest.MonkeyPatch) -> None:
    """A use that cannot be kept for longer than is read again anyway is kept when the store is back."""

    def fail(*_: Any) -> None:
        raise StoreBusyError("the store is locked", remedy="wait")

    with monkeypatch.context() as failing:
        failing.setattr(GlassWatch, "_take_in", fail)
        glass.log_in(FIRST)
        for _ in range(11):
            with suppress(QuanhengError):
                glass.look.tick()
            glass.world.pass_time(minutes=1)
    assert glass.uses() == []
    glass.settle()
    assert [item["account"] for item in glass.uses()] == [FIRST]


def test_unused_for_years_and_ready(glass: Glass) -> None:
    """Nobody locks them for not being used, and the day's plan names both with the pack's reason."""
    before = {name: glass.world.console.read_user(key) for name, key in glass.ids.items()}
    glass.world.pass_time(days=400)
    do_day(glass.world.context)
    ahead = look_ahead(glass.world.context)
    found = {item.username: item.reason for item in ahead.outsiders if item.kind == "break_glass"}
    assert found == dict.fromkeys((FIRST, SECOND), glass.world.pack.lifecycle.outside.break_glass)
    assert {name: glass.world.console.read_user(key) for name, key in glass.ids.items()} == before
