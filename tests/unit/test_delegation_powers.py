"""What accounts may do by live permissions, evaluated as Keycloak does, beside what they should."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixtures.delegating import SHANXI, Delegated
from quanheng.delegation.evaluating import EVERY, Power
from quanheng.delegation.holders import Seat
from quanheng.delegation.powers import (
    AccountPowers,
    Cause,
    CauseKind,
    PowerJudge,
    RealmPowers,
    Right,
)
from quanheng.delegation.wording import Where, Wording
from quanheng.model.ids import KeycloakId, OrgCode, PostId, RoleName, Username
from quanheng.model.permission import GROUPS, AdminPermission, AdminPermissions, AdminPolicy
from quanheng.model.realm import ObservedRealm, RealmGroup, RealmRole, RealmUser
from quanheng.policy.pack import find_pack, load_pack
from quanheng.policy.sealed_roles import own_roles

PACK = load_pack(find_pack("shanxi"))
FOUND = Delegated(PACK, SHANXI)
TOWN, OTHER_TOWN = FOUND.ids["org:140902001"], FOUND.ids["org:140921001"]
OFFICE = FOUND.ids["admin:140902:system_admin"]
SEAT = Seat(OrgCode("140902"), PostId("system_admin"))
POST = RoleName("post-system-admin")
VIEW_USERS, QUERY_USERS, QUERY_GROUPS = (
    RoleName(f"realm-management/{name}") for name in ("view-users", "query-users", "query-groups")
)
KEEP = "qh:140902.system_admin:manage-members+manage-membership"
OURS = own_roles({"query-users", "query-groups"})


def user(name: str, *groups: KeycloakId, roles: frozenset[RoleName] = frozenset()) -> RealmUser:
    """Somebody."""
    return RealmUser(
        id=KeycloakId(f"id {name}"),
        username=Username(name),
        enabled=True,
        name="",
        groups=frozenset(groups),
        roles=roles,
    )


CHIEF = user("chief", OFFICE)
PASSER = user("passer", TOWN)


def judge(
    *users: RealmUser, live: AdminPermissions | None = None, right: bool = True, carried: str = ""
) -> RealmPowers:
    """What these may do. ``right``: the chief's seat is by right; ``carried``: a role that the town's group
    has."""
    groups = {
        FOUND.ids[node.key]: RealmGroup(
            id=FOUND.ids[node.key],
            path=node.path,
            roles=node.roles | ({RoleName(carried)} if carried and node.key == "org:140902001" else set()),
        )
        for node in FOUND.trees.nodes()
    }
    roles = {
        name: RealmRole(
            id=key, name=name, composites=frozenset({QUERY_USERS, QUERY_GROUPS} if name == POST else ())
        )
        for name, key in FOUND.roles.items()
    }
    for name in (VIEW_USERS, QUERY_USERS, QUERY_GROUPS):
        inner = frozenset({QUERY_USERS, QUERY_GROUPS} if name == VIEW_USERS else ())
        roles[name] = RealmRole(id=KeycloakId(f"id {name}"), name=name, composites=inner)
    observed = ObservedRealm(groups=groups, users={item.id: item for item in users}, roles=roles)
    compiled = FOUND.compiled.permissions
    judged = PowerJudge(observed, live or compiled, compiled, FOUND.places, FOUND.ids)
    return judged.judge({CHIEF.id: Right(seats=frozenset({SEAT}), roles=OURS)} if right else {})


def live(*items: AdminPolicy | AdminPermission, without: str = "") -> AdminPermissions:
    """As compiled, but for these."""
    compiled = FOUND.compiled.permissions
    return AdminPermissions(
        policies={
            **compiled.policies,
            **{item.name: item for item in items if isinstance(item, AdminPolicy)},
        },
        permissions={
            **{name: item for name, item in compiled.permissions.items() if name != without},
            **{item.name: item for item in items if isinstance(item, AdminPermission)},
        },
    )


def permission(
    *targets: KeycloakId, policy: str = "who", scope: str = "manage-members", kind: str = GROUPS
) -> AdminPermission:
    """One that somebody made."""
    return AdminPermission(
        name="foreign",
        resource_type=kind,
        resources=frozenset(targets),
        scopes=frozenset({scope}),
        policies=frozenset({policy}),
    )


def who(*groups: KeycloakId, **fields: object) -> AdminPolicy:
    """Whom somebody's permission means."""
    made = AdminPolicy(name="who", kind="group", members=frozenset(groups))
    return replace(made, **fields)  # type: ignore[arg-type]


