"""Lines of the monthly review and their answers, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import delete, update

from quanheng.identity.keys import FileKeyring
from quanheng.ledger.chain import Ledger
from quanheng.ledger.entry import BOOTSTRAP, Entry
from quanheng.lifecycle.review import Handling, ReviewItem, ReviewKind, list_digest
from quanheng.model.change import Json
from quanheng.model.ids import OrgCode, PersonId
from quanheng.store.database import Database
from quanheng.store.reviews import (
    REVIEW_ANSWERED,
    REVIEW_SETTLED,
    REVIEW_WRITTEN,
    put_answers,
    put_new_items,
    put_reopened,
    read_altered,
    read_answered_keys,
    read_items,
    read_month_done,
    read_noted_lists,
    write_month_done,
)
from quanheng.store.tables import review_item

NOW = datetime(2026, 3, 2, 4, tzinfo=UTC)
COUNTY = OrgCode("140902")
ITEM = ReviewItem(
    key="1" * 64,
    month="2026-03",
    county=COUNTY,
    person=PersonId("a" * 32),
    username="sx0000001",
    kind=ReviewKind.TEMPORARY_ENDING,
    detail="临时账号将于 2026-03-31 到期（J21）",
    proposed=Handling.END,
    deadline=date(2026, 3, 9),
)
OTHERS = (
    replace(ITEM, key="2" * 64, person=None, username="x" * 64, kind=ReviewKind.ILLEGAL),
    replace(ITEM, key="3" * 64, month="2026-04"),
    replace(ITEM, key="4" * 64, county=OrgCode("14")),
)
ANSWERED = replace(
    ITEM,
    answer=Handling.DEREGISTER,
    answer_reason="早已离岗",
    answered_by="sx0000002",
    answered_at=NOW,
    settled=f"request:{'f' * 64}",
)


@pytest.fixture
def filled(database: Database, keyring: FileKeyring) -> Database:
    """A store with four lines."""
    with database.transaction() as connection:
        assert put_new_items(connection, [ITEM, *OTHERS]) == 4
    note(database, keyring, BOOTSTRAP, {})  # a ledger begins with it
    return database


def read(database: Database, **options: object) -> tuple[ReviewItem, ...]:
    """Lines that are there."""
    with database.reading() as connection:
        return read_items(connection, **options)  # type: ignore[arg-type]


def note(database: Database, keyring: FileKeyring, kind: str, body: dict[str, Json]) -> None:
    """An entry of the ledger."""
    with database.transaction() as connection:
        Ledger(connection, keyring, lambda: NOW).append([Entry(kind=kind, body=body)])


def answer_line(item: ReviewItem) -> dict[str, Json]:
    """What the ledger has of an answer."""
    return {
        "key": item.key,
        "username": item.username,
        "answer": str(item.answer),
        "reason": item.answer_reason,
        "settled": item.settled,
    }


def test_lines_are_found_by_month_county_and_key(filled: Database) -> None:
    """In the order of months, counties and kinds."""
    assert [item.key[0] for item in read(filled)] == ["4", "2", "1", "3"]
    assert read(filled, month="2026-04") == (OTHERS[1],)
    assert read(filled, month="2026-03", county=COUNTY) == (OTHERS[0], ITEM)
    assert read(filled, keys={ITEM.key, "9" * 64}) == (ITEM,)
    assert read(filled, keys=set()) == ()


def test_a_line_that_is_there_stays_as_it_is(filled: Database) -> None:
    """Found again it is not new, whatever is said of it now."""
    with filled.transaction() as connection:
        assert put_new_items(connection, [replace(ITEM, detail="别的")]) == 0
    assert read(filled, keys={ITEM.key}) == (ITEM,)


def test_an_answer_counts_when_the_ledger_has_it(filled: Database, keyring: FileKeyring) -> None:
    """The last one; a row alone says nothing, and a row that was taken back changes nothing."""
    with filled.transaction() as connection:
        put_answers(connection, [ANSWERED])
        put_answers(connection, [])
    (mine,) = read(filled, keys={ITEM.key})
    assert (mine.answer, mine.answer_reason, mine.answered_by, mine.settled) == (None, "", "", "")
    earlier = replace(ANSWERED, answer=Handling.KEEP, answer_reason="本人在岗", settled="")
    for given in (earlier, replace(ANSWERED, settled="")):
        body: dict[str, Json] = {"answered_by": "sx0000002", "lines": [answer_line(given)]}
        note(filled, keyring, REVIEW_ANSWERED, body)
    settled: dict[str, Json] = {"lines": [{"key": ITEM.key, "settled": ANSWERED.settled}]}
    note(filled, keyring, REVIEW_SETTLED, settled)
    assert read(filled, keys={ITEM.key}) == (ANSWERED,)
    with filled.transaction() as connection:
        connection.execute(update(review_item).values(answer="keep", answer_reason=None, settled=None))
    assert read(filled, keys={ITEM.key}) == (ANSWERED,)


def test_a_list_is_compared_with_what_was_written(filled: Database, keyring: FileKeyring) -> None:
    """The last word on each; of one that was never written nothing may be there."""
    for items in ([ITEM], [OTHERS[0], ITEM]):
        lists: dict[str, Json] = {str(COUNTY): {"count": len(items), "digest": list_digest(items)}}
        note(filled, keyring, REVIEW_WRITTEN, {"month": "2026-03", "lists": lists})
    with filled.reading() as connection:
        noted = read_noted_lists(connection)
    assert noted.months == {"2026-03"}
    assert noted.is_as_written(read(filled, month="2026-03", county=COUNTY), "2026-03", COUNTY)
    assert not noted.is_as_written([ITEM], "2026-03", COUNTY)
    assert not noted.is_as_written([], "2026-03", COUNTY)
    assert not noted.is_as_written([OTHERS[2]], "2026-03", OrgCode("14"))
    assert noted.is_as_written([], "2026-03", OrgCode("14"))


def test_what_is_asked_anew_has_no_answer(filled: Database, keyring: FileKeyring) -> None:
    """It says what was found now; another list's digest is another."""
    body: dict[str, Json] = {"answered_by": "sx0000002", "lines": [answer_line(ANSWERED)]}
    note(filled, keyring, REVIEW_ANSWERED, body)
    with filled.reading() as connection:
        assert read_answered_keys(connection) == {ITEM.key}
    again = replace(ITEM, detail="没有任何岗位", proposed=Handling.FREEZE, deadline=date(2026, 4, 1))
    with filled.transaction() as connection:
        put_reopened(connection, [again])
    note(filled, keyring, REVIEW_SETTLED, {"lines": [{"key": ITEM.key, "settled": "", "reopened": True}]})
    assert read(filled, keys={ITEM.key}) == (again,)
    with filled.reading() as connection:
        assert read_answered_keys(connection) == frozenset()


