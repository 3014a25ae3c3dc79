"""Decisions that wait for longer than the regulation allows: listed, and told once each (G19, E14)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, select

from quanheng.clock import day_in_china
from quanheng.engine.following import FOLLOWUPS, person_of_followup
from quanheng.lifecycle.lateness import Lateness, Waited, days_allowed, measure
from quanheng.lifecycle.working_days import WorkingDays
from quanheng.model.change import Json
from quanheng.model.ids import OrgCode, PersonId, StaffNo, Username
from quanheng.model.person import ProposalKind, ProposalState
from quanheng.model.registry import Registry
from quanheng.notify.port import NoticeKind
from quanheng.operations.context import Context
from quanheng.operations.lifecycle.calendar import working_days
from quanheng.operations.trust import read_trusted_part
from quanheng.operations.watching.announcing import announce
from quanheng.store import tables
from quanheng.store.announced import announce_once

_TOPIC: Final = "overdue"
_NAMED: Final = 200
"""Proposals in one notice."""
_AT_A_TIME: Final = 400
"""People who are looked up at once: of a feed that ended many posts there may be thousands."""
_WHAT: Final = {ProposalKind.DEREGISTER: "注销", ProposalKind.WITHHOLD: "暂收岗位"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """A decision that waits, with how long it has. Why is not told: some reasons are not for everybody."""

    key: str
    """Of the proposal."""
    kind: ProposalKind
    staff_no: StaffNo
    username: Username | None
    """None when no source says any more whom it is about."""
    area: OrgCode | None
    """Whose administrators decide; None: the topmost area's."""
    waited: Waited

    @property
    def state(self) -> Lateness:
        """Whether it is late."""
        return self.waited.state

    @property
    def what(self) -> str:
        """What would be done, in Chinese."""
        return _WHAT[self.kind]


def look_after_deadlines(context: Context) -> str:
    """Tell once of each decision that has become late; returns one line for the log.

    Keycloak is not asked. Raises :class:`SourceError` for a bad file of holidays.
    """
    waiting = read_waiting(context)
    late = [item for item in waiting if item.state is Lateness.LATE]
    _ = context.keyring  # opened before the transaction: it may need one of its own
    with context.database.transaction() as connection:
        told = _tell(context, connection, late)
    return f"waiting={len(waiting)} late={len(late)} announced={told}"


def read_overdue(context: Context) -> tuple[Overdue, ...]:
    """Decisions that are late, and those for which no number of days is given, the oldest first.

    Asks Keycloak nothing and changes nothing. Raises :class:`SourceError` for a bad file of
    holidays.
    """
    return tuple(item for item in read_waiting(context) if item.state is not Lateness.IN_TIME)


def read_waiting(context: Context) -> tuple[Overdue, ...]:
    """Every decision that follows from a fact and that nobody has made yet, the oldest first."""
    calendar, keyring = working_days(context), context.keyring
    found: list[Overdue] = []
    with context.database.reading() as connection:
        made = _read_made(connection)
        for first in range(0, len(made), _AT_A_TIME):
            part = made[first : first + _AT_A_TIME]
            people = _people_named(connection, {row.subject for row in part})
            registry = read_trusted_part(connection, keyring, (), people).registry
            found += _judge(context, registry, calendar, part)
    return tuple(sorted(found, key=lambda item: (item.waited.made, item.staff_no, item.key)))


@dataclass(frozen=True, slots=True)
class _Made:
    key: str
    subject: str
    at: datetime


def _read_made(connection: Connection) -> list[_Made]:
    """Open proposals that follow from facts: whose staff number they name, and when they were made."""
    table = tables.proposal
    query = (
        select(table.c.key, table.c.subject, table.c.created_at)
        .where(table.c.state == ProposalState.OPEN, table.c.kind.in_(sorted(FOLLOWUPS)))
        .order_by(table.c.created_at, table.c.key)
    )
    return [_Made(*row) for row in connection.execute(query)]


def _people_named(connection: Connection, staff_nos: set[str]) -> list[PersonId]:
    table = tables.person
    query = select(table.c.id).where(table.c.staff_no.in_(sorted(staff_nos)))
    return list(map(PersonId, connection.execute(query).scalars()))


def _judge(
    context: Context, registry: Registry, calendar: WorkingDays, part: Sequence[_Made]
) -> Iterator[Overdue]:
    pack, today = context.pack, day_in_china(context.clock())
    for row in part:
        proposal = registry.proposals.get(row.key)
        if proposal is None or proposal.state is not ProposalState.OPEN:
            continue  # it is not signed, or was decided by the ledger's word: the next sync puts it right
        person = person_of_followup(registry, pack, proposal)
        within = days_allowed(registry, pack, proposal, person, today)
        yield Overdue(
            key=row.key,
            kind=proposal.kind,
            staff_no=StaffNo(row.subject),
            username=registry.persons[person].username if person is not None else None,
            area=proposal.area,
            waited=measure(day_in_china(row.at), within, calendar, today),
        )


def _tell(context: Context, connection: Connection, late: Sequence[Overdue]) -> int:
    groups: dict[OrgCode, list[Overdue]] = defaultdict(list)
    for item in late:
        subject = f"{item.key}:{item.waited.made}"  # one that is proposed anew is late anew
        if announce_once(connection, _TOPIC, subject, context.clock()):
            groups[item.area or OrgCode("")].append(item)
    for area, some in sorted(groups.items()):
        items: list[Json] = [_describe(item) for item in some[:_NAMED]]
        if len(some) > _NAMED:
            items.append(f"另有 {len(some) - _NAMED:,} 项，见 quanheng proposals")
        facts: dict[str, Json] = {"county": str(area), "count": len(some), "items": items}
        announce(context, connection, NoticeKind.OVERDUE, facts)
    return sum(map(len, groups.values()))


def _describe(item: Overdue) -> str:
    waited = item.waited
    who = item.username or f"人员编号 {item.staff_no}"
    doubt = "；有年度的节假日尚未登记，期限仅按周末推算" if waited.provisional else ""
    late = f"已逾 {waited.late} 个工作日" if waited.late else "期限已过"
    return (
        f"{who}：{item.what}，{waited.made} 提出，应在 {waited.within} 个工作日内（至 {waited.due}）决定，"
        f"{late}（事项 {item.key[:12]}{doubt}）"
    )
