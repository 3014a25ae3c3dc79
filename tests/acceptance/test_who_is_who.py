"""Sources laid over each other: who is one person, whose word counts, what waits for a second person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from fixtures.identities import calculate_check_digit
from fixtures.world import (
    BUREAU,
    OTHER_BUREAU,
    OTHER_VILLAGE,
    PROVINCE_BUREAU,
    VILLAGE,
    VILLAGE_2,
    WIDE,
    World,
    kinds_of,
)
from quanheng.config import Limit
from quanheng.errors import RefusedError, UnsafePlanError
from quanheng.model.finding import FindingKind
from quanheng.model.ids import StaffNo
from quanheng.model.person import ProposalKind, ProposalState
from quanheng.model.staff import Reason

MakeWorld = Callable[..., World]


@pytest.fixture
def two_sources(make_world: MakeWorld) -> World:
    """A world with a feed and a directory, the feed coming first."""
    return make_world(sources=("hr", "ldap"))


def short_form(number: str) -> str:
    """The 15 digits that an 18-digit number had before 1999."""
    assert number[6:8] == "19"
    return number[:6] + number[8:17]


def old_number(order: int) -> str:
    """A number of somebody born in 1970, who may still have a 15-digit card."""
    digits = f"14000019700101{order:03}"
    return digits + calculate_check_digit(digits)


def test_15_and_18_digits_are_one_person(two_sources: World) -> None:
    """Somebody whom the feed names by 15 digits and the directory by 18 has one account."""
    number = old_number(22)
    staff_no = two_sources.hire(BUREAU, "经办人员", document_number=number)
    two_sources.also(staff_no, source="ldap")
    two_sources.change(staff_no, source="hr", document_number=short_form(number))
    two_sources.issue("hr")
    two_sources.issue_and_sync("ldap")
    assert len(two_sources.users()) == 3
    assert two_sources.duties(staff_no) == {"经办人员"}


def test_sources_meet_in_one_person_whatever_the_staff_number(two_sources: World) -> None:
    """The document decides who is who: two staff numbers in two sources are still one account."""
    staff_no = two_sources.hire(BUREAU, "经办人员")
    two_sources.also(staff_no, source="ldap", staff_no="L1")
    two_sources.issue("hr")
    two_sources.issue_and_sync("ldap")
    assert set(two_sources.users()) == {staff_no, "P00001", "P00002"}
    assert two_sources.sync().plan.empty


def test_stricter_status_wins(two_sources: World) -> None:
    """When one source says 在职 and the other 接受调查, the account is disabled, whichever comes first."""
    staff_no = two_sources.hire(BUREAU, "经办人员")
    two_sources.also(staff_no, source="ldap", status="接受调查")
    other = two_sources.hire(BUREAU, "经办人员", status="接受调查")
    two_sources.also(other, source="ldap", status="在职")
    two_sources.issue("hr")
    two_sources.issue_and_sync("ldap")
    assert not two_sources.user(staff_no).enabled
    assert not two_sources.user(other).enabled


def test_left_by_one_source_is_left(two_sources: World) -> None:
    """退休 in one source disables, though the other has not heard of it yet."""
    staff_no = two_sources.hire(BUREAU, "经办人员")
    two_sources.also(staff_no, source="ldap")
    two_sources.issue("hr")
    two_sources.issue_and_sync("ldap")
    two_sources.change(staff_no, source="hr", status="退休", status_from="2026-03-01")
    two_sources.issue_and_sync("hr")
    assert not two_sources.user(staff_no).enabled


def test_posts_that_disagree_grant_nothing(two_sources: World) -> None:
    """Two sources that name different posts grant neither, and the operator is told."""
    staff_no = two_sources.hire(BUREAU, "经办人员")
    two_sources.issue_and_sync("hr")
    assert two_sources.duties(staff_no) == {"经办人员"}
    two_sources.also(staff_no, source="ldap", post="审核人员")
    done = two_sources.issue_and_sync("ldap")
    assert two_sources.duties(staff_no) == set()
    assert two_sources.user(staff_no).enabled
    assert FindingKind.SOURCES_DISAGREE in kinds_of(done.plan.findings)


def test_names_that_disagree_are_told(two_sources: World) -> None:
    """The name of the source that comes first counts, and the other is reported."""
    staff_no = two_sources.hire(BUREAU, "经办人员", name="王一")
    two_sources.also(staff_no, source="ldap", name="王乙")
    two_sources.issue("hr")
    done = two_sources.issue_and_sync("ldap")
    assert two_sources.user(staff_no).name == "王一"
    assert FindingKind.SOURCES_DISAGREE in kinds_of(done.plan.findings)


def test_two_counties_grant_nothing(world: World) -> None:
    """Somebody with posts in two counties has neither, and the operator is told."""
    staff_no = world.hire(VILLAGE)
    world.also(staff_no, org=OTHER_VILLAGE)
    done = world.issue_and_sync()
    assert world.duties(staff_no) == set()
    assert FindingKind.OTHER_COUNTY in kinds_of(done.plan.findings)


def test_two_villages_of_one_county_are_one_duty(world: World) -> None:
    """Two service points of one county need one duty group."""
    staff_no = world.hire(VILLAGE)
    world.also(staff_no, org=VILLAGE_2)
    world.issue_and_sync()
    assert world.duties(staff_no) == {"业务操作员"}
    assert world.sync().plan.empty


def test_changed_id_number_waits_for_a_second_person(world: World) -> None:
    """A changed ID number is a proposal; meanwhile the person keeps account, home and duty."""
    staff_no = world.hire(VILLAGE)
    world.issue_and_sync()
    before = world.user(staff_no)
    number = world._mint.resident_number()
    world.change(staff_no, document_number=number, canonical_number=number)

    world.issue_and_sync()

    assert world.user(staff_no) == before
    assert [item.kind for item in world.proposals()] == [ProposalKind.DOCUMENT_CHANGED]
    index = world.person(staff_no).document_index

    world.approve()
    world.sync()

    assert world.person(staff_no).document_index != index
    assert world.user(staff_no) == before
    assert len(world.users()) == 3
    assert world.sync().plan.empty
    assert world.proposals() == ()


def test_rejected_id_number_changes_nothing(world: World) -> None:
    """A rejected change of the ID number leaves the person as registered, and is not asked again."""
    staff_no = world.hire(VILLAGE)
    world.issue_and_sync()
    before = (world.user(staff_no), world.person(staff_no))
    number = world._mint.resident_number()
    world.change(staff_no, document_number=number, canonical_number=number)
    world.issue_and_sync()
    world.approve(approve=False)
    world.issue_and_sync()
    assert (world.user(staff_no), world.person(staff_no)) == before
    assert world.proposals() == ()


def test_withdrawn_when_the_row_is_mended(world: World) -> None:
    """When the next issue has the old number again, the proposal goes by itself."""
    staff_no = world.hire(VILLAGE)
    world.issue_and_sync()
    right = world.row(staff_no)
    number = world._mint.resident_number()
    world.change(staff_no, document_number=number, canonical_number=number)
    world.issue_and_sync()
    assert len(world.proposals()) == 1
    world.change(staff_no, document_number=right.document_number)
    world.issue_and_sync()
    assert world.proposals() == ()
    assert {item.state for item in world.registry().proposals.values() if item.subject == staff_no} == {
        ProposalState.WITHDRAWN
    }


def test_reissued_staff_number_waits_for_a_second_person(world: World) -> None:
    """A staff number that moves to another person is a proposal; the old holder keeps what it had."""
    staff_no = world.hire(VILLAGE)
    world.issue_and_sync()
    old = world.user(staff_no)
    world.drop(staff_no)
    newcomer = world.hire(VILLAGE_2, staff_no=staff_no)
    assert newcomer == staff_no

    world.issue_and_sync()

    assert world.user(staff_no) == old
    assert len(world.users()) == 3
    assert [item.kind for item in world.proposals()] == [ProposalKind.STAFF_NO_MOVED]

    world.approve()
    world.sync()

    people = [item for item in world.registry().persons.values() if item.staff_no == staff_no]
    assert len(people) == 2
    accounts = [user for user in world.console.sweep_users() if user.attributes["staff_no"] == (staff_no,)]
    assert {user.attributes["org_code"] for user in accounts} == {(VILLAGE,), (VILLAGE_2,)}
    assert len({user.username for user in accounts}) == 2
    assert world.sync().plan.empty


def test_founders_number_makes_no_second_founder(world: World) -> None:
    """Who gets a founder's staff number later needs an approval like everybody else."""
    world.issue_and_sync()
    founder = StaffNo("P00001")
    row = world.row(founder)
    world.change(founder, staff_no="P00099")
    world.issue_and_sync()  # the founder has another number now
    number = world._mint.resident_number()
    world.people.append(
        replace(row, staff_no=founder, name="赵新", document_number=number, canonical_number=number)
    )
    done = world.issue_and_sync()
    assert FindingKind.AWAITS_APPROVAL in kinds_of(done.plan.findings)
    assert world.duties(founder) == set()
    assert world.duties("P00099") == {"系统管理员"}


