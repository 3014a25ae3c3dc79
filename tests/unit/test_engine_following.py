"""What follows by form from what a source says: proposals of 注销 and of withholding, and their end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from fixtures.feeds import shanxi
from fixtures.pure import (
    AS_OF,
    HR,
    LDAP,
    TODAY,
    accepted,
    claim,
    compare,
    desire,
    desired_user,
    lay,
    person,
    realm_of,
    registry,
    row,
    shanxi_rules,
    with_accounts,
)
from quanheng.engine.absences import go_on
from quanheng.engine.desired import Desired, build_desired
from quanheng.engine.following import FOLLOWUPS, missing_key, person_of_followup, propose_missing
from quanheng.engine.holds import DEREGISTERED, SUSPENDED, holds_of
from quanheng.engine.source_posts import guarded_post_key
from quanheng.errors import ConfigurationError
from quanheng.model.finding import FindingKind
from quanheng.model.ids import KeycloakId, OrgCode, PostId, StaffNo, Username
from quanheng.model.person import (
    BasisKind,
    Claim,
    GrantedBasis,
    Hold,
    HoldKind,
    PersonRecord,
    Proposal,
    ProposalKind,
    ProposalState,
)
from quanheng.model.registry import AccountRecord, Registry
from quanheng.policy.schema import StatusesFile
from quanheng.policy.units import Units

ONE, TWO = person(1), person(2)
FEBRUARY = date(2026, 2, 1)
MONTHS_3 = date(2026, 5, 1)


def known(*claims: Claim, who: PersonRecord = ONE, **fields: object) -> Registry:
    """A registry of one person who has an account."""
    account = AccountRecord(person=who.id, keycloak_id=KeycloakId("k1"), enabled_written=True)
    return registry([who], claims, **{"accounts": {who.id: account}, **fields})


def followups(desired: Desired) -> list[Proposal]:
    """Its proposals that follow from facts."""
    return [item for item in desired.proposals if item.kind in FOLLOWUPS]


def only(desired: Desired) -> Proposal:
    """The one there is."""
    (found,) = followups(desired)
    return found


def decided(before: Registry, state: ProposalState, **fields: object) -> Registry:
    """The registry when everything asked now was decided so."""
    by = {"decided_by": Username("sx0000009"), "decided_at": AS_OF}
    found = {item.key: replace(item, state=state, **by) for item in desire(before).proposals}  # type: ignore[arg-type]
    return replace(before, proposals={**before.proposals, **found}, **fields)  # type: ignore[arg-type]


def saying(before: Registry, *claims: Claim) -> Registry:
    """The registry when the sources say something else."""
    return replace(before, claims=registry([], claims).claims)


def deregistered(of: PersonRecord = ONE, key: str = "0" * 64) -> Hold:
    """The hold of an approved 注销."""
    return Hold(
        person=of.id, kind=HoldKind.LEFT, since=TODAY, reason="注销", origin=f"{DEREGISTERED}:{key[:12]}"
    )


# What is asked


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("retired", ProposalKind.DEREGISTER),
        ("transferred", ProposalKind.DEREGISTER),
        ("resigned", ProposalKind.DEREGISTER),
        ("deceased", ProposalKind.DEREGISTER),
        ("sick_leave", ProposalKind.WITHHOLD),
        ("maternity_leave", ProposalKind.WITHHOLD),
        ("seconded", ProposalKind.WITHHOLD),
        ("investigation", ProposalKind.WITHHOLD),
    ],
)
def test_each_fact_asks_for_what_the_pack_says(status: str, kind: ProposalKind) -> None:
    """At once, of the person's county, by its source; it says what happened, would be done, undoes it."""
    found = only(desire(known(claim(ONE, status=status, status_from=FEBRUARY))))
    assert (found.kind, found.state, found.subject, found.area) == (
        kind,
        ProposalState.OPEN,
        "S1",
        OrgCode("140902"),
    )
    assert (found.proposer, found.origin) == ("source:hr", "hr people.csv:1")
    said = SUSPENDED if status == "investigation" else shanxi().status_by_id[status].label
    for word in ("sx0000001", "S1", "自 2026-02-01 起", said, shanxi().status_by_id[status].article, "撤回"):
        assert str(word) in found.summary
    assert ("注销账号" in found.summary) is (kind is ProposalKind.DEREGISTER)
    assert ONE.name not in found.summary


