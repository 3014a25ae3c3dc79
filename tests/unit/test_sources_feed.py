"""HR feeds: what is believed, what goes to quarantine, and what refuses the whole file."""

from __future__ import annotations

import codecs
import tracemalloc
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.feed import PEOPLE_COLUMNS, write_feed
from fixtures.feeds import (
    AS_OF,
    COUNTY,
    ORGANISATIONS,
    TOWNSHIP,
    VILLAGE,
    People,
    SmallFeed,
    csv_text,
    shanxi,
)
from fixtures.people import generate, generate_many
from fixtures.rows import FIELDS
from quanheng.config import FeedSettings
from quanheng.errors import SourceError
from quanheng.model.ids import OrgCode, SourceId
from quanheng.model.staff import Mode, OrgKind, OrgUnit, Origin, Reason
from quanheng.policy.units import Units
from quanheng.sources.feed import read_feed


@pytest.fixture
def feed(tmp_path: Path) -> SmallFeed:
    """An empty folder for a feed."""
    return SmallFeed(tmp_path)


@pytest.fixture
def people() -> People:
    """A maker of rows."""
    return People()


def reasons(feed: SmallFeed) -> list[Reason]:
    """Why rows of a feed were rejected."""
    return [row.reason for row in feed.read().rejected]


def test_a_generated_city_is_read_as_the_generator_says(tmp_path: Path) -> None:
    """Every good row of 忻州's feed is believed and every bad one rejected for the reason it was spoilt."""
    population = generate("1409")
    written = population.rows("hr")
    write_feed(tmp_path, population.people, population.units, sequence=3, as_of=AS_OF, scope=population.scope)
    settings = FeedSettings(kind="feed", id="hr", directory=tmp_path)
    reading = read_feed(settings, shanxi(), Units({}))
    assert Counter(row.reason for row in reading.rejected) == Counter(
        row.fault for row in written if row.fault is not None
    )
    believed = {
        (row.staff_no, row.document.number.reveal(), row.name, row.org, row.post) for row in reading.rows
    }
    assert believed == {
        (row.staff_no, row.canonical_number, row.name, row.org, row.post_id)
        for row in written
        if row.fault is None
    }
    assert reading.declaration.row_count == len(written)
    assert reading.units is not None
    assert {unit.code for unit in reading.units} == {unit.code for unit in population.units}


def test_thirty_thousand_rows_are_all_read(tmp_path: Path) -> None:
    """A province's number of rows is read in one go, none lost."""
    population = generate_many(30_000, source="hr")
    write_feed(tmp_path, population.people, population.units, sequence=1, as_of=AS_OF, scope=population.scope)
    reading = read_feed(FeedSettings(kind="feed", id="hr", directory=tmp_path), shanxi(), Units({}))
    assert (len(reading.rows), len(reading.rejected)) == (30_000, 0)


def test_200_megabytes_need_memory_for_their_rows_only(tmp_path: Path, people: People) -> None:
    """A file of 200 MB takes hardly more memory than the same rows without what makes them long."""
    feed = SmallFeed(tmp_path, "utf-8")
    header, *rows = csv_text(people.row() for _ in range(3_400)).encode().splitlines()
    peaks = []
    for remark in (b"", b"x" * 60_000):
        # A column that nobody asked for, as wide as a record may be.
        feed.write(b"\n".join([header + ",备注".encode(), *(row + b"," + remark for row in rows), b""]))
        tracemalloc.start()
        assert len(feed.read().rows) == 3_400
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert (feed.folder / "people.csv").stat().st_size > 200_000_000
    assert peaks[1] < peaks[0] + 2_000_000


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("declare", [True, False])
def test_rare_characters_survive_every_encoding(
    tmp_path: Path, people: People, encoding: str, *, declare: bool
) -> None:
    """A character outside the basic plane, a middle dot and padding blanks arrive in each encoding."""
    feed = SmallFeed(tmp_path, encoding)
    names = ["𠮷田𣵀", "巴特尔·乌恩其", "张　三"]
    feed.write(
        csv_text(people.row(姓名=name) for name in names),
        declared=encoding.removesuffix("-sig") if declare else None,
    )
    assert [row.name for row in feed.read().rows] == ["𠮷田𣵀", "巴特尔·乌恩其", "张三"]


@pytest.mark.parametrize(("declared", "actual"), [("utf-8", "gb18030"), ("gb18030", "utf-8")])
def test_a_wrong_declared_encoding_refuses_the_feed(
    tmp_path: Path, people: People, declared: str, actual: str
) -> None:
    """A manifest that declares another encoding than the file has is refused, and the message says both."""
    feed = SmallFeed(tmp_path, actual)
    feed.write(csv_text([people.row()]), declared=declared)
    with pytest.raises(SourceError, match=f"wrong encoding: declared as {declared}, but it is {actual}"):
        feed.read()


