"""The store on SQLite and on PostgreSQL: schema, transactions and faults."""

from __future__ import annotations

import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from deploy.local.postgres import LocalPostgres
from sqlalchemy import bindparam, event, insert, select, text, update

from fixtures.servers_postgres import SETTLED
from quanheng.errors import ConfigurationError, IntegrityError, UnreachableError
from quanheng.store import tables
from quanheng.store.database import (
    Database,
    migrate,
    newest_revision,
    open_database,
    require_migrated,
    schema_revision,
    upsert,
)
from quanheng.store.faults import StoreBusyError, StoreConflictError, StoreFullError


def test_the_migrations_make_the_tables(database: Database) -> None:
    """What the migrations create is what the code expects, in every column and index."""
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []


def test_migrating_again_changes_nothing(database: Database) -> None:
    """A store that is up to date is left alone."""
    migrate(database.engine)
    with database.reading() as connection:
        assert newest_revision() == schema_revision(connection)
        require_migrated(connection)


def test_several_may_migrate_at_once(empty_postgres_url: str, tmp_path: Path) -> None:
    """Two processes that start together do not both create the tables."""
    for url in (empty_postgres_url, f"sqlite:///{tmp_path / 'new.db'}"):
        with open_database(url, clock=lambda: SETTLED) as database:
            with ThreadPoolExecutor(3) as pool:
                assert list(pool.map(migrate, [database.engine] * 3)) == [None] * 3
            with database.reading() as connection:
                require_migrated(connection)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_who_was_given_back_before_is_known(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """In a store of before 0006: whose account counts from later than the day on which they came."""
    sqlite = kind == "sqlite"
    url = f"sqlite:///{tmp_path / 'old.db'}" if sqlite else request.getfixturevalue("empty_postgres_url")
    with open_database(url, clock=lambda: SETTLED) as database:
        migrate(database.engine, "0005")
        with database.transaction() as connection:
            for number, days in enumerate((0, 40)):
                made: dict[str, Any] = {
                    "id": f"p{number}",
                    "serial": number,
                    "document_sealed": b"",
                    "phone_sealed": b"",
                    "created_at": SETTLED,
                }
                texts = ("username", "subject", "document_index", "phone_index", "name", "staff_no")
                connection.execute(insert(tables.person).values(made | dict.fromkeys(texts, f"t{number}")))
                values = "VALUES (:who, :who, true, :start)"
                connection.execute(
                    text(
                        f"INSERT INTO account (person_id, keycloak_id, enabled_written, counts_from) {values}"
                    ).bindparams(bindparam("start", type_=tables.Instant())),
                    {"who": f"p{number}", "start": SETTLED + timedelta(days=days)},
                )
        migrate(database.engine)
        query = select(tables.account.c.given_back).order_by(tables.account.c.person_id)
        with database.reading() as connection:
            assert connection.execute(query).scalars().all() == [False, True]


def test_a_store_without_tables_is_refused(tmp_path: Path) -> None:
    """A new store has to be migrated before it is used."""
    with (
        open_database(f"sqlite:///{tmp_path / 'new.db'}", clock=lambda: SETTLED) as database,
        pytest.raises(ConfigurationError, match="schema"),
        database.reading() as connection,
    ):
        require_migrated(connection)


def test_a_store_of_a_newer_version_is_refused(database: Database) -> None:
    """An older program does not touch what a newer one has written."""
    with database.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match="newer version"):
        migrate(database.engine)


def test_an_exception_undoes_the_transaction(database: Database) -> None:
    """All of a transaction or nothing of it."""

    class OnPurposeError(Exception):
        pass

    def break_off() -> None:
        with database.transaction() as connection:
            connection.execute(insert(tables.meta).values(key="a", value="1"))
            raise OnPurposeError

    with pytest.raises(OnPurposeError):
        break_off()
    with database.reading() as connection:
        assert connection.execute(select(tables.meta)).all() == []


def test_a_reading_sees_one_state(database: Database) -> None:
    """What another writes during a reading is not seen by it, and it does not wait."""
    with database.reading() as reader:
        assert reader.execute(select(tables.meta)).all() == []
        with database.transaction() as writer:
            writer.execute(insert(tables.meta).values(key="a", value="1"))
        assert reader.execute(select(tables.meta)).all() == []
    with database.reading() as reader:
        assert reader.execute(select(tables.meta)).all() == [("a", "1")]


