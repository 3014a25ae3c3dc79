"""Waivers from being asked for to their end: who may, what they let through, what stays forbidden."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import update

from fixtures.fake_guard import install_guard
from fixtures.identities import a_mint
from fixtures.lenient import (
    CONTROL,
    ELSEWHERE,
    END,
    FIRM,
    ONE_ADMIN,
    PAIR,
    REASON,
    ask,
    hire_both,
    lenient,
)
from fixtures.world import BUREAU, FOUNDERS, OTHER_BUREAU, World, kinds_of
from quanheng.errors import ConfigurationError, QuanhengError, RefusedError
from quanheng.model.finding import FindingKind
from quanheng.model.ids import PostId
from quanheng.model.person import ProposalKind
from quanheng.operations.waivers import WaiverState, note_ended_waivers, read_waivers
from quanheng.operations.waiving import ask_waiver, prepare_waiver
from quanheng.store import tables

FIRST, SECOND = FOUNDERS[PostId("system_admin")], FOUNDERS[PostId("business_admin")]
BOTH = {"经办人员", "业务操作员"}


@pytest.fixture
def free(world: World) -> World:
    """A world with rules that may be waived."""
    return lenient(world)


def states(world: World) -> list[WaiverState]:
    """States of all waivers."""
    return [line.state for line in read_waivers(world.context)]


def county_admin(world: World, org: str) -> str:
    """A system administrator of a county, duly made."""
    staff_no = world.hire(org, "系统管理员")
    world.issue_and_sync()
    world.approve(by=FIRST)
    world.sync()
    return staff_no


def test_a_waiver_counts_from_approval_to_its_last_day(free: World) -> None:
    """Neither post before, both while it counts, neither after; nobody has to do anything at its end."""
    who = hire_both(free)
    free.issue_and_sync()
    assert free.duties(who) == set()
    proposal = ask(free, who, by=FIRST)
    free.sync()
    assert (free.duties(who), states(free)) == (set(), [WaiverState.OPEN])
    free.approve(proposal.key, by=SECOND)
    free.sync()
    assert (free.duties(who), states(free)) == (BOTH, [WaiverState.IN_FORCE])
    free.clock.now = free.clock.now.replace(month=6, day=30, hour=15, minute=59)
    free.issue_and_sync()
    assert free.duties(who) == BOTH
    free.pass_time(minutes=1)  # midnight in China
    free.sync()
    assert (free.duties(who), states(free)) == (set(), [WaiverState.ENDED])


def test_the_ledger_tells_request_approval_and_end(free: World) -> None:
    """With rule, reason, measure, and both people; the end once, however often it is looked for."""
    who = hire_both(free)
    free.issue_and_sync()
    proposal = ask(free, who, by=FIRST)
    free.approve(proposal.key, by=SECOND)
    asked = json.loads(free.ledger("waiver_requested")[0].body)
    first, second = free.user(FIRST).username, free.user(SECOND).username
    assert asked["key"] == proposal.key
    assert (asked["user"], asked["rule"], asked["article"]) == (free.user(who).username, PAIR, "S5")
    assert (asked["reason"], asked["control"], asked["until"]) == (REASON, CONTROL, "2026-06-30")
    assert asked["asked_by"] == first
    approved = [json.loads(row.body) for row in free.ledger("proposal_approved")]
    assert [item["by"] for item in approved if item["key"] == proposal.key] == [second]
    free.pass_time(days=200)
    free.issue_and_sync()
    free.sync()
    ended = [json.loads(row.body) for row in free.ledger("waiver_ended")]
    assert [(item["key"], item["until"]) for item in ended] == [(proposal.key, "2026-06-30")]
    assert free.verify_ledger().entries == len(free.ledger())


def test_the_guard_gets_a_waiver_when_it_was_approved(free: World) -> None:
    """With the person's account, the rule and the last day; not before a second person agreed."""
    who = hire_both(free)
    free.issue_and_sync()
    guard = install_guard(free.fake, free.settings.keys_directory)
    proposal = ask(free, who, by=FIRST)
    free.sync()
    assert guard.rules is not None
    assert json.loads(guard.rules.payload)["waivers"] == []
    free.approve(proposal.key, by=SECOND)
    free.sync()
    assert json.loads(guard.rules.payload)["waivers"] == [
        {"user": free.user(who).id, "rule": PAIR, "until": "2026-06-30"}
    ]


