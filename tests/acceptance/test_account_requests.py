"""Unlock, unfreeze, restore, exempt, deregister: one administrator asks, another decides, done at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from fixtures.asking import (
    CLERK,
    COLLEAGUE,
    KEEPER,
    OTHER_KEEPER,
    PROVINCE,
    REASON,
    ask,
    bodies,
    frozen,
    look,
    staffed,
    weeks,
)
from fixtures.identities import a_mint
from fixtures.life import Life
from fixtures.terms import night, put
from fixtures.watching import as_administrator
from fixtures.world import BUREAU, OTHER_VILLAGE, VILLAGE, World, kinds_of
from quanheng.clock import day_in_china
from quanheng.errors import ConfigurationError, QuanhengError, RefusedError, UnreachableError
from quanheng.model.finding import FindingKind
from quanheng.model.person import HoldKind, ProposalKind, ProposalState, RequestKind
from quanheng.operations.approve import decide_all
from quanheng.operations.lifecycle.history import take_in_history
from quanheng.operations.lifecycle.lifting import AccountNow, accounts_after
from quanheng.operations.lifecycle.requesting import ask_request, prepare_request
from quanheng.operations.trust import read_trusted
from quanheng.store import tables

SECOND = "P00002"
"""业务管理员 of the province."""
UNLOCK, UNFREEZE = RequestKind.UNLOCK, RequestKind.UNFREEZE
RESTORE, EXEMPT, DEREGISTER = RequestKind.RESTORE, RequestKind.EXEMPT, RequestKind.DEREGISTER


@pytest.fixture
def life(world: World) -> Life:
    """Administrators of two counties, and a clerk who is at work."""
    return staffed(world)


def locked(life: Life) -> None:
    """The clerk has not logged in for three months; the administrators have."""
    weeks(life, 14)
    assert life.holds(CLERK) == {HoldKind.INACTIVE}


def today(life: Life) -> date:
    """In China."""
    return day_in_china(life.world.clock())


def after(life: Life, key: str, *, by: str = KEEPER) -> AccountNow:
    """Approve something, and see how the account stands."""
    done = decide_all(life.context, [key], life.world.login(by), approve=True)
    (account,) = accounts_after(life.context, done.people)
    return account


def switch(life: Life, *, on: bool) -> None:
    """The county's 系统管理员 turns the clerk's switch in the console."""
    user = life.world.user(CLERK)
    as_administrator(life.world, KEEPER).update_user(
        user.id, username=user.username, enabled=on, name=user.name, attributes=user.attributes
    )


# Unlock


def test_unlocked_at_once_and_counted_anew(life: Life) -> None:
    """Nothing before the second person; then the account is on in the same moment, and it is not locked again
    the next night but three months later."""
    locked(life)
    proposal = ask(life, UNLOCK)
    assert (life.enabled(CLERK), proposal.kind, proposal.area) == (False, ProposalKind.REQUEST, "140902")
    now = after(life, proposal.key)
    name = life.world.user(CLERK).username
    assert (now, life.stored(CLERK)) == (AccountNow(username=name, enabled=True, why=""), [])
    assert life.enabled(CLERK)
    given = life.world.clock()
    query = select(tables.account.c.counts_from).where(
        tables.account.c.person_id == life.world.person(CLERK).id
    )
    with life.context.database.reading() as connection:
        assert connection.execute(query).scalar() == given
    weeks(life, 13)
    assert life.enabled(CLERK)
    weeks(life, 1)
    assert life.holds(CLERK) == {HoldKind.INACTIVE}


def test_a_history_does_not_undo_an_unlock(life: Life, tmp_path: Path) -> None:
    """Taken in again, it locks nobody anew who was given back, be it on the day that the account was made."""
    file = tmp_path / "history.csv"
    file.write_text(f"账号,系统,登录时间\n{CLERK},jiujinban,2025-11-01\n", encoding="utf-8")
    take_in_history(life.context, file)
    life.day()
    assert life.holds(CLERK) == {HoldKind.INACTIVE}
    after(life, ask(life, UNLOCK).key)
    take_in_history(life.context, file)
    life.world.pass_time(hours=2)
    life.day()
    assert life.enabled(CLERK)


def test_frozen_and_moved_to_another_county(life: Life) -> None:
    """The freeze moves along, and the other county decides now."""
    frozen(life)
    life.world.change(CLERK, org=OTHER_VILLAGE)
    life.world.issue_and_sync()
    assert (life.enabled(CLERK), life.holds(CLERK)) == (False, {HoldKind.FROZEN})
    asked = ask(life, UNFREEZE, by=SECOND)
    with pytest.raises(RefusedError, match="charge"):
        decide_all(life.context, [asked.key], life.world.login(KEEPER), approve=True)
    decide_all(life.context, [asked.key], life.world.login(OTHER_KEEPER), approve=True)
    assert life.enabled(CLERK)


def test_unlocked_when_the_console_was_quicker(life: Life) -> None:
    """Somebody has switched it on, and nobody has looked yet: it stays on, and counts from now; whoever
    switches it off in the console is heeded."""
    locked(life)
    proposal = ask(life, UNLOCK)
    switch(life, on=True)
    assert after(life, proposal.key).enabled
    weeks(life, 13)
    assert (life.enabled(CLERK), life.stored(CLERK)) == (True, [])
    switch(life, on=False)
    life.world.issue_and_sync()
    assert (life.enabled(CLERK), life.holds(CLERK)) == (False, {HoldKind.FROZEN})


def test_the_ledger_tells_who_asked_and_who_decided(life: Life) -> None:
    """With the reason and the hold; no name of the person in any of it."""
    locked(life)
    proposal = ask(life, UNLOCK)
    life.world.approve(proposal.key, by=KEEPER)
    names = {who: life.world.user(who).username for who in (CLERK, COLLEAGUE, KEEPER)}
    (asked,) = bodies(life, "account_requested")
    assert (asked["user"], asked["asked_by"], asked["request"]) == (names[CLERK], names[COLLEAGUE], "unlock")
    assert (asked["reason"], asked["key"]) == (REASON, proposal.key)
    (lifted,) = bodies(life, "hold_lifted")
    assert (lifted["kind"], lifted["request"]) == ("inactive", proposal.key)
    assert names[KEEPER] in [item["by"] for item in bodies(life, "proposal_approved")]
    assert life.world.person(CLERK).name not in str(bodies(life)) + proposal.summary
    assert names[CLERK] in proposal.summary
    assert REASON in proposal.summary
    assert life.world.verify_ledger().entries == len(life.world.ledger())


def test_what_else_holds_it_still_does(life: Life) -> None:
    """Locked and frozen: unlocking lifts one of both, and says what is left."""
    locked(life)
    frozen(life)
    now = after(life, ask(life, UNLOCK).key)
    assert (now.enabled, now.why, life.holds(CLERK)) == (False, "手机遗失，口令可能泄露", {HoldKind.FROZEN})
    assert not life.enabled(CLERK)
    assert after(life, ask(life, UNFREEZE).key).enabled
    assert life.enabled(CLERK)


def test_what_a_source_says_holds_it_too(life: Life) -> None:
    """Frozen and under investigation: nobody learns the second from the answer."""
    frozen(life)
    life.world.change(CLERK, status="接受调查", status_from="2026-03-01")
    life.world.issue_and_sync()
    now = after(life, ask(life, UNFREEZE).key)
    assert (now.enabled, now.why) == (False, "暂停使用")
    assert not life.enabled(CLERK)


def test_keycloak_is_away_when_it_is_approved(life: Life) -> None:
    """The decision stands, and the next look gives the account back."""
    frozen(life)
    look(life, 2)
    proposal = ask(life, UNFREEZE)
    person = life.world.login(KEEPER)

    def when(name: str) -> None:
        if name in ("update_user", "read_admin_events"):
            raise UnreachableError

    life.world.fake.before_call = when
    done = decide_all(life.context, [proposal.key], person, approve=True)
    assert [item.enabled for item in accounts_after(life.context, done.people)] == [False]
    life.world.fake.before_call = None
    assert (life.enabled(CLERK), life.stored(CLERK)) == (False, [])
    look(life)
    assert life.enabled(CLERK)


# Who


def test_who_asks_does_not_decide(life: Life) -> None:
    """Two people: the county's 系统管理员 who asks needs the province's."""
    frozen(life)
    proposal = ask(life, UNFREEZE, by=KEEPER)
    with pytest.raises(RefusedError, match="the same person made it"):
        life.world.approve(proposal.key, by=KEEPER)
    life.world.approve(proposal.key, by=PROVINCE)
    assert life.enabled(CLERK)


@pytest.mark.parametrize("by", [COLLEAGUE, OTHER_KEEPER, SECOND])
def test_who_has_no_charge_does_not_decide(life: Life, by: str) -> None:
    """Neither who keeps permissions, at whatever level, nor another county (S4, S5)."""
    frozen(life)
    proposal = ask(life, UNFREEZE, by=PROVINCE)
    with pytest.raises(RefusedError, match="no charge of accounts in 140902"):
        life.world.approve(proposal.key, by=by)
    assert life.holds(CLERK) == {HoldKind.FROZEN}


def test_who_may_ask(life: Life) -> None:
    """Administrators of that county or above; not another county's, nor somebody without an office."""
    frozen(life)
    handler = life.hire(BUREAU, "经办人员")
    life.world.issue_and_sync()
    for by in (OTHER_KEEPER, handler):
        with pytest.raises(RefusedError, match="no administrator of 140902"):
            ask(life, UNFREEZE, by=by)
    for number, by in enumerate((KEEPER, COLLEAGUE, PROVINCE, SECOND)):
        ask(life, UNFREEZE, by=by, reason=f"{REASON}（{number}）")
    assert len(bodies(life, "account_requested")) == 4


