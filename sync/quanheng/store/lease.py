"""One writer per realm (decision 21).

A lease is a row with a random token and a time. Whoever finds the time past may take it; the old
holder, should it wake up, finds another token and can no longer commit. The token fences the store.
Keycloak knows no tokens, so a writer also asks :meth:`Lease.check` before it writes there.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from threading import Event, Thread
from types import TracebackType
from typing import Final, Self

from sqlalchemy import Connection, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from quanheng.clock import Clock
from quanheng.errors import LeaseHeldError, QuanhengError
from quanheng.store.database import Database
from quanheng.store.holder import is_gone
from quanheng.store.tables import lease

LEASE_SECONDS: Final = 60.0
"""Longer than any pause of a healthy process, short enough to wait for after a crash elsewhere."""
_RENEWALS: Final = 3
"""Renewed this many times while it lasts, so that one lost renewal does no harm."""


class LeaseLostError(LeaseHeldError):
    """The lease on the realm was lost; this process stopped writing."""


class Lease:
    """The right to write to one realm. As a context manager it renews itself in a thread of its own."""

    def __init__(
        self, database: Database, realm: str, token: str, until: datetime, clock: Clock, seconds: float
    ) -> None:
        self._database = database
        self._realm = realm
        self._token = token
        self._until = until
        self._clock = clock
        self._seconds = seconds
        self._lost = False
        self._stopping = Event()
        self._thread: Thread | None = None

    @classmethod
    def acquire(
        cls,
        database: Database,
        realm: str,
        holder: str,
        clock: Clock,
        seconds: float = LEASE_SECONDS,
    ) -> Self:
        """Take the lease when nobody has it, its time is past, or its holder has died on this machine.

        ``holder`` is shown to whoever comes second: :func:`quanheng.store.holder.this_process`.
        Raises :class:`LeaseHeldError` naming holder and time.
        """
        now = clock()
        token = secrets.token_hex(16)
        until = now + timedelta(seconds=seconds)
        with database.transaction() as connection:
            found = connection.execute(select(lease).where(lease.c.realm == realm)).first()
            dead = found.token if found is not None and is_gone(found.holder) else None
            build = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
            statement = build(lease).values(realm=realm, holder=holder, token=token, until=until)
            taken = connection.execute(
                statement.on_conflict_do_update(
                    index_elements=[lease.c.realm],
                    set_={"holder": holder, "token": token, "until": until},
                    where=or_(lease.c.until <= now, lease.c.token == dead),
                ).returning(lease.c.token)
            ).first()
            if taken is None:
                row = connection.execute(select(lease).where(lease.c.realm == realm)).one()
                ends = row.until.isoformat(timespec="seconds")
                raise LeaseHeldError(
                    f"realm {realm}: {row.holder} writes to it, until {ends}",
                    remedy="wait until it has finished; if it has died, its lease ends by itself",
                )
        return cls(database, realm, token, until, clock, seconds)

    def assert_held(self, connection: Connection) -> None:
        """Call first in each writing transaction: renews the lease and locks its row until the end.

        Nobody can take the lease over between this and the commit. Raises :class:`LeaseLostError`.
        """
        until = self._clock() + timedelta(seconds=self._seconds)
        renewed = connection.execute(
            update(lease)
            .where(lease.c.realm == self._realm, lease.c.token == self._token)
            .values(until=until)
        )
        if self._lost or not renewed.rowcount:
            self._lost = True
            raise self._lost_error()
        self._until = until

    def check(self) -> None:
        """Call before each write to Keycloak: raises :class:`LeaseLostError` without asking the store."""
        if self._lost or self._clock() >= self._until:
            raise self._lost_error()

    def renew(self) -> None:
        """Make the lease last its full time from now. Raises :class:`LeaseLostError`."""
        with self._database.transaction() as connection:
            self.assert_held(connection)

    def release(self) -> None:
        """Give the lease back; does nothing when it was lost."""
        self._lost = True
        with self._database.transaction() as connection:
            connection.execute(
                delete(lease).where(lease.c.realm == self._realm, lease.c.token == self._token)
            )

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._keep, name=f"lease {self._realm}", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        try:
            self.release()
        except QuanhengError:
            if error is None:
                raise
            # The store is gone, and the block's own exception says so; the lease ends by itself.

    def _keep(self) -> None:
        while not self._stopping.wait(self._seconds / _RENEWALS):
            try:
                self.renew()
            except LeaseLostError:
                return
            except QuanhengError:
                continue  # check() stops the writer when the time is past; until then, try again

    def _lost_error(self) -> LeaseLostError:
        return LeaseLostError(
            f"realm {self._realm}: the lease was lost to another process or ran out; this one stopped",
            remedy="run the command again: what was under way is finished or superseded",
        )
