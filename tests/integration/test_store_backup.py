"""Store and keys in one file, and back from it, on and between both databases."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text

from fixtures.servers_postgres import SETTLED
from fixtures.stores import put_people
from quanheng.bridge.values import LoginId, LoginRecord
from quanheng.errors import (
    ConfigurationError,
    IntegrityError,
    LeaseHeldError,
    RefusedError,
    UnreachableError,
)
from quanheng.identity.keys import FileKeyring, KeyName, add_key_version, generate_keys, read_key_files
from quanheng.ledger.chain import Entry, Ledger
from quanheng.ledger.verify import verify
from quanheng.model.sensitive import Sensitive
from quanheng.store import tables
from quanheng.store.archive import read_passphrase
from quanheng.store.backup import backup, restore
from quanheng.store.database import Database, migrate, open_database
from quanheng.store.lease import Lease
from quanheng.store.login_records import put_record
from quanheng.store.restored import is_restored
from quanheng.store.rotation import open_keyring
from quanheng.store.tables import bridge_assertion, login_record

PASSPHRASE = Sensitive("correct horse battery")


def fill(database: Database, keys_directory: Path, people: int = 50) -> FileKeyring:
    """Something in tables of every kind of column."""
    keyring = open_keyring(database, keys_directory)
    put_people(database, keyring, people, SETTLED)
    with database.transaction() as connection:
        Ledger(connection, keyring, lambda: SETTLED).begin({"founders": ["𠮷野", "张三"]})
        Ledger(connection, keyring, lambda: SETTLED).append(
            [Entry(kind="grant", body={"n": number}, plan="p", step=number) for number in range(10)]
        )
        connection.execute(
            insert(tables.claim).values(
                source="hr",
                person_id="a",
                org="140902",
                post="",
                employment="permanent",
                status="active",
                status_from=date(2020, 2, 29),
                locator="people.csv:2",
                quarantined=True,
            )
        )
        connection.execute(insert(tables.mirror_role).values(name="经办", body={"list": [1, None, "·"]}))
        connection.execute(
            insert(tables.lease).values(realm="shanxi", holder="gone", token="t", until=SETTLED)
        )
    return keyring


def content(database: Database) -> dict[str, Sequence[Any]]:
    """Every row of every table but the lease and the mark that says that it was restored."""
    with database.reading() as connection:
        found: dict[str, Sequence[Any]] = {
            table.name: connection.execute(select(table).order_by(*table.primary_key)).all()
            for table in tables.metadata.sorted_tables
            if table is not tables.lease
        }
    return found | {"meta": [row for row in found["meta"] if row.key != "restored"]}


@pytest.fixture
def made(sqlite_database: Database, keys_directory: Path, tmp_path: Path) -> Path:
    """A backup of a SQLite store."""
    fill(sqlite_database, keys_directory)
    backup(sqlite_database, keys_directory, tmp_path / "made.backup", PASSPHRASE)
    return tmp_path / "made.backup"


@pytest.mark.parametrize("target", ["sqlite", "postgresql"])
def test_everything_comes_back(
    database: Database, keys_directory: Path, tmp_path: Path, target: str, empty_postgres_url: str
) -> None:
    """From either database to either: every value of every row, the keys, and a ledger that verifies."""
    fill(database, keys_directory)
    archive = tmp_path / "made.backup"
    made = backup(database, keys_directory, archive, PASSPHRASE)
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    url = empty_postgres_url if target == "postgresql" else f"sqlite:///{tmp_path / 'restored.db'}"
    with open_database(url, clock=lambda: SETTLED) as restored:
        report = restore(archive, restored, tmp_path / "restored keys", PASSPHRASE)
        assert report == made
        assert (report.made_at, report.key_files) == (SETTLED, 3)
        assert content(restored) == content(database)
        with restored.reading() as connection, database.reading() as other:
            assert (is_restored(connection), is_restored(other)) == (True, False)
        assert read_key_files(tmp_path / "restored keys") == read_key_files(keys_directory)
        keyring = open_keyring(restored, tmp_path / "restored keys")
        with restored.reading() as connection:
            assert verify(connection, keyring).entries == 11
            assert connection.execute(select(tables.lease)).all() == []


def test_nothing_is_in_the_clear(made: Path, keys_directory: Path) -> None:
    """Neither a key nor a name can be read in the file."""
    found = made.read_bytes()
    assert b"sx000001" not in found
    for key in read_key_files(keys_directory).values():
        assert key.strip()[:20] not in found


def test_a_store_in_use_is_not_overwritten(
    made: Path, sqlite_database: Database, keys_directory: Path, tmp_path: Path
) -> None:
    """Neither the store nor the keys, unless it is asked for; keys are then set aside, not lost."""
    with pytest.raises(RefusedError, match="store is not empty"):
        restore(made, sqlite_database, keys_directory, PASSPHRASE)
    before = content(sqlite_database)
    with open_database(f"sqlite:///{tmp_path / 'new.db'}", clock=lambda: SETTLED) as new:
        generate_keys(tmp_path / "other")
        others = read_key_files(tmp_path / "other")
        with pytest.raises(RefusedError, match="other keys"):
            restore(made, new, tmp_path / "other", PASSPHRASE)
        assert content(new)["person"] == []
        assert read_key_files(tmp_path / "other") == others
        restore(made, new, tmp_path / "other", PASSPHRASE, force=True)
        assert content(new) == before
    assert read_key_files(tmp_path / "other") == read_key_files(keys_directory)
    aside = {file.read_bytes() for file in (tmp_path / "other").glob("*.before-restore-*")}
    assert aside == set(others.values())


def test_forced_over_a_later_state(made: Path, sqlite_database: Database, keys_directory: Path) -> None:
    """The store is as it was at the backup; later rows and later keys are gone from it."""
    before = content(sqlite_database)
    with sqlite_database.transaction() as connection:
        connection.execute(insert(tables.meta).values(key="later", value="1"))
        connection.execute(text("DELETE FROM claim"))
    add_key_version(keys_directory, KeyName.DATA)
    restore(made, sqlite_database, keys_directory, PASSPHRASE, force=True)
    assert content(sqlite_database) == before
    assert sorted(read_key_files(keys_directory)) == ["data.1.key", "index.1.key", "ledger.1.pem"]


def test_again_after_a_failure(made: Path, tmp_path: Path, keys_directory: Path) -> None:
    """Keys that are there already and equal are no obstacle."""
    with open_database(f"sqlite:///{tmp_path / 'new.db'}", clock=lambda: SETTLED) as new:
        assert restore(made, new, keys_directory, PASSPHRASE).key_files == 3


def test_not_while_somebody_writes(made: Path, sqlite_database: Database, keys_directory: Path) -> None:
    """Not even when forced."""
    Lease.acquire(sqlite_database, "shanxi", "a daemon", lambda: SETTLED)
    with pytest.raises(LeaseHeldError, match="a daemon"):
        restore(made, sqlite_database, keys_directory, PASSPHRASE, force=True)


def test_a_changed_archive_restores_nothing(made: Path, tmp_path: Path) -> None:
    """Another passphrase, a changed byte, a cut and an addition: the store stays empty."""
    whole = made.read_bytes()
    places = [0, 30, len(whole) // 2, len(whole) - 1]
    spoilt = [whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :] for place in places]
    spoilt += [whole[: len(whole) // 2], whole[:-1], whole + b"\0", b"", whole[:40]]
    with open_database(f"sqlite:///{tmp_path / 'new.db'}", clock=lambda: SETTLED) as new:
        for number, data in enumerate(spoilt):
            file = tmp_path / f"{number}.backup"
            file.write_bytes(data)
            with pytest.raises(IntegrityError):
                restore(file, new, tmp_path / "new keys", PASSPHRASE)
        with pytest.raises(IntegrityError, match="passphrase"):
            restore(made, new, tmp_path / "new keys", Sensitive("another passphrase"))
        assert all(rows == [] for rows in content(new).values())
        assert not (tmp_path / "new keys").exists()
        with pytest.raises(ConfigurationError, match="quanheng backup"):
            restore(tmp_path / "none", new, tmp_path / "new keys", PASSPHRASE)


def test_many_chunks(sqlite_database: Database, keys_directory: Path, tmp_path: Path) -> None:
    """An archive of several chunks cannot lose its last one."""
    fill(sqlite_database, keys_directory)
    noise = FileKeyring.open(keys_directory).encrypt(b"\0" * 1_500_000, context="").hex()
    with sqlite_database.transaction() as connection:
        connection.execute(insert(tables.meta).values(key="big", value=noise))
    archive = tmp_path / "big.backup"
    backup(sqlite_database, keys_directory, archive, PASSPHRASE)
    with open_database(f"sqlite:///{tmp_path / 'new.db'}", clock=lambda: SETTLED) as new:
        restore(archive, new, tmp_path / "new keys", PASSPHRASE)
        assert content(new) == content(sqlite_database)
    whole = archive.read_bytes()
    header = whole.index(b"\n", whole.index(b"\n") + 1) + 1
    first = header + 4 + int.from_bytes(whole[header : header + 4], "big")
    assert first < len(whole)
    archive.write_bytes(whole[:first])
    with (
        open_database(f"sqlite:///{tmp_path / 'newer.db'}", clock=lambda: SETTLED) as new,
        pytest.raises(IntegrityError, match="cut off"),
    ):
        restore(archive, new, tmp_path / "newer keys", PASSPHRASE)


def test_an_older_backup_wants_its_version(
    sqlite_database: Database, keys_directory: Path, tmp_path: Path, made: Path
) -> None:
    """A store of another schema is not backed up as if it were ours."""
    with sqlite_database.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    with pytest.raises(ConfigurationError, match="schema"):
        backup(sqlite_database, keys_directory, tmp_path / "other.backup", PASSPHRASE)
    assert sorted(file.name for file in tmp_path.glob("*.backup*")) == [made.name]


def test_a_backup_is_not_overwritten(made: Path, sqlite_database: Database, keys_directory: Path) -> None:
    """Each backup has its own name."""
    with pytest.raises(ConfigurationError, match="there already"):
        backup(sqlite_database, keys_directory, made, PASSPHRASE)


FULL_DISK = """
import resource, sys
from pathlib import Path
from quanheng.clock import system_clock
from quanheng.errors import UnreachableError
from quanheng.model.sensitive import Sensitive
from quanheng.store.backup import backup
from quanheng.store.database import open_database
with open_database(sys.argv[1], clock=system_clock) as database:
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
    try:
        backup(database, Path(sys.argv[2]), Path(sys.argv[3]), Sensitive("correct horse battery"))
    except UnreachableError as error:
        print(error)