def test_nobody_asks_or_decides_for_oneself(life: Life) -> None:
    """Known by person, not by staff number."""
    with pytest.raises(RefusedError, match="may not ask for its own account"):
        ask(life, EXEMPT, KEEPER, by=KEEPER, until=today(life))
    proposal = ask(life, EXEMPT, PROVINCE, by=SECOND, until=today(life))
    life.world.change(PROVINCE, staff_no="P00009")
    life.world.issue_and_sync()
    with pytest.raises(RefusedError, match="it concerns the same person"):
        life.world.approve(proposal.key, by="P00009")


def test_an_administrator_is_decided_about_above(life: Life) -> None:
    """A county's 系统管理员 decides about no colleague there (S4)."""
    frozen(life, COLLEAGUE)
    proposal = ask(life, UNFREEZE, COLLEAGUE, by=SECOND)
    with pytest.raises(RefusedError, match="no charge of accounts"):
        life.world.approve(proposal.key, by=KEEPER)
    life.world.approve(proposal.key, by=PROVINCE)
    assert life.enabled(COLLEAGUE)


def test_at_the_top_a_counterpart_decides(life: Life) -> None:
    """Above the province there is nobody."""
    third = life.hire("140000000", "业务管理员")
    life.world.issue_and_sync()
    life.world.approve()
    life.world.sync()
    frozen(life, PROVINCE)
    proposal = ask(life, UNFREEZE, PROVINCE, by=third)
    life.world.approve(proposal.key, by=SECOND)
    assert life.enabled(PROVINCE)


