"""Leavers, absences, transfers: what a row does at once, what follows by form, and what undoes it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import delete, insert, select

from fixtures.lenient import Typist
from fixtures.world import BUREAU, OTHER_BUREAU, OTHER_VILLAGE, PROVINCE_BUREAU, VILLAGE, World, kinds_of
from quanheng.clock import day_in_china
from quanheng.config import SafetySettings
from quanheng.engine.following import FOLLOWUPS, person_of_followup
from quanheng.engine.holds import DEREGISTERED
from quanheng.engine.proposal_keys import proposal_key
from quanheng.errors import UnsafePlanError
from quanheng.model.finding import FindingKind
from quanheng.model.ids import StaffNo
from quanheng.model.person import HoldKind, Proposal, ProposalKind, ProposalState
from quanheng.model.staff import Reason
from quanheng.operations.synchronise import apply_digest, plan_only
from quanheng.store import tables

NEVER_CALLED_SO = ("接受调查", "investigation")


@pytest.fixture
def clerk(world: World) -> StaffNo:
    """A clerk of the county's bureau who has an account, among so many that a feed without has not shrunk."""
    staff_no = world.hire(BUREAU, "经办人员")
    for _ in range(10):
        world.hire(OTHER_VILLAGE)
    world.issue_and_sync()
    return staff_no


def followups(world: World) -> list[Proposal]:
    """What waits and follows from facts."""
    return [item for item in world.proposals() if item.kind in FOLLOWUPS]


def states(world: World) -> list[tuple[ProposalKind, ProposalState]]:
    """Everything that ever followed from facts."""
    found = world.registry().proposals.values()
    return sorted((item.kind, item.state) for item in found if item.kind in FOLLOWUPS)


def hold(world: World, staff_no: str, kind: HoldKind, origin: str) -> None:
    """A hold that no source says."""
    row = {
        "person_id": world.person(staff_no).id,
        "kind": kind,
        "since": day_in_china(world.clock()),
        "reason": "见申请",
        "origin": origin,
    }
    with world.context.database.transaction() as connection:
        connection.execute(insert(tables.hold).values(row))


def lift(world: World, staff_no: str) -> None:
    """Take somebody's stored holds away."""
    with world.context.database.transaction() as connection:
        connection.execute(delete(tables.hold).where(tables.hold.c.person_id == world.person(staff_no).id))


@contextmanager
def watched(world: World, staff_no: str) -> Iterator[list[set[str]]]:
    """Somebody's duties with their areas after each call to Keycloak, as often as they change."""
    seen: list[set[str]] = []

    def look(_: str) -> None:
        duties = {path for path in world.paths(staff_no) if path.startswith(("/岗位", "/管理员"))}
        if not seen or seen[-1] != duties:
            seen.append(duties)

    world.fake.after_call = look
    try:
        yield seen
    finally:
        world.fake.after_call = None


# What follows


@pytest.mark.parametrize("status", ["退休", "调出", "离职", "死亡"])
def test_a_leaver_is_off_at_once_and_asked_about(world: World, clerk: StaffNo, status: str) -> None:
    """One proposal however often it is read; the source's correction takes it back and gives all back."""
    before = world.user(clerk)
    world.change(clerk, status=status, status_from="2026-03-01")
    for _ in range(2):
        world.issue_and_sync()
        assert not world.user(clerk).enabled
        assert world.duties(clerk) == set()
        (asked,) = followups(world)
        assert (asked.kind, asked.subject, asked.area) == (ProposalKind.DEREGISTER, clerk, "140902")
        assert person_of_followup(world.registry(), world.pack, asked) == world.person(clerk).id
        assert status in asked.summary
    world.change(clerk, status="在职", status_from="")
    world.issue_and_sync()
    assert world.user(clerk) == before
    assert states(world) == [(ProposalKind.DEREGISTER, ProposalState.WITHDRAWN)]


