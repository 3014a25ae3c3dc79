"""Identity documents in the one form under which a person is found (decision 7).

The same person arrives with 15 and with 18 digits, in full width, with a small x, with spaces. Two
spellings of one number must give one index, so everything is folded here and nowhere else. What
cannot be folded without guessing is refused: the row goes to quarantine and a person mends it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date
from typing import Final

from stdnum.cn import ric

from quanheng.identity.refusal import RefusedValueError
from quanheng.model.sensitive import Sensitive
from quanheng.model.staff import Document, DocumentKind, Reason

# Besides blanks and hyphens, what cuts numbers in real files: the dashes of input methods, and the
# marks in front of numbers that stop a spreadsheet from rounding them.
_SEPARATORS: Final = re.compile(r"[\s\-‐-―−﹣'`’‘\u200b-\u200f\u2060\ufeff]")

_DIGITS_AND_CHECK: Final = re.compile(r"[0-9]{17}[0-9X]")
_FIFTEEN_DIGITS: Final = re.compile(r"[0-9]{15}")
_RESIDENT_PROVINCES: Final = re.compile(r"1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71")
"""GB/T 2260 provinces that resident identity numbers start with."""
_PERMIT_REGIONS: Final = ("810000", "820000", "830000")
"""Hong Kong, Macao, Taiwan: address codes of residence permits."""
_OLD_PERMANENT_RESIDENT: Final = re.compile(r"[A-Z]{3}[0-9]{4}([0-9]{6})[0-9]{2}")
_HONG_KONG_MACAO: Final = re.compile(r"([HM][0-9]{8})([0-9]{2})?")
_TAIWAN: Final = re.compile(r"[0-9]{8}")
_PASSPORT: Final = re.compile(r"(?=.*[0-9])[A-Z0-9]{5,9}")

_EARLIEST_BIRTH: Final = date(1900, 1, 1)


class DocumentError(RefusedValueError):
    """A number is not a valid number of its kind of identity document."""


def canonical_document(kind: DocumentKind, raw: str, *, today: date | None = None) -> Document:
    """Return the document in canonical form: half width, upper case, no separators, 18 digits.

    With ``today`` (a day in China) a birth date after it is refused.

    Raises :class:`DocumentError`, whose ``reason`` is BAD_CHECK_DIGIT when everything but the check
    digit is right, MISSING_VALUE when there is no number, and BAD_DOCUMENT_NUMBER otherwise.
    """
    number = (
        raw if raw.isascii() and raw.isalnum() else _SEPARATORS.sub("", unicodedata.normalize("NFKC", raw))
    )
    number = number.upper()
    if not number:
        raise DocumentError(Reason.MISSING_VALUE, "empty", remedy="enter the number of the document")
    return Document(kind, Sensitive(_CANONICAL[kind](number, today)))


def _resident_id(number: str, today: date | None) -> str:
    """GB 11643-1999; a number of 15 digits (GB 11643-1989) is completed to 18."""
    if _FIFTEEN_DIGITS.fullmatch(number):
        # Order codes 996 to 999 stood for people born before 1900; nobody of that age is on a staff list.
        number = f"{number[:6]}19{number[6:]}"
        number += ric.calc_check_digit(number + "0")
    else:
        _require_eighteen(number, "18 or 15 digits")
    if not _RESIDENT_PROVINCES.match(number):
        raise DocumentError(
            Reason.BAD_DOCUMENT_NUMBER,
            "starts with no province of resident identity cards",
            remedy="check the number and the kind of document (81, 82 and 83 are residence permits, "
            "9 is a foreign permanent resident's card)",
        )
    return _require_birth_and_check(number, today)


def _residence_permit(number: str, today: date | None) -> str:
    """Residence permits of people from Hong Kong, Macao and Taiwan, numbered as in GB 11643."""
    _require_eighteen(number, "18 digits")
    if not number.startswith(_PERMIT_REGIONS):
        raise DocumentError(
            Reason.BAD_DOCUMENT_NUMBER,
            "does not start with 810000, 820000 or 830000",
            remedy="check the number and the kind of document",
        )
    return _require_birth_and_check(number, today)


def _foreign_permanent_resident(number: str, today: date | None) -> str:
    """Cards of 2023 have 18 digits, the first a 9, and the check digit of GB 11643. Earlier ones have
    a country of three letters and 12 digits; their last digit is not checked, since the standard
    (GA/T 704) is not public. A person who changes to a new card is a changed number, to be approved.
    """
    if match := _OLD_PERMANENT_RESIDENT.fullmatch(number):
        # Two digits of the year: the 29th of February is allowed by 2000, a leap year.
        _require_date(f"20{match[1]}", None)
        return number
    _require_eighteen(number, "18 digits, or 3 letters and 12 digits")
    if not number.startswith("9"):
        raise DocumentError(
            Reason.BAD_DOCUMENT_NUMBER,
            "18 digits that do not start with 9",
            remedy="check the number and the kind of document",
        )
    return _require_birth_and_check(number, today)


def _mainland_travel_permit(number: str, today: date | None) -> str:
    """H or M and 8 digits, or (from Taiwan) 8 digits. Hong Kong and Macao permits issued before 2013
    add two digits that count the issues; they are dropped, since the eight are the person's for life.
    """
    del today  # holds no birth date
    if match := _HONG_KONG_MACAO.fullmatch(number):
        return match[1]
    if _TAIWAN.fullmatch(number):
        return number
    raise _wrong_shape(number, "H or M and 8 digits, or 8 digits")


def _passport(number: str, today: date | None) -> str:
    """Up to nine letters and digits (ICAO Doc 9303 part 4); there is no check digit in the number."""
    del today  # holds no birth date
    if not _PASSPORT.fullmatch(number):
        raise _wrong_shape(number, "5 to 9 letters and digits")
    return number


_CANONICAL: Final[Mapping[DocumentKind, Callable[[str, date | None], str]]] = {
    DocumentKind.RESIDENT_ID: _resident_id,
    DocumentKind.RESIDENCE_PERMIT: _residence_permit,
    DocumentKind.FOREIGN_PERMANENT_RESIDENT: _foreign_permanent_resident,
    DocumentKind.MAINLAND_TRAVEL_PERMIT: _mainland_travel_permit,
    DocumentKind.PASSPORT: _passport,
}


def _wrong_shape(number: str, expected: str) -> DocumentError:
    foreign = "" if re.fullmatch(r"[A-Z0-9]*", number) else ", some neither letters nor digits"
    return DocumentError(
        Reason.BAD_DOCUMENT_NUMBER,
        f"{len(number)} characters{foreign}; expected {expected}",
        remedy="check the number and the kind of document",
    )


def _require_eighteen(number: str, expected: str) -> None:
    if not _DIGITS_AND_CHECK.fullmatch(number):
        raise _wrong_shape(number, expected)


def _require_birth_and_check(number: str, today: date | None) -> str:
    """Only the check digit is stdnum's: its table of places refuses people who were registered in a
    county renamed since, and every residence permit.
    """
    _require_date(number[6:14], today)
    if number[17] != ric.calc_check_digit(number):
        raise DocumentError(
            Reason.BAD_CHECK_DIGIT,
            "18 characters, check digit wrong",
            remedy="compare every digit with the card itself",
        )
    return number


def _require_date(digits: str, today: date | None) -> None:
    try:
        day = date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        day = date.min
    if day < _EARLIEST_BIRTH:
        problem = "birth date that does not exist"
    elif today is not None and day > today:
        problem = "birth date in the future"
    else:
        return
    raise DocumentError(
        Reason.BAD_DOCUMENT_NUMBER, problem, remedy="compare every digit with the card itself"
    )
