"""Who may do what where by the packs, and the permissions that say so: each group named, once."""

from __future__ import annotations

from collections import Counter

import pytest

from fixtures.delegating import ENSHI, GANSU, SHANXI, Delegated, county
from quanheng.delegation.comparing import Deed, compare_permissions
from quanheng.delegation.evaluating import powers_of
from quanheng.model.ids import RoleName
from quanheng.model.staff import OrgKind
from quanheng.policy.pack import Pack, find_pack, load_pack, load_packs

MEMBERS, MEMBERSHIP, OF_MEMBERS = "manage-members", "manage-membership", "manage-membership-of-members"
SEE = "view-members"


@pytest.fixture(scope="module")
def shanxi() -> Delegated:
    """山西 with two cities."""
    return Delegated(load_pack(find_pack("shanxi")), SHANXI)


@pytest.fixture(scope="module")
def enshi() -> Delegated:
    """恩施."""
    return Delegated(load_pack(find_pack("enshi")), ENSHI)


@pytest.fixture(scope="module")
def gansu() -> Delegated:
    """甘肃."""
    return Delegated(load_pack(find_pack("gansu")), GANSU)


@pytest.fixture(scope="module")
def stacked() -> Pack:
    """晋城 on 山西."""
    return load_packs(["shanxi", "jincheng"])


def towns(area: str) -> set[str]:
    """Keys of the groups of a county's towns; villages have none of their own."""
    return {f"org:{area}001"}


# 山西


def test_a_county_keeps_the_accounts_of_its_towns(shanxi: Delegated) -> None:
    """Its 系统管理员 makes and freezes accounts there, and nowhere else; moves nobody."""
    seat = "140902.system_admin"
    assert shanxi.may(seat, MEMBERS) == shanxi.may(seat, MEMBERSHIP) == towns("140902")
    assert shanxi.may(seat, OF_MEMBERS) == set()
    assert shanxi.may(seat, "manage") == set()


def test_a_county_grants_its_duties(shanxi: Delegated) -> None:
    """Its 业务管理员 takes its towns' people into the duty that townships have, and touches no account."""
    seat = "140902.business_admin"
    assert shanxi.may(seat, OF_MEMBERS) == towns("140902")
    assert shanxi.may(seat, MEMBERSHIP) == {"duty:140902:operator"}
    assert shanxi.may(seat, MEMBERS) == set()


def test_the_province_keeps_bureaus_and_administrators_below(shanxi: Delegated) -> None:
    """Of cities and counties; not its own, and nobody's accounts in a town."""
    seat = "14.system_admin"
    keeps = shanxi.may(seat, MEMBERS)
    bureaus = {f"org:{code}000" for code in ("140900", "140500", "140902", "140921", "140502")}
    offices = {
        f"admin:{code}:{post}"
        for code in ("140902", "140921", "140502")
        for post in ("system_admin", "business_admin")
    }
    assert keeps == bureaus | offices
    assert "org:140000000" not in keeps
    # Whoever could make an account in an administrators' group would make an administrator.
    assert shanxi.may(seat, MEMBERSHIP) == bureaus


def test_bureaus_and_administrators_are_not_the_countys(shanxi: Delegated) -> None:
    """Nobody of a county sees its bureau, or its administrators: oneself, counterparts, superiors."""
    for post in ("system_admin", "business_admin"):
        seen = shanxi.may(f"140902.{post}", SEE)
        assert seen == towns("140902") | {"duty:140902:operator"}
    assert shanxi.who("admin:140902:system_admin", SEE) == {"14.system_admin"}


def test_the_way_to_ones_own_county_and_no_other(shanxi: Delegated) -> None:
    """Roots are shown to all, areas to whoever has charge of somebody there or below."""
    own = shanxi.may("140902.system_admin", "view")
    assert {"root:org", "org:14", "org:1409", "org:140902", "duties:140902"} <= own
    assert not {key for key in own if "140921" in key or "1405" in key}
    assert "root:admin" not in own
    assert "admins:140902" not in own


