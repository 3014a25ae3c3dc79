"""Changing keys under a store that is in use, and being killed while at it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from fixtures.servers_postgres import SETTLED
from fixtures.stores import put_people
from quanheng.errors import ConfigurationError, IntegrityError
from quanheng.identity.keys import (
    FileKeyring,
    KeyName,
    add_key_version,
    generate_keys,
    key_file,
    key_versions,
)
from quanheng.identity.sealed import document_index, open_document, open_phone, sealed_context
from quanheng.model.ids import PersonId, SourceId
from quanheng.model.person import ProposalKind
from quanheng.model.sensitive import Sensitive
from quanheng.model.staff import Document, Origin, Reason, RejectedRow
from quanheng.store.database import Database
from quanheng.store.lease import Lease, LeaseLostError
from quanheng.store.meta import read_number
from quanheng.store.quarantine import read_quarantine, replace, reveal
from quanheng.store.rotation import open_keyring, require_index_key, rotate_data, rotate_index
from quanheng.store.tables import person, plan, proposal, quarantine


@pytest.fixture
def lease(database: Database) -> Iterator[Lease]:
    """The right to write."""
    with Lease.acquire(database, "shanxi", "test", database.clock) as held:
        yield held


def rejected(document: Document) -> RejectedRow:
    """A rejected row whose person could be told."""
    return RejectedRow(
        origin=Origin(SourceId("hr"), "people.csv:2"),
        reason=Reason.BAD_PHONE,
        field="联系电话",
        value_kind="5 digits",
        remedy="enter the person's own phone",
        original=Sensitive("张三,12345"),
        document=document,
    )


def indexes(database: Database) -> list[str]:
    """Document indexes by serial."""
    with database.reading() as connection:
        return list(connection.execute(select(person.c.document_index).order_by(person.c.serial)).scalars())


def test_the_index_key_is_rotated(database: Database, keys_directory: Path, lease: Lease) -> None:
    """Everybody is found with the new key, the old one is gone, plans made before do not apply."""
    old = open_keyring(database, keys_directory)
    documents = put_people(database, old, 20, SETTLED)
    with database.transaction() as connection:
        replace(connection, old, SourceId("hr"), [rejected(documents[0])], SETTLED)
        revision = read_number(connection, "revision", 0)
    new = rotate_index(database, keys_directory, lease)
    assert key_versions(keys_directory, KeyName.INDEX) == (2,)
    assert indexes(database) == [document_index(new, document) for document in documents]
    with database.transaction() as connection:
        require_index_key(connection, new)
        with pytest.raises(IntegrityError, match="not the keys"):
            require_index_key(connection, old)
        assert read_number(connection, "revision", 0) == revision + 1
        (listed,) = read_quarantine(connection)
        assert reveal(connection, new, listed.key) == Sensitive("张三,12345")
        assert connection.scalar(select(quarantine.c.document_index)) == document_index(new, documents[0])
        later = database.clock()
        replace(connection, new, SourceId("hr"), [rejected(documents[0])], later)
        assert read_quarantine(connection)[0].first_seen == listed.first_seen
        assert read_quarantine(connection)[0].key == listed.key


def test_approvals_outlive_a_rotation(database: Database, keys_directory: Path, lease: Lease) -> None:
    """Who was approved as an administrator stays so; what is open comes again."""
    old = open_keyring(database, keys_directory)
    put_people(database, old, 2, SETTLED)

    def row(kind: ProposalKind, key: str, state: str) -> dict[str, object]:
        return {
            "key": key,
            "kind": kind.value,
            "subject": "S000002",
            "summary": "…",
            "area": "140902",
            "post": "system_admin",
            "origin": "hr people.csv:2",
            "proposer": "source:hr",
            "state": state,
            "created_at": SETTLED,
        }

    with database.transaction() as connection:
        connection.execute(
            insert(proposal),
            [
                row(ProposalKind.GUARDED_POST, "approved post", "approved"),
                row(ProposalKind.GUARDED_POST, "open post", "open"),
                row(ProposalKind.STAFF_NO_MOVED, "open", "open"),
                row(ProposalKind.UNSAFE_PLAN, "plan", "open"),
            ],
        )
    rotate_index(database, keys_directory, lease)
    with database.reading() as connection:
        rows = connection.execute(select(proposal.c.key, proposal.c.state)).all()
        found = {row.key: row.state for row in rows}
    assert found == {"approved post": "approved", "open post": "open", "plan": "open"}


def test_the_data_key_is_rotated(database: Database, keys_directory: Path, lease: Lease) -> None:
    """Every sealed value is encrypted anew, and opens without the old key."""
    old = open_keyring(database, keys_directory)
    documents = put_people(database, old, 20, SETTLED)
    context = sealed_context("plan", "body_sealed", "d" * 64)
    with database.transaction() as connection:
        replace(connection, old, SourceId("hr"), [rejected(documents[0])], SETTLED)
        body = old.encrypt(b"a plan", context=context)
        connection.execute(
            insert(plan).values(
                digest="d" * 64,
                state="proposed",
                planner="somebody",
                created_at=SETTLED,
                base_revision=1,
                unsafe=[],
                body_sealed=body,
            )
        )
    rotate_data(database, keys_directory, lease)
    key_file(keys_directory, KeyName.DATA, 1).unlink()
    new = open_keyring(database, keys_directory)
    with database.reading() as connection:
        rows = connection.execute(select(person).order_by(person.c.serial)).all()
        assert [open_document(new, PersonId(row.id), row.document_sealed) for row in rows] == list(documents)
        assert all(open_phone(new, PersonId(row.id), row.phone_sealed) for row in rows)
        assert new.decrypt(connection.scalar(select(plan.c.body_sealed)) or b"", context=context) == b"a plan"
        (listed,) = read_quarantine(connection, county=None)
        assert reveal(connection, new, listed.key) == Sensitive("张三,12345")


def test_the_keys_of_another_store_are_refused(
    database: Database, keys_directory: Path, tmp_path: Path
) -> None:
    """With them everybody would be created a second time; also when the store recorded no key yet."""
    generate_keys(tmp_path / "other")
    put_people(database, FileKeyring.open(keys_directory), 3, SETTLED)
    with pytest.raises(IntegrityError):
        open_keyring(database, tmp_path / "other")
    keyring = open_keyring(database, keys_directory)
    with pytest.raises(IntegrityError, match="not the keys"):
        open_keyring(database, tmp_path / "other")
    assert open_keyring(database, keys_directory).index("d", "v") == keyring.index("d", "v")
    with pytest.raises(ConfigurationError, match="is not there"):
        open_keyring(database, tmp_path / "none")


def test_who_lost_the_lease_rotates_nothing(database: Database, keys_directory: Path) -> None:
    """The keys stay as they were."""
    lost = Lease.acquire(database, "shanxi", "test", database.clock)
    lost.release()
    open_keyring(database, keys_directory)
    for rotate in (rotate_index, rotate_data):
        with pytest.raises(LeaseLostError):
            rotate(database, keys_directory, lost)
    assert len(list(keys_directory.iterdir())) == 3


def test_a_leftover_key_does_no_harm(database: Database, keys_directory: Path, lease: Lease) -> None:
    """A rotation killed before its commit leaves a key that is not used, and the next one clears it."""
    old = open_keyring(database, keys_directory)
    documents = put_people(database, old, 3, SETTLED)
    add_key_version(keys_directory, KeyName.INDEX)
    assert open_keyring(database, keys_directory).index_version == 1
    new = rotate_index(database, keys_directory, lease)
    assert key_versions(keys_directory, KeyName.INDEX) == (new.index_version,)
    assert indexes(database) == [document_index(new, document) for document in documents]


ROTATE_AND_DIE = """
import os, sys
from pathlib import Path
from quanheng.clock import system_clock
from quanheng.store.database import open_database
from quanheng.store.holder import this_process
from quanheng.store.lease import Lease
from quanheng.store.rotation import rotate_index

