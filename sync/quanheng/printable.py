"""Texts of others, made fit to be shown among ours.

A name in Keycloak or a feed may hold a line break, an escape sequence of a terminal, or marks that are not
seen and turn or split what is read (Unicode Technical Report 36). So shown, it could pose as a line of our
own or hide one.
"""

from __future__ import annotations

import unicodedata
from typing import Final

INSTEAD: Final = "\N{REPLACEMENT CHARACTER}"
_NOT_SEEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""General categories: controls, formats (direction, zero width), halves of characters, line and paragraph
separators. Neither private use (rare characters of names) nor the wide space of Chinese."""


def printable(text: str) -> str:
    """The text in one line, with a replacement character for each character that is not seen as one."""
    return "".join(INSTEAD if _is_hidden(sign) else sign for sign in text)


def escape_json(text: str) -> str:
    r"""JSON that says the same, with ``\uXXXX`` for each such character but line feeds, which JSON itself has
    between its values."""
    return "".join(_escaped(sign) if sign != "\n" and _is_hidden(sign) else sign for sign in text)


def _is_hidden(sign: str) -> bool:
    return not sign.isprintable() and unicodedata.category(sign) in _NOT_SEEN


def _escaped(sign: str) -> str:
    units = sign.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