def test_who_left_everything_is_the_tops_affair(life: Life) -> None:
    """Somebody whom no source names any more belongs nowhere."""
    proposal = ask(life, DEREGISTER)
    life.world.approve(proposal.key, by=KEEPER)
    mine = tables.claim.c.person_id == life.world.person(CLERK).id
    with life.context.database.transaction() as connection:
        connection.execute(delete(tables.claim).where(mine))
    with pytest.raises(RefusedError, match="no administrator of 14 "):
        ask(life, RESTORE, by=KEEPER)
    proposal = ask(life, RESTORE, by=SECOND)
    assert proposal.area == "14"
    life.world.approve(proposal.key, by=PROVINCE)
    assert HoldKind.LEFT not in life.holds(CLERK)


# The very hold


def test_lifted_and_set_anew_needs_another_request(life: Life) -> None:
    """A request for one freeze lifts no later one."""
    frozen(life)
    first, second = ask(life, UNFREEZE), ask(life, UNFREEZE, reason="手机已找回")
    life.world.approve(second.key, by=KEEPER)
    life.world.pass_time(days=1)
    frozen(life)
    with pytest.raises(RefusedError, match="lifted, or put anew") as refused:
        life.world.approve(first.key, by=KEEPER)
    assert "reject it" in refused.value.remedy
    assert life.world.registry().proposals[first.key].state is ProposalState.OPEN
    life.world.approve(first.key, by=KEEPER, approve=False)
    assert life.holds(CLERK) == {HoldKind.FROZEN}


def test_the_consoles_freeze_that_became_the_commands(life: Life) -> None:
    """Asked about the one, the other is not lifted."""
    switch(life, on=False)
    proposal = ask(life, UNFREEZE)  # not taken in yet
    look(life)
    frozen(life)
    with pytest.raises(RefusedError, match="lifted, or put anew"):
        life.world.approve(proposal.key, by=KEEPER)
    life.world.approve(ask(life, UNFREEZE).key, by=KEEPER)
    assert life.enabled(CLERK)


