"""Accounts made in the console: drafts until a source or an application says whose they are."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from fixtures.drafts import CHIEF, OTHER_TOWN, TOWN, form, make_draft
from fixtures.watching import as_administrator, watcher
from fixtures.world import (
    BUREAU,
    FOUNDERS,
    OTHER_BUREAU,
    OTHER_VILLAGE,
    TOWNSHIP,
    VILLAGE,
    VILLAGE_2,
    World,
    kinds_of,
)
from quanheng.engine.drafts import Draft
from quanheng.errors import RefusedError, UnreachableError
from quanheng.model.finding import FindingKind
from quanheng.model.ids import KeycloakId, PostId, RoleName, Username
from quanheng.model.realm import FederatedIdentity, RealmUser
from quanheng.operations.completing import Completed, complete, prepare_completion, read_drafts
from quanheng.store import tables

DUTY = "/岗位/140902-忻府区/业务操作员"
DRAFT = Username("zhang.san")


@pytest.fixture
def busy(world: World) -> World:
    """A world at work, with the 系统管理员 of 忻府区 (its last hired)."""
    world.hire(VILLAGE)
    world.hire(BUREAU, "系统管理员", staff_no="S00001")
    world.hire(BUREAU, "业务管理员", staff_no="B00001")
    world.hire(OTHER_BUREAU, "系统管理员", staff_no="S00002")
    world.issue_and_sync()
    world.approve(by=CHIEF)
    world.sync()
    watcher(world).tick()
    return world


def user(world: World, identifier: KeycloakId) -> RealmUser:
    """An account by its id."""
    found = world.console.read_user(identifier)
    assert found is not None
    return found  # type: ignore[no-any-return]


def drafts(world: World) -> dict[str, Draft]:
    """Drafts by user name."""
    return {str(line.draft.user.username): line.draft for line in read_drafts(world.context)}


def finding(world: World, kind: FindingKind) -> Any:
    """The one finding of a kind that ``check`` has."""
    (found,) = [item for item in world.check().findings if item.kind is kind]
    return found


def completed(world: World, *, by: str = "S00001", name: str = DRAFT, **fields: str) -> Completed:
    """Somebody completes a draft."""
    return complete(world.context, Username(name), form(**fields), world.login(by))


# A draft is known for one


def test_a_draft_is_told_and_left_where_it_is(busy: World) -> None:
    """No violation, no change: it stays in its organisation, off, until somebody says whose it is."""
    made = make_draft(busy)
    before = user(busy, made)
    report = busy.check()
    assert (report.clean, report.differences) == (True, ())
    assert FindingKind.DRAFT_ACCOUNT in kinds_of(report.findings)
    assert not {FindingKind.FOREIGN_USER, FindingKind.DUTY_ON_FOREIGN_USER} & kinds_of(report.findings)
    assert busy.sync().plan.changes == ()
    assert user(busy, made) == before


@pytest.mark.parametrize("look", ["sync", "watcher"])
def test_an_enabled_draft_is_switched_off_once(busy: World, look: str) -> None:
    """Whoever did it: off, its sessions ended, and in the ledger; the next time again."""
    made = make_draft(busy, enabled=True)
    assert [change.kind for change in busy.check().differences] == ["disable"]
    told = len(busy.ledger("disable"))
    for _ in range(3):
        if look == "sync":
            busy.sync()
        else:
            watcher(busy).tick()
    assert not user(busy, made).enabled
    assert busy.fake.calls["logout"] == 1
    (entry,) = busy.ledger("disable")[told:]
    assert json.loads(entry.body)["detail"] == {"id": str(made), "holds": ["draft"]}
    again = user(busy, made)
    busy.console.update_user(
        made, username=again.username, enabled=True, name=again.name, attributes=again.attributes
    )
    watcher(busy).tick()
    assert not user(busy, made).enabled
    assert len(busy.ledger("disable")) == told + 2


def test_a_duty_on_a_draft_is_a_violation(busy: World) -> None:
    """Group and role go as from any foreign user; the organisation stays."""
    made = make_draft(busy)
    busy.console.join_group(made, busy.group(DUTY).id)
    busy.console.add_roles(made, frozenset({RoleName("post-operator")}))
    report = busy.check()
    violations = [item for item in report.findings if item.violation]
    assert {item.kind for item in violations} == {FindingKind.DUTY_ON_FOREIGN_USER}
    watcher(busy).tick()
    after = user(busy, made)
    assert [busy.console.read_groups()[group].path for group in after.groups] == [TOWN]
    assert after.roles == {busy.fake.default_role}
    assert busy.check().clean


def test_what_is_no_draft(busy: World) -> None:
    """Outside our organisations a user is foreign; one with another's person_id is, wherever it is."""
    outside = make_draft(busy, "outside")
    busy.console.leave_group(outside, next(iter(user(busy, outside).groups)))
    pretender = make_draft(busy, "pretender")
    there = user(busy, pretender)
    busy.console.update_user(
        pretender, username=there.username, enabled=None, name="新", attributes={"person_id": ("x" * 32,)}
    )
    assert drafts(busy) == {}
    found = [item.subject for item in busy.check().findings if item.kind is FindingKind.FOREIGN_USER]
    assert sorted(found) == ["outside", "pretender"]


