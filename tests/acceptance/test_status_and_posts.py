"""What a person's status and posts make of the account: holds, homes, duties, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import insert

from fixtures.world import BANK, BUREAU, FOUNDERS, OTHER_BUREAU, PROVINCE_BUREAU, VILLAGE, World, kinds_of
from quanheng.model.finding import FindingKind
from quanheng.model.ids import OrgCode, PostId
from quanheng.model.person import HoldKind, Withholding
from quanheng.model.staff import OrgKind
from quanheng.operations.trust import sign_withholding
from quanheng.store import tables
from quanheng.store.registry_rows import withholding_row


def switch_off(world: World, staff_no: str, *, enabled: bool = False) -> None:
    """What an administrator does in the console."""
    user = world.user(staff_no)
    world.console.update_user(
        user.id, username=user.username, enabled=enabled, name=user.name, attributes=user.attributes
    )


def test_holds_stack_and_are_lifted_separately(world: World) -> None:
    """Frozen in the console and under investigation: the account is enabled when both are over."""
    staff_no = world.hire(VILLAGE)
    world.issue_and_sync()
    switch_off(world, staff_no)
    world.change(staff_no, status="接受调查")
    world.issue_and_sync()
    switch_off(world, staff_no, enabled=True)  # lifts the console's own hold alone
    world.sync()
    assert not world.user(staff_no).enabled
    world.change(staff_no, status="在职")
    world.issue_and_sync()
    assert world.user(staff_no).enabled


def test_investigation_keeps_duty_and_home(world: World) -> None:
    """A hold disables and takes nothing away: when it is over, everything is as it was."""
    staff_no = world.hire(VILLAGE)
    world.issue_and_sync()
    before = world.user(staff_no)
    world.change(staff_no, status="接受调查")
    done = world.issue_and_sync()
    assert [change.kind for change in done.plan.changes] == ["disable"]
    assert world.user(staff_no).groups == before.groups
    world.change(staff_no, status="在职")
    world.issue_and_sync()
    assert world.user(staff_no) == before


def test_status_of_the_future_waits_for_its_day(world: World) -> None:
    """退休 as of 5 March disables on 5 March in China, by a sync that reads no new issue."""
    staff_no = world.hire(VILLAGE, status="退休", status_from="2026-03-05")
    world.issue_and_sync()
    assert world.user(staff_no).enabled
    assert world.duties(staff_no) == {"业务操作员"}
    world.clock.now = datetime(2026, 3, 4, 15, 59, tzinfo=UTC)
    world.sync()
    assert world.user(staff_no).enabled
    world.clock.now = datetime(2026, 3, 4, 16, 0, tzinfo=UTC)  # midnight in China
    world.sync()
    assert not world.user(staff_no).enabled
    assert world.duties(staff_no) == set()


def test_absence_under_three_calendar_months_does_not_hold(world: World) -> None:
    """病假 of less than three calendar months leaves the account enabled; three months hold it.

    The last day is one of absence too: 1 February to 30 April are three months.
    """
    short = world.hire(VILLAGE, status="病假", status_from="2026-02-01", status_to="2026-04-29")
    long = world.hire(VILLAGE, status="病假", status_from="2026-02-01", status_to="2026-04-30")
    open_end = world.hire(VILLAGE, status="借调", status_from="2026-02-01")
    over = world.hire(VILLAGE, status="产假", status_from="2025-06-01", status_to="2026-03-01")
    world.issue_and_sync()
    enabled = {staff_no for staff_no in (short, long, open_end, over) if world.user(staff_no).enabled}
    assert enabled == {short, over}


def test_leaver_without_account_gets_none(world: World) -> None:
    """Somebody who is 退休 when first heard of is registered, and no account is made."""
    staff_no = world.hire(VILLAGE, status="退休", status_from="2026-01-01")
    world.issue_and_sync()
    assert staff_no not in world.users()
    assert world.person(staff_no)


def test_held_newcomer_gets_a_disabled_account(world: World) -> None:
    """Somebody under investigation from the start has an account that was never enabled."""
    staff_no = world.hire(VILLAGE, status="接受调查")
    world.issue_and_sync()
    assert not world.user(staff_no).enabled
    assert world.sync().plan.empty


def test_leaver_keeps_the_record_and_loses_the_duty(world: World) -> None:
    """退休 disables, takes the duty, keeps user and home: a tombstone."""
    staff_no = world.hire(VILLAGE)
    world.issue_and_sync()
    before = world.user(staff_no)
    world.change(staff_no, status="退休", status_from="2026-03-01")
    world.issue_and_sync()
    assert not world.user(staff_no).enabled
    assert world.user(staff_no).id == before.id
    assert world.paths(staff_no) == {"/机构/14-山西省/1409-忻州市/140902-忻府区/140902001-南城街道"}
    assert world.sync().plan.empty


def test_administrators_live_apart(world: World) -> None:
    """Made administrator, somebody leaves the organisation's group for /管理员, and comes back after."""
    home = "/机构/14-山西省/140000000-局机关"
    other = FOUNDERS[PostId("system_admin")]  # of the province, which may have several
    staff_no = world.hire(PROVINCE_BUREAU, "经办人员")
    world.issue_and_sync()
    world.change(staff_no, post="系统管理员")
    world.issue_and_sync()
    assert home in world.paths(staff_no)
    assert world.duties(staff_no) == set()
    world.approve()
    world.sync()
    assert world.paths(staff_no) == {"/管理员/14-山西省/系统管理员", "/资格/正式在编"}
    world.change(staff_no, post="经办人员")
    world.issue_and_sync()
    assert world.paths(staff_no) == {home, "/岗位/14-山西省/经办人员", "/资格/正式在编"}
    assert world.duties(other) == {"系统管理员"}