def test_no_proposal_tells_of_an_investigation() -> None:
    """Who looks at what waits does not read it; the row's own label is nowhere."""
    found = only(desire(known(claim(ONE, status="investigation", status_from=FEBRUARY))))
    assert "调查" not in repr(found)
    assert "investigation" not in repr(found)


@pytest.mark.parametrize(
    ("status", "start", "end"),
    [
        ("active", None, None),
        ("retired", TODAY + timedelta(days=1), None),
        ("investigation", TODAY + timedelta(days=1), None),
        ("investigation", FEBRUARY, TODAY - timedelta(days=1)),
        ("sick_leave", FEBRUARY, date(2026, 4, 29)),
    ],
)
def test_nothing_is_asked_before_the_hold_or_after(status: str, start: date | None, end: date | None) -> None:
    """As long as nothing holds the account nothing follows."""
    assert followups(desire(known(claim(ONE, status=status, status_from=start, status_to=end)))) == []


def test_the_same_fact_is_the_same_proposal() -> None:
    """Another day, another row of the file, a leave that grows: one key, and the words as they were."""
    leave = claim(ONE, status="sick_leave", status_from=FEBRUARY, status_to=MONTHS_3)
    before = known(leave)
    first = only(desire(before))
    before = replace(before, proposals={first.key: first})
    longer = replace(leave, status_to=date(2026, 8, 1), origin=replace(leave.origin, locator="people.csv:9"))
    for now in (before, saying(before, longer)):
        assert only(desire(now, today=TODAY + timedelta(days=20))) == first
    other = followups(desire(saying(before, replace(leave, status_from=date(2026, 1, 31)))))
    assert {item.key == first.key: item.state for item in other} == {
        True: ProposalState.WITHDRAWN,
        False: ProposalState.OPEN,
    }


def test_another_kind_of_leave_is_the_same_absence() -> None:
    """From sick leave to maternity leave without a day between: nothing is asked again."""
    leave = claim(ONE, status="sick_leave", status_from=FEBRUARY)
    before = decided(known(leave), ProposalState.APPROVED)
    other = replace(leave, status="maternity_leave", status_from=TODAY, absent_since=FEBRUARY)
    assert [item.state for item in followups(desire(saying(before, other)))] == [ProposalState.APPROVED]


def test_a_fact_that_is_gone_is_withdrawn_and_asked_again() -> None:
    """Open or approved; the next fact with the same words needs another decision. A rejection stays."""
    leave = claim(ONE, status="sick_leave", status_from=FEBRUARY)
    for state, after in (
        (ProposalState.OPEN, ProposalState.WITHDRAWN),
        (ProposalState.APPROVED, ProposalState.WITHDRAWN),
    ):
        before = decided(known(leave), state)
        gone = only(desire(saying(before, claim(ONE))))
        assert gone.state is after
        again = only(desire(replace(before, proposals={gone.key: gone})))
        assert (again.state, again.decided_by) == (ProposalState.OPEN, None)
    rejected = decided(known(leave), ProposalState.REJECTED)
    assert only(desire(rejected)).state is ProposalState.REJECTED
    assert followups(desire(saying(rejected, claim(ONE)))) == []


def test_two_sources_ask_once() -> None:
    """Of two days of leaving the one counts that was asked about; an absence and an investigation are two."""
    hr = claim(ONE, status="retired", status_from=TODAY)
    directory = claim(ONE, source=LDAP, status="resigned", status_from=FEBRUARY)
    alone = only(desire(known(directory)))
    both = replace(known(hr, directory), proposals={alone.key: alone})
    assert followups(desire(both)) == [alone]
    assert only(desire(known(hr, directory))).origin == "hr people.csv:1"
    away = claim(ONE, status="sick_leave", status_from=FEBRUARY)
    doubted = claim(ONE, source=LDAP, status="investigation", status_from=FEBRUARY)
    assert len(followups(desire(known(away, doubted)))) == 2


