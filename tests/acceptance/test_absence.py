"""Who is missing from a source, and when that counts (decisions 15 and 16)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from fixtures.world import (
    BUREAU,
    OTHER_VILLAGE,
    PROVINCE_BUREAU,
    SCOPE,
    TOWNSHIP,
    VILLAGE,
    VILLAGE_2,
    World,
    kinds_of,
)
from quanheng.model.finding import FindingKind
from quanheng.model.ids import StaffNo
from quanheng.model.person import ProposalKind
from quanheng.model.staff import OrgKind


@pytest.fixture
def staff(world: World) -> list[StaffNo]:
    """Forty villagers with accounts."""
    people = [world.hire(VILLAGE) for _ in range(40)]
    world.issue_and_sync()
    return people


def enabled(world: World) -> set[str]:
    """Staff numbers of enabled accounts."""
    return {staff_no for staff_no, user in world.users().items() if user.enabled}


def test_absence_counts_after_the_grace(world: World, staff: list[StaffNo]) -> None:
    """Missing from complete snapshots, somebody is held after seven days and not before."""
    world.drop(staff[0])
    for day in range(8):
        world.pass_time(days=1)
        world.issue_and_sync()
        assert world.user(staff[0]).enabled == (day < 7), day
    assert world.duties(staff[0]) == set()
    assert len(enabled(world)) == 41


def test_an_old_snapshot_read_again_counts_no_days(world: World, staff: list[StaffNo]) -> None:
    """The same issue read for weeks says nothing new: its own date counts, not today's."""
    world.drop(staff[0])
    world.issue_and_sync()
    world.pass_time(days=30)
    assert world.sync().plan.empty
    assert world.user(staff[0]).enabled


def test_back_within_the_grace(world: World, staff: list[StaffNo]) -> None:
    """Who comes back in time starts anew: the next absence has its whole grace."""
    row = world.row(staff[0])
    world.drop(staff[0])
    world.issue_and_sync()
    world.pass_time(days=6)
    world.people.append(row)
    world.issue_and_sync()
    world.drop(staff[0])
    world.pass_time(days=2)
    world.issue_and_sync()
    assert world.user(staff[0]).enabled


def test_back_after_the_grace(world: World, staff: list[StaffNo]) -> None:
    """Who comes back later gets the same account, enabled, with its duty again."""
    row, before = world.row(staff[0]), world.user(staff[0])
    world.drop(staff[0])
    world.issue_and_sync()
    world.pass_time(days=8)
    world.issue_and_sync()
    assert not world.user(staff[0]).enabled
    world.people.append(row)
    world.issue_and_sync()
    assert world.user(staff[0]) == before


def test_delta_makes_nobody_absent(world: World, staff: list[StaffNo]) -> None:
    """A delta speaks of those it names: everybody else stays, however long deltas go on."""
    for _ in range(5):
        world.pass_time(days=5)
        world.issue_and_sync(mode="delta", people=[world.row(staff[0])])
    assert len(enabled(world)) == 42


def test_delta_says_who_has_left(world: World, staff: list[StaffNo]) -> None:
    """An explicit 退休 in a delta takes effect at once."""
    world.change(staff[0], status="退休", status_from="2026-03-01")
    world.issue_and_sync(mode="delta", people=[world.row(staff[0])])
    assert enabled(world) == {*staff[1:], "P00001", "P00002"}


def test_empty_snapshot_disables_nobody(world: World, staff: list[StaffNo]) -> None:
    """An empty snapshot is believed on nothing, for as long as it lasts."""
    for _ in range(4):
        world.pass_time(days=10)
        assert world.issue_and_sync(people=[]).plan.empty
    assert len(enabled(world)) == 42


def test_shrunken_snapshot_disables_nobody(world: World, staff: list[StaffNo]) -> None:
    """Half of the rows missing makes nobody absent; being sent again does not make half the measure."""
    world.drop(*staff[20:])
    for _ in range(4):
        world.pass_time(days=10)
        done = world.issue_and_sync()
        assert "nobody counts as absent" in done.plan.sources[0].message
        assert kinds_of(done.plan.findings) == {FindingKind.ABSENCE_SUSPENDED}
        assert done.plan.empty
    assert len(enabled(world)) == 42


