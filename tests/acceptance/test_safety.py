"""How much may change without a second person, and how a second person lets it through (decision 15)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fixtures.world import OTHER_VILLAGE, VILLAGE, World
from quanheng.config import Limit, SafetySettings
from quanheng.errors import RefusedError, UnsafePlanError
from quanheng.model.ids import StaffNo
from quanheng.model.person import ProposalKind, ProposalState
from quanheng.model.staff import OrgKind
from quanheng.operations.synchronise import apply_digest, plan_only

STRICT = SafetySettings()


@pytest.fixture
def strict(make_world: Callable[..., World]) -> World:
    """Forty villagers under the limits that ship: two disables, two revokes, eight creations at once."""
    world: World = make_world(safety=STRICT)
    for _ in range(40):
        world.hire(VILLAGE)
    world.issue_and_sync()
    return world


def villagers(world: World) -> list[StaffNo]:
    """Staff numbers of the villagers."""
    return [StaffNo(row.staff_no) for row in world.people if row.org == VILLAGE]


def retire(world: World, count: int) -> list[StaffNo]:
    """Have people retire in the next issue."""
    leaving = villagers(world)[:count]
    for staff_no in leaving:
        world.change(staff_no, status="退休", status_from="2026-03-01")
    world.issue()
    return leaving


def test_first_load_needs_no_second_person(strict: World) -> None:
    """Everybody is created at the first load, though creations have a limit."""
    assert len(strict.users()) == 42


def test_wider_scope_needs_no_second_person(strict: World) -> None:
    """A source that now speaks of more organisations brings their people at once."""
    strict.add_unit("1401", "太原市", OrgKind.CITY, "14")
    strict.add_unit("140105", "小店区", OrgKind.COUNTY, "1401")
    strict.add_unit("140105001", "坞城街道", OrgKind.TOWNSHIP, "140105")
    for _ in range(60):
        strict.hire("140105001")
    strict.issue_and_sync(scope=["14"])
    assert len(strict.users()) == 102


def test_many_newcomers_need_a_second_person(strict: World) -> None:
    """More than a fifth of newcomers in the same scope stops the sync before it writes anything."""
    for _ in range(9):
        strict.hire(OTHER_VILLAGE)
    strict.issue()
    strict.fake.calls.clear()
    with pytest.raises(UnsafePlanError, match="create: 9 of 42, 8 allowed"):
        strict.sync()
    assert strict.fake.writes == 0
    assert len(strict.users()) == 42


def test_unsafe_plan_writes_nothing_and_is_proposed(strict: World) -> None:
    """A plan beyond the limits changes neither realm nor registry; it waits as a proposal."""
    retire(strict, 3)
    before = strict.registry()
    strict.fake.calls.clear()
    with pytest.raises(UnsafePlanError, match="disable: 3 of 42, 2 allowed"):
        strict.sync()
    assert strict.fake.writes == 0
    after = strict.registry()
    assert (after.revision, after.claims, after.sources) == (before.revision, before.claims, before.sources)
    assert [item.kind for item in strict.proposals()] == [ProposalKind.UNSAFE_PLAN]


def test_approved_plan_is_applied_once(strict: World) -> None:
    """Approved by an administrator of the province, the plan is applied by its digest, once."""
    leaving = retire(strict, 3)
    digest = plan_only(strict.context).plan.digest
    with pytest.raises(UnsafePlanError):
        apply_digest(strict.context, digest)
    strict.approve()
    done = apply_digest(strict.context, digest[:12])
    assert done.outcome.done == {"revoke": 3, "disable": 3}
    assert not any(strict.user(staff_no).enabled for staff_no in leaving)
    with pytest.raises(RefusedError, match="applied"):
        apply_digest(strict.context, digest)
    assert strict.sync().plan.empty


def test_approval_is_by_a_person_of_the_province(strict: World) -> None:
    """A county's administrator approves no unsafe plan, nor does somebody without an office."""
    strict.hire("140902000", "系统管理员")
    strict.issue_and_sync()
    strict.approve()
    strict.sync()
    county = next(row.staff_no for row in strict.people if row.org == "140902000")
    retire(strict, 3)
    digest = plan_only(strict.context).plan.digest
    for by in (county, villagers(strict)[-1]):
        with pytest.raises(RefusedError, match="only administrators of the province"):
            strict.approve(digest, by=by)
    strict.approve(digest)


def test_rejected_plan_is_not_applied_nor_asked_again(strict: World) -> None:
    """A rejected plan stays rejected for as long as the sources and the realm are the same."""
    retire(strict, 3)
    digest = plan_only(strict.context).plan.digest
    strict.approve(digest, approve=False)
    for _ in range(2):
        with pytest.raises(UnsafePlanError):
            strict.sync()
        with pytest.raises(UnsafePlanError):
            apply_digest(strict.context, digest)
        assert strict.proposals() == ()


def test_the_daemon_does_not_take_an_approval_back(strict: World) -> None:
    """Between approval and apply, syncs that come to the same plan leave the approval in force."""
    retire(strict, 3)
    digest = plan_only(strict.context).plan.digest
    strict.approve(digest)
    with pytest.raises(UnsafePlanError):
        strict.sync()
    assert strict.proposals() == ()
    assert apply_digest(strict.context, digest).outcome.done == {"revoke": 3, "disable": 3}


