"""Spellings of one number are one document, and a wrong digit never passes."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import ric

from quanheng.identity.contact import PersonNameError, canonical_name, canonical_phone
from quanheng.identity.documents import DocumentError, canonical_document
from quanheng.model.staff import DocumentKind, Reason

FULL_WIDTH = str.maketrans("0123456789Xx", "０１２３４５６７８９Ｘｘ")


@st.composite
def resident_numbers(draw: st.DrawFn, prefix: str = "140000", earliest: int = 1950) -> str:
    """A number with a real birth date and the right check digit."""
    born = draw(st.dates(date(earliest, 1, 1), date(1999, 12, 31)))
    body = f"{prefix}{born:%Y%m%d}{draw(st.integers(0, 999)):03}"
    return body + ric.calc_check_digit(body + "0")


@st.composite
def spellings(draw: st.DrawFn, number: str) -> str:
    """The number as some file might have it."""
    pieces = [character + draw(st.sampled_from(["", "", "", " ", "-", "\u3000"])) for character in number]
    text = draw(st.sampled_from(["", "'", "\ufeff", " "])) + "".join(pieces)
    text = text.lower() if draw(st.booleans()) else text
    return text.translate(FULL_WIDTH) if draw(st.booleans()) else text


@given(st.data())
def test_every_spelling_is_the_same_document(data: st.DataObject) -> None:
    """Width, case and separators do not make another person."""
    number = data.draw(resident_numbers())
    spelled = data.draw(spellings(number))
    assert number == canonical_document(DocumentKind.RESIDENT_ID, spelled).number.reveal()


@given(resident_numbers())
def test_fifteen_digits_are_the_same_person(number: str) -> None:
    """The number of 1989 and the number of 1999 are one document."""
    fifteen = number[:6] + number[8:17]
    assert canonical_document(DocumentKind.RESIDENT_ID, number) == canonical_document(
        DocumentKind.RESIDENT_ID, fifteen
    )


@given(resident_numbers(), st.integers(0, 17), st.sampled_from("0123456789X"))
def test_one_wrong_character_is_refused(number: str, position: int, character: str) -> None:
    """GB 11643 finds any single wrong character."""
    wrong = number[:position] + character + number[position + 1 :]
    if wrong == number:
        return
    with pytest.raises(DocumentError):
        canonical_document(DocumentKind.RESIDENT_ID, wrong)


@given(resident_numbers(prefix="830000"))
def test_residence_permits_are_numbered_alike(number: str) -> None:
    """A residence permit passes as itself and not as a resident identity card."""
    assert number == canonical_document(DocumentKind.RESIDENCE_PERMIT, number).number.reveal()
    with pytest.raises(DocumentError):
        canonical_document(DocumentKind.RESIDENT_ID, number)


NUMBERS = st.from_regex(r"[A-Z]?[0-9]{4,18}[0-9Xx]?", fullmatch=True)


@given(st.sampled_from(DocumentKind), st.one_of(st.text(max_size=30), NUMBERS))
def test_a_refusal_never_shows_the_value(kind: DocumentKind, raw: str) -> None:
    """Whatever comes in, the outcome is a canonical document or a refusal without the value."""
    refusal: DocumentError | None = None
    try:
        document = canonical_document(kind, raw)
    except DocumentError as refused:
        refusal = refused
    if refusal is None:
        assert document == canonical_document(kind, document.number.reveal())
        return
    assert refusal.reason in {Reason.BAD_CHECK_DIGIT, Reason.BAD_DOCUMENT_NUMBER, Reason.MISSING_VALUE}
    # A word may stand in the message by chance ("digits"), a number may not.
    told = f"{refusal} {refusal!r} {refusal.__context__}"
    assert sum(character.isdigit() for character in raw) < 4 or raw not in told


@given(st.text(max_size=60))
def test_names_are_canonical_once(raw: str) -> None:
    """A canonical name is its own canonical form."""
    try:
        name = canonical_name(raw)
    except PersonNameError:
        return
    assert name == canonical_name(name)
    assert 0 < len(name) <= 50
    assert name == name.strip()


@given(st.from_regex(r"154[0-9]{8}", fullmatch=True), st.data())
def test_every_spelling_is_the_same_phone(number: str, data: st.DataObject) -> None:
    """Prefix, width and separators do not make another phone."""
    prefix = data.draw(st.sampled_from(["", "+86", "0086", "86", "+86 ", "＋８６-"]))
    spelled = prefix + data.draw(spellings(number))
    assert number == canonical_phone(spelled).reveal()