def test_another_encoding_refuses_the_feed(feed: SmallFeed, people: People) -> None:
    """UTF-16, as spreadsheets export "Unicode text", is refused with what to export instead."""
    feed.write(csv_text([people.row()]).encode("utf-16"))
    with pytest.raises(SourceError, match=r"encoding.*export the file as CSV in UTF-8 or GB18030"):
        feed.read()


def test_bytes_that_are_no_text_spoil_their_row_only(feed: SmallFeed, people: People) -> None:
    """An undecodable byte puts its row into quarantine, with the person still known, and the next is read."""
    bad, good = people.row(姓名="@"), people.row()
    feed.write(csv_text([bad, good]).encode("gb18030").replace(b"@", b"\xff"))
    reading = feed.read()
    assert [row.staff_no for row in reading.rows] == [good["人员编号"]]
    (rejected,) = reading.rejected
    assert rejected.reason is Reason.UNREADABLE_TEXT
    assert rejected.staff_no == bad["人员编号"]
    assert rejected.document is not None
    assert rejected.county == COUNTY
    assert "\\xff" in rejected.original.reveal()


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\ufffd"])
def test_control_and_lost_characters_spoil_their_row_only(
    feed: SmallFeed, people: People, character: str
) -> None:
    """A NUL, an escape, or the mark of a character lost before goes to quarantine and stops nothing."""
    feed.write(csv_text([people.row(姓名=f"张{character}三"), people.row()]))
    reading = feed.read()
    assert [row.reason for row in reading.rejected] == [Reason.UNREADABLE_TEXT]
    assert len(reading.rows) == 1


def test_a_formula_is_not_a_name(feed: SmallFeed, people: People) -> None:
    """Text that a spreadsheet would run is refused as a name and as a staff number."""
    feed.write(csv_text([people.row(姓名="=HYPERLINK(1)"), people.row(人员编号="=1+1")]))
    assert reasons(feed) == [Reason.BAD_NAME, Reason.BAD_STAFF_NO]


def test_a_missing_column_refuses_the_feed(feed: SmallFeed, people: People) -> None:
    """Without one of the columns nothing is read; the message names it and all that are expected."""
    columns = [title for title in PEOPLE_COLUMNS if title != "人员状态"]
    feed.write(csv_text([people.row()], columns))
    with pytest.raises(SourceError, match=r"people.csv: columns: missing '人员状态' .*人员编号, 姓名"):
        feed.read()


def test_a_renamed_column_refuses_the_feed(feed: SmallFeed, people: People) -> None:
    """A column under another title is named twice: the one missing, the one unknown."""
    feed.write(csv_text([people.row()]).replace("联系电话", "手机"))
    with pytest.raises(SourceError, match="missing '联系电话'; unknown '手机'"):
        feed.read()


def test_a_doubled_column_refuses_the_feed(feed: SmallFeed, people: People) -> None:
    """Two columns of one title leave open which is meant, so nothing is read."""
    feed.write(csv_text([people.row()], [*PEOPLE_COLUMNS, "机构编码"]))
    with pytest.raises(SourceError, match="doubled '机构编码'"):
        feed.read()


def test_a_file_without_header_shows_nobodys_number(feed: SmallFeed, people: People) -> None:
    """When the first person stands where titles belong, the message says nothing of it but how many cells."""
    row = people.row()
    feed.write("".join(csv_text([row]).splitlines(keepends=True)[1:]))
    with pytest.raises(SourceError) as caught:
        feed.read()
    cells = {text for text in row.values() if text}
    assert len(cells) > 5
    assert not [text for text in cells if text in str(caught.value)]
    assert f"unknown {len(row)} others" in str(caught.value)


def test_an_additional_column_is_noted(feed: SmallFeed, people: People) -> None:
    """A column that nobody asked for is passed over and mentioned."""
    feed.write(csv_text([people.row(备注="x")], [*PEOPLE_COLUMNS, "备注"]))
    reading = feed.read()
    assert len(reading.rows) == 1
    assert reading.notes == ("people.csv: 1 columns that the pack does not know were passed over",)


