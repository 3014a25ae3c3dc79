"""Standard output and standard error for people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from rich.console import Console, Group
from rich.text import Text

from quanheng.printable import printable

_PIPED_COLUMNS: Final = 140
"""Width of tables that no terminal shows: wide enough for a digest and a sentence."""


class PlainConsole(Console):
    """Prints each text, in a table's cell too, as one line without anything that is not seen: what is printed
    came from feeds, directories and Keycloak, and neither commands the terminal nor poses as a line of ours.

    Whatever has several lines says so: :func:`lines_of`.
    """

    def __init__(self, stream: Any, *, soft_wrap: bool = False) -> None:
        # Without markup: names may hold brackets.
        super().__init__(
            file=stream,
            markup=False,
            highlight=False,
            emoji=False,
            soft_wrap=soft_wrap,
            width=None if stream.isatty() else _PIPED_COLUMNS,
        )

    def render_str(self, text: str, **options: Any) -> Text:
        """Every text comes through here, whoever prints it."""
        return super().render_str(printable(text), **options)


def lines_of(lines: Iterable[str]) -> Group:
    """Several lines, each a text of its own."""
    return Group(*lines)
