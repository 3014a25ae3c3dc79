"""Who may do what in the console, from the feed to check and back: written, tampered with, set right."""

from __future__ import annotations

import io
import itertools
import json
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from fixtures.lenient import Typist
from fixtures.watching import foreigner
from fixtures.world import BUREAU, FOUNDERS, OTHER_BUREAU, TOWNSHIP, VILLAGE, World
from quanheng.cli.run_report import synchronised_report
from quanheng.cli.run_tables import print_next
from quanheng.delegation.comparing import Deed, PermissionChange
from quanheng.delegation.holders import Seat
from quanheng.delegation.powers import CauseKind
from quanheng.errors import QuanhengError, UnreachableError
from quanheng.model.finding import Finding, FindingKind
from quanheng.model.ids import OrgCode, PostId, RoleName
from quanheng.model.permission import GROUPS, AdminPermission, AdminPolicy
from quanheng.model.staff import OrgKind
from quanheng.operations.answering.powers import read_powers
from quanheng.operations.delegating import apply_delegation

CHIEF, GRANTER, OTHER = "S00001", "B00001", "S00002"
"""系统管理员 and 业务管理员 of 忻府区, 系统管理员 of 定襄县."""
BRANCH = "140902Y01-合作银行第一营业网点"
KEEP = "qh:140902.system_admin:manage-members+manage-membership"
EVERYTHING = AdminPermission(
    name="everything",
    resource_type=GROUPS,
    resources=frozenset(),
    scopes=frozenset({"manage", "impersonate-members"}),
    policies=frozenset({"anybody"}),
)


@pytest.fixture
def county(world: World) -> World:
    """忻府区 with both administrators and somebody to administer, 定襄县 with one; all as it should be."""
    world.hire(VILLAGE, staff_no="W00001")
    world.hire(BUREAU, "系统管理员", staff_no=CHIEF)
    world.hire(BUREAU, "业务管理员", staff_no=GRANTER)
    world.hire(OTHER_BUREAU, "系统管理员", staff_no=OTHER)
    world.issue_and_sync()
    world.approve()
    world.sync()
    assert world.check().clean
    return world


def put(world: World, *items: AdminPolicy | AdminPermission) -> None:
    """Somebody makes or changes them in the console."""
    deeds = [PermissionChange(deed=Deed.UPDATE, wanted=item, found=item) for item in items]
    world.console.permissions.write(deeds)


def told(world: World) -> list[Finding]:
    """What check says of administrators' permissions."""
    return [item for item in world.check().findings if item.kind is FindingKind.ADMIN_PERMISSION]


def permissions(world: World) -> Any:
    """As they are."""
    return world.console.permissions.read()


def changes(world: World) -> list[str]:
    """What ``admin apply`` changes."""
    return [change.name for change in apply_delegation(world.context, None).changes]


def test_rights_are_exactly_the_packs(county: World) -> None:
    """Nobody has a power too much, nobody one too few, and it is all there, live."""
    county.fake.calls.clear()
    report = read_powers(county.context)
    assert not report.has_surplus
    assert county.fake.calls["permissions_read"] == 1
    assert county.fake.calls["sweep_users"] == 1
    chief = report.find(str(county.person(CHIEF).username))
    assert chief is not None
    assert chief.right.seats == {Seat(OrgCode("140902"), PostId("system_admin"))}
    district = "/机构/14-山西省/1409-忻州市/140902-忻府区"
    towns = {county.group(f"{district}/{name}").id for name in ("140902001-南城街道", BRANCH)}
    assert {power.target for power in chief.powers if power.scope == "manage-members"} == towns
    assert chief.missing == frozenset()
    assert set(chief.roles) == {
        RoleName("realm-management/query-groups"),
        RoleName("realm-management/query-users"),
    }
    assert report.find(str(county.person("W00001").username)) is None


def test_what_is_tampered_with_is_told_and_set_right(county: World) -> None:
    """A group taken out of a permission, a policy widened: check fails, admin apply mends, check passes."""
    before = permissions(county)
    known, policy = before.permissions[KEEP], before.policies["qh:140902.business_admin"]
    other = county.group("/管理员/140921-定襄县/系统管理员").id
    wider = AdminPolicy(name=policy.name, kind="group", members=policy.members | {other})
    put(county, wider)
    county.console.permissions.write([PermissionChange(deed=Deed.DELETE, wanted=None, found=known)])

    found = {item.subject: item for item in told(county)}
    assert set(found) == {KEEP, policy.name}
    assert all(item.violation for item in found.values())
    assert "缺少" in found[KEEP].detail
    assert "1 个账号" in found[policy.name].detail
    assert str(county.person(OTHER).username) in found[policy.name].detail

    assert sorted(changes(county)) == sorted([KEEP, policy.name])
    assert permissions(county) == before
    assert told(county) == []
    assert changes(county) == []


