"""The monthly review finds what is surplus, idle, illegal, duplicate and more, and writes it down once."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from openpyxl.worksheet.worksheet import Worksheet
from sqlalchemy import delete, update

from fixtures import lenient, terms
from fixtures.asking import ask
from fixtures.drafts import form, make_draft
from fixtures.gansu import POST, REGION
from fixtures.gansu import settle as settle_gansu
from fixtures.life import Life, make_life
from fixtures.reviewing import (
    CITY,
    CLERK,
    COLLEAGUE,
    COUNTY,
    GREEDY,
    IDLER,
    KEEPER,
    MONTH,
    MORE,
    OTHER_COUNTY,
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
    look_again,
    quiet_county,
    settle,
    sheet_of,
    stranger,
    workbook_of,
    write,
)
from fixtures.world import BUREAU, TOWNSHIP, VILLAGE, World, WorldTemplate, make_template, unit
from quanheng.config import LifecycleSettings, Limit
from quanheng.errors import ConfigurationError, RefusedError, UnreachableError
from quanheng.lifecycle.review import Handling, ReviewItem, ReviewKind
from quanheng.model.ids import OrgCode, Username
from quanheng.model.person import Hold, HoldKind, RequestKind
from quanheng.model.staff import OrgKind
from quanheng.operations.approve import decide_all
from quanheng.operations.committing import put_hold
from quanheng.operations.completing import complete
from quanheng.operations.lifecycle.freezing import freeze
from quanheng.operations.lifecycle.requesting import ask_request, prepare_request
from quanheng.operations.lifecycle.tenure import look_after_tenure
from quanheng.operations.review.finding import Review, find_review
from quanheng.operations.review.reading import GivenAnswer, is_as_shown, read_workbook
from quanheng.operations.review.rows import build_rows
from quanheng.operations.review.workbook import HEADER, KEY
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
    """A copy of it."""
    world = world_template.fork(busy, tmp_path / "world")
    settings = LifecycleSettings(reviews_directory=folder_of(world))
    yield make_life(world, settings)
    world.close()


@pytest.fixture(scope="module")
def calm(world_template: WorldTemplate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two counties in which nothing is to be found, built once."""
    world = world_template.make(tmp_path_factory.mktemp("calm") / "world")
    settle(quiet_county(world))
    yield world
    world.close()


@pytest.fixture
def quiet(calm: World, world_template: WorldTemplate, tmp_path: Path) -> Iterator[Life]:
    """A copy of them."""
    world = world_template.fork(calm, tmp_path / "world")
    settings = LifecycleSettings(
        lock=Limit(count=10_000, percent=100), lock_county_percent=100, reviews_directory=folder_of(world)
    )
    yield make_life(world, settings)
    world.close()


def lines(life: Life, county: OrgCode = COUNTY) -> set[tuple[str, str, str]]:
    """Account, kind and proposal of each line found now."""
    names = {str(item.username): str(item.staff_no) for item in life.world.registry().persons.values()}
    return {
        (names.get(item.username, item.username), str(item.kind), str(item.proposed))
        for item in find_review(life.context).found
        if item.county == county
    }


def detail(life: Life, kind: str) -> str:
    """What the only line of a kind says."""
    (found,) = [item for item in find_review(life.context).found if item.kind == kind]
    return found.detail


# What is found


def test_each_kind_is_found_in_its_county(life: Life) -> None:
    """And nothing of the clerk at work. About an administrator the level above answers (S4)."""
    found = lines(life)
    assert {line for line in found if line[1] != "duplicate"} == {
        ("zhang.san", "illegal", "complete"),
        (POSTLESS, "surplus", "freeze"),
        (GREEDY, "over_privileged", "revoke"),
    }
    twins = {proposed: who for who, kind, proposed in found if kind == "duplicate"}
    assert set(twins) == {"keep", "deregister"}
    assert set(twins.values()) == set(TWINS)
    assert lines(life, CITY) == {(KEEPER, "over_privileged", "revoke"), (KEEPER, "conflict", "separate")}
    assert lines(life, ROOT) == {("visitor", "illegal", "freeze")}
    assert lines(life, OTHER_COUNTY) == set()


def test_nothing_is_found_where_all_is_well(quiet: Life) -> None:
    """Also nothing of whose post still waits for its second person."""
    assert find_review(quiet.context).found == ()
    quiet.world.hire(BUREAU, "审核人员")
    quiet.world.issue_and_sync()
    assert quiet.world.proposals()
    assert find_review(quiet.context).found == ()