def test_titles_in_ascii_let_the_rows_decide_the_encoding(tmp_path: Path, people: People) -> None:
    """Where the header fits every encoding, the one that fits all rows is taken."""
    mapping = shanxi().sources.feed
    columns = mapping.people.model_copy(update={field: field for field in mapping.people.model_dump()})
    mapping = mapping.model_copy(update={"people": columns})
    pack = replace(shanxi(), sources=shanxi().sources.model_copy(update={"feed": mapping}))
    lines = csv_text([people.row(姓名="𠮷田")]).splitlines()[1:]
    for encoding in ("utf-8", "gb18030"):
        feed = SmallFeed(tmp_path, encoding)
        feed.write("\n".join([",".join(FIELDS), *lines, ""]))
        assert [row.name for row in read_feed(feed.settings, pack, Units({})).rows] == ["𠮷田"]


def test_an_empty_feed_is_a_reading_without_rows(feed: SmallFeed) -> None:
    """A header alone is a complete answer with nobody in it: the engine decides what follows."""
    feed.write(csv_text([]))
    reading = feed.read()
    assert (reading.rows, reading.rejected, reading.declaration.row_count) == ((), (), 0)


@pytest.mark.parametrize("content", [b"", codecs.BOM_UTF8, b"\r\n\r\n"])
def test_a_file_without_anything_refuses_the_feed(feed: SmallFeed, content: bytes) -> None:
    """No header means no answer at all, which is not the same as nobody."""
    feed.write(content)
    with pytest.raises(SourceError, match="holds nothing, not even a header"):
        feed.read()


def test_a_file_cut_off_in_a_row_refuses_the_feed(feed: SmallFeed, people: People) -> None:
    """Half a delivery is recognised as cut off, with how many rows are there and how many should be."""
    text = csv_text(people.row() for _ in range(4))
    feed.write(text)
    feed.write_files(text.encode("gb18030")[:-60])
    with pytest.raises(SourceError, match=r"cut off: 4 rows of 4 .* the last line does not end"):
        feed.read()
    feed.write_files("".join(text.splitlines(keepends=True)[:3]))
    with pytest.raises(SourceError, match="cut off: 2 rows of 4"):
        feed.read()


def test_a_row_that_was_already_cut_when_exported_goes_to_quarantine(feed: SmallFeed, people: People) -> None:
    """When the digest is right but the last row ends early, that row alone is not believed."""
    good, cut = people.row(), people.row()
    text = csv_text([good, cut]).encode("gb18030")
    feed.write(text[: text.rindex("在职".encode("gb18030")) + 1])
    reading = feed.read()
    assert [row.staff_no for row in reading.rows] == [good["人员编号"]]
    (rejected,) = reading.rejected
    assert (rejected.reason, rejected.staff_no) == (Reason.TRUNCATED, cut["人员编号"])
    assert rejected.document is not None


def test_another_content_than_declared_refuses_the_feed(feed: SmallFeed, people: People) -> None:
    """One changed value breaks the digest, and nothing of the file is read."""
    text = csv_text([people.row()])
    feed.write(text)
    feed.write_files(text.replace("业务操作员", "系统管理员"))
    with pytest.raises(SourceError, match=r"digest .* is not the one in the manifest"):
        feed.read()


def test_another_row_count_than_declared_refuses_the_feed(feed: SmallFeed, people: People) -> None:
    """A manifest whose count does not fit its own file is refused, digest or not."""
    feed.write(csv_text([people.row()]))
    manifest = feed.folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"rows": 1', '"rows": 2'))
    with pytest.raises(SourceError, match="1 rows, but the manifest declares 2"):
        feed.read()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{row},", Reason.WRONG_COLUMN_COUNT),
        ('{row}"', Reason.BAD_DATE),
        ('"{row}', Reason.WRONG_COLUMN_COUNT),
        ("T1,张三", Reason.WRONG_COLUMN_COUNT),
    ],
)
def test_a_row_of_wrong_form_is_alone_in_it(
    feed: SmallFeed, people: People, line: str, reason: Reason
) -> None:
    """A comma too many, too few, or a quotation mark too many spoils one row and no other."""
    header, first, second = csv_text([people.row(), people.row()]).splitlines()
    feed.write("\n".join([header, line.format(row=first), second]) + "\n")
    reading = feed.read()
    assert [row.reason for row in reading.rejected] == [reason]
    assert len(reading.rows) == 1
    assert reading.rejected[0].origin == Origin(SourceId("hr"), "people.csv:2")


def test_quoted_values_are_read(feed: SmallFeed, people: People) -> None:
    """Quotation marks around values are the writer's affair, doubled ones inside them too."""
    row = people.row()
    header, line = csv_text([row]).splitlines()
    quoted = ",".join(f'"{value}"' for value in line.split(","))
    feed.write(f"{header}\n{quoted}\n")
    assert [found.name for found in feed.read().rows] == [row["姓名"]]


