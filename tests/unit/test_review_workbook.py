"""The workbook of a list, opened again; and what comes back in its place."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook
from openpyxl.worksheet.worksheet import Worksheet

from quanheng.errors import SourceError
from quanheng.lifecycle.review import Handling, ReviewItem, ReviewKind
from quanheng.model.ids import OrgCode, PersonId
from quanheng.operations.review import reading
from quanheng.operations.review.marking import mark_of
from quanheng.operations.review.page import build_page
from quanheng.operations.review.reading import BadRow, GivenAnswer, is_as_shown, read_workbook, same_text
from quanheng.operations.review.rows import ReviewRow
from quanheng.operations.review.workbook import (
    ANSWER,
    COLUMNS,
    HEADER,
    KEY,
    MARK,
    REASON,
    SHEET,
    TITLE,
    Heading,
    build_workbook,
)

HEADING = Heading(
    realm="山西省人社信息系统",
    month="2026-03",
    county="140902",
    county_name="忻府区",
    deadline="2026-03-09",
)
FIRST = HEADER + 1


def row(number: int = 1, **fields: Any) -> ReviewRow:
    """One line; ``fields`` of the line or of what is shown of it."""
    values: dict[str, Any] = {
        "key": f"{number:064x}",
        "month": "2026-03",
        "county": OrgCode("140902"),
        "person": PersonId("a" * 32),
        "username": f"sx{number:07}",
        "kind": ReviewKind.IDLE,
        "detail": "自 2026-01-05 起从未登录（S11）",
        "proposed": Handling.FREEZE,
        "deadline": date(2026, 3, 9),
    }
    shown = {
        "system": "就业社保服务信息系统",
        "office": "南城街道和平社区",
        "name": "王某某",
        "account_type": "普通账号",
        "mark": "m" * 64,
    }
    item = ReviewItem(**{**values, **{k: v for k, v in fields.items() if k in ReviewItem.__slots__}})
    return ReviewRow(item=item, **{**shown, **{k: v for k, v in fields.items() if k in shown}})


def opened(*rows: ReviewRow) -> Worksheet:
    """The sheet of a workbook with these lines."""
    sheet = load_workbook(BytesIO(build_workbook(HEADING, rows)))[SHEET]
    assert isinstance(sheet, Worksheet)
    return sheet


@pytest.fixture
def returned(tmp_path: Path) -> Callable[..., tuple[GivenAnswer | BadRow, ...]]:
    """Writes a workbook of two lines, has somebody change its sheet or its book, and reads it."""

    def make(change: Callable[[Any], None], *, book: bool = False) -> tuple[GivenAnswer | BadRow, ...]:
        made = load_workbook(BytesIO(build_workbook(HEADING, [row(1), row(2)])))
        change(made if book else made[SHEET])
        file = tmp_path / "清单.xlsx"
        made.save(file)
        return read_workbook(file)

    return make


def test_the_layout_of_the_annex() -> None:
    """Title, what it is about, the annex's six columns in their order, then those for the answer."""
    sheet = opened(row(1), row(2))
    assert sheet["A1"].value == TITLE
    for text in ("系统名称：山西省人社信息系统", "140902 忻府区", "2026年3月", "2026-03-09", "共 2 条"):
        assert text in str(sheet["A2"].value)
    titles = [sheet.cell(HEADER, column).value for column in range(1, MARK + 1)]
    assert titles[:6] == ["系统名称", "科室", "使用人", "使用账户", "账号类型", "处理方式"]
    assert titles == [title for title, _ in COLUMNS]
    shown = [sheet.cell(FIRST, column).value for column in range(1, MARK + 1)]
    assert shown == [
        "就业社保服务信息系统",
        "南城街道和平社区",
        "王某某",
        "sx0000001",
        "普通账号",
        None,
        None,
        "闲置账号",
        "自 2026-01-05 起从未登录（S11）",
        "冻结",
        f"{1:064x}",
        "m" * 64,
    ]
    assert "审核人" in str(sheet.cell(HEADER + 4, 1).value)


def test_given_answers_are_shown() -> None:
    """In a workbook that is written again."""
    sheet = opened(row(answer=Handling.KEEP, answer_reason="本人在岗"))
    assert (sheet.cell(FIRST, ANSWER).value, sheet.cell(FIRST, REASON).value) == ("保留", "本人在岗")


def test_only_the_answer_can_be_changed() -> None:
    """The sheet is protected but for two columns; key and mark are hidden; widths may be changed."""
    sheet = opened(row(1), row(2))
    assert sheet.protection.sheet
    assert not sheet.protection.formatColumns
    free = {
        (cell.row, cell.column) for line in sheet.iter_rows() for cell in line if not cell.protection.locked
    }
    assert free == {(number, column) for number in (FIRST, FIRST + 1) for column in (ANSWER, REASON)}
    assert [name for name in "KLM" if sheet.column_dimensions[name].hidden] == ["K", "L"]
    assert not any(sheet.column_dimensions[name].hidden for name in "ABCDEFGHIJ")