@pytest.mark.parametrize("written", [0, 2])
def test_what_was_written_half_is_in_the_ledger(county: World, written: int) -> None:
    """Keycloak stops answering in the middle: what was begun, that it failed; the next try does the rest."""
    before = permissions(county)
    everything = [*before.permissions.values(), *before.policies.values()]
    gone = [PermissionChange(deed=Deed.DELETE, wanted=None, found=item) for item in everything]
    county.console.permissions.write(gone)
    calls = itertools.count()

    def fail(name: str) -> None:
        if name == "permissions_write" and next(calls) >= written:
            raise UnreachableError("Keycloak does not answer", remedy="see whether it runs")

    county.fake.before_call = fail
    with pytest.raises(UnreachableError):
        apply_delegation(county.context, None)
    county.fake.before_call = None

    begun, failed = (
        json.loads(entry.body)
        for kind in ("permissions_begun", "permissions_failed")
        for entry in county.ledger(kind)[-1:]
    )
    assert len(begun["changes"]) == failed["count"] == len(everything)
    assert f"create {KEEP}" in begun["changes"]
    assert "does not answer" in failed["problem"]
    assert len(county.ledger("permissions_begun")) == len(county.ledger("permissions_written")) + 1
    assert len(apply_delegation(county.context, None).changes) == len(everything) - written
    assert permissions(county) == before
    county.verify_ledger()


def test_a_name_of_ours_that_is_taken_is_made_free(county: World) -> None:
    """Somebody's policy is called like one of our permissions, and another kind's like one of our policies:
    admin apply puts both right; what else uses one has to go first, and is named."""
    before = permissions(county)
    policy = next(iter(before.permissions[KEEP].policies))
    county.console.permissions.write(
        [
            PermissionChange(deed=Deed.DELETE, wanted=None, found=item)
            for item in (before.permissions[KEEP], before.policies[policy])
        ]
    )
    users = AdminPolicy(name=policy, kind="user", members=frozenset())
    foreign = replace(EVERYTHING, policies=frozenset({policy}))
    put(county, replace(users, name=KEEP), users, foreign)
    assert {KEEP, policy, "everything"} <= {item.subject for item in told(county)}

    with pytest.raises(QuanhengError, match="'everything'"):
        apply_delegation(county.context, None)
    county.console.permissions.write([PermissionChange(deed=Deed.DELETE, wanted=None, found=foreign)])
    apply_delegation(county.context, None)

    assert permissions(county) == before
    assert told(county) == []


def test_a_foreign_permission_is_one_finding(county: World) -> None:
    """However many gain by it; admin apply names it and leaves it, since somebody else made it."""
    put(county, AdminPolicy(name="anybody", kind="js", members=frozenset()), EVERYTHING)
    (found,) = told(county)
    assert found.subject == "everything"
    assert "可能是任何人" in found.detail
    assert "冒充成员：全部组" in found.detail
    done = apply_delegation(county.context, None)
    assert (done.changes, done.foreign) == ((), ("everything",))
    assert not county.check().clean


def test_membership_without_a_basis_is_a_surplus(county: World) -> None:
    """A stranger in the office's group: told as the account's, until the sync has taken it out."""
    stranger = foreigner(county)
    county.console.join_group(stranger, county.group("/管理员/140902-忻府区/系统管理员").id)
    names = {item.subject: item.detail for item in told(county)}
    assert "管理成员账号：140902 忻府区的乡镇、村、网点 2 组" in names["outsider"]
    county.sync()
    assert told(county) == []


def test_harmless_roles_are_told_too(county: World) -> None:
    """view-users shows everybody: not a county's, by whatever way. What administers is told already."""
    role = RoleName("realm-management/view-users")
    user = county.user("W00001")
    county.console.tamper_map_client_role(user.id, role)
    (found,) = told(county)
    assert found.subject == str(user.username)
    assert str(role) in found.detail
    manage = county.console.tamper_client_role("realm-management", "manage-users")
    county.console.tamper_map_client_role(user.id, manage)
    assert [item.subject for item in told(county)] == [found.subject]
    kinds = [item.kind for item in county.check().findings if item.subject == found.subject]
    assert kinds.count(FindingKind.ADMINISTRATOR) == 1