def test_who_asked_does_not_approve(free: World) -> None:
    """Two people, as with everything else that a second person decides."""
    who = hire_both(free)
    free.issue_and_sync()
    proposal = ask(free, who, by=FIRST)
    with pytest.raises(RefusedError, match="the same person made it"):
        free.approve(proposal.key, by=FIRST)
    assert states(free) == [WaiverState.OPEN]


def test_nobody_approves_for_oneself(free: World) -> None:
    """Known by person: a new staff number changes nothing."""
    free.issue_and_sync()
    proposal = ask(free, SECOND, by=FIRST)
    with pytest.raises(RefusedError, match="the same person"):
        free.approve(proposal.key, by=SECOND)
    free.change(SECOND, staff_no="P00009")
    free.issue_and_sync()
    with pytest.raises(RefusedError, match="the same person"):
        free.approve(proposal.key, by="P00009")


def test_another_county_does_not_approve(free: World) -> None:
    """The county's own administrator may, another county's may not, and a handler never."""
    who = hire_both(free)
    handler = free.hire(BUREAU, "经办人员")
    own, other = county_admin(free, BUREAU), county_admin(free, OTHER_BUREAU)
    proposal = ask(free, who, by=FIRST)
    for by in (other, handler):
        with pytest.raises(RefusedError, match="another area's"):
            free.approve(proposal.key, by=by)
    free.approve(proposal.key, by=own)
    assert states(free) == [WaiverState.IN_FORCE]


def test_a_rule_about_administrators_is_waived_by_the_level_above(free: World) -> None:
    """A county's administrator does not let a colleague in; with the province's word there are two."""
    own = county_admin(free, BUREAU)
    colleague = county_admin(free, BUREAU)
    assert free.duties(colleague) == set()
    proposal = ask(free, colleague, by=SECOND, rule=ONE_ADMIN)
    with pytest.raises(RefusedError, match="ask the level above"):
        free.approve(proposal.key, by=own)
    free.approve(proposal.key, by=FIRST)
    free.sync()
    assert free.duties(own) == free.duties(colleague) == {"系统管理员"}


def test_a_rejected_waiver_does_not_count_and_is_not_asked_for_again(free: World) -> None:
    """The very same is refused; with another end it is another one."""
    who = hire_both(free)
    free.issue_and_sync()
    proposal = ask(free, who, by=FIRST)
    free.approve(proposal.key, by=SECOND, approve=False)
    free.sync()
    assert (free.duties(who), states(free)) == (set(), [WaiverState.REJECTED])
    with pytest.raises(RefusedError, match="rejected"):
        ask(free, who, by=FIRST)
    ask(free, who, by=FIRST, until=END - timedelta(days=1))
    assert sorted(states(free)) == [WaiverState.OPEN, WaiverState.REJECTED]


def test_what_nobody_decided_in_time_lapses(free: World) -> None:
    """Its day passes; nothing has ended, since nothing began."""
    who = hire_both(free)
    free.issue_and_sync()
    ask(free, who, by=FIRST)
    free.pass_time(days=200)
    assert states(free) == [WaiverState.LAPSED]
    with free.context.database.transaction() as connection:
        assert note_ended_waivers(free.context, connection) == 0


@pytest.mark.parametrize("column", ["until", "rule", "reason"])
def test_a_waiver_changed_in_the_store_does_not_count(free: World, column: str) -> None:
    """Its key says all of it: a later day under the same approval is a forgery, and told."""
    who = hire_both(free)
    free.issue_and_sync()
    free.approve(ask(free, who, by=FIRST).key, by=SECOND)
    free.sync()
    value = date(2036, 6, 30) if column == "until" else ELSEWHERE
    with free.context.database.transaction() as connection:
        connection.execute(update(tables.waiver).values({column: value}))
    done = free.sync()
    assert FindingKind.FORGED_DECISION in kinds_of(done.plan.findings)
    assert free.duties(who) == set()


def test_a_waiver_changed_before_approval_is_not_approved(free: World) -> None:
    """Who approves would not know what."""
    who = hire_both(free)
    free.issue_and_sync()
    proposal = ask(free, who, by=FIRST)
    with free.context.database.transaction() as connection:
        connection.execute(update(tables.waiver).values(until=date(2026, 12, 31)))
    with pytest.raises(RefusedError, match="not as it was asked for"):
        free.approve(proposal.key, by=SECOND)


