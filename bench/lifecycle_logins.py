"""Login events of :mod:`bench.lifecycle`: who logged in when, and the rows in which Keycloak keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

LAST_DAY: Final = timedelta(days=1)
KEPT_DAYS: Final = 100
"""How long ago the oldest login was."""
_SEED: Final = 7
_DUE_DAYS: Final = (93.0, float(KEPT_DAYS))
"""Days since the last login of who is due: three calendar months are 92 at the most."""
_NEAR_DAYS: Final = (62.5, 88.0)
"""The same of whose lock is near: announced from 30 days before on; three months are 89 to 92 days."""
_ACTIVE_DAYS: Final = (1.0, 45.0)
"""The same of everybody else, but for those who were there on the last day."""
_LAST_DAY_SHARE: Final = 0.25
_NEVER_SHARE: Final = 0.25
"""Of who is due: nobody has ever logged in."""
_DETAILS: Final = ("details_json", "details_json_long_value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """What a hundred days have seen. Everything by a person's place in a list."""

    due: frozenset[int]
    """Nobody has logged in for three calendar months, or ever."""
    near: frozenset[int]
    """They will be due within a month."""
    before: Sequence[tuple[int, datetime]]
    """Logins before the last day."""
    last_day: Sequence[tuple[int, datetime]]


def draw_days(people: int, now: datetime, *, logins: int, due_percent: float, near_percent: float) -> Days:
    """Draw who logged in when, the same each time: each ``logins`` times, and once more on the last day."""
    chance = Random(_SEED)  # noqa: S311 - a bench, the same each time
    drawn = chance.sample(range(people), round(people * (due_percent + near_percent) / 100))
    due = frozenset(drawn[: round(people * due_percent / 100)])
    near = frozenset(drawn) - due
    before: list[tuple[int, datetime]] = []
    last_day: list[tuple[int, datetime]] = []
    for person in range(people):
        if person in due and chance.random() < _NEVER_SHARE:
            continue
        span = _DUE_DAYS if person in due else _NEAR_DAYS if person in near else _ACTIVE_DAYS
        newest = chance.uniform(*span)
        ages = [newest, *(chance.uniform(newest, KEPT_DAYS) for _ in range(logins - 1))]
        before += [(person, now - timedelta(days=age)) for age in ages]
        if person not in due | near and chance.random() < _LAST_DAY_SHARE:
            last_day.append((person, now - chance.random() * LAST_DAY))
    return Days(due=due, near=near, before=before, last_day=last_day)


class EventTable:
    """Keycloak's ``event_entity``; new rows are like one that Keycloak wrote itself.

    A million logins would take hours. Ids, person, client and times are new; all else is as in the row of a
    real login, so that reading one costs what it would.
    """

    def __init__(self, connection: psycopg.Connection[Any], *, like: str, username: str) -> None:
        """``like``: the id of the user who really logged in."""
        self._connection = connection
        with connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute(
                "select * from event_entity where user_id = %s and type = 'LOGIN' and error is null", (like,)
            )
            found = cursor.fetchone()
        if found is None:
            raise SystemExit("Keycloak kept no event of a login")
        self._like: Mapping[str, Any] = found
        self._username = username
        self.details_bytes = max(len(found[name] or "") for name in _DETAILS if name in found)
        connection.execute("delete from event_entity where user_id = %s", (like,))

    def add(
        self, users: Sequence[tuple[str, str]], logins: Sequence[tuple[int, datetime]], client: str
    ) -> None:
        """Add logins of these users (id and name) to a client."""
        with self._connection.cursor() as cursor:
            cursor.execute(
                "create temporary table drawn (user_id varchar(36), username text, event_time bigint)"
            )
            with cursor.copy("copy drawn from stdin") as copy:
                for person, at in logins:
                    copy.write_row((*users[person], int(at.timestamp() * 1000)))
            cursor.execute(self._insert(client))
            cursor.execute("drop table drawn")
        self._connection.execute("vacuum analyze event_entity")

    def _insert(self, client: str) -> sql.Composed:
        values: dict[str, sql.Composable] = {
            name: sql.SQL("replace({}, {}, username)").format(value, self._username)
            if name in _DETAILS
            else sql.Literal(value)
            for name, value in self._like.items()
            if value is not None
        }
        values |= {
            "id": sql.SQL("gen_random_uuid()::text"),
            "session_id": sql.SQL("gen_random_uuid()::text"),
            "user_id": sql.Identifier("user_id"),
            "client_id": sql.Literal(client),
            "event_time": sql.Identifier("event_time"),
        }
        return sql.SQL("insert into event_entity ({}) select {} from drawn").format(
            sql.SQL(", ").join(map(sql.Identifier, values)), sql.SQL(", ").join(values.values())
        )