def test_the_last_administrator_keeps_what_the_office_gives(county: World) -> None:
    """Gone from the sources and kept until there is another: that is told, and no surplus."""
    county.change(CHIEF, post="业务操作员", post_id="operator", org=TOWNSHIP)
    county.issue_and_sync()
    report = county.check()
    assert FindingKind.LAST_ADMINISTRATOR in {item.kind for item in report.findings}
    assert told(county) == []


def test_the_last_administrator_keeps_no_other_office(county: World) -> None:
    """Whoever is kept in one seat and sits in another without a basis has too much there."""
    county.change(CHIEF, post="业务操作员", post_id="operator", org=TOWNSHIP)
    county.issue_and_sync()
    county.console.join_group(county.user(CHIEF).id, county.group("/管理员/140921-定襄县/系统管理员").id)
    report = read_powers(county.context)
    chief = report.find(str(county.person(CHIEF).username))
    assert chief is not None
    assert chief.right.seats == {Seat(OrgCode("140902"), PostId("system_admin"))}
    assert chief.has_surplus
    holders = {
        (str(office.seat), str(holder.user.username)): holder.rightful
        for office in report.offices
        for holder in office.holders
    }
    name = str(chief.user.username)
    assert (holders["140902.system_admin", name], holders["140921.system_admin", name]) == (True, False)


def test_closed_configurator_leaves_it_outdated(county: World) -> None:
    """A new township while nobody may write permissions: told by the sync and by check, done when it may."""
    county.fake.can_import = False
    county.add_unit("140902002", "北城街道", OrgKind.TOWNSHIP, "140902")
    done = county.issue_and_sync()
    assert done.delegated.outdated
    said = io.StringIO()
    print_next(Console(file=said), synchronised_report(county.context, done, seconds=1), planned=False)
    assert "quanheng admin apply" in said.getvalue()
    assert KEEP in {item.subject for item in told(county)}
    county.fake.can_import = True
    assert not county.sync().delegated.outdated
    assert told(county) == []


def test_a_township_that_the_feed_adds_is_its_countys(county: World) -> None:
    """Permissions of that county alone change, with no one's help."""
    before = permissions(county)
    county.add_unit("140902002", "北城街道", OrgKind.TOWNSHIP, "140902")
    county.issue_and_sync()
    after = permissions(county)
    new = county.group("/机构/14-山西省/1409-忻州市/140902-忻府区/140902002-北城街道").id
    assert after.permissions[KEEP].resources == before.permissions[KEEP].resources | {new}
    assert after.policies == before.policies
    changed = {name for name, item in after.permissions.items() if before.permissions.get(name) != item}
    assert changed
    assert all("140902" in name for name in changed)
    assert told(county) == []


def test_nothing_changed_asks_nothing(county: World) -> None:
    """A sync in which no organisation and no pack changed neither reads nor writes permissions."""
    calls = dict(county.fake.calls)
    county.hire(VILLAGE)
    county.issue_and_sync()
    for name in ("permissions_read", "permissions_write"):
        assert county.fake.calls[name] == calls[name]
    assert changes(county) == []


def test_a_recoded_county_keeps_its_administrators(county: World) -> None:
    """The same groups under another code: its permissions carry the new one and give the same."""
    before = permissions(county).permissions[KEEP]
    lines = []
    for code, item in list(county.units.items()):
        if code.startswith("140902"):
            del county.units[code]
            parent = None if item.parent is None else item.parent.replace("140902", "140903", 1)
            county.add_unit(code.replace("140902", "140903", 1), item.name, item.kind, parent)
            lines.append(("改码", code, code.replace("140902", "140903", 1)))
    county.recode(*lines)
    for row in list(county.people):
        county.change(row.staff_no, org=row.org.replace("140902", "140903", 1))
    county.issue_and_sync()
    # Administrators of the new code are nobody's decision yet.
    county.approve()
    county.sync()
    after = permissions(county)
    assert after.permissions[KEEP.replace("140902", "140903")].resources == before.resources
    assert not [name for name in (*after.permissions, *after.policies) if "140902" in name]
    assert told(county) == []
    report = read_powers(county.context)
    assert not report.has_surplus
    chief = report.find(str(county.person(CHIEF).username))
    assert chief is not None
    assert chief.missing == frozenset()


# On the command line


