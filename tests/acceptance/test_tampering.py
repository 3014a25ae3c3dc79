"""What somebody does to our accounts in the console: named by check, repaired by sync, or left alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from fixtures.world import BUREAU, OTHER_VILLAGE, VILLAGE, World, kinds_of
from quanheng.errors import RefusedError
from quanheng.keycloak.port import RealmRefusedError
from quanheng.model.finding import FindingKind
from quanheng.model.ids import KeycloakId, RoleName, StaffNo, Username
from quanheng.model.realm import FederatedIdentity, NewUser, RealmUser

CARD = "social-card"


@pytest.fixture
def staff_no(world: World) -> StaffNo:
    """A villager with an account, among others."""
    first = world.hire(VILLAGE)
    for _ in range(10):
        world.hire(VILLAGE)
    world.hire(OTHER_VILLAGE)
    world.hire(BUREAU, "经办人员")
    world.issue_and_sync()
    return first


def rewrite(world: World, user: RealmUser, **fields: object) -> None:
    """Change a user's own fields in the console."""
    values = {
        "username": user.username,
        "enabled": user.enabled,
        "name": user.name,
        "attributes": user.attributes,
        **fields,
    }
    world.console.update_user(user.id, **values)


def foreign(world: World, name: str, **fields: object) -> KeycloakId:
    """A user that somebody else made."""
    values = {
        "username": Username(name),
        "enabled": True,
        "name": "外来",
        "attributes": {},
        "groups": (),
        "identities": frozenset(),
        **fields,
    }
    made: KeycloakId = world.console.create_user(NewUser(**values))  # type: ignore[arg-type]
    return made


def rename(world: World, user: RealmUser) -> None:
    rewrite(world, user, username=Username("somebody"))


def new_name(world: World, user: RealmUser) -> None:
    rewrite(world, user, name="别人")


def other_attributes(world: World, user: RealmUser) -> None:
    rewrite(world, user, attributes={**user.attributes, "staff_no": ("X1",), "person_id": ("x",)})


def no_attributes(world: World, user: RealmUser) -> None:
    rewrite(world, user, attributes={})


def remove_membership(world: World, user: RealmUser) -> None:
    world.console.leave_group(user.id, world.group("/岗位/140902-忻府区/业务操作员").id)


def remove_home(world: World, user: RealmUser) -> None:
    home = "/机构/14-山西省/1409-忻州市/140902-忻府区/140902001-南城街道"
    world.console.leave_group(user.id, world.group(home).id)


def foreign_role(world: World, user: RealmUser) -> None:
    world.console.add_roles(user.id, frozenset({world.console.tamper_role("auditor")}))


def client_role(world: World, user: RealmUser) -> None:
    role = world.console.tamper_client_role("a-bureaus-own", "manage-anything")
    world.console.tamper_map_client_role(user.id, role)


def duty_role_directly(world: World, user: RealmUser) -> None:
    world.console.add_roles(user.id, frozenset({RoleName("post-reviewer")}))


def no_default_role(world: World, user: RealmUser) -> None:
    world.console.remove_roles(user.id, frozenset({world.console.default_role}))


def another_duty(world: World, user: RealmUser) -> None:
    world.console.join_group(user.id, world.group("/岗位/140902-忻府区/审核人员").id)


def another_county(world: World, user: RealmUser) -> None:
    world.console.join_group(user.id, world.group("/岗位/140921-定襄县/业务操作员").id)


def administrator(world: World, user: RealmUser) -> None:
    world.console.join_group(user.id, world.group("/管理员/14-山西省/系统管理员").id)


def another_home(world: World, user: RealmUser) -> None:
    home = "/机构/14-山西省/1409-忻州市/140921-定襄县/140921001-晋昌镇"
    world.console.join_group(user.id, world.group(home).id)


def qualification(world: World, user: RealmUser) -> None:
    world.console.join_group(user.id, world.group("/资格/正式在编").id)


def foreign_group(world: World, user: RealmUser) -> None:
    world.console.join_group(user.id, world.console.create_group(None, "领导", {}, frozenset()))


def no_card(world: World, user: RealmUser) -> None:
    world.console.unlink_identity(user.id, CARD)


def wrong_card(world: World, user: RealmUser) -> None:
    world.console.link_identity(user.id, FederatedIdentity(CARD, "another", user.username))


def second_provider(world: World, user: RealmUser) -> None:
    world.console.link_identity(user.id, FederatedIdentity("wechat", "w1", "w1"))


TAMPERINGS = (
    rename,
    new_name,
    other_attributes,
    no_attributes,
    remove_membership,
    remove_home,
    foreign_role,
    client_role,
    duty_role_directly,
    no_default_role,
    another_duty,
    another_county,
    administrator,
    another_home,
    qualification,
    foreign_group,
    no_card,
    wrong_card,
    second_provider,
)


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda item: item.__name__)
def test_check_names_it_and_sync_repairs_it(
    world: World, staff_no: StaffNo, tamper: Callable[[World, RealmUser], None]
) -> None:
    """Each thing done to our account is named with its user name, undone by sync, and told once."""
    before = world.user(staff_no)
    tamper(world, before)
    report = world.check()
    assert not report.clean
    assert {item.subject for item in report.differences} == {before.username}

    done = world.sync()

    assert done.outcome.refused == ()
    assert world.console.read_user(before.id) == before
    assert world.sync().plan.empty
    assert world.check().clean


