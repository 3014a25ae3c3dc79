"""Reading a filled workbook: whatever comes back is somebody else's file.

Other sheets, macros and formats are not looked at; a cell that is a formula is no answer.
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from openpyxl import load_workbook

from quanheng.errors import SourceError
from quanheng.operations.review.packed import problem_of
from quanheng.operations.review.workbook import ANSWER, COLUMNS, KEY, REASON, SHEET
from quanheng.printable import printable

MOST_BYTES: Final = 10 * 1024 * 1024
"""Of the file; a list of a thousand lines has about a hundredth of it."""
MOST_ROWS: Final = 20_000
_HEADER_WITHIN: Final = 20
"""The titles stand in one of the first so many rows."""
_TITLES: Final = tuple(title for title, _ in COLUMNS)
_KEY_FORM: Final = re.compile("[0-9a-f]{64}")
_AGAIN: Final = "fill in the workbook as 'quanheng review write' wrote it, and save it as .xlsx"


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenAnswer:
    """One line that was filled in, not yet believed."""

    row: int
    """As the program that shows the file counts, from 1."""
    key: str
    name: str
    username: str
    kind: str
    detail: str
    proposed: str
    answer: str
    """Text of 处理方式."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """One line that counts for nothing: where, what kind of value stands there, and what to do; for whoever
    filled it in. The value itself is not kept."""

    row: int
    field: str
    kind: str
    remedy: str


class _HiddenError(Exception):
    """Nobody saw what was filled in."""


def read_workbook(file: Path) -> tuple[GivenAnswer | BadRow, ...]:
    """Every line that was filled in, good and bad. Raises :class:`SourceError` for a file that is no such
    workbook at all."""
    try:
        with file.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise SourceError(
            f"{file.name}: cannot be read ({error.strerror})", remedy="name the workbook itself"
        ) from None
    if len(content) > MOST_BYTES:
        raise SourceError(f"{file.name}: is larger than {MOST_BYTES // 1024 // 1024} MB", remedy=_AGAIN)
    if problem := problem_of(content, most_rows=MOST_ROWS, columns=len(COLUMNS)):
        raise SourceError(f"{file.name}: {problem}", remedy=_AGAIN)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about formats that other programs add
            rows = _read_rows(content)
    except _HiddenError:
        raise SourceError(f"{file.name}: the sheet of the list is hidden", remedy=_AGAIN) from None
    except Exception as error:  # noqa: BLE001 -- whatever somebody put into the file
        raise SourceError(f"{file.name}: is no workbook ({type(error).__name__})", remedy=_AGAIN) from None
    return tuple(_judge_rows(file.name, rows))


def _read_rows(content: bytes) -> list[tuple[Any, ...]]:
    book = load_workbook(BytesIO(content), read_only=True, keep_vba=False, data_only=False, keep_links=False)
    try:
        sheet = book[SHEET]
        if sheet.sheet_state != "visible":
            raise _HiddenError
        sheet.reset_dimensions()  # it is as large as it is, whatever it says of itself
        rows = sheet.iter_rows(max_col=len(COLUMNS), max_row=MOST_ROWS + 1, values_only=True)
        return [tuple(row) for row in rows]
    finally:
        book.close()


def _judge_rows(name: str, rows: Sequence[tuple[Any, ...]]) -> Iterator[GivenAnswer | BadRow]:
    if len(rows) > MOST_ROWS and any(rows[-1]):
        raise SourceError(f"{name}: has more than {MOST_ROWS} rows", remedy=_AGAIN)
    header = next(
        (place for place, row in enumerate(rows[:_HEADER_WITHIN]) if tuple(map(_text, row)) == _TITLES), None
    )
    if header is None:
        raise SourceError(
            f"{name}: the columns are not those of the list, or one was inserted or removed", remedy=_AGAIN
        )
    for number, row in enumerate(rows[header + 1 :], start=header + 2):
        cells = (*row, *([None] * (len(COLUMNS) - len(row))))
        answer, reason, key = cells[ANSWER - 1], cells[REASON - 1], cells[KEY - 1]
        if answer in (None, "") and reason in (None, ""):
            continue  # not answered yet, or below the list
        yield _judge_row(number, cells, answer, reason, key)


def _judge_row(number: int, cells: Sequence[Any], answer: Any, reason: Any, key: Any) -> GivenAnswer | BadRow:
    for field, value in (("处理方式", answer), ("事由", reason)):
        if value is not None and not isinstance(value, str):
            return BadRow(row=number, field=field, kind=_kind_of(value), remedy="请填写文字")
        if isinstance(value, str) and value.lstrip().startswith("="):
            return BadRow(row=number, field=field, kind="公式", remedy="请填写文字，不得使用公式")
    if not _text(answer):
        return BadRow(row=number, field="处理方式", kind="空白，但填了事由", remedy="请选择处理方式")
    if not isinstance(key, str) or _KEY_FORM.fullmatch(key.strip()) is None:
        return BadRow(
            row=number, field="行号标识", kind=_kind_of(key), remedy="请勿增行、改动隐藏列；用原表重填"
        )
    return GivenAnswer(
        row=number,
        key=key.strip(),
        name=_text(cells[2]),
        username=_text(cells[3]),
        kind=_text(cells[7]),
        detail=_text(cells[8]),
        proposed=_text(cells[9]),
        answer=_text(answer),
        reason=printable(" ".join(str(reason or "").split())),
    )


def _kind_of(value: Any) -> str:
    if value is None:
        return "空白"
    if isinstance(value, bool):
        return "逻辑值"
    if isinstance(value, int | float):
        return "数字"
    return "文字" if isinstance(value, str) else "日期或其他类型"


def _text(value: Any) -> str:
    """In one line, full width folded, blanks joined: programs that show workbooks change those."""
    return " ".join(unicodedata.normalize("NFKC", str(value)).split()) if value is not None else ""


def same_text(shown: str, stored: str) -> bool:
    """Whether a cell says what was written into it."""
    return _text(shown) == _text(stored)