def test_the_list_says_where_since_when_and_by_whom(busy: World) -> None:
    """Of who was seen making it; kept when the events are long gone."""
    make_draft(busy, by=as_administrator(busy, "S00001"))
    busy.pass_time(days=3)
    watcher(busy).tick()
    busy.fake._state.events.clear()
    (line,) = read_drafts(busy.context)
    assert line.draft.organisations == (TOWNSHIP,)
    assert line.made_by == busy.user("S00001").username
    assert line.made_at is not None
    assert (busy.clock() - line.made_at).days == 3
    assert len(busy.ledger("draft_seen")) == 1
    watcher(busy).tick()
    busy.sync()
    assert len(busy.ledger("draft_seen")) == 1


# Completed by a source


def assert_is_account(world: World, staff_no: str, made: KeycloakId) -> None:
    """The draft is this person's account, as any account of a source is."""
    account, person = world.user(staff_no), world.person(staff_no)
    assert account.id == made
    assert (account.username, account.name, account.enabled) == (person.username, person.name, True)
    assert account.attributes["person_id"] == (person.id,)
    assert [link.subject for link in account.identities] == [person.subject]
    assert world.duties(staff_no) == {"业务操作员"}
    assert world.check().clean
    assert world.sync().plan.changes == ()


@pytest.mark.parametrize("at", [TOWN, TOWN[:4]])
def test_a_feed_completes_a_draft(busy: World, at: Any) -> None:
    """By its staff number: the same id, the issued name, enabled, with what the feed gives."""
    who = busy.hire(VILLAGE)
    made = make_draft(busy, staff_no=who, at=at)
    done = busy.issue_and_sync()
    assert "create" not in done.outcome.done
    assert_is_account(busy, who, made)
    (entry,) = [json.loads(row.body) for row in busy.ledger("update")]
    assert (entry["reason"], entry["person"]) == ("草稿账号补全为实名账号", busy.person(who).id)
    assert drafts(busy) == {}


def test_an_enabled_draft_is_completed_too(busy: World) -> None:
    """It has nothing to log in by, and is the account in one step."""
    who = busy.hire(VILLAGE)
    made = make_draft(busy, staff_no=who, enabled=True)
    busy.issue_and_sync()
    assert_is_account(busy, who, made)


def give_password(world: World, made: KeycloakId) -> None:
    world.console.tamper_password(made)


def give_card(world: World, made: KeycloakId) -> None:
    world.console.link_identity(made, FederatedIdentity("social-card", "mine", "x"))


def give_role(world: World, made: KeycloakId) -> None:
    world.console.tamper_role("auditors")
    world.console.add_roles(made, frozenset({RoleName("auditors")}))


def give_duty(world: World, made: KeycloakId) -> None:
    world.console.join_group(made, world.group(DUTY).id)


def give_group(world: World, made: KeycloakId) -> None:
    theirs = world.console.create_group(None, "theirs", {}, frozenset())
    world.console.join_group(made, theirs)


