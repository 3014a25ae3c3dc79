"""Single rows: each field's faults, and what stays known of a person whose row is rejected."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.feeds import AS_OF, COUNTY, TOWNSHIP, VILLAGE, People, shanxi
from fixtures.identities import a_mint, calculate_check_digit
from quanheng.model.ids import OrgCode, SourceId
from quanheng.model.staff import OrgKind, OrgUnit, Origin, Reason, RejectedRow, StaffRow
from quanheng.policy.units import Units
from quanheng.sources.dates import DayReader
from quanheng.sources.organisations import with_root
from quanheng.sources.reasons import EXPLANATIONS
from quanheng.sources.rows import RowJudge

ORIGIN = Origin(SourceId("hr"), "people.csv:2")
TITLES = shanxi().sources.feed.people.model_dump()
FIELDS = {title: field for field, title in TITLES.items()}


def unit(code: str, kind: OrgKind, parent: str) -> OrgUnit:
    """A unit of the test's county."""
    return OrgUnit(code=OrgCode(code), name=code, kind=kind, parent=OrgCode(parent), origin=ORIGIN)


UNITS = Units(
    {
        found.code: found
        for found in (
            unit("1409", OrgKind.CITY, "14"),
            unit(COUNTY, OrgKind.COUNTY, "1409"),
            unit("140902000", OrgKind.BUREAU, COUNTY),
            unit(TOWNSHIP, OrgKind.TOWNSHIP, COUNTY),
            unit(VILLAGE, OrgKind.VILLAGE, TOWNSHIP),
            unit("140902Y01", OrgKind.BANK_BRANCH, COUNTY),
            unit("140921", OrgKind.COUNTY, "1409"),
            unit("140999000", OrgKind.BUREAU, "140999"),
        )
    },
    {OrgCode("140902888001"): VILLAGE},
)
JUDGE = RowJudge(
    pack=shanxi(),
    units=with_root(UNITS, shanxi()),
    scope=(COUNTY, OrgCode("140999")),
    labels=TITLES,
    today=AS_OF.date(),
)


def judge(row: dict[str, str]) -> StaffRow | RejectedRow:
    """The verdict on a row given by titles."""
    values = {FIELDS[title]: text for title, text in row.items()}
    return JUDGE.judge(values, ORIGIN, lambda: ",".join(row.values()))


def rejected(row: dict[str, str]) -> RejectedRow:
    """The verdict on a row that must be rejected."""
    verdict = judge(row)
    assert isinstance(verdict, RejectedRow)
    return verdict


def believed(row: dict[str, str]) -> StaffRow:
    """The verdict on a row that must be believed."""
    verdict = judge(row)
    assert isinstance(verdict, StaffRow), verdict
    return verdict


@pytest.mark.parametrize(
    ("title", "value", "reason"),
    [
        ("人员编号", "", Reason.MISSING_VALUE),
        ("人员编号", "T 1", Reason.BAD_STAFF_NO),
        ("人员编号", "T" * 65, Reason.BAD_STAFF_NO),
        ("人员编号", a_mint().phone(), Reason.BAD_STAFF_NO),
        ("姓名", "", Reason.MISSING_VALUE),
        ("姓名", "张3", Reason.BAD_NAME),
        ("证件类型", "", Reason.MISSING_VALUE),
        ("证件类型", "户口簿", Reason.UNKNOWN_DOCUMENT_KIND),
        ("证件号码", "", Reason.MISSING_VALUE),
        ("证件号码", "1400001990", Reason.BAD_DOCUMENT_NUMBER),
        ("联系电话", "", Reason.MISSING_VALUE),
        ("联系电话", "12345", Reason.BAD_PHONE),
        ("机构编码", "", Reason.MISSING_VALUE),
        ("机构编码", "140902998", Reason.UNKNOWN_ORGANISATION),
        ("机构编码", "140999000", Reason.UNKNOWN_ORGANISATION),
        ("机构编码", "140921", Reason.OUT_OF_SCOPE),
        ("机构编码", "620102001001", Reason.OUT_OF_SCOPE),
        ("岗位", "后勤岗", Reason.UNKNOWN_POST),
        ("岗位", "系统管理员", Reason.POST_AT_WRONG_LEVEL),
        ("用工性质", "", Reason.MISSING_VALUE),
        ("用工性质", "临时", Reason.UNKNOWN_EMPLOYMENT),
        ("人员状态", "", Reason.MISSING_VALUE),
        ("人员状态", "待定", Reason.UNKNOWN_STATUS),
        ("状态起始日期", "2024-02-30", Reason.BAD_DATE),
        ("状态截止日期", "x", Reason.BAD_DATE),
        ("任岗日期", "2026111", Reason.BAD_DATE),
    ],
)
def test_a_wrong_field_is_named_without_its_value(title: str, value: str, reason: Reason) -> None:
    """Each fault has its reason, names the column as the source does, and never shows the value."""
    row = People().row(**{title: value})
    verdict = rejected(row)
    assert (verdict.reason, verdict.field) == (reason, title)
    assert verdict.remedy == EXPLANATIONS[reason].remedy
    assert not value or value not in verdict.value_kind
    assert row["证件号码"] not in repr(verdict) or not row["证件号码"]


def test_a_wrong_check_digit_is_a_reason_of_its_own() -> None:
    """A number with one digit wrong is told apart from one of wrong form, and is not the person's."""
    row = People().row()
    right = row["证件号码"]
    wrong = right[:-1] + ("1" if calculate_check_digit(right[:-1]) != "1" else "2")
    verdict = rejected(row | {"证件号码": wrong})
    assert (verdict.reason, verdict.document, verdict.staff_no) == (
        Reason.BAD_CHECK_DIGIT,
        None,
        row["人员编号"],
    )