def test_all_or_none(life: Life) -> None:
    """One that can no longer be done keeps the others back."""
    other = life.hire(VILLAGE)
    life.world.issue_and_sync()
    frozen(life)
    frozen(life, other)
    stale, good = ask(life, UNFREEZE, reason="第一份申请"), ask(life, UNFREEZE, other)
    life.world.approve(ask(life, UNFREEZE).key, by=KEEPER)
    with pytest.raises(RefusedError):
        life.world.approve(good.key, stale.key, by=KEEPER)
    assert life.holds(other) == {HoldKind.FROZEN}
    assert life.world.registry().proposals[good.key].state is ProposalState.OPEN


# Restore, exempt, deregister


def test_deregistered_by_request(life: Life) -> None:
    """Off, its duties revoked, its record kept; no source gives it back, a request does, duties too."""
    assert life.world.duties(CLERK) == {"业务操作员"}
    proposal = ask(life, DEREGISTER)
    assert after(life, proposal.key).why == "已注销"
    assert (life.enabled(CLERK), life.world.duties(CLERK)) == (False, set())
    assert [hold.origin for hold in life.stored(CLERK)] == [f"deregistered:{proposal.key[:12]}"]
    life.world.issue_and_sync()
    assert (life.enabled(CLERK), life.world.duties(CLERK)) == (False, set())
    with pytest.raises(RefusedError, match="deregistered already"):
        ask(life, DEREGISTER, reason="再次申请")
    life.world.approve(ask(life, RESTORE).key, by=KEEPER)
    assert (life.enabled(CLERK), life.world.duties(CLERK)) == (True, {"业务操作员"})
    life.world.issue_and_sync()
    assert life.enabled(CLERK)


def test_deregistered_by_a_sources_word(life: Life) -> None:
    """Who has retired is off at once; what a second person approves takes the duties, at once too."""
    life.world.change(CLERK, status="退休", status_from="2026-03-01")
    life.world.issue_and_sync()
    (proposal,) = life.world.proposals()
    assert (proposal.kind, life.enabled(CLERK)) == (ProposalKind.DEREGISTER, False)
    with pytest.raises(RefusedError, match="no charge of accounts"):
        life.world.approve(proposal.key, by=COLLEAGUE)
    life.world.approve(proposal.key, by=KEEPER)
    assert life.world.duties(CLERK) == set()
    (hold,) = life.stored(CLERK)
    assert (hold.kind, hold.origin) == (HoldKind.LEFT, f"deregistered:{proposal.key[:12]}")
    life.world.issue_and_sync()
    assert life.world.registry().proposals[proposal.key].state is ProposalState.APPROVED


def test_duties_withheld_by_a_sources_word(life: Life) -> None:
    """Approved, the duties go in the same moment, not with the next sync."""
    life.world.change(CLERK, status="接受调查", status_from="2026-03-01")
    life.world.issue_and_sync()
    (proposal,) = life.world.proposals()
    life.world.approve(proposal.key, by=KEEPER)
    assert (proposal.kind, life.world.duties(CLERK)) == (ProposalKind.WITHHOLD, set())
    assert life.stored(CLERK) == []


def test_a_proposal_whose_fact_is_gone(life: Life) -> None:
    """Nobody can say any more whom it is about: refused, and the next sync withdraws it."""
    life.world.change(CLERK, status="退休", status_from="2026-03-01")
    life.world.issue_and_sync()
    (proposal,) = life.world.proposals()
    with life.context.database.transaction() as connection:
        connection.execute(update(tables.claim).values(status="active"))
    with pytest.raises(RefusedError, match="no source says any more"):
        life.world.approve(proposal.key, by=KEEPER)


def test_the_last_at_the_top_stays(life: Life) -> None:
    """Nobody would be left to decide anything: not asked for, nor approved when it has become so since."""
    with pytest.raises(RefusedError, match="the last administrator of a kind"):
        ask(life, DEREGISTER, SECOND, by=PROVINCE)
    third = life.hire("140000000", "系统管理员")
    another = life.hire("140000000", "业务管理员")
    life.world.issue_and_sync()
    made = [item.key for item in life.world.proposals() if item.subject in (third, another)]
    life.world.approve(*made)
    life.world.sync()
    proposal = ask(life, DEREGISTER, SECOND, by=PROVINCE)
    frozen(life, another)
    with pytest.raises(RefusedError, match="the last administrator of a kind"):
        life.world.approve(proposal.key, by=third)


