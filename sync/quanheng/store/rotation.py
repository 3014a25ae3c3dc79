"""Changing the keys under a store that is in use.

*Data*: the new version encrypts from now on; :func:`reseal` encrypts what is there again. *Ledger*:
the new version signs from now on; earlier versions still verify. *Index*: every index changes at
once, in one transaction, which also records which key it was; a crash before or after it leaves two
index keys in the folder, and the record tells which of them to keep.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, LargeBinary, Table, and_, bindparam, delete, select, update

from quanheng.errors import IntegrityError
from quanheng.identity.files import sync_directory
from quanheng.identity.index_key import IndexKey
from quanheng.identity.keys import (
    FileKeyring,
    KeyName,
    add_key_version,
    key_file,
    key_versions,
    read_index_keys,
)
from quanheng.identity.port import Indexer, Keyring
from quanheng.identity.sealed import (
    document_index,
    open_document,
    open_phone,
    phone_index,
    sealed_context,
)
from quanheng.model.ids import PersonId
from quanheng.model.person import ProposalKind, ProposalState
from quanheng.store.database import Database
from quanheng.store.lease import Lease
from quanheng.store.meta import read_text, write_text
from quanheng.store.quarantine import open_original, row_key, seal_original
from quanheng.store.registry import raise_revision
from quanheng.store.tables import metadata, person, proposal, quarantine

_INDEX_KEY: Final = "index_key"
"""Entry of ``meta``: an index of nothing, which tells keys apart and betrays nothing of them."""


def open_keyring(database: Database, directory: Path) -> FileKeyring:
    """Open the keys that belong to this store, also while or after its index key is rotated.

    Raises :class:`ConfigurationError` for missing or readable keys, and :class:`IntegrityError` when
    they are the keys of another store: with them, everybody would be created a second time.
    """
    with database.reading() as connection:
        if read_text(connection, _INDEX_KEY) is not None:
            return require_keys(connection, directory)
    # Only the first opening writes: what the keys of this store are.
    with database.transaction() as connection:
        return require_keys(connection, directory)


class StoreIndexKey:
    """The index key that this store was indexed with, also after another process has rotated it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known: tuple[str, IndexKey] | None = None

    def read(self, connection: Connection) -> IndexKey:
        """The key for what this transaction sees. Raises :class:`ConfigurationError` when there is none to
        read, and :class:`IntegrityError` when they are the keys of another store."""
        recorded = read_text(connection, _INDEX_KEY)
        if recorded is None:
            raise _wrong_keys()
        if self._known is None or self._known[0] != recorded:
            key = next((k for k in read_index_keys(self._directory) if _fingerprint(k) == recorded), None)
            if key is None:
                raise _wrong_keys()
            self._known = (recorded, key)
        return self._known[1]


def require_keys(connection: Connection, directory: Path) -> FileKeyring:
    """As :func:`open_keyring`, within the caller's transaction."""
    versions = key_versions(directory, KeyName.INDEX) if directory.is_dir() else ()
    if len(versions) < 2:
        keyring = FileKeyring.open(directory)
        require_index_key(connection, keyring)
        return keyring
    recorded = read_text(connection, _INDEX_KEY)
    for version in versions:
        keyring = FileKeyring.open(directory, index_version=version)
        if _fingerprint(keyring) == recorded:
            return keyring
    raise _wrong_keys()


def require_index_key(connection: Connection, keyring: Keyring) -> None:
    """Raise :class:`IntegrityError` unless the store was indexed with this key.

    Cheap: call it at the start of each writing run, after the lease was taken, so that a process
    that slept through a rotation does not go on with the old key. A new store records the key.
    """
    recorded = read_text(connection, _INDEX_KEY)
    if recorded is None:
        row = connection.execute(
            select(person.c.id, person.c.document_sealed, person.c.document_index)
        ).first()
        if row is not None:
            document = open_document(keyring, PersonId(row.id), row.document_sealed)
            if document_index(keyring, document) != row.document_index:
                raise _wrong_keys()
        write_text(connection, _INDEX_KEY, _fingerprint(keyring))
    elif recorded != _fingerprint(keyring):
        raise _wrong_keys()


def rotate_index(database: Database, directory: Path, lease: Lease) -> FileKeyring:
    """Make a new index key, index everybody anew, forget the old key; returns the new keyring.

    Plans made before no longer apply. Proposals about people whom the registry does not know yet are
    dropped and come again with the next reading. Killed at any point, both keys are in the folder,
    :func:`open_keyring` takes the right one, and the next rotation clears the other away.
    """
    lease.renew()
    old = open_keyring(database, directory)
    _forget_other_index_keys(directory, old)
    version = add_key_version(directory, KeyName.INDEX)
    new = FileKeyring.open(directory, index_version=version)
    with database.transaction() as connection:
        lease.assert_held(connection)
        require_index_key(connection, old)
        _index_people(connection, old, new)
        _drop_disputes(connection)
        _index_quarantine(connection, old, new)
        raise_revision(connection)
        write_text(connection, _INDEX_KEY, _fingerprint(new))
    _forget_other_index_keys(directory, new)
    return new