def test_the_answer_is_chosen_from_what_fits_the_line() -> None:
    """By kind, and by whether it is somebody's account."""
    sheet = opened(row(1), row(2, kind=ReviewKind.TENURE_NEAR), row(3, person=None))
    found = {
        str(cells): choice.formula1
        for choice in sheet.data_validations.dataValidation
        for cells in choice.sqref.ranges
    }
    assert found == {
        f"F{FIRST}": '"冻结,注销,保留"',
        f"F{FIRST + 1}": '"安排轮岗,保留"',
        f"F{FIRST + 2}": '"冻结,保留"',
    }
    assert all(choice.showErrorMessage for choice in sheet.data_validations.dataValidation)


def test_it_prints_on_a4() -> None:
    """Landscape, all columns on a page, titles on each, pages numbered; titles stay in sight on a screen."""
    sheet = opened(row())
    assert (sheet.page_setup.orientation, sheet.page_setup.paperSize) == ("landscape", 9)
    assert (sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight) == (1, 0)
    properties = sheet.sheet_properties.pageSetUpPr
    assert properties is not None
    assert properties.fitToPage
    assert sheet.print_title_rows == f"${HEADER}:${HEADER}"
    assert sheet.print_area.endswith(f"$A$1:$J${HEADER + 3}")
    assert sheet.freeze_panes == f"E{FIRST}"
    widths = [sheet.column_dimensions[chr(ord("A") + place)].width for place in range(10)]
    assert widths == [width for _, width in COLUMNS[:10]]
    assert all(sheet.row_dimensions[number].height for number in range(1, FIRST + 1))