def test_given_back_until_another_day(life: Life) -> None:
    """An account whose time was over gets a new end, its owner stays; it ends by itself again."""
    put(life, CLERK, 1, owner=life.lively[0])
    night(life, 2)
    assert life.holds(CLERK) == {HoldKind.EXPIRED}
    with pytest.raises(RefusedError, match="name its new last day"):
        prepare_request(life.context, CLERK, RESTORE, reason=REASON)
    with pytest.raises(RefusedError, match="is past"):
        prepare_request(life.context, CLERK, RESTORE, reason=REASON, until=today(life) - timedelta(days=1))
    with pytest.raises(RefusedError, match="too far ahead"):
        prepare_request(life.context, CLERK, RESTORE, reason=REASON, until=today(life) + timedelta(days=200))
    end = today(life) + timedelta(days=10)
    proposal = ask(life, RESTORE, until=end)
    assert after(life, proposal.key).enabled
    assert [(term.until, term.owner) for term in life.world.registry().terms] == [
        (end, life.world.person(life.lively[0]).id)
    ]
    assert bodies(life, "term_put")[-1]["request"] == proposal.key
    night(life, 10)
    assert life.enabled(CLERK)
    night(life)
    assert life.holds(CLERK) == {HoldKind.EXPIRED}


def test_approved_after_its_own_last_day(life: Life) -> None:
    """Too late to count for anything."""
    proposal = ask(life, EXEMPT, until=today(life))
    life.world.pass_time(days=1)
    with pytest.raises(RefusedError, match="is past"):
        life.world.approve(proposal.key, by=KEEPER)
    life.world.approve(proposal.key, by=KEEPER, approve=False)


def test_exempt_until_a_day(life: Life) -> None:
    """Not locked until then, whoever asked; the day after, it is."""
    proposal = ask(life, EXEMPT, until=today(life) + timedelta(days=112))
    life.world.approve(proposal.key, by=KEEPER)
    assert life.stored(CLERK) == []
    weeks(life, 16)
    assert life.enabled(CLERK)
    weeks(life, 1)
    assert life.holds(CLERK) == {HoldKind.INACTIVE}


@pytest.mark.parametrize(
    ("kind", "changes", "error", "told"),
    [
        (UNLOCK, {}, RefusedError, "nothing of .* to lift"),
        (UNFREEZE, {}, RefusedError, "nothing of .* to lift"),
        (RESTORE, {}, RefusedError, "nothing of .* to lift"),
        (RESTORE, {"until": date(2026, 6, 30)}, RefusedError, "nothing of .* to lift"),
        (EXEMPT, {}, ConfigurationError, "has a last day"),
        (EXEMPT, {"until": date(2026, 3, 1)}, RefusedError, "is past"),
        (EXEMPT, {"until": date(2027, 3, 3)}, RefusedError, "more than 12 months ahead"),
        (DEREGISTER, {"until": date(2026, 6, 30)}, ConfigurationError, "does not go with"),
        (DEREGISTER, {"reason": "  急 "}, RefusedError, "4 to 500"),
        (DEREGISTER, {"reason": "字" * 501}, RefusedError, "4 to 500"),
        (DEREGISTER, {"reason": f"请致电{a_mint().phone()}核实"}, RefusedError, "ID number or a phone"),
        (DEREGISTER, {"who": "nobody"}, ConfigurationError, "nobody is called"),
        (DEREGISTER, {"who": "service-account-reports"}, RefusedError, "not an account of a person"),
    ],
)
def test_what_may_not_be_asked_for(
    life: Life, kind: RequestKind, changes: dict[str, Any], error: type[QuanhengError], told: str
) -> None:
    """Refused with a remedy, and nothing is written down."""
    life.world.console.tamper_service_account("reports")
    values: dict[str, Any] = {"who": CLERK, "reason": REASON, **changes}
    with pytest.raises(error, match=told) as refused:
        prepare_request(life.context, values.pop("who"), kind, **values)
    assert refused.value.remedy
    assert life.world.registry().requests == ()