def test_nobody_approves_their_own_affairs(world: World) -> None:
    """An administrator may not decide on the proposal that concerns itself."""
    world.hire(BUREAU, "系统管理员")
    world.issue_and_sync()
    founder = "P00001"
    number = world._mint.resident_number()
    world.change(founder, document_number=number, canonical_number=number)
    world.issue_and_sync()
    key = next(item.key for item in world.proposals() if item.kind is ProposalKind.DOCUMENT_CHANGED)
    with pytest.raises(RefusedError, match="concerns the same person"):
        world.approve(key, by=founder)
    world.approve(key, by="P00002")


def test_a_seat_is_a_place_not_a_key(world: World) -> None:
    """Who writes our key into a group of their own holds no administrator's seat by it."""
    staff_no = world.hire(BUREAU, "经办人员")
    world.hire(BUREAU, "系统管理员")
    world.issue_and_sync()
    fake_seat = world.console.create_group(
        None, "科室", {"quanheng_key": ("admin:14:system_admin",)}, frozenset()
    )
    world.console.join_group(world.user(staff_no).id, fake_seat)
    with pytest.raises(RefusedError, match="ask the level above"):
        world.approve(by=staff_no)


def test_getting_into_the_group_is_not_getting_the_office(world: World) -> None:
    """Who was put into an administrators' group in the console decides nothing, even before the repair."""
    staff_no = world.hire(BUREAU, "经办人员")
    world.hire(BUREAU, "系统管理员")
    world.issue_and_sync()
    world.console.join_group(world.user(staff_no).id, world.group("/管理员/14-山西省/系统管理员").id)
    with pytest.raises(RefusedError, match="ask the level above"):
        world.approve(by=staff_no)
    world.sync()
    assert world.duties(staff_no) == {"经办人员"}