def test_a_rejected_word_does_not_silence_the_other_source() -> None:
    """The directory's leaver was rejected; when personnel says it too, that is asked."""
    directory = claim(ONE, source=LDAP, status="resigned", status_from=FEBRUARY)
    before = decided(known(directory), ProposalState.REJECTED)
    after = desire(saying(before, claim(ONE, status="retired", status_from=TODAY), directory))
    assert [item.state for item in followups(after)] == [ProposalState.OPEN]


def test_one_post_over_asks_nothing() -> None:
    """Retired from one post while at work at another: nobody has left."""
    assert followups(desire(known(claim(ONE, status="retired"), claim(ONE, "140902000", "handler")))) == []


def test_the_post_that_ended_last_is_the_fact() -> None:
    """Retired from both posts: one proposal, named by the later day, whatever the rows' order."""
    early = claim(ONE, status="transferred", status_from=date(2025, 6, 1))
    late = claim(ONE, "140902000", "handler", status="retired", status_from=FEBRUARY)
    assert only(desire(known(early, late))) == only(desire(known(late, early)))
    assert "自 2026-02-01 起" in only(desire(known(early, late))).summary


def test_nobody_loses_an_account_that_is_not_there() -> None:
    """A leaver who never had an account is not deregistered; a held newcomer gets one, and is asked about."""
    assert followups(desire(known(claim(ONE, status="retired"), accounts={}))) == []
    newcomer = known(claim(ONE, status="investigation"), accounts={})
    assert only(desire(newcomer)).kind is ProposalKind.WITHHOLD


def test_a_pack_that_asks_nothing() -> None:
    """Without ``proposes`` a status holds and nothing follows, for leavers and for the missing alike."""
    pack = shanxi()
    quiet = replace(
        pack,
        statuses=StatusesFile(
            statuses=tuple(item.model_copy(update={"proposes": None}) for item in pack.statuses.statuses)
        ),
    )
    gone = known(claim(ONE, missing_since=FEBRUARY))
    assert propose_missing(gone, ONE, claim(ONE), quiet) is None
    for claims in ((claim(ONE, status="retired"),), (claim(ONE, status="investigation"),), ()):
        before = known(*claims)
        desired = build_desired(before, Units(before.units), quiet, shanxi_rules(), today=TODAY)
        assert desired.proposals == ()
        assert not desired.users[ONE.id].enabled


# Missing from the roll


def test_missing_after_the_grace_is_asked_about() -> None:
    """By the merge, which knows where the person was; while the grace lasts nothing is asked."""
    before = known(claim(ONE))
    for day, count in ((0, 0), (6, 0), (7, 1)):
        as_of = AS_OF + timedelta(days=day)
        merged = lay(before, accepted(as_of=as_of, sequence=day + 2)).registry
        found = followups(desire(merged, today=TODAY + timedelta(days=day)))
        assert len(found) == count, day
        before = merged
    assert (found[0].kind, found[0].area, found[0].key) == (
        ProposalKind.DEREGISTER,
        "140902",
        missing_key(ONE.id),
    )
    assert "完整名册中已无此人" in found[0].summary
    again = lay(before, accepted(as_of=as_of + timedelta(days=9), sequence=30)).registry
    assert followups(desire(again, today=TODAY + timedelta(days=20))) == found
    back = lay(again, accepted([row(1)], as_of=as_of + timedelta(days=10), sequence=31)).registry
    assert [item.state for item in followups(desire(back))] == [ProposalState.WITHDRAWN]


@pytest.mark.parametrize(
    "reading",
    [
        accepted(absence_scope=(), as_of=AS_OF + timedelta(days=90), sequence=2),
        accepted(absence_scope=("1401",), as_of=AS_OF + timedelta(days=90), sequence=2),
    ],
    ids=["shrunken, empty or a delta", "of elsewhere"],
)
def test_no_doubtful_reading_makes_a_leaver(reading: object) -> None:
    """Whoever has been missing for months is asked about by no reading whose absences do not count."""
    before = known(claim(ONE, missing_since=FEBRUARY))
    merged = lay(before, reading).registry  # type: ignore[arg-type]
    assert followups(desire(merged)) == []
    assert [hold.kind for hold in desired_user(merged, ONE).holds] == []


