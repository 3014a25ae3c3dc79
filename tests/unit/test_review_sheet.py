"""Workbooks that others made: as other programs write them, or to cost much or to hide something."""

from __future__ import annotations

import tracemalloc
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from quanheng.errors import SourceError
from quanheng.operations.review import packed
from quanheng.operations.review.reading import GivenAnswer, read_workbook
from quanheng.operations.review.workbook import COLUMNS, SHEET

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/spreadsheetml/main"
RELATED = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
DECLARED = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
MEGABYTE = 1024 * 1024
TITLES = [title for title, _ in COLUMNS]
LINE = [
    "系统",
    "科室",
    "王某",
    "sx1",
    "普通账号",
    "保留",
    "本人在岗",
    "闲置账号",
    "说明",
    "冻结",
    "0" * 64,
    "m",
]
SHEET_PART, STRINGS_PART, BOOK_PART = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/workbook.xml"


def related(*items: tuple[str, str]) -> str:
    """A part's list of others: what they are and where."""
    lines = "".join(
        f'<Relationship Id="r{n}" Type="{RELATED}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(items, start=1)
    )
    return f'{DECLARED}<Relationships xmlns="{PACKAGE}">{lines}</Relationships>'


def cell(column: int, row: int, text: int | str, kind: str = "s") -> str:
    """A cell as it is written."""
    return f'<c r="{chr(64 + column)}{row}" t="{kind}"><v>{text}</v></c>'


def line(row: int, first: int, more: str = "") -> str:
    """A row of shared texts, from one on."""
    cells = "".join(cell(place, row, first + place - 1) for place in range(1, len(COLUMNS) + 1))
    return f'<row r="{row}" spans="1:12" x:dyDescent="0.25" {more}>{cells}</row>'


def sheet(rows: str, before: str = "", after: str = "", space: str = MAIN) -> str:
    """A sheet of these rows."""
    return (
        f'<worksheet xmlns="{space}" xmlns:x="urn:x">{before}<sheetData>{rows}</sheetData>{after}</worksheet>'
    )


def strings(*texts: str, space: str = MAIN) -> str:
    """The texts of a workbook, each as it is written."""
    return f'<sst xmlns="{space}">{"".join(f"<si>{text}</si>" for text in texts)}</sst>'


def book(*sheets: str, space: str = MAIN) -> str:
    """What a workbook says of its sheets."""
    found = "".join(sheets) or f'<sheet name="{SHEET}" sheetId="1" r:id="r1"/>'
    return f'<workbook xmlns="{space}" xmlns:r="{RELATED}"><sheets>{found}</sheets></workbook>'


def plain(*texts: str) -> list[str]:
    """Each as a text of its own."""
    return [f"<t>{text}</t>" for text in texts]


def parts(**changed: str | bytes) -> dict[str, str | bytes]:
    """A workbook with one line, as other programs write it; ``sheet``, ``strings`` or ``book`` otherwise."""
    found: dict[str, str | bytes] = {
        "_rels/.rels": related(("officeDocument", BOOK_PART), ("extended-properties", "docProps/app.xml")),
        BOOK_PART: changed.get("book", book()),
        "xl/_rels/workbook.xml.rels": related(
            ("worksheet", "worksheets/sheet1.xml"),
            ("sharedStrings", "sharedStrings.xml"),
            ("theme", "/xl/t.xml"),
        ),
        SHEET_PART: changed.get("sheet", sheet(line(4, 0) + line(5, len(TITLES)))),
        STRINGS_PART: changed.get("strings", strings(*plain(*TITLES, *LINE))),
    }
    return found


Maker = Callable[..., Path]


@pytest.fixture
def made(tmp_path: Path) -> Maker:
    """Writes a workbook of these parts."""

    def make(content: Mapping[str, str | bytes], how: int = zipfile.ZIP_DEFLATED) -> Path:
        file = tmp_path / "清单.xlsx"
        with zipfile.ZipFile(file, "w", how) as archive:
            for name, part in content.items():
                archive.writestr(name, part)
        return file

    return make


def read_one(file: Path) -> GivenAnswer:
    """The only line."""
    (given,) = read_workbook(file)
    assert isinstance(given, GivenAnswer)
    return given


# As other programs write it


def test_texts_that_are_shared(made: Maker) -> None:
    """Each cell names one of a list of texts."""
    given = read_one(made(parts()))
    assert (given.row, given.key, given.answer, given.reason) == (5, "0" * 64, "保留", "本人在岗")
    assert (given.system, given.office, given.name, given.username) == ("系统", "科室", "王某", "sx1")
    assert (given.account_type, given.kind, given.detail) == ("普通账号", "闲置账号", "说明")
    assert (given.proposed, given.mark) == ("冻结", "m")


