"""Who logged in last, where and when; times of which nothing is known; from when on an account counts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from quanheng.lifecycle.feed import CLOCK_SLACK
from quanheng.model.ids import KeycloakId, OrgCode, PersonId, PostId
from quanheng.model.person import HoldKind
from quanheng.store.tables import account, basis, claim, hold, last_login, login_gap, person

_AT_A_TIME: Final = 500
"""Rows of one statement, and values in one list of a query."""

CLOCKS_APART: Final = 2 * CLOCK_SLACK
"""So far ahead of our clock a login may be that is true: so far ahead of Keycloak's, and that of ours."""

Logins = Mapping[tuple[PersonId, str], datetime]
"""The newest login of a person to a client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A time of which login events are missing: whoever was there may have logged in."""

    since: datetime
    until: datetime
    reason: str
    covered: bool
    """Whether a history that somebody brought says who did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """An account that is switched on, and when it was used last."""

    person: PersonId
    user: KeycloakId
    counts_from: datetime
    """When it was made, or given back."""
    last: datetime | None
    """The newest login that keeps it alive; None when there was none."""


def put_logins(connection: Connection, logins: Logins) -> None:
    """Remember logins; of each person and client the newest stays, in whatever order they come."""
    rows = [{"person_id": who, "client": client, "at": at} for (who, client), at in logins.items()]
    builder = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
    statement = builder(last_login)
    newer = statement.on_conflict_do_update(
        index_elements=["person_id", "client"],
        set_={"at": statement.excluded.at},
        where=statement.excluded.at > last_login.c.at,
    )
    for first in range(0, len(rows), _AT_A_TIME):
        connection.execute(newer, rows[first : first + _AT_A_TIME])


def read_last_logins(
    connection: Connection, persons: Collection[PersonId] | None = None
) -> Mapping[PersonId, Mapping[str, datetime]]:
    """The newest login of everybody, or of these, to each client."""
    found: dict[PersonId, dict[str, datetime]] = {}
    for only in _portions(last_login.c.person_id, persons):
        for row in connection.execute(select(last_login).where(only)):
            found.setdefault(PersonId(row.person_id), {})[row.client] = row.at
    return found


def read_people_of(connection: Connection) -> Mapping[KeycloakId, PersonId]:
    """Whose each account of ours is."""
    rows = connection.execute(select(account.c.keycloak_id, account.c.person_id))
    return {KeycloakId(row.keycloak_id): PersonId(row.person_id) for row in rows}


def read_people_in(connection: Connection, posts: Collection[PostId]) -> frozenset[PersonId]:
    """Who holds one of these posts, or is named with it by a source, approved or not."""
    tables = (claim, basis)
    queries = (select(table.c.person_id).where(table.c.post.in_(sorted(posts))) for table in tables)
    return frozenset(PersonId(who) for query in queries for who in connection.execute(query).scalars())


def read_unused(
    connection: Connection,
    clients: Collection[str],
    before: datetime,
    persons: Collection[PersonId] | None = None,
    *,
    now: datetime,
    switched_on: bool = True,
) -> Sequence[Use]:
    """Accounts that were neither made, given back nor logged in to at or after ``before``.

    ``clients``: logins to these count. ``persons``: of these alone. ``switched_on``: those that are so, or
    those that are not. What is after ``now`` was written by a clock that was wrong, or by nobody of ours, and
    counts for nothing.
    """
    latest = now + CLOCKS_APART
    newest = (
        select(last_login.c.person_id, func.max(last_login.c.at).label("at"))
        .where(last_login.c.client.in_(sorted(clients)), last_login.c.at <= latest)
        .group_by(last_login.c.person_id)
        .subquery()
    )
    begun = case((account.c.counts_from <= latest, account.c.counts_from))
    start = func.coalesce(begun, person.c.created_at)
    query = (
        select(account.c.person_id, account.c.keycloak_id, start.label("start"), newest.c.at)
        .join(person, person.c.id == account.c.person_id)
        .join(newest, newest.c.person_id == account.c.person_id, isouter=True)
        .where(account.c.enabled_written.is_(switched_on))
        .where(start < before)
        .where(newest.c.at.is_(None) | (newest.c.at < before))
        .order_by(account.c.person_id)
    )
    return [
        Use(
            person=PersonId(row.person_id),
            user=KeycloakId(row.keycloak_id),
            counts_from=row.start,
            last=row.at,
        )
        for only in _portions(account.c.person_id, persons)
        for row in connection.execute(query.where(only))
    ]


def begin_counts(
    connection: Connection, people: Collection[PersonId], now: datetime, *, given_back: bool
) -> None:
    """Have accounts count from now: nobody could log in to them before. ``given_back``: they were there, and
    switched off; else they were made."""
    for only in _portions(account.c.person_id, people):
        connection.execute(update(account).where(only).values(counts_from=now, given_back=given_back))


def seed_counts(connection: Connection, people: Mapping[PersonId, datetime]) -> int:
    """Have accounts count from an earlier moment, of which a history tells, than that of their making; how
    many did. One that was given back since counts from there."""
    start = func.coalesce(account.c.counts_from, person.c.created_at)
    query = (
        select(account.c.person_id, start.label("start"))
        .join(person, person.c.id == account.c.person_id)
        .where(account.c.given_back.is_(False))
    )
    rows = [
        {"who": row.person_id, "at": people[PersonId(row.person_id)]}
        for only in _portions(account.c.person_id, people)
        for row in connection.execute(query.where(only))
        if row.start > people[PersonId(row.person_id)]
    ]
    statement = (
        update(account).where(account.c.person_id == bindparam("who")).values(counts_from=bindparam("at"))
    )
    if rows:
        connection.execute(statement, rows)
    return len(rows)


def read_newest_login(connection: Connection, now: datetime) -> datetime | None:
    """When anybody logged in last, to whatever; what is after ``now`` counts for nothing."""
    query = select(func.max(last_login.c.at)).where(last_login.c.at <= now + CLOCKS_APART)
    found: datetime | None = connection.execute(query).scalar()
    return found


def count_accounts_by_county(connection: Connection) -> Mapping[OrgCode, int]:
    """How many accounts that are switched on each county has, by the first six digits of where the sources
    have their people; a city's and the province's own bureaus count for themselves."""
    county = func.substr(claim.c.org, 1, 6)
    query = (
        select(county, func.count(func.distinct(account.c.person_id)))
        .join(account, account.c.person_id == claim.c.person_id)
        .where(account.c.enabled_written)
        .group_by(county)
    )
    return {OrgCode(code): count for code, count in connection.execute(query)}


def count_locked_by_county(connection: Connection, origin: str, since: date) -> Mapping[OrgCode, int]:
    """How many accounts of each county have been locked on a day, in the same counties; ``origin``: of the
    holds."""
    county = func.substr(claim.c.org, 1, 6)
    query = (
        select(county, func.count(func.distinct(hold.c.person_id)))
        .join(hold, hold.c.person_id == claim.c.person_id)
        .where(hold.c.kind == HoldKind.INACTIVE, hold.c.origin == origin, hold.c.since == since)
        .group_by(county)
    )
    return {OrgCode(code): count for code, count in connection.execute(query)}


def put_gap(connection: Connection, since: datetime, until: datetime, reason: str) -> None:
    """Remember that login events of a time are missing. One that goes on is made longer."""
    same = and_(login_gap.c.reason == reason, login_gap.c.until >= since, login_gap.c.covered_at.is_(None))
    done = connection.execute(update(login_gap).where(same).values(until=until))
    if not done.rowcount:
        connection.execute(insert(login_gap).values(since=since, until=until, reason=reason))


def read_gaps(connection: Connection, *, covered: bool = False) -> Sequence[Gap]:
    """Times of which events are missing, oldest first; ``covered``: those too of which a history tells."""
    query = select(login_gap).order_by(login_gap.c.since, login_gap.c.id)
    if not covered:
        query = query.where(login_gap.c.covered_at.is_(None))
    return [
        Gap(since=row.since, until=row.until, reason=row.reason, covered=row.covered_at is not None)
        for row in connection.execute(query)
    ]


def cover_gaps(connection: Connection, now: datetime) -> int:
    """A history tells of every time that was missing until now; how many there were."""
    done = connection.execute(
        update(login_gap).where(login_gap.c.covered_at.is_(None)).values(covered_at=now)
    )
    return done.rowcount


def _portions(
    column: ColumnElement[str], values: Collection[PersonId] | None
) -> Sequence[ColumnElement[bool]]:
    """Conditions that together name these values; one that is always true for all."""
    if values is None:
        return [column.is_not(None)]
    wanted = sorted(values)
    return [column.in_(wanted[at : at + _AT_A_TIME]) for at in range(0, len(wanted), _AT_A_TIME)]