def test_a_list_is_also_of_whom_and_of_when() -> None:
    """A line that names another person or month is another line."""
    for other in (replace(ITEM, month="2026-04"), replace(ITEM, person=None)):
        assert list_digest([other]) != list_digest([ITEM])


def test_where_a_line_goes_on(filled: Database, keyring: FileKeyring) -> None:
    """In a line of a later month, late or not."""
    line: dict[str, Json] = {"key": ITEM.key, "settled": "carried:2026-04", "into": "3" * 64, "late": True}
    note(filled, keyring, REVIEW_SETTLED, {"lines": [line]})
    assert read(filled, keys={ITEM.key}) == (
        replace(ITEM, settled="carried:2026-04", into="3" * 64, late=True),
    )


@pytest.mark.parametrize("values", [{"kind": "nonsense"}, {"proposed": ""}])
def test_lists_that_were_altered(filled: Database, keyring: FileKeyring, values: dict[str, str]) -> None:
    """Those never written, those that say something else, and those with a row that says nothing."""
    lists: dict[str, Json] = {
        "14": {"count": 1, "digest": list_digest([OTHERS[2]])},
        str(COUNTY): {"count": 2, "digest": list_digest([OTHERS[0], ITEM])},
        "1409": {"count": 1, "digest": "0" * 64},
    }
    note(filled, keyring, REVIEW_WRITTEN, {"month": "2026-03", "lists": lists})
    with filled.transaction() as connection:
        assert read_altered(connection) == (("2026-03", OrgCode("1409")), ("2026-04", COUNTY))
        assert read_altered(connection, month="2026-04") == (("2026-04", COUNTY),)
        put_new_items(connection, [replace(ITEM, key="5" * 64)])
        connection.execute(update(review_item).where(review_item.c.key == "5" * 64).values(**values))
        assert ("2026-03", COUNTY) in read_altered(connection, month="2026-03")
    assert read(filled, keys={ITEM.key, "5" * 64}) == (ITEM,)


def test_many_keys_at_once(filled: Database) -> None:
    """More than a query takes."""
    many = {f"{number:064x}" for number in range(1200)} | {ITEM.key}
    assert read(filled, keys=many) == (ITEM,)


def test_the_month_that_was_done(filled: Database) -> None:
    """Empty before the first."""
    with filled.transaction() as connection:
        assert read_month_done(connection) == ""
        write_month_done(connection, "2026-03")
        assert read_month_done(connection) == "2026-03"
        connection.execute(delete(review_item))
