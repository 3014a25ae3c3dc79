"""Names and phones in canonical form."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from quanheng.identity.refusal import RefusedValueError
from quanheng.model.sensitive import Sensitive
from quanheng.model.staff import Reason

_PHONE_SEPARATORS: Final = re.compile(r"[\s\-‐-―−﹣()./'`’‘\u200b-\u200f\u2060\ufeff]")
_COUNTRY: Final = re.compile(r"(?:\+|00)86|86(?=1[3-9][0-9]{9}$)")
_MOBILE: Final = re.compile(r"1[3-9][0-9]{9}")
_LANDLINE: Final = re.compile(r"0(?:10|2[0-9]|[3-9][0-9]{2})[2-9][0-9]{6,7}")
_LANDLINE_WITHOUT_ZERO: Final = re.compile(r"(?:10|2[0-9]|[3-9][0-9]{2})[2-9][0-9]{6,7}")

_HAN: Final = "〇㐀-䶿一-鿿\uf900-\ufaff\U00020000-\U0003ffff"
_MIDDLE_DOTS: Final = str.maketrans(dict.fromkeys("•・‧･∙⋅●．", "·"))
_POINT_AS_DOT: Final = re.compile(f"(?<=[{_HAN}])\\.(?=[{_HAN}])")
_BLANKS: Final = re.compile(r"\s+")
_BLANKS_BESIDE_HAN: Final = re.compile(f"(?<=[{_HAN}·]) | (?=[{_HAN}·])")
_INVISIBLE: Final = re.compile(r"[\u200b-\u200f\u2060\ufeff]")
MAX_NAME_LENGTH: Final = 50
"""Characters (code points), as in the name field of GA/T 543 records."""


class PhoneError(RefusedValueError):
    """A value is not a phone number of the mainland."""


class PersonNameError(RefusedValueError):
    """A value is not the name of a person."""


def canonical_phone(raw: str) -> Sensitive:
    """Return 11 digits of a mobile, or area code and number of a landline, without separators.

    ``+86`` and ``0086`` are dropped. Raises :class:`PhoneError`.
    """
    folded = raw if raw.isascii() and raw.isdigit() else unicodedata.normalize("NFKC", raw)
    number = _PHONE_SEPARATORS.sub("", folded)
    if not number:
        raise PhoneError(Reason.MISSING_VALUE, "empty", remedy="enter the person's phone")
    if country := _COUNTRY.match(number):
        number = number[country.end() :]
        if _LANDLINE_WITHOUT_ZERO.fullmatch(number) and not _MOBILE.fullmatch(number):
            number = f"0{number}"
    if not (_MOBILE.fullmatch(number) or _LANDLINE.fullmatch(number)):
        kind = (
            f"{len(number)} digits" if number.isascii() and number.isdigit() else f"{len(number)} characters"
        )
        raise PhoneError(
            Reason.BAD_PHONE,
            f"{kind}; expected a mobile of 11 digits, or a landline with its area code",
            remedy="enter the person's own phone",
        )
    return Sensitive(number)


def canonical_name(raw: str) -> str:
    """Return the name with one form of the middle dot (U+00B7) and of blanks.

    Chinese names lose the blanks that pad them (``张　三``); between words of an alphabet one stays.
    NFC, since NFKC would rewrite signs that people chose; rare characters, also of the supplementary
    planes (𠮷), stay. Raises :class:`PersonNameError` for an empty name, control and private-use
    characters, digits, signs, and more than 50 characters.
    """
    if 1 < len(raw) <= MAX_NAME_LENGTH and all("一" <= character <= "鿿" for character in raw):
        return raw  # common ideographs have one form only: nearly every row
    name = _INVISIBLE.sub("", _fold_width(raw)).translate(_MIDDLE_DOTS)
    name = unicodedata.normalize("NFC", _BLANKS.sub(" ", name).strip())
    if problem := _problem_of(name):
        raise PersonNameError(Reason.BAD_NAME, problem, remedy=_NAME_REMEDY)
    name = _POINT_AS_DOT.sub("·", _BLANKS_BESIDE_HAN.sub("", name))
    if not name:
        raise PersonNameError(Reason.MISSING_VALUE, "empty", remedy="enter the person's name")
    if not _starts_like_a_name(name):
        raise PersonNameError(Reason.BAD_NAME, "starts with no letter or ideograph", remedy=_NAME_REMEDY)
    if len(name) > MAX_NAME_LENGTH:
        kind = f"{len(name)} characters; at most {MAX_NAME_LENGTH}"
        raise PersonNameError(Reason.BAD_NAME, kind, remedy=_NAME_REMEDY)
    return name


_NAME_REMEDY: Final = "write the name as on the identity document, and nothing else"
_SIGNS_OF_NAMES: Final = frozenset(" ·'-.’〇")  # 〇 is a numeral by category, and a character of names


def _fold_width(text: str) -> str:
    """Full-width Latin letters and signs to half width; ideographs are not touched."""
    return "".join(
        chr(ord(character) - 0xFEE0) if "！" <= character <= "～" and character != "．" else character
        for character in text
    )


def _problem_of(name: str) -> str | None:
    for character in name:
        category = unicodedata.category(character)
        if category[0] in "LM" or character in _SIGNS_OF_NAMES:
            continue
        if category[0] == "C":
            return "contains a control, private-use or unassigned character"
        if category[0] == "N":
            return "contains a digit"
        return "contains a sign that names do not have"
    return None


def _starts_like_a_name(name: str) -> bool:
    return name[0].isalpha() or name[0] == "〇"