def test_a_lifted_hold_is_named_by_who_may_read_it(life: Life) -> None:
    """What else keeps an account off is said, an investigation as 暂停使用."""
    life.world.change(CLERK, status="接受调查", status_from="2026-03-01")
    life.world.issue_and_sync()
    frozen(life)
    with pytest.raises(RefusedError, match="off for “手机遗失，口令可能泄露”"):
        prepare_request(life.context, CLERK, UNLOCK, reason=REASON)


def test_twelve_months_to_the_day(life: Life) -> None:
    """Both days included, counted in China."""
    life.world.clock.now = life.world.clock.now.replace(hour=16)  # 3 March there
    for until in (date(2026, 3, 3), date(2027, 3, 3)):
        asked = prepare_request(life.context, CLERK, EXEMPT, reason=REASON, until=until)
        assert asked.request.until == until


def test_a_wrong_clock_sets_no_end(life: Life) -> None:
    """Ten minutes away from Keycloak's, this machine may be wrong about the day as well."""
    late = life.world.open(clock=lambda: life.world.clock() + timedelta(minutes=10))
    with pytest.raises(ConfigurationError, match="differ by 10 minutes"):
        prepare_request(late, CLERK, EXEMPT, reason=REASON, until=date(2026, 6, 30))


def test_the_same_twice(life: Life) -> None:
    """While one waits, and after it was rejected; another reason makes another request."""
    frozen(life)
    proposal = ask(life, UNFREEZE)
    with pytest.raises(RefusedError, match="made before and is open"):
        ask(life, UNFREEZE)
    life.world.approve(proposal.key, by=KEEPER, approve=False)
    with pytest.raises(RefusedError, match="made before and is rejected"):
        ask(life, UNFREEZE)
    assert ask(life, UNFREEZE, reason="手机已找回").key != proposal.key


def test_asking_changes_no_plan(life: Life) -> None:
    """A plan that waits for approval stays the one that would be made now; approving makes it an old one."""
    frozen(life)
    before = life.world.registry().revision
    proposal = ask(life, UNFREEZE)
    assert life.world.registry().revision == before
    life.world.approve(proposal.key, by=KEEPER)
    assert life.world.registry().revision > before


# The store in other hands


@contextmanager
def tampering(life: Life) -> Iterator[Any]:
    """Somebody writes into the store past us."""
    with life.context.database.transaction() as connection:
        yield connection


REQUEST = tables.account_request


def _longer(life: Life) -> None:
    with tampering(life) as connection:
        connection.execute(update(REQUEST).values(until=date(2036, 1, 1)))


def _for_another(life: Life) -> None:
    with tampering(life) as connection:
        connection.execute(update(REQUEST).values(person_id=life.world.person(KEEPER).id))


def _other_kind(life: Life) -> None:
    with tampering(life) as connection:
        connection.execute(update(REQUEST).values(kind="deregister"))


def _without_proposal(life: Life) -> None:
    with tampering(life) as connection:
        connection.execute(delete(tables.proposal).where(tables.proposal.c.kind == "request"))


@pytest.mark.parametrize("tamper", [_longer, _for_another, _other_kind, _without_proposal])
def test_a_request_changed_in_the_store_does_not_count(life: Life, tamper: Callable[[Life], None]) -> None:
    """Its key says all of it: told as forged, and nobody is exempt by it."""
    proposal = ask(life, EXEMPT, until=today(life) + timedelta(days=300))
    life.world.approve(proposal.key, by=KEEPER)
    tamper(life)
    done = life.world.issue_and_sync()
    assert FindingKind.FORGED_DECISION in kinds_of(done.plan.findings)
    with life.context.database.reading() as connection:
        registry = read_trusted(connection, life.context.keyring).registry
    assert (registry.requests, len(life.world.registry().requests)) == ((), 1)


def test_a_request_changed_before_approval_is_not_approved(life: Life) -> None:
    """Who approves would not know what."""
    proposal = ask(life, EXEMPT, until=today(life))
    _longer(life)
    with pytest.raises(RefusedError, match="not as it was made"):
        life.world.approve(proposal.key, by=KEEPER)


def test_who_asks_is_an_enabled_person_of_the_registry(life: Life) -> None:
    """Whoever logged in as somebody else asks for nothing."""
    frozen(life)
    person = replace(life.world.login(COLLEAGUE), subject="somebody-elses-id")
    asked = prepare_request(life.context, CLERK, UNFREEZE, reason=REASON)
    with pytest.raises(RefusedError, match="not an enabled account"):
        ask_request(life.context, asked, person)
