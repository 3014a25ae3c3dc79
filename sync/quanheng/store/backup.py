"""One file that brings back the store and its keys on another machine and another database.

Inside the encryption (:mod:`quanheng.store.archive`) are compressed lines of JSON: a header, the
key files, each table with its columns and rows, and at the end a count and a digest of all before.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.hashes import SM3, Hash
from sqlalchemy import (
    Column,
    Connection,
    Date,
    DateTime,
    LargeBinary,
    Table,
    TypeDecorator,
    delete,
    insert,
    select,
)

from quanheng.clock import Clock
from quanheng.errors import ConfigurationError, IntegrityError, LeaseHeldError, RefusedError, UnreachableError
from quanheng.identity.files import sync_directory, write_private
from quanheng.identity.keys import is_key_file, read_key_files
from quanheng.model.sensitive import Sensitive
from quanheng.store.archive import SealedWriter, read_sealed
from quanheng.store.database import Database, migrate, newest_revision, require_migrated
from quanheng.store.holder import is_gone
from quanheng.store.restored import mark_restored
from quanheng.store.rotation import open_keyring, require_index_key, require_keys
from quanheng.store.tables import lease, metadata

_FORMAT: Final = 1
_ROWS_AT_ONCE: Final = 1000
_PASSING: Final = tuple(
    table for table in metadata.sorted_tables if table is lease or table.info.get("passing")
)
"""A lease belongs to a process that is gone when its row comes back. Logins under way are over by then, and
the bridge's signing keys are wrapped in a key that is in no backup: it makes itself another."""
_TABLES: Final = tuple(table for table in metadata.sorted_tables if table not in _PASSING)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupReport:
    """What a backup holds."""

    made_at: datetime
    rows: int
    key_files: int


