"""Groups of our trees: tampered with in the console, and changed by reforms of the organisations."""

from __future__ import annotations

import pytest

from fixtures.world import BANK, BUREAU, TOWNSHIP, VILLAGE, World, kinds_of
from quanheng.model.finding import FindingKind
from quanheng.model.ids import KeycloakId, RoleName, StaffNo
from quanheng.model.realm import RealmGroup
from quanheng.model.staff import OrgKind

COUNTY_GROUP = "/机构/14-山西省/1409-忻州市/140902-忻府区"
TOWNSHIP_GROUP = f"{COUNTY_GROUP}/140902001-南城街道"
DUTY_GROUP = "/岗位/140902-忻府区/业务操作员"


@pytest.fixture
def staff_no(world: World) -> StaffNo:
    """A villager with an account, among others."""
    first = world.hire(VILLAGE)
    for _ in range(10):
        world.hire(VILLAGE)
    world.hire(BUREAU, "经办人员")
    world.issue_and_sync()
    return first


def snapshot(world: World) -> dict[KeycloakId, RealmGroup]:
    """Every group as it is."""
    return dict(world.console.read_groups())


def repaired(world: World, before: dict[KeycloakId, RealmGroup]) -> None:
    """One sync brings every group back to what it was, members too."""
    users = world.users()
    assert not world.check().clean
    done = world.sync()
    assert done.outcome.refused == ()
    assert {key: item for key, item in snapshot(world).items() if key in before} == before
    assert world.users() == users
    assert world.sync().plan.empty
    assert world.check().clean


@pytest.mark.parametrize(
    "path", [TOWNSHIP_GROUP, COUNTY_GROUP, DUTY_GROUP, "/岗位/140902-忻府区", "/资格/正式在编"]
)
def test_renamed_group_gets_its_name_back(world: World, staff_no: StaffNo, path: str) -> None:
    """A group renamed in the console is still known, with everything below it, and renamed back."""
    before = snapshot(world)
    group = world.group(path)
    world.console.update_group(group.id, "另名", group.attributes)
    repaired(world, before)


@pytest.mark.parametrize("root", ["机构", "岗位", "管理员", "资格"])
def test_renamed_root_gets_its_name_back(world: World, staff_no: StaffNo, root: str) -> None:
    """The top of a tree renamed in the console is no reason to build the tree anew."""
    before = snapshot(world)
    group = world.group(f"/{root}")
    world.console.update_group(group.id, "另名", group.attributes)
    repaired(world, before)


def test_moved_group_is_moved_back(world: World, staff_no: StaffNo) -> None:
    """A township put under another county comes back with its people."""
    before = snapshot(world)
    other = world.group("/机构/14-山西省/1409-忻州市/140921-定襄县")
    world.console.move_group(world.group(TOWNSHIP_GROUP).id, other.id)
    repaired(world, before)


def test_moved_and_renamed_group(world: World, staff_no: StaffNo) -> None:
    """Moved, renamed and given a role at once, it is repaired at once."""
    before = snapshot(world)
    group = world.group(TOWNSHIP_GROUP)
    world.console.update_group(group.id, "另名", {})
    world.console.move_group(group.id, world.group("/岗位").id)
    world.console.update_group(group.id, "再名", group.attributes)
    world.console.add_group_roles(group.id, frozenset({RoleName("post-reviewer")}))
    repaired(world, before)


@pytest.mark.parametrize("path", [TOWNSHIP_GROUP, COUNTY_GROUP, DUTY_GROUP, "/机构"])
def test_wiped_attributes_are_written_again(world: World, staff_no: StaffNo, path: str) -> None:
    """A group without its attributes is known by its place and gets them back."""
    before = snapshot(world)
    group = world.group(path)
    world.console.update_group(group.id, group.path[-1], {})
    repaired(world, before)


def test_wiped_parent_with_a_new_child(world: World, staff_no: StaffNo) -> None:
    """A county without attributes that gets a new township in the same sync is handled in one."""
    group = world.group(COUNTY_GROUP)
    world.console.update_group(group.id, group.path[-1], {})
    world.add_unit("140902002", "新街道", OrgKind.TOWNSHIP, "140902")
    done = world.issue_and_sync()
    assert done.outcome.refused == ()
    assert world.group(f"{COUNTY_GROUP}/140902002-新街道")
    assert world.sync().plan.empty


def test_role_on_a_group_is_taken_back(world: World, staff_no: StaffNo) -> None:
    """A role put onto an organisation's group, or a second one onto a duty's, is taken back."""
    before = snapshot(world)
    world.console.add_group_roles(world.group(TOWNSHIP_GROUP).id, frozenset({RoleName("post-reviewer")}))
    world.console.add_group_roles(world.group(DUTY_GROUP).id, frozenset({RoleName("post-handler")}))
    role = world.console.tamper_client_role("realm-management", "realm-admin")
    world.console.tamper_map_client_role(world.group(DUTY_GROUP).id, role)
    repaired(world, before)