def test_shrunken_snapshot_still_freezes(world: World, staff: list[StaffNo]) -> None:
    """Explicit 退休 and 接受调查 in a shrunken snapshot take effect: they rest on no absence."""
    world.drop(*staff[20:])
    world.change(staff[0], status="退休", status_from="2026-03-01")
    world.change(staff[1], status="接受调查", status_from="2026-03-01")
    world.issue_and_sync()
    assert enabled(world) == {*staff[2:], "P00001", "P00002"}


def test_shrunken_snapshot_ends_no_second_post(world: World, staff: list[StaffNo]) -> None:
    """Somebody of two posts whom half a feed names at one keeps the other."""
    world.change(staff[0], org=BUREAU, post="经办人员")
    world.also(staff[0], org=TOWNSHIP, post="业务操作员")
    world.issue_and_sync()
    assert world.duties(staff[0]) == {"经办人员", "业务操作员"}
    whole = world.people
    world.people = whole[:20]
    assert world.row(staff[0]).post == "经办人员"
    world.issue_and_sync()
    assert world.duties(staff[0]) == {"经办人员", "业务操作员"}
    world.people = whole[:-1]
    world.issue_and_sync()
    assert world.duties(staff[0]) == {"经办人员"}


def test_scope_that_comes_and_goes_harms_nobody(world: World, staff: list[StaffNo]) -> None:
    """From 忻州 to the province and back: people of elsewhere appear, and stay when not spoken of."""
    world.add_unit("1401", "太原市", OrgKind.CITY, "14")
    world.add_unit("140105", "小店区", OrgKind.COUNTY, "1401")
    world.add_unit("140105001", "坞城街道", OrgKind.TOWNSHIP, "140105")
    local, units = list(world.people), dict(world.units)
    elsewhere = [world.hire("140105001") for _ in range(30)]
    everybody = {*staff, *elsewhere, "P00001", "P00002"}
    world.issue_and_sync(scope=["14"])
    assert enabled(world) == everybody
    world.people = local
    world.units = {code: item for code, item in units.items() if not code.startswith("1401")}
    for _ in range(3):
        world.pass_time(days=10)
        world.issue_and_sync(scope=SCOPE)
        assert enabled(world) == everybody
    assert world.duties(elsewhere[0]) == {"业务操作员"}
    world.people += []
    world.issue_and_sync(scope=SCOPE)
    assert world.check().clean


def test_older_and_replayed_issues_are_refused(world: World, staff: list[StaffNo]) -> None:
    """An older issue, and another content under a known sequence, are refused and change nothing."""
    world.pass_time(days=1)
    world.issue_and_sync()
    world.change(staff[0], status="退休", status_from="2026-03-01")
    for options in (
        {"sequence": 1},
        {"sequence": 2},
        {"sequence": 3, "as_of": world.clock.now.replace(year=2025)},
    ):
        world.issue(**options)
        done = world.sync()
        assert not done.plan.sources[0].accepted
        assert kinds_of(done.plan.findings) == {FindingKind.SOURCE_REFUSED}
        assert done.plan.empty
    assert len(enabled(world)) == 42


def test_broken_feed_leaves_everything(world: World, staff: list[StaffNo]) -> None:
    """A feed that is cut off, or that lost its manifest, is refused whole and changes nothing."""
    file = world.folder / "hr" / "people.csv"
    file.write_bytes(file.read_bytes()[:400])
    done = world.sync()
    assert not done.plan.sources[0].accepted
    (world.folder / "hr" / "manifest.json").unlink()
    assert not world.sync().plan.sources[0].accepted
    assert len(enabled(world)) == 42
    assert world.check().clean


def test_row_of_nobody_spares_its_county(world: World, staff: list[StaffNo]) -> None:
    """A row that does not say whose it is may be anybody's of its county, so nobody there is absent."""
    other = world.hire(OTHER_VILLAGE)
    world.issue_and_sync()
    world.change(staff[0], staff_no="", document_number="")
    world.drop(other)
    world.issue_and_sync()
    world.pass_time(days=8)
    world.issue_and_sync()
    assert world.user(staff[0]).enabled
    assert not world.user(other).enabled


