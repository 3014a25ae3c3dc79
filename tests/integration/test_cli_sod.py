"""``explain``, ``predict``, ``waive``, ``waivers`` and ``check --sod``, typed over a realm in memory."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fixtures.lenient import CONTROL, FIRM, PAIR, REASON, Typist, ask, hire_both, lenient
from fixtures.world import BUREAU, FOUNDERS, OTHER_BUREAU, VILLAGE, World
from quanheng.keycloak.fake import FakeRealm
from quanheng.model.ids import KeycloakId, PostId, RoleName
from quanheng.model.realm import NewUser, RealmUser

FIRST, SECOND = FOUNDERS[PostId("system_admin")], FOUNDERS[PostId("business_admin")]


@pytest.fixture
def typist(world: World, capsys: pytest.CaptureFixture[str]) -> Typist:
    """Somebody in front of a world with rules that may be waived."""
    return Typist(lenient(world), capsys)


def console_of(world: World, staff_no: str) -> FakeRealm:
    """The console as somebody has it who is logged in there."""
    console = world.console.as_actor(world.user(staff_no).id)
    assert isinstance(console, FakeRealm)
    return console


def join(console: FakeRealm, world: World, user: RealmUser, path: str) -> None:
    """Put somebody into a group in the console."""
    console.join_group(user.id, world.group(path).id)


def of_post(report: Any, post: str) -> Any:
    """The assessment of a post in a report of ``explain``."""
    return next(item for item in (*report["could"], *report["could_not"]) if item["post"] == post)


# explain


def test_explain_names_way_source_and_article(typist: Typist) -> None:
    """From the group over the role and its composite to the permission, and the row it rests on."""
    who = typist.world.hire(BUREAU, "经办人员")
    typist.world.issue_and_sync()
    report = typist.ask("explain", who).report
    found = {item["role"]: item for item in report["duties"]}
    assert found["post-handler"]["path"] == ["/岗位/140902-忻府区/经办人员", "post-handler"]
    query = found["jiujinban/service_query"]
    assert query["path"] == [*found["post-handler"]["path"], "jiujinban/service_query"]
    assert query["path_text"] == "/岗位/140902-忻府区/经办人员 → 经办人员 → 服务事项查询"
    (basis,) = query["bases"]
    assert (basis["kind"], basis["article"], basis["since"]) == ("source", "S5", "2024-03-01")
    assert basis["origin"].startswith("hr people.csv:")
    text = typist.type("explain", typist.world.user(who).username).out
    for word in ("岗位和权限", "服务事项查询", "来源（S5）", "可以授予", "不能授予", "系统管理员"):
        assert word in text


def test_explain_says_what_could_not_be_given_and_why(typist: Typist) -> None:
    """By rule with both things and their ways, by qualification, by tier."""
    who = typist.world.hire(BUREAU, "经办人员", employment="合同制")
    typist.world.issue_and_sync()
    report = typist.ask("explain", who).report
    admin = of_post(report, "system_admin")
    kinds = {item["kind"] for item in admin["reasons"]}
    assert (admin["possible"], kinds) == (False, {"rule", "qualification"})
    rule = next(item for item in admin["reasons"] if item["rule"] == "s4-system-admin-no-business")
    assert (rule["article"], {held["label"] for held in rule["held"]}) == ("S4", {"系统管理员", "经办人员"})
    assert "/管理员/140902-忻府区/系统管理员" in rule["reason"]
    assert "/岗位/140902-忻府区/经办人员" in rule["reason"]
    (lacking,) = [item for item in admin["reasons"] if item["kind"] == "qualification"]
    assert (lacking["article"], "正式在编" in lacking["reason"]) == ("S3", True)
    operator = of_post(report, "operator")
    assert {item["kind"] for item in operator["reasons"]} == {"tier", "rule"}
    reviewer = of_post(report, "reviewer")
    assert reviewer["possible"] is True
    assert [(way["basis"], way["second_person"]) for way in reviewer["ways"]] == [
        ("source", True),
        ("application", False),
    ]


def test_explain_counts_who_else_is_there(typist: Typist) -> None:
    """One 系统管理员 in a county; a second one is not possible, and the number is said."""
    world = typist.world
    world.hire(BUREAU, "系统管理员")
    who = world.hire(BUREAU, "")
    world.issue_and_sync()
    world.approve(by=FIRST)
    world.sync()
    (reason,) = of_post(typist.ask("explain", who).report, "system_admin")["reasons"]
    assert (reason["rule"], reason["article"]) == ("s8-one-system-admin", "S8(1)")
    assert "另有 1 人在任" in reason["reason"]


def test_explain_tells_who_approved_and_who_granted(typist: Typist) -> None:
    """A second person's approval and a console grant, each with user name and time."""
    world = typist.world
    granter, other = world.hire(BUREAU, "业务管理员"), world.hire(OTHER_BUREAU, "业务管理员")
    who = world.hire(BUREAU, "")
    world.issue_and_sync()
    world.approve(by=FIRST)
    world.sync()
    world.pass_time(minutes=1)
    join(console_of(world, granter), world, world.user(who), "/岗位/140902-忻府区/经办人员")
    world.sync()
    (basis, *_) = typist.ask("explain", who).report["duties"][0]["bases"]
    assert (basis["kind"], basis["actor"]) == ("console", world.user(granter).username)
    assert basis["at"].startswith("2026-03-02T04:01:00")
    (basis,) = typist.ask("explain", other).report["duties"][0]["bases"]
    assert (basis["kind"], basis["actor"]) == ("source", world.user(FIRST).username)
    assert "控制台授予（S5）" in typist.type("explain", who).out


