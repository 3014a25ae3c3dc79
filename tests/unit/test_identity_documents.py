"""Identity documents, names and phones: the cases that files bring."""

from __future__ import annotations

from datetime import date

import pytest
from stdnum.cn import ric

from quanheng.identity.contact import PersonNameError, PhoneError, canonical_name, canonical_phone
from quanheng.identity.documents import DocumentError, canonical_document
from quanheng.model.staff import DocumentKind, Reason


def with_check_digit(body: str) -> str:
    """Complete 17 digits."""
    return body + ric.calc_check_digit(body + "0")


@pytest.mark.parametrize(
    ("kind", "raw", "expected"),
    [
        (DocumentKind.PASSPORT, "e 1234 5678", "E12345678"),
        (DocumentKind.MAINLAND_TRAVEL_PERMIT, "h12345678", "H12345678"),
        (DocumentKind.MAINLAND_TRAVEL_PERMIT, "H12345678 02", "H12345678"),
        (DocumentKind.MAINLAND_TRAVEL_PERMIT, "01234567", "01234567"),
        (DocumentKind.FOREIGN_PERMANENT_RESIDENT, "usa110080010112", "USA110080010112"),
    ],
)
def test_documents_of_other_kinds(kind: DocumentKind, raw: str, expected: str) -> None:
    """Each kind has its own shape."""
    assert expected == canonical_document(kind, raw).number.reveal()


def test_the_card_of_2023() -> None:
    """A foreign permanent resident's card of 18 digits has the check digit of GB 11643."""
    number = with_check_digit("91184019800229123")
    assert number == canonical_document(DocumentKind.FOREIGN_PERMANENT_RESIDENT, number).number.reveal()


@pytest.mark.parametrize(
    ("kind", "raw", "reason", "value_kind"),
    [
        (
            DocumentKind.RESIDENT_ID,
            "1" * 17,
            Reason.BAD_DOCUMENT_NUMBER,
            "17 characters; expected 18 or 15 digits",
        ),
        (
            DocumentKind.RESIDENT_ID,
            "1400001990010112号4",
            Reason.BAD_DOCUMENT_NUMBER,
            "18 characters, some neither letters nor digits; expected 18 or 15 digits",
        ),
        (DocumentKind.RESIDENT_ID, " \u3000", Reason.MISSING_VALUE, "empty"),
        (
            DocumentKind.RESIDENT_ID,
            with_check_digit("14000019900230123"),
            Reason.BAD_DOCUMENT_NUMBER,
            "birth date that does not exist",
        ),
        (
            DocumentKind.RESIDENT_ID,
            with_check_digit("14000018991231123"),
            Reason.BAD_DOCUMENT_NUMBER,
            "birth date that does not exist",
        ),
        (
            DocumentKind.RESIDENT_ID,
            with_check_digit("99000019900130123"),
            Reason.BAD_DOCUMENT_NUMBER,
            "starts with no province of resident identity cards",
        ),
        (
            DocumentKind.RESIDENCE_PERMIT,
            with_check_digit("14000019900130123"),
            Reason.BAD_DOCUMENT_NUMBER,
            "does not start with 810000, 820000 or 830000",
        ),
        (
            DocumentKind.FOREIGN_PERMANENT_RESIDENT,
            with_check_digit("14000019900130123"),
            Reason.BAD_DOCUMENT_NUMBER,
            "18 digits that do not start with 9",
        ),
        (
            DocumentKind.FOREIGN_PERMANENT_RESIDENT,
            "USA110080130112",
            Reason.BAD_DOCUMENT_NUMBER,
            "birth date that does not exist",
        ),
        (
            DocumentKind.MAINLAND_TRAVEL_PERMIT,
            "X12345678",
            Reason.BAD_DOCUMENT_NUMBER,
            "9 characters; expected H or M and 8 digits, or 8 digits",
        ),
        (
            DocumentKind.PASSPORT,
            "PASSPORT",
            Reason.BAD_DOCUMENT_NUMBER,
            "8 characters; expected 5 to 9 letters and digits",
        ),
    ],
)
def test_refusals_say_what_kind_of_value(
    kind: DocumentKind, raw: str, reason: Reason, value_kind: str
) -> None:
    """A refusal has a reason, the kind of value and a remedy."""
    with pytest.raises(DocumentError) as refused:
        canonical_document(kind, raw)
    assert (reason, value_kind) == (refused.value.reason, refused.value.value_kind)
    assert refused.value.remedy


def test_a_wrong_check_digit_has_its_own_reason() -> None:
    """Everything but the last character is right."""
    number = with_check_digit("14000019900101123")
    wrong = number[:17] + ("1" if number[17] != "1" else "2")
    with pytest.raises(DocumentError) as refused:
        canonical_document(DocumentKind.RESIDENT_ID, wrong)
    assert refused.value.reason == Reason.BAD_CHECK_DIGIT


def test_nobody_is_born_tomorrow() -> None:
    """With a day given, a birth date after it is refused."""
    number = with_check_digit("14000020240502123")
    canonical_document(DocumentKind.RESIDENT_ID, number, today=date(2024, 5, 2))
    with pytest.raises(DocumentError, match="birth date in the future"):
        canonical_document(DocumentKind.RESIDENT_ID, number, today=date(2024, 5, 1))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("张三", "张三"),
        (" 张　三 ", "张三"),
        ("𠮷野家", "𠮷野家"),
        ("䶮", "䶮"),
        ("〇一", "〇一"),
        ("阿不都•热合曼", "阿不都·热合曼"),
        ("阿不都 ・ 热合曼", "阿不都·热合曼"),
        ("阿不都.热合曼", "阿不都·热合曼"),
        ("阿不都‧热合曼", "阿不都·热合曼"),
        ("Ｊｏｈｎ　　Smith Jr.", "John Smith Jr."),
        ("Jose\u0301", "José"),
        ("\ufeff李四", "李四"),
    ],
)
def test_names(raw: str, expected: str) -> None:
    """One form of dots and blanks; rare characters stay."""
    assert expected == canonical_name(raw)


@pytest.mark.parametrize(
    "raw", ["", " ", "张3", "张\x00三", "\ue863", "张三?", "·张", "丶" * 51, "15412345678"]
)
def test_what_is_no_name(raw: str) -> None:
    """Digits, control and private-use characters, signs, nothing and too much are refused."""
    with pytest.raises(PersonNameError):
        canonical_name(raw)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("+86 154-0000-0001", "15400000001"),
        ("００８６１５４００００００００１", None),
        ("8615400000001", "15400000001"),
        ("（0350）302 1234", "03503021234"),
        ("010-62345678", "01062345678"),
        ("+86 350 3021234", "03503021234"),
        ("12800000001", None),
        ("1380000000", None),
        ("3021234", None),
        ("+1 202 555 0123", None),
        ("", None),
    ],
)
def test_phones(raw: str, expected: str | None) -> None:
    """Mobiles and landlines of the mainland, however written; nothing else."""
    if expected is None:
        with pytest.raises(PhoneError):
            canonical_phone(raw)
    else:
        assert expected == canonical_phone(raw).reveal()
