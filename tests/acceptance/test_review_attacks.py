"""What was tried against the monthly review, and does not work: an old answer, the wrong county, a row that
somebody wrote into the store, one's own second account, silence that nobody hears of."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, literal_column, update

from fixtures.drafts import make_draft
from fixtures.life import Life, make_life
from fixtures.reviewing import (
    CITY,
    CLERK,
    COLLEAGUE,
    COUNTY,
    GREEDY,
    KEEPER,
    MONTH,
    MORE,
    OTHER_COUNTY,
    OTHER_KEEPER,
    POSTLESS,
    PROVINCE,
    ROOT,
    TWINS,
    answer,
    bodies,
    busy_county,
    fill,
    folder_of,
    item_of,
    items,
    look_again,
    settle,
    stranger,
    workbook_of,
    write,
)
from fixtures.world import BUREAU, OTHER_VILLAGE, VILLAGE, World, WorldTemplate
from quanheng.config import LifecycleSettings
from quanheng.errors import ConfigurationError, RefusedError, UnreachableError
from quanheng.lifecycle.review import Handling
from quanheng.model.ids import PersonId
from quanheng.model.person import HoldKind, RequestKind
from quanheng.notify.port import NoticeKind
from quanheng.operations.lifecycle.freezing import freeze_person
from quanheng.operations.lifecycle.requesting import ask_request, prepare_request
from quanheng.operations.review import applying
from quanheng.operations.review.answers import TakenAnswers, take_in_answers
from quanheng.operations.review.applying import CarriedLine, carry_out_answers, plan_answers
from quanheng.operations.review.daily import look_after_reviews
from quanheng.operations.review.overdue import read_overdue, tell_overdue
from quanheng.operations.review.reading import read_workbook
from quanheng.store import tables

APRIL = "2026-04"
FREEZE = ("冻结", "")


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
    """Key of somebody's line of 忻府区."""
    return item_of(life, who, kind).key


def at(life: Life, day: date) -> None:
    """Noon in China of a day."""
    life.at(datetime(day.year, day.month, day.day, 4, tzinfo=UTC))


def carry_out(life: Life, *, by: str = COLLEAGUE) -> tuple[CarriedLine, ...]:
    """Somebody carries out what is shown."""
    return carry_out_answers(life.context, plan_answers(life.context).digest, life.world.login(by))


def answer_of(life: Life, month: str, kind: str, given: tuple[str, str]) -> TakenAnswers:
    """忻府区 answers its one line of a kind in a later month."""
    (line,) = [item for item in items(life, month=month, county=COUNTY) if item.kind == kind]
    filled = fill(workbook_of(life, COUNTY, month), {line.key: given})
    given_lines = read_workbook(filled)
    filled.unlink()
    return take_in_answers(life.context, given_lines, life.world.login(COLLEAGUE))


def change_row(life: Life, key: str, **values: Any) -> None:
    """Somebody writes into the store."""
    table = tables.review_item
    with life.context.database.transaction() as connection:
        connection.execute(update(table).where(table.c.key == key).values(**values))


def sync(life: Life) -> None:
    """What the sources say now is so."""
    life.world.issue_and_sync()
    life.world.approve()
    life.world.sync()


def twin(life: Life) -> str:
    """The one of both who is proposed to be deregistered."""
    (found,) = [who for who in TWINS if item_of(life, who, "duplicate").proposed is Handling.DEREGISTER]
    return found


# An old answer


@pytest.mark.parametrize("altered", [False, True])
def test_a_later_answer_takes_the_place_of_an_older_one(life: Life, altered: bool) -> None:
    """保留 in April ends 冻结 of March that nobody carried out, also when April's line is taken away."""
    answer(life, {key(life, POSTLESS, "surplus"): FREEZE})
    before = plan_answers(life.context)
    at(life, date(2026, 4, 1))
    write(life)
    assert plan_answers(life.context).lines == before.lines
    assert answer_of(life, APRIL, "surplus", ("保留", "已安排岗位，下周报送")).bad == ()
    if altered:
        with life.context.database.transaction() as connection:
            connection.execute(delete(tables.review_item).where(tables.review_item.c.month == APRIL))
    assert plan_answers(life.context).lines == ()
    with pytest.raises(RefusedError, match="nothing waits"):
        carry_out_answers(life.context, before.digest, life.world.login(COLLEAGUE))
    assert life.holds(POSTLESS) == set()
    assert item_of(life, POSTLESS, "surplus").settled == f"carried:{APRIL}"


