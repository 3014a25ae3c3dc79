"""Moments of logins in the store that are yet to come: a clock was wrong, or somebody wrote them there.

Left where they are they would hide whatever is true and earlier: of logins the newest is kept.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, case, delete, func, select, update

from quanheng.store.logins import CLOCKS_APART
from quanheng.store.tables import account, last_login, login_gap, person


def has_logins_to_come(connection: Connection, now: datetime) -> bool:
    """Whether there are logins that have not been yet; what they hide has to be read anew."""
    found = connection.execute(select(func.max(last_login.c.at))).scalar()
    return found is not None and found > now + CLOCKS_APART


def settle_moments_to_come(connection: Connection, now: datetime) -> int:
    """Take away whatever lies after ``now``; how much it was.

    Logins go. An account that was made counts since then again; one that was given back, nobody knows when,
    counts from now on, and a time of which events are missing ends now: nobody is locked too early for it.
    """
    latest = now + CLOCKS_APART
    made = select(person.c.created_at).where(person.c.id == account.c.person_id).scalar_subquery()
    late = func.coalesce(account.c.counts_from, made) > latest
    gaps = login_gap.c.until > latest
    begun = case((login_gap.c.since > now, now), else_=login_gap.c.since)
    statements = (
        delete(last_login).where(last_login.c.at > latest),
        update(account).where(late, account.c.given_back | (made > latest)).values(counts_from=now),
        update(account).where(late).values(counts_from=None),
        update(login_gap).where(gaps, login_gap.c.covered_at.is_(None)).values(since=begun, until=now),
    )
    return sum(connection.execute(statement).rowcount for statement in statements)