@pytest.mark.parametrize("begin", ["=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("http://x")', "\t=1"])
def test_no_text_is_a_formula(begin: str) -> None:
    """Whatever somebody is called in Keycloak or a feed: a text, that shows as one also when it is edited."""
    sheet = opened(row(name=begin, username=begin, detail=begin, office=begin, answer_reason=begin))
    for column in (2, 3, 4, REASON, 9):
        cell = sheet.cell(FIRST, column)
        assert cell.data_type == "s"
        assert cell.quotePrefix
    with zipfile.ZipFile(BytesIO(build_workbook(HEADING, [row(name=begin)]))) as archive:
        assert b"<f>" not in archive.read("xl/worksheets/sheet1.xml")


def test_signs_that_are_not_seen_show() -> None:
    """A name from Keycloak may hold what no workbook may."""
    assert opened(row(name="王\x07\u202e某")).cell(FIRST, 3).value == "王\ufffd\ufffd某"


def test_file_names_are_plain() -> None:
    """Whatever an organisation is called."""
    assert HEADING.file_stem == "140902-忻府区"
    assert replace(HEADING, county_name="../a b:c").file_stem == "140902-___a_b_c"


# The page


def test_the_page_needs_nothing_from_anywhere() -> None:
    """There is no address in it; its policy lets only its own style in; what it shows is escaped."""
    page = build_page(HEADING, [row(name="<b>王</b>", answer=Handling.KEEP)]).decode()
    assert "http" not in page.replace("http-equiv", "")
    assert "default-src &#39;none&#39;; style-src &#39;sha256-" in page
    assert "<script" not in page
    assert "&lt;b&gt;王&lt;/b&gt;" in page
    for text in (
        TITLE,
        "2026年3月",
        "140902 忻府区",
        "2026-03-09",
        "sx0000001",
        "闲置账号 1",
        ">保留<",
        "共 1 条",
    ):
        assert text in page


# What comes back


def answer(sheet: Worksheet, number: int, text: Any, reason: Any = None) -> None:
    """Fill in a line."""
    sheet.cell(number, ANSWER).value = text
    sheet.cell(number, REASON).value = reason


def test_answers_come_back(returned: Callable[..., Any]) -> None:
    """Those that were filled in, with what their line says; blanks around them do not count."""
    found = returned(lambda sheet: answer(sheet, FIRST + 1, " 保留 ", "本人在岗，\n下月返回"))
    assert found == (
        GivenAnswer(
            row=FIRST + 1,
            key=f"{2:064x}",
            system=row(2).system,
            office=row(2).office,
            name=row(2).name,
            username="sx0000002",
            account_type=row(2).account_type,
            kind="闲置账号",
            detail="自 2026-01-05 起从未登录(S11)",
            proposed="冻结",
            answer="保留",
            reason="本人在岗， 下月返回",
            mark="m" * 64,
        ),
    )
    assert same_text(found[0].detail, row(2).item.detail)


def test_nothing_filled_in_is_nothing(returned: Callable[..., Any]) -> None:
    """An empty list may be read in as well."""
    assert returned(lambda sheet: None) == ()


@pytest.mark.parametrize(
    ("change", "field", "kind"),
    [
        (lambda sheet: answer(sheet, FIRST, 7), "处理方式", "数字或日期"),
        (lambda sheet: answer(sheet, FIRST, True), "处理方式", "逻辑值"),
        (lambda sheet: answer(sheet, FIRST, date(2026, 3, 9)), "处理方式", "数字或日期"),
        (lambda sheet: answer(sheet, FIRST, '="保"&"留"'), "处理方式", "公式"),
        (lambda sheet: answer(sheet, FIRST, "保留", 12), "事由", "数字或日期"),
        (lambda sheet: answer(sheet, FIRST, "保留", "=A1"), "事由", "公式"),
        (lambda sheet: answer(sheet, FIRST, None, "本人在岗"), "处理方式", "空白，但填了事由"),
        (
            lambda sheet: (
                answer(sheet, FIRST, "保留"),
                sheet.cell(FIRST, KEY, None).__setattr__("value", None),
            ),
            "行号标识",
            "空白",
        ),
        (
            lambda sheet: (answer(sheet, FIRST, "保留"), sheet.cell(FIRST, KEY).__setattr__("value", "x")),
            "行号标识",
            "文字",
        ),
    ],
)
def test_a_bad_row_is_named_and_the_others_go_on(
    returned: Callable[..., Any], change: Callable[[Worksheet], None], field: str, kind: str
) -> None:
    """Row, field, kind of value, and what to do; the value itself is told nobody."""

    def both(sheet: Worksheet) -> None:
        change(sheet)
        answer(sheet, FIRST + 1, "冻结")

    bad, good = returned(both)
    assert (bad.row, bad.field, bad.kind) == (FIRST, field, kind)
    assert bad.remedy
    assert good.answer == "冻结"


def hide_row(sheet: Worksheet) -> None:
    """As a filter does, too."""
    sheet.row_dimensions[FIRST].hidden = True


def shrink_row(sheet: Worksheet) -> None:
    """So low that nobody reads it."""
    sheet.row_dimensions[FIRST].height = 1


@pytest.mark.parametrize("change", [hide_row, shrink_row])
def test_an_answer_in_a_row_that_does_not_show(
    returned: Callable[..., Any], change: Callable[[Worksheet], None]
) -> None:
    """Whoever hands it in has not seen it; what shows counts."""

    def both(sheet: Worksheet) -> None:
        change(sheet)
        answer(sheet, FIRST, "保留", "本人在岗")
        answer(sheet, FIRST + 1, "冻结")

    bad, good = returned(both)
    assert isinstance(bad, BadRow)
    assert (bad.row, bad.field, bad.kind) == (FIRST, "处理方式", "在隐藏的行，或有隐藏的列")
    assert (good.row, good.answer) == (FIRST + 1, "冻结")


def test_rows_that_do_not_show_and_say_nothing(returned: Callable[..., Any]) -> None:
    """A filter alone is no fault."""
    assert returned(hide_row) == ()


def hide_column(sheet: Worksheet) -> None:
    """What is answered about."""
    sheet.column_dimensions["I"].hidden = True


def shrink_columns(sheet: Worksheet) -> None:
    """Many at once."""
    sheet.column_dimensions.group("C", "E", hidden=False)
    sheet.column_dimensions["C"].width = 0.1


def hide_all_rows(sheet: Worksheet) -> None:
    """By what rows are when they say nothing of themselves."""
    sheet.sheet_format.zeroHeight = True


@pytest.mark.parametrize("change", [hide_column, shrink_columns, hide_all_rows])
def test_an_answer_beside_a_column_that_does_not_show(
    returned: Callable[..., Any], change: Callable[[Worksheet], None]
) -> None:
    """No line of such a sheet was seen whole."""

    def both(sheet: Worksheet) -> None:
        change(sheet)
        answer(sheet, FIRST, "冻结")
        answer(sheet, FIRST + 1, "冻结")

    assert [type(line) for line in returned(both)] == [BadRow, BadRow]


class Key:
    """An index key of these tests."""

    def __init__(self, key: str = "key") -> None:
        self.key = key

    def index(self, domain: str, value: str) -> str:
        """A keyed digest."""
        return hashlib.sha256(f"{self.key}|{domain}|{value}".encode()).hexdigest()


def marked(number: int, **fields: Any) -> ReviewRow:
    """A line with its mark."""
    line = row(number, **fields)
    return replace(line, mark=mark_of(Key(), line.item.key, line.shown))


def read_marked(tmp_path: Path, change: Callable[[Worksheet], None]) -> GivenAnswer:
    """The first of two lines with marks as it comes back from somebody who answered it."""
    content = build_workbook(HEADING, [marked(1, office="Ａ街道 一社区"), marked(2, name="李某")])
    book = load_workbook(BytesIO(content))
    answer(book[SHEET], FIRST, "冻结")
    change(book[SHEET])
    file = tmp_path / "清单.xlsx"
    book.save(file)
    (given,) = read_workbook(file)
    assert isinstance(given, GivenAnswer)
    return given


def test_a_line_is_as_shown(tmp_path: Path) -> None:
    """Also where a program folded what is full width; not with another key."""
    given = read_marked(tmp_path, lambda sheet: sheet.cell(FIRST, 2).__setattr__("value", "A街道  一社区"))
    assert is_as_shown(given, Key())
    assert not is_as_shown(given, Key("another"))


@pytest.mark.parametrize("column", [c for c in range(1, KEY) if c not in (ANSWER, REASON)])
def test_whatever_was_shown_otherwise_is_seen(tmp_path: Path, column: int) -> None:
    """Each cell of the line, also when it is empty now; what stands in the store or not."""
    for text in ("别的", None):
        given = read_marked(
            tmp_path, lambda sheet, text=text: sheet.cell(FIRST, column).__setattr__("value", text)
        )
        assert not is_as_shown(given, Key())


def test_a_line_that_shows_another_one(tmp_path: Path) -> None:
    """Its key belongs to its mark; without a mark there is none."""

    def swap(sheet: Worksheet) -> None:
        for column in (*range(1, ANSWER), *range(REASON + 1, KEY), MARK):
            sheet.cell(FIRST, column).value = sheet.cell(FIRST + 1, column).value

    assert not is_as_shown(read_marked(tmp_path, swap), Key())
    bare = read_marked(tmp_path, lambda sheet: sheet.cell(FIRST, MARK).__setattr__("value", None))
    assert not is_as_shown(bare, Key())


def test_rows_may_move(returned: Callable[..., Any]) -> None:
    """A line above the titles, and one between: the key says which line it is."""

    def change(sheet: Worksheet) -> None:
        answer(sheet, FIRST, "冻结")
        sheet.insert_rows(FIRST)
        sheet.insert_rows(2)

    (found,) = returned(change)
    assert (found.row, found.key) == (FIRST + 2, f"{1:064x}")


def test_other_sheets_are_not_looked_at(returned: Callable[..., Any]) -> None:
    """Whatever is in them."""

    def change(book: Workbook) -> None:
        other = book.create_sheet("其他", 0)
        other["A1"] = "=1+1"
        answer(book[SHEET], FIRST, "冻结")

    assert [line.answer for line in returned(change, book=True)] == ["冻结"]


def test_a_column_more_is_refused(returned: Callable[..., Any]) -> None:
    """Nobody guesses which column is which."""
    with pytest.raises(SourceError, match="columns"):
        returned(lambda sheet: sheet.insert_cols(3))


def test_a_sheet_of_another_name_is_refused(returned: Callable[..., Any]) -> None:
    """It is no such list."""

    def change(book: Workbook) -> None:
        book[SHEET].title = "Sheet1"

    with pytest.raises(SourceError, match="no workbook"):
        returned(change, book=True)


@pytest.mark.parametrize("content", [b"", b"no workbook", b"PK\x03\x04 cut off"])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """With the name of the file, and nothing of what is in it."""
    file = tmp_path / "清单.xlsx"
    file.write_bytes(content)
    with pytest.raises(SourceError, match=r"清单\.xlsx: is no workbook"):
        read_workbook(file)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """The operator's mistake, named as one."""
    with pytest.raises(SourceError, match="cannot be read"):
        read_workbook(tmp_path / "清单.xlsx")


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    """Not even opened as an archive."""
    file = tmp_path / "清单.xlsx"
    file.write_bytes(b"PK" + bytes(reading.MOST_BYTES))
    with pytest.raises(SourceError, match="larger than 10 MB"):
        read_workbook(file)


def test_a_long_list_is_read(tmp_path: Path) -> None:
    """Five thousand lines, each another one's, and the last of them answered."""
    rows = [row(number) for number in range(1, 5001)]
    file = tmp_path / "清单.xlsx"
    book = load_workbook(BytesIO(build_workbook(HEADING, rows)))
    answer(book[SHEET], FIRST + 4999, "保留", "本人在岗，下月返回")
    book.save(file)
    assert [line.row for line in read_workbook(file)] == [FIRST + 4999]


def test_too_many_rows_are_refused(returned: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """None is left out in silence; rows that are only formatted do not count."""
    monkeypatch.setattr(reading, "MOST_ROWS", FIRST + 3)
    assert returned(lambda sheet: sheet.cell(FIRST + 10, 1).__setattr__("value", None)) == ()
    with pytest.raises(SourceError, match="rows"):
        returned(lambda sheet: sheet.cell(FIRST + 4, 1).__setattr__("value", "更多"))