@pytest.mark.parametrize("give", [give_password, give_card, give_role, give_duty, give_group])
def test_a_draft_with_something_of_its_own_is_not_linked(busy: World, give: Any) -> None:
    """It came from somebody; the person gets an account as ever, and the finding says so."""
    who = busy.hire(VILLAGE)
    made = make_draft(busy, staff_no=who)
    give(busy, made)
    busy.issue()
    done = busy.sync()
    told = [item for item in done.plan.findings if item.kind is FindingKind.DRAFT_NOT_LINKED]
    assert [str(item.subject) for item in told] == [DRAFT]
    assert str(busy.person(who).username) in told[0].detail
    account = next(item for item in busy.console.sweep_users() if item.username == busy.person(who).username)
    assert account.id != made
    assert account.enabled
    assert "已有账号" in finding(busy, FindingKind.DRAFT_NOT_LINKED).detail


def two_drafts(world: World, who: str) -> None:
    make_draft(world, staff_no=who)
    make_draft(world, "li.si", staff_no=who)


def another_county(world: World, who: str) -> None:
    make_draft(world, staff_no=who, at=OTHER_TOWN)


def two_organisations(world: World, who: str) -> None:
    made = make_draft(world, staff_no=who)
    world.console.join_group(made, world.group("/".join(OTHER_TOWN)).id)


def two_numbers(world: World, who: str) -> None:
    made = make_draft(world)
    there = user(world, made)
    world.console.update_user(
        made, username=there.username, enabled=None, name="新", attributes={"staff_no": (who, "other")}
    )


@pytest.mark.parametrize("make", [two_drafts, another_county, two_organisations, two_numbers])
def test_a_mismatch_does_not_keep_a_person_from_an_account(busy: World, make: Any) -> None:
    """None is linked, the person gets one account and only one, and each draft is told with what to do."""
    who = busy.hire(VILLAGE)
    make(busy, who)
    before = {item.id for item in busy.console.sweep_users()}
    done = busy.issue_and_sync()
    assert done.outcome.done["create"] == 1
    username = busy.person(who).username
    (account,) = [item for item in busy.console.sweep_users() if item.id not in before]
    assert (account.username, account.enabled) == (username, True)
    told = [item for item in done.plan.findings if item.kind is FindingKind.DRAFT_NOT_LINKED]
    assert len(told) == len(drafts(busy))
    assert all(str(username) in item.detail and "请由主域管理员删除" in item.detail for item in told)
    assert not any(item.violation for item in told)
    for _ in range(2):
        assert busy.sync().plan.changes == ()
    assert all("已有账号" in item.obstacle for item in drafts(busy).values())


def test_a_draft_of_another_county_stops_nothing(busy: World) -> None:
    """Whoever makes one there has no say in the person's own county; theirs is told."""
    who = busy.hire(VILLAGE)
    made = make_draft(busy, staff_no=who)
    make_draft(busy, "li.si", staff_no=who, at=OTHER_TOWN)
    done = busy.issue_and_sync()
    assert "create" not in done.outcome.done
    assert (user(busy, made).username, user(busy, made).enabled) == (busy.person(who).username, True)
    told = [item.subject for item in done.plan.findings if item.kind is FindingKind.DRAFT_NOT_LINKED]
    assert told == ["li.si"]


def test_a_number_of_somebody_with_an_account(busy: World) -> None:
    """Told with that account's name; nothing is done to either."""
    make_draft(busy, staff_no="S00001")
    assert str(busy.person("S00001").username) in finding(busy, FindingKind.DRAFT_NOT_LINKED).detail
    assert busy.sync().plan.changes == ()


def test_nothing_links_by_name(busy: World) -> None:
    """Without a staff number, or with another spelling of it, a draft is nobody's whatever else it says."""
    who = busy.hire(VILLAGE, name="新来", staff_no="n77")
    made = [make_draft(busy), make_draft(busy, "other", staff_no="N77"), make_draft(busy, "n77")]
    busy.issue_and_sync()
    account = next(item for item in busy.console.sweep_users() if item.username == busy.person(who).username)
    assert account.id not in made
    assert set(drafts(busy)) == {"zhang.san", "other", "n77"}


def test_nobody_gets_an_account_to_have_left(busy: World) -> None:
    """A draft of somebody whom the feed has as retired stays one."""
    who = busy.hire(VILLAGE, status="退休")
    make_draft(busy, staff_no=who)
    busy.issue_and_sync()
    assert "离岗" in drafts(busy)[DRAFT].obstacle