def test_a_line_without_end_is_bounded(feed: SmallFeed, people: People) -> None:
    """A record of a megabyte is one bad row, kept in part, and the next line is read."""
    header, line = csv_text([people.row()]).splitlines()
    feed.write(f"{header}\n{'x' * 1_000_000}\n{line}\n")
    reading = feed.read()
    assert [row.reason for row in reading.rejected] == [Reason.WRONG_COLUMN_COUNT]
    assert len(reading.rejected[0].original.reveal()) < 10_000
    assert len(reading.rows) == 1


def test_the_same_row_twice_counts_once(feed: SmallFeed, people: People) -> None:
    """The second of two rows that say the same is a duplicate, though its number is spelt otherwise."""
    row = people.row()
    spelt = row | {
        "证件号码": row["证件号码"].lower().translate(str.maketrans("0123456789", "０１２３４５６７８９"))
    }
    feed.write(csv_text([row, spelt]))
    reading = feed.read()
    assert len(reading.rows) == 1
    assert [(bad.reason, bad.origin.locator) for bad in reading.rejected] == [
        (Reason.DUPLICATE_ROW, "people.csv:3")
    ]


@pytest.mark.parametrize(
    "change", [{"姓名": "李四"}, {"人员状态": "退休"}, {"任岗日期": "2020-01-01"}, {"用工性质": "劳务派遣"}]
)
def test_rows_that_contradict_each_other_are_all_rejected(
    feed: SmallFeed, people: People, change: dict[str, str]
) -> None:
    """One person and post with two contents: neither is believed, and both are there to be mended."""
    row, other = people.row(), people.row()
    feed.write(csv_text([row, other, row | change]))
    reading = feed.read()
    assert [found.staff_no for found in reading.rows] == [other["人员编号"]]
    assert [bad.reason for bad in reading.rejected] == [Reason.CONFLICTING_ROWS] * 2
    assert {bad.staff_no for bad in reading.rejected} == {row["人员编号"]}
    assert all(row["证件号码"] in bad.original.reveal() for bad in reading.rejected)


def test_one_staff_number_of_two_people_rejects_both(feed: SmallFeed, people: People) -> None:
    """A staff number that two documents claim in one reading belongs to nobody."""
    feed.write(csv_text([people.row(人员编号="T9"), people.row(人员编号="T9"), people.row()]))
    reading = feed.read()
    assert len(reading.rows) == 1
    assert [bad.reason for bad in reading.rejected] == [Reason.CONFLICTING_ROWS] * 2


def test_a_rejected_row_is_evidence_against_another(feed: SmallFeed, people: People) -> None:
    """A row that is bad for another reason still shows that a staff number has two people."""
    feed.write(csv_text([people.row(人员编号="T9"), people.row(人员编号="T9", 联系电话="1")]))
    reading = feed.read()
    assert not reading.rows
    assert sorted(bad.reason for bad in reading.rejected) == [Reason.BAD_PHONE, Reason.CONFLICTING_ROWS]


def test_two_posts_of_a_person_are_two_rows(feed: SmallFeed, people: People) -> None:
    """The same person at two posts is no duplicate."""
    row = people.row(机构编码="140902000", 岗位="经办人员")
    feed.write(csv_text([row, row | {"岗位": "审核人员"}]))
    assert [found.post for found in feed.read().rows] == ["handler", "reviewer"]


def test_a_person_may_have_no_post(feed: SmallFeed, people: People) -> None:
    """An empty post is a person without duties, not a fault."""
    feed.write(csv_text([people.row(岗位="")]))
    assert [row.post for row in feed.read().rows] == [None]


def test_a_recoded_organisation_is_found_under_its_new_code(feed: SmallFeed, people: People) -> None:
    """A row that still has the old code is believed with the new one."""
    units = Units({}, {OrgCode("140902999"): TOWNSHIP})
    feed.write(csv_text([people.row(机构编码="140902999")]))
    assert [row.org for row in feed.read(units).rows] == [TOWNSHIP]


def test_known_organisations_serve_a_feed_without_its_own(feed: SmallFeed, people: People) -> None:
    """A feed may leave out its organisations; then those known from before count, and none are reported."""
    feed.write(csv_text([people.row()]))
    known = {unit.code: unit for unit in feed.read().units or ()}
    feed.write(csv_text([people.row()]), organisations=None)
    reading = feed.read(Units(known))
    assert (len(reading.rows), reading.units) == (1, None)