def test_missing_of_nobody() -> None:
    """No account, or 注销 already: nothing is asked about whoever is missing."""
    gone = accepted(as_of=AS_OF + timedelta(days=40), sequence=2)
    for fields in ({"accounts": {}}, {"holds": (deregistered(),)}):
        before = known(claim(ONE, missing_since=FEBRUARY), **fields)
        merged = lay(before, gone)
        assert merged.delta.proposals == ()
        assert followups(desire(merged.registry)) == []


def test_missing_since_before_anybody_asked() -> None:
    """Whose last row went long ago is asked about too, of whoever is topmost."""
    assert only(desire(known())).area is None


# Approved


def test_approved_withholding_takes_the_duties_while_it_lasts() -> None:
    """Nothing granted, no basis of the console either; told; after it everything is back, and withdrawn."""
    leave = claim(ONE, "140902000", "handler", status="sick_leave", status_from=FEBRUARY)
    console = GrantedBasis(
        person=ONE.id,
        post=PostId("reviewer"),
        area=OrgCode("140902"),
        kind=BasisKind.CONSOLE,
        actor="a",
        at=AS_OF,
        reason="",
    )
    open_ = known(leave, bases=(console,))
    before = decided(open_, ProposalState.APPROVED)
    assert [basis.post for basis in desired_user(open_, ONE).bases] == ["handler"]
    desired = desire(before)
    user = desired.users[ONE.id]
    assert user.bases == ()
    assert user.groups == {("资格", "正式在编")}
    assert not user.enabled
    told = [item for item in desired.findings if item.kind is FindingKind.WITHHELD]
    assert [item.subject for item in told] == ["sx0000001"]
    assert "经办人员" in told[0].detail
    assert "病假" in told[0].detail
    back = desire(saying(before, replace(leave, status="active", status_from=None)))
    assert [basis.post for basis in back.users[ONE.id].bases] == ["handler"]
    assert back.users[ONE.id].enabled
    assert only(back).state is ProposalState.WITHDRAWN


def test_withholding_of_an_investigation_is_told_neutrally() -> None:
    """The finding about the duties says 暂停使用."""
    before = decided(known(claim(ONE, status="investigation")), ProposalState.APPROVED)
    desired = desire(before)
    assert desired.users[ONE.id].bases == ()
    assert "调查" not in repr((desired.findings, desired.proposals, desired.users[ONE.id].holds[0].reason))


@pytest.mark.parametrize("state", [ProposalState.OPEN, ProposalState.REJECTED, ProposalState.WITHDRAWN])
def test_only_an_approval_withholds(state: ProposalState) -> None:
    """As long as nobody approved, the hold disables and takes nothing away."""
    before = decided(known(claim(ONE, status="investigation", status_from=FEBRUARY)), state)
    user = desired_user(before, ONE)
    assert not user.enabled
    assert [basis.post for basis in user.bases] == ["operator"]


def test_guarded_post_needs_no_second_approval_after_leave() -> None:
    """An administrator's approval stands while the duties are withheld, and gives them back."""
    office = claim(ONE, "140902000", "system_admin")
    before = decided(known(office), ProposalState.APPROVED)
    away = decided(
        saying(before, replace(office, status="sick_leave", status_from=FEBRUARY)), ProposalState.APPROVED
    )
    desired = desire(away)
    assert desired.users[ONE.id].bases == ()
    key = guarded_post_key(ONE.id, PostId("system_admin"), OrgCode("140902"))
    assert {item.key: item.state for item in desired.proposals}[key] is ProposalState.APPROVED
    assert [basis.post for basis in desire(saying(away, office)).users[ONE.id].bases] == ["system_admin"]


def test_withholding_of_one_absence_is_not_that_of_the_next() -> None:
    """Ended and begun anew: the duties stay until somebody approves again."""
    leave = claim(ONE, status="sick_leave", status_from=FEBRUARY)
    before = decided(known(leave), ProposalState.APPROVED)
    later = saying(before, replace(leave, status_from=TODAY))
    assert {item.state for item in followups(desire(later))} == {ProposalState.WITHDRAWN, ProposalState.OPEN}
    assert desired_user(later, ONE).bases != ()