def test_asking_changes_no_plan(free: World) -> None:
    """A plan that waits for approval stays the one that would be made now."""
    who = hire_both(free)
    free.issue_and_sync()
    before = free.registry().revision
    proposal = ask(free, who, by=FIRST)
    assert free.registry().revision == before
    assert proposal.kind is ProposalKind.WAIVER
    assert free.proposals() == (proposal,)


YEAR = date(2027, 3, 2)


@pytest.mark.parametrize(
    ("changes", "error", "told"),
    [
        ({"rule_id": FIRM}, RefusedError, r"S3\) may not be waived"),
        ({"rule_id": "s3-has-operator"}, RefusedError, "only reported"),
        ({"rule_id": "no-such-rule"}, ConfigurationError, f"no rule 'no-such-rule'.*{PAIR}"),
        ({"rule_id": ELSEWHERE}, RefusedError, "does not apply in 140902"),
        ({"until": date(2026, 3, 1)}, RefusedError, "is past"),
        ({"until": YEAR + timedelta(days=1)}, RefusedError, "more than a year ahead.*2027-03-02"),
        ({"reason": "  急 "}, RefusedError, "the reason of a waiver"),
        ({"control": ""}, RefusedError, "the control of a waiver"),
        ({"control": "字" * 501}, RefusedError, "4 to 500"),
        ({"reason": f"请致电{a_mint().phone()}核实"}, RefusedError, "ID number or a phone"),
        ({"who": a_mint().resident_number()}, RefusedError, "nobody is looked up by an ID number"),
        ({"who": "sx9999999"}, ConfigurationError, "nobody is called sx9999999"),
        ({"who": "service-account-reports"}, RefusedError, "not an account of a person"),
    ],
)
def test_what_may_not_be_asked_for(
    free: World, changes: dict[str, object], error: type[QuanhengError], told: str
) -> None:
    """Refused with the article or the limit, and nothing is written down."""
    who = hire_both(free)
    free.issue_and_sync()
    free.console.tamper_service_account("reports")
    values: dict[str, object] = {
        "who": who,
        "rule_id": PAIR,
        "reason": REASON,
        "control": CONTROL,
        "until": END,
        **changes,
    }
    with pytest.raises(error, match=told):
        prepare_waiver(free.context, **values)  # type: ignore[arg-type]
    assert read_waivers(free.context) == ()


def test_today_and_a_year_from_today_are_possible(free: World) -> None:
    """Both days included, counted in China."""
    who = hire_both(free)
    free.issue_and_sync()
    free.clock.now = free.clock.now.replace(hour=16)  # 3 March there
    for until in (date(2026, 3, 3), date(2027, 3, 3)):
        asked = prepare_waiver(free.context, who, PAIR, reason=REASON, control=CONTROL, until=until)
        assert asked.waiver.until == until


def test_a_wrong_clock_sets_no_end(free: World) -> None:
    """Ten minutes away from Keycloak's, this machine may be wrong about the day as well."""
    who = hire_both(free)
    free.issue_and_sync()
    late = free.open(clock=lambda: free.clock() + timedelta(minutes=10))
    with pytest.raises(ConfigurationError, match="differ by 10 minutes"):
        prepare_waiver(late, who, PAIR, reason=REASON, control=CONTROL, until=END)


def test_who_has_left_or_has_no_account_needs_none(free: World) -> None:
    """There is nothing to be waived."""
    who = hire_both(free)
    free.issue_and_sync()
    free.change(who, status="退休")
    free.issue_and_sync()
    with pytest.raises(RefusedError, match="has left"):
        ask(free, who, by=FIRST)


@pytest.mark.parametrize("subject", ["", "somebody-elses-id"])
def test_who_asks_is_an_enabled_person_of_the_registry(free: World, subject: str) -> None:
    """Whoever logged in as somebody else, or was switched off since, asks for nothing."""
    who = hire_both(free)
    free.issue_and_sync()
    asked = prepare_waiver(free.context, who, PAIR, reason=REASON, control=CONTROL, until=END)
    user = free.user(FIRST)
    free.console.update_user(
        user.id, username=user.username, enabled=bool(subject), name=user.name, attributes=user.attributes
    )

    person = replace(free.login(FIRST), subject=subject or user.id)
    with pytest.raises(RefusedError, match="not an enabled account"):
        ask_waiver(free.context, asked, person)
