"""How things stand, from the store alone: it answers when Keycloak does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, Table, func, select

from quanheng.ledger.chain import Ledger
from quanheng.model.person import ProposalState
from quanheng.model.staff import Reason
from quanheng.operations.context import Context
from quanheng.operations.heartbeat import Heartbeat, read_heartbeat
from quanheng.operations.waivers import WaiverState, read_waived, waiver_lines
from quanheng.store import tables
from quanheng.store.meta import read_founders
from quanheng.store.mirror import MirrorState, read_mirror_state
from quanheng.store.plans import PlanState, read_unfinished
from quanheng.store.quarantine import count_by_reason
from quanheng.store.watching import read_exposures
from quanheng.watch.exposure import ExposureReport, report_exposure


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """The last reading of a source that was accepted."""

    source: str
    mode: str
    as_of: datetime
    accepted_at: datetime
    sequence: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How things stand."""

    realm: str
    bootstrapped: bool
    people: int
    accounts: int
    units: int
    holds: int
    proposals: int
    quarantine: Mapping[Reason, int]
    sources: tuple[SourceStatus, ...]
    last_applied: datetime | None
    """When a plan was last carried out; runs that found nothing to do do not count."""
    unfinished: str | None
    """Digest of a plan whose run was interrupted; the next run takes care of it."""
    writer: str | None
    """Who holds the lease now."""
    mirror: MirrorState | None
    ledger_entries: int
    waivers: int
    """In force today."""
    next_waiver_end: date | None
    """Last day of the one that ends first."""
    exposure: ExposureReport
    """How long things were held without right, over all that is known."""
    heartbeat: Heartbeat | None
    """Of the daemon, None without a file."""


def read_status(context: Context) -> Status:
    """Read everything in one transaction; the daemon's file beside it."""
    heartbeat_file = context.settings.schedule.heartbeat_file
    now, keyring = context.clock(), context.keyring
    with context.database.reading() as connection:
        waivers = waiver_lines(context, read_waived(connection, context))
        ends = [line.waiver.until for line in waivers if line.state is WaiverState.IN_FORCE]
        last = Ledger(connection, keyring, context.clock).last()
        plan, lease = tables.plan, tables.lease
        return Status(
            realm=context.realm_name,
            bootstrapped=bool(read_founders(connection)),
            people=_count(connection, tables.person),
            accounts=_count(connection, tables.account),
            units=_count(connection, tables.unit),
            holds=_count(connection, tables.hold),
            proposals=connection.scalar(
                select(func.count())
                .select_from(tables.proposal)
                .where(tables.proposal.c.state == ProposalState.OPEN)
            )
            or 0,
            quarantine=count_by_reason(connection),
            sources=_sources(connection),
            last_applied=connection.scalar(
                select(func.max(plan.c.finished_at)).where(plan.c.state == PlanState.APPLIED)
            ),
            unfinished=read_unfinished(connection),
            writer=connection.scalar(
                select(lease.c.holder).where(lease.c.realm == context.realm_name, lease.c.until > now)
            ),
            mirror=read_mirror_state(connection, context.realm_name),
            ledger_entries=0 if last is None else last[0] + 1,
            waivers=len(ends),
            next_waiver_end=min(ends, default=None),
            exposure=report_exposure(read_exposures(connection)),
            heartbeat=None if heartbeat_file is None else read_heartbeat(heartbeat_file),
        )


def _count(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


def _sources(connection: Connection) -> tuple[SourceStatus, ...]:
    table = tables.source_state
    return tuple(
        SourceStatus(
            source=row.source,
            mode=row.mode,
            as_of=row.as_of,
            accepted_at=row.accepted_at,
            sequence=row.sequence,
            rows=row.row_count,
        )
        for row in connection.execute(select(table).order_by(table.c.source))
    )