def test_all_at_once(world: World, staff_no: StaffNo) -> None:
    """Everything that can be done to one account, done at once, is repaired by one sync."""
    before = world.user(staff_no)
    for tamper in TAMPERINGS:
        if tamper is not rename and tamper is not no_card:
            tamper(world, world.console.read_user(before.id))
    world.sync()
    assert world.console.read_user(before.id) == before
    assert world.sync().plan.empty


def test_session_of_a_stripped_user_ends(world: World, staff_no: StaffNo) -> None:
    """Whoever loses a role or a group by a repair is logged out."""
    foreign_role(world, world.user(staff_no))
    world.fake.calls.clear()
    world.sync()
    assert world.fake.calls["logout"] == 1


def test_exchanged_names(world: World, staff_no: StaffNo) -> None:
    """Two accounts whose names somebody exchanged have their own again after one sync, each entered once."""
    before = world.users()
    one, other = before[staff_no], next(user for key, user in before.items() if key != staff_no)
    rename(world, one)
    rewrite(world, other, username=one.username)
    rewrite(world, one, username=other.username)
    told = len(world.ledger("update"))
    done = world.sync()
    assert (done.plan.counts(), done.outcome.refused) == ({"update": 2}, ())
    assert world.users() == before
    assert len(world.ledger("update")) == told + 2
    assert world.sync().plan.empty


def test_deleted_user_is_made_again(world: World, staff_no: StaffNo) -> None:
    """A user deleted in the console is created again with its name, card and duty."""
    before = world.user(staff_no)
    world.console.tamper_delete_user(before.id)
    assert [item.kind for item in world.check().differences] == ["create"]
    world.sync()
    after = world.user(staff_no)
    assert after.id != before.id
    assert (after.username, after.groups, after.identities) == (
        before.username,
        before.groups,
        before.identities,
    )
    assert world.sync().plan.empty


def test_switched_off_in_the_console_stays_off(world: World, staff_no: StaffNo) -> None:
    """A disable in the console becomes a hold that outlives new issues; an enable lifts it."""
    user = world.user(staff_no)
    rewrite(world, user, enabled=False)
    assert world.check().clean
    done = world.sync()
    assert done.plan.empty
    assert FindingKind.FROZEN_IN_CONSOLE in kinds_of(done.plan.findings)
    world.change(staff_no, phone="15400399999")
    world.issue_and_sync()
    assert not world.user(staff_no).enabled
    rewrite(world, world.user(staff_no), enabled=True)
    world.sync()
    assert world.user(staff_no).enabled
    assert world.registry().holds == ()
    assert world.sync().plan.empty


def test_switched_off_while_we_write_a_name(world: World, staff_no: StaffNo) -> None:
    """Somebody switched off in the console in the middle of our own update stays switched off."""
    user = world.user(staff_no)
    world.change(staff_no, name="新名")
    world.issue()

    def switch_off(name: str) -> None:
        if name == "update_user":
            world.fake.before_call = None
            rewrite(world, user, enabled=False)

    world.fake.before_call = switch_off
    world.sync()
    assert (world.user(staff_no).name, world.user(staff_no).enabled) == ("新名", False)
    assert FindingKind.FROZEN_IN_CONSOLE in kinds_of(world.sync().plan.findings)
    assert not world.user(staff_no).enabled


def test_switched_on_in_the_console_against_a_source(world: World, staff_no: StaffNo) -> None:
    """Enabling somebody whom a source holds is undone: the console lifts its own hold alone."""
    world.change(staff_no, status="接受调查")
    world.issue_and_sync()
    rewrite(world, world.user(staff_no), enabled=True)
    assert not world.check().clean
    world.sync()
    assert not world.user(staff_no).enabled


def test_foreign_user_is_reported_and_left_alone(world: World, staff_no: StaffNo) -> None:
    """A user that we did not make is a note, no difference, and stays as it is."""
    role = world.console.tamper_role("auditor")
    user = foreign(world, "auditor")
    world.console.add_roles(user, frozenset({role}))
    before = world.console.read_user(user)
    report = world.check()
    assert report.clean
    assert [item.subject for item in report.findings if item.kind is FindingKind.FOREIGN_USER] == ["auditor"]
    assert world.sync().plan.empty
    assert world.console.read_user(user) == before


