"""Distinguished names: compared by meaning, and shown without anybody's numbers. Pure."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

NormalDn = tuple[frozenset[tuple[str, str]], ...]
"""Relative names from the entry upwards, each a set of (attribute, value): equal when the names are."""

_SPECIAL: Final = re.compile(r'[\\"+;#<>]')
_PIECE: Final = re.compile(r'\\([0-9A-Fa-f]{2})|\\([ "#+,;<=>\\])|([^\\"+,;<>])', re.DOTALL)
_ATTRIBUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)+")
_ALIASES: Final = {
    # RFC 4519 and RFC 4514: the same attribute by its long name or its object identifier.
    "commonname": "cn",
    "2.5.4.3": "cn",
    "organizationalunitname": "ou",
    "2.5.4.11": "ou",
    "organizationname": "o",
    "2.5.4.10": "o",
    "domaincomponent": "dc",
    "0.9.2342.19200300.100.1.25": "dc",
    "userid": "uid",
    "0.9.2342.19200300.100.1.1": "uid",
}
_LONG_NUMBER: Final = re.compile(r"(?<!\d)(?:\d{17}[\dXx]|\d{15}|1[3-9]\d{9})(?![\dXx])")


def normalise_dn(text: str) -> NormalDn:
    """Parse a name (RFC 4514) so that case, blanks and escapes make no difference.

    Raises :class:`ValueError`, without the text, when it is no name.
    """
    if not text.strip():
        return ()
    if _SPECIAL.search(text) is None:
        name, comma, above = text.partition(",")
        return (frozenset((_pair(name),)), *(_plain_name(above) if comma else ()))
    return tuple(frozenset(_pair(part) for part in _split(name, "+")) for name in _split(text, ","))


@lru_cache(maxsize=1024)
def _plain_name(text: str) -> NormalDn:
    """A name without escapes; kept, since thousands of entries share what is above them."""
    return tuple(frozenset((_pair(part),)) for part in text.split(","))


def is_under(name: NormalDn, base: NormalDn) -> bool:
    """Whether a name is the base or below it."""
    return not base or name[-len(base) :] == base


def shown_dn(text: str, *numbers: str) -> str:
    """A name for locators and notes: ID numbers and phones in it, and the given ones, become stars."""
    for number in numbers:
        if number and number.lower() in text.lower():
            text = re.sub(re.escape(number), "***", text, flags=re.IGNORECASE)
    return _LONG_NUMBER.sub("***", text)


def located_dn(text: str, name: str, *numbers: str) -> str:
    """The same with another first part: an entry may be called by somebody's name."""
    return shown_dn(",".join((name, *_split(text, ",")[1:])), *numbers)


def _split(text: str, separator: str) -> list[str]:
    """Parts between separators that are not escaped; escapes stay."""
    parts, start, position = [], 0, 0
    while position < len(text):
        if text[position] == "\\":
            position += 2
            continue
        if text[position] == separator:
            parts.append(text[start:position])
            start = position + 1
        position += 1
    return [*parts, text[start:]]


def _pair(text: str) -> tuple[str, str]:
    attribute, equals, value = text.partition("=")
    attribute = attribute.strip()
    if not equals or not _ATTRIBUTE.fullmatch(attribute):
        raise ValueError("not a distinguished name")
    attribute = attribute.lower()
    return _ALIASES.get(attribute, attribute), _value(value)


def _value(text: str) -> str:
    text = text.lstrip(" ")
    if _SPECIAL.search(text) is None:
        plain = text
    else:
        # Escaped bytes are UTF-8, and a character may be half escaped only as a whole sequence.
        content = bytearray()
        position = 0
        while position < len(text):
            piece = _PIECE.match(text, position)
            if piece is None:
                raise ValueError("not a distinguished name")
            code, special, character = piece.groups()
            content += bytes.fromhex(code) if code else (special or character).encode()
            position = piece.end()
        plain = content.decode("utf-8")
    folded = plain if plain.isascii() else unicodedata.normalize("NFKC", plain)
    return " ".join(folded.casefold().split())