def _forget_other_index_keys(directory: Path, kept: FileKeyring) -> None:
    """Only the holder of the lease may: another's key may be about to be the store's."""
    for version in key_versions(directory, KeyName.INDEX):
        if version != kept.index_version:
            key_file(directory, KeyName.INDEX, version).unlink()
    sync_directory(directory)


def rotate_data(database: Database, directory: Path, lease: Lease) -> FileKeyring:
    """Make a new data key and encrypt every value with it; returns the new keyring.

    The old version stays in the folder. Killed in between, nothing is lost, and it can be run again.
    """
    lease.renew()
    add_key_version(directory, KeyName.DATA)
    keyring = open_keyring(database, directory)
    with database.transaction() as connection:
        lease.assert_held(connection)
        reseal(connection, keyring)
    return keyring


def reseal(connection: Connection, keyring: Keyring) -> int:
    """Encrypt every ``_sealed`` column again with the newest data key; returns how many values."""
    count = 0
    for table in metadata.sorted_tables:
        for column in table.c:
            if isinstance(column.type, LargeBinary) and column.name.endswith("_sealed"):
                count += _reseal_column(connection, keyring, table, column.name)
    return count


def _reseal_column(connection: Connection, keyring: Keyring, table: Table, column: str) -> int:
    keys = list(table.primary_key)
    rows = connection.execute(select(*keys, table.c[column]).where(table.c[column].is_not(None))).all()
    changes: list[dict[str, Any]] = []
    for *key, sealed in rows:
        context = sealed_context(table.name, column, *(str(part) for part in key))
        fresh = keyring.encrypt(keyring.decrypt(sealed, context=context), context=context)
        changes.append({f"key_{place}": part for place, part in enumerate(key)} | {"fresh": fresh})
    if changes:
        same = and_(*(part == bindparam(f"key_{place}") for place, part in enumerate(keys)))
        connection.execute(update(table).where(same).values({column: bindparam("fresh")}), changes)
    return len(changes)


def _index_people(connection: Connection, old: Keyring, new: Keyring) -> None:
    """Give everybody new indexes."""
    columns = (person.c.id, person.c.document_index, person.c.document_sealed, person.c.phone_sealed)
    changes: list[dict[str, str]] = []
    for id_, old_index, document_sealed, phone_sealed in connection.execute(select(*columns)).all():
        document = open_document(old, id_, document_sealed)
        if document_index(old, document) != old_index:
            raise IntegrityError(
                f"person {id_}: the document is not the one that was indexed",
                remedy="restore the store and its keys from the backup",
            )
        phone = phone_index(new, open_phone(old, id_, phone_sealed))
        changes.append({"person": id_, "document": document_index(new, document), "phone": phone})
    if changes:
        connection.execute(
            update(person)
            .where(person.c.id == bindparam("person"))
            .values(document_index=bindparam("document"), phone_index=bindparam("phone")),
            changes,
        )


def _drop_disputes(connection: Connection) -> None:
    """Open proposals about documents and staff numbers are named by indexes that are gone.

    The next reading proposes them again. Posts are proposed by person, which stays.
    """
    disputes = (ProposalKind.DOCUMENT_CHANGED, ProposalKind.STAFF_NO_MOVED)
    connection.execute(
        delete(proposal).where(
            proposal.c.state == ProposalState.OPEN, proposal.c.kind.in_([str(kind) for kind in disputes])
        )
    )


def _index_quarantine(connection: Connection, old: Keyring, new: Keyring) -> None:
    repeats: Counter[str] = Counter()
    changes: list[dict[str, Any]] = []
    table = quarantine
    rows = connection.execute(
        select(table.c.key, table.c.source, table.c.reason, table.c.original_sealed).order_by(table.c.locator)
    ).all()
    for row in rows:
        original, document = open_original(old, row.key, row.original_sealed)
        key = row_key(new, source=row.source, reason=row.reason, original=original, repeats=repeats)
        changes.append(
            {
                "old": row.key,
                "new": key,
                "document": None if document is None else document_index(new, document),
                "sealed": seal_original(new, key, original, document),
            }
        )
    if changes:
        connection.execute(
            update(table)
            .where(table.c.key == bindparam("old"))
            .values(
                key=bindparam("new"),
                document_index=bindparam("document"),
                original_sealed=bindparam("sealed"),
            ),
            changes,
        )


def _fingerprint(indexer: Indexer) -> str:
    return indexer.index("index key of this store", "")


def _wrong_keys() -> IntegrityError:
    return IntegrityError(
        "these are not the keys that the store was indexed with",
        remedy="check keys_directory; after a rotation start the daemon again; "
        "else restore the keys from the backup",
    )
