"""One writer per realm, on both databases, among processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert, select

from fixtures.servers_postgres import SETTLED
from quanheng.clock import Clock
from quanheng.errors import LeaseHeldError
from quanheng.store.database import Database, open_database
from quanheng.store.faults import StoreBusyError
from quanheng.store.holder import is_gone, this_process
from quanheng.store.lease import Lease, LeaseLostError
from quanheng.store.tables import lease, meta

OTHER_PROCESS = """
import sys
from quanheng.clock import system_clock
from quanheng.store.database import open_database
from quanheng.store.holder import this_process
from quanheng.store.lease import Lease
with open_database(sys.argv[1], clock=system_clock) as database:
    with Lease.acquire(database, "shanxi", this_process(), system_clock):
        print("held", flush=True)
        sys.stdin.readline()
"""


class Hands:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = SETTLED

    def __call__(self) -> datetime:
        """What it shows."""
        return self.now

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)


@contextmanager
def another_holder(url: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the lease; it is killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER_PROCESS, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def take(database: Database, clock: Clock, holder: str = "one") -> Lease:
    """The lease of the realm."""
    return Lease.acquire(database, "shanxi", holder, clock)


def test_the_second_learns_who_is_first(database: Database) -> None:
    """Who holds it and until when, and another realm is free."""
    take(database, lambda: SETTLED)
    with pytest.raises(LeaseHeldError, match="realm shanxi: one writes to it, until 2024-05-01T08:01:00"):
        take(database, lambda: SETTLED, "two")
    Lease.acquire(database, "enshi", "two", lambda: SETTLED)


def test_a_lease_given_back_is_free(database: Database) -> None:
    """The end of the block releases it, also when the block failed."""
    with take(database, lambda: SETTLED):
        pass

    class OnPurposeError(Exception):
        pass

    def break_off() -> None:
        with take(database, lambda: SETTLED, "two"):
            raise OnPurposeError

    with pytest.raises(OnPurposeError):
        break_off()
    with database.reading() as connection:
        assert connection.execute(select(lease)).all() == []


def test_a_stale_lease_is_taken_over(database: Database) -> None:
    """And the old holder, should it wake up, can no longer write to the store or to Keycloak."""
    clock = Hands()
    old = take(database, clock)
    clock.forward(60)
    new = take(database, clock, "two")

    def write_late() -> None:
        with database.transaction() as connection:
            connection.execute(insert(meta).values(key="late", value="1"))
            old.assert_held(connection)

    with pytest.raises(LeaseLostError, match="was lost"):
        write_late()
    with pytest.raises(LeaseLostError):
        old.check()
    with pytest.raises(LeaseLostError):
        old.renew()
    old.release()
    new.check()
    with database.transaction() as connection:
        new.assert_held(connection)
        assert connection.execute(select(meta)).all() == []


def test_a_lease_that_ran_out_stops_its_holder(database: Database) -> None:
    """Without asking the store: nobody may have taken it, but somebody could have."""
    clock = Hands()
    held = take(database, clock)
    clock.forward(59)
    held.check()
    clock.forward(1)
    with pytest.raises(LeaseLostError):
        held.check()


def test_writing_renews(database: Database) -> None:
    """Each writing transaction makes the lease last its full time again."""
    clock = Hands()
    held = take(database, clock)
    for _ in range(3):
        clock.forward(59)
        with database.transaction() as connection:
            held.assert_held(connection)
    held.check()
    with pytest.raises(LeaseHeldError):
        take(database, clock, "two")


def test_nobody_takes_it_during_a_transaction(database: Database, store_url: str) -> None:
    """Between the assertion and the commit the row is locked, however long it takes."""
    clock = Hands()
    held = take(database, clock)
    with (
        open_database(store_url, clock=clock, wait_seconds=0.01) as other,
        database.transaction() as connection,
    ):
        held.assert_held(connection)
        clock.forward(3600)
        with pytest.raises(StoreBusyError):
            take(other, clock, "two")
        connection.execute(insert(meta).values(key="in time", value="1"))
    take(database, clock, "two")


def test_the_thread_renews(database: Database) -> None:
    """Inside the block the lease is renewed without any call, until it was lost."""
    clock = Hands()
    with Lease.acquire(database, "shanxi", "one", clock, seconds=0.03) as held:
        clock.forward(1000)
        for _ in range(1000):
            try:
                held.check()
            except LeaseLostError:
                subprocess.run(["sleep", "0.01"], check=True)
            else:
                break
        held.check()


def test_another_process_holds_it(store_url: str) -> None:
    """Two daemons: the second is told; when the first was killed, it takes over at once."""
    clock = Hands()
    with open_database(store_url, clock=clock) as database, another_holder(store_url) as process:
        with database.reading() as connection:
            clock.now = connection.execute(select(lease.c.until)).scalar_one() - timedelta(seconds=30)
        with pytest.raises(LeaseHeldError, match=f"pid {process.pid} "):
            take(database, clock)
        process.kill()
        process.wait()
        take(database, clock).check()


def test_another_process_gives_it_back(store_url: str) -> None:
    """A clean stop leaves no lease behind."""
    with another_holder(store_url) as process:
        process.communicate("stop\n")
        assert process.returncode == 0
    with open_database(store_url, clock=lambda: SETTLED) as database:
        take(database, lambda: SETTLED).check()


def test_who_is_gone() -> None:
    """Only a process of this machine and this boot is ever said to be gone."""
    own = this_process()
    assert not is_gone(own)
    assert is_gone(f"{own.rpartition('/')[0]}/1)")
    assert not is_gone(f"other-{own}")
    assert not is_gone("somebody")