def test_whoever_audits_has_no_permission(shanxi: Delegated) -> None:
    """The auditor looks by roles of Keycloak's own; no permission names the seat."""
    assert shanxi.may("14.auditor", "view") == set()


# 恩施, 甘肃, 晋城


def test_the_state_keeps_county_administrators(enshi: Delegated) -> None:
    """E8: 账户管理员 of the state keep the counties' administrators of every kind, pairs in one group."""
    keeps = enshi.may("4228.account_admin", MEMBERS)
    assert {"admin:422801:account_admin", "admin:422801:permission_admin", "org:422800000"} <= keeps
    assert not {key for key in keeps if key.startswith("org:422801")}
    assert enshi.who("admin:4228:account_admin", MEMBERS) == set()


def test_a_county_of_the_state_keeps_bureau_and_towns(enshi: Delegated) -> None:
    """E7, E8: towns have no administrators of their own."""
    assert enshi.may("422801.account_admin", MEMBERS) == {"org:422801000", *towns("422801")}
    assert enshi.may("422801.account_admin", OF_MEMBERS) == set()


@pytest.mark.parametrize("subsystem", ["library", "sharing", "casual", "analysis", "warning"])
def test_permission_administrators_grant_their_own_subsystem(enshi: Delegated, subsystem: str) -> None:
    """One per subsystem: its operators, and no other's; the general one grants each."""
    duty = f"duty:422801:{subsystem}_operator"
    special = f"422801.{subsystem}_permission_admin"
    assert enshi.may(special, MEMBERSHIP) == {duty}
    assert enshi.who(duty, MEMBERSHIP) == {special, "422801.permission_admin"}
    assert enshi.may(special, MEMBERS) == set()


def test_maintainers_of_cities_keep_their_counties(gansu: Delegated) -> None:
    """G17: accounts and permissions of the counties are the city's and the province's; counties have none."""
    keeps = gansu.may("6201.permission_maintainer", MEMBERS)
    assert {"org:620100000", "org:620102000", *towns("620102")} <= keeps
    assert gansu.may("6201.permission_maintainer", OF_MEMBERS) == keeps
    assert gansu.who("org:620102000", MEMBERS) == {"6201.permission_maintainer", "62.permission_maintainer"}
    assert gansu.who("org:620102001", MEMBERS) == {"6201.permission_maintainer"}
    seats = {str(seat) for place in gansu.places for who in place.scopes.values() for seat in who}
    assert seats == {"6201.permission_maintainer", "62.permission_maintainer"}


def test_stacked_packs_both_have_their_charges(stacked: Pack) -> None:
    """J8 in 晋城 beside what 山西 charges: bureaus are the city's too, towns stay the county's."""
    found = Delegated(stacked, SHANXI)
    assert found.who("org:140502000", MEMBERS) == {"14.system_admin", "1405.super_admin"}
    assert found.who("org:140502001", MEMBERS) == {"140502.system_admin"}
    assert found.who("org:140502000", OF_MEMBERS) == {"14.business_admin", "1405.lead_system_admin"}
    assert found.who("org:140902000", MEMBERS) == {"14.system_admin"}
    assert found.may("1409.super_admin", SEE) == set()


# As Keycloak keeps them


@pytest.mark.parametrize("name", ["shanxi", "enshi", "gansu"])
def test_one_permission_says_each_thing_of_each_group(name: str, request: pytest.FixtureRequest) -> None:
    """Two that give one thing about one group to different people would deny it to both."""
    found: Delegated = request.getfixturevalue(name)
    permissions = found.compiled.permissions.permissions
    said = Counter(power for item in permissions.values() for power in powers_of(item))
    assert said
    assert set(said.values()) == {1}
    assert all(item.resources and item.policies for item in permissions.values())
    assert all(len(item.name) < 255 for item in permissions.values())