def account(found: RealmPowers, name: str) -> AccountPowers:
    """Somebody's powers."""
    return next(item for item in found.accounts if item.user.username == name)


def test_by_right_there_is_no_surplus() -> None:
    """An administrator has what the pack gives: no more, no less; nobody else has anything."""
    found = judge(CHIEF, PASSER)
    assert [item.user.username for item in found.accounts] == ["chief"]
    chief = account(found, "chief")
    assert found.gains == ()
    assert (chief.surplus, chief.missing, chief.missing_roles) == ({}, frozenset(), frozenset())
    assert Power(GROUPS, "manage-members", TOWN) in chief.powers
    assert {power.target for power in chief.powers if power.scope == "manage-members"} == {TOWN}


def test_membership_alone_is_no_right() -> None:
    """Somebody who got into the office's group: everything it gives is too much, and told of the account."""
    found = judge(CHIEF, right=False)
    assert {gain.cause.kind for gain in found.gains} == {CauseKind.MEMBERSHIP, CauseKind.ROLE}
    (cause,) = account(found, "chief").surplus
    assert cause == Cause(CauseKind.MEMBERSHIP, "chief")
    assert account(found, "chief").surplus_roles


def test_a_right_that_is_not_given_is_missing() -> None:
    """A seat whose group somebody is not in yet."""
    outside = replace(CHIEF, groups=frozenset())
    chief = account(judge(outside), "chief")
    assert Power(GROUPS, "manage-members", TOWN) in chief.missing
    assert chief.missing_roles == OURS
    assert not chief.has_surplus


@pytest.mark.parametrize(
    ("made", "power"),
    [
        (permission(OTHER_TOWN, scope="manage"), Power(GROUPS, "manage", OTHER_TOWN)),
        (permission(scope="manage"), Power(GROUPS, "manage", EVERY)),
        (permission(kind="Users", scope="impersonate"), Power("Users", "impersonate", EVERY)),
        (
            permission(KeycloakId("r"), kind="Roles", scope="map-role"),
            Power("Roles", "map-role", KeycloakId("r")),
        ),
        (permission(kind="Clients", scope="manage"), Power("Clients", "manage", EVERY)),
    ],
)
def test_a_foreign_permission_of_any_type_is_a_surplus(made: AdminPermission, power: Power) -> None:
    """Told once by its name, with whoever gains; one without resources is about all."""
    found = judge(CHIEF, PASSER, live=live(who(TOWN), made))
    (gain,) = found.gains
    assert gain.cause == Cause(CauseKind.PERMISSION, "foreign")
    assert gain.powers == {power}
    assert gain.users == (PASSER,)
    assert not gain.anybody


def test_two_that_say_one_thing_deny_it_to_both() -> None:
    """Whoever is meant by one of two permissions about a town alone has nothing there by either."""
    found = judge(CHIEF, PASSER, live=live(who(TOWN), permission(TOWN)))
    assert found.gains == ()
    assert account(found, "chief").missing == {Power(GROUPS, "manage-members", TOWN)}


def test_all_policies_have_to_agree() -> None:
    """Somebody in one of two groups that a permission asks for has nothing by it."""
    both = replace(permission(OTHER_TOWN, scope="manage"), policies=frozenset({"who", "more"}))
    more = AdminPolicy(name="more", kind="group", members=frozenset({OFFICE}))
    assert judge(PASSER, live=live(who(TOWN), more, both)).gains == ()
    met = user("both", TOWN, OFFICE)
    found = judge(met, live=live(who(TOWN), more, both))
    assert Power(GROUPS, "manage", OTHER_TOWN) in account(found, "both").powers


def test_without_policies_it_is_nobodys() -> None:
    """As on the server: it gives nobody anything, and denies nobody what another one gives."""
    found = judge(CHIEF, PASSER, live=live(replace(permission(TOWN), policies=frozenset())))
    assert found.gains == ()
    assert account(found, "chief").missing == frozenset()


@pytest.mark.parametrize("kind", ["js", "time", "regex", "client", "client-scope", "aggregate", "x"])
def test_what_cannot_be_told_may_be_anybody(kind: str) -> None:
    """Policies that ask for neither groups, roles nor users: one cause, everybody counted, nobody listed."""
    made = AdminPolicy(name="who", kind=kind, members=frozenset())
    found = judge(CHIEF, PASSER, user("third"), live=live(made, permission(scope="manage")))
    (gain,) = found.gains
    assert gain.anybody
    assert len(gain.users) == 3
    assert [item.user.username for item in found.accounts if item.surplus] == []