def test_no_account_is_asked_for_by_itself(life: Life) -> None:
    """As many requests for a county as for two people: what changed since the mirror, and no more."""
    world = life.world
    look_again(life)
    with_few = world.fake.calls.copy()
    find_review(life.context)
    first = world.fake.calls - with_few
    for _ in range(10):
        world.hire(VILLAGE, "")
    world.issue_and_sync()
    before = world.fake.calls.copy()
    find_review(life.context)
    assert world.fake.calls - before == first
    # Nor whether a draft could be linked, which takes a request for each.
    world.console.tamper_delete_user(world.user(CLERK).id)
    make_draft(world, "li.si", staff_no=CLERK)
    find_review(life.context)
    assert world.fake.calls["read_passwords"] == with_few["read_passwords"]


def test_idle_from_the_pack_s_time_on(life: Life) -> None:
    """Three calendar months to the second; the newest login counts that keeps an account alive."""
    clerk, world = CLERK, life.world
    life.login(clerk)
    life.login(IDLER, "somewhere-else")
    life.day()
    begun = world.clock()
    world.clock.now = datetime(2026, 6, 2, 3, 59, 59, tzinfo=UTC)
    assert (IDLER, "idle", "freeze") not in lines(life)
    world.clock.now = begun + timedelta(days=30)
    life.login(clerk)
    life.day()
    world.clock.now = datetime(2026, 6, 2, 4, 0, 0, tzinfo=UTC)
    found = lines(life)
    assert (IDLER, "idle", "freeze") in found
    assert (clerk, "idle", "freeze") not in found
    assert "从未登录" in item_detail(life, IDLER)


def item_detail(life: Life, who: str, kind: str = "idle") -> str:
    """What is said of somebody."""
    name = life.world.person(who).username
    (found,) = [x for x in find_review(life.context).found if x.username == name and x.kind == kind]
    return found.detail


def test_times_without_events_and_exemptions_count(quiet: Life) -> None:
    """Whoever may have logged in unseen is not idle; who was exempted is named with its end, to be kept."""
    life = quiet
    life.world.hire(VILLAGE, staff_no=IDLER)
    settle(life)
    life.world.pass_time(days=95)
    until = date(2026, 8, 31)
    proposal = ask(life, RequestKind.EXEMPT, IDLER, until=until, by=COLLEAGUE)
    life.world.approve(proposal.key, by=PROVINCE)
    assert (IDLER, "idle", "keep") in lines(life)
    assert "2026-08-31" in item_detail(life, IDLER)
    with life.context.database.transaction() as connection:
        now = life.world.clock()
        gap = {"since": now - timedelta(days=9), "until": now - timedelta(days=8), "reason": "测试"}
        connection.execute(tables.login_gap.insert().values(**gap))
    assert not any(kind == "idle" for _, kind, _ in lines(life))


def test_what_is_off_for_another_reason_is_not_idle(quiet: Life) -> None:
    """Nobody can log in to it."""
    freeze(quiet.context, CLERK, reason="手机遗失，口令可能泄露")
    quiet.world.pass_time(days=95)
    assert not any(who == CLERK for who, _, _ in lines(quiet))


def test_what_was_locked_and_nobody_asked_back_is_to_go(quiet: Life) -> None:
    """The lock is no answer."""
    life = quiet
    life.world.hire(VILLAGE, staff_no=IDLER)
    settle(life)
    for _ in range(15):
        life.world.pass_time(days=7)
        for who in (CLERK, KEEPER, COLLEAGUE):
            life.login(who)
        life.day()
    assert (IDLER, "idle", "deregister") in lines(life)
    assert "已锁定" in item_detail(life, IDLER)
    assert (CLERK, "idle", "freeze") not in lines(life)


@pytest.mark.parametrize(("status", "found"), [("退休", True), ("接受调查", False), ("产假", False)])
def test_leavers_are_surplus_and_who_is_away_is_not_named(quiet: Life, status: str, found: bool) -> None:
    """A list that goes round says of nobody that somebody is under investigation, or ill."""
    life, world = quiet, quiet.world
    world.hire(VILLAGE, staff_no=IDLER)
    settle(life)
    world.change(IDLER, status=status, status_from="2026-03-01")
    world.issue_and_sync()
    for proposal in world.proposals():
        if proposal.kind == "withhold":
            world.approve(proposal.key)
    world.sync()
    assert world.duties(IDLER) == set()
    assert ((IDLER, "surplus", "deregister") in lines(life)) is found
    assert {kind for who, kind, _ in lines(life) if who == IDLER} == ({"surplus"} if found else set())
    if found:
        assert detail(life, "surplus") == "已于 2026-03-01 离岗，尚未注销，已有待批准的注销事项"
        world.approve()
        world.sync()
        assert lines(life) == set()