def test_moved_between_counties(world: World, staff: list[StaffNo]) -> None:
    """A transfer ends the old duty, moves the account and grants the new one, in that order."""
    world.change(staff[0], org=OTHER_VILLAGE)
    done = world.issue_and_sync()
    assert [change.kind for change in done.plan.changes] == ["revoke", "move", "update", "grant"]
    assert world.paths(staff[0]) == {
        "/机构/14-山西省/1409-忻州市/140921-定襄县/140921001-晋昌镇",
        "/岗位/140921-定襄县/业务操作员",
    }


def test_moved_within_a_county_keeps_the_duty(world: World, staff: list[StaffNo]) -> None:
    """A move between villages of one county is an attribute; nothing is revoked on the way."""
    world.change(staff[0], org=VILLAGE_2)
    done = world.issue_and_sync()
    assert [change.kind for change in done.plan.changes] == ["update"]
    assert world.user(staff[0]).attributes["org_code"] == (VILLAGE_2,)


def test_province_bureau_lies_in_every_scope(world: World) -> None:
    """People of the province's bureau stay when the feed speaks of a city and of that bureau."""
    assert PROVINCE_BUREAU in SCOPE
    world.issue_and_sync()
    world.pass_time(days=30)
    world.issue_and_sync()
    assert enabled(world) == {"P00001", "P00002"}


@pytest.mark.parametrize("mode", ["snapshot", "delta"])
@pytest.mark.parametrize("where", [VILLAGE, VILLAGE_2])
def test_a_leavers_row_without_a_post(world: World, staff: list[StaffNo], mode: str, where: str) -> None:
    """It says of the person that all is over, in a delta and in a snapshot that is too small to be believed:
    off at once, and asked about."""
    world.pass_time(days=1)
    row = replace(
        world.row(staff[0]), org=where, post="", post_id="", status="退休", status_from="2026-03-01"
    )
    world.issue_and_sync(mode=mode, people=[row])
    assert not world.user(staff[0]).enabled
    assert world.duties(staff[0]) == set()
    assert [item.kind for item in world.proposals()] == [ProposalKind.DEREGISTER]
    assert len(enabled(world)) == 41
    world.pass_time(days=1)
    world.issue_and_sync()
    assert world.user(staff[0]).enabled


def test_the_end_of_one_post_of_two(world: World) -> None:
    """A row that ends a post which it named before ends that one alone."""
    who = world.hire(BUREAU, "经办人员")
    world.also(who, org=VILLAGE, post="业务操作员")
    world.issue_and_sync()
    world.pass_time(days=1)
    row = replace(world.row(who), status="离职", status_from="2026-03-01")
    world.issue_and_sync(mode="delta", people=[row])
    assert world.user(who).enabled


@pytest.mark.parametrize("status", ["退休", "接受调查"])
def test_dropped_by_who_said_it(make_world: Callable[..., World], status: str) -> None:
    """The personnel office has said why somebody is off, and names the person no more, as rolls do; the
    directory lags behind: to be dropped is no return. Its own word is."""
    world: World = make_world(sources=("hr", "ldap"))
    for _ in range(20):
        world.hire(VILLAGE)
    who = world.hire(VILLAGE)
    for row in list(world.people):
        world.also(row.staff_no, source="ldap")
    both = ("hr", "ldap")
    for source in both:
        world.issue(source)
    world.sync()
    world.change(who, source="hr", status=status, status_from="2026-03-01")
    for source in both:
        world.issue(source)
    world.sync()
    assert not world.user(who).enabled
    asked = {item.key for item in world.proposals()}
    row = world.row(who)
    world.drop(who, source="hr")
    for _ in range(12):
        world.pass_time(days=1)
        for source in both:
            world.issue(source)
        world.sync()
        assert not world.user(who).enabled
    assert {item.key for item in world.proposals()} == asked
    world.people.append(replace(row, status="在职", status_from=""))
    world.pass_time(days=1)
    for source in both:
        world.issue(source)
    world.sync()
    assert world.user(who).enabled