def test_a_bad_organisation_is_rejected_with_those_below_it(feed: SmallFeed, people: People) -> None:
    """A unit whose chain of parents breaks is not believed, nor is a kind that the pack does not know."""
    feed.write(
        csv_text([people.row()]),
        organisations="\n".join(
            [
                *ORGANISATIONS,
                "140902002,无上级,乡镇,140999",
                "140902002001,其下,村,140902002",
                "140902003,自环,乡镇,140902004",
                "140902004,自环,乡镇,140902003",
                "140902005,类型错,公司,140902",
                "62,别省,省,14",
                "140902001,南城街道,乡镇,140902",
                "140902006,一名,乡镇,140902",
                "140902006,另名,乡镇,140902",
                "",
            ]
        ),
    )
    reading = feed.read()
    assert Counter(row.reason for row in reading.rejected) == {
        Reason.UNKNOWN_ORGANISATION: 5,
        Reason.OUT_OF_SCOPE: 1,
        Reason.DUPLICATE_ROW: 1,
        Reason.CONFLICTING_ROWS: 2,
    }
    assert {row.origin.locator.split(":")[0] for row in reading.rejected} == {"organisations.csv"}
    assert len(reading.units or ()) == len(ORGANISATIONS) - 1
    assert len(reading.rows) == 1


def test_the_root_of_the_pack_need_not_be_named(feed: SmallFeed, people: People) -> None:
    """The province's own bureau has the province's tier though no file names the province."""
    organisations = "\n".join([*ORGANISATIONS, "140000000,局机关,局机关,14", ""])
    row = people.row(机构编码="140000000", 岗位="系统管理员", 用工性质="正式在编")
    feed.write(csv_text([row]), organisations=organisations, scope=("1409", "140000000"))
    assert [found.post for found in feed.read().rows] == ["system_admin"]


def test_a_feed_of_another_source_is_refused(feed: SmallFeed, people: People) -> None:
    """A manifest that names another source than the settings is in the wrong folder."""
    feed.write(csv_text([people.row()]))
    settings = feed.settings.model_copy(update={"id": "other"})
    with pytest.raises(SourceError, match="source: not 'other'"):
        read_feed(settings, shanxi(), Units({}))


def test_a_scope_outside_the_pack_is_refused(feed: SmallFeed, people: People) -> None:
    """A feed cannot declare that it speaks of another province."""
    feed.write(csv_text([people.row()]), scope=("62",), organisations=None)
    with pytest.raises(SourceError, match="scope: a code outside the scope of pack 'shanxi'"):
        feed.read()


def test_a_file_larger_than_allowed_is_refused(feed: SmallFeed, people: People) -> None:
    """The limit of the settings is looked at before anything is read."""
    feed.write(csv_text([people.row()]) + " " * 1_100_000)
    settings = feed.settings.model_copy(update={"max_megabytes": 1})
    with pytest.raises(SourceError, match="larger than 1 MB"):
        read_feed(settings, shanxi(), Units({}))


def test_the_declaration_says_what_the_manifest_says(feed: SmallFeed, people: People) -> None:
    """Mode, scope, time and sequence come from the manifest; equal content has an equal digest."""
    text = csv_text([people.row()])
    feed.write(text, mode=Mode.DELTA, sequence=7)
    first = feed.read().declaration
    assert (first.mode, first.scope, first.as_of, first.sequence, first.row_count) == (
        Mode.DELTA,
        ("1409",),
        AS_OF,
        7,
        1,
    )
    feed.write(text, mode=Mode.DELTA, sequence=8)
    assert feed.read().declaration.digest == first.digest
    feed.write(csv_text([people.row()]), mode=Mode.DELTA, sequence=8)
    assert feed.read().declaration.digest != first.digest


def test_nothing_that_is_shown_holds_a_number(feed: SmallFeed, people: People) -> None:
    """Neither believed nor rejected rows show an ID number or phone in their text form."""
    good, bad = people.row(), people.row(人员状态="待定")
    feed.write(csv_text([good, bad]))
    shown = repr(feed.read())
    for row in (good, bad):
        assert row["证件号码"] not in shown
        assert row["联系电话"] not in shown


def test_a_known_organisation_is_replaced_by_the_feeds(feed: SmallFeed, people: People) -> None:
    """What the feed says of a unit comes over what was known: its kind decides which posts it may have."""
    origin = Origin(SourceId("old"), "x")
    old = OrgUnit(code=VILLAGE, name="旧", kind=OrgKind.BANK_BRANCH, parent=COUNTY, origin=origin)
    feed.write(csv_text([people.row()]))
    reading = feed.read(Units({VILLAGE: old}))
    assert {unit.code: unit.name for unit in reading.units or ()}[VILLAGE] == "和平社区"