def test_a_row_in_quarantine_completes_nothing(busy: World) -> None:
    """The draft waits; the mended row completes it."""
    who = busy.hire(VILLAGE, phone="123")
    made = make_draft(busy, staff_no=who)
    busy.issue_and_sync()
    assert (drafts(busy)[DRAFT].obstacle, user(busy, made).enabled) == ("", False)
    busy.change(who, phone=form()["phone"])
    busy.issue_and_sync()
    assert_is_account(busy, who, made)


def test_the_watcher_links_nobody_whom_it_does_not_see(busy: World) -> None:
    """A part of the people does not tell whether a number is written twice."""
    who = busy.hire(VILLAGE)
    busy.issue()
    made = make_draft(busy, staff_no=who, enabled=True)
    watcher(busy).tick()
    assert (user(busy, made).username, user(busy, made).enabled) == (DRAFT, False)
    busy.sync()
    assert_is_account(busy, who, made)


def test_an_interrupted_sync_goes_on_with_the_same_account(busy: World) -> None:
    """Killed after the first write: the next run finds the account by its id, and makes no other."""
    who = busy.hire(VILLAGE)
    made = make_draft(busy, staff_no=who)
    busy.issue()

    def die(name: str) -> None:
        if name == "link_identity":
            raise UnreachableError("killed")

    busy.fake.before_call = die
    with pytest.raises(UnreachableError):
        busy.sync()
    busy.fake.before_call = None
    busy.sync()
    assert_is_account(busy, who, made)
    assert len([row for row in busy.ledger("update") if who in row.body or str(made) in row.body]) == 1
    busy.verify_ledger()


def test_a_draft_deleted_meanwhile_is_made_anew(busy: World) -> None:
    """Deleted between the plan and its step: the next sync makes an ordinary account."""
    who = busy.hire(VILLAGE)
    made = make_draft(busy, staff_no=who)
    busy.issue()

    def vanish(name: str) -> None:
        if name == "update_user" and made in busy.fake._state.users:
            busy.console.tamper_delete_user(made)

    busy.fake.before_call = vanish
    busy.sync()
    busy.fake.before_call = None
    busy.sync()
    assert busy.user(who).id != made
    assert_is_account(busy, who, busy.user(who).id)


# Completed by an application


def test_an_application_completes_a_draft(busy: World) -> None:
    """At once, by the county's 系统管理员: the account is a person's, enabled, in the organisation, without a
    duty; who did it is in the ledger, and no number is."""
    made = make_draft(busy)
    done = completed(busy)
    person = busy.person("N00001")
    by = busy.person("S00001").username
    assert done == Completed(username=person.username, by=by, enabled=True, made_by=done.made_by)
    account = user(busy, made)
    assert (account.username, account.name, account.enabled) == (person.username, "王新来", True)
    assert account.attributes["org_code"] == (VILLAGE,)
    assert busy.duties("N00001") == set()
    assert busy.check().clean
    assert busy.sync().plan.changes == ()
    (entry,) = busy.ledger("application_completed")
    body = json.loads(entry.body)
    assert (body["user"], body["person"], body["org"]) == (str(made), str(person.id), VILLAGE)
    assert body["completed_by"] == str(by)
    assert (body["made_by"], body["maker_completed"]) == (done.made_by, False)
    assert done.made_by not in ("", str(by))
    values = form()
    for secret in ("document_number", "phone", "name"):
        assert not [row for row in busy.ledger() if values[secret] in row.body]
    busy.verify_ledger()


def test_the_maker_may_complete_it_and_is_named(busy: World) -> None:
    """The maintainer at the command line is the second person: told so, and in the ledger (J7 J8)."""
    maker = str(busy.person("S00001").username)
    make_draft(busy, by=as_administrator(busy, "S00001"))
    done = completed(busy)
    assert (done.enabled, done.made_by, done.alone) == (True, maker, True)
    (entry,) = busy.ledger("application_completed")
    body = json.loads(entry.body)
    assert (body["made_by"], body["completed_by"], body["maker_completed"]) == (maker, maker, True)


def test_no_qualification_comes_of_an_application(busy: World) -> None:
    """Whoever completes it may say 正式在编; the source that names the person makes it so (decision 2)."""
    permanent = "/资格/正式在编"
    make_draft(busy)
    assert completed(busy, employment="正式在编").unproved == ("正式在编",)
    assert permanent not in busy.paths("N00001")
    busy.sync()
    assert busy.check().clean
    assert permanent not in busy.paths("N00001")
    named(busy, employment="正式在编")
    busy.issue_and_sync()
    assert permanent in busy.paths("N00001")