def test_a_foreign_user_is_not_ours_by_saying_so(world: World, staff_no: StaffNo) -> None:
    """A copy of our attributes, or of our card's subject, does not make a foreign user ours."""
    user = world.user(staff_no)
    foreign(world, "decoy-a", attributes=user.attributes)
    copied = foreign(world, "decoy-b", identities=user.identities)
    report = world.check()
    assert not report.clean
    assert report.differences == ()
    names = [item.subject for item in report.findings if item.kind is FindingKind.DUPLICATE_IDENTITY]
    assert names == [f"decoy-b、{user.username}"]
    assert world.sync().plan.empty
    assert world.console.read_user(copied).identities == user.identities


@dataclass(frozen=True)
class Holder:
    """Somebody who is not a person of ours."""

    user: KeycloakId
    name: str


@pytest.fixture(params=["foreign user", "service account"])
def holder(request: pytest.FixtureRequest, world: World) -> Holder:
    """A foreign user, and a service account."""
    if request.param == "foreign user":
        return Holder(foreign(world, "outsider"), "outsider")
    return Holder(world.console.tamper_service_account("robot"), "service-account-robot")


def test_duty_group_on_somebody_foreign(world: World, staff_no: StaffNo, holder: Holder) -> None:
    """Membership of a duty group on a foreign user or service account is a violation and is ended."""
    before = world.console.read_user(holder.user)
    for path in ("/岗位/140902-忻府区/业务操作员", "/管理员/14-山西省/系统管理员", "/资格/正式在编"):
        world.console.join_group(holder.user, world.group(path).id)
    report = world.check()
    assert FindingKind.DUTY_ON_FOREIGN_USER in {item.kind for item in report.findings if item.violation}
    world.sync()
    assert world.console.read_user(holder.user) == before
    assert world.check().clean


def test_duty_role_on_somebody_foreign(world: World, staff_no: StaffNo, holder: Holder) -> None:
    """A duty's role mapped directly to a foreign user or service account is a violation and is ended."""
    before = world.console.read_user(holder.user)
    world.console.add_roles(holder.user, frozenset({RoleName("post-reviewer")}))
    assert not world.check().clean
    world.sync()
    assert world.console.read_user(holder.user) == before
    assert world.check().clean


def test_next_user_name_is_taken_by_somebody_foreign(world: World, staff_no: StaffNo) -> None:
    """A foreign user has the next name: another is issued, and the foreign user is not touched."""
    taken = world.pack.username(world.registry().next_serial)
    squatter = foreign(world, taken)
    newcomer = world.hire(VILLAGE)
    done = world.issue_and_sync()
    assert done.outcome.refused == ()
    assert world.user(newcomer).username != taken
    assert world.console.read_user(squatter).name == "外来"


def test_name_taken_between_plan_and_apply(world: World, staff_no: StaffNo) -> None:
    """A foreign user that takes the name while we apply is not adopted; the step is refused and told,
    and the next run issues another name."""
    taken = world.pack.username(world.registry().next_serial)
    newcomers = {world.hire(VILLAGE), world.hire(OTHER_VILLAGE)}  # either may be dealt that name

    def squat(name: str) -> None:
        if name in ("import_users", "create_user"):
            world.fake.before_call = None
            foreign(world, taken)

    world.issue()
    world.fake.before_call = squat
    done = world.sync()
    assert [item.change.subject for item in done.outcome.refused] == [taken]
    assert len(newcomers & set(world.users())) == 1
    assert done.outcome.done == {"create": 1}
    with pytest.raises(RealmRefusedError):
        foreign(world, taken)

    again = world.sync()

    assert (again.outcome.refused, again.outcome.done) == ((), {"create": 1})
    users = world.users()
    assert newcomers <= set(users)
    assert taken not in {user.username for user in users.values()}
    assert world.sync().plan.empty


def test_two_of_our_users_on_one_card(world: World, staff_no: StaffNo) -> None:
    """One card on two of our users is reported, and the wrong link is replaced by the right one."""
    user = world.user(staff_no)
    other = next(item for key, item in world.users().items() if key > staff_no)
    world.console.link_identity(other.id, next(iter(user.identities)))
    report = world.check()
    assert FindingKind.DUPLICATE_IDENTITY in {item.kind for item in report.findings if item.violation}
    world.sync()
    assert world.console.read_user(other.id) == other
    assert world.check().clean


def test_composite_in_a_duty_role_is_a_violation(world: World, staff_no: StaffNo) -> None:
    """Another role put into a duty's role is reported for the configurator, who alone may mend it."""
    world.console.tamper_role("post-operator", composites=frozenset({RoleName("post-reviewer")}))
    report = world.check()
    assert not report.clean
    assert [item.subject for item in report.findings if item.violation] == ["post-operator"]
    assert world.sync().plan.empty


def test_approver_switched_off_decides_nothing(world: World, staff_no: StaffNo) -> None:
    """A disabled administrator decides nothing, nor does a login of another user's id."""
    world.hire(BUREAU, "审核人员")
    world.issue_and_sync()
    login = world.login("P00001")
    rewrite(world, world.user("P00001"), enabled=False)
    with pytest.raises(RefusedError, match="not an enabled account"):
        world.approve()
    rewrite(world, world.user("P00001"), enabled=True)
    assert world.user("P00001").id == login.subject
    world.approve()