@pytest.mark.parametrize("name", ["shanxi", "enshi", "gansu"])
def test_the_permissions_say_what_the_places_do(name: str, request: pytest.FixtureRequest) -> None:
    """Group by group and power by power: nothing is lost, and nothing added, in putting places together."""
    found: Delegated = request.getfixturevalue(name)
    compiled = found.compiled.permissions
    said = {
        (power.target, power.scope): compiled.policies[policy]
        for item in compiled.permissions.values()
        for policy in item.policies
        for power in powers_of(item)
    }
    everybody = {str(seat.post) for place in found.places for who in place.scopes.values() for seat in who}
    for place in found.places:
        for scope, who in place.scopes.items():
            policy = said.pop((found.ids[place.key], scope))
            if policy.kind == "role":
                assert policy.members == {
                    found.roles[RoleName(f"post-{post}".replace("_", "-"))] for post in everybody
                }
            else:
                assert policy.members == {found.ids[seat.key] for seat in who}
    assert said == {}


def test_a_new_township_changes_its_county_alone(shanxi: Delegated) -> None:
    """It enters the permissions of its county; no policy changes, nothing is made or deleted."""
    more = (
        *SHANXI,
        ("140902099", "新设镇", OrgKind.TOWNSHIP, "140902"),
        ("140902099001", "新村", OrgKind.VILLAGE, "140902099"),
    )
    after = Delegated(load_pack(find_pack("shanxi")), more)
    changes = compare_permissions(after.compiled.permissions, shanxi.compiled.permissions).changes
    # Seen by both kinds of administrators, kept by one, given duties by the other.
    assert [change.deed for change in changes] == [Deed.UPDATE] * 3
    assert not [change for change in changes if change.is_policy]
    assert {change.name.split(":")[1].split(",")[0].split(".")[0] for change in changes} == {"140902"}


def test_a_new_county_makes_its_own(shanxi: Delegated) -> None:
    """Beside its own permissions only those of its city and of the province change."""
    after = Delegated(load_pack(find_pack("shanxi")), (*SHANXI, *county("140922", "五台县", "1409")))
    changes = compare_permissions(after.compiled.permissions, shanxi.compiled.permissions).changes
    assert changes
    assert not [change.name for change in changes if "140921" in change.name or "1405" in change.name]
    assert {change.deed for change in changes} == {Deed.CREATE, Deed.UPDATE}


def test_an_area_that_is_gone_is_retired(shanxi: Delegated) -> None:
    """Whatever was about it alone is deleted, permissions before the policies they use."""
    left = tuple(line for line in SHANXI if not line[0].startswith("140921"))
    after = Delegated(load_pack(find_pack("shanxi")), left)
    changes = compare_permissions(after.compiled.permissions, shanxi.compiled.permissions).changes
    deleted = [change for change in changes if change.deed is Deed.DELETE]
    assert {"qh:140921.system_admin", "qh:140921.business_admin"} <= {change.name for change in deleted}
    kinds = [change.is_policy for change in deleted]
    assert kinds == sorted(kinds)
    assert not any("140921" in name for name in after.compiled.permissions.permissions)


def test_what_is_not_there_yet_waits() -> None:
    """A group that the next sync makes is left out, and named; the rest is compiled."""
    pack = load_pack(find_pack("shanxi"))
    missing = "org:140902001"
    found = Delegated(pack, SHANXI, without=frozenset({missing}))
    assert found.compiled.waiting == {missing}
    named = {group for item in found.compiled.permissions.permissions.values() for group in item.resources}
    assert f"id {missing}" not in named
    assert found.ids["org:140921001"] in named


def test_without_organisations_nothing_is_compiled() -> None:
    """Nothing is known yet: no permission, no policy."""
    found = Delegated(load_pack(find_pack("shanxi")), (SHANXI[0],), without=frozenset({"root:org"}))
    assert not found.may("14.system_admin", MEMBERS)