def test_everybody_else() -> None:
    """Negative logic means all who are not in the group."""
    found = judge(CHIEF, PASSER, live=live(who(OFFICE, negative=True), permission(scope="manage")))
    (gain,) = found.gains
    assert gain.anybody
    assert gain.users == (PASSER,)


def test_members_of_subgroups_count_where_it_says_so() -> None:
    """extendChildren: of the county's group, who is in its town."""
    top = FOUND.ids["org:140902"]
    made = permission(OTHER_TOWN, scope="manage")
    assert judge(PASSER, live=live(who(top), made)).gains == ()
    (gain,) = judge(PASSER, live=live(who(top, extending=frozenset({top})), made)).gains
    assert gain.users == (PASSER,)


def test_single_users_and_roles() -> None:
    """Policies that name users, and roles however they are held."""
    made = permission(OTHER_TOWN, scope="manage")
    named = AdminPolicy(name="who", kind="user", members=frozenset({PASSER.id}))
    assert judge(PASSER, live=live(named, made)).gains[0].users == (PASSER,)
    role = AdminPolicy(name="who", kind="role", members=frozenset({FOUND.roles[POST]}))
    (gain,) = judge(CHIEF, PASSER, live=live(role, made)).gains
    assert gain.users == (CHIEF,)


def test_a_widened_policy_of_ours_is_the_cause() -> None:
    """Its permission is as compiled: the policy is named, not the permission nor each who gains."""
    wider = AdminPolicy(
        name="qh:140902.system_admin", kind="group", members=frozenset({OFFICE, FOUND.ids["org:140902001"]})
    )
    found = judge(CHIEF, PASSER, live=live(wider))
    (gain,) = found.gains
    assert gain.cause == Cause(CauseKind.POLICY, wider.name)
    assert gain.users == (PASSER,)
    assert not account(found, "chief").has_surplus


def test_a_widened_permission_of_ours_is_the_cause() -> None:
    """One more group, one more scope: whoever sits there by right gains all the same."""
    known = FOUND.compiled.permissions.permissions[KEEP]
    wider = replace(known, resources=known.resources | {OTHER_TOWN}, scopes=known.scopes | {"manage"})
    (gain,) = judge(CHIEF, live=live(wider)).gains
    assert gain.cause == Cause(CauseKind.PERMISSION, KEEP)
    assert Power(GROUPS, "manage", TOWN) in gain.powers
    # Of the other town there is a permission of another's, which denies it.
    assert Power(GROUPS, "manage-members", OTHER_TOWN) not in gain.powers


def test_roles_of_keycloaks_own_by_any_way() -> None:
    """Harmless ones too: seeing everybody is a power that a county has not. One cause, whoever is in it."""
    found = judge(
        PASSER, user("second", TOWN), user("third", roles=frozenset({VIEW_USERS})), carried=VIEW_USERS
    )
    by_cause = {gain.cause.kind: gain for gain in found.gains}
    through = by_cause[CauseKind.ROLE]
    assert len(through.users) == 2
    assert "140902001" in through.cause.name
    direct = by_cause[CauseKind.MEMBERSHIP]
    assert direct.cause.name == "third"
    assert direct.roles == {VIEW_USERS}


def test_in_words() -> None:
    """Which people of which area, with how many groups."""
    observed = ObservedRealm(groups={}, users={}, roles={})
    words = Wording(FOUND.units, {group: key for key, group in FOUND.ids.items()}, observed)
    assert (
        words.describe([Power(GROUPS, "manage-members", TOWN), Power(GROUPS, "view", TOWN)])
        == "管理成员账号：140902 忻府区的乡镇、村、网点 1 组"
    )
    assert words.describe([Power(GROUPS, "view", EVERY)]) == "查看组：全部组"
    places = {
        "org:140902": ("140902", Where.WAY),
        "org:140902000": ("140902", Where.BUREAUS),
        "org:140902001": ("140902", Where.TOWNS),
        "duty:140902:operator": ("140902", Where.DUTIES),
        "admin:140902:system_admin": ("140902", Where.ADMINISTRATORS),
        "root:org": ("", Where.WAY),
        "qual:permanent": ("", Where.QUALIFICATIONS),
        "org:999999": ("999999", Where.OTHER),
    }
    assert {key: words.place(key) for key in places} == places
    assert words.reach(Power(GROUPS, "view", KeycloakId("x"))).where is Where.OTHER
