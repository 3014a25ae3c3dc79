"""山西 with 晋城 stacked on it, in one realm: 晋城's posts and rules hold in 1405 and nowhere else."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from fixtures.fake_guard import install_guard
from fixtures.lenient import ask
from fixtures.pack_roles import make_roles
from fixtures.stacked import CITY_BUREAU, COUNTY_BUREAU, TOWN_VILLAGE, add_city, stricter
from fixtures.watching import as_administrator, watcher
from fixtures.world import BUREAU, FOUNDERS, SCOPE, VILLAGE, World, kinds_of
from quanheng.model.finding import FindingKind
from quanheng.model.ids import PostId
from quanheng.operations import realm
from quanheng.operations.waivers import WaiverState, read_waivers

OWN: Final = {"超级管理员", "牵头科室系统管理员", "审批受理人员", "审批办理人员"}
"""Posts that 晋城 alone has."""
RULE: Final = "j8-super-and-system-admin"
FIRST, SECOND = FOUNDERS[PostId("system_admin")], FOUNDERS[PostId("business_admin")]


def stack(world: World, *packs: str) -> World:
    """The world with these packs, and with 晋城 in its feed."""
    world.settings = world.settings.model_copy(update={"packs": packs})
    world.context = world.open()
    make_roles(world.fake, world.context.pack)
    add_city(world)
    return world


def sync(world: World) -> Any:
    """The next issue, all of 晋城 in it, and a sync of it."""
    return world.issue_and_sync(scope=(*SCOPE, "1405"))


def settle(world: World) -> None:
    """Approve what waits; then nothing is left to do, by nobody."""
    world.approve(by=FIRST)
    assert world.sync().outcome.refused == ()
    assert world.sync().plan.empty
    assert world.check().clean
    look = watcher(world)
    look.tick()
    assert look.tick().quiet
    world.verify_ledger()


@pytest.fixture
def stacked(world: World) -> World:
    """Both packs as they ship."""
    return stack(world, "shanxi", "jincheng")


def test_everybody_gets_the_posts_of_both(stacked: World) -> None:
    """People of both cities, in posts of both packs: all as the feed says, and stable."""
    people = {
        stacked.hire(CITY_BUREAU, "超级管理员"): {"超级管理员"},
        stacked.hire(CITY_BUREAU, "审批受理人员"): {"审批受理人员"},
        stacked.hire(COUNTY_BUREAU, "审批办理人员"): {"审批办理人员"},
        stacked.hire(COUNTY_BUREAU, "系统管理员"): {"系统管理员"},
        stacked.hire(TOWN_VILLAGE): {"业务操作员"},
        stacked.hire(BUREAU, "系统管理员"): {"系统管理员"},
        stacked.hire(BUREAU, "经办人员"): {"经办人员"},
    }
    sync(stacked)
    settle(stacked)
    assert {staff_no: stacked.duties(staff_no) for staff_no in people} == people


def test_posts_of_the_city_have_groups_there_alone(stacked: World) -> None:
    """Below 晋城市 and its counties, at the levels where the pack has them; the province's are everywhere."""
    sync(stacked)
    paths = {group.path for group in stacked.console.read_groups().values()}
    own = {path for path in paths if path[-1] in OWN}
    assert own == {
        ("管理员", "1405-晋城市", "超级管理员"),
        ("管理员", "1405-晋城市", "牵头科室系统管理员"),
        ("岗位", "1405-晋城市", "审批受理人员"),
        ("岗位", "1405-晋城市", "审批办理人员"),
        ("岗位", "140502-城区", "审批受理人员"),
        ("岗位", "140502-城区", "审批办理人员"),
    }
    for county in ("140502-城区", "140902-忻府区", "140921-定襄县"):
        assert ("管理员", county, "系统管理员") in paths
        assert ("岗位", county, "业务操作员") in paths


def test_a_post_of_the_city_gives_nothing_elsewhere(stacked: World) -> None:
    """A row of 忻府区 that claims a post of 晋城 is refused, and the next sync finds nothing to do."""
    who = stacked.hire(BUREAU, "审批受理人员")
    sync(stacked)
    assert who not in stacked.users()
    settle(stacked)