def test_explain_tells_a_withholding(typist: Typist) -> None:
    """Taken away by an entitled administrator: who and when; the source does not give it back."""
    world = typist.world
    granter, who = world.hire(BUREAU, "业务管理员"), world.hire(BUREAU, "经办人员")
    world.issue_and_sync()
    world.approve(by=FIRST)
    world.sync()
    world.pass_time(minutes=1)
    group = world.group("/岗位/140902-忻府区/经办人员")
    console_of(world, granter).leave_group(world.user(who).id, group.id)
    world.sync()
    report = typist.ask("explain", who).report
    assert report["duties"] == []
    (item,) = report["withholdings"]
    assert (item["post"], item["area"], item["actor"]) == ("handler", "140902", world.user(granter).username)
    assert "已收回" in typist.type("explain", who).out


def test_explain_sees_what_the_mirror_does_not_and_writes_nothing(typist: Typist) -> None:
    """A role given a moment ago is held without basis; Keycloak, mirror and ledger stay as they were."""
    world = typist.world
    who = world.hire(VILLAGE)
    world.issue_and_sync()
    role = RoleName("jiujinban/benefit_review")
    world.console.tamper_map_client_role(world.user(who).id, role)
    before, entries = world.fake.writes, len(world.ledger())
    report = typist.ask("explain", who).report
    found = next(item for item in report["duties"] if item["role"] == role)
    assert (found["area"], found["bases"], found["path"][0]) == (None, [], "直接授予")
    assert "没有依据，将被收回" in typist.type("explain", who).out
    assert (world.fake.writes, len(world.ledger())) == (before, entries)
    assert world.sync().plan.counts() == {"role_remove": 1}


def test_explain_tells_what_is_due_and_what_is_held_up(typist: Typist) -> None:
    """By right but not in Keycloak; awaiting a second person; frozen in the console."""
    world = typist.world
    who, waiting = world.hire(VILLAGE), world.hire(BUREAU, "审核人员")
    world.issue_and_sync()
    user = world.user(who)
    world.console.leave_group(user.id, world.group("/岗位/140902-忻府区/业务操作员").id)
    world.console.update_user(
        user.id, username=user.username, enabled=False, name=user.name, attributes=user.attributes
    )
    report = typist.ask("explain", who).report
    assert {item["effective"] for item in report["duties"]} == {False}
    assert [item["kind"] for item in report["holds"]] == ["frozen"]
    assert "尚未生效" in typist.type("explain", who).out
    findings = typist.ask("explain", waiting).report["findings"]
    assert [item["kind"] for item in findings] == ["awaits_approval"]


def test_explain_a_service_account(typist: Typist) -> None:
    """It is nobody's; whatever it holds has no basis, and it could be given nothing."""
    world = typist.world
    world.issue_and_sync()
    user = world.console.tamper_service_account("reports")
    world.console.add_roles(user, frozenset({RoleName("post-handler")}))
    report = typist.ask("explain", "service-account-reports").report
    assert (report["ours"], report["service_account"], report["could"]) == (False, True, [])
    assert not any(item["bases"] for item in report["duties"])
    assert {reason["kind"] for item in report["could_not"] for reason in item["reasons"]} == {"not_ours"}