def test_approved_withholding_lasts_as_long_as_the_leave(world: World, clerk: StaffNo) -> None:
    """Held at once, the duty stays; approved, it goes; back from leave it is there again by itself."""
    before = world.user(clerk)
    world.change(clerk, status="病假", status_from="2026-03-02", status_to="2026-06-02")
    world.issue_and_sync()
    assert world.duties(clerk) == {"经办人员"}
    assert not world.user(clerk).enabled
    world.approve()
    done = world.sync()
    assert world.duties(clerk) == set()
    assert FindingKind.WITHHELD in kinds_of(done.plan.findings)
    again = world.issue_and_sync()
    assert again.plan.empty
    assert again.plan.delta.proposals == ()
    assert not world.user(clerk).enabled
    world.pass_time(days=95)  # no new issue: the leave has ended by its own last day
    world.sync()
    assert world.user(clerk) == before
    assert states(world) == [(ProposalKind.WITHHOLD, ProposalState.WITHDRAWN)]
    (entry,) = world.ledger("proposal_withdrawn")
    assert json.loads(entry.body)["kind"] == "withhold"
    assert world.sync().plan.empty


def test_an_approval_that_ended_does_not_serve_the_next_leave(world: World, clerk: StaffNo) -> None:
    """The same words later are asked about anew, and nothing is taken before somebody approves."""
    for _ in range(2):
        world.change(clerk, status="接受调查", status_from="2026-03-01")
        world.issue_and_sync()
        assert world.duties(clerk) == {"经办人员"}
        world.approve()
        world.sync()
        assert world.duties(clerk) == set()
        world.change(clerk, status="在职", status_from="")
        world.issue_and_sync()
        assert world.duties(clerk) == {"经办人员"}
        assert world.user(clerk).enabled


def test_an_administrator_comes_back_from_leave(world: World) -> None:
    """Withheld and given back without a second approval of the office; a colleague is there meanwhile."""
    first, second = (world.hire(PROVINCE_BUREAU, "系统管理员") for _ in range(2))  # which may have several
    world.issue_and_sync()
    world.approve()
    world.sync()
    world.change(first, status="产假", status_from="2026-03-02")
    world.issue_and_sync()
    world.approve()
    world.sync()
    assert (world.duties(first), world.duties(second)) == (set(), {"系统管理员"})
    assert world.sync().plan.delta.proposals == ()
    world.change(first, status="在职", status_from="")
    world.issue_and_sync()
    assert world.proposals() == ()
    assert world.duties(first) == {"系统管理员"}
    assert world.user(first).enabled


def test_rules_broken_meanwhile_are_judged_on_return(world: World, clerk: StaffNo) -> None:
    """Somebody who comes back to two posts that exclude each other gets neither."""
    world.change(clerk, status="病假", status_from="2026-03-02")
    world.issue_and_sync()
    world.approve()
    world.sync()
    world.change(clerk, status="在职", status_from="")
    world.also(clerk, post="系统管理员")
    world.issue_and_sync()
    world.approve()
    done = world.sync()
    assert world.duties(clerk) == set()
    assert FindingKind.EXCLUDED_POSTS in kinds_of(done.plan.findings)


def test_missing_is_a_leaver_after_the_grace_alone(world: World, clerk: StaffNo) -> None:
    """Asked about when the complete rolls' grace is over, of the county that it was in."""
    world.drop(clerk)
    for day in range(8):
        world.pass_time(days=1)
        world.issue_and_sync()
        assert len(followups(world)) == (day == 7), day
    (asked,) = followups(world)
    assert (asked.kind, asked.area) == (ProposalKind.DEREGISTER, "140902")
    assert person_of_followup(world.registry(), world.pack, asked) == world.person(clerk).id
    world.pass_time(days=1)
    world.issue_and_sync()
    assert [item.key for item in followups(world)] == [asked.key]


@pytest.mark.parametrize("way", ["empty", "shrunken", "delta"])
def test_missing_from_a_doubtful_feed_is_no_leaver(world: World, way: str) -> None:
    """Empty, shrunken or a delta: for months nobody is disabled, and nobody is asked about."""
    staff = [world.hire(VILLAGE) for _ in range(20)]
    world.issue_and_sync()
    kept = {"empty": 0, "shrunken": 8, "delta": 1}[way]
    rows = world.people[:kept]
    for _ in range(4):
        world.pass_time(days=30)
        done = world.issue_and_sync(people=rows, mode="delta" if way == "delta" else "snapshot")
        assert done.plan.empty
    assert all(world.user(staff_no).enabled for staff_no in staff)
    assert states(world) == []