def test_a_rejected_row_says_who_is_present() -> None:
    """Staff number, document and county of a bad row stay known: the person is not absent."""
    row = People().row(人员状态="待定")
    verdict = rejected(row)
    assert verdict.document is not None
    assert verdict.document.number.reveal() == row["证件号码"]
    assert (verdict.staff_no, verdict.county) == (row["人员编号"], COUNTY)
    assert verdict.original.reveal() == ",".join(row.values())


def test_an_id_number_is_no_staff_number() -> None:
    """A staff number that is the ID number would reach Keycloak; it is refused and not kept."""
    row = People().row()
    verdict = rejected(row | {"人员编号": row["证件号码"]})
    assert (verdict.reason, verdict.staff_no) == (Reason.BAD_STAFF_NO, None)
    assert row["证件号码"] not in repr(verdict)
    for staff_no in ("ez1234567", "T-ez1234567.2"):
        passport = People().row(证件类型="护照", 证件号码="EZ1234567", 人员编号=staff_no)
        assert rejected(passport).reason is Reason.BAD_STAFF_NO


@pytest.mark.parametrize("form", ["S{}", "{}-1", "s_{}x", "140902.{}"])
def test_a_number_within_a_staff_number_is_found(form: str) -> None:
    """Somebody's ID number or phone with something before or behind it is still that number."""
    mint = a_mint()
    for number in (mint.resident_number(), mint.resident_number()[:15], mint.phone()):
        verdict = rejected(People().row(人员编号=form.format(number)))
        assert (verdict.reason, verdict.staff_no) == (Reason.BAD_STAFF_NO, None)
        assert number not in repr(verdict)


def test_every_spelling_of_a_number_is_one_document() -> None:
    """Full-width digits, a lower-case x, blanks and 15 digits give the document of 18 digits."""
    prefix = "14000019600307"
    digits = next(f"{prefix}{n:03}" for n in range(1000) if calculate_check_digit(f"{prefix}{n:03}") == "X")
    number = digits + "X"
    wide = number.translate({ord(c): ord(c) + 0xFEE0 for c in "0123456789X"})
    spellings = [
        number,
        number.lower(),
        wide,
        f" {number[:6]} {number[6:14]} {number[14:]}",
        number[:6] + number[8:17],
    ]
    documents = {believed(People().row(证件号码=text.strip())).document for text in spellings}
    assert {document.number.reveal() for document in documents} == {number}


@pytest.mark.parametrize(
    ("org", "post"),
    [
        (VILLAGE, "业务操作员"),
        (TOWNSHIP, "操作员"),
        ("140902Y01", "业务操作员"),
        ("140902000", "经办人员"),
        ("140902000", "系统管理员"),
        (COUNTY, "审核岗"),
    ],
)
def test_a_post_is_allowed_at_its_levels(org: str, post: str) -> None:
    """A bureau has the level of its area, and aliases of posts count."""
    assert believed(People().row(机构编码=org, 岗位=post)).org == org


def test_a_recoded_organisation_gives_its_new_code_and_county() -> None:
    """An old code leads to the unit it became, also for scope and county."""
    assert believed(People().row(机构编码="140902888001")).org == VILLAGE
    assert rejected(People().row(机构编码="140902888001", 岗位="x")).county == COUNTY


def test_a_code_in_full_width_is_the_code() -> None:
    """Input methods write digits in full width; the organisation is the same."""
    wide = VILLAGE.translate({ord(c): ord(c) + 0xFEE0 for c in "0123456789"})
    assert believed(People().row(机构编码=wide)).org == VILLAGE


def test_a_status_cannot_end_before_it_begins() -> None:
    """The two days of a status are in order, or the row is not believed; one day alone is possible."""
    days = {"人员状态": "病假", "状态起始日期": "2026-03-02", "状态截止日期": "2026-03-01"}
    verdict = rejected(People().row(**days))
    assert (verdict.reason, verdict.field) == (Reason.BAD_DATE, "状态截止日期")
    same_day = believed(People().row(**days | {"状态截止日期": "2026-03-02"}))
    assert same_day.status_from == same_day.status_to == date(2026, 3, 2)


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-01",
        "2024-3-1",
        "20240301",
        "2024/03/01",
        "2024年3月1日",
        "２０２４年０３月０１日",
        "２０２４-０３-０１",
        "2024 年 3 月 1 日",
        "20240229160000Z",
    ],
)
def test_a_day_is_read_however_it_is_written(text: str) -> None:
    """Formats of the pack, 年月日, full width, and LDAP's time in UTC (a day in China) are all read."""
    assert DayReader(shanxi().sources.feed.date_formats).read(text) == date(2024, 3, 1)


@pytest.mark.parametrize(
    "text", ["2026111", "2024-13-01", "0001-01-01", "20240230", "9999-01-01", "三月一日", "1"]
)
def test_a_day_that_is_none_or_two_is_not_guessed(text: str) -> None:
    """What names no day, or could name two, gives none."""
    assert DayReader(shanxi().sources.feed.date_formats).read(text) is None


@given(st.dictionaries(st.sampled_from(list(FIELDS.values())), st.text(max_size=30)))
def test_no_text_at_all_breaks_the_judge(values: dict[str, str]) -> None:
    """Whatever stands in the fields, there is a verdict."""
    assert isinstance(JUDGE.judge(values, ORIGIN, lambda: ""), StaffRow | RejectedRow)


def test_every_reason_is_explained_in_chinese() -> None:
    """No reason of quarantine lacks a label and a sentence for staff."""
    assert set(EXPLANATIONS) == set(Reason)
    for explanation in EXPLANATIONS.values():
        assert not explanation.label.isascii()
        assert explanation.remedy.endswith("。")
