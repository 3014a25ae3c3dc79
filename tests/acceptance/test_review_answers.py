"""Answers come back row by row; what they ask for is shown and done once; what is late is told above."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update

from fixtures.life import Life, make_life
from fixtures.reviewing import (
    CITY,
    COLLEAGUE,
    COUNTY,
    GREEDY,
    KEEPER,
    MONTH,
    MORE,
    OTHER_KEEPER,
    POSTLESS,
    PROVINCE,
    ROOT,
    SECOND,
    TWINS,
    answer,
    bodies,
    busy_county,
    fill,
    folder_of,
    item_of,
    items,
    sheet_of,
    workbook_of,
    write,
)
from fixtures.world import VILLAGE, World, WorldTemplate
from quanheng.config import LifecycleSettings
from quanheng.errors import ConfigurationError, RefusedError, SourceError, UnreachableError
from quanheng.lifecycle.review import Handling, ReviewItem
from quanheng.model.ids import Username
from quanheng.model.person import HoldKind, ProposalState, RequestKind
from quanheng.notify.port import NoticeKind
from quanheng.operations.lifecycle.freezing import Frozen
from quanheng.operations.lifecycle.requesting import ask_request, prepare_request
from quanheng.operations.review import applying
from quanheng.operations.review.answers import take_in_answers
from quanheng.operations.review.applying import CarriedLine, carry_out_answers, plan_answers
from quanheng.operations.review.daily import first_working_day, look_after_reviews
from quanheng.operations.review.overdue import read_overdue, tell_overdue
from quanheng.operations.review.reading import read_workbook
from quanheng.operations.review.workbook import ANSWER, HEADER, KEY, MARK
from quanheng.store import tables


@pytest.fixture(scope="module")
def busy(world_template: WorldTemplate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """忻府区 with somebody of each kind, built once."""
    world = world_template.make(tmp_path_factory.mktemp("busy") / "world")
    busy_county(world)
    yield world
    world.close()


@pytest.fixture
def life(busy: World, world_template: WorldTemplate, tmp_path: Path) -> Iterator[Life]:
    """A copy of it with this month's lists."""
    world = world_template.fork(busy, tmp_path / "world")
    life = make_life(world, LifecycleSettings(reviews_directory=folder_of(world)))
    write(life)
    yield life
    world.close()


def key(life: Life, who: str, kind: str) -> str:
    """Key of somebody's line."""
    return item_of(life, who, kind).key


def twin(life: Life) -> str:
    """The one of both who is proposed to be deregistered."""
    (found,) = [who for who in TWINS if item_of(life, who, "duplicate").proposed is Handling.DEREGISTER]
    return found


def carry_out(life: Life, *, by: str = COLLEAGUE) -> tuple[CarriedLine, ...]:
    """Somebody carries out what is shown."""
    plan = plan_answers(life.context)
    return carry_out_answers(life.context, plan.digest[:12], life.world.login(by))


def cell(row: ReviewItem, column: int, value: object) -> Callable[[Any], None]:
    """Changes a cell of a line."""

    def change(sheet: Any) -> None:
        for number in range(HEADER + 1, sheet.max_row + 1):
            if sheet.cell(number, KEY).value == row.key:
                sheet.cell(number, column).value = value

    return change


# Answers


def test_answers_make_the_round(life: Life) -> None:
    """Filled in, read in, kept with who and when; shown in the next workbook; 保留 needs nothing more."""
    surplus, duplicate = key(life, POSTLESS, "surplus"), key(life, twin(life), "duplicate")
    done = answer(life, {surplus: ("保留", "等待安排岗位"), duplicate: ("注销", "")})
    assert (len(done.answered), done.settled, done.unchanged, done.bad) == (2, 1, 0, ())
    kept = item_of(life, POSTLESS, "surplus")
    who = str(life.world.person(COLLEAGUE).username)
    assert (kept.answer, kept.answer_reason, kept.answered_by, kept.settled) == (
        Handling.KEEP,
        "等待安排岗位",
        who,
        "answer",
    )
    assert kept.answered_at == life.world.clock()
    write(life)
    shown = {row[KEY - 1]: row[ANSWER - 1 : ANSWER + 1] for row in sheet_of(workbook_of(life)).values}
    assert shown[surplus] == ("保留", "等待安排岗位")
    assert shown[duplicate] == ("注销", None)
    assert {item.unanswered for item in write(life).lists if item.county == COUNTY} == {3}
    (noted,) = bodies(life, "review_answered")
    assert noted["answered_by"] == who
    assert {line["key"] for line in noted["lines"]} == {surplus, duplicate}