def test_a_leaver_without_account_is_not_asked_about(world: World) -> None:
    """Somebody retired when first heard of has nothing to lose."""
    world.hire(BUREAU, "经办人员", status="退休", status_from="2026-01-01")
    world.issue_and_sync()
    assert followups(world) == []


# A leave that grows


def test_a_leave_told_month_by_month_is_held_when_it_is_three(world: World, clerk: StaffNo) -> None:
    """The store hands its first day on; a month of work between begins anew."""
    months = (
        ("2026-03-02", "2026-03-31"),
        ("2026-04-01", "2026-04-30"),
        ("2026-05-01", "2026-05-31"),
        ("2026-06-01", "2026-06-30"),
    )
    enabled = []
    for start, end in months:
        world.clock.now = datetime.fromisoformat(f"{start}T04:00:00+00:00")
        world.change(clerk, status="病假", status_from=start, status_to=end)
        world.issue_and_sync()
        assert world.issue_and_sync().plan.delta.claims_put == ()
        enabled.append(world.user(clerk).enabled)
    assert enabled == [True, True, True, False]
    (asked,) = followups(world)
    assert "自 2026-03-02 起病假" in asked.summary
    world.clock.now = datetime(2026, 7, 1, 4, tzinfo=UTC)
    world.change(clerk, status="在职", status_from="", status_to="")
    world.issue_and_sync()
    world.change(clerk, status="病假", status_from="2026-07-02", status_to="2026-07-31")
    world.clock.now = datetime(2026, 7, 2, 4, tzinfo=UTC)
    world.issue_and_sync()
    assert world.user(clerk).enabled


# Transfers


def test_old_duties_go_before_new_ones_come(world: World, clerk: StaffNo) -> None:
    """Another post in the same county: between the two there is a moment without any."""
    world.change(clerk, org=VILLAGE, post="业务操作员")
    world.issue()
    with watched(world, clerk) as seen:
        world.sync()
    assert seen == [{"/岗位/140902-忻府区/经办人员"}, set(), {"/岗位/140902-忻府区/业务操作员"}]


def test_transfer_to_another_county(world: World, clerk: StaffNo) -> None:
    """The old county's duty goes first, then the account moves, then the new county's duty comes."""
    world.change(clerk, org=OTHER_BUREAU)
    world.issue()
    with watched(world, clerk) as seen:
        done = world.sync()
    assert seen == [{"/岗位/140902-忻府区/经办人员"}, set(), {"/岗位/140921-定襄县/经办人员"}]
    assert [change.kind for change in done.plan.changes] == ["revoke", "move", "update", "grant"]


def test_a_frozen_person_is_transferred_and_stays_frozen(world: World, clerk: StaffNo) -> None:
    """Moved, the new duty alone, still off; lifted, it is on with that."""
    hold(world, clerk, HoldKind.FROZEN, "freeze:os:operator@test")
    world.sync()
    world.change(clerk, org=OTHER_VILLAGE, post="业务操作员")
    world.issue_and_sync()
    assert not world.user(clerk).enabled
    assert world.duties(clerk) == {"业务操作员"}
    assert not any("140902" in path for path in world.paths(clerk))
    assert world.issue_and_sync().plan.empty
    lift(world, clerk)
    world.sync()
    assert world.user(clerk).enabled


def test_a_withheld_person_is_transferred_without_duties(world: World, clerk: StaffNo) -> None:
    """Withheld while on leave, somebody moves with nothing, and gets the new duty on return."""
    world.change(clerk, status="病假", status_from="2026-03-02")
    world.issue_and_sync()
    world.approve()
    world.sync()
    world.change(clerk, org=OTHER_BUREAU)
    world.issue_and_sync()
    assert world.duties(clerk) == set()
    assert "/机构/14-山西省/1409-忻州市/140921-定襄县/140921000-局机关" in world.paths(clerk)
    world.change(clerk, status="在职", status_from="")
    world.issue_and_sync()
    assert world.duties(clerk) == {"经办人员"}
    assert "/岗位/140921-定襄县/经办人员" in world.paths(clerk)


# Coming back