"""


def test_a_full_disk_leaves_no_part(sqlite_database: Database, sqlite_url: str, tmp_path: Path) -> None:
    """The largest file a process may write stands for a disk that fills up."""
    generate_keys(tmp_path / "keys")
    fill(sqlite_database, tmp_path / "keys", people=500)
    target = tmp_path / "backups"
    target.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, sqlite_url, str(tmp_path / "keys"), str(target / "made.backup")],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "cannot be written" in done.stdout
    assert list(target.iterdir()) == []


def test_a_folder_that_is_not_there(sqlite_database: Database, keys_directory: Path, tmp_path: Path) -> None:
    """A disk that is not mounted is told."""
    fill(sqlite_database, keys_directory)
    with pytest.raises(UnreachableError, match="No such file"):
        backup(sqlite_database, keys_directory, tmp_path / "none" / "made.backup", PASSPHRASE)


def test_passphrases_come_from_private_files(tmp_path: Path) -> None:
    """Readable by the owner only, and long enough."""
    file = tmp_path / "passphrase"
    file.touch(mode=0o600)
    file.write_text("short\n")
    with pytest.raises(ConfigurationError, match="shorter than 12"):
        read_passphrase(file)
    file.write_text(f"{PASSPHRASE.reveal()}\nsecond line\n")
    assert read_passphrase(file) == PASSPHRASE
    file.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        read_passphrase(file)


def test_what_passes_is_in_no_backup(sqlite_database: Database, keys_directory: Path, tmp_path: Path) -> None:
    """Logins under way and the bridge's keys stay behind, and keep no store from being restored; the record
    of logins comes along."""
    now = sqlite_database.clock()
    assertion = {"digest": "a" * 64, "expires_at": now}
    login = LoginRecord(
        at=now, login=LoginId("x" * 32), outcome="accepted", person=None, client_id="c", address="::1",
        browser="", region="",
    )  # fmt: skip
    with sqlite_database.transaction() as connection:
        connection.execute(insert(bridge_assertion), [assertion])
        put_record(connection, login)
    archive = tmp_path / "backup"
    backup(sqlite_database, keys_directory, archive, PASSPHRASE)
    with open_database(f"sqlite:///{tmp_path / 'new.db'}", clock=sqlite_database.clock) as fresh:
        migrate(fresh.engine)
        with fresh.transaction() as connection:
            connection.execute(insert(bridge_assertion), [assertion])
        restore(archive, fresh, tmp_path / "new-keys", PASSPHRASE)
        with fresh.reading() as connection:
            assert connection.execute(select(bridge_assertion)).all() == []
            assert [row.outcome for row in connection.execute(select(login_record))] == ["accepted"]
