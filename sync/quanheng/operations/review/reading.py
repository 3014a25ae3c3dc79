"""Reading a filled workbook: whatever comes back is somebody else's file.

Other sheets, macros and formats are not looked at; a cell that is a formula is no answer, nor is one that
does not show.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from quanheng.errors import SourceError
from quanheng.identity.port import Indexer
from quanheng.operations.review.marking import mark_of, plain_text
from quanheng.operations.review.packed import UnfitError
from quanheng.operations.review.sheet import Cell, CellKind, SheetRow, read_sheet
from quanheng.operations.review.workbook import ANSWER, COLUMNS, KEY, MARK, REASON, SHEET
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
    system: str
    office: str
    name: str
    username: str
    account_type: str
    kind: str
    detail: str
    proposed: str
    answer: str
    """Text of 处理方式."""
    reason: str
    mark: str
    """Of what was shown, as the file has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """One line that counts for nothing: where, what kind of value stands there, and what to do; for whoever
    filled it in. The value itself is not kept."""

    row: int
    field: str
    kind: str
    remedy: str


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
    try:
        rows = read_sheet(content, SHEET, columns=len(COLUMNS), shown=KEY - 1, most_rows=MOST_ROWS)
    except UnfitError as error:
        raise SourceError(f"{file.name}: {error}", remedy=_AGAIN) from None
    except Exception as error:  # noqa: BLE001 -- whatever somebody put into the file
        raise SourceError(f"{file.name}: is no workbook ({type(error).__name__})", remedy=_AGAIN) from None
    return tuple(_judge_rows(file.name, rows))


def is_as_shown(line: GivenAnswer, indexer: Indexer) -> bool:
    """Whether everything that the reviewer saw of a line is what was written there. Only who has the index
    key can write what it believes; after that key was changed, lists have to be written again."""
    shown = (
        line.system,
        line.office,
        line.name,
        line.username,
        line.account_type,
        line.kind,
        line.detail,
        line.proposed,
    )
    return hmac.compare_digest(line.mark.encode(), mark_of(indexer, line.key, shown).encode())


def same_text(shown: str, stored: str) -> bool:
    """Whether a cell says what was written into it."""
    return plain_text(shown) == plain_text(stored)


def _judge_rows(name: str, rows: Sequence[SheetRow]) -> Iterator[GivenAnswer | BadRow]:
    header = next(
        (
            place
            for place, row in enumerate(rows)
            if row.number <= _HEADER_WITHIN and tuple(plain_text(cell.text) for cell in row.cells) == _TITLES
        ),
        None,
    )
    if header is None:
        raise SourceError(
            f"{name}: the columns are not those of the list, or one was inserted or removed", remedy=_AGAIN
        )
    for row in rows[header + 1 :]:
        answer, reason = row.cells[ANSWER - 1], row.cells[REASON - 1]
        if answer.text or reason.text or CellKind.FORMULA in (answer.kind, reason.kind):
            yield _judge_row(row, answer, reason)


def _judge_row(row: SheetRow, answer: Cell, reason: Cell) -> GivenAnswer | BadRow:
    def bad(field: str, kind: str, remedy: str) -> BadRow:
        return BadRow(row=row.number, field=field, kind=kind, remedy=remedy)

    if not row.seen:
        return bad("处理方式", "在隐藏的行，或有隐藏的列", "取消隐藏和筛选，核对后保存，再交回")
    for field, cell in (("处理方式", answer), ("事由", reason)):
        if cell.kind is CellKind.FORMULA or cell.text.lstrip().startswith("="):
            return bad(field, CellKind.FORMULA, "请填写文字，不得使用公式")
        if cell.kind is not CellKind.TEXT:
            return bad(field, cell.kind, "请填写文字")
    texts = [plain_text(cell.text) for cell in row.cells]
    if not texts[ANSWER - 1]:
        return bad("处理方式", "空白，但填了事由", "请选择处理方式")
    key = row.cells[KEY - 1]
    if _KEY_FORM.fullmatch(key.text.strip()) is None:
        kind = str(key.kind) if key.text else "空白"
        return bad("行号标识", kind, "请勿增行、改动隐藏列；用原表重填")
    return GivenAnswer(
        row=row.number,
        key=key.text.strip(),
        system=texts[0],
        office=texts[1],
        name=texts[2],
        username=texts[3],
        account_type=texts[4],
        kind=texts[7],
        detail=texts[8],
        proposed=texts[9],
        answer=texts[ANSWER - 1],
        reason=printable(" ".join(reason.text.split())),
        mark=texts[MARK - 1],
    )