@pytest.mark.parametrize("left", ["retired", "missing"])
@pytest.mark.parametrize("done", [False, True], ids=["asked", "deregistered"])
def test_back_under_a_new_staff_number(world: World, clerk: StaffNo, left: str, done: bool) -> None:
    """The same account: on again, or off and empty until what was approved as 注销 is lifted."""
    row, account = world.row(clerk), world.user(clerk)
    if left == "retired":
        world.change(clerk, status="退休", status_from="2026-03-01")
    else:
        world.drop(clerk)
    world.issue_and_sync()
    world.pass_time(days=8)
    world.issue_and_sync()
    assert len(followups(world)) == 1
    if done:
        hold(world, clerk, HoldKind.LEFT, f"{DEREGISTERED}:{followups(world)[0].key[:12]}")
    world.drop(clerk)
    world.hire(BUREAU, "经办人员", staff_no="N00009", document_number=row.document_number, name=row.name)
    world.issue_and_sync()
    now = world.user("N00009")
    assert (now.id, now.username) == (account.id, account.username)
    assert followups(world) == []
    assert now.enabled is not done
    assert world.duties("N00009") == (set() if done else {"经办人员"})
    assert ("/资格/正式在编" in world.paths("N00009")) is not done
    assert world.issue_and_sync().plan.empty
    lift(world, "N00009")
    world.sync()
    assert world.user("N00009").enabled
    assert world.duties("N00009") == {"经办人员"}


def test_deregistered_is_not_asked_about_again(world: World, clerk: StaffNo) -> None:
    """While the 注销 stands nothing more follows from the row."""
    hold(world, clerk, HoldKind.LEFT, f"{DEREGISTERED}:0123456789ab")
    world.change(clerk, status="死亡", status_from="2026-03-01")
    world.issue_and_sync()
    assert states(world) == []
    assert not world.user(clerk).enabled


# Bad input


def test_everybody_retired_changes_nothing_and_asks(make_world: Callable[..., World]) -> None:
    """Safety stops it before the first write: no account off, no row kept, no 注销 asked about; one question.

    Approved all the same, everybody is off and each 注销 is asked about.
    """
    world = make_world(safety=SafetySettings())
    staff = [world.hire(VILLAGE) for _ in range(40)]
    world.issue_and_sync()
    before = world.registry()
    for staff_no in staff:
        world.change(staff_no, status="退休", status_from="2026-03-01")
    world.issue()
    world.fake.calls.clear()
    for _ in range(2):
        with pytest.raises(UnsafePlanError, match="disable: 40 of 42"):
            world.sync()
    assert world.fake.writes == 0
    assert all(user.enabled for user in world.users().values())
    after = world.registry()
    assert (after.claims, after.holds, after.sources) == (before.claims, before.holds, before.sources)
    assert [item.kind for item in world.proposals()] == [ProposalKind.UNSAFE_PLAN]
    digest = plan_only(world.context).plan.digest
    world.approve()
    apply_digest(world.context, digest)
    assert not any(world.user(staff_no).enabled for staff_no in staff)
    assert len(followups(world)) == 40


def test_a_return_before_the_start_is_not_believed(world: World, clerk: StaffNo) -> None:
    """The row waits in quarantine with file, row, field and remedy; the person keeps what it had."""
    world.change(clerk, status="病假", status_from="2026-03-02", status_to="2026-06-30")
    world.issue_and_sync()
    before = world.user(clerk)
    world.change(clerk, status_from="2026-06-30", status_to="2026-03-02")
    done = world.issue_and_sync()
    assert done.plan.empty
    assert done.plan.sources[0].rejected == {Reason.BAD_DATE: 1}
    assert world.user(clerk) == before
    with world.context.database.reading() as connection:
        (bad,) = connection.execute(select(tables.quarantine)).all()
    number = [row.staff_no for row in world.people].index(clerk) + 2  # after the titles
    assert (bad.locator, bad.field) == (f"people.csv:{number}", "状态截止日期")
    assert "由报送单位更正" in bad.remedy
    assert [item.kind for item in followups(world)] == [ProposalKind.WITHHOLD]


