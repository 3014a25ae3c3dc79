"""Opening the store, its transactions and its schema."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Final, Self

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    URL,
    Connection,
    Engine,
    StaticPool,
    Table,
    create_engine,
    event,
    exc,
    make_url,
    text,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from quanheng.clock import Clock
from quanheng.errors import ConfigurationError
from quanheng.store.faults import BUSY, StoreBusyError, translate

WAIT_SECONDS: Final = 30.0
"""How long to wait for another writer: longer than any of our transactions takes."""
CONNECT_SECONDS: Final = 10
_READ_ONLY: Final = "quanheng_read_only"
_MIGRATION_LOCK: Final = 0x7168_6D69  # any number, the same in every process ("qhmi")


class Database:
    """The store: a SQLAlchemy engine with our transactions. Safe to share among threads."""

    def __init__(self, engine: Engine, *, clock: Clock, wait_seconds: float = WAIT_SECONDS) -> None:
        self.engine: Final = engine
        self.clock: Final = clock
        self._wait_seconds = wait_seconds
        # A writer that finds SQLite's lock taken sleeps, up to 100 ms at a time: threads take turns instead.
        self._turn: Final = Lock() if engine.dialect.name == "sqlite" else None

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One writing transaction: committed at the end of the block, undone by any exception.

        Raises :class:`UnreachableError`, :class:`StoreFullError`, :class:`StoreBusyError` and
        :class:`StoreConflictError` with remedies in place of the driver's errors.
        """
        with self._in_turn(), _translated(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        if self._turn is None:
            yield
            return
        if not self._turn.acquire(timeout=self._wait_seconds):
            raise StoreBusyError(remedy=BUSY)
        try:
            yield
        finally:
            self._turn.release()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One reading transaction that sees a single state of the store and waits for no writer."""
        options: dict[str, Any] = {_READ_ONLY: True}
        if self.engine.dialect.name == "postgresql":
            options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with (
            _translated(),
            self.engine.connect().execution_options(**options) as connection,
            connection.begin() as transaction,
        ):
            yield connection
            transaction.rollback()

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_database(url: str, *, clock: Clock, wait_seconds: float = WAIT_SECONDS) -> Database:
    """Open the store at ``sqlite:///file.db`` or ``postgresql://user@host/name``.

    Nothing is read or created in it yet: call :func:`migrate`. The file of a SQLite store is made
    with mode 0600. ``sqlite://`` (in memory) is for tests of one thread. A transaction waits
    ``wait_seconds`` for another writer, then :class:`StoreBusyError`.

    Raises :class:`ConfigurationError` for any other URL, and when the file may not be used.
    """
    try:
        parsed = make_url(url)
    except exc.ArgumentError:
        raise ConfigurationError(
            "store_url is not a URL", remedy="write sqlite:///quanheng.db or postgresql://user@host/name"
        ) from None
    match parsed.get_backend_name():
        case "sqlite":
            return Database(_sqlite_engine(parsed, wait_seconds), clock=clock, wait_seconds=wait_seconds)
        case "postgresql":
            return Database(_postgresql_engine(parsed, wait_seconds), clock=clock, wait_seconds=wait_seconds)
        case other:
            raise ConfigurationError(
                f"store_url: {other} is not supported",
                remedy="write sqlite:///quanheng.db or postgresql://user@host/name",
            )


def _sqlite_engine(url: URL, wait_seconds: float) -> Engine:
    in_memory = not url.database or url.database == ":memory:"
    if url.database and not in_memory:
        _make_private(Path(url.database))
    # hide_parameters: the text of an exception must not hold names or keys.
    engine = (
        create_engine(url, hide_parameters=True, poolclass=StaticPool)
        if in_memory
        else create_engine(url, hide_parameters=True)
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # The driver's own transactions begin late and end at DDL; ours are in ``begin`` below.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={int(wait_seconds * 1000)}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA secure_delete=ON")  # what a row held does not stay in free pages
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A writer takes the lock at once: two that read first and write later could only fail.
        read_only = connection.get_execution_options().get(_READ_ONLY, False)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def _postgresql_engine(url: URL, wait_seconds: float) -> Engine:
    if url.get_driver_name() != "psycopg":
        url = url.set(drivername="postgresql+psycopg")
    return create_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "options": f"-c timezone=UTC -c lock_timeout={int(wait_seconds * 1000)}",
        },
    )


def _make_private(file: Path) -> None:
    # A store that is there is never opened and closed here: with that, this process would lose the locks of
    # every connection it has to the file (POSIX), and the next other process to close it would take itself
    # for the last one and remove the write-ahead log under us (SQLite, "How to corrupt", 2.2).
    try:
        with suppress(FileExistsError):
            os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        if file.stat().st_mode & 0o077:
            file.chmod(0o600)
    except OSError as error:
        raise _unusable(file, error.strerror or "") from None
    if not file.is_file() or not os.access(file, os.R_OK | os.W_OK):
        raise _unusable(file, "it is no file that we may read and write")


def _unusable(file: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"{file}: the store cannot be opened: {why}",
        remedy="check store_url, that its folder is there, and that it is ours",
    )


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except exc.DBAPIError as error:
        fault = translate(error)
        if fault is None:
            raise
        raise fault from None


def upsert(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    keep: Sequence[str] = (),
) -> None:
    """Insert rows; where the primary key is there already, overwrite all columns given but ``keep``."""
    if not rows:
        return
    builder = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
    statement = builder(table)
    keys = [column.name for column in table.primary_key]
    changed = {name: statement.excluded[name] for name in rows[0] if name not in keys and name not in keep}
    if changed:
        final = statement.on_conflict_do_update(index_elements=keys, set_=changed)
    else:
        final = statement.on_conflict_do_nothing(index_elements=keys)
    connection.execute(final, [dict(row) for row in rows])


def insert_new(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert a row unless its primary key is there; tells whether it was inserted. Atomic among processes."""
    builder = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
    keys = [column.name for column in table.primary_key]
    statement = builder(table).values(dict(row)).on_conflict_do_nothing(index_elements=keys)
    # Not by the count of rows: of an INSERT SQLAlchemy does not keep it on PostgreSQL, and says -1.
    returned = connection.execute(statement.returning(*table.primary_key.columns))
    return returned.first() is not None


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring the schema to this version's, or to an earlier revision; one process at a time, all or nothing.

    Raises :class:`ConfigurationError` when a newer version has written the store.
    """
    with _translated(), engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        config = _alembic_config()
        _require_known(connection, config)
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def schema_revision(connection: Connection) -> str | None:
    """The revision the store is at, or None when it is new."""
    return MigrationContext.configure(connection).get_current_revision()


def newest_revision() -> str:
    """The revision that this version needs."""
    head = ScriptDirectory.from_config(_alembic_config()).get_current_head()
    assert head is not None, "the package has migrations"  # noqa: S101 -- for mypy; tested
    return head


def require_migrated(connection: Connection) -> None:
    """Raise :class:`ConfigurationError` unless the schema is this version's."""
    if schema_revision(connection) != newest_revision():
        raise ConfigurationError(
            "the store is not at this version's schema",
            remedy="run 'quanheng status', which brings it up to date",
        )


def _require_known(connection: Connection, config: Config) -> None:
    revision = schema_revision(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision is not None and revision not in known:
        raise ConfigurationError(
            f"a newer version of quanheng has written the store (revision {revision})",
            remedy="install that version again",
        )


def _alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
