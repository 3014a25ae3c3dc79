"""The cells of one sheet of a workbook (.xlsx): their texts, and whether anybody can see them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from quanheng.operations.review.packed import Attributes, Package, UnfitError

_RELATED: Final = (
    "http://schemas.openxmlformats.org/officeDocument/2006/relationships id",
    "http://purl.oclc.org/ooxml/officeDocument/relationships id",
)
_PLACE: Final = re.compile(r"([A-Z]{1,3})([1-9]\d{0,6})")
_TRUE: Final = frozenset({"1", "true"})
_SEEN: Final = 2.0
"""Height (points) and width (characters) below which nobody reads a row or column."""
_STRINGS, _DATA, _ROW = "/sst/si", "/worksheet/sheetData", "/worksheet/sheetData/row"
_CELL: Final = f"{_ROW}/c"


class CellKind(StrEnum):
    """What stands in a cell."""

    TEXT = "文字"
    NUMBER = "数字或日期"
    TRUTH = "逻辑值"
    FORMULA = "公式"
    OTHER = "错误值"


_KINDS: Final[Mapping[str, CellKind]] = {
    "s": CellKind.TEXT,
    "str": CellKind.TEXT,
    "inlineStr": CellKind.TEXT,
    "n": CellKind.NUMBER,
    "d": CellKind.NUMBER,
    "b": CellKind.TRUTH,
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell; an empty one is an empty text."""

    kind: CellKind = CellKind.TEXT
    text: str = ""