def test_strangers_with_duties_are_illegal_those_among_ours_surplus(quiet: Life) -> None:
    """In the county whose group it is; a client's own account only with a duty."""
    life, world = quiet, quiet.world
    # No draft: it says whose it is, though it is not so.
    stranger(
        life, "intruder", "/机构/14-山西省/1409-忻州市/140902-忻府区", attributes={"person_id": ("x" * 32,)}
    )
    world.fake._state.guard = None
    clerk = stranger(life, "outsider")
    world.console.join_group(clerk, world.group("/岗位/140902-忻府区/业务操作员").id)
    world.console.tamper_service_account("plain")
    assert lines(life) == {("intruder", "surplus", "revoke"), ("outsider", "illegal", "revoke")}
    assert "业务操作员" in detail(life, "illegal")
    assert lines(life, ROOT) == set()


def test_a_name_that_may_be_a_number_is_not_shown(quiet: Life) -> None:
    """The account goes by its id, its name by a word."""
    key = stranger(quiet, "13812345678", name="张13812345678")
    write(quiet)
    found = {item.username for item in items(quiet, county=ROOT)}
    assert found == {str(key)}
    text = (folder_of(quiet.world) / MONTH / "14-山西省.html").read_text(encoding="utf-8")
    assert "13812345678" not in text
    assert "未显示" in text


def test_one_card_on_two_accounts(quiet: Life) -> None:
    """By card, and by the mark that we wrote into ours: the one that is nobody's is not kept."""
    life, world = quiet, quiet.world
    world.pass_time(days=1)
    user = world.user(CLERK)
    stranger(
        life, "second", identities=user.identities, attributes={"person_id": user.attributes["person_id"]}
    )
    found = [item for item in find_review(life.context).found if item.kind == "duplicate"]
    name = str(user.username)
    assert {(item.username, item.about, str(item.proposed)) for item in found} == {
        (name, "card|second", "keep"),
        ("second", f"card|{name}", "freeze"),
        (name, "person|second", "keep"),
        ("second", f"person|{name}", "freeze"),
    }
    states = {item.detail.partition("；")[2] for item in found}
    assert states == {"本账号启用，权限 0 项", "本账号启用，权限 7 项，从未登录"}


def test_ending_waivers_are_named_for_thirty_days(world: World) -> None:
    """From the thirtieth day before the last one on, and not when it is over."""
    free = lenient.lenient(world)
    life = make_life(free)
    who = lenient.hire_both(free)
    free.issue_and_sync()
    free.approve()
    asked = lenient.ask(free, who, by=PROVINCE)
    free.clock.now = datetime(2026, 6, 1, 4, tzinfo=UTC)
    assert not any(item.kind == "waiver_ending" for item in find_review(life.context).found)
    free.approve(asked.key, by=SECOND)
    free.clock.now = datetime(2026, 5, 30, 4, tzinfo=UTC)
    assert not any(item.kind == "waiver_ending" for item in find_review(life.context).found)
    free.clock.now = datetime(2026, 5, 31, 4, tzinfo=UTC)
    (found,) = [item for item in find_review(life.context).found if item.kind == "waiver_ending"]
    assert (found.county, found.proposed) == (COUNTY, Handling.END)
    assert "2026-06-30" in found.detail
    free.clock.now = datetime(2026, 7, 1, 4, tzinfo=UTC)
    assert not any(item.kind == "waiver_ending" for item in find_review(life.context).found)


def test_temporary_accounts_that_end_or_have_ended(world: World) -> None:
    """Within thirty days; when it is over, it is to be deregistered."""
    life = terms.staffed(world)
    world.hire(VILLAGE, staff_no=IDLER)
    terms.begin(life)
    terms.put(life, IDLER, 31)
    assert lines(life) == set()
    world.pass_time(days=1)
    assert lines(life) == {(IDLER, "temporary_ending", "end")}
    terms.night(life, 31)
    assert lines(life) == {(IDLER, "temporary_ending", "deregister")}
    assert "尚未注销" in detail(life, "temporary_ending")