def test_no_name_in_json_and_no_number_anywhere(typist: Typist) -> None:
    """A person's name is for the operator's screen alone; ID numbers and phones for nobody's."""
    world = typist.world
    who = hire_both(world)
    world.issue_and_sync()
    row = world.row(who)
    ask(world, who, by=FIRST)
    words = (["explain", who], ["predict", who, "--add", "reviewer"], ["check", "--sod"], ["waivers"])
    structured = "".join(typist.type(*item, "--format", "json").out for item in words)
    assert row.name not in structured
    shown = structured + "".join(typist.type(*item).out for item in words)
    assert not [value for value in (row.document_number, row.phone) if value in shown]
    assert row.name in shown


@pytest.mark.parametrize("words", [["explain"], ["predict", "--add", "operator"]])
def test_nobody_of_that_name(typist: Typist, words: list[str]) -> None:
    """Exit 2, and what to give instead."""
    typist.world.issue_and_sync()
    done = typist.type(words[0], "sx9999999", *words[1:])
    assert (done.code, done.out) == (2, "")
    assert "nobody is called sx9999999" in done.err
    assert "staff number" in done.err


def test_a_pack_that_is_missing_or_a_server_that_is_down(typist: Typist) -> None:
    """Exit 2 with the pack's name; exit 5."""
    who = typist.world.hire(VILLAGE)
    typist.world.issue_and_sync()
    typist.world.fake.down()
    assert typist.type("explain", who).code == 5
    typist.world.fake.down(False)
    settings = typist.world.folder / "quanheng.toml"
    pack = str(typist.world.settings.packs[0])
    settings.write_text(settings.read_text(encoding="utf-8").replace(pack, "nowhere"), encoding="utf-8")
    for words in (["explain", who], ["predict", who, "--add", "operator"], ["check", "--sod"], ["waivers"]):
        done = typist.type(*words)
        assert done.code == 2, words
        assert "nowhere" in done.err


def test_before_the_first_sync_everything_is_read_live(typist: Typist) -> None:
    """There is no mirror yet; nobody is in the registry either."""
    done = typist.type("explain", FIRST)
    assert done.code == 2
    assert "nobody is called" in done.err


# predict


def test_predict_allows_by_id_and_by_label(typist: Typist) -> None:
    """Exit 0 with the ways to it; nothing is written."""
    who = typist.world.hire(BUREAU, "")
    typist.world.issue_and_sync()
    before = typist.world.fake.writes
    for post in ("handler", "经办人员", "经办岗"):
        report = typist.ask("predict", who, "--add", post).report
        assert (report["allowed"], report["assessment"]["post"]) == (True, "handler")
    text = typist.type("predict", who, "--add", "handler").out
    assert "可以授予：140902 忻府区 经办人员" in text
    assert "控制台授予（业务管理员）" in text
    assert typist.world.fake.writes == before


@pytest.mark.parametrize(
    ("words", "kind", "told"),
    [
        (["--add", "business_admin"], "rule", "“业务管理员不得有经办和审核权限”（S5）"),
        (["--add", "operator"], "tier", "“业务操作员”设在乡镇、村、银行网点（S6），本人任职于县"),
        (["--add", "reviewer", "--area", "140921"], "other_county", "不在 140921 定襄县"),
        (["--add", "reviewer", "--area", "140921001001"], "other_county", "不在 140921 定襄县"),
    ],
)
def test_predict_refuses_with_8_and_the_reason(
    typist: Typist, words: list[str], kind: str, told: str
) -> None:
    """In Chinese, with the article; as JSON with the kind of what is in the way."""
    who = typist.world.hire(BUREAU, "经办人员")
    typist.world.issue_and_sync()
    report = typist.ask("predict", who, *words, code=8).report
    assert report["allowed"] is False
    assert kind in {item["kind"] for item in report["assessment"]["reasons"]}
    done = typist.type("predict", who, *words)
    assert (done.code, done.err) == (8, "")
    assert told in done.out