def test_ending_one_of_two_keeps_the_other() -> None:
    """Leave beside an investigation: either alone disables and withholds; what ends is withdrawn alone."""
    away = claim(ONE, status="sick_leave", status_from=FEBRUARY)
    doubted = claim(ONE, source=LDAP, status="investigation", status_from=FEBRUARY)
    before = decided(known(away, doubted), ProposalState.APPROVED)
    kinds = {HoldKind.ABSENT, HoldKind.INVESTIGATION}
    assert {hold.kind for hold in desired_user(before, ONE).holds} == kinds
    for ended, left in ((HoldKind.ABSENT, doubted), (HoldKind.INVESTIGATION, away)):
        active = claim(ONE, source=LDAP if left is away else HR)
        desired = desire(saying(before, left, active))
        assert {hold.kind for hold in desired.users[ONE.id].holds} == kinds - {ended}
        assert desired.users[ONE.id].bases == ()
        states = sorted(item.state for item in followups(desired))
        assert states == [ProposalState.APPROVED, ProposalState.WITHDRAWN]


def test_deregistered_stays_off_when_a_source_names_the_person_again() -> None:
    """Nothing granted, no qualification, off, nothing asked, until the hold is lifted."""
    leaver = claim(ONE, status="retired", status_from=FEBRUARY)
    before = decided(known(leaver), ProposalState.APPROVED)
    (key,) = before.proposals
    done = replace(before, holds=(deregistered(key=key),))
    assert desire(done).proposals == ()  # it stands: nothing to write
    assert desire(done).findings == ()
    hired = saying(done, claim(ONE, "140902000", "handler"))
    desired = desire(hired)
    user = desired.users[ONE.id]
    assert (user.enabled, user.bases, user.groups) == (False, (), frozenset())
    assert desired.proposals == ()
    assert [item.kind for item in desired.findings] == [FindingKind.WITHHELD]
    restored = desire(replace(hired, holds=()))
    assert restored.users[ONE.id].enabled
    assert [basis.post for basis in restored.users[ONE.id].bases] == ["handler"]
    assert [item.state for item in restored.proposals] == [ProposalState.WITHDRAWN]


def test_deregistration_ends_what_was_approved() -> None:
    """An administrator's approval does not outlive 注销: restored, somebody approves the office anew."""
    office = claim(ONE, "140902000", "system_admin")
    before = decided(known(office), ProposalState.APPROVED, holds=(deregistered(),))
    assert [item.state for item in desire(before).proposals] == [ProposalState.WITHDRAWN]


def test_restored_while_the_source_still_says_retired() -> None:
    """What was decided about a fact is decided: it is off by the row, and not asked about again."""
    before = decided(known(claim(ONE, status="retired", status_from=FEBRUARY)), ProposalState.APPROVED)
    assert only(desire(before)).state is ProposalState.APPROVED
    assert not desired_user(before, ONE).enabled


def test_an_approval_of_one_kind_is_none_of_the_other() -> None:
    """注销 approved and restored: what another source still gives is not withheld by that approval."""
    directory = claim(ONE, source=LDAP, post=None, status="retired", status_from=FEBRUARY)
    before = decided(known(claim(ONE), directory), ProposalState.APPROVED)
    user = desired_user(before, ONE)
    assert not user.enabled
    assert [basis.post for basis in user.bases] == ["operator"]


# Whose