def test_read_in_again_nothing_happens_again(life: Life) -> None:
    """Another answer takes the place of the first as long as nothing was done with it."""
    surplus = key(life, POSTLESS, "surplus")
    answer(life, {surplus: ("保留", "等待安排岗位")})
    again = answer(life, {surplus: ("保留", "等待安排岗位")})
    assert (again.answered, again.unchanged) == ((), 1)
    assert len(bodies(life, "review_answered")) == 1
    answer(life, {surplus: ("冻结", "")})
    assert (item_of(life, POSTLESS, "surplus").answer, item_of(life, POSTLESS, "surplus").settled) == (
        Handling.FREEZE,
        "",
    )
    carry_out(life)
    late = answer(life, {surplus: ("保留", "等待安排岗位")})
    assert [(row.field, row.kind) for row in late.bad] == [("处理方式", "已经办结的行")]
    assert item_of(life, POSTLESS, "surplus").answer is Handling.FREEZE


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (("删除", ""), "处理方式"),
        (("安排轮岗", "满五年了"), "处理方式"),
        (("保留", ""), "事由"),
        (("保留", "在岗"), "事由"),
        (("保留", "字" * 501), "事由"),
        (("保留", "请联系 138 1234 5678"), "事由"),
        (("保留", "证件号 11010519491231002X 有误"), "事由"),
    ],
)
def test_bad_answers_are_named_and_the_good_go_on(life: Life, given: tuple[str, str], field: str) -> None:
    """Not of the words, not of the line's words, no reason where one is needed, a number in it."""
    good = key(life, twin(life), "duplicate")
    done = answer(life, {key(life, POSTLESS, "surplus"): given, good: ("注销", "")})
    assert [row.field for row in done.bad] == [field]
    assert [item.key for item in done.answered] == [good]
    assert item_of(life, POSTLESS, "surplus").answer is None


@pytest.mark.parametrize(
    ("column", "field"),
    [
        *((column, "系统名称、科室、使用人或账号类型") for column in (1, 2, 3, 5)),
        (4, "使用账户"),
        (8, "清理类别"),
        (9, "情况说明"),
        (10, "建议处理"),
    ],
)
def test_an_altered_line_counts_for_nothing(life: Life, column: int, field: str) -> None:
    """Whoever read another account or another matter answered something else."""
    line = item_of(life, POSTLESS, "surplus")
    done = answer(life, {line.key: ("冻结", "")}, change=cell(line, column, "sx0000099"))
    assert [row.field for row in done.bad] == [field]
    assert done.answered == ()


def test_a_key_of_no_list_counts_for_nothing(life: Life) -> None:
    """Nor does a line that is there twice."""
    line, other = item_of(life, POSTLESS, "surplus"), item_of(life, GREEDY, "over_privileged")
    done = answer(life, {line.key: ("冻结", "")}, change=cell(line, KEY, "0" * 64))
    assert [(row.field, row.kind) for row in done.bad] == [("行号标识", "不属于任何一份清单")]

    def twice(sheet: Any) -> None:
        for column in (*range(1, KEY + 1), MARK):
            rows = {sheet.cell(n, KEY).value: n for n in range(HEADER + 1, sheet.max_row + 1)}
            value = sheet.cell(rows[line.key], column).value
            if column != KEY:
                sheet.cell(rows[other.key], column).value = value
        sheet.cell(rows[other.key], KEY).value = line.key

    done = answer(life, {line.key: ("冻结", "")}, change=twice)
    assert [row.kind for row in done.bad] == ["与前面的行重复"]
    assert len(done.answered) == 1


