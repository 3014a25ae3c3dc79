"""Records of logins: written by the bridge, taken into the ledger by the daemon, once each."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from fixtures.world import VILLAGE, World
from quanheng.bridge.values import LoginId, LoginRecord
from quanheng.clock import system_clock
from quanheng.errors import QuanhengError
from quanheng.operations import login_records as operation
from quanheng.operations.login_records import LOGIN, note_logins
from quanheng.store.database import Database
from quanheng.store.login_records import (
    forget_records,
    mark_noted,
    put_record,
    read_records,
    read_unnoted,
)

ID = "Zx9_-AbCdEfGhIjKlMnOpQrStUvWxYz0"


def record(world: World, number: int = 0, **fields: object) -> LoginRecord:
    """A login that was accepted."""
    values = {
        "at": world.clock(),
        "login": LoginId(f"{ID[:-4]}{number:04}"),
        "outcome": "accepted",
        "person": None,
        "client_id": "shanxi",
        "address": "10.20.131.142",
        "browser": "Chrome · Windows",
        "region": "140900",
        **fields,
    }
    return LoginRecord(**values)  # type: ignore[arg-type]


def put(world: World, *records: LoginRecord) -> None:
    """Write them, as the bridge does."""
    with world.context.database.transaction() as connection:
        for item in records:
            put_record(connection, item)


def noted(world: World) -> list[dict[str, str]]:
    """Bodies of the ledger's entries about logins."""
    return [json.loads(entry.body) for entry in world.ledger(LOGIN)]


def test_each_comes_into_the_ledger_once(world: World) -> None:
    """With all that an auditor asks for, unchanged by what takes numbers of people out of texts."""
    staff_no = world.hire(VILLAGE)
    world.issue_and_sync()
    person = world.person(staff_no).id
    put(world, record(world, 1, person=person), record(world, 2, outcome="unknown"))
    assert note_logins(world.context) == 2
    assert note_logins(world.context) == 0
    first, second = noted(world)
    assert first == {
        "at": world.clock().isoformat(timespec="seconds"),
        "outcome": "accepted",
        "person": person,
        "client": "shanxi",
        "address": "10.20.131.142",
        "browser": "Chrome · Windows",
        "region": "140900",
        "login": f"{ID[:-4]}0001",
    }
    assert second["outcome"] == "unknown"
    assert second["person"] is None
    world.verify_ledger()


@pytest.mark.parametrize("address", ["255.255.255.255", "2001:db8:1111:2222:3333:4444:5555:6666", "::1", "-"])
def test_addresses_come_through(world: World, address: str) -> None:
    """None of them is taken for a phone or an ID number."""
    put(world, record(world, address=address))
    note_logins(world.context)
    assert noted(world)[-1]["address"] == address


def test_more_than_fit_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """They come in several parts, in their order."""
    monkeypatch.setattr(operation, "_AT_ONCE", 3)
    put(world, *(record(world, number) for number in range(7)))
    assert note_logins(world.context) == 7
    assert [body["login"][-4:] for body in noted(world)] == [f"{number:04}" for number in range(7)]


def test_killed_before_the_mark(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entry and mark come together or not at all."""
    put(world, record(world))

    def killed(*_: object) -> None:
        raise QuanhengError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(operation, "mark_noted", killed)
        with pytest.raises(QuanhengError):
            note_logins(world.context)
    assert noted(world) == []
    assert note_logins(world.context) == 1


def test_only_what_is_in_the_ledger_is_forgotten(world: World) -> None:
    """However old it is."""
    old = world.clock() - timedelta(days=400)
    put(world, record(world, 1, at=old), record(world, 2, at=old))
    with world.context.database.transaction() as connection:
        (first, _) = read_unnoted(connection, 10)
        mark_noted(connection, [first.number], world.clock())
        assert forget_records(connection, world.clock() - timedelta(days=200)) == 1
        assert [kept.record.login[-4:] for kept in read_unnoted(connection, 10)] == ["0002"]


def test_reading(world: World, database: Database) -> None:
    """Newest first, by time and by user name."""
    staff_no = world.hire(VILLAGE)
    world.issue_and_sync()
    person = world.person(staff_no)
    put(
        world,
        record(world, 1, person=person.id),
        record(world, 2, at=world.clock() + timedelta(minutes=1), outcome="frozen"),
    )
    with world.context.database.reading() as connection:
        assert [kept.record.login[-4:] for kept in read_records(connection)] == ["0002", "0001"]
        (mine,) = read_records(connection, username=person.username)
        assert (mine.username, mine.record.outcome) == (person.username, "accepted")
        assert read_records(connection, until=world.clock()) == []
        assert len(read_records(connection, since=world.clock() + timedelta(seconds=1))) == 1


def test_on_both_databases(database: Database) -> None:
    """Locking what is taken works where several may take it."""
    with database.transaction() as connection:
        put_record(
            connection,
            LoginRecord(
                at=system_clock(),
                login=LoginId(ID),
                outcome="cancelled",
                person=None,
                client_id="c",
                address="::1",
                browser="",
                region="",
            ),
        )
    with database.transaction() as connection:
        (kept,) = read_unnoted(connection, 10)
        mark_noted(connection, [kept.number], system_clock())
    with database.transaction() as connection:
        assert read_unnoted(connection, 10) == []