def test_one_person_is_not_super_and_system_administrator(stacked: World) -> None:
    """J8: neither, until somebody asks for a waiver and a second person agrees; after its end neither."""
    for post in ("超级管理员", "牵头科室系统管理员"):
        stacked.hire(CITY_BUREAU, post)  # the last one of an office would keep it
    who = stacked.hire(CITY_BUREAU, "超级管理员")
    stacked.also(who, post="牵头科室系统管理员", post_id="lead_system_admin")
    sync(stacked)
    stacked.approve(by=FIRST)
    refused = stacked.sync()
    assert FindingKind.EXCLUDED_POSTS in kinds_of(refused.plan.findings)
    assert stacked.duties(who) == set()

    waiver = ask(stacked, who, by=FIRST, rule=RULE)
    stacked.approve(waiver.key, by=SECOND)
    stacked.sync()
    assert stacked.duties(who) == {"超级管理员", "牵头科室系统管理员"}
    assert [item.state for item in read_waivers(stacked.context)] == [WaiverState.IN_FORCE]
    settle(stacked)

    stacked.pass_time(days=200)
    sync(stacked)
    assert stacked.duties(who) == set()
    assert stacked.sync().plan.empty


def test_the_citys_administrator_grants_the_citys_posts(stacked: World) -> None:
    """牵头科室系统管理员 grants 审批受理人员 in 晋城 in the console, and nobody else does."""
    chief = stacked.hire(CITY_BUREAU, "牵头科室系统管理员")
    clerk, other = (stacked.hire(COUNTY_BUREAU, "") for _ in range(2))
    sync(stacked)
    settle(stacked)
    group = stacked.group("/岗位/140502-城区/审批受理人员").id
    for by, to in ((chief, clerk), (SECOND, other)):
        as_administrator(stacked, by).join_group(stacked.user(to).id, group)
    watcher(stacked).tick()
    assert (stacked.duties(clerk), stacked.duties(other)) == ({"审批受理人员"}, set())
    assert stacked.check().differences == ()


def test_the_guard_gets_the_citys_rules_with_their_area(stacked: World) -> None:
    """In one signed issue: 山西's for all, 晋城's for 1405."""
    guard = install_guard(stacked.fake, stacked.settings.keys_directory)
    sync(stacked)
    assert guard.rules is not None
    areas = {rule["id"]: rule["areas"] for rule in json.loads(guard.rules.payload)["exclusions"]}
    citys = {RULE, "j8-administrators-and-users", "s5-business-admin-no-user-work"}
    assert {name: found for name, found in areas.items() if found} == {name: ["1405"] for name in citys}


# A city that is stricter than the province about one and the same post


@pytest.fixture
def strict(world: World) -> World:
    """山西 with the stricter city on it."""
    return stack(world, "shanxi", stricter(world.folder / "strict"))


def test_the_stricter_requirement_holds_in_the_city_alone(strict: World) -> None:
    """A 经办人员 of 合同制 is one in 忻府区 and none in 晋城."""
    there, here = (strict.hire(org, "经办人员", employment="合同制") for org in (BUREAU, COUNTY_BUREAU))
    firm = strict.hire(COUNTY_BUREAU, "经办人员")
    sync(strict)
    settle(strict)
    assert [strict.duties(who) for who in (there, here, firm)] == [{"经办人员"}, set(), {"经办人员"}]


def test_the_stricter_exclusion_holds_in_the_city_alone(strict: World) -> None:
    """Two duties that one person may have in 忻府区 and not in 晋城."""
    pairs = [(BUREAU, VILLAGE), (COUNTY_BUREAU, TOWN_VILLAGE)]
    people = []
    for bureau, village in pairs:
        who = strict.hire(bureau, "经办人员")
        strict.also(who, org=village, post="业务操作员", post_id="operator")
        people.append(who)
    sync(strict)
    assert [strict.duties(who) for who in people] == [{"经办人员", "业务操作员"}, set()]


def test_passwords_of_a_pack(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What 晋城 asks of them is asked of Keycloak, and 山西 alone asks for nothing more; either way the form
    stays shut."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    monkeypatch.setattr(realm, "read_public_key", lambda _client: key)
    alone, both = (
        realm.desired_configuration(world.context, realm.RealmOptions()),
        realm.desired_configuration(stack(world, "shanxi", "jincheng").context, realm.RealmOptions()),
    )
    assert "specialChars" not in alone.realm["passwordPolicy"]
    assert "specialChars(1) and passwordHistory(3)" in both.realm["passwordPolicy"]
    for desired in (alone, both):
        assert desired.realm["browserFlow"] == "quanheng-browser"
        assert "UPDATE_PASSWORD" in desired.roles["required_actions_off"]