def test_years_that_are_nearly_full(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    """In 甘肃 from four years nine months on; to be rotated, in the county of the post."""
    template = make_template(tmp_path_factory, REGION)
    life = make_life(template.make(tmp_path / "gansu"))
    settle_gansu(life.world, POST, post_start="2021-06-15")
    life.at(datetime(2026, 3, 15, 4, tzinfo=UTC))
    look_after_tenure(life.context)
    (found,) = [item for item in find_review(life.context).found if item.kind == "tenure_near"]
    assert (found.county, found.proposed, found.article) == ("620102", Handling.ROTATE, "G13")
    assert "将于 2026-06-15 满 5 年" in found.detail
    life.world.close()


def test_whom_no_source_bears_out_is_illegal(quiet: Life) -> None:
    """Somebody whom an application brought in, and no complete roll names past the pack's grace."""
    life, world = quiet, quiet.world
    make_draft(world)
    values = form()
    complete(life.context, Username("zhang.san"), values, world.login(PROVINCE))
    world.pass_time(days=1)
    world.issue_and_sync()
    assert not any(kind == "illegal" for _, kind, _ in lines(life))
    world.pass_time(days=world.pack.info.absence_grace_days)
    assert (values["staff_no"], "illegal", "complete") in lines(life)
    assert "完整名册中没有此人" in detail(life, "illegal")


def test_an_identity_in_doubt_is_illegal(quiet: Life) -> None:
    """As long as that hold stands."""
    life = quiet
    person = life.world.person(CLERK).id
    hold = Hold(
        person=person,
        kind=HoldKind.IDENTITY_IN_DOUBT,
        since=date(2026, 3, 2),
        reason="身份待核实",
        origin="test",
    )
    with life.context.database.transaction() as connection:
        put_hold(life.context, connection, hold)
    assert lines(life) == {(CLERK, "illegal", "complete")}


def test_a_role_of_nobody_s_that_is_mapped_directly_is_too_much(quiet: Life) -> None:
    """Whatever it gives: ours get everything through groups."""
    role = quiet.world.console.tamper_role("backdoor")
    quiet.world.console.tamper_map_client_role(quiet.world.user(CLERK).id, role)
    assert lines(quiet) == {(CLERK, "over_privileged", "revoke")}
    assert "直接授予的角色 backdoor" in detail(quiet, "over_privileged")


def test_power_over_the_realm_is_found_by_whatever_way(quiet: Life) -> None:
    """Of people beyond their posts, through a group that is none of ours; of a program, directly; our own
    programs have theirs rightly."""
    life, world = quiet, quiet.world
    power = world.console.tamper_client_role("realm-management", "manage-users")
    world.fake._state.guard = None
    group = world.console.create_group(None, "特权组", {}, frozenset())
    world.console.tamper_map_client_role(group, power)
    world.console.join_group(world.user(CLERK).id, group)
    program = world.console.tamper_service_account("plain")
    world.console.tamper_map_client_role(program, power)
    assert lines(life) == {(CLERK, "over_privileged", "revoke")}
    assert "经组获得的角色 realm-management/manage-users" in detail(life, "over_privileged")
    assert {(name, kind) for name, kind, _ in lines(life, ROOT)} == {("service-account-plain", "illegal")}


def test_a_draft_with_power_is_told_as_such(quiet: Life) -> None:
    """Beside that nobody completed it."""
    life, world = quiet, quiet.world
    world.fake._state.guard = None
    draft = make_draft(world)
    power = world.console.tamper_client_role("realm-management", "manage-users")
    world.console.tamper_map_client_role(draft, power)
    assert lines(life) == {("zhang.san", "illegal", "complete"), ("zhang.san", "illegal", "revoke")}
    told = {item.detail for item in find_review(life.context).found}
    assert "草稿账号持有岗位或权限：realm-management/manage-users" in told


def test_a_program_among_ours_is_surplus(quiet: Life) -> None:
    """Also without any duty: nobody put it there rightly."""
    life, world = quiet, quiet.world
    world.fake._state.guard = None
    home = world.group("/机构/14-山西省/1409-忻州市/140902-忻府区")
    world.console.join_group(world.console.tamper_service_account("plain"), home.id)
    assert lines(life) == {("service-account-plain", "surplus", "revoke")}


def test_what_was_deregistered_and_is_something_again(quiet: Life) -> None:
    """Switched on, or with a permission: the account is nobody's to use."""
    life, world = quiet, quiet.world
    asked = prepare_request(life.context, CLERK, RequestKind.DEREGISTER, reason="月度核查：多余账号")
    key = ask_request(life.context, asked, world.login(COLLEAGUE)).key
    decide_all(life.context, [key], world.login(PROVINCE), approve=True)
    assert lines(life) == set()
    world.fake._state.guard = None
    world.console.tamper_map_client_role(world.user(CLERK).id, MORE)
    assert lines(life) == {(CLERK, "illegal", "revoke")}
    assert "已注销，仍持有：待遇资格审核" in detail(life, "illegal")
    world.console.tamper_map_client_role(world.user(CLERK).id, world.console.tamper_role("backdoor"))
    assert "、backdoor" in detail(life, "illegal")


def test_what_grows_is_asked_about_anew(life: Life) -> None:
    """Whoever answered for less did not answer for this."""
    write(life)
    before = item_of(life, GREEDY, "over_privileged")
    answer(life, {before.key: ("保留", "临时兼任审核")})
    role = life.world.console.tamper_role("backdoor")
    life.world.console.tamper_map_client_role(life.world.user(GREEDY).id, role)
    assert write(life).new == 1
    name = str(life.world.person(GREEDY).username)
    now = [item for item in items(life) if item.username == name and item.kind == "over_privileged"]
    assert [item.key == before.key for item in now if item.answer is not None] == [True]
    assert ["backdoor" in item.detail for item in now if item.answer is None] == [True]


def test_a_stranger_that_grows_is_asked_about_anew(quiet: Life) -> None:
    """By one more group, also one of the same post elsewhere."""
    life, world = quiet, quiet.world
    world.fake._state.guard = None
    outsider = stranger(life, "outsider", attributes={"person_id": ("x" * 32,)})
    clerks = world.group("/岗位/140902-忻府区/业务操作员").id
    world.console.join_group(outsider, world.group("/机构/14-山西省").id)
    found = []
    for group in (
        None,
        world.group("/机构/14-山西省/1409-忻州市").id,
        clerks,
        "/岗位/140921-定襄县/业务操作员",
    ):
        if group is not None:
            key = world.group(group).id if str(group).startswith("/") else group
            world.console.join_group(outsider, key)
        found.append({(str(item.kind), item.about) for item in find_review(life.context).found})
    assert [[kind for kind, _ in each] for each in found] == [
        ["surplus"],
        ["surplus"],
        ["illegal"],
        ["illegal"],
    ]
    assert len(set.union(*found)) == 4


def test_who_is_frozen_already_is_to_go(life: Life) -> None:
    """Freezing again would be no answer; since when is told."""
    freeze(life.context, POSTLESS, reason="手机遗失，口令可能泄露")
    assert (POSTLESS, "surplus", "deregister") in lines(life)
    assert item_detail(life, POSTLESS, "surplus") == "没有任何岗位，已于 2026-03-02 冻结"


def test_whether_an_account_is_used_is_told(life: Life) -> None:
    """Which of two is the one that counts, and whether anybody misses one without a post."""
    life.world.pass_time(days=1)
    assert {item_detail(life, who, "duplicate")[-4:] for who in TWINS} == {"从未登录"}
    assert item_detail(life, POSTLESS, "surplus") == "没有任何岗位，从未登录"
    life.login(TWINS[0])
    life.day()
    life.world.pass_time(days=1)
    assert item_detail(life, TWINS[0], "duplicate").endswith("本账号启用，权限 7 项，最近登录 2026-03-03")
    assert item_detail(life, TWINS[1], "duplicate").endswith("从未登录")


def test_what_does_not_go_together_is_told_in_words(life: Life) -> None:
    """Labels and areas; not the paths of groups."""
    told = [item.detail for item in find_review(life.context).found if item.kind == "conflict"]
    assert told == [
        "“系统管理员帐号不得有经办和审核权限”（S4）：“系统管理员”（忻府区）与“待遇资格审核”（直接授予）不相容"
    ]


def test_one_person_too_many_is_told_in_words(quiet: Life) -> None:
    """The area by its name."""
    world = quiet.world
    world.fake._state.guard = None
    world.console.join_group(world.user(CLERK).id, world.group("/管理员/140902-忻府区/业务管理员").id)
    told = {item.detail for item in find_review(quiet.context).found if item.kind == "conflict"}
    assert (
        "“每县业务管理员一名”（S8(1)）：忻府区至多 1 人，另有 1 人在任，不能再有“业务管理员”（忻府区）"
        in told
    )
    assert [text for text in told if "/" in text] == []
    assert [text for text in told if "“社会保障卡服务”（忻府区，业务操作员）" in text]


def test_a_group_of_others_is_named(quiet: Life) -> None:
    """So that somebody finds what is to be taken back there."""
    world = quiet.world
    world.fake._state.guard = None
    group = world.console.create_group(None, "审核组", {}, frozenset())
    world.console.tamper_map_client_role(group, MORE)
    world.console.join_group(world.user(CLERK).id, group)
    assert detail(quiet, "over_privileged") == "超出《账号权限对照表》：待遇资格审核（经组 /审核组）"


@pytest.mark.parametrize("how", ["below", "direct", "within"])
def test_an_administrator_by_another_way_is_answered_for_above(quiet: Life, how: str) -> None:
    """Through a group below an administrators' group, by the role itself, or by one that contains it."""
    world = quiet.world
    world.fake._state.guard = None
    user, group = world.user(CLERK).id, world.group("/管理员/140902-忻府区/业务管理员")
    (role,) = group.roles
    if how == "below":
        world.console.join_group(user, world.console.create_group(group.id, "副职", {}, frozenset()))
    else:
        world.console.tamper_map_client_role(
            user, role if how == "direct" else world.console.tamper_role("x", "", frozenset({role}))
        )
    assert {kind for who, kind, _ in lines(quiet, CITY) if who == CLERK} >= {"over_privileged"}
    assert {who for who, _, _ in lines(quiet)} == set()


def test_an_administrator_in_fact_is_answered_for_above(quiet: Life) -> None:
    """Somebody put into an administrators' group in the console, where no guard is."""
    world = quiet.world
    world.fake._state.guard = None
    world.console.join_group(world.user(CLERK).id, world.group("/管理员/140902-忻府区/业务管理员").id)
    assert {who for who, _, _ in lines(quiet)} == set()
    above = lines(quiet, CITY)
    assert (CLERK, "over_privileged", "revoke") in above
    assert {kind for who, kind, _ in above if who == COLLEAGUE} == {"conflict"}  # now there are two


def test_whom_no_source_names_stays_in_the_county(quiet: Life) -> None:
    """Of somebody who is gone from the roll, by what we wrote into the account."""
    life, world = quiet, quiet.world
    for _ in range(5):
        world.hire(VILLAGE)
    world.hire(VILLAGE, staff_no=IDLER)
    settle(life)
    world.drop(IDLER)
    for _ in range(2):
        world.issue_and_sync()
        world.pass_time(days=world.pack.info.absence_grace_days + 1)
    world.issue_and_sync()
    person = world.person(IDLER).id
    assert not [claim for claim in world.registry().claims.values() if claim.person == person]
    assert (IDLER, "surplus", "deregister") in lines(life)


def test_a_temporary_account_without_an_end(world: World) -> None:
    """Named, and shown as what it is; whoever logged in long ago is idle since then."""
    pack = terms.bound_pack(world.folder / "pack", "dispatched")
    life = terms.staffed(world, packs=(pack,))
    world.hire(VILLAGE, staff_no=IDLER, employment="劳务派遣")
    world.hire(VILLAGE, staff_no=POSTLESS, employment="劳务派遣")
    terms.begin(life)
    terms.put(life, IDLER, 20)
    assert lines(life) == {(POSTLESS, "temporary_ending", "renew"), (IDLER, "temporary_ending", "end")}
    rows = {row.item.username: row.account_type for row in build_rows(*review_of(life))}
    assert rows[str(world.person(IDLER).username)] == "临时账号"


def review_of(life: Life) -> tuple[Review, list[ReviewItem]]:
    """What is found, and its lines."""
    review = find_review(life.context)
    return review, [
        ReviewItem(
            key="",
            month=MONTH,
            county=item.county,
            person=item.person,
            username=item.username,
            kind=item.kind,
            detail=item.detail,
            proposed=item.proposed,
            deadline=date(2026, 3, 9),
        )
        for item in review.found
    ]


def test_idle_since_the_last_login(quiet: Life) -> None:
    """The day of it is told."""
    quiet.world.pass_time(days=1)
    quiet.login(CLERK)
    quiet.day()
    quiet.world.pass_time(days=95)
    assert "最近登录 2026-03-03" in item_detail(quiet, CLERK)


# What is written


def test_one_workbook_and_one_page_for_each_county(life: Life) -> None:
    """With 局机关 of city and province as counties of their own, for their owner alone."""
    folder = folder_of(life.world)
    folder.mkdir(mode=0o755)
    done = write(life)
    assert [(str(item.county), item.lines, item.unanswered) for item in done.lists] == [
        ("14", 1, 1),
        ("1409", 2, 2),
        ("140902", 5, 5),
    ]
    names = {file.name for file in (folder / MONTH).iterdir()}
    assert names == {
        f"{stem}.{end}" for stem in ("14-山西省", "1409-忻州市", "140902-忻府区") for end in ("xlsx", "html")
    }
    for each in (folder, folder / MONTH):
        assert stat.S_IMODE(each.stat().st_mode) == 0o700
    for file in (folder / MONTH).iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_list_has_names_and_no_numbers(life: Life) -> None:
    """使用人 stands there; ID number and phone nowhere; the store and the ledger have no names."""
    write(life)
    row = life.world.row(POSTLESS)
    cells = [str(cell.value) for line in sheet_of(workbook_of(life)).iter_rows() for cell in line]
    assert row.name in cells
    page = workbook_of(life).with_suffix(".html").read_text(encoding="utf-8")
    assert row.name in page
    for text in (page, *cells):
        assert row.document_number not in text
        assert row.phone not in text
    (noted,) = bodies(life, "review_written")
    told = json.dumps([noted, [item.detail for item in items(life)]], ensure_ascii=False)
    for person in life.world.registry().persons.values():
        assert person.name not in told


def test_what_a_line_says(life: Life) -> None:
    """System, office below the county, name, account, kind of account; an administrator's with its county."""
    write(life)
    shown = {
        line[3]: line[:5]
        for line in sheet_of(workbook_of(life)).iter_rows(min_row=HEADER + 1, values_only=True)
        if line[3]
    }
    world = life.world
    name = str(world.person(GREEDY).username)
    assert shown[name] == (
        "就业社保服务信息系统",
        "南城街道和平社区",
        world.row(GREEDY).name,
        name,
        "普通账号",
    )
    assert shown["zhang.san"] == ("统一登录", "南城街道", "新来", "zhang.san", "草稿账号")
    city = next(sheet_of(workbook_of(life, CITY)).iter_rows(min_row=HEADER + 1, values_only=True))
    assert city[1:5] == (
        "忻府区局机关",
        world.row(KEEPER).name,
        str(world.person(KEEPER).username),
        "管理员账号",
    )


def test_a_workbook_says_whether_it_still_shows_what_was_written(life: Life) -> None:
    """Each line of it, by our key; also what is in no store: system, office, name, kind of account."""
    write(life)
    answers = {item.key: ("冻结", "等待安排岗位") for item in items(life, county=COUNTY)}

    def given(change: Callable[[Worksheet], None]) -> list[bool]:
        filled = fill(workbook_of(life), answers, change=change)
        found = [line for line in read_workbook(filled) if isinstance(line, GivenAnswer)]
        filled.unlink()
        return [is_as_shown(line, life.context.keyring) for line in found]

    assert given(lambda sheet: None) == [True] * 5
    for column in (1, 2, 3, 5):
        assert given(lambda sheet, at=column: sheet.cell(HEADER + 2, at).__setattr__("value", "别的")) == [
            number != 1 for number in range(5)
        ]


def test_the_deadline_is_in_working_days(life: Life) -> None:
    """Five after the day itself: 2 March 2026 is a Monday; 清明 is off in April."""
    write(life)
    assert {item.deadline for item in items(life)} == {date(2026, 3, 9)}
    life.world.clock.now = datetime(2026, 4, 2, 4, tzinfo=UTC)
    write(life)
    assert {item.deadline for item in items(life, month="2026-04")} == {date(2026, 4, 10)}


def test_the_same_month_twice(life: Life) -> None:
    """Nothing is new, nothing is noted again; what is found since is added to its county's list."""
    assert write(life).new == 8
    before = items(life)
    life.world.pass_time(days=3)
    assert write(life).new == 0
    assert items(life) == before
    assert len(bodies(life, "review_written")) == 1
    stranger(life, "newcomer")
    done = write(life)
    assert done.new == 1
    assert {str(item.county): item.lines for item in done.lists} == {"14": 2, "1409": 2, "140902": 5}
    assert [set(body["lists"]) for body in bodies(life, "review_written")] == [
        {"14", "1409", "140902"},
        {"14"},
    ]
    assert life.world.verify_ledger().entries > 0


def test_only_one_county(life: Life) -> None:
    """The others come later."""
    done = write(life, county=COUNTY)
    assert [str(item.county) for item in done.lists] == ["140902"]
    assert {item.county for item in items(life)} == {COUNTY}
    assert len(write(life).lists) == 3


def test_what_is_over_leaves_the_list(life: Life) -> None:
    """It is kept with the day, is not asked about, and comes back when it is found again."""
    write(life)
    world = life.world
    draft = next(user for user in world.console.sweep_users() if user.username == "zhang.san")
    world.console.tamper_delete_user(draft.id)
    done = write(life)
    assert {str(item.county): item.lines for item in done.lists}["140902"] == 4
    assert item_of(life, "zhang.san", "illegal").settled == "gone:2026-03-02"
    assert "zhang.san" not in workbook_of(life).with_suffix(".html").read_text(encoding="utf-8")
    make_draft(world)
    assert write(life).new == 0
    assert item_of(life, "zhang.san", "illegal").settled == ""


def test_the_next_month_has_its_own_list(life: Life) -> None:
    """What is found again stands in the new one, and is settled in the old; both files stay."""
    write(life)
    old = workbook_of(life).read_bytes()
    life.world.clock.now = datetime(2026, 4, 1, 4, tzinfo=UTC)
    write(life)
    assert item_of(life, "zhang.san", "illegal").settled == "carried:2026-04"
    assert {item.settled for item in items(life, month="2026-04")} == {""}
    assert workbook_of(life).read_bytes() == old
    assert workbook_of(life, month="2026-04").exists()
    again = write(life, month=MONTH)
    assert (again.month, again.new) == (MONTH, 0)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"month": "2026-04"}, RefusedError),
        ({"month": "2026-3"}, ConfigurationError),
        ({"county": OrgCode("999999")}, ConfigurationError),
        ({"county": TOWNSHIP}, ConfigurationError),
    ],
)
def test_what_cannot_be_written(life: Life, options: dict[str, str], error: type[Exception]) -> None:
    """A month to come, one that is none, a county that is not there, a township."""
    with pytest.raises(error):
        write(life, **options)
    assert items(life) == ()