def test_predict_knows_leavers_and_waivers(typist: Typist) -> None:
    """Who has left gets nothing; what a waiver lets through is possible."""
    world = typist.world
    gone, who = world.hire(BUREAU, "经办人员"), hire_both(world)
    world.issue_and_sync()
    world.change(gone, status="退休")
    world.issue_and_sync()
    (reason,) = typist.ask("predict", gone, "--add", "reviewer", code=8).report["assessment"]["reasons"]
    assert reason["kind"] == "left"
    join(world.console, world, world.user(who), "/岗位/140902-忻府区/经办人员")
    (reason,) = typist.ask("predict", who, "--add", "operator", code=8).report["assessment"]["reasons"]
    assert (reason["rule"], reason["waivable"]) == (PAIR, True)
    assert f"可申请豁免：--rule {PAIR}" in typist.type("predict", who, "--add", "operator").out
    world.approve(ask(world, who, by=FIRST).key, by=SECOND)
    assert typist.ask("predict", who, "--add", "operator").report["allowed"] is True


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--add", "no_such_post"], "no post 'no_such_post'"),
        (["--add", "operator", "--area", "99"], "no organisation has the code 99"),
    ],
)
def test_predict_with_words_that_mean_nothing(typist: Typist, words: list[str], told: str) -> None:
    """Exit 2, apart from a refusal's 8."""
    who = typist.world.hire(BUREAU, "经办人员")
    typist.world.issue_and_sync()
    done = typist.type("predict", who, *words)
    assert done.code == 2
    assert told in done.err


# waive


def waive(typist: Typist, who: str, **options: str) -> list[str]:
    """A command line that asks for a waiver."""
    given = {"rule": PAIR, "reason": REASON, "control": CONTROL, "until": "2026-06-30", **options}
    return ["waive", who, *(word for name, value in given.items() for word in (f"--{name}", value))]


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        ({"rule": FIRM}, 8, "(S3) may not be waived"),
        ({"rule": "nothing"}, 2, PAIR),
        ({"until": "2026-03-01"}, 8, "is past"),
        ({"until": "2028-01-01"}, 8, "more than a year ahead"),
        ({"until": "明年"}, 2, "2026-12-31"),
    ],
)
def test_waive_refuses_before_anybody_logs_in(
    typist: Typist, options: dict[str, str], code: int, told: str
) -> None:
    """With the article or the limit, and nothing is written down."""
    who = hire_both(typist.world)
    typist.world.issue_and_sync()
    done = typist.type(*waive(typist, who, **options))
    assert (done.code, done.out) == (code, "")
    assert told in done.err
    assert typist.ask("waivers").report == {"waivers": []}


def test_waive_without_a_login_writes_nothing(typist: Typist) -> None:
    """All is well with the words; whoever asks has to prove who it is."""
    who = hire_both(typist.world)
    typist.world.issue_and_sync()
    done = typist.type(*waive(typist, who), "--open-with", "false")
    assert done.code in (2, 5), done.err
    assert typist.ask("waivers").report == {"waivers": []}
    assert typist.ask("proposals").report == {"proposals": []}


def test_a_waiver_shows_in_every_list(typist: Typist) -> None:
    """proposals while it waits; then waivers, explain and status, with its end."""
    world = typist.world
    who = hire_both(world)
    world.issue_and_sync()
    proposal = ask(world, who, by=FIRST)
    (waiting,) = typist.ask("proposals").report["proposals"]
    assert (waiting["kind"], waiting["key"]) == ("waiver", proposal.key)
    assert (CONTROL in waiting["summary"], "2026-06-30" in waiting["summary"]) == (True, True)
    assert "豁免" in typist.type("proposals").out
    world.approve(proposal.key, by=SECOND)
    world.sync()
    (line,) = typist.ask("waivers").report["waivers"]
    assert (line["state"], line["until"], line["user"]) == (
        "in_force",
        "2026-06-30",
        world.user(who).username,
    )
    assert "有效" in typist.type("waivers").out
    report = typist.ask("explain", who).report
    assert [item["key"] for item in report["waivers"]] == [proposal.key]
    post = next(item for item in report["duties"] if item["role"] == "post-handler")
    assert [basis["kind"] for basis in post["bases"]] == ["source", "waiver"]
    assert post["bases"][1]["until"] == "2026-06-30"
    status = typist.ask("status").report
    assert (status["waivers"], status["next_waiver_end"]) == (1, "2026-06-30")
    assert "1，最早至 2026-06-30" in typist.type("status").out
    world.pass_time(days=200)
    assert [item["state"] for item in typist.ask("waivers").report["waivers"]] == ["ended"]
    assert "已到期" in typist.type("waivers").out
    assert typist.ask("status").report["next_waiver_end"] is None


# check --sod