def test_plan_expires(strict: World) -> None:
    """A plan that waited more than a day is refused, approved or not; the next one asks anew."""
    retire(strict, 3)
    digest = plan_only(strict.context).plan.digest
    strict.approve(digest)
    strict.pass_time(hours=25)
    with pytest.raises(RefusedError, match="expired"):
        apply_digest(strict.context, digest)
    assert plan_only(strict.context).plan.digest == digest
    with pytest.raises(UnsafePlanError):
        apply_digest(strict.context, digest)
    strict.approve(digest)
    assert apply_digest(strict.context, digest).outcome.done == {"revoke": 3, "disable": 3}


@pytest.mark.parametrize("what", ["source", "realm", "decision"])
def test_plan_that_no_longer_fits_is_refused(strict: World, what: str) -> None:
    """An approved plan is not applied when the feed, the realm or a decision has changed since."""
    retire(strict, 3)
    reviewer = strict.hire("140902000", "审核人员")
    digest = plan_only(strict.context).plan.digest
    strict.approve(digest)
    if what == "source":
        strict.issue()
    elif what == "realm":
        user = strict.user(villagers(strict)[-1])
        strict.console.add_roles(user.id, frozenset({strict.console.tamper_role("auditor")}))
    else:
        strict.drop(*villagers(strict)[:3], reviewer)
        strict.people, kept = [], strict.people
        strict.issue(people=kept, mode="delta")
        strict.sync()
    with pytest.raises(RefusedError, match=r"no longer fits|older state"):
        apply_digest(strict.context, digest)
    assert strict.user(villagers(strict)[0] if what != "decision" else "T00003").enabled


def test_unsafe_proposal_goes_with_its_plan(strict: World) -> None:
    """When the feed is mended, the proposal for the plan that nobody needs any more is withdrawn."""
    leaving = retire(strict, 3)
    with pytest.raises(UnsafePlanError):
        strict.sync()
    for staff_no in leaving:
        strict.change(staff_no, status="在职", status_from="")
    strict.issue_and_sync()
    assert strict.proposals() == ()
    assert [item.state for item in strict.registry().proposals.values()
            if item.kind is ProposalKind.UNSAFE_PLAN] == [ProposalState.WITHDRAWN]  # fmt: skip


def test_plan_made_twice_has_one_digest(strict: World) -> None:
    """The same sources and realm make the same plan, whatever random identities newcomers would get."""
    strict.hire(VILLAGE)
    strict.issue()
    first, second = plan_only(strict.context).plan, plan_only(strict.open()).plan
    assert first.digest == second.digest
    assert first.changes != second.changes
    done = apply_digest(strict.context, first.digest)
    assert done.outcome.done == {"create": 1}
    assert strict.sync().plan.empty


@pytest.mark.parametrize("people", [1, 2, 3])
def test_small_realm_lets_one_go_and_not_two(make_world: Callable[..., World], people: int) -> None:
    """With a handful of accounts one leaver passes, two at once do not: no realm is too small to guard."""
    world: World = make_world(safety=STRICT)
    for _ in range(people):
        world.hire(VILLAGE)
    world.issue_and_sync()
    leaving = retire(world, min(people, 2))
    if len(leaving) == 1:
        world.sync()
        assert not world.user(leaving[0]).enabled
    else:
        with pytest.raises(UnsafePlanError):
            world.sync()


def test_count_binds_where_percentage_does_not(make_world: Callable[..., World]) -> None:
    """Both bounds hold: three are too many when two is the count, though it is a small share."""
    limits = SafetySettings(disable=Limit(count=2, percent=50), revoke=Limit(count=50, percent=100))
    world: World = make_world(safety=limits)
    for _ in range(30):
        world.hire(VILLAGE)
    world.issue_and_sync()
    retire(world, 3)
    with pytest.raises(UnsafePlanError, match="disable: 3 of 32, 2 allowed"):
        world.sync()


def test_repairs_count_too(strict: World) -> None:
    """Undoing what somebody did to many accounts is a plan like any other: above the cap a person looks."""
    role = strict.console.tamper_role("auditor")
    for staff_no in villagers(strict)[:5]:
        strict.console.add_roles(strict.user(staff_no).id, frozenset({role}))
    with pytest.raises(UnsafePlanError, match="revoke: 5 of 42"):
        strict.sync()


def test_approved_administrators_are_not_counted_again(strict: World) -> None:
    """Posts that a second person has approved one by one need no further approval in bulk."""
    reviewers = [strict.hire("140902000", "审核人员") for _ in range(8)]
    strict.issue_and_sync()
    strict.approve()
    strict.sync()
    assert all(strict.duties(staff_no) == {"审核人员"} for staff_no in reviewers)


def test_mass_absence_needs_a_second_person(strict: World) -> None:
    """Three people missing from a snapshot that is otherwise whole: after the grace, a person looks."""
    strict.drop(*villagers(strict)[:3])
    strict.issue_and_sync()
    strict.pass_time(days=8)
    strict.issue()
    with pytest.raises(UnsafePlanError, match="disable: 3"):
        strict.sync()