def test_whoever_has_a_post_by_now_is_not_frozen(life: Life) -> None:
    """What was to be frozen is over: it is settled, and nothing else that was shown with it is done."""
    answer(life, {key(life, POSTLESS, "surplus"): FREEZE, key(life, twin(life), "duplicate"): ("注销", "")})
    before = plan_answers(life.context)
    life.world.change(POSTLESS, post="业务操作员")
    sync(life)
    assert [line.item.kind for line in plan_answers(life.context).lines] == ["duplicate"]
    with pytest.raises(RefusedError, match="digest"):
        carry_out_answers(life.context, before.digest, life.world.login(COLLEAGUE))
    assert item_of(life, POSTLESS, "surplus").settled == "gone:2026-03-02"
    assert [line.problem for line in carry_out(life)] == [""]
    assert life.holds(POSTLESS) == set()


def test_whoever_was_deregistered_otherwise_leaves_the_plan(life: Life) -> None:
    """冻结 and 注销 alike; such a line does not wait for ever."""
    gone = twin(life)
    answer(life, {key(life, gone, "duplicate"): ("注销", ""), key(life, POSTLESS, "surplus"): FREEZE})
    for who in (gone, POSTLESS):
        asked = prepare_request(life.context, who, RequestKind.DEREGISTER, reason="本人申请注销")
        life.world.approve(ask_request(life.context, asked, life.world.login(COLLEAGUE)).key, by=KEEPER)
    life.world.sync()
    assert plan_answers(life.context).lines == ()
    at(life, date(2026, 4, 1))
    look_after_reviews(life.context)
    assert item_of(life, gone, "duplicate").settled == "gone:2026-04-01"
    assert HoldKind.FROZEN not in life.holds(POSTLESS)


def test_what_comes_back_is_asked_anew(life: Life) -> None:
    """With a deadline of its own, and nothing is done because of what was answered before."""
    answer(life, {key(life, POSTLESS, "surplus"): FREEZE})
    draft = key(life, "zhang.san", "illegal")
    answer(life, {draft: ("补全信息", "")})
    life.world.change(POSTLESS, post="业务操作员")
    sync(life)
    world = life.world
    world.console.tamper_delete_user(
        next(user for user in world.console.sweep_users() if user.username == "zhang.san").id
    )
    at(life, date(2026, 3, 16))
    write(life)
    at(life, date(2026, 3, 25))
    life.world.change(POSTLESS, post="")
    sync(life)
    make_draft(world)
    assert write(life).altered == ()
    for who, kind in ((POSTLESS, "surplus"), ("zhang.san", "illegal")):
        again = item_of(life, who, kind)
        assert (again.answer, again.settled, again.deadline) == (None, "", date(2026, 4, 1))
    assert plan_answers(life.context).lines == ()
    assert answer(life, {draft: ("补全信息", "")}).bad == ()
    assert item_of(life, "zhang.san", "illegal").answer is Handling.COMPLETE