def test_county_does_not_make_its_own_counterpart(world: World) -> None:
    """A county's 系统管理员 approves the county's reviewers, not its 业务管理员: the level above does."""
    admin = world.hire(BUREAU, "系统管理员")
    world.issue_and_sync()
    world.approve()
    world.sync()
    world.hire(BUREAU, "业务管理员")
    reviewer = world.hire(BUREAU, "审核人员")
    elsewhere = world.hire(OTHER_BUREAU, "审核人员")
    world.issue_and_sync()
    keys = {item.post: item.key for item in world.proposals() if item.subject != elsewhere}
    with pytest.raises(RefusedError, match="ask the level above"):
        world.approve(keys["business_admin"], by=admin)  # type: ignore[index]
    other = next(item.key for item in world.proposals() if item.subject == elsewhere)
    with pytest.raises(RefusedError, match="ask the level above"):
        world.approve(other, by=admin)
    world.approve(keys["reviewer"], by=admin)  # type: ignore[index]
    world.sync()
    assert world.duties(reviewer) == {"审核人员"}


def test_who_audits_decides_nothing(make_world: MakeWorld) -> None:
    """三员: whoever audits is approved like any administrator, and then approves no post, nor any plan."""
    world = make_world(safety=WIDE.model_copy(update={"disable": Limit(count=0, percent=100)}))
    auditor = world.hire(PROVINCE_BUREAU, "审计员")
    leaver = world.hire(VILLAGE)
    world.issue_and_sync()
    assert world.duties(auditor) == set()
    world.approve()
    world.sync()
    assert world.duties(auditor) == {"审计员"}
    world.hire(BUREAU, "审核人员")
    world.issue_and_sync()
    world.change(leaver, status="退休", status_from="2026-03-01")
    with pytest.raises(UnsafePlanError):
        world.issue_and_sync()
    for waiting in world.proposals():
        with pytest.raises(RefusedError, match="may not decide"):
            world.approve(waiting.key, by=auditor)
    assert {item.kind for item in world.proposals()} == {ProposalKind.GUARDED_POST, ProposalKind.UNSAFE_PLAN}


def test_quarantined_row_counts_as_present(world: World) -> None:
    """Somebody whose row went bad keeps account and duty for as long as the row is there."""
    staff_no = world.hire(VILLAGE)
    world.issue_and_sync()
    before = world.user(staff_no)
    world.change(staff_no, phone="123")
    for _ in range(4):
        world.pass_time(days=10)
        done = world.issue_and_sync()
        assert done.plan.sources[0].rejected == {Reason.BAD_PHONE: 1}
    assert world.user(staff_no) == before


def test_quarantined_row_grants_nothing_new(world: World) -> None:
    """A bad row makes no account, and a bad row at a new post moves nobody."""
    staff_no = world.hire(VILLAGE)
    world.issue_and_sync()
    world.change(staff_no, org=OTHER_VILLAGE, phone="123")
    newcomer = world.hire(VILLAGE, phone="123")
    world.issue_and_sync()
    assert world.duties(staff_no) == {"业务操作员"}
    assert any("140902-忻府区" in path for path in world.paths(staff_no))
    assert newcomer not in world.users()


def test_row_order_does_not_matter(world: World) -> None:
    """The same rows in another order change nothing, for people with two posts and numbers too."""
    staff_no = world.hire(VILLAGE)
    world.also(staff_no, org=VILLAGE_2, staff_no="Z9")
    for _ in range(5):
        world.hire(VILLAGE)
    world.issue_and_sync()
    world.people.reverse()
    assert world.issue_and_sync().plan.empty
