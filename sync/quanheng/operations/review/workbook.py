"""The workbook of a county's list: 《账号清理清单》 (J annex 3) with columns for the answer.

Every text is a text: whatever somebody is called, no cell is a formula.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

from openpyxl import Workbook
from openpyxl.cell import Cell
from openpyxl.styles import Alignment, Border, Font, PatternFill, Protection, Side
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet

from quanheng.lifecycle.review import HANDLINGS, choices_of
from quanheng.operations.review.rows import ReviewRow
from quanheng.printable import printable

SHEET: Final = "账号清理清单"
TITLE: Final = "信息系统账号清理清单"
COLUMNS: Final = (
    ("系统名称", 22),
    ("科室", 22),
    ("使用人", 11),
    ("使用账户", 13),
    ("账号类型", 12),
    ("处理方式", 12),
    ("事由", 26),
    ("清理类别", 15),
    ("情况说明", 46),
    ("建议处理", 11),
    ("行号标识", 12),
    ("校验码", 12),
)
"""Titles and widths (characters; a Chinese one takes two). The first six are the annex's."""
ANSWER, REASON, KEY, MARK = 6, 7, 11, 12
"""Columns, from 1: of the answer, of its reason, of the hidden key and the hidden mark."""
HEADER: Final = 4
"""Row of the titles, from 1."""
_RISKY: Final = ("=", "+", "-", "@", "\t", "\r")
_THIN: Final = Side(style="thin", color="808080")
_BOX: Final = Border(left=_THIN, right=_THIN, top=_THIN, bottom=_THIN)
_FILL: Final = PatternFill("solid", fgColor="FFF7D6")
_GREY: Final = PatternFill("solid", fgColor="E7EBF0")
_HELP: Final = (
    "请在“处理方式”中选择；与“建议处理”不同的，须在“事由”中说明（不得填写证件号码、电话）。"
    "其他各栏请勿改动，填好后交回，由系统读入。"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """What stands above a list."""

    realm: str
    """Label of the realm."""
    month: str
    county: str
    """Code."""
    county_name: str
    deadline: str
    """The latest day of its lines."""

    @property
    def month_text(self) -> str:
        """The month as people write it."""
        year, _, month = self.month.partition("-")
        return f"{year}年{int(month)}月"

    @property
    def file_stem(self) -> str:
        """Name of the files, without what a file system might take for something else."""
        name = re.sub(r"[^\w一-鿿]", "_", printable(self.county_name))
        return f"{self.county}-{name}"


def build_workbook(heading: Heading, rows: Sequence[ReviewRow]) -> bytes:
    """The whole file."""
    book = Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)  # noqa: S101 -- a new workbook has one; for mypy
    sheet.title = SHEET
    book.properties.creator = "quanheng"
    book.properties.title = f"{TITLE} {heading.month} {heading.county}"
    _write_heading(sheet, heading, len(rows))
    for number, row in enumerate(rows, start=HEADER + 1):
        _write_row(sheet, number, row)
    _write_signatures(sheet, HEADER + len(rows) + 2)
    _offer_choices(sheet, rows)
    _set_up(sheet, HEADER + len(rows) + 2)
    stream = BytesIO()
    book.save(stream)
    return stream.getvalue()


def _write_heading(sheet: Worksheet, heading: Heading, count: int) -> None:
    said = (
        f"系统名称：{heading.realm}    地区：{heading.county} {heading.county_name}    "
        f"月份：{heading.month_text}    共 {count} 条    答复期限：{heading.deadline}"
    )
    for number, (text, font, height) in enumerate(
        ((TITLE, Font(size=18, bold=True), 32), (said, Font(size=11), 20), (_HELP, Font(size=10), 20)),
        start=1,
    ):
        sheet.merge_cells(start_row=number, start_column=1, end_row=number, end_column=KEY - 1)
        cell = _put(sheet, number, 1, text)
        cell.font = font
        cell.alignment = Alignment(horizontal="center" if number == 1 else "left", vertical="center")
        sheet.row_dimensions[number].height = height
    for column, (title, _) in enumerate(COLUMNS, start=1):
        cell = _put(sheet, HEADER, column, title)
        cell.font = Font(bold=True)
        cell.fill = _FILL if column in (ANSWER, REASON) else _GREY
        cell.border = _BOX
        cell.alignment = Alignment(horizontal="center", vertical="center", wrap_text=True)
    sheet.row_dimensions[HEADER].height = 24