def test_person_of_a_followup() -> None:
    """By its key: also under another staff number, not when the fact is gone, and nobody else's."""
    other = claim(TWO, status="resigned", status_from=FEBRUARY)
    both = registry([ONE, TWO], [claim(ONE, status="retired", status_from=FEBRUARY), other])
    accounts = {
        who.id: AccountRecord(person=who.id, keycloak_id=KeycloakId(who.id), enabled_written=True)
        for who in (ONE, TWO)
    }
    both = replace(both, accounts=accounts)
    for item in followups(desire(both)):
        whose = ONE if item.subject == "S1" else TWO
        assert person_of_followup(both, shanxi(), item) == whose.id
    mine = next(item for item in followups(desire(both)) if item.subject == "S1")
    renamed = replace(ONE, staff_no=StaffNo("S99"))
    moved = replace(both, persons={ONE.id: renamed, TWO.id: replace(TWO, staff_no=StaffNo("S1"))})
    assert person_of_followup(moved, shanxi(), mine) == ONE.id
    assert person_of_followup(saying(both, claim(ONE), other), shanxi(), mine) is None
    assert person_of_followup(both, shanxi(), replace(mine, kind=ProposalKind.WAIVER)) is None


def test_person_of_one_who_is_missing() -> None:
    """Nobody who is spoken of; the one of whom nobody speaks."""
    gone = known()
    asked = only(desire(gone))
    assert person_of_followup(gone, shanxi(), asked) == ONE.id
    assert person_of_followup(saying(gone, claim(ONE)), shanxi(), asked) is None


# Three months


@pytest.mark.parametrize(
    ("start", "end", "holds"),
    [
        (date(2026, 2, 1), date(2026, 4, 29), False),
        (date(2026, 2, 1), date(2026, 4, 30), True),
        (date(2026, 3, 1), date(2026, 5, 30), False),
        (date(2026, 3, 1), date(2026, 5, 31), True),
        (date(2026, 8, 31), date(2026, 11, 28), False),
        (date(2026, 8, 31), date(2026, 11, 29), True),
        (date(2026, 11, 30), date(2027, 2, 26), False),
        (date(2026, 11, 30), date(2027, 2, 27), True),
        (date(2027, 11, 29), date(2028, 2, 27), False),
        (date(2027, 11, 29), date(2028, 2, 28), True),
        (date(2028, 2, 29), date(2028, 5, 27), False),
        (date(2028, 2, 29), date(2028, 5, 28), True),
    ],
)
def test_three_calendar_months(start: date, end: date, holds: bool) -> None:
    """Exactly three hold and one day less does not; told whole, or month by month. The last day of a leave is
    one of absence: 1 March to 31 May are three months.
    """
    whole = claim(ONE, status="sick_leave", status_from=start, status_to=end)
    later = min(start + timedelta(days=40), end)
    grown = replace(whole, status_from=later, absent_since=start)
    for item in (whole, grown):
        found = holds_of(ONE, [item], (), shanxi(), today=later)
        assert [(hold.kind, hold.since) for hold in found] == ([(HoldKind.ABSENT, start)] if holds else [])
    alone = holds_of(ONE, [replace(grown, absent_since=None)], (), shanxi(), today=later)
    assert alone == []


MONTHLY = (
    (date(2026, 3, 2), date(2026, 3, 31)),
    (date(2026, 4, 1), date(2026, 4, 30)),
    (date(2026, 5, 1), date(2026, 5, 31)),
    (date(2026, 6, 1), date(2026, 6, 30)),
)


def test_a_leave_renewed_month_by_month_is_one_leave() -> None:
    """Held from the renewal on by which it is three months long, asked about once, since its first day."""
    before = known(claim(ONE))
    held, keys = [], set()
    for sequence, (start, end) in enumerate(MONTHLY, 2):
        at = datetime(start.year, start.month, start.day, 4, tzinfo=UTC)
        said = row(1, status="sick_leave", status_from=start, status_to=end)
        before = lay(before, accepted([said], as_of=at, sequence=sequence)).registry
        desired = desire(before, today=start)
        held.append(not desired.users[ONE.id].enabled)
        keys |= {item.key for item in followups(desired)}
        before = replace(
            before, proposals={**before.proposals, **{item.key: item for item in desired.proposals}}
        )
    assert held == [False, False, False, True]
    assert len(keys) == 1
    (leave,) = before.claims.values()
    assert leave.absent_since == MONTHLY[0][0]