def test_a_folder_has_to_be_named(life: Life) -> None:
    """Where names go is the bureau's to say."""
    unset = make_life(life.world, LifecycleSettings())
    with pytest.raises(ConfigurationError, match="reviews_directory"):
        write(unset)


def test_a_folder_that_takes_nothing(life: Life) -> None:
    """Named; what was found is in the store, and the files are written the next time."""
    folder_of(life.world).write_text("a file")
    with pytest.raises(ConfigurationError, match="cannot be made"):
        write(life)
    folder_of(life.world).unlink()
    assert len(write(life).lists) == 3
    page = workbook_of(life).with_suffix(".html")
    page.unlink()
    page.mkdir()
    with pytest.raises(ConfigurationError, match="cannot be written"):
        write(life)
    assert [file.name for file in page.parent.iterdir() if file.name.startswith(".")] == []


def test_an_answer_that_nobody_read_in_is_not_lost(life: Life) -> None:
    """The workbook in the folder was filled in: it stays, and that is told; the page is written."""
    write(life)
    file = workbook_of(life)
    key = item_of(life, POSTLESS, "surplus").key
    filled = fill(file, {key: ("冻结", "")})
    filled.replace(file)
    kept = file.read_bytes()
    done = write(life)
    assert [item.kept for item in done.lists] == [False, False, True]
    assert file.read_bytes() == kept
    moved = fill(file, {}, change=lambda sheet: sheet.cell(HEADER + 1, KEY).__setattr__("value", "0" * 64))
    moved = fill(moved, {"0" * 64: ("冻结", "")})
    moved.replace(file)
    assert [item.kept for item in write(life).lists] == [False, False, True]
    file.write_bytes(b"somebody's")
    assert [item.kept for item in write(life).lists] == [False, False, True]
    file.unlink()
    assert not any(item.kept for item in write(life).lists)