@pytest.fixture
def typist(county: World, capsys: pytest.CaptureFixture[str]) -> Typist:
    """Somebody who asks."""
    return Typist(county, capsys)


def test_list_names_administrators_and_who_lacks_one(typist: Typist) -> None:
    """By area and kind, with what the regulation asks for and nobody does."""
    report = typist.ask("admin", "list", "--area", "1409").report
    assert report["ok"] is True
    holders = {
        (item["area"], item["post"]): [holder["user"] for holder in item["holders"]]
        for item in report["offices"]
    }
    assert holders == {
        ("140902", "system_admin"): [str(typist.world.person(CHIEF).username)],
        ("140902", "business_admin"): [str(typist.world.person(GRANTER).username)],
        ("140921", "system_admin"): [str(typist.world.person(OTHER).username)],
        ("140921", "business_admin"): [],
    }
    assert [item["area"] for item in report["shortages"]] == ["140921"]
    text = typist.type("admin", "list").out
    for word in ("140921 定襄县", "业务管理员应至少 1 人", "没有人多出"):
        assert word in text


def test_explain_says_through_what(typist: Typist) -> None:
    """Group, policy and permission of each power, and over which people."""
    name = str(typist.world.person(CHIEF).username)
    report = typist.ask("admin", "explain", name).report
    keep = next(item for item in report["powers"] if item["scope"] == "manage-members")
    assert keep["permission"] == KEEP
    assert keep["ways"] == ["/管理员/140902-忻府区/系统管理员 → 策略 qh:140902.system_admin"]
    assert keep["over"] == [
        {"area": "140902", "where": "towns", "name": "140902 忻府区的乡镇、村、网点", "count": 2}
    ]
    assert (report["surplus"], report["missing"]) == ([], [])
    text = typist.type("admin", "explain", name).out
    for word in ("忻府区系统管理员", "管理成员账号", "乡镇、村、网点 2 组", "realm-management/query-users"):
        assert word in text
    worker = typist.type("admin", "explain", str(typist.world.person("W00001").username))
    assert (worker.code, "没有任何管理权限" in worker.out) == (0, True)
    assert typist.type("admin", "explain", "nobody").code == 2


def test_matrix_shows_who_may_do_what_to_whom(typist: Typist) -> None:
    """A row per account and a cell per power; with an area only what is over its people."""
    rows = {row["user"]: row for row in typist.ask("admin", "matrix", "--area", "140902").report["rows"]}
    chief, other = (str(typist.world.person(who).username) for who in (CHIEF, OTHER))
    assert other not in rows
    scopes = {item["scope"]: item["over"] for item in rows[chief]["powers"]}
    assert set(scopes) == {"view", "view-members", "manage-members", "manage-membership"}
    assert [item["where"] for item in scopes["manage-members"]] == ["towns"]
    top = str(typist.world.person(FOUNDERS[PostId("system_admin")]).username)
    over = {item["scope"]: [reach["where"] for reach in item["over"]] for item in rows[top]["powers"]}
    assert over["manage-members"] == ["administrators", "bureaus"]
    assert "忻府区" in typist.type("admin", "matrix").out


def test_a_surplus_ends_with_one(typist: Typist) -> None:
    """Each of the three says so, and exits with 1; who gains nothing by it is explained with 0."""
    world = typist.world
    stranger = foreigner(world)
    world.console.join_group(stranger, world.group("/管理员/140902-忻府区/系统管理员").id)
    for words in (("admin", "list"), ("admin", "matrix"), ("admin", "explain", "outsider")):
        done = typist.type(*words)
        assert done.code == 1
        assert "outsider" in done.out
    assert "无依据" in typist.type("admin", "list").out
    assert "多出" in typist.type("admin", "explain", "outsider").out
    assert typist.type("admin", "explain", str(world.person(CHIEF).username)).code == 0


def test_what_may_be_anybodys_is_told_of_each(typist: Typist) -> None:
    """A script as a policy: whoever is asked about may have it."""
    put(typist.world, AdminPolicy(name="anybody", kind="js", members=frozenset()), EVERYTHING)
    done = typist.type("admin", "explain", str(typist.world.person("W00001").username))
    assert (done.code, "可能任何人都有" in done.out) == (1, True)
    payload = json.loads(typist.type("admin", "matrix", "--format", "json").out)
    (gain,) = payload["surplus"]
    assert (gain["cause"], gain["name"], gain["anybody"]) == (CauseKind.PERMISSION, "everything", True)
    assert payload["ok"] is False