def test_role_taken_from_a_duty_group_is_put_back(world: World, staff_no: StaffNo) -> None:
    """A duty group that lost its role gets it back."""
    before = snapshot(world)
    world.console.remove_group_roles(world.group(DUTY_GROUP).id, frozenset({RoleName("post-operator")}))
    repaired(world, before)


def test_deleted_group_is_made_again(world: World, staff_no: StaffNo) -> None:
    """A duty group deleted in the console is made again, and everybody is put back into it."""
    world.console.tamper_delete_group(world.group(DUTY_GROUP).id)
    assert world.duties(staff_no) == set()
    world.sync()
    assert world.duties(staff_no) == {"业务操作员"}
    assert world.group(DUTY_GROUP).roles == {"post-operator"}
    assert world.sync().plan.empty


def test_foreign_subgroup_is_reported_and_left(world: World, staff_no: StaffNo) -> None:
    """A group that somebody made inside our tree stays; a duty is taken out of it."""
    made = world.console.create_group(world.group(TOWNSHIP_GROUP).id, "临时组", {}, frozenset())
    report = world.check()
    assert report.clean
    assert FindingKind.FOREIGN_GROUP in kinds_of(report.findings)
    world.console.add_group_roles(made, frozenset({RoleName("post-reviewer")}))
    assert not world.check().clean
    assert world.sync().plan.counts() == {"group_role_remove": 1}
    assert world.console.read_group(made).roles == set()
    assert world.sync().plan.empty


def test_copied_key_does_not_take_our_place(world: World, staff_no: StaffNo) -> None:
    """A group with a copy of our key, higher up or outside our trees, gets none of our people."""
    ours = world.group(DUTY_GROUP)
    outside = world.console.create_group(None, "甲", ours.attributes, frozenset())
    inside = world.console.create_group(world.group("/岗位").id, "乙", ours.attributes, frozenset())
    user = world.user(staff_no)
    world.console.leave_group(user.id, ours.id)
    newcomer = world.hire(VILLAGE)
    world.issue_and_sync()
    assert world.user(staff_no).groups == user.groups
    assert world.duties(newcomer) == {"业务操作员"}
    members = {group for item in world.users().values() for group in item.groups}
    assert not {outside, inside} & members
    told = {item.subject for item in world.check().findings if item.violation}
    assert told == {"/甲", "/岗位/乙"}, "both copies are reported"
    assert world.sync().plan.empty


def test_renamed_unit_keeps_its_group(world: World, staff_no: StaffNo) -> None:
    """A new name under the same code renames the groups; nobody is moved."""
    before = world.group(TOWNSHIP_GROUP)
    world.add_unit("140902", "忻府新区", OrgKind.COUNTY, "1409")
    done = world.issue_and_sync()
    assert set(done.plan.counts()) == {"group_update"}
    after = world.console.read_group(before.id)
    assert "/".join(after.path) == "机构/14-山西省/1409-忻州市/140902-忻府新区/140902001-南城街道"
    assert "/岗位/140902-忻府新区/业务操作员" in world.paths(staff_no)
    assert world.sync().plan.empty


def recode_county(world: World, *, issue: bool = True) -> None:
    """忻府区 gets the code 140903, with everything below it."""
    lines = []
    for code, item in list(world.units.items()):
        if code.startswith("140902"):
            new = code.replace("140902", "140903", 1)
            del world.units[code]
            parent = None if item.parent is None else item.parent.replace("140902", "140903", 1)
            world.add_unit(new, item.name, item.kind, parent)
            lines.append(("改码", code, new))
    world.recode(*lines)
    for row in list(world.people):
        if row.org.startswith("140902"):
            world.change(row.staff_no, org=row.org.replace("140902", "140903", 1))


def test_recoded_county_keeps_groups_and_people(world: World, staff_no: StaffNo) -> None:
    """改码: organisation and duty groups keep their ids and members, under the new code."""
    before = snapshot(world)
    groups = world.user(staff_no).groups
    recode_county(world)
    world.add_unit("140903002", "新街道", OrgKind.TOWNSHIP, "140903")
    done = world.issue_and_sync()
    assert done.outcome.refused == ()
    assert set(done.plan.counts()) == {"group_update", "group_create", "update"}
    assert world.user(staff_no).groups == groups
    assert "/岗位/140903-忻府区/业务操作员" in world.paths(staff_no)
    assert len(snapshot(world)) == len(before) + 1
    assert world.sync().plan.empty
    assert world.check().clean


def test_rows_with_the_old_code_follow_the_mapping(world: World, staff_no: StaffNo) -> None:
    """Rows that still have the old code after a 改码 are people of the new one."""
    people = list(world.people)
    recode_county(world)
    world.people = people
    done = world.issue_and_sync()
    assert done.plan.sources[0].rejected == {}
    assert world.user(staff_no).attributes["org_code"] == ("140903001001",)
    assert world.sync().plan.empty