def test_leave_beside_an_investigation(make_world: Callable[..., World]) -> None:
    """One from each source: both hold, both are asked about; the end of one ends nothing of the other."""
    world = make_world(sources=("hr", "ldap"))
    staff_no = world.hire(BUREAU, "经办人员")
    world.also(staff_no, source="ldap")
    world.issue("hr")
    world.issue_and_sync("ldap")
    world.change(staff_no, source="hr", status="病假", status_from="2026-03-01", status_to="2026-07-01")
    world.change(staff_no, source="ldap", status="接受调查", status_from="2026-03-02")
    world.issue("hr")
    world.issue_and_sync("ldap")
    assert len(followups(world)) == 2
    world.approve()
    world.sync()
    assert world.duties(staff_no) == set()
    world.clock.now = datetime(2026, 7, 2, 4, tzinfo=UTC)
    world.sync()
    assert not world.user(staff_no).enabled
    assert world.duties(staff_no) == set()
    assert {state for _, state in states(world)} == {ProposalState.APPROVED, ProposalState.WITHDRAWN}
    world.change(staff_no, source="ldap", status="在职", status_from="")
    world.issue_and_sync("ldap")
    assert world.user(staff_no).enabled
    assert world.duties(staff_no) == {"经办人员"}


def test_two_rows_at_two_posts(world: World, clerk: StaffNo) -> None:
    """On leave from one post, under investigation at another: both hold until both are over."""
    world.change(clerk, status="病假", status_from="2026-03-01", status_to="2026-07-01")
    world.also(clerk, org=VILLAGE, post="业务操作员", status="接受调查", status_to="")
    world.issue_and_sync()
    assert {item.kind for item in followups(world)} == {ProposalKind.WITHHOLD}
    assert len(followups(world)) == 2
    world.people[-1] = replace(world.people[-1], status="在职", status_from="")
    world.issue_and_sync()
    assert not world.user(clerk).enabled
    assert len(followups(world)) == 1


def test_two_rows_of_one_post_are_a_contradiction(world: World, clerk: StaffNo) -> None:
    """Which is right nobody guesses: both wait in quarantine, and what was known stays."""
    world.change(clerk, status="病假", status_from="2026-03-01")
    world.issue_and_sync()
    world.also(clerk, status="接受调查")
    done = world.issue_and_sync()
    assert done.plan.empty
    assert done.plan.sources[0].rejected == {Reason.CONFLICTING_ROWS: 2}
    assert not world.user(clerk).enabled


# What may be read


def test_nothing_written_down_tells_of_an_investigation(world: World, clerk: StaffNo) -> None:
    """Not the plan, nor the ledger, nor what waits: they read like a freeze."""
    world.change(clerk, status="接受调查", status_from="2026-03-01")
    newcomer = world.hire(BUREAU, "经办人员", status="接受调查")
    done = world.issue_and_sync()
    world.approve()
    after = world.sync()
    assert world.duties(clerk) == set()
    told = [
        repr((done.plan.changes, done.plan.findings, after.plan.changes, after.plan.findings)),
        repr([(item.kind, item.subject, item.detail) for item in world.check().findings]),
        repr([(entry.kind, entry.body) for entry in world.ledger()]),
        repr(list(world.registry().proposals.values())),
    ]
    for word in NEVER_CALLED_SO:
        assert not any(word in text for text in told), word
    assert "暂停使用" in told[0]
    assert not world.user(newcomer).enabled


def test_no_key_proves_an_investigation(world: World, clerk: StaffNo) -> None:
    """Whoever knows the person and guesses the day finds the key of what waits; not by that word."""
    world.change(clerk, status="接受调查", status_from="2026-03-01")
    world.issue_and_sync()
    (waits,) = followups(world)
    person = world.person(clerk).id
    keys = [proposal_key(ProposalKind.WITHHOLD, person, kind, "2026-03-01") for kind in HoldKind]
    assert keys.index(waits.key) == list(HoldKind).index(HoldKind.FROZEN)


def test_no_command_tells_of_an_investigation(
    world: World, clerk: StaffNo, capsys: pytest.CaptureFixture[str]
) -> None:
    """``explain``, ``proposals``, ``plan`` and ``check``, in words and in JSON."""
    typist = Typist(world, capsys)
    world.change(clerk, status="接受调查", status_from="2026-03-01")
    world.issue()
    said = [typist.type("plan").out, typist.type("plan", "--format", "json").out]
    world.sync()
    for words in (["explain", clerk], ["proposals"], ["check"]):
        said += [typist.type(*words).out, typist.type(*words, "--format", "json").out]
    assert all(said)
    for word in NEVER_CALLED_SO:
        assert not [text for text in said if word in text], word
    assert "停用原因：暂停使用" in said[2]
    assert [item["kind"] for item in json.loads(said[3])["holds"]] == ["frozen"]
