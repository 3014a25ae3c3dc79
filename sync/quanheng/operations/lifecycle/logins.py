"""Login events, taken into the store; and whether they may be believed (rules.md, "The life of an account").

Of each person and client only the newest login is kept, so events that come twice, late or in another order
change nothing. What is missing is remembered as a gap: whoever might have logged in then counts as having
done so, until somebody brings the history of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, func, select

from quanheng.clock import day_in_china
from quanheng.errors import SourceError
from quanheng.lifecycle.feed import Position, Shown, Trust, are_silent, judge_reading
from quanheng.lifecycle.inactivity import administrators_of, clients_of_administrators
from quanheng.lifecycle.offices import administrators_in
from quanheng.logs import get_logger
from quanheng.model.ids import KeycloakId, PersonId
from quanheng.operations.context import Context
from quanheng.operations.lifecycle.calendar import working_days
from quanheng.operations.noting import note
from quanheng.operations.organisations import read_recoded, units_of
from quanheng.operations.realm import read_drift
from quanheng.operations.trust import read_trusted_part
from quanheng.store.login_position import read_position, write_position, write_problem
from quanheng.store.logins import (
    put_gap,
    put_logins,
    read_newest_login,
    read_people_in,
    read_people_of,
)
from quanheng.store.moments_to_come import has_logins_to_come, settle_moments_to_come
from quanheng.store.tables import login_record

_LONG_AGO: Final = timedelta(days=400)
"""How far back the first reading goes: farther than any realm of ours keeps events."""
_SETTINGS: Final = frozenset({"realm.eventsEnabled", "realm.enabledEventTypes", "realm.eventsExpiration"})
_BY_CARD: Final = 3
"""So many people whom the bridge let in, and of whose logins Keycloak says nothing, are no accident."""
_ACCEPTED: Final = "accepted"

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """What a reading of login events brought."""

    events: int = 0
    people: int = 0
    problem: str = ""
    """Why nobody may be locked now, in Chinese; empty when nothing speaks against it."""


def take_in_logins(context: Context, *, settings: bool = True) -> Feed:
    """Read login events since the last time into the store, and say whether they may be believed.

    ``settings``: look too whether the realm keeps them all; that costs as much as comparing its settings.
    """
    realm = context.realm
    _ = context.keyring  # opened before any transaction: it may need one of its own
    with context.database.reading() as connection:
        before = read_position(connection)
        people = read_people_of(connection)
        administrators = read_administrators(context, connection)
        hidden = has_logins_to_come(connection, context.clock())
    theirs = clients_of_administrators(context.pack)
    server = realm.read_server_time()
    ours = context.clock()
    since = server - _LONG_AGO if before is None or hidden else before.since
    shown, count = Shown(), 0
    newest: dict[tuple[PersonId, str], datetime] = {}
    known = before.newest if before is not None else ""
    for event in realm.read_logins(since, refreshes=context.pack.lifecycle.logins.refresh_counts):
        count += 1
        shown = shown.with_event(event.id, event.at, known, server)
        person = people.get(KeycloakId(event.user)) if event.user is not None and not event.error else None
        # The console opens for everybody, and is work for administrators alone.
        if person is not None and (event.client not in theirs or person in administrators):
            place = (person, event.client)
            newest[place] = max(event.at, newest.get(place, event.at))
    trust = judge_reading(before, shown, server=server, ours=ours)
    problem = trust.problem or (_settings_problem(context) if settings else "")
    told = ""
    with context.database.transaction() as connection:
        if trust.position is not None and not (trust.problem and trust.lost_since is None):
            told = _settle(context, connection, ours)
            put_logins(connection, newest)
            write_position(connection, trust.position)
        _keep_gap(context, connection, before, trust, problem, server)
        problem = problem or _silence(context, connection, before, server)
        problem = "；".join(filter(None, (told, problem)))
        write_problem(connection, problem)
    if problem:
        log.error("login events may not be believed; nobody is locked", problem=problem)
    return Feed(events=count, people=len({person for person, _ in newest}), problem=problem)


def read_administrators(context: Context, connection: Connection) -> frozenset[PersonId]:
    """Whose logins to the console count: who was rightly given an office, not whom a source merely names."""
    named = read_people_in(connection, administrators_of(context.pack))
    registry = read_trusted_part(connection, context.keyring, (), named).registry
    return administrators_in(registry, context.pack, units_of(context, registry, read_recoded(context)))


def _settle(context: Context, connection: Connection, now: datetime) -> str:
    """Moments to come are no moments of logins: told once, since they are gone then."""
    count = settle_moments_to_come(connection, now)
    if not count:
        return ""
    note(context, connection, "logins_to_come", {"count": count})
    return f"库中有 {count} 处登录或起算时间在将来，已不予采信并更正"


def _keep_gap(
    context: Context,
    connection: Connection,
    before: Position | None,
    trust: Trust,
    problem: str,
    server: datetime,
) -> None:
    """Remember a time of which events are missing: they are gone, or were not kept."""
    since = trust.lost_since
    if since is None and problem and not trust.problem:
        since = before.cursor if before is not None else server
    if since is None:
        return
    put_gap(connection, since, server, problem)
    note(
        context,
        connection,
        "logins_missing",
        {"since": since.isoformat(), "until": server.isoformat(), "reason": problem},
    )


def _settings_problem(context: Context) -> str:
    found = sorted(gap.where for gap in read_drift(context).ours if gap.where in _SETTINGS)
    return f"Keycloak 的登录事件设置被改动（{'、'.join(found)}）" if found else ""


def _silence(context: Context, connection: Connection, before: Position | None, now: datetime) -> str:
    """Nobody at all has logged in for some working days, or people came in by card and left no trace."""
    newest = read_newest_login(connection, now)
    if newest is None:
        return "还没有任何登录记录"
    quiet = context.settings.lifecycle.quiet_working_days
    try:
        calendar = working_days(context)
    except SourceError as error:
        return f"节假日文件有误，无法判断登录是否中断：{error.args[0]}；请改正该文件（quanheng doctor）"
    if calendar.count(day_in_china(newest), day_in_china(now)) > quiet:
        return f"已有 {quiet} 个以上工作日没有任何人登录"
    if before is None:
        return ""
    query = (
        select(func.max(login_record.c.at))
        .where(login_record.c.outcome == _ACCEPTED)
        .where(login_record.c.person_id.is_not(None))
        .where(login_record.c.at >= before.cursor)
        .group_by(login_record.c.person_id)
    )
    by_card = list(connection.execute(query).scalars())
    if are_silent([newest], by_card, at_least=_BY_CARD):
        return "多人扫码登录成功，而 Keycloak 没有登录事件"
    return ""