EMPTY: Final = Cell()


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One row in which something stands."""

    number: int
    """As the program that shows the file counts, from 1."""
    cells: tuple[Cell, ...]
    """As many as there are columns."""
    seen: bool
    """Whether the row shows, and all columns that have to."""


@dataclass(frozen=True, slots=True)
class _Related:
    """What a part says of another one."""

    key: str
    kind: str
    part: str


def read_sheet(
    content: bytes, title: str, *, columns: int, shown: int, most_rows: int
) -> tuple[SheetRow, ...]:
    """Rows of the sheet of this title, of so many columns, the first of which have to show.

    Raises :class:`UnfitError` for whatever is no such sheet or one that does not show; for what is no archive
    or no XML, what its reader raises.
    """
    package = Package(content)
    books = [item.part for item in _related(package, "") if item.kind == "officeDocument"]
    if len(books) != 1:
        raise UnfitError("is no workbook")
    (book,) = books
    related = _related(package, book)
    sheet = _find_sheet(package, book, title, {item.key: item.part for item in related})
    strings = [item.part for item in related if item.kind == "sharedStrings"]
    texts = _read_strings(package, strings[0], most_rows * columns) if strings else []
    rows = _Rows(columns, shown, most_rows, texts)
    package.walk(sheet, rows.start, rows.end)
    return rows.found()


def _related(package: Package, part: str) -> list[_Related]:
    folder, name = posixpath.split(part)
    found: list[_Related] = []

    def start(path: str, attributes: Attributes) -> None:
        if path == "/Relationships/Relationship" and attributes.get("TargetMode") != "External":
            kind = attributes["Type"].rpartition("/")[2]
            target = posixpath.normpath(posixpath.join("/", folder, attributes["Target"])).lstrip("/")
            found.append(_Related(attributes["Id"], kind, target))

    package.walk(posixpath.join(folder, "_rels", f"{name}.rels"), start, _nothing)
    return found


def _find_sheet(package: Package, book: str, title: str, parts: Mapping[str, str]) -> str:
    found: list[tuple[str, str]] = []

    def start(path: str, attributes: Attributes) -> None:
        if path == "/workbook/sheets/sheet" and attributes["name"] == title:
            keys = [attributes[name] for name in _RELATED if name in attributes]
            found.append((parts[keys[0]], attributes.get("state", "visible")))

    package.walk(book, start, _nothing)
    if len(found) != 1:
        raise UnfitError(f"is no workbook with a sheet {title}")
    ((sheet, state),) = found
    if state != "visible":
        raise UnfitError("the sheet of the list is hidden")
    return sheet


def _read_strings(package: Package, part: str, most: int) -> list[str]:
    texts: list[str] = []
    pieces: list[str] = []

    def start(path: str, _: Attributes) -> None:
        if path == _STRINGS:
            pieces.clear()

    def end(path: str, text: str) -> None:
        if path in (f"{_STRINGS}/t", f"{_STRINGS}/r/t"):
            pieces.append(text)
        elif path == _STRINGS:
            texts.append("".join(pieces))
            if len(texts) > most:
                raise UnfitError("has more in it than a list can have")

    package.walk(part, start, end)
    return texts


class _Rows:
    """Takes the rows of a sheet as they come; each has to stand below the one before, and so with cells."""

    def __init__(self, columns: int, shown: int, most_rows: int, texts: list[str]) -> None:
        self._columns, self._shown, self._most, self._texts = columns, shown, most_rows, texts
        self._rows: list[SheetRow] = []
        self._unseen = False  # all of it
        self._row = self._column = 0
        self._row_seen = True
        self._cells: dict[int, Cell] = {}
        self._type, self._formula, self._value = "n", False, ""
        self._inline: list[str] = []

    def found(self) -> tuple[SheetRow, ...]:
        """All of them."""
        return tuple(replace(row, seen=False) for row in self._rows) if self._unseen else tuple(self._rows)

    def start(self, path: str, attributes: Attributes) -> None:
        """Where something stands, and whether it shows."""
        if path == _CELL:
            place = attributes.get("r")
            column = _column(place, self._row) if place is not None else self._column + 1
            if column <= self._column:
                raise UnfitError("is no workbook: cells are out of order")
            self._column, self._type = column, attributes.get("t", "n")
            self._formula, self._value = False, ""
            self._inline.clear()
        elif path == f"{_CELL}/f":
            self._formula = True
        elif path == _ROW:
            number = int(attributes.get("r", self._row + 1))
            if number <= self._row:
                raise UnfitError("is no workbook: rows are out of order")
            self._row, self._column = number, 0
            self._row_seen = not _is_hidden(attributes, "ht")
            self._cells.clear()
        elif path == "/worksheet/sheetFormatPr":
            self._unseen |= attributes.get("zeroHeight") in _TRUE
        elif path == "/worksheet/cols/col" and int(attributes["min"]) <= self._shown:
            self._unseen |= _is_hidden(attributes, "width")

    def end(self, path: str, text: str) -> None:
        """What stands there."""
        if path == f"{_CELL}/v":
            self._value = text
        elif path in (f"{_CELL}/is/t", f"{_CELL}/is/r/t"):
            self._inline.append(text)
        elif path == _CELL:
            if self._column <= self._columns and (cell := self._cell()) != EMPTY:
                self._cells[self._column] = cell
        elif path == _ROW and self._cells:
            if self._row > self._most:
                raise UnfitError(f"has more than {self._most} rows")
            cells = tuple(self._cells.get(column, EMPTY) for column in range(1, self._columns + 1))
            self._rows.append(SheetRow(self._row, cells, self._row_seen))

    def _cell(self) -> Cell:
        kind = _KINDS.get(self._type, CellKind.OTHER)
        text = "".join(self._inline) if self._type == "inlineStr" else self._value
        if self._formula:
            return Cell(CellKind.FORMULA, text)
        if not text:
            return EMPTY
        if self._type != "s":
            return Cell(kind, text)
        place = int(text)
        if not 0 <= place < len(self._texts):
            raise UnfitError("is no workbook: a text is missing")
        return Cell(kind, self._texts[place])


def _column(place: str, row: int) -> int:
    """Column of a cell, from 1; it has to stand in the row that it says."""
    found = _PLACE.fullmatch(place)
    if found is None or int(found[2]) != row:
        raise UnfitError("is no workbook: a cell stands in another row")
    number = 0
    for letter in found[1]:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number


def _is_hidden(attributes: Attributes, size: str) -> bool:
    return attributes.get("hidden") in _TRUE or float(attributes.get(size, _SEEN)) < _SEEN


def _nothing(_: str, __: str) -> None:
    """Of these parts only attributes count."""
