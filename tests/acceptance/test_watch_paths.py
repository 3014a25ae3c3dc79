"""Every way to give power past the rules, without the guard: undone by the watcher, between two syncs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fixtures.watching import as_administrator, foreigner, watcher
from fixtures.world import BUREAU, VILLAGE, World
from quanheng.model.ids import GroupPath, KeycloakId, RoleName, StaffNo, Username
from quanheng.model.realm import NewUser

REVIEWER = RoleName("post-reviewer")
DUTY = "/岗位/140902-忻府区/业务操作员"
REVIEW = "/岗位/140902-忻府区/审核人员"


@pytest.fixture
def staff_no(world: World) -> StaffNo:
    """A villager among others, with a watcher that has nothing to do."""
    first = world.hire(VILLAGE)
    for _ in range(5):
        world.hire(VILLAGE)
    world.hire(BUREAU, "经办人员")
    world.issue_and_sync()
    watcher(world).tick()
    return first


def direct_role(world: World, staff_no: StaffNo) -> None:
    world.console.add_roles(world.user(staff_no).id, frozenset({REVIEWER}))


def composite(world: World, staff_no: StaffNo) -> None:
    world.console.tamper_role("boss", composites=frozenset({REVIEWER}))
    world.console.add_roles(world.user(staff_no).id, frozenset({RoleName("boss")}))


def client_role(world: World, staff_no: StaffNo) -> None:
    world.console.tamper_map_client_role(world.user(staff_no).id, RoleName("jiujinban/benefit_review"))


def group_join(world: World, staff_no: StaffNo) -> None:
    world.console.join_group(world.user(staff_no).id, world.group(REVIEW).id)


def administrators_group(world: World, staff_no: StaffNo) -> None:
    world.console.join_group(world.user(staff_no).id, world.group("/管理员/14-山西省/系统管理员").id)


def role_into_our_group(world: World, staff_no: StaffNo) -> None:
    world.console.add_group_roles(world.group(DUTY).id, frozenset({REVIEWER}))


def role_into_a_parent(world: World, staff_no: StaffNo) -> None:
    world.console.add_group_roles(world.group("/岗位").id, frozenset({REVIEWER}))


def role_into_a_home(world: World, staff_no: StaffNo) -> None:
    home = "/机构/14-山西省/1409-忻州市/140902-忻府区/140902001-南城街道"
    world.console.add_group_roles(world.group(home).id, frozenset({REVIEWER}))


def foreign_group_with_a_role(world: World, staff_no: StaffNo) -> None:
    made = world.console.create_group(None, "领导", {}, frozenset({REVIEWER}))
    world.console.join_group(world.user(staff_no).id, made)


def group_move(world: World, staff_no: StaffNo) -> None:
    world.console.move_group(world.group(DUTY).id, world.group(REVIEW).id)


def group_deleted(world: World, staff_no: StaffNo) -> None:
    world.console.tamper_delete_group(world.group(DUTY).id)


def taken_away(world: World, staff_no: StaffNo) -> None:
    world.console.leave_group(world.user(staff_no).id, world.group(DUTY).id)


def user_deleted(world: World, staff_no: StaffNo) -> None:
    world.console.tamper_delete_user(world.user(staff_no).id)


PATHS = (
    direct_role,
    composite,
    client_role,
    group_join,
    administrators_group,
    role_into_our_group,
    role_into_a_parent,
    role_into_a_home,
    foreign_group_with_a_role,
    group_move,
    group_deleted,
    taken_away,
    user_deleted,
)


@pytest.mark.parametrize("tamper", PATHS, ids=lambda item: item.__name__)
def test_undone_at_the_next_look(
    world: World, staff_no: StaffNo, tamper: Callable[[World, StaffNo], None]
) -> None:
    """One look undoes it; nothing is left for the sync, which did not have to run."""
    before = world.paths(staff_no)
    tamper(world, staff_no)
    tick = watcher(world).tick()
    assert tick.changes > 0
    assert (world.paths(staff_no), world.user(staff_no).roles) == (before, {world.console.default_role})
    assert world.check().differences == ()
    assert watcher(world).tick().quiet
    assert world.sync().plan.empty
    world.verify_ledger()


def new_user(name: str, *groups: GroupPath) -> NewUser:
    return NewUser(
        username=Username(name),
        enabled=True,
        name="外来",
        attributes={},
        groups=frozenset(groups),
        identities=frozenset(),
    )


@pytest.mark.parametrize("method", ["create_user", "import_users"])
def test_foreign_user_made_with_groups(world: World, staff_no: StaffNo, method: str) -> None:
    """A user created, or imported in bulk, into a duty group is taken out of it."""
    user = new_user("outsider", ("岗位", "140902-忻府区", "审核人员"))
    if method == "create_user":
        world.console.create_user(user)
    else:
        world.console.import_users([user])
    assert watcher(world).tick().changes == 1
    made = world.console.find_user(Username("outsider"))
    assert made is not None
    assert made.groups == frozenset()
    assert watcher(world).tick().quiet


@pytest.mark.parametrize("role", ["post-reviewer", "jiujinban/benefit_review", "boss"])
def test_duty_on_a_foreign_user(world: World, staff_no: StaffNo, role: str) -> None:
    """A post's role, a permission, or a composite that contains one, on a user who is not ours."""
    world.console.tamper_role("boss", composites=frozenset({REVIEWER}))
    user = foreigner(world)
    if "/" in role:
        world.console.tamper_map_client_role(user, RoleName(role))
    else:
        world.console.add_roles(user, frozenset({RoleName(role)}))
    watcher(world).tick()
    found = world.console.read_user(user)
    assert found is not None
    assert found.roles == {world.console.default_role}


def test_duty_on_a_service_account(world: World, staff_no: StaffNo) -> None:
    """A program holds no duty."""
    robot: KeycloakId = world.console.tamper_service_account("robot")
    world.console.join_group(robot, world.group(REVIEW).id)
    watcher(world).tick()
    found = world.console.read_user(robot)
    assert found is not None
    assert found.groups == frozenset()


def test_changes_while_the_daemon_was_off(world: World, staff_no: StaffNo) -> None:
    """Two days of events are read and undone by the first look of a new process."""
    direct_role(world, staff_no)
    world.pass_time(hours=20)
    group_join(world, staff_no)
    role_into_our_group(world, staff_no)
    world.pass_time(hours=28)
    with world.open() as context:
        assert watcher(world, context).tick().changes == 3
    assert world.check().differences == ()


def test_sessions_end(world: World, staff_no: StaffNo) -> None:
    """Whoever loses a power is logged out."""
    direct_role(world, staff_no)
    world.fake.calls.clear()
    watcher(world).tick()
    assert world.fake.calls["logout"] == 1


def test_a_later_grant_goes_and_the_earlier_stays(world: World, staff_no: StaffNo) -> None:
    """An administrator of the county is given a handler's duty by somebody entitled: the office stays."""
    chief = world.hire(BUREAU, "系统管理员")
    world.issue_and_sync()
    world.approve()
    world.sync()
    granter = as_administrator(world, "P00002")
    granter.join_group(world.user(chief).id, world.group("/岗位/140902-忻府区/经办人员").id)
    watcher(world).tick()
    assert world.duties(chief) == {"系统管理员"}
    assert world.registry().bases == ()