@pytest.mark.parametrize(
    ("rows", "held"),
    [
        (((3, 1, 3, 31), (4, 1, 4, 30), (5, 1, 5, 30)), [False, False, False]),
        (((3, 1, 3, 31), (4, 1, 4, 30), (5, 1, 5, 31)), [False, False, True]),
        (((8, 31, 9, 30), (10, 1, 10, 31), (11, 1, 11, 28)), [False, False, False]),
        (((8, 31, 9, 30), (10, 1, 10, 31), (11, 1, 11, 29)), [False, False, True]),
    ],
)
def test_three_calendar_months_told_month_by_month(
    rows: tuple[tuple[int, int, int, int], ...], held: list[bool]
) -> None:
    """The row that brings the last day of the third month holds, one that ends a day before it does not."""
    before = known(claim(ONE))
    off = []
    for sequence, (month, day, last_month, last_day) in enumerate(rows, 2):
        start, end = date(2026, month, day), date(2026, last_month, last_day)
        at = datetime(2026, month, day, 4, tzinfo=UTC)
        said = row(1, status="sick_leave", status_from=start, status_to=end)
        before = lay(before, accepted([said], as_of=at, sequence=sequence)).registry
        off.append(not desired_user(before, ONE, today=start).enabled)
    assert off == held


def again(old: Claim, **fields: object) -> Claim:
    """The next row of somebody's source, after ``old``."""
    new = replace(old, absent_since=None, **fields)  # type: ignore[arg-type]
    return go_on(new, [old], shanxi(), seen=TODAY)


LEAVE = claim(ONE, status="sick_leave", status_from=FEBRUARY, status_to=date(2026, 2, 27))


@pytest.mark.parametrize(
    ("fields", "since"),
    [
        ({"status_from": date(2026, 2, 28)}, FEBRUARY),
        ({"status_from": date(2026, 3, 2)}, FEBRUARY),  # Monday after Friday
        ({"status_from": date(2026, 3, 3)}, None),
        ({"status_from": date(2026, 2, 20)}, FEBRUARY),  # they overlap
        ({"status_to": date(2026, 9, 1)}, None),  # the end moved: its own first day
        ({"status_from": date(2026, 1, 20)}, None),  # the first day is corrected
        ({"status": "seconded", "status_from": date(2026, 2, 28)}, FEBRUARY),
        ({"org": OrgCode("140921000"), "status_from": date(2026, 2, 28)}, FEBRUARY),
        ({"status": "investigation", "status_from": date(2026, 2, 28)}, None),
        ({"status": "active", "status_from": date(2026, 2, 28)}, None),
        ({"status": "retired", "status_from": date(2026, 2, 28)}, None),
        ({"status_from": None}, FEBRUARY),
        ({"status": "retired", "status_from": None}, TODAY),
        ({"status": "investigation", "status_from": None}, TODAY),
    ],
)
def test_what_goes_on_with_a_leave(fields: dict[str, object], since: date | None) -> None:
    """The same absence within three days of its end, nothing else; without a first day, since it was seen."""
    assert again(LEAVE, **fields).absent_since == since


def test_another_day_of_leaving_is_another_word() -> None:
    """Retired as of a later day: nobody leaves by and by."""
    leaver = claim(ONE, status="retired", status_from=FEBRUARY)
    assert again(leaver, status_from=date(2026, 2, 28)).absent_since is None


def test_a_leave_without_end_goes_on() -> None:
    """Whoever was away until further notice is away since then."""
    assert again(replace(LEAVE, status_to=None), status_from=TODAY).absent_since == FEBRUARY


def test_a_renewed_leave_read_again_stays() -> None:
    """The first day is handed on, over any number of rows and readings."""
    second = again(LEAVE, status_from=date(2026, 2, 28), status_to=date(2026, 3, 31))
    assert again(second) == second
    third = again(second, status_from=date(2026, 4, 1), status_to=date(2026, 4, 30))
    assert third.absent_since == FEBRUARY


def test_return_begins_a_new_leave() -> None:
    """At work between, in one reading: the next leave counts from its own first day."""
    before = known(claim(ONE))
    for sequence, said in enumerate(
        (
            row(1, status="sick_leave", status_from=date(2026, 3, 2), status_to=date(2026, 5, 1)),
            row(1),
            row(1, status="sick_leave", status_from=date(2026, 5, 2), status_to=date(2026, 7, 31)),
        ),
        2,
    ):
        before = lay(before, accepted([said], sequence=sequence)).registry
    (leave,) = before.claims.values()
    assert leave.absent_since is None
    assert desired_user(before, ONE, today=date(2026, 6, 1)).enabled