def named(world: World, **fields: str) -> str:
    """A source has the person whom a form named."""
    values = form()
    who = world.hire(
        VILLAGE,
        staff_no="N00001",
        name=values["name"],
        document_number=values["document_number"],
        **{"phone": values["phone"], **fields},
    )
    return str(who)


def unconfirmed(world: World) -> list[bool]:
    """Whether what is told of people whom no source names is a violation."""
    kind = FindingKind.APPLICATION_UNCONFIRMED
    return [item.violation for item in world.check().findings if item.kind is kind]


def test_whom_no_source_names_is_told_of(busy: World) -> None:
    """First to know; past the grace for absences a violation, until the account is off or a source speaks."""
    made = make_draft(busy)
    completed(busy)
    busy.issue_and_sync()  # of the same day: it may have been made before
    assert unconfirmed(busy) == []
    busy.pass_time(days=1)
    done = busy.issue_and_sync()
    assert FindingKind.APPLICATION_UNCONFIRMED in kinds_of(done.plan.findings)
    assert unconfirmed(busy) == [False]
    busy.pass_time(days=6)
    busy.issue_and_sync()
    assert (unconfirmed(busy), busy.check().clean) == ([False], True)
    busy.pass_time(days=1)
    assert (unconfirmed(busy), busy.check().clean) == ([True], False)
    assert user(busy, made).enabled
    there = user(busy, made)
    for enabled in (False, True):
        busy.console.update_user(
            made, username=there.username, enabled=enabled, name=there.name, attributes=there.attributes
        )
        watcher(busy).tick()
        assert unconfirmed(busy) == [enabled]
    named(busy)
    busy.issue_and_sync()
    assert (unconfirmed(busy), busy.check().clean) == ([], True)


@pytest.mark.parametrize("way", ["old", "delta", "elsewhere", "quarantined", "shrunken"])
def test_who_may_be_there_is_not_told_of(busy: World, way: str) -> None:
    """A snapshot from before, a delta, one of another county, one that has a bad row of the person, and one
    that is not believed say nothing of an absence."""
    make_draft(busy)
    if way == "old":
        busy.issue()
        busy.pass_time(days=30)
        completed(busy)
        busy.sync()
        assert unconfirmed(busy) == []
        return
    completed(busy)
    busy.pass_time(days=1)
    if way == "quarantined":
        named(busy, phone="123")
    if way == "shrunken":
        busy.drop(*(row.staff_no for row in busy.people[2:]))
    options = {"delta": {"mode": "delta"}, "elsewhere": {"scope": ("140921",)}}.get(way, {})
    busy.issue_and_sync(**options)  # type: ignore[arg-type]
    assert unconfirmed(busy) == []


NUMBERED = "13812345678"


@pytest.mark.parametrize("where", ["name", "staff_no"])
def test_a_number_in_a_draft_is_a_violation(busy: World, where: str) -> None:
    """Whatever let it in: told by the draft's id, and the number by nobody; it is not completed."""
    name = NUMBERED if where == "name" else DRAFT
    made = make_draft(busy, name, staff_no=NUMBERED if where == "staff_no" else None)
    found = finding(busy, FindingKind.NUMBER_IN_DRAFT)
    assert (found.subject, found.violation) == (str(made), True)
    assert NUMBERED not in found.detail
    assert FindingKind.DRAFT_ACCOUNT not in kinds_of(busy.check().findings)
    with pytest.raises(RefusedError, match="证件号码或电话"):
        completed(busy, name=Username(name))
    assert busy.ledger("application_completed") == []