@pytest.mark.parametrize("who", [OTHER_KEEPER, POSTLESS])
def test_only_administrators_of_the_county_or_above_answer(life: Life, who: str) -> None:
    """Another county's is refused row by row, whoever is none at all as a whole."""
    surplus = key(life, POSTLESS, "surplus")
    if who == POSTLESS:
        with pytest.raises(RefusedError, match="no administrator"):
            answer(life, {surplus: ("冻结", "")}, by=who)
    else:
        done = answer(life, {surplus: ("冻结", "")}, by=who)
        assert [row.kind for row in done.bad] == ["属于 140902 的清单"]
    assert item_of(life, POSTLESS, "surplus").answer is None
    assert answer(life, {surplus: ("冻结", "")}, by=PROVINCE).bad == ()


def test_about_administrators_the_level_above_answers(life: Life) -> None:
    """Not a colleague of the same county, nor the person itself (S4)."""
    line = item_of(life, KEEPER, "over_privileged", CITY)
    for who in (COLLEAGUE, KEEPER):
        done = answer(life, {line.key: ("冻结", "仍需核实")}, by=who, county=CITY)
        assert [row.kind for row in done.bad] == ["属于 1409 的清单"]
    assert answer(life, {line.key: ("冻结", "仍需核实")}, by=PROVINCE, county=CITY).bad == ()


def test_nobody_answers_about_the_own_account(life: Life) -> None:
    """Of the province's administrators another one does."""
    world = life.world
    world.console.tamper_map_client_role(world.user(PROVINCE).id, MORE)
    write(life)
    name = str(world.person(PROVINCE).username)
    (line, *_) = [item for item in items(life, county=ROOT) if item.username == name]
    choice = {line.key: ("冻结", "仍需核实")}
    assert [row.kind for row in answer(life, choice, by=PROVINCE, county=ROOT).bad] == ["答复人本人的账号"]
    assert answer(life, choice, by=SECOND, county=ROOT).bad == ()


def test_answers_in_the_store_alone_count_for_nothing(life: Life) -> None:
    """The ledger says who answered what: a row that somebody wrote, or took back, changes nothing."""
    answer(life, {key(life, twin(life), "duplicate"): ("注销", "")})
    table = tables.review_item
    with life.context.database.transaction() as connection:
        connection.execute(update(table).values(answer="keep", answered_by="x", settled="answer"))
    assert item_of(life, POSTLESS, "surplus").answer is None
    assert item_of(life, twin(life), "duplicate").answer is Handling.DEREGISTER
    assert [line.item.key for line in plan_answers(life.context).lines] == [
        key(life, twin(life), "duplicate")
    ]


def test_answers_to_a_list_that_was_altered_are_refused(life: Life) -> None:
    """What was answered is not what was found."""
    surplus = key(life, POSTLESS, "surplus")
    table = tables.review_item
    with life.context.database.transaction() as connection:
        connection.execute(delete(table).where(table.c.key == key(life, GREEDY, "over_privileged")))
    with pytest.raises(RefusedError, match="altered"):
        answer(life, {surplus: ("冻结", "")})
    assert plan_answers(life.context).lines == ()


# What follows