url, directory = sys.argv[1:]

def die_at(step):
    # Python reports each file operation before it happens.
    left = step
    def hook(event, arguments):
        nonlocal left
        files = ("open", "os.link", "os.remove", "os.listdir", "os.scandir")
        if event in files and directory in repr(arguments):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), 9)
    sys.addaudithook(hook)

step, status = 0, 9
while status == 9:
    step += 1
    child = os.fork()
    if not child:
        database = open_database(url, clock=system_clock)
        lease = Lease.acquire(database, "shanxi", this_process(), system_clock)
        die_at(step)
        rotate_index(database, Path(directory), lease)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    print(step, status, flush=True)
    sys.stdin.readline()
"""


def test_killed_at_any_file_of_a_rotation(
    sqlite_database: Database, sqlite_url: str, keys_directory: Path
) -> None:
    """Wherever it is killed, the folder holds the key that the store was indexed with."""
    documents = put_people(sqlite_database, open_keyring(sqlite_database, keys_directory), 3, SETTLED)
    versions = set()
    with subprocess.Popen(
        [sys.executable, "-c", ROTATE_AND_DIE, sqlite_url, str(keys_directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line in process.stdout:
            keyring = open_keyring(sqlite_database, keys_directory)
            versions.add(keyring.index_version)
            found = [document_index(keyring, document) for document in documents]
            assert indexes(sqlite_database) == found, line
            process.stdin.write("go on\n")
            process.stdin.flush()
    assert process.returncode == 0
    assert len(versions) > 2  # killed before and after the commit