def backup(database: Database, keys_directory: Path, to: Path, passphrase: Sensitive) -> BackupReport:
    """Write store and keys, as they are at one moment, to a new file (mode 0600).

    The file appears when it is complete and on the disk, or not at all. Others may go on writing.
    Raises :class:`ConfigurationError` when there is such a file, :class:`UnreachableError` when the
    disk is full, and :class:`IntegrityError` when the keys are not those of the store.
    """
    if to.exists():
        raise ConfigurationError(f"{to}: is there already", remedy="name another file")
    keyring = open_keyring(database, keys_directory)
    made_at = database.clock()
    temporary = to.with_name(f".{to.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as stream, database.reading() as connection:
                require_migrated(connection)
                require_index_key(connection, keyring)
                keys = read_key_files(keys_directory)
                rows = _write(SealedWriter(stream, passphrase), connection, keys, made_at)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.rename(to)
        finally:
            temporary.unlink(missing_ok=True)
        sync_directory(to.parent)
    except OSError as error:
        raise UnreachableError(
            f"{to}: the backup cannot be written: {error.strerror}",
            remedy="make room there, or name another place; no part of a backup was left",
        ) from None
    return BackupReport(made_at=made_at, rows=rows, key_files=len(keys))


def restore(
    archive: Path, database: Database, keys_directory: Path, passphrase: Sensitive, *, force: bool = False
) -> BackupReport:
    """Bring back store and keys; on either database, whichever the backup was made from.

    The store changes in one transaction, after everything was read and its digest compared. Key
    files that are in the way are renamed to ``….before-restore-<time>``, never overwritten.

    Raises :class:`RefusedError` when the store or the folder holds something and ``force`` is not
    given, :class:`LeaseHeldError` when somebody writes to the store, :class:`ConfigurationError` when
    the backup is of another version, and :class:`IntegrityError` when it is not as it was written.
    """
    migrate(database.engine)
    try:
        stream = archive.open("rb")
    except OSError as error:
        raise ConfigurationError(
            f"{archive}: cannot be read: {error.strerror}", remedy="name a file that 'quanheng backup' wrote"
        ) from None
    with stream, database.transaction() as connection:
        _require_unused(connection, database.clock)
        _empty(connection, force=force)
        lines = _Lines(_split(read_sealed(stream, passphrase)))
        header = lines.next("header")
        if (header["format"], header["revision"]) != (_FORMAT, newest_revision()):
            raise ConfigurationError(
                f"the backup was made by another version (schema {header['revision']})",
                remedy="restore it with that version, then upgrade",
            )
        keys = {str(name): base64.b64decode(content) for name, content in header["keys"].items()}
        rows = sum(_read_table(connection, lines, table) for table in _TABLES)
        lines.end(rows)
        _restore_keys(keys, keys_directory, database.clock, force=force)
        require_keys(connection, keys_directory)
        mark_restored(connection)
    return BackupReport(made_at=datetime.fromisoformat(header["made_at"]), rows=rows, key_files=len(keys))


def _write(sealed: SealedWriter, connection: Connection, keys: dict[str, bytes], made_at: datetime) -> int:
    digest = Hash(SM3())
    compressor = zlib.compressobj()
    rows = 0

    def write(*values: object) -> None:
        line = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        digest.update(line)
        sealed.write(compressor.compress(line))

    header = {
        "format": _FORMAT,
        "revision": newest_revision(),
        "made_at": made_at.isoformat(),
        "keys": {name: base64.b64encode(content).decode() for name, content in keys.items()},
    }
    write("header", header)
    for table in _TABLES:
        write("table", {"name": table.name, "columns": [column.name for column in table.c]})
        with connection.execute(select(table).execution_options(yield_per=_ROWS_AT_ONCE)) as found:
            for row in found:
                write("row", [_to_json(value) for value in row])
                rows += 1
    write("end", {"rows": rows, "sm3": digest.copy().finalize().hex()})
    sealed.write(compressor.flush())
    sealed.finish()
    return rows


def _split(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress, and cut into lines."""
    decompressor = zlib.decompressobj()
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + decompressor.decompress(chunk)).split(b"\n")
        yield from lines
    if rest or not decompressor.eof:
        raise _damaged()


class _Lines:
    """Reads the lines back, digesting them on the way."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self._digest = Hash(SM3())
        self._ahead: tuple[str, Any, str] | None = None

    def next(self, kind: str) -> Any:
        """The value of the next line, which has to be of this kind."""
        found, value, _ = self._read()
        if found != kind:
            raise _damaged()
        return value

    def rows(self) -> Iterator[list[Any]]:
        """The values of all rows up to a line of another kind."""
        while True:
            line = self._read()
            if line[0] != "row":
                self._ahead = line
                return
            yield line[1]

    def end(self, rows: int) -> None:
        """Check count and digest, and that nothing follows."""
        kind, value, digest = self._read()
        if kind != "end" or value != {"rows": rows, "sm3": digest} or next(self._lines, None) is not None:
            raise _damaged()

    def _read(self) -> tuple[str, Any, str]:
        """Kind and value of the next line, and the digest of the lines before the last one."""
        if self._ahead is not None:
            line, self._ahead = self._ahead, None
            return line
        try:
            text = next(self._lines) + b"\n"
            kind, value = json.loads(text)
        except (ValueError, StopIteration, zlib.error):
            raise _damaged() from None
        digest = self._digest.copy().finalize().hex() if kind == "end" else ""
        self._digest.update(text)
        return str(kind), value, digest


def _read_table(connection: Connection, lines: _Lines, table: Table) -> int:
    columns = list(table.c)
    if lines.next("table") != {"name": table.name, "columns": [column.name for column in columns]}:
        raise _damaged()
    count = 0
    batch: list[dict[str, Any]] = []
    for row in lines.rows():
        batch.append(
            {column.name: _from_json(column, value) for column, value in zip(columns, row, strict=True)}
        )
        count += 1
        if len(batch) == _ROWS_AT_ONCE:
            connection.execute(insert(table), batch)
            batch.clear()
    if batch:
        connection.execute(insert(table), batch)
    return count


def _to_json(value: object) -> object:
    match value:
        case datetime() | date():
            return value.isoformat()
        case bytes():
            return base64.b64encode(value).decode()
    return value


def _from_json(column: Column[Any], value: Any) -> Any:
    kind = column.type.impl_instance if isinstance(column.type, TypeDecorator) else column.type
    if value is None:
        return None
    if isinstance(kind, DateTime):
        return datetime.fromisoformat(value)
    if isinstance(kind, Date):
        return date.fromisoformat(value)
    if isinstance(kind, LargeBinary):
        return base64.b64decode(value)
    return value


def _require_unused(connection: Connection, clock: Clock) -> None:
    for row in connection.execute(select(lease).where(lease.c.until > clock())):
        if not is_gone(row.holder):
            raise LeaseHeldError(
                f"realm {row.realm}: {row.holder} writes to this store",
                remedy="stop it, then restore",
            )


def _empty(connection: Connection, *, force: bool) -> None:
    for table in metadata.sorted_tables:
        if force or table in _PASSING:
            connection.execute(delete(table))
        elif connection.execute(select(*table.primary_key).limit(1)).first() is not None:
            raise RefusedError(
                "the store is not empty; nothing was restored",
                remedy="name a new store, or give --force to replace what is in it",
            )


def _restore_keys(keys: dict[str, bytes], directory: Path, clock: Clock, *, force: bool) -> None:
    if not keys or not all(is_key_file(name) for name in keys):
        raise _damaged()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    present = read_key_files(directory)
    in_the_way = [name for name, content in present.items() if keys.get(name) != content]
    if in_the_way and not force:
        raise RefusedError(
            f"{directory}: there are other keys; nothing was restored",
            remedy="name a new folder, or give --force to set them aside",
        )
    stamp = f"{clock():%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"
    for name in in_the_way:
        (directory / name).rename(directory / f"{name}.before-restore-{stamp}")
    for name, content in keys.items():
        if present.get(name) != content:
            write_private(directory / name, content)


def _damaged() -> IntegrityError:
    return IntegrityError("the backup is not as it was written", remedy="take another backup")
