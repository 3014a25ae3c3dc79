"""Rows in quarantine: kept until mended, listed without what was wrong, encrypted."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from fixtures.identities import calculate_check_digit
from fixtures.servers_postgres import SETTLED
from quanheng.errors import RefusedError
from quanheng.identity.keys import FileKeyring
from quanheng.model.ids import OrgCode, SourceId, StaffNo
from quanheng.model.sensitive import Sensitive
from quanheng.model.staff import Document, DocumentKind, Origin, Reason, RejectedRow
from quanheng.store import tables
from quanheng.store.database import Database
from quanheng.store.quarantine import count_by_reason, read_quarantine, replace, reveal

HR = SourceId("hr")
LATER = SETTLED + timedelta(hours=1)


def document_number(number: int) -> str:
    """Nobody's ID number, another for each number."""
    digits = f"1400001990{number // 1000 + 1:02}01{number % 1000:03}"
    return digits + calculate_check_digit(digits)


def row(number: int, *, line: int | None = None, county: str = "140902", source: str = "hr") -> RejectedRow:
    """A rejected row."""
    return RejectedRow(
        origin=Origin(SourceId(source), f"people.csv:{line or number}"),
        reason=Reason.BAD_CHECK_DIGIT,
        field="证件号码",
        value_kind="18 characters, check digit wrong",
        remedy="compare every digit with the card itself",
        original=Sensitive(f"S{number},张三,居民身份证,{document_number(number)}"),
        county=OrgCode(county),
        staff_no=StaffNo(f"S{number}"),
        document=Document(DocumentKind.RESIDENT_ID, Sensitive(document_number(number))),
    )


def test_a_list_shows_no_value(database: Database, keyring: FileKeyring) -> None:
    """Neither the list nor the table holds the original or a number in the clear."""
    with database.transaction() as connection:
        replace(connection, keyring, HR, [row(1), row(2, county="140981")], SETTLED)
        listed = read_quarantine(connection, county=OrgCode("140902"))
        stored = connection.execute(select(tables.quarantine)).all()
    assert [(str(found.origin), found.reason, found.value_kind) for found in listed] == [
        ("hr people.csv:1", Reason.BAD_CHECK_DIGIT, "18 characters, check digit wrong")
    ]
    assert document_number(1) not in repr(listed)
    assert document_number(1) not in repr(stored)
    assert "张三" not in repr(stored)


def test_one_original_is_revealed(database: Database, keyring: FileKeyring) -> None:
    """By its key; it does not print itself, and another key is refused."""
    with database.transaction() as connection:
        replace(connection, keyring, HR, [row(1)], SETTLED)
        (listed,) = read_quarantine(connection)
        original = reveal(connection, keyring, listed.key)
        assert original == row(1).original
        assert "张三" not in repr(original)
        with pytest.raises(RefusedError):
            reveal(connection, keyring, "0" * 64)


def test_bytes_that_are_no_text_come_back(database: Database, keyring: FileKeyring) -> None:
    """An original in a broken encoding is kept as it came."""
    broken = RejectedRow(
        origin=Origin(HR, "people.csv:9"),
        reason=Reason.UNREADABLE_TEXT,
        field="",
        value_kind="no text in GB18030",
        remedy="export it again",
        original=Sensitive("S9,\udcff\x00"),
    )
    with database.transaction() as connection:
        replace(connection, keyring, HR, [broken], SETTLED)
        (listed,) = read_quarantine(connection)
        assert reveal(connection, keyring, listed.key) == broken.original


def test_mended_rows_vanish_and_others_keep_their_age(database: Database, keyring: FileKeyring) -> None:
    """A row that moved to another line is the same row; other sources are left alone."""
    with database.transaction() as connection:
        replace(connection, keyring, SourceId("ldap"), [row(7, source="ldap")], SETTLED)
        replace(connection, keyring, HR, [row(1), row(2)], SETTLED)
        replace(connection, keyring, HR, [row(2, line=40), row(3)], LATER)
        found = {str(item.origin): (item.first_seen, item.last_seen) for item in read_quarantine(connection)}
        assert found == {
            "hr people.csv:40": (SETTLED, LATER),
            "hr people.csv:3": (LATER, LATER),
            "ldap people.csv:7": (SETTLED, SETTLED),
        }
        assert count_by_reason(connection) == {Reason.BAD_CHECK_DIGIT: 3}
        replace(connection, keyring, HR, [], LATER)
        assert [str(item.origin) for item in read_quarantine(connection)] == ["ldap people.csv:7"]


def test_equal_rows_are_each_kept(database: Database, keyring: FileKeyring) -> None:
    """The same wrong row twice in a file is two rows to mend."""
    with database.transaction() as connection:
        replace(connection, keyring, HR, [row(1), row(1, line=2)], SETTLED)
        assert len(read_quarantine(connection)) == 2
        replace(connection, keyring, HR, [row(1, line=2)], LATER)
        (left,) = read_quarantine(connection)
        assert (left.origin.locator, left.first_seen) == ("people.csv:2", SETTLED)


def test_a_delta_keeps_what_it_does_not_speak_of(database: Database, keyring: FileKeyring) -> None:
    """Only people with good rows now, and rows wrong again, change."""
    with database.transaction() as connection:
        replace(connection, keyring, HR, [row(1), row(2), row(3)], SETTLED)
        replace(
            connection,
            keyring,
            HR,
            [row(3), row(4)],
            LATER,
            keep_unmentioned=True,
            settled={StaffNo("S2"), StaffNo("S8")},
        )
        found = {item.staff_no: item.last_seen for item in read_quarantine(connection, source=HR)}
    assert found == {"S1": SETTLED, "S3": LATER, "S4": LATER}


def test_many_rows(database: Database, keyring: FileKeyring) -> None:
    """A file in the wrong encoding rejects everything, and the next one mends everything."""
    with database.transaction() as connection:
        replace(connection, keyring, HR, [row(number) for number in range(2000)], SETTLED)
        assert len(read_quarantine(connection)) == 2000
        replace(connection, keyring, HR, [], LATER)
        assert read_quarantine(connection) == ()


def test_a_row_of_another_source_is_a_mistake(database: Database, keyring: FileKeyring) -> None:
    """A reading keeps its own rows only."""
    with database.transaction() as connection, pytest.raises(ValueError, match="another source"):
        replace(connection, keyring, SourceId("ldap"), [row(1)], SETTLED)
