"""Lines of the monthly reviews, and what became of them.

What was answered counts as the ledger has it: whoever could write rows alone could otherwise have an account
kept that nobody wanted to keep, or have a county look as if it had answered.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, String, bindparam, cast, select, update

from quanheng.lifecycle.review import Handling, ReviewItem, ReviewKind, list_digest
from quanheng.model.ids import OrgCode, PersonId
from quanheng.store.database import insert_new
from quanheng.store.meta import read_text, write_text
from quanheng.store.tables import ledger, review_item

REVIEW_WRITTEN: Final = "review_written"
REVIEW_ANSWERED: Final = "review_answered"
REVIEW_SETTLED: Final = "review_settled"
REVIEW_UNANSWERED: Final = "review_unanswered"
_AT_A_TIME: Final = 500
"""Keys in one query."""
_DONE: Final = "review_month"
"""Entry of ``meta``: the last month whose lists the daily work has written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotedLists:
    """What the ledger has of lists."""

    months: frozenset[str]
    """Months that were looked at, also without finding anything."""
    digests: Mapping[tuple[str, OrgCode], str]
    """Digest of each list, by month and county."""

    def is_as_written(self, items: Sequence[ReviewItem], month: str, county: OrgCode) -> bool:
        """Whether these, all that the store has of a list, are what was written."""
        noted = self.digests.get((month, county))
        return list_digest(items) == noted if noted is not None else not items


def put_new_items(connection: Connection, items: Iterable[ReviewItem]) -> int:
    """Write lines that are not there yet, and leave those that are; how many were new."""
    return sum(insert_new(connection, review_item, _row(item)) for item in items)


_ANSWER: Final = ("answer", "answer_reason", "answered_by", "answered_at", "settled")


def put_answers(connection: Connection, items: Collection[ReviewItem]) -> None:
    """Write answers, and what was done with them."""
    _update(connection, items, _ANSWER)


def put_reopened(connection: Connection, items: Collection[ReviewItem]) -> None:
    """Write lines anew that were over and are found again; what was answered goes."""
    _update(connection, items, ("username", "detail", "proposed", "deadline", *_ANSWER))


def _update(connection: Connection, items: Collection[ReviewItem], names: Sequence[str]) -> None:
    statement = (
        update(review_item)
        .where(review_item.c.key == bindparam("which"))
        .values({name: bindparam(f"new_{name}") for name in names})
    )
    rows = [(item, _row(item)) for item in items]
    if rows:
        connection.execute(
            statement, [{"which": item.key, **{f"new_{n}": row[n] for n in names}} for item, row in rows]
        )


def read_items(
    connection: Connection,
    *,
    month: str | None = None,
    county: OrgCode | None = None,
    keys: Collection[str] | None = None,
) -> tuple[ReviewItem, ...]:
    """Lines of a month, of a county, of these keys, or all; answers as the ledger has them. By month,
    county, kind, account. A row that cannot be read is left out: see :func:`read_altered`."""
    query = _every_row()
    if month is not None:
        query = query.where(review_item.c.month == month)
    if county is not None:
        query = query.where(review_item.c.county == county)
    queries = [query]
    if keys is not None:
        wanted = sorted(keys)
        parts = (wanted[at : at + _AT_A_TIME] for at in range(0, len(wanted), _AT_A_TIME))
        queries = [query.where(review_item.c.key.in_(part)) for part in parts]
    answers = _read_answers(connection)
    order = tuple(ReviewKind)
    return tuple(
        sorted(
            (
                _true(item, answers)
                for part in queries
                for row in connection.execute(part)
                if (item := _item(row)) is not None
            ),
            key=lambda item: (item.month, item.county, order.index(item.kind), item.username, item.key),
        )
    )


def read_altered(connection: Connection, *, month: str | None = None) -> tuple[tuple[str, OrgCode], ...]:
    """Lists, of a month or all, that are not what was written, or have a row that cannot be read: month and
    county, in order."""
    query, noted = _every_row(), read_noted_lists(connection)
    if month is not None:
        query = query.where(review_item.c.month == month)
    lists: dict[tuple[str, OrgCode], list[ReviewItem]] = defaultdict(list)
    broken = set[tuple[str, OrgCode]]()
    for row in connection.execute(query):
        item = _item(row)
        if item is None:
            broken.add((_told(row.month), OrgCode(_told(row.county))))
        else:
            lists[item.month, item.county].append(item)
    known = {place for place in noted.digests if month in (None, place[0])}
    return tuple(
        place
        for place in sorted({*lists, *known, *broken})
        if place in broken or not noted.is_as_written(lists.get(place, []), *place)
    )