def _write_row(sheet: Worksheet, number: int, row: ReviewRow) -> None:
    item = row.item
    texts = (
        row.system,
        row.office,
        row.name,
        item.username,
        row.account_type,
        row.answer,
        item.answer_reason,
        row.kind,
        item.detail,
        row.proposed,
        item.key,
        row.mark,
    )
    for column, text in enumerate(texts, start=1):
        cell = _put(sheet, number, column, text)
        cell.border = _BOX
        cell.alignment = Alignment(vertical="center", wrap_text=True)
        if column in (ANSWER, REASON):
            cell.fill = _FILL
            cell.protection = Protection(locked=False)
    lines = max(
        -(-_width(text) // max(1, width - 1))
        for (_, width), text in zip(COLUMNS[: KEY - 1], texts, strict=False)
    )
    sheet.row_dimensions[number].height = max(24, 15 * lines + 4)


def _write_signatures(sheet: Worksheet, number: int) -> None:
    sheet.merge_cells(start_row=number, start_column=1, end_row=number, end_column=KEY - 1)
    _put(sheet, number, 1, "审核人：                分管领导：                日期：        年    月    日")
    sheet.row_dimensions[number].height = 28


def _offer_choices(sheet: Worksheet, rows: Sequence[ReviewRow]) -> None:
    """A list to choose from in each cell of the answer; one for all lines with the same choices."""
    offered: dict[str, DataValidation] = {}
    for number, row in enumerate(rows, start=HEADER + 1):
        words = ",".join(HANDLINGS[item] for item in choices_of(row.item.kind, row.item.person))
        if words not in offered:
            choice = DataValidation(type="list", formula1=f'"{words}"', allow_blank=True)
            choice.showErrorMessage, choice.errorStyle = True, "stop"
            choice.errorTitle, choice.error = "处理方式", "请从列表中选择"
            sheet.add_data_validation(choice)
            offered[words] = choice
        offered[words].add(sheet.cell(number, ANSWER))


def _set_up(sheet: Worksheet, last: int) -> None:
    for column, (_, width) in enumerate(COLUMNS, start=1):
        sheet.column_dimensions[_letter(column)].width = width
    for column in (KEY, MARK):
        sheet.column_dimensions[_letter(column)].hidden = True
    sheet.freeze_panes = f"E{HEADER + 1}"
    protection = sheet.protection
    protection.sheet = True
    protection.formatColumns = protection.formatRows = False  # False: it is allowed
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.paperSize = 9  # A4
    sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    sheet.page_margins.left = sheet.page_margins.right = 0.4
    sheet.page_margins.top = sheet.page_margins.bottom = 0.6
    sheet.print_title_rows = f"{HEADER}:{HEADER}"
    sheet.print_area = f"A1:{_letter(KEY - 1)}{last}"
    sheet.print_options.horizontalCentered = True
    footer: Any = sheet.oddFooter
    footer.center.text = "第 &P 页，共 &N 页"


def _put(sheet: Worksheet, row: int, column: int, text: str) -> Cell:
    cell: Any = sheet.cell(row, column)
    cell.value = printable(text) or None
    if text:
        cell.data_type = "s"  # also what begins like a formula
        cell.quotePrefix = text.startswith(_RISKY)
    assert isinstance(cell, Cell)  # noqa: S101 -- of merged cells the first; for mypy
    return cell


def _letter(column: int) -> str:
    return chr(ord("A") + column - 1)


def _width(text: str) -> int:
    return sum(1 if sign.isascii() else 2 for sign in text)
