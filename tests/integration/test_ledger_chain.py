"""The ledger on both databases: written with the caller's transaction, verified by an auditor."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, event, func, select, text

from fixtures.identities import a_mint
from fixtures.servers_postgres import SETTLED
from quanheng.errors import ConfigurationError, UnreachableError
from quanheng.identity.keys import FileKeyring, KeyName, add_key_version
from quanheng.ledger.anchor import read_anchor, read_newest_anchor, write_anchor
from quanheng.ledger.chain import Entry, Ledger
from quanheng.ledger.entry import LedgerBrokenError
from quanheng.ledger.export import export_entries
from quanheng.ledger.verify import VerifyReport, verify
from quanheng.model.change import Json
from quanheng.model.sensitive import Sensitive
from quanheng.store.database import Database, open_database
from quanheng.store.faults import StoreConflictError
from quanheng.store.tables import ledger, ledger_head


def clock() -> datetime:
    """Any moment, to the microsecond."""
    return SETTLED + timedelta(microseconds=1)


def grants(count: int, *, first: int = 0) -> list[Entry]:
    """Entries of a plan."""
    return [
        Entry(kind="grant", body={"subject": f"sx{step:06}", "岗位": "经办"}, plan="p" * 64, step=step)
        for step in range(first, first + count)
    ]


def write(database: Database, keyring: FileKeyring, count: int = 10) -> None:
    """A bootstrap and a batch."""
    with database.transaction() as connection:
        book = Ledger(connection, keyring, clock)
        assert book.begin({"founders": ["a", "b"]})
        book.append(grants(count))


def test_a_ledger_as_it_was_written_verifies(database: Database, keyring: FileKeyring) -> None:
    """Entry 0 is the bootstrap, each batch ends in a signed head."""
    write(database, keyring)
    with database.reading() as connection:
        report = verify(connection, keyring)
        assert (report.entries, report.heads, report.anchored) == (11, 2, None)
        assert report.head is not None
        assert report.head.sequence == 10
        first = connection.execute(select(ledger).order_by(ledger.c.sequence)).first()
        assert first is not None
        assert (first.sequence, first.kind, first.previous, first.at) == (0, "bootstrap", "0" * 64, clock())


def test_an_empty_ledger_verifies(database: Database, keyring: FileKeyring) -> None:
    """Nothing is no lie, unless an anchor says otherwise."""
    with database.reading() as connection:
        empty = VerifyReport(entries=0, head=None, heads=0, anchored=None)
        assert verify(connection, keyring) == empty


def test_the_ledger_begins_once(database: Database, keyring: FileKeyring) -> None:
    """Nothing is recorded before the bootstrap, and there is no second one."""
    with (
        pytest.raises(ConfigurationError, match="begins with the bootstrap"),
        database.transaction() as connection,
    ):
        Ledger(connection, keyring, clock).append(grants(1))
    write(database, keyring)
    with database.transaction() as connection:
        assert not Ledger(connection, keyring, clock).begin({})
    with (
        pytest.raises(ConfigurationError, match="only one"),
        database.transaction() as connection,
    ):
        Ledger(connection, keyring, clock).append([Entry(kind="bootstrap", body={})])


def test_entries_vanish_with_their_transaction(database: Database, keyring: FileKeyring) -> None:
    """What is undone was never recorded."""
    write(database, keyring)

    class OnPurposeError(Exception):
        pass

    def break_off() -> None:
        with database.transaction() as connection:
            Ledger(connection, keyring, clock).append(grants(5, first=100))
            raise OnPurposeError

    with pytest.raises(OnPurposeError):
        break_off()
    with database.reading() as connection:
        assert verify(connection, keyring).entries == 11


def test_a_change_is_recorded_once(database: Database, keyring: FileKeyring) -> None:
    """The same step of the same plan does not get in again."""
    write(database, keyring)
    with pytest.raises(StoreConflictError), database.transaction() as connection:
        Ledger(connection, keyring, clock).append(grants(1, first=3))
    with database.reading() as connection:
        assert verify(connection, keyring).entries == 11


def test_nothing_sensitive_gets_in(database: Database, keyring: FileKeyring) -> None:
    """A sensitive value in a body is refused, not written as stars."""
    write(database, keyring)
    body: dict[str, object] = {"phone": Sensitive(a_mint().phone())}
    with pytest.raises(TypeError), database.transaction() as connection:
        Ledger(connection, keyring, clock).append([Entry(kind="note", body=body)])  # type: ignore[arg-type]


def test_no_number_gets_in_whoever_writes(database: Database, keyring: FileKeyring) -> None:
    """Names from Keycloak may be anything: ID numbers, phones, secrets and what is no text are taken out of
    every text of an entry, wherever it comes from, and the ledger verifies."""
    write(database, keyring)
    mint = a_mint()
    number, phone = mint.resident_number(), mint.phone()
    body: dict[str, Json] = {
        "subject": number,
        "group": f"/岗位/140902-忻府区/wx{phone}",
        "where": [f"clients.{number}.enabled", {"role": f"a{phone}b", "secret": f"password={number[:6]}ab"}],
        "reason": "一行\n另一行\u202e\ud800",
        "count": 3,
        "none": None,
    }
    with database.transaction() as connection:
        Ledger(connection, keyring, clock).append([Entry(kind="note", body=body)])
    with database.reading() as connection:
        assert verify(connection, keyring).entries == 12
        kept = connection.scalar(select(ledger.c.body).order_by(ledger.c.sequence.desc()).limit(1))
    assert json.loads(str(kept)) == {
        "subject": "***",
        "group": "/岗位/140902-忻府区/wx***",
        "where": ["clients.***.enabled", {"role": "a***b", "secret": "password=***"}],
        "reason": "一行\ufffd另一行\ufffd\ufffd",
        "count": 3,
        "none": None,
    }


def test_two_writers_make_one_chain(database: Database, store_url: str, keyring: FileKeyring) -> None:
    """Appending at the same time waits; no number is taken twice."""
    write(database, keyring, count=0)

    def append(writer: int) -> None:
        with open_database(store_url, clock=clock) as own:
            for turn in range(5):
                with own.transaction() as connection:
                    Ledger(connection, keyring, clock).append(
                        [Entry(kind="note", body={"w": writer, "t": turn})]
                    )

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(append, range(2))) == [None, None]
    with database.reading() as connection:
        assert verify(connection, keyring).entries == 11


def test_a_batch_takes_few_statements(database: Database, keyring: FileKeyring) -> None:
    """200 entries: where the chain ends, the entries, the head, and on PostgreSQL a lock."""
    write(database, keyring, count=0)
    statements: list[str] = []
    with database.transaction() as connection:
        event.listen(connection, "before_cursor_execute", lambda *event: statements.append(event[2]))
        Ledger(connection, keyring, clock).append(grants(200))
    assert len(statements) <= 4


def test_an_anchor_shows_that_the_end_is_missing(
    database: Database, keyring: FileKeyring, tmp_path: Path
) -> None:
    """Entries cut off with their heads do not show without an anchor, and do with one."""
    write(database, keyring)
    with database.transaction() as connection:
        book = Ledger(connection, keyring, clock)
        book.append(grants(5, first=100))
        head = book.sign_head()
    assert head is not None
    file = write_anchor(tmp_path, head)
    anchor = read_newest_anchor(tmp_path)
    assert anchor == read_anchor(file) == head
    with database.reading() as connection:
        assert verify(connection, keyring, anchor).anchored == 15
    with database.transaction() as connection:
        connection.execute(delete(ledger).where(ledger.c.sequence > 10))
        connection.execute(delete(ledger_head).where(ledger_head.c.sequence > 10))
    with database.reading() as connection:
        assert verify(connection, keyring).entries == 11
        with pytest.raises(LedgerBrokenError, match="entry 11: is missing: the anchor") as broken:
            verify(connection, keyring, anchor)
    assert broken.value.sequence == 11
    with database.transaction() as connection:
        Ledger(connection, keyring, clock).append(grants(5, first=200))
    with database.reading() as connection, pytest.raises(LedgerBrokenError, match="that the anchor signed"):
        verify(connection, keyring, anchor)


def test_anchors_are_files(database: Database, keyring: FileKeyring, tmp_path: Path) -> None:
    """Writing one again changes nothing; a forged one, a broken one and a lost disk are refused."""
    write(database, keyring)
    with database.transaction() as connection:
        head = Ledger(connection, keyring, clock).sign_head()
    assert head is not None
    assert read_newest_anchor(tmp_path / "keys") is None
    file = write_anchor(tmp_path, head)
    assert write_anchor(tmp_path, head) == file
    assert not list(tmp_path.glob(".anchor*"))
    forged = json.loads(file.read_text()) | {"sequence": 3}
    file.write_text(json.dumps(forged))
    with database.reading() as connection, pytest.raises(LedgerBrokenError, match="not signed with a key"):
        verify(connection, keyring, read_anchor(file))
    file.write_text("{}")
    with pytest.raises(ConfigurationError, match="not an anchor"):
        read_anchor(file)
    with pytest.raises(UnreachableError, match="anchors_directory"):
        write_anchor(tmp_path / "not mounted", head)
    with pytest.raises(ConfigurationError, match="anchors_directory"):
        read_newest_anchor(tmp_path / "not mounted")


def test_a_rotated_key_signs_on(database: Database, keyring: FileKeyring, keys_directory: Path) -> None:
    """Heads of the old and of the new key stand in one chain; a foreign key does not verify it."""
    write(database, keyring)
    add_key_version(keys_directory, KeyName.LEDGER)
    rotated = FileKeyring.open(keys_directory)
    with database.transaction() as connection:
        Ledger(connection, rotated, clock).append(grants(1, first=100))
    with database.reading() as connection:
        assert verify(connection, rotated).heads == 3
        with pytest.raises(LedgerBrokenError, match="entry 11: its head was not signed"):
            verify(connection, keyring)


def test_signing_again_changes_nothing(database: Database, keyring: FileKeyring) -> None:
    """A head that is there is returned as it is."""
    with database.transaction() as connection:
        assert Ledger(connection, keyring, clock).sign_head() is None
    write(database, keyring)
    with database.transaction() as connection:
        book = Ledger(connection, keyring, clock)
        assert book.sign_head() == book.sign_head()
        assert connection.scalar(select(func.count()).select_from(ledger_head)) == 2


def test_the_export_is_every_entry(database: Database, keyring: FileKeyring) -> None:
    """One line each, oldest first, readable without our program; from a place on when asked."""
    write(database, keyring)
    stream = io.StringIO()
    with database.reading() as connection:
        assert export_entries(connection, stream) == 11
        lines = [json.loads(line) for line in stream.getvalue().splitlines()]
        assert [line["sequence"] for line in lines] == list(range(11))
        assert lines[1]["body"] == {"subject": "sx000000", "岗位": "经办"}
        assert [line["previous"] for line in lines[1:]] == [line["hash"] for line in lines[:-1]]
        assert export_entries(connection, io.StringIO(), after=7) == 3


def test_what_no_entry_can_hold(sqlite_database: Database, keyring: FileKeyring) -> None:
    """SQLite keeps anything in any column: that too is found, not a crash."""
    write(sqlite_database, keyring)
    for statement in (
        "UPDATE ledger SET at = 'yesterday' WHERE sequence = 4",
        "UPDATE ledger SET body = x'00' WHERE sequence = 4",
        "UPDATE ledger_head SET signature = 'text' WHERE sequence = 10",
        "UPDATE ledger_head SET at = 'yesterday' WHERE sequence = 10",
    ):
        with sqlite_database.engine.connect() as connection:
            connection.execute(text(statement))
            with pytest.raises(LedgerBrokenError):
                verify(connection, keyring)
            connection.rollback()
    with sqlite_database.reading() as connection:
        assert verify(connection, keyring).entries == 11