def test_texts_in_pieces(made: Maker) -> None:
    """Formatted by the sign; how it is said is no part of it."""
    texts = plain(*TITLES, *LINE)
    texts[len(TITLES) + 6] = "<r><rPr><b/></rPr><t>本人</t></r><r><t>在岗</t></r><rPh><t>zaigang</t></rPh>"
    assert read_one(made(parts(strings=strings(*texts)))).reason == "本人在岗"


def test_the_strict_form(made: Maker) -> None:
    """Of other namespaces."""
    content = parts(
        sheet=sheet(line(4, 0) + line(5, len(TITLES)), space=STRICT),
        strings=strings(*plain(*TITLES, *LINE), space=STRICT),
        book=book(space=STRICT),
    )
    assert read_one(made(content)).answer == "保留"


def test_names_of_parts_are_not_told_apart_by_capitals(made: Maker) -> None:
    """The format says so."""
    content = {name.replace("sharedStrings", "SharedStrings"): part for name, part in parts().items()}
    content["xl/_rels/workbook.xml.rels"] = parts()["xl/_rels/workbook.xml.rels"]
    assert read_one(made(content)).answer == "保留"


def test_rows_and_cells_without_their_place(made: Maker) -> None:
    """They follow on one another."""
    cells = ["".join(f'<c t="s"><v>{n}</v></c>' for n in range(start, start + 12)) for start in (0, 12)]
    content = parts(sheet=sheet("".join(f"<row>{row}</row>" for row in cells)))
    assert read_one(made(content)).row == 2


@pytest.mark.parametrize(
    ("kind", "told"),
    [("n", "数字或日期"), ("d", "数字或日期"), ("b", "逻辑值"), ("e", "错误值"), ("?", "错误值")],
)
def test_kinds_of_cells(made: Maker, kind: str, told: str) -> None:
    """None but a text is an answer."""
    rows = line(4, 0) + line(5, 12).replace(cell(6, 5, 17), cell(6, 5, 1, kind))
    (bad,) = read_workbook(made(parts(sheet=sheet(rows))))
    assert (bad.row, bad.field, bad.kind) == (5, "处理方式", told)  # type: ignore[union-attr]


def test_a_formula_without_a_value(made: Maker) -> None:
    """It is there all the same."""
    rows = line(4, 0) + line(5, 12).replace(cell(6, 5, 17), '<c r="F5"><f>A1</f></c>')
    (bad,) = read_workbook(made(parts(sheet=sheet(rows))))
    assert bad.kind == "公式"  # type: ignore[union-attr]


def test_what_is_not_looked_at(made: Maker) -> None:
    """Pictures, macros and formats, however large; other sheets; elements that are somebody else's."""
    foreign = '<x:row r="9"><x:c r="F9" t="str"><x:v>冻结</x:v></x:c></x:row>'
    content = {
        **parts(
            sheet=sheet(
                line(4, 0) + line(5, 12) + foreign, after="<ext><sheetData><row r='1'/></sheetData></ext>"
            )
        ),
        "xl/vbaProject.bin": b"macros",
        "xl/media/image.bin": bytes(40 * MEGABYTE),
        "xl/styles.xml": b"<font/>" * MEGABYTE,
        "xl/worksheets/sheet2.xml": b"<!DOCTYPE x>",
    }
    assert read_one(made(content)).answer == "保留"


# What is no such workbook


@pytest.mark.parametrize(
    "change",
    [
        {BOOK_PART: book('<sheet name="其他" r:id="r1"/>')},
        {BOOK_PART: book(*[f'<sheet name="{SHEET}" r:id="r1"/>'] * 2)},
        {BOOK_PART: book(f'<sheet name="{SHEET}" r:id="r9"/>')},
        {BOOK_PART: book(f'<sheet name="{SHEET}"/>')},
        {"_rels/.rels": related(("theme", BOOK_PART))},
        {"xl/_rels/workbook.xml.rels": related(("worksheet", "worksheets/none.xml"))},
        {"XL/WORKBOOK.XML": book()},
        {SHEET_PART: sheet(line(4, 0) + line(4, 12))},
        {SHEET_PART: sheet(line(5, 0) + line(4, 12))},
        {SHEET_PART: sheet(line(4, 0) + line(5, 12).replace('r="F5"', 'r="E5"'))},
        {SHEET_PART: sheet(line(4, 0) + line(5, 12).replace('r="F5"', 'r="F6"'))},
        {SHEET_PART: sheet(line(4, 0) + line(5, 12).replace('r="F5"', 'r="f5"'))},
        {SHEET_PART: sheet(line(4, 0) + line(5, 12).replace("<v>17</v>", "<v>-1</v>"))},
        {SHEET_PART: sheet(line(4, 0) + line(5, 12).replace("<v>17</v>", "<v>24</v>"))},
        {SHEET_PART: sheet(line(4, 0) + line(5, 12).replace("<v>17</v>", "<v>x</v>"))},
        {SHEET_PART: sheet("")[:-5]},
        {SHEET_PART: sheet(line(4, 0) + line(5, 12)).encode("utf-16")},
        {SHEET_PART: sheet(line(4, 0), before='<cols><col min="x"/></cols>')},
    ],
)
def test_what_is_no_such_workbook(made: Maker, change: dict[str, str]) -> None:
    """Told as one; nothing is guessed, and of two rows or cells in one place neither is taken."""
    with pytest.raises(SourceError, match=r"清单\.xlsx: is no workbook"):
        read_workbook(made({**parts(), **change}))