def test_what_answers_ask_for_is_shown_then_done_once(life: Life) -> None:
    """冻结 at once, 注销 asked for and approved by a second person, the rest by hand until it is done."""
    world, gone = life.world, twin(life)
    answer(
        life,
        {
            key(life, POSTLESS, "surplus"): ("冻结", ""),
            key(life, gone, "duplicate"): ("注销", ""),
            key(life, GREEDY, "over_privileged"): ("收回权限", ""),
            key(life, "zhang.san", "illegal"): ("补全信息", ""),
        },
    )
    plan = plan_answers(life.context)
    assert sorted(str(line.effect) for line in plan.lines) == ["by_hand", "by_hand", "freeze", "request"]
    assert all(line.hint for line in plan.lines if line.effect == "by_hand")
    assert life.holds(POSTLESS) == set()
    assert plan_answers(life.context) == plan
    done = carry_out(life)
    assert [line.problem for line in done] == ["", ""]
    assert life.holds(POSTLESS) == {HoldKind.FROZEN}
    assert not life.enabled(POSTLESS)
    (proposal,) = [item for item in world.proposals() if item.kind == "request"]
    assert proposal.proposer == f"realm:{world.person(COLLEAGUE).username}"
    assert MONTH in proposal.summary
    assert life.enabled(gone)
    with pytest.raises(RefusedError, match="same person"):
        world.approve(proposal.key, by=COLLEAGUE)
    world.approve(proposal.key, by=KEEPER)
    assert not life.enabled(gone)
    assert item_of(life, gone, "duplicate").settled == f"request:{proposal.key}"
    assert item_of(life, POSTLESS, "surplus").settled.startswith("frozen:")
    with pytest.raises(RefusedError, match="nothing waits"):
        carry_out_answers(life.context, plan.digest, world.login(COLLEAGUE))
    assert [line.effect for line in plan_answers(life.context).lines] == ["by_hand", "by_hand"]


def test_what_is_done_by_hand_ends_when_it_is_done(life: Life) -> None:
    """The permission is taken away in the console: nothing is left to do, and the next writing says so."""
    world = life.world
    answer(life, {key(life, GREEDY, "over_privileged"): ("收回权限", "")})
    assert len(plan_answers(life.context).lines) == 1
    world.sync()
    assert plan_answers(life.context).lines == ()
    write(life)
    assert item_of(life, GREEDY, "over_privileged").settled == "gone:2026-03-02"


def test_only_what_was_shown_is_done(life: Life) -> None:
    """Another answer meanwhile makes another digest; a digest of a few signs is none."""
    answer(life, {key(life, POSTLESS, "surplus"): ("冻结", "")})
    digest = plan_answers(life.context).digest
    answer(life, {key(life, POSTLESS, "surplus"): ("注销", "早已离岗")})
    for wrong in (digest, digest[:3], ""):
        with pytest.raises(RefusedError, match="digest"):
            carry_out_answers(life.context, wrong, life.world.login(COLLEAGUE))
    assert life.holds(POSTLESS) == set()
    assert carry_out(life)[0].problem == ""


def test_one_line_that_is_refused_hinders_no_other(life: Life) -> None:
    """Of another county, or of somebody whom nobody may ask for: named, and tried again the next time."""
    city = item_of(life, KEEPER, "over_privileged", CITY)
    answer(life, {city.key: ("冻结", "仍需核实")}, by=PROVINCE, county=CITY)
    answer(life, {key(life, POSTLESS, "surplus"): ("冻结", "")})
    done = {line.item.key: line for line in carry_out(life, by=COLLEAGUE)}
    assert done[city.key].problem
    assert done[key(life, POSTLESS, "surplus")].problem == ""
    assert life.holds(KEEPER) == set()
    assert [line.problem for line in carry_out(life, by=PROVINCE)] == [""]
    assert life.holds(KEEPER) == {HoldKind.FROZEN}