def test_check_sod_is_quiet_about_a_realm_in_order(typist: Typist) -> None:
    """Exit 0; posts that nobody fills are only named."""
    typist.world.hire(BUREAU, "经办人员")
    typist.world.issue_and_sync()
    report = typist.ask("check", "--sod").report
    assert (report["ok"], report["conflicts"], report["foreign"]) == (True, [], [])
    assert ("s3-has-system-admin", "140902") in {(item["rule"], item["area"]) for item in report["shortages"]}
    text = typist.type("check", "--sod").out
    assert "缺人：" in text
    assert "职责分离未见违反" in text


def test_check_sod_names_rule_user_things_and_ways(typist: Typist) -> None:
    """Found live, before any sync; exit 1."""
    world = typist.world
    world.issue_and_sync()
    user = world.user(FIRST)
    world.console.add_roles(user.id, frozenset({RoleName("post-business-admin")}))
    report = typist.ask("check", "--sod", code=1).report
    (found,) = report["conflicts"]
    assert (found["user"], found["rule"], found["article"]) == (user.username, FIRM, "S3")
    assert {held["path_text"] for held in found["held"]} == {
        "/管理员/14-山西省/系统管理员 → 系统管理员",
        "直接授予 → 业务管理员",
    }
    done = typist.type("check", "--sod")
    assert done.code == 1
    assert f"违反：{user.username}：" in done.out
    assert world.user(FIRST).roles >= {RoleName("post-business-admin")}


def test_check_sod_finds_duties_where_none_may_be(typist: Typist) -> None:
    """On a service account and on a user that no source names."""
    world = typist.world
    world.issue_and_sync()
    robot: KeycloakId = world.console.tamper_service_account("reports")
    world.console.tamper_map_client_role(robot, RoleName("jiujinban/service_query"))
    report = typist.ask("check", "--sod", code=1).report
    (found,) = report["foreign"]
    assert (found["user"], found["service_account"]) == ("service-account-reports", True)
    assert [held["role"] for held in found["held"]] == ["jiujinban/service_query"]
    assert "服务账号持有" in typist.type("check", "--sod").out


def test_check_sod_names_what_is_waived(typist: Typist) -> None:
    """Not a violation while the waiver counts, a violation the day after."""
    world = typist.world
    who = hire_both(world)
    world.issue_and_sync()
    world.approve(ask(world, who, by=FIRST).key, by=SECOND)
    world.sync()
    report = typist.ask("check", "--sod").report
    assert [(item["rule"], item["until"]) for item in report["waived"]] == [(PAIR, "2026-06-30")]
    assert "已豁免至 2026-06-30" in typist.type("check", "--sod").out
    world.pass_time(days=200)
    report = typist.ask("check", "--sod", code=1).report
    assert ([item["rule"] for item in report["conflicts"]], report["waived"]) == ([PAIR], [])


def test_check_sod_of_an_account_that_was_made_again(typist: Typist) -> None:
    """Somebody made a waived person's account anew: it is that person's to every part of the report."""
    world = typist.world
    who = hire_both(world)
    world.issue_and_sync()
    world.approve(ask(world, who, by=FIRST).key, by=SECOND)
    world.sync()
    user = world.user(who)
    paths = {key: group.path for key, group in world.console.read_groups().items()}
    world.console.tamper_delete_user(user.id)
    world.console.create_user(
        NewUser(
            username=user.username,
            enabled=True,
            name=user.name,
            attributes=user.attributes,
            groups=frozenset(paths[group] for group in user.groups),
            identities=user.identities,
        )
    )
    assert world.user(who).id != user.id
    report = typist.ask("check", "--sod").report
    assert ([item["rule"] for item in report["waived"]], report["conflicts"]) == ([PAIR], [])
    assert report["foreign"] == []


def test_check_sod_knows_a_renamed_qualification(typist: Typist) -> None:
    """Who has a qualification has it still when its group is called otherwise, as for the guard."""
    world = typist.world
    world.issue_and_sync()
    group = world.group("/资格/正式在编")
    world.console.update_group(group.id, "另名", group.attributes)
    assert typist.ask("check", "--sod").report["conflicts"] == []


def test_the_reports_are_whole_json(typist: Typist) -> None:
    """Dates and times as text; nothing that a program cannot read."""
    who = hire_both(typist.world)
    typist.world.issue_and_sync()
    for words in (["explain", who], ["check", "--sod"], ["waivers"], ["status"]):
        assert json.loads(typist.ask(*words).out)