def test_a_pack_of_another_kind(made: Maker) -> None:
    """Some take as much memory as the file says."""
    with pytest.raises(SourceError, match="packed otherwise"):
        read_workbook(made(parts(), zipfile.ZIP_LZMA))


@pytest.mark.parametrize("state", ["hidden", "veryHidden", "other"])
def test_a_hidden_list_is_refused(made: Maker, state: str) -> None:
    """Whoever hands it in has not seen what is answered there."""
    with pytest.raises(SourceError, match="hidden"):
        read_workbook(made(parts(book=book(f'<sheet name="{SHEET}" state="{state}" r:id="r1"/>'))))


@pytest.mark.parametrize("part", [STRINGS_PART, SHEET_PART, BOOK_PART, "_rels/.rels"])
def test_entities_are_refused(made: Maker, part: str) -> None:
    """Nothing in a list needs a document type of its own, wherever it begins."""
    content = parts()
    text = str(content[part]).removeprefix(DECLARED)
    content[part] = f'<!--{"x" * 70_000}--><!DOCTYPE x [<!ENTITY a "b">]>{text}'
    with pytest.raises(SourceError, match="document type"):
        read_workbook(made(content))


# What costs much


def many(text: str, megabytes: float) -> str:
    """So much of it."""
    return text * int(megabytes * MEGABYTE / len(text))


OURS = f'<sheet name="{SHEET}" r:id="r1"/>'
ATTRIBUTES = " ".join(f'a{n}="1"' for n in range(400_000))
LARGE: dict[str, tuple[dict[str, str | bytes], str]] = {
    "larger than a part may be": ({SHEET_PART: b" " * 25 * MEGABYTE}, "unpacks"),
    "cells": ({SHEET_PART: sheet(f"<row>{many('<c/>', 0.5)}</row>")}, "more in it"),
    "rows": ({SHEET_PART: sheet(many("<row/>", 0.8))}, "more in it"),
    "texts": ({STRINGS_PART: strings(many("<t/></si><si>", 4))}, "more in it"),
    "others": ({SHEET_PART: sheet(many("<x/>", 0.5))}, "more in it"),
    "others in a row": ({SHEET_PART: sheet(f"<row>{many('<x/>', 0.5)}</row>")}, "more in it"),
    "in two parts": (
        {BOOK_PART: book(OURS + many("<x/>", 0.3)), SHEET_PART: sheet(f"<row>{many('<x/>', 0.3)}</row>")},
        "more in it",
    ),
    "depth": ({SHEET_PART: sheet(many("<x>", 0.1))}, "more in it"),
    "a range": ({SHEET_PART: sheet("", after=f'<x sqref="{many("A1 ", 8)}"/>')}, "longer"),
    "ranges": ({SHEET_PART: sheet("", after=many('<mergeCell ref="A1"/>', 1))}, "columns are not"),
    "attributes": (
        {SHEET_PART: sheet("", after=f"<x {ATTRIBUTES}/>")},
        "longer",
    ),
    "a text": ({SHEET_PART: sheet(cell(1, 1, many("\U0001f600", 2), "str"))}, "longer"),
    "names of one part": ({BOOK_PART: f'<a xmlns="urn:{many("x", 2)}">'}, "longer"),
}


@pytest.mark.parametrize("which", LARGE)
def test_a_small_file_that_takes_much_is_not_read(
    made: Maker, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few kilobytes that would take gigabytes once they are read, whatever they consist of."""
    monkeypatch.setattr(packed, "_MOST_ELEMENTS", 100_000)
    change, match = LARGE[which]
    file = made({**parts(), **change})
    tracemalloc.start()
    try:
        with pytest.raises(SourceError, match=match):
            read_workbook(file)
        assert tracemalloc.get_traced_memory()[1] < 24 * MEGABYTE
    finally:
        tracemalloc.stop()


def test_a_file_of_many_parts(made: Maker) -> None:
    """Seen before their list is read."""
    with pytest.raises(SourceError, match="parts"):
        read_workbook(made({**parts(), **{f"x/{n}": b"" for n in range(packed._MOST_PARTS)}}))