def test_a_run_that_died_asks_nothing_twice(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request was made, and not written down as done: the next run finds it."""
    answer(life, {key(life, twin(life), "duplicate"): ("注销", "")})

    def die(*arguments: Any) -> Any:
        ask_request(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(applying, "ask_request", die)
        with pytest.raises(KeyboardInterrupt):
            carry_out(life)
    (made,) = [item for item in life.world.proposals() if item.kind == "request"]
    assert [line.problem for line in carry_out(life)] == [""]
    assert [item for item in life.world.proposals() if item.kind == "request"] == [made]
    assert item_of(life, twin(life), "duplicate").settled == f"request:{made.key}"


def test_keycloak_away_while_answers_are_carried_out(life: Life) -> None:
    """Nothing is half done: it is tried again."""
    answer(life, {key(life, twin(life), "duplicate"): ("注销", "")})
    plan, person = plan_answers(life.context), life.world.login(COLLEAGUE)
    life.world.fake.down()
    with pytest.raises(UnreachableError):
        carry_out_answers(life.context, plan.digest, person)
    life.world.fake.down(False)
    assert plan_answers(life.context).digest == plan.digest


def test_what_goes_wrong_with_one_line_is_named(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody was deregistered meanwhile; a server that is away ends the run, since no line would fare
    better; an account that is frozen and still on is told as such."""
    gone, idle = twin(life), POSTLESS
    answer(life, {key(life, idle, "surplus"): ("冻结", "")})
    real, waits = applying._carry_out, [gone]

    def meanwhile(*arguments: Any) -> CarriedLine:
        if waits:
            asked = prepare_request(life.context, waits.pop(), RequestKind.DEREGISTER, reason="本人申请注销")
            life.world.approve(ask_request(life.context, asked, life.world.login(COLLEAGUE)).key, by=KEEPER)
        return real(*arguments)

    def away(*_: Any, **__: Any) -> Frozen:
        raise UnreachableError("Keycloak does not answer")

    def slow(*_: Any, **__: Any) -> Frozen:
        return Frozen(username=Username("sx"), new=True, off=False, problem="Keycloak does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(applying, "freeze_person", away)
        with pytest.raises(UnreachableError):
            carry_out(life)
        answer(life, {key(life, gone, "duplicate"): ("注销", "")})
        patch.setattr(applying, "freeze_person", slow)
        patch.setattr(applying, "_carry_out", meanwhile)
        done = {str(line.item.answer): line for line in carry_out(life)}
    assert "deregistered already" in done["deregister"].problem
    assert "尚未停用" in done["freeze"].problem
    assert done["freeze"].item.settled.startswith("frozen:")


def test_an_answer_that_waits_is_not_forgotten_in_the_next_month(life: Life) -> None:
    """The new list has the account again; what was answered can still be carried out."""
    answer(life, {key(life, POSTLESS, "surplus"): ("冻结", "")})
    before = plan_answers(life.context)
    at(life, date(2026, 4, 1))
    write(life)
    assert item_of(life, POSTLESS, "surplus").settled == ""
    assert plan_answers(life.context) == before


def test_a_rejected_request_is_an_end_too(life: Life) -> None:
    """The second person decides; the account is found again the next month."""
    answer(life, {key(life, twin(life), "duplicate"): ("注销", "")})
    carry_out(life)
    (made,) = [item for item in life.world.proposals() if item.kind == "request"]
    life.world.approve(made.key, by=KEEPER, approve=False)
    assert life.world.registry().proposals[made.key].state is ProposalState.REJECTED
    assert plan_answers(life.context).lines == ()


# Late


def at(life: Life, day: date) -> None:
    """Noon in China of a day."""
    life.at(datetime(day.year, day.month, day.day, 4, tzinfo=UTC))


def test_what_is_not_answered_goes_to_the_level_above(life: Life) -> None:
    """From the day after the last one on: the county's to the city, the city's to the province; told once."""
    at(life, date(2026, 3, 9))
    assert read_overdue(life.context) == ()
    assert tell_overdue(life.context) == 0
    at(life, date(2026, 3, 10))
    found = {(str(x.county), str(x.above), x.unanswered) for x in read_overdue(life.context)}
    assert found == {("14", "14", 1), ("1409", "14", 2), ("140902", "1409", 5)}
    (mine,) = read_overdue(life.context, above=CITY)
    assert (mine.county, mine.county_name, mine.above_name, mine.deadline) == (
        COUNTY,
        "忻府区",
        "忻州市",
        date(2026, 3, 9),
    )
    assert tell_overdue(life.context) == 3
    assert tell_overdue(life.context) == 0
    told = {fact["above"]: fact for fact in life.told(NoticeKind.REVIEW_UNANSWERED)}
    assert told["1409 忻州市"]["counties"] == ["140902 忻府区：5 条，期限 2026-03-09"]
    assert len(told["14 山西省"]["counties"]) == 2
    assert told["14 山西省"]["month"] == MONTH
    assert [body["counties"] for body in bodies(life, "review_unanswered")] == [
        {"14": 1, "1409": 2},
        {"140902": 5},
    ]


def test_what_was_answered_is_not_late(life: Life) -> None:
    """Nor what is over; a late answer counts all the same."""
    at(life, date(2026, 3, 10))
    answer(life, {item.key: ("冻结", "仍需核实情况") for item in items(life, county=COUNTY)})
    assert {item.county for item in read_overdue(life.context)} == {CITY, ROOT}


def test_an_altered_list_is_told_whatever_it_says(life: Life) -> None:
    """Whoever takes a county's lines out of the store does not make it look as if it had answered."""
    with life.context.database.transaction() as connection:
        table = tables.review_item
        connection.execute(delete(table).where(table.c.county == COUNTY))
    (found,) = read_overdue(life.context)
    assert (found.county, found.altered, found.unanswered) == (COUNTY, True, 0)
    assert tell_overdue(life.context) == 1
    (fact,) = life.told(NoticeKind.REVIEW_UNANSWERED)
    assert "疑被改动" in fact["counties"][0]


def test_a_list_of_a_county_that_is_gone(life: Life) -> None:
    """The topmost area sees to it."""
    with life.context.database.transaction() as connection:
        connection.execute(
            update(tables.review_item).where(tables.review_item.c.county == COUNTY).values(county="99")
        )
    found = {(str(item.county), str(item.above)) for item in read_overdue(life.context)}
    assert found == {("140902", "1409"), ("99", "14")}


def test_the_daily_work_writes_each_month_once(
    busy: World, world_template: WorldTemplate, tmp_path: Path
) -> None:
    """From the first working day on, also when that was missed; not where nobody named a folder."""
    world = world_template.fork(busy, tmp_path / "daily")
    life = make_life(world, LifecycleSettings(reviews_directory=folder_of(world)))
    at(life, date(2026, 5, 1))
    assert first_working_day(life.context, date(2026, 5, 20)) == date(2026, 5, 6)
    assert look_after_reviews(life.context) == "lists=0 overdue=0"
    at(life, date(2026, 5, 8))
    assert look_after_reviews(life.context) == "lists=3 new=8 overdue=0"
    assert look_after_reviews(life.context) == "lists=0 overdue=0"
    world.hire(VILLAGE, "")
    at(life, date(2026, 5, 16))
    assert look_after_reviews(life.context) == "lists=0 overdue=3"
    at(life, date(2026, 6, 1))
    assert look_after_reviews(life.context).startswith("lists=3 new=")
    at(life, date(2026, 7, 31))
    assert look_after_reviews(make_life(world, LifecycleSettings()).context).startswith("no folder for lists")
    world.close()


def test_a_day_whose_files_could_not_be_written_is_done_again(life: Life) -> None:
    """The store has the lines, and the files come the next time."""
    at(life, date(2026, 4, 1))
    folder = folder_of(life.world)
    folder.rename(folder.with_name("before"))
    folder.write_text("a file")
    with pytest.raises(ConfigurationError, match="cannot be made"):
        look_after_reviews(life.context)
    folder.unlink()
    assert look_after_reviews(life.context) == "lists=3 new=0 overdue=0"


def test_a_bad_file_of_holidays_stops_it(life: Life, tmp_path: Path) -> None:
    """A deadline that is counted wrong would be wrong in silence."""
    bad = tmp_path / "holidays.yaml"
    bad.write_text("2027: {holidays: [10-01]}\n", encoding="utf-8")
    settings = LifecycleSettings(reviews_directory=folder_of(life.world), holidays_file=bad)
    other = make_life(life.world, settings)
    at(other, date(2026, 4, 1))
    with pytest.raises(SourceError):
        look_after_reviews(other.context)
    assert items(other, month="2026-04") == ()


def test_a_workbook_of_another_realm_s_county(life: Life) -> None:
    """A filled workbook of which the store has nothing: every row is named."""
    filled = fill(workbook_of(life), {key(life, POSTLESS, "surplus"): ("冻结", "")})
    with life.context.database.transaction() as connection:
        connection.execute(delete(tables.review_item))
    done = take_in_answers(life.context, read_workbook(filled), life.world.login(COLLEAGUE))
    assert [row.kind for row in done.bad] == ["不属于任何一份清单"]
