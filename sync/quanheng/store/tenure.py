"""How long people hold high-risk posts, in the store."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, and_, bindparam, delete, select

from quanheng.lifecycle.tenure import Spell
from quanheng.model.ids import OrgCode, PersonId, PostId, StaffNo, Username
from quanheng.store import tables
from quanheng.store.database import upsert

_KEY = ("person_id", "post", "area", "since")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds a post, by names that may be told."""

    username: Username
    staff_no: StaffNo


def read_spells(connection: Connection) -> tuple[Spell, ...]:
    """Every time in a post, also those that are over."""
    return tuple(
        Spell(
            person=PersonId(row.person_id),
            post=PostId(row.post),
            area=OrgCode(row.area),
            since=row.since,
            until=row.until,
            seen=row.seen,
        )
        for row in connection.execute(select(tables.tenure))
    )


def read_holders(connection: Connection) -> Mapping[PersonId, Holder]:
    """Everybody who has a time in a post that is not over."""
    person, tenure = tables.person, tables.tenure
    query = (
        select(person.c.id, person.c.username, person.c.staff_no)
        .distinct()
        .join(tenure, tenure.c.person_id == person.c.id)
        .where(tenure.c.until.is_(None))
    )
    return {
        PersonId(id_): Holder(username=Username(username), staff_no=StaffNo(staff_no))
        for id_, username, staff_no in connection.execute(query)
    }


def write_spells(connection: Connection, before: Collection[Spell], after: Collection[Spell]) -> None:
    """Make ``after`` of ``before``, which is what the store has; what stays is not touched."""
    table = tables.tenure
    new = [_row(item) for item in set(after) - set(before)]
    kept = {_place(_row(item)) for item in after}
    gone = [row for row in map(_row, set(before)) if _place(row) not in kept]
    if gone:
        same = and_(*(table.c[name] == bindparam(f"old_{name}") for name in _KEY))
        connection.execute(delete(table).where(same), [{f"old_{n}": row[n] for n in _KEY} for row in gone])
    upsert(connection, table, new)


def _row(spell: Spell) -> dict[str, object]:
    return {
        "person_id": spell.person,
        "post": spell.post,
        "area": spell.area,
        "since": spell.since,
        "until": spell.until,
        "seen": spell.seen,
    }


def _place(row: Mapping[str, object]) -> tuple[object, ...]:
    return tuple(row[name] for name in _KEY)