def read_answered_keys(connection: Connection) -> frozenset[str]:
    """Keys of every line that the ledger has an answer to, whatever the store has of it."""
    noted = _read_answers(connection)
    return frozenset(key for key, line in noted.items() if line.get("answer") is not None)


def read_noted_lists(connection: Connection) -> NotedLists:
    """What the ledger has of every list: the last word on each."""
    months: set[str] = set()
    digests: dict[tuple[str, OrgCode], str] = {}
    query = select(ledger.c.body).where(ledger.c.kind == REVIEW_WRITTEN).order_by(ledger.c.sequence)
    for body in map(json.loads, connection.execute(query).scalars()):
        months.add(body["month"])
        for county, written in body["lists"].items():
            digests[body["month"], OrgCode(county)] = written["digest"]
    return NotedLists(months=frozenset(months), digests=digests)


def read_month_done(connection: Connection) -> str:
    """The last month whose lists the daily work has written; empty before the first."""
    return read_text(connection, _DONE) or ""


def write_month_done(connection: Connection, month: str) -> None:
    """Remember it."""
    write_text(connection, _DONE, month)


def _read_answers(connection: Connection) -> Mapping[str, Mapping[str, Any]]:
    """The last answer to each line, and what was done with it, by the ledger."""
    found: dict[str, dict[str, Any]] = {}
    query = (
        select(ledger.c.kind, ledger.c.body, ledger.c.at)
        .where(ledger.c.kind.in_([REVIEW_ANSWERED, REVIEW_SETTLED]))
        .order_by(ledger.c.sequence)
    )
    for kind, text, at in connection.execute(query):
        body = json.loads(text)
        for line in body["lines"]:
            if kind == REVIEW_ANSWERED:
                found[line["key"]] = {**line, "by": body["answered_by"], "at": at}
            elif line.get("reopened", False):
                found.pop(line["key"], None)  # it is asked anew
            else:
                found.setdefault(line["key"], {}).update(line)
    return found


def _true(item: ReviewItem, answers: Mapping[str, Mapping[str, Any]]) -> ReviewItem:
    noted = answers.get(item.key, {})
    answer = noted.get("answer")
    return replace(
        item,
        answer=Handling(answer) if answer is not None else None,
        answer_reason=str(noted.get("reason", "")),
        answered_by=str(noted.get("by", "")) if answer is not None else "",
        answered_at=noted.get("at") if answer is not None else None,
        settled=str(noted.get("settled", "")),
        into=str(noted.get("into", "")),
        late=bool(noted.get("late", False)),
    )


_TEXTS: Final = ("key", "month", "county", "username", "kind", "detail", "proposed")


def _every_row() -> Select[Any]:
    """Days as text: one that is none must not keep all others from being read."""
    table = review_item
    deadline = cast(table.c.deadline, String).label("deadline")
    return select(*(table.c[name] for name in _TEXTS), table.c.person_id, deadline)


def _item(row: Row[Any]) -> ReviewItem | None:
    """None for what we never wrote."""
    values = [*(getattr(row, name) for name in _TEXTS), row.deadline]
    if not all(isinstance(value, str) for value in values) or not isinstance(row.person_id, str | None):
        return None
    try:
        deadline = date.fromisoformat(row.deadline)
        kind, proposed = ReviewKind(row.kind), Handling(row.proposed)
    except ValueError:
        return None
    return ReviewItem(
        key=row.key,
        month=row.month,
        county=OrgCode(row.county),
        person=None if row.person_id is None else PersonId(row.person_id),
        username=row.username,
        kind=kind,
        detail=row.detail,
        proposed=proposed,
        deadline=deadline,
    )


def _told(value: object) -> str:
    return value if isinstance(value, str) else "?"


def _row(item: ReviewItem) -> dict[str, Any]:
    return {
        "key": item.key,
        "month": item.month,
        "county": item.county,
        "person_id": item.person,
        "username": item.username,
        "kind": item.kind,
        "detail": item.detail,
        "proposed": item.proposed,
        "deadline": item.deadline,
        "answer": item.answer,
        "answer_reason": item.answer_reason or None,
        "answered_by": item.answered_by or None,
        "answered_at": item.answered_at,
        "settled": item.settled or None,
    }