def test_two_rows_of_one_feed_both_hold() -> None:
    """On leave from one post and under investigation at the other: both, and each goes on with its own."""
    before = known(claim(ONE))
    rows = [
        row(1, status="sick_leave", status_from=FEBRUARY),
        row(1, "140902000", "handler", status="investigation", status_from=date(2026, 2, 10)),
    ]
    merged = lay(before, accepted(rows, sequence=2)).registry
    assert {hold.kind for hold in desired_user(merged, ONE).holds} == {
        HoldKind.ABSENT,
        HoldKind.INVESTIGATION,
    }
    assert all(item.absent_since is None for item in merged.claims.values())


def test_a_status_without_a_day_is_one_fact() -> None:
    """Read day after day it is asked about once, since the day on which it was read first."""
    before, keys = known(claim(ONE)), set()
    for day in range(3):
        said = row(1, status="investigation")
        reading = accepted([said], as_of=AS_OF + timedelta(days=day), sequence=day + 2)
        before = lay(before, reading).registry
        desired = desire(before, today=TODAY + timedelta(days=day))
        keys.add(only(desired).key)
        assert [hold.since for hold in desired.users[ONE.id].holds] == [TODAY]
    assert len(keys) == 1


# Who they are


def test_back_under_a_new_staff_number() -> None:
    """Found by the document: the same user name, enabled again, or still off when 注销 was approved."""
    before = known(claim(ONE, status="retired", status_from=FEBRUARY))
    back = row(1, staff_no=StaffNo("N7"))
    for holds, enabled in (((), True), ((deregistered(),), False)):
        merged = lay(replace(before, holds=holds), accepted([back], sequence=2)).registry
        (found,) = merged.persons.values()
        assert (found.username, found.staff_no) == (ONE.username, "N7")
        assert desired_user(merged, ONE).enabled is enabled


def test_the_number_of_now_beside_the_old_one() -> None:
    """Retired under one number and hired under another in one feed: the one at work is the person's."""
    rows = [row(1, status="retired", status_from=FEBRUARY), row(1, "140902000", staff_no=StaffNo("T7"))]
    for order in (rows, rows[::-1]):
        (found,) = lay(registry(), accepted(order)).registry.persons.values()
        assert found.staff_no == "T7"


# What everybody may read


def test_a_change_does_not_tell_of_an_investigation() -> None:
    """Reason and detail of the disable, which plan and ledger repeat, read like a freeze."""
    before = known(claim(ONE))
    realm = realm_of(desire(before))
    doubted = saying(before, claim(ONE, status="investigation", status_from=FEBRUARY))
    (change,) = compare(with_accounts(doubted, realm), realm).changes
    assert (change.kind, change.reason, change.detail["holds"]) == ("disable", SUSPENDED, ["frozen"])
    stored = Hold(person=ONE.id, kind=HoldKind.INVESTIGATION, since=TODAY, reason="接受调查", origin="form:1")
    frozen = replace(stored, kind=HoldKind.FROZEN, reason="账号泄露")
    (change,) = compare(with_accounts(replace(before, holds=(stored, frozen)), realm), realm).changes
    assert (change.reason, change.detail["holds"]) == (f"{SUSPENDED}；账号泄露", ["frozen"])


def test_a_created_account_does_not_tell_either() -> None:
    """Nor does the creation of an account that begins disabled."""
    before = known(claim(ONE, status="investigation"), accounts={})
    empty = realm_of(desire(registry()))
    (change,) = compare(before, empty).changes
    assert (change.kind, change.detail["holds"]) == ("create", ["frozen"])
    assert "调查" not in repr(change)


def test_a_status_that_the_pack_has_no_more() -> None:
    """Nobody could say what follows from it: what to do is said, and nothing is done."""
    with pytest.raises(ConfigurationError, match="no status 'furlough'"):
        holds_of(ONE, [claim(ONE, status="furlough")], (), shanxi(), today=TODAY)