def test_what_an_application_said_stands_until_a_source_speaks(busy: World) -> None:
    """Snapshots without the person end nothing. The first believed row takes its place, and its end is the
    person's end."""
    for _ in range(5):
        busy.hire(VILLAGE)  # one missing of so many is believed
    busy.issue_and_sync()
    made = make_draft(busy)
    completed(busy)
    for _ in range(2):
        busy.pass_time(days=60)
        busy.issue_and_sync()
    assert user(busy, made).enabled
    values = form()
    who = busy.hire(
        VILLAGE_2,
        staff_no="N00001",
        name=values["name"],
        document_number=values["document_number"],
        phone=values["phone"],
    )
    busy.issue_and_sync()
    assert_is_account(busy, who, made)
    assert busy.user(who).attributes["org_code"] == (VILLAGE_2,)
    claims = [item for item in busy.registry().claims.values() if item.person == busy.person(who).id]
    assert [item.source for item in claims] == ["hr"]
    assert len(busy.ledger("application_ended")) == 1
    busy.drop(who)
    for _ in range(3):
        busy.pass_time(days=60)
        busy.issue_and_sync()
    assert not user(busy, made).enabled


def test_a_row_in_quarantine_does_not_end_an_application(busy: World) -> None:
    """Nobody has been named yet."""
    made = make_draft(busy)
    completed(busy)
    values = form()
    busy.hire(VILLAGE, staff_no="N00001", document_number=values["document_number"], phone="123")
    busy.issue_and_sync()
    assert user(busy, made).enabled
    assert busy.ledger("application_ended") == []


def test_the_same_number_of_another_document_waits_for_a_second_person(busy: World) -> None:
    """As with anybody whom the registry knows; until then the application stands."""
    made = make_draft(busy)
    completed(busy)
    busy.hire(VILLAGE, staff_no="N00001")
    busy.issue_and_sync()
    assert [item.kind for item in busy.proposals()] == ["staff_no_moved"]
    assert user(busy, made).enabled


def retired(world: World) -> str:
    """A leaver with a tombstone."""
    who = world.hire(VILLAGE)
    world.issue_and_sync()
    world.change(who, status="退休")
    world.issue_and_sync()
    return who


@pytest.mark.parametrize("leaver", [False, True])
@pytest.mark.parametrize("field", ["staff_no", "document_number"])
def test_nobody_whom_the_registry_knows(busy: World, field: str, leaver: bool) -> None:
    """One account per person, leavers too (E4 G15 J12): field and remedy are named, the value never."""
    who = retired(busy) if leaver else busy.people[2].staff_no
    make_draft(busy)
    value = getattr(busy.row(who), field)
    before = busy.registry()
    with pytest.raises(RefusedError) as refusal:
        completed(busy, **{field: value})
    label = {"staff_no": "人员编号", "document_number": "证件号码"}[field]
    assert str(refusal.value).startswith(f"{label}：")
    assert refusal.value.remedy
    assert value not in str(refusal.value)
    assert busy.registry() == before


@pytest.mark.parametrize(
    ("field", "value", "label"),
    [
        ("name", "王5", "姓名"),
        ("document_kind", "身分", "证件类型"),
        ("document_number", "14090219900101001", "证件号码"),
        ("document_number", "140902199001010011", "证件号码"),
        ("phone", "1234567", "联系电话"),
        ("employment", "什么", "用工性质"),
        ("org", "140902999", "机构编码"),
        ("org", OTHER_VILLAGE, "机构编码"),
        ("staff_no", "a b", "人员编号"),
        ("phone", "", "联系电话"),
    ],
)
def test_a_bad_value_is_named_and_not_shown(busy: World, field: str, value: str, label: str) -> None:
    """Judged as a source's row is, before anybody logs in; nothing is written."""
    make_draft(busy)
    before = busy.registry()
    with pytest.raises(RefusedError) as refusal:
        prepare_completion(busy.context, DRAFT, form(**{field: value}))
    assert str(refusal.value).startswith(f"{label}：")
    assert refusal.value.remedy
    assert not value or value not in str(refusal.value)
    assert busy.registry() == before


@pytest.mark.parametrize("who", ["S00002", "B00001", FOUNDERS[PostId("business_admin")], "T00003"])
def test_only_who_has_charge_of_the_accounts(busy: World, who: str) -> None:
    """Neither another county's 系统管理员, nor a 业务管理员 of any level, nor anybody without an office."""
    make_draft(busy)
    with pytest.raises(RefusedError, match="charge"):
        completed(busy, by=who)
    assert busy.ledger("application_completed") == []


def test_the_level_above_may(busy: World) -> None:
    """The province's 系统管理员, who approves administrators, may complete a county's drafts."""
    made = make_draft(busy)
    assert completed(busy, by=CHIEF).enabled
    assert user(busy, made).enabled