def test_another_answer_while_it_is_carried_out(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line is read again before it is done."""
    line = key(life, POSTLESS, "surplus")
    answer(life, {line: FREEZE})
    real = applying._carry_out

    def late(*arguments: Any) -> CarriedLine:
        answer(life, {line: ("保留", "等待安排岗位")})
        return real(*arguments)

    monkeypatch.setattr(applying, "_carry_out", late)
    assert [done.problem for done in carry_out(life)] == ["刚有改动，未办理"]
    assert life.holds(POSTLESS) == set()


def test_two_who_carry_out_at_once(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one did the other does not, and neither is told of a problem."""
    answer(life, {key(life, POSTLESS, "surplus"): FREEZE, key(life, twin(life), "duplicate"): ("注销", "")})
    real = applying._carry_out
    others: list[CarriedLine] = []

    def other(*arguments: Any) -> CarriedLine:
        if not others:
            monkeypatch.setattr(applying, "_carry_out", real)
            others.extend(carry_out(life))
        return real(*arguments)

    monkeypatch.setattr(applying, "_carry_out", other)
    done = carry_out(life)
    assert [line.problem for line in (*others, *done)] == [""] * 4
    assert len([item for item in life.world.proposals() if item.kind == "request"]) == 1
    assert sum(len(body["lines"]) for body in bodies(life, "review_settled")) == 2


def test_a_list_that_is_altered_while_it_is_carried_out(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing more of it is done."""
    answer(life, {key(life, POSTLESS, "surplus"): FREEZE})
    real = applying._carry_out

    def late(*arguments: Any) -> CarriedLine:
        change_row(life, key(life, GREEDY, "over_privileged"), detail="一切正常")
        return real(*arguments)

    monkeypatch.setattr(applying, "_carry_out", late)
    assert [done.problem for done in carry_out(life)] == ["刚有改动，未办理"]
    assert life.holds(POSTLESS) == set()


def test_one_account_with_two_lines_is_asked_for_once(life: Life) -> None:
    """Both end with the one request."""
    gone = twin(life)
    life.world.change(gone, post="")
    sync(life)
    write(life)
    lines = {key(life, gone, kind): ("注销", "重复，也没有岗位") for kind in ("duplicate", "surplus")}
    assert answer(life, lines).bad == ()
    assert [line.problem for line in carry_out(life)] == ["", ""]
    (made,) = [item for item in life.world.proposals() if item.kind == "request"]
    assert {item_of(life, gone, kind).settled for kind in ("duplicate", "surplus")} == {f"request:{made.key}"}
    life.world.approve(made.key, by=KEEPER)
    assert not life.enabled(gone)
    assert plan_answers(life.context).lines == ()


def test_what_was_done_is_told_though_keycloak_is_away_afterwards(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ended by it is settled by the next look."""
    answer(life, {key(life, POSTLESS, "surplus"): FREEZE})
    plan, real, looks = plan_answers(life.context), applying.find_review, [1]

    def away(context: Any) -> Any:
        if looks:
            looks.clear()
            return real(context)
        raise UnreachableError("Keycloak does not answer")

    monkeypatch.setattr(applying, "find_review", away)
    (done,) = carry_out_answers(life.context, plan.digest, life.world.login(COLLEAGUE))
    assert (done.problem, done.item.settled[:7]) == ("", "frozen:")
    assert life.holds(POSTLESS) == {HoldKind.FROZEN}


def test_a_user_name_that_is_another_s_by_now(life: Life) -> None:
    """Whoever was found is frozen, and nobody else."""
    answer(life, {key(life, POSTLESS, "surplus"): FREEZE})
    me, other, table = life.world.person(POSTLESS), life.world.person(CLERK), tables.person
    with life.context.database.transaction() as connection:
        for person, name in ((me.id, "sx9000001"), (other.id, me.username)):
            connection.execute(update(table).where(table.c.id == person).values(username=name))
    assert [line.problem for line in carry_out(life)] == [""]
    assert (life.holds(POSTLESS), life.holds(CLERK)) == ({HoldKind.FROZEN}, set())


def test_a_name_that_went_to_somebody_else(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    """注销 is asked for whom the line is about, or not at all; who is not there is not frozen."""
    answer(life, {key(life, twin(life), "duplicate"): ("注销", "")})

    def other(context: Any, _: str, *rest: Any, **options: Any) -> Any:
        return prepare_request(context, CLERK, *rest, **options)

    monkeypatch.setattr(applying, "prepare_request", other)
    assert ["another's user name" in line.problem for line in carry_out(life)] == [True]
    assert [item for item in life.world.proposals() if item.kind == "request"] == []
    with pytest.raises(ConfigurationError, match="not in the registry"):
        freeze_person(life.context, PersonId("f" * 32), reason="口令可能泄露")


# Whose it is to answer


def test_whoever_moved_is_another_county_s(life: Life) -> None:
    """Answered before, it is not carried out; answered now, it is refused and settled."""
    surplus, idle = key(life, POSTLESS, "surplus"), key(life, GREEDY, "over_privileged")
    answer(life, {surplus: FREEZE})
    for who in (POSTLESS, GREEDY):
        life.world.change(who, org=OTHER_VILLAGE)
    life.world.issue_and_sync()
    life.world.console.tamper_map_client_role(life.world.user(GREEDY).id, MORE)
    look_again(life)
    assert plan_answers(life.context).lines == ()
    done = answer(life, {surplus: FREEZE, idle: ("保留", "仍在岗位上")})
    assert {(row.field, row.kind) for row in done.bad} == {("使用账户", f"现由 {OTHER_COUNTY} 答复的账号")}
    assert (len(done.bad), done.answered) == (2, ())
    assert item_of(life, GREEDY, "over_privileged").settled == "gone:2026-03-02"
    assert item_of(life, POSTLESS, "surplus").settled == "gone:2026-03-02"
    assert life.holds(POSTLESS) == set()
    write(life)
    assert item_of(life, GREEDY, "over_privileged", OTHER_COUNTY).settled == ""
    assert answer(life, {idle: ("保留", "仍在岗位上")}, by=OTHER_KEEPER).answered == ()


def test_whoever_became_an_administrator_is_the_level_above_s(life: Life) -> None:
    """A colleague of the same level neither answers nor carries out (S4)."""
    surplus = key(life, POSTLESS, "surplus")
    life.world.change(POSTLESS, post="系统管理员", org=BUREAU)
    sync(life)
    done = answer(life, {surplus: FREEZE})
    assert [row.kind for row in done.bad] == [f"现由 {CITY} 答复的账号"]
    assert plan_answers(life.context).lines == ()
    assert life.holds(POSTLESS) == set()


def test_a_stranger_that_was_put_elsewhere(life: Life) -> None:
    """Its groups say who answers; about one that is gone nobody does."""
    world, groups = life.world, "/机构/14-山西省/1409-忻州市"
    made = stranger(life, "moving", f"{groups}/140902-忻府区")
    look_again(life)
    write(life)
    line = key(life, "moving", "illegal")
    world.console.leave_group(made, world.group(f"{groups}/140902-忻府区").id)
    world.console.join_group(made, world.group(f"{groups}/140921-定襄县").id)
    look_again(life)
    done = answer(life, {line: ("保留", "临时使用的账号")})
    assert [row.kind for row in done.bad] == [f"现由 {OTHER_COUNTY} 答复的账号"]
    draft = key(life, "zhang.san", "illegal")
    world.console.tamper_delete_user(
        next(user for user in world.console.sweep_users() if user.username == "zhang.san").id
    )
    done = answer(life, {draft: ("补全信息", "")})
    assert [row.kind for row in done.bad] == ["已不存在的账号"]
    assert item_of(life, "zhang.san", "illegal").settled == "gone:2026-03-02"


@pytest.mark.parametrize("how", ["card", "mark"])
def test_nobody_answers_about_an_own_second_account(life: Life, how: str) -> None:
    """An account of one card or mark with the reviewer's; a colleague answers."""
    user = life.world.user(COLLEAGUE)
    fields: dict[str, Any] = (
        {"identities": user.identities}
        if how == "card"
        else {"attributes": {"person_id": user.attributes["person_id"]}}
    )
    stranger(life, "second", "/机构/14-山西省/1409-忻州市/140902-忻府区", **fields)
    look_again(life)
    write(life)
    mine = [item.key for item in items(life, county=COUNTY) if item.username == "second"]
    done = answer(life, dict.fromkeys(mine, ("保留", "本人备用账号")))
    assert (len(mine), len(done.bad), done.answered) == (2, 2, ())
    assert {row.kind for row in done.bad} == {"答复人本人的账号"}
    assert answer(life, dict.fromkeys(mine, ("保留", "已核实其用途")), by=KEEPER).bad == ()


def test_nobody_answers_about_a_record_with_the_own_card(life: Life) -> None:
    """Somebody linked it in the console."""
    (card,) = life.world.user(COLLEAGUE).identities
    life.world.console.link_identity(life.world.user(POSTLESS).id, card)
    look_again(life)
    line = key(life, POSTLESS, "surplus")
    assert [row.kind for row in answer(life, {line: FREEZE}).bad] == ["答复人本人的账号"]
    assert answer(life, {line: FREEZE}, by=KEEPER).bad == ()


def test_nobody_answers_about_a_record_of_the_same_name_and_phone(life: Life) -> None:
    """Nor carries it out."""
    world = life.world
    me = world.row(COLLEAGUE)
    world.hire(VILLAGE, "", staff_no="C00099", name=me.name, phone=me.phone)
    settle(life)
    write(life)
    line = key(life, "C00099", "surplus")
    assert [row.kind for row in answer(life, {line: FREEZE}).bad] == ["答复人本人的账号"]
    assert answer(life, {line: FREEZE}, by=KEEPER).bad == ()
    assert [done.problem for done in carry_out(life)] == ["不归登录的管理员办理"]
    assert [done.problem for done in carry_out(life, by=KEEPER)] == [""]


@pytest.mark.parametrize("between", ["", " ", "·"])
def test_a_reason_names_nobody(life: Life, between: str) -> None:
    """The ledger keeps it for good."""
    name = between.join(life.world.row(POSTLESS).name)
    done = answer(life, {key(life, POSTLESS, "surplus"): ("保留", f"{name}因产假暂无岗位")})
    assert [(row.field, row.kind) for row in done.bad] == [("事由", "含账号本人的姓名")]
    assert bodies(life, "review_answered") == []
    (line,) = [item for item in items(life, county=ROOT) if item.username == "visitor"]
    choice = {line.key: ("保留", "外来单位的人员使用")}
    done = answer(life, choice, county=ROOT, by=PROVINCE)
    assert [row.kind for row in done.bad] == ["含账号本人的姓名"]


# Rows of the store


@pytest.mark.parametrize("values", [{"person_id": None}, {"person_id": "c" * 32}, {"month": APRIL}])
def test_whose_a_line_is_and_of_which_month_is_part_of_the_list(life: Life, values: dict[str, Any]) -> None:
    """Otherwise one would answer about oneself by way of a row that says it is nobody's."""
    change_row(life, key(life, POSTLESS, "surplus"), **values)
    done = write(life)
    assert done.altered == (COUNTY,)
    with pytest.raises(RefusedError, match="altered"):
        answer(life, {key(life, GREEDY, "over_privileged"): ("保留", "仍须核实")})


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("kind", "'nonsense'"),
        ("proposed", "'nonsense'"),
        ("deadline", "'soon'"),
        ("detail", "x'00ff'"),
        ("county", "x'00ff'"),
        ("month", "'x'"),
    ],
)
def test_a_row_that_cannot_be_read_hides_nothing(life: Life, column: str, value: str) -> None:
    """Its list is altered; all others are late as ever, are written and answered."""
    line = key(life, POSTLESS, "surplus")
    answer(life, {key(life, GREEDY, "over_privileged"): ("保留", "仍须核实情况")})
    with life.context.database.transaction() as connection:
        table = tables.review_item
        connection.execute(update(table).where(table.c.key == line).values({column: literal_column(value)}))
    at(life, date(2026, 3, 10))
    late = {item.county: item.altered for item in read_overdue(life.context)}
    assert {area: late[area] for area in (COUNTY, CITY, ROOT)} == {COUNTY: True, CITY: False, ROOT: False}
    assert plan_answers(life.context).lines == ()
    assert COUNTY in write(life).altered
    at(life, date(2026, 4, 1))
    assert look_after_reviews(life.context).startswith("lists=3 new=")


def test_a_row_that_was_put_in_alters_the_list(life: Life) -> None:
    """Also one that cannot be read."""
    table = tables.review_item
    with life.context.database.transaction() as connection:
        row = dict(connection.execute(table.select().where(table.c.county == CITY)).mappings().first() or {})
        connection.execute(table.insert().values({**row, "key": "0" * 64, "kind": "nonsense"}))
    assert write(life).altered == (CITY,)


@pytest.mark.parametrize("done", ["2099-12", APRIL])
def test_a_month_that_the_ledger_does_not_have_is_not_done(life: Life, done: str) -> None:
    """One row of the store, and no list would be written any more."""
    look_after_reviews(life.context)
    with life.context.database.transaction() as connection:
        meta = tables.meta
        connection.execute(update(meta).where(meta.c.key == "review_month").values(value=done))
    at(life, date(2026, 4, 1))
    assert look_after_reviews(life.context).startswith("lists=3 new=")
    assert items(life, month=APRIL)
    assert look_after_reviews(life.context).startswith("lists=0")


def test_a_month_to_come_is_not_done(life: Life) -> None:
    """Nor is this one, though one county's list of it was written by hand."""
    look_after_reviews(life.context)
    at(life, date(2026, 4, 1))
    write(life, county=CITY)
    with life.context.database.transaction() as connection:
        meta = tables.meta
        connection.execute(update(meta).where(meta.c.key == "review_month").values(value="2099-12"))
    assert look_after_reviews(life.context).startswith("lists=3 new=")


# Silence


def test_the_level_above_is_told_though_nothing_ran_for_weeks(life: Life) -> None:
    """The lists of March were due on the 9th; from the 8th to 1 April nothing ran."""
    look_after_reviews(life.context)
    at(life, date(2026, 4, 1))
    assert look_after_reviews(life.context).endswith("overdue=3")
    assert {fact["month"] for fact in life.told(NoticeKind.REVIEW_UNANSWERED)} == {MONTH}
    assert look_after_reviews(life.context).endswith("overdue=0")


def test_what_went_on_late_stays_listed_until_somebody_answers(life: Life) -> None:
    """By hand the new lists may come before anybody was told."""
    before = [(item.month, item.county, item.unanswered) for item in _late(life, date(2026, 3, 20))]
    at(life, date(2026, 4, 1))
    write(life)
    after = read_overdue(life.context)
    assert [(item.month, item.county, item.unanswered) for item in after] == before
    assert tell_overdue(life.context) == 3
    answer_of(life, APRIL, "surplus", FREEZE)
    assert {item.county: item.unanswered for item in read_overdue(life.context)} == {
        COUNTY: {area: count for _, area, count in before}[COUNTY] - 1,
        CITY: 2,
        ROOT: 1,
    }
    at(life, date(2026, 5, 6))
    write(life)
    assert {item.month for item in read_overdue(life.context)} == {MONTH, APRIL}
    counts = {(item.month, item.county): item.unanswered for item in read_overdue(life.context)}
    world = life.world
    world.console.tamper_delete_user(
        next(user for user in world.console.sweep_users() if user.username == "zhang.san").id
    )
    write(life)
    left = {(item.month, item.county): item.unanswered for item in read_overdue(life.context)}
    gone = {(MONTH, COUNTY), (APRIL, COUNTY)}
    assert left == {place: count - (place in gone) for place, count in counts.items()}


def _late(life: Life, day: date) -> Any:
    at(life, day)
    return read_overdue(life.context)


def test_what_went_on_in_time_is_not_late(life: Life) -> None:
    """A list of the last day of a month goes on in the next before its deadline."""
    at(life, date(2026, 3, 31))
    stranger(life, "newcomer")
    write(life)
    at(life, date(2026, 4, 1))
    write(life)
    (mine,) = [item for item in items(life, month=MONTH) if item.username == "newcomer"]
    assert (mine.settled, mine.late) == (f"carried:{APRIL}", False)
    assert {item.county: item.unanswered for item in read_overdue(life.context)}[ROOT] == 1


def test_the_level_above_is_told_though_lists_cannot_be_written(life: Life) -> None:
    """A folder that takes nothing; Keycloak away."""
    look_after_reviews(life.context)
    at(life, date(2026, 4, 1))
    life.world.fake.down()
    with pytest.raises(UnreachableError):
        look_after_reviews(life.context)
    assert len(bodies(life, "review_unanswered")) == 2
    life.world.fake.down(False)
    shutil.rmtree(folder_of(life.world))
    folder_of(life.world).write_text("x")
    with pytest.raises(ConfigurationError):
        look_after_reviews(life.context)
    at(life, date(2026, 4, 30))
    with pytest.raises(ConfigurationError):
        look_after_reviews(life.context)
    assert {body["month"] for body in bodies(life, "review_unanswered")} == {MONTH, APRIL}


@pytest.mark.parametrize("answered", [True, False])
def test_lines_that_were_added_later_are_told_too(life: Life, answered: bool) -> None:
    """They have a deadline of their own."""
    at(life, date(2026, 3, 10))
    assert tell_overdue(life.context) == 3
    if answered:
        answer(life, {item.key: ("冻结", "仍需核实情况") for item in items(life, county=COUNTY)})
    life.world.hire(VILLAGE, "", staff_no="Z00001")
    settle(life)
    at(life, date(2026, 3, 12))
    write(life)
    assert tell_overdue(life.context) == 0
    at(life, date(2026, 3, 25))
    assert [tell_overdue(life.context), tell_overdue(life.context)] == [1, 0]


def test_nothing_is_carried_to_a_list_that_is_not_there(life: Life) -> None:
    """In the first days of May nobody works: what April asked can still be answered."""
    at(life, date(2026, 4, 30))
    write(life)
    answer_of(life, APRIL, "surplus", FREEZE)
    at(life, date(2026, 5, 2))
    carry_out(life)
    rest = [item for item in items(life, month=APRIL, county=COUNTY) if item.answer is None]
    assert {item.settled for item in rest} == {""}
    assert answer_of(life, APRIL, "illegal", ("补全信息", "")).bad == ()


def test_the_log_says_what_was_left(life: Life) -> None:
    """Workbooks with answers that nobody has read in, and lists that were altered."""
    life.world.clock.now = datetime(2026, 4, 1, 4, tzinfo=UTC)
    write(life)
    file = workbook_of(life, COUNTY, APRIL)
    (line,) = [item for item in items(life, month=APRIL, county=COUNTY) if item.kind == "surplus"]
    fill(file, {line.key: ("保留", "等待安排岗位")}).replace(file)
    (other, *_) = items(life, month=APRIL, county=CITY)
    change_row(life, other.key, detail="一切正常")
    assert look_after_reviews(life.context) == "lists=3 new=0 kept=1 altered=1 overdue=4"


# The folder


def test_a_folder_of_others_is_left_as_it_is(life: Life, tmp_path: Path) -> None:
    """What is in it already is not ours to shut; the folder of a month is."""
    shared = tmp_path / "srv"
    shared.mkdir()
    (shared / "other").write_text("x")
    shared.chmod(0o755)
    other = make_life(life.world, LifecycleSettings(reviews_directory=shared))
    write(other)
    assert stat.S_IMODE(shared.stat().st_mode) == 0o755
    assert stat.S_IMODE((shared / MONTH).stat().st_mode) == 0o700
    (shared / MONTH).chmod(0o750)
    with pytest.raises(ConfigurationError, match="open to others") as refused:
        write(other)
    assert "chmod 700" in refused.value.remedy
    assert stat.S_IMODE((shared / MONTH).stat().st_mode) == 0o750
    (shared / MONTH).chmod(0o700)
    shared.chmod(0o777)
    with pytest.raises(ConfigurationError, match="open to others"):
        write(other)