def test_not_qualified_is_not_granted(world: World) -> None:
    """An administrator who is not 正式在编 is not even proposed, and the operator reads why."""
    staff_no = world.hire(BUREAU, "系统管理员", employment="合同制")
    done = world.issue_and_sync()
    assert world.duties(staff_no) == set()
    assert world.proposals() == ()
    assert FindingKind.NOT_QUALIFIED in kinds_of(done.plan.findings)


def test_losing_the_qualification_loses_the_office(world: World) -> None:
    """An administrator who is no longer 正式在编 leaves the office, unless it is the last one."""
    first, second = world.hire(BUREAU, "系统管理员"), world.hire(BUREAU, "系统管理员")
    world.issue_and_sync()
    world.approve()
    world.sync()
    world.change(first, employment="合同制")
    world.issue_and_sync()
    assert world.duties(first) == set()
    assert "/资格/正式在编" not in world.paths(first)
    assert world.duties(second) == {"系统管理员"}


def test_excluded_posts_grant_nothing(world: World) -> None:
    """Both 系统管理员 and 经办人员: neither is granted, and check fails until the sources are mended."""
    staff_no = world.hire(BUREAU, "经办人员")
    world.issue_and_sync()
    assert world.duties(staff_no) == {"经办人员"}
    world.also(staff_no, post="系统管理员")
    world.issue_and_sync()
    world.approve()
    done = world.sync()
    assert world.duties(staff_no) == set()
    assert FindingKind.EXCLUDED_POSTS in kinds_of(done.plan.findings)
    assert not world.check().clean


def test_withheld_duty_is_not_granted(world: World) -> None:
    """A duty that an entitled administrator took away is not given back by any source."""
    staff_no = world.hire(VILLAGE)
    world.issue_and_sync()
    taken = Withholding(
        person=world.person(staff_no).id,
        post=PostId("operator"),
        area=OrgCode("140902"),
        actor="sx0000001",
        at=world.clock(),
        reason="业务调整",
    )
    with world.context.database.transaction() as connection:
        row = withholding_row(sign_withholding(world.context.keyring, taken))
        connection.execute(insert(tables.withholding).values(row))
    done = world.issue_and_sync()
    assert world.duties(staff_no) == set()
    assert world.user(staff_no).enabled
    assert FindingKind.WITHHELD in kinds_of(done.plan.findings)
    assert world.issue_and_sync().plan.empty


def test_stored_hold_holds_whatever_the_sources_say(world: World) -> None:
    """A hold that no source made is not lifted by one, nor by the console."""
    staff_no = world.hire(VILLAGE)
    world.issue_and_sync()
    row = {
        "person_id": world.person(staff_no).id,
        "kind": HoldKind.FROZEN,
        "since": world.clock().date(),
        "reason": "账号泄露",
        "origin": "form:1",
    }
    with world.context.database.transaction() as connection:
        connection.execute(insert(tables.hold).values(row))
    world.sync()
    assert not world.user(staff_no).enabled
    switch_off(world, staff_no, enabled=True)
    world.sync()
    assert not world.user(staff_no).enabled


def test_bank_branch_is_served_by_its_county(world: World) -> None:
    """People of a bank branch are operators of the county that the branch lies in."""
    staff_no = world.hire(BANK, employment="合作银行人员")
    world.issue_and_sync()
    assert world.paths(staff_no) == {
        "/机构/14-山西省/1409-忻州市/140902-忻府区/140902Y01-合作银行第一营业网点",
        "/岗位/140902-忻府区/业务操作员",
    }


def test_township_of_a_city_without_counties(world: World) -> None:
    """Where no county lies between, the city has the duty groups that its townships need."""
    world.add_unit("140901001", "开发区街道", OrgKind.TOWNSHIP, "1409")
    staff_no = world.hire("140901001")
    world.issue_and_sync()
    assert "/岗位/1409-忻州市/业务操作员" in world.paths(staff_no)
    assert world.sync().plan.empty


def test_person_without_post_has_an_account_and_no_duty(world: World) -> None:
    """A row without a post is a person of the organisation who may log in and do nothing."""
    staff_no = world.hire(OTHER_BUREAU, "")
    world.issue_and_sync()
    assert world.user(staff_no).enabled
    assert world.duties(staff_no) == set()


def test_last_administrator_is_kept(world: World) -> None:
    """The last 系统管理员 of a county keeps the office until there is another; nothing is added to it."""
    staff_no = world.hire(BUREAU, "系统管理员")
    world.issue_and_sync()
    world.approve()
    world.sync()
    world.change(staff_no, post="经办人员")
    done = world.issue_and_sync()
    assert FindingKind.LAST_ADMINISTRATOR in kinds_of(done.plan.findings)
    assert world.duties(staff_no) == {"系统管理员"}, "an administrator never has a business duty as well"
    assert world.sync().plan.empty

    successor = world.hire(BUREAU, "系统管理员")
    world.issue_and_sync()
    world.approve()
    world.sync()
    world.sync()
    assert world.duties(successor) == {"系统管理员"}
    assert world.duties(staff_no) == {"经办人员"}


def test_one_of_two_leaving_administrators_is_kept(world: World) -> None:
    """When all administrators of a kind leave at once, one of them stays."""
    both = [world.hire(BUREAU, "系统管理员") for _ in range(2)]
    world.issue_and_sync()
    world.approve()
    world.sync()
    for staff_no in both:
        world.change(staff_no, status="调出", status_from="2026-03-01")
    world.issue_and_sync()
    assert [world.duties(staff_no) for staff_no in both].count({"系统管理员"}) == 1
    assert not any(world.user(staff_no).enabled for staff_no in both)
    assert world.sync().plan.empty