def test_times_come_back_aware(database: Database) -> None:
    """To the microsecond, in UTC; a naive time does not get in."""
    moment = datetime(2024, 5, 1, 8, 0, 0, 123456, tzinfo=UTC)
    with database.transaction() as connection:
        connection.execute(insert(tables.seen_event).values(id="1", at=moment))
        assert moment == connection.scalar(select(tables.seen_event.c.at))


def test_upsert_overwrites_all_but_what_it_keeps(database: Database) -> None:
    """A row that is there is changed, a new one inserted; kept columns keep their value."""
    row = {"realm": "r", "holder": "first", "token": "t1", "until": SETTLED}
    with database.transaction() as connection:
        upsert(connection, tables.lease, [row])
        upsert(connection, tables.lease, [row | {"holder": "second", "token": "t2"}], keep=["token"])
        upsert(connection, tables.lease, [])
        assert connection.execute(select(tables.lease)).all() == [("r", "second", "t1", SETTLED)]


def test_a_conflict_tells_no_value(database: Database) -> None:
    """The drivers quote rows in their messages; ours do not."""
    person = {
        "id": "a",
        "serial": 1,
        "username": "zhangsan",
        "subject": "s1",
        "document_index": "d",
        "phone_index": "p",
        "name": "张三丰",
        "staff_no": "7",
        "document_sealed": b"x",
        "phone_sealed": b"y",
        "created_at": SETTLED,
    }

    def insert_twice() -> None:
        with database.transaction() as connection:
            connection.execute(insert(tables.person).values(person))
            connection.execute(insert(tables.person).values(person | {"id": "b"}))

    with pytest.raises(StoreConflictError) as conflict:
        insert_twice()
    assert "张三丰" not in repr(conflict.value)
    assert "zhangsan" not in str(conflict.value)
    assert conflict.value.__suppress_context__


def lose_connection(database: Database) -> None:
    """Have the server end the connection in the middle of a transaction."""
    with database.transaction() as connection:
        own = connection.scalar(text("SELECT pg_backend_pid()"))
        with database.engine.connect() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": own})
        connection.execute(select(tables.meta))


def test_a_server_that_is_gone(postgres_url: str, postgres: LocalPostgres) -> None:
    """No server, no database and no such user each say what to do."""
    with (
        open_database("postgresql://postgres@/none?host=/nowhere", clock=lambda: SETTLED) as absent,
        pytest.raises(UnreachableError, match="does not answer"),
        absent.transaction(),
    ):
        pass
    with (
        open_database(postgres.url("no_such_database"), clock=lambda: SETTLED) as misnamed,
        pytest.raises(UnreachableError),
        misnamed.transaction(),
    ):
        pass
    with open_database(postgres_url, clock=lambda: SETTLED) as database:
        with pytest.raises(UnreachableError, match="does not answer"):
            lose_connection(database)
        with database.transaction() as connection:
            assert connection.scalar(text("SELECT 1")) == 1


def test_a_url_of_another_kind_is_refused() -> None:
    """Only the two databases that are tested."""
    for url in ("mysql://a/b", "nonsense"):
        with pytest.raises(ConfigurationError, match="store_url"):
            open_database(url, clock=lambda: SETTLED)


def test_a_store_that_another_writes(database: Database, store_url: str) -> None:
    """A writer that waited in vain says where to look."""
    with database.transaction() as connection:
        connection.execute(insert(tables.meta).values(key="a", value="1"))

    def overwrite() -> None:
        with (
            open_database(store_url, clock=lambda: SETTLED, wait_seconds=0.01) as other,
            other.transaction() as second,
        ):
            second.execute(update(tables.meta).values(value="2"))

    with database.transaction() as connection:
        connection.execute(update(tables.meta).values(value="3"))
        with pytest.raises(StoreBusyError, match="quanheng status"):
            overwrite()