def test_nobody_completes_oneself(busy: World) -> None:
    """A second account of one's own is refused for what it is."""
    make_draft(busy)
    number = busy.row("S00001").document_number
    with pytest.raises(RefusedError, match="same person"):
        completed(busy, document_number=number)


def test_an_office_of_the_console_alone_completes_nothing(busy: World) -> None:
    """Who got into the administrators' group without right has no charge."""
    make_draft(busy)
    busy.console.join_group(busy.user("T00003").id, busy.group("/管理员/140902-忻府区/系统管理员").id)
    with pytest.raises(RefusedError, match="charge"):
        completed(busy, by="T00003")


@pytest.mark.parametrize("give", [give_password, give_card, give_role, give_duty, give_group])
def test_a_draft_with_something_of_its_own_is_not_completed(busy: World, give: Any) -> None:
    """Refused with what it has, before anything is written."""
    give(busy, make_draft(busy))
    with pytest.raises(RefusedError, match="草稿"):
        completed(busy)
    assert busy.ledger("application_completed") == []


def test_completed_twice(busy: World) -> None:
    """The second time it is no draft any more, by the old name and by the new."""
    make_draft(busy)
    issued = completed(busy).username
    with pytest.raises(RefusedError, match="there is no account"):
        completed(busy)
    with pytest.raises(RefusedError, match="already"):
        completed(busy, name=issued, staff_no="N00002")


def test_a_completion_that_died_is_finished_by_the_next_sync(busy: World) -> None:
    """Killed at each call to Keycloak in turn: never two accounts, never two entries of one step."""
    made = make_draft(busy)

    def die(name: str) -> None:
        if name == "update_user":
            raise UnreachableError("killed")

    busy.fake.before_call = die
    with pytest.raises(UnreachableError):
        completed(busy)
    busy.fake.before_call = None
    with pytest.raises(RefusedError, match="sync"):
        completed(busy)
    busy.sync()
    assert user(busy, made).username == busy.person("N00001").username
    assert user(busy, made).enabled
    assert busy.check().clean
    assert len(busy.ledger("application_completed")) == 1
    assert [row.kind for row in busy.ledger("update", "link", "enable") if str(made) in row.body] == [
        "update",
        "link",
        "enable",
    ]
    busy.verify_ledger()


def test_a_draft_that_is_gone(busy: World) -> None:
    """Deleted before: refused. Deleted after it was completed: the person gets another account."""
    busy.console.tamper_delete_user(make_draft(busy))
    with pytest.raises(RefusedError, match="there is no account"):
        completed(busy)
    made = make_draft(busy)
    completed(busy)
    busy.console.tamper_delete_user(made)
    busy.sync()
    assert busy.user("N00001").id != made
    assert busy.user("N00001").enabled


def test_the_number_on_the_draft_counts(busy: World) -> None:
    """Who made it wrote whom it is for."""
    make_draft(busy, staff_no="N00009")
    with pytest.raises(RefusedError, match="人员编号"):
        completed(busy)
    assert completed(busy, staff_no="N00009").enabled


def test_a_forged_application_counts_for_nothing(busy: World) -> None:
    """Changed or made in the store, or put back after its end: told, and the account is off."""
    made = make_draft(busy)
    completed(busy)
    table = tables.claim
    with busy.context.database.transaction() as connection:
        kept = connection.execute(select(table).where(table.c.source == "application")).mappings().one()
        connection.execute(update(table).where(table.c.source == "application").values(org=BUREAU))
    busy.sync()
    assert FindingKind.FORGED_DECISION in kinds_of(busy.check().findings)
    assert not user(busy, made).enabled
    with busy.context.database.transaction() as connection:
        connection.execute(delete(table).where(table.c.source == "application"))
        connection.execute(insert(table).values(**kept))
    busy.sync()
    assert user(busy, made).enabled
    values = form()
    who = busy.hire(
        VILLAGE, staff_no="N00001", name=values["name"], document_number=values["document_number"]
    )
    busy.issue_and_sync()
    busy.change(who, status="退休")
    busy.issue_and_sync()
    with busy.context.database.transaction() as connection:
        connection.execute(insert(table).values(**kept))
    busy.sync()
    assert not user(busy, made).enabled
    assert FindingKind.FORGED_DECISION in kinds_of(busy.check().findings)