def test_merged_unit_hands_over_its_people(world: World, staff_no: StaffNo) -> None:
    """合并: people of the old township move to the other; the old group is emptied and kept."""
    old = world.group(TOWNSHIP_GROUP)
    world.add_unit("140902009", "北城街道", OrgKind.TOWNSHIP, "140902")
    world.issue_and_sync()
    new = world.group(f"{COUNTY_GROUP}/140902009-北城街道")
    for code in ("140902001", "140902001001", "140902001002"):
        del world.units[code]
    world.recode(*(("合并", code, "140902009") for code in ("140902001", "140902001001", "140902001002")))
    done = world.issue_and_sync()
    assert done.outcome.refused == ()
    groups = world.user(staff_no).groups
    assert new.id in groups
    assert old.id not in groups
    assert world.duties(staff_no) == {"业务操作员"}
    kept = world.console.read_group(old.id)
    assert kept.attributes["retired"] == ("true",)
    assert not any(old.id in user.groups for user in world.users().values())
    assert world.sync().plan.empty


def test_merged_county_hands_over_its_people(world: World, staff_no: StaffNo) -> None:
    """合并 of counties: the duty ends in the old one, is granted in the new one, and its groups retire."""
    lines = [("合并", "140902", "140921")]
    for code in [item for item in world.units if item.startswith("140902")]:
        item = world.units.pop(code)
        if item.kind not in (OrgKind.COUNTY, OrgKind.BUREAU):
            new = code.replace("140902", "140921", 1).replace("140921001", "140921008")
            parent = str(item.parent).replace("140902", "140921", 1).replace("140921001", "140921008")
            world.add_unit(new, item.name, item.kind, parent)
            lines.append(("改码", code, new))
    lines.append(("合并", "140902000", "140921000"))
    world.recode(*lines)
    done = world.issue_and_sync()
    assert done.outcome.refused == ()
    assert "/岗位/140921-定襄县/业务操作员" in world.paths(staff_no)
    retired = world.group(DUTY_GROUP)
    assert retired.attributes["retired"] == ("true",)
    assert retired.roles == frozenset()
    assert not any(retired.id in user.groups for user in world.users().values())
    assert world.sync().plan.empty
    assert world.check().clean


def test_vanished_unit_is_emptied_retired_and_comes_back(world: World, staff_no: StaffNo) -> None:
    """A unit that the feed no longer names keeps its group, empty and marked, until it is named again."""
    group = world.group(TOWNSHIP_GROUP)
    units = dict(world.units)
    people = list(world.people)
    for code in ("140902001", "140902001001", "140902001002"):
        del world.units[code]
    for row in people:
        if row.org == VILLAGE:
            world.change(row.staff_no, org=BUREAU, post="经办人员")
    world.issue_and_sync()
    assert world.console.read_group(group.id).attributes["retired"] == ("true",)
    assert not any(group.id in user.groups for user in world.users().values())
    assert world.sync().plan.empty

    world.units, world.people = units, people
    world.issue_and_sync()
    assert world.console.read_group(group.id) == group
    assert group.id in world.user(staff_no).groups
    assert world.sync().plan.empty


def test_people_of_a_vanished_unit_are_told(world: World, staff_no: StaffNo) -> None:
    """Without a mapping, people of a vanished unit stay enabled, lose the duty, and are reported."""
    for _ in range(12):
        world.hire(BANK)
    world.issue_and_sync()
    for code in ("140902001", "140902001001", "140902001002"):
        del world.units[code]
    done = world.issue_and_sync()
    assert FindingKind.UNKNOWN_UNIT in kinds_of(done.plan.findings)
    assert world.user(staff_no).enabled
    assert world.duties(staff_no) == set()
    assert world.sync().plan.empty


def test_unit_whose_row_is_bad_does_not_vanish(world: World, staff_no: StaffNo) -> None:
    """An organisation's row in quarantine counts as present, as a person's does."""
    world.add_unit(TOWNSHIP, "", OrgKind.TOWNSHIP, "140902")
    done = world.issue_and_sync()
    assert done.plan.sources[0].rejected == {"missing_value": 1}
    assert done.plan.empty
    assert world.duties(staff_no) == {"业务操作员"}


def test_what_others_lie_under_does_not_vanish(world: World, staff_no: StaffNo) -> None:
    """A county that the feed forgets while it names the county's townships is still there."""
    del world.units["140902"]
    assert world.issue_and_sync().plan.empty
    assert world.duties(staff_no) == {"业务操作员"}


def test_feed_without_organisations_changes_none(world: World, staff_no: StaffNo) -> None:
    """A feed whose organisations' file is empty leaves every unit as it was."""
    world.units.clear()
    done = world.issue_and_sync()
    assert done.plan.empty