class TestSqlite:
    """What holds of the file."""

    def test_the_file_is_private(self, tmp_path: Path) -> None:
        """The store and its write-ahead log may be read by their owner only."""
        file = tmp_path / "quanheng.db"
        file.touch(mode=0o644)
        with open_database(f"sqlite:///{file}", clock=lambda: SETTLED) as database:
            migrate(database.engine)
            with database.transaction() as connection:
                connection.execute(insert(tables.meta).values(key="a", value="1"))
                modes = {stat.S_IMODE(found.stat().st_mode) for found in tmp_path.iterdir()}
                assert {0o600} == modes

    def test_it_is_durable_and_concurrent(self, sqlite_database: Database) -> None:
        """The write-ahead log, full synchronisation and foreign keys are on."""
        with sqlite_database.reading() as connection:
            assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
            assert connection.scalar(text("PRAGMA synchronous")) == 2
            assert connection.scalar(text("PRAGMA foreign_keys")) == 1

    def test_threads_take_turns(self, tmp_path: Path) -> None:
        """A thread that waits for another's transaction begins none meanwhile, and gives up in time."""
        begun: list[str] = []
        with open_database(
            f"sqlite:///{tmp_path}/q.db", clock=lambda: SETTLED, wait_seconds=0.05
        ) as database:
            event.listen(database.engine, "begin", lambda _connection: begun.append("begun"))

            def write() -> None:
                with database.transaction():
                    pass

            with ThreadPoolExecutor() as threads:
                with database.transaction():
                    late = threads.submit(write).exception(10)
                    assert isinstance(late, StoreBusyError)
                    assert begun == ["begun"]
                threads.submit(write).result(10)
            assert begun == ["begun"] * 2

    def test_a_full_disk(self, sqlite_database: Database) -> None:
        """A full disk undoes the transaction and says so."""

        def fill() -> None:
            with sqlite_database.transaction() as connection:
                pages = connection.scalar(text("PRAGMA page_count"))
                connection.execute(text(f"PRAGMA max_page_count = {pages}"))
                connection.execute(insert(tables.meta).values(key="big", value="x" * 100_000))

        with pytest.raises(StoreFullError, match="make room"):
            fill()
        with sqlite_database.reading() as connection:
            assert connection.execute(select(tables.meta)).all() == []

    def test_a_file_that_is_no_database(self, tmp_path: Path) -> None:
        """A damaged store is not mistaken for a new one."""
        file = tmp_path / "quanheng.db"
        file.write_bytes(b"no database at all" * 100)
        with (
            open_database(f"sqlite:///{file}", clock=lambda: SETTLED) as database,
            pytest.raises(IntegrityError, match="restore"),
        ):
            migrate(database.engine)

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        """A mistyped path is told before anything else."""
        with pytest.raises(ConfigurationError, match="store_url"):
            open_database(f"sqlite:///{tmp_path / 'none' / 'quanheng.db'}", clock=lambda: SETTLED)

    def test_killed_in_a_transaction(self, sqlite_database: Database, sqlite_url: str) -> None:
        """A process killed in the middle leaves nothing of its transaction."""
        program = (
            "import os, sys\n"
            "from datetime import UTC, datetime\n"
            "from sqlalchemy import insert\n"
            "from quanheng.store import tables\n"
            "from quanheng.store.database import open_database\n"
            "with open_database(sys.argv[1], clock=lambda: datetime.now(UTC)).transaction() as c:\n"
            "    c.execute(insert(tables.meta).values(key='a', value='1'))\n"
            "    os.kill(os.getpid(), 9)\n"
        )
        done = subprocess.run([sys.executable, "-c", program, sqlite_url], check=False)
        assert done.returncode == -9
        with sqlite_database.transaction() as connection:
            assert connection.execute(select(tables.meta)).all() == []


_VISITOR: Final = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("PRAGMA journal_mode=WAL")
connection.execute("create table if not exists visited (at text)")
connection.commit()
connection.close()
"""


def test_opening_it_again_loses_no_lock(tmp_path: Path) -> None:
    """A second context of one process does not let a command beside it remove the log that both write to."""
    file = tmp_path / "store.db"
    url = f"sqlite:///{file}"
    log = file.with_name("store.db-wal")
    with open_database(url, clock=lambda: SETTLED) as daemon:
        migrate(daemon.engine)
        with daemon.reading() as connection:
            connection.execute(text("select count(*) from meta")).scalar_one()
        with open_database(url, clock=lambda: SETTLED) as again, again.reading() as connection:
            connection.execute(text("select count(*) from meta")).scalar_one()
        before = log.stat().st_ino
        subprocess.run([sys.executable, "-c", _VISITOR, str(file)], check=True)
        assert log.exists()
        assert log.stat().st_ino == before