def test_the_file_of_a_county_with_an_odd_name(life: Life) -> None:
    """Nothing leaves the folder."""
    world = life.world
    world.add_unit("140902", "../忻府 区", OrgKind.COUNTY, "1409")
    world.issue_and_sync()
    write(life)
    assert {file.parent.name for file in folder_of(world).rglob("*.xlsx")} == {MONTH}
    assert unit("140902", "../忻府 区", OrgKind.COUNTY, "1409").name in workbook_of(life).with_suffix(
        ".html"
    ).read_text(encoding="utf-8")


@pytest.mark.parametrize("how", ["less", "other"])
def test_a_list_that_was_altered_in_the_store_is_left(life: Life, how: str) -> None:
    """A line taken out, or one that says something else: told, in the ledger once, and nothing is mended."""
    write(life)
    key = item_of(life, GREEDY, "over_privileged").key
    table = tables.review_item
    same = table.c.key == key
    with life.context.database.transaction() as connection:
        statement = delete(table) if how == "less" else update(table).values(detail="一切正常")
        connection.execute(statement.where(same))
    for _ in range(2):
        done = write(life)
        assert done.altered == (COUNTY,)
    (noted,) = bodies(life, "forged_decision")
    assert noted["subject"] == "140902"
    assert len(items(life, county=COUNTY)) == (4 if how == "less" else 5)
    assert len(bodies(life, "review_written")) == 1


def test_nothing_found_is_noted_too(quiet: Life) -> None:
    """That accounts were looked at is in the ledger; there is no list."""
    done = write(quiet)
    assert (done.lists, done.new) == ((), 0)
    write(quiet)
    (noted,) = bodies(quiet, "review_written")
    assert (noted["month"], noted["lists"]) == (MONTH, {})


def test_keycloak_away(life: Life) -> None:
    """No list is made of what may be out of date."""
    life.world.fake.down()
    with pytest.raises(UnreachableError):
        write(life)
    life.world.fake.down(False)
    assert items(life) == ()


def test_kinds_are_all_shown_by_these_tests() -> None:
    """So that a new one gets a test here."""
    text = Path(__file__).read_text(encoding="utf-8")
    assert [kind for kind in ReviewKind if f'"{kind}"' not in text] == []


def test_nobody_s_own_bureau_is_left_out(quiet: Life) -> None:
    """局机关 too: somebody there without a post."""
    quiet.world.hire(BUREAU, "", staff_no=POSTLESS)
    settle(quiet)
    assert lines(quiet) == {(POSTLESS, "surplus", "freeze")}
