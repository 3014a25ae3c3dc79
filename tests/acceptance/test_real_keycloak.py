"""The whole over a real Keycloak: accounts, tampering by the bootstrap administrator, ``kill -9``."""

from __future__ import annotations

import time
from random import Random

import pytest

from fixtures.kills import REAL_KILLS, assert_converged
from fixtures.real_world import RealWorld
from fixtures.world import BANK, BUREAU, OTHER_VILLAGE, VILLAGE, World, kinds_of
from quanheng.model.change import ChangeKind
from quanheng.model.finding import FindingKind


@pytest.fixture
def loaded(real_world: RealWorld) -> RealWorld:
    """Two counties' people in a real realm; one retired, one under investigation."""
    world = real_world.world
    for _ in range(12):
        world.hire(VILLAGE)
    world.hire(OTHER_VILLAGE)
    world.hire(BUREAU, "经办人员")
    world.hire(BUREAU, "系统管理员")
    world.hire(VILLAGE, status="接受调查")
    world.hire(VILLAGE, status="退休", status_from="2026-01-01")
    world.hire(VILLAGE, name="𠮷·建军")
    done = world.issue_and_sync()
    assert done.outcome.refused == ()
    return real_world


def test_from_nothing_to_an_empty_plan(loaded: RealWorld) -> None:
    """A load, then a second sync that writes nothing and asks little, and a check that is clean."""
    world = loaded.world
    writes, requests = loaded.writes, loaded.requests
    again = world.sync()
    assert again.plan.empty
    assert loaded.writes == writes
    assert loaded.requests - requests <= 20
    assert world.check().clean
    world.verify_ledger()


def test_enabled_users_are_the_people_who_should_be(loaded: RealWorld) -> None:
    """By Keycloak's own REST the enabled users are the people at work; nobody else has an account."""
    world = loaded.world
    away = {row.staff_no for row in world.people if row.status != "在职"}
    at_work = {world.person(row.staff_no).username for row in world.people if row.staff_no not in away}
    assert loaded.admin.enabled_users() == at_work
    retired = world.person(next(row.staff_no for row in world.people if row.status == "退休"))
    assert loaded.admin.get("/users", username=retired.username, exact="true") == []


def test_what_an_account_holds(loaded: RealWorld) -> None:
    """Names with rare characters, the card, the groups, and no trace of ID number or phone."""
    world = loaded.world
    row = next(row for row in world.people if row.name == "𠮷·建军")
    person = world.person(row.staff_no)
    user = loaded.admin.get("/users", username=person.username, exact="true")[0]
    assert user["firstName"] == row.name
    links = loaded.admin.get(f"/users/{user['id']}/federated-identity")
    assert [(item["identityProvider"], item["userId"]) for item in links] == [("social-card", person.subject)]
    groups = loaded.admin.get(f"/users/{user['id']}/groups")
    assert {item["path"] for item in groups} == {
        "/机构/14-山西省/1409-忻州市/140902-忻府区/140902001-南城街道",
        "/岗位/140902-忻府区/业务操作员",
    }
    roles = loaded.admin.get(f"/users/{user['id']}/role-mappings/realm/composite")
    assert "post-operator" in {item["name"] for item in roles}
    events = str(loaded.admin.get("/admin-events", max=1000))
    for text in (str(user), events):
        assert row.canonical_number not in text
        assert row.phone not in text


def test_tampering_is_named_and_repaired(loaded: RealWorld) -> None:
    """Removed from its group, renamed, given a foreign role: check names each, sync repairs each."""
    world, admin = loaded.world, loaded.admin
    before = {staff_no: world.user(staff_no) for staff_no in ("T00003", "T00004", "T00005")}
    removed, renamed, given = before.values()
    duty = world.group("/岗位/140902-忻府区/业务操作员")
    admin.send("DELETE", f"/users/{removed.id}/groups/{duty.id}")
    admin.rename(renamed.id, "somebody")
    admin.map_role(given.id, "auditor")

    report = world.check()
    assert {(str(item.kind), item.subject) for item in report.differences} == {
        ("grant", removed.username),
        ("update", renamed.username),
        ("role_remove", given.username),
    }
    done = world.sync()
    assert done.outcome.refused == ()
    assert {staff_no: world.user(staff_no) for staff_no in before} == before
    assert world.check().clean
    assert world.sync().plan.empty


def test_foreign_user_is_reported_and_left_alone(loaded: RealWorld) -> None:
    """A user made by the administrator is a note, and is taken out of a duty's group, nothing more."""
    world, admin = loaded.world, loaded.admin
    admin.send("POST", "/users", {"username": "outsider", "enabled": True})
    user = admin.get("/users", username="outsider", exact="true")[0]["id"]
    report = world.check()
    assert report.clean
    assert "outsider" in {item.subject for item in report.findings if item.kind is FindingKind.FOREIGN_USER}
    admin.map_role(user, "auditor")
    admin.send("PUT", f"/users/{user}/groups/{world.group('/岗位/140902-忻府区/业务操作员').id}")
    assert FindingKind.DUTY_ON_FOREIGN_USER in kinds_of(world.check().findings)
    world.sync()
    assert admin.get(f"/users/{user}/groups") == []
    roles = {item["name"] for item in admin.get(f"/users/{user}/role-mappings/realm")}
    assert "auditor" in roles
    assert admin.get(f"/users/{user}")["enabled"]
    assert world.check().clean


def test_switch_in_the_console_is_a_hold(loaded: RealWorld) -> None:
    """Disabled in the console, an account stays so over a new issue; enabled there, it is free again."""
    world, admin = loaded.world, loaded.admin
    user = world.user("T00003")
    admin.send("PUT", f"/users/{user.id}", {"enabled": False})
    world.sync()
    world.change("T00003", name="新名")
    world.issue_and_sync()
    assert (world.user("T00003").enabled, world.user("T00003").name) == (False, "新名")
    admin.send("PUT", f"/users/{user.id}", {"enabled": True})
    assert world.sync().plan.empty
    assert world.user("T00003").enabled


def test_chosen_language_is_in_nobodys_way(loaded: RealWorld) -> None:
    """A user who chose a language on the login page has an attribute of Keycloak's; we can still disable."""
    world, admin = loaded.world, loaded.admin
    profile = admin.get("/users/profile")
    user = world.user("T00003")
    # Ours lets nobody write it; Keycloak's own does.
    others = [item for item in profile["attributes"] if item["name"] != "locale"]
    lenient = {**profile, "attributes": others, "unmanagedAttributePolicy": "ENABLED"}
    admin.send("PUT", "/users/profile", lenient)
    whole = admin.get(f"/users/{user.id}")
    whole["attributes"]["locale"] = ["zh-CN"]
    admin.send("PUT", f"/users/{user.id}", whole)
    admin.send("PUT", "/users/profile", profile)
    world.sync()
    world.change("T00003", status="接受调查", name="新名")
    done = world.issue_and_sync()
    assert done.outcome.refused == ()
    assert not world.user("T00003").enabled
    assert world.user("T00003").name == "新名"
    assert world.sync().plan.empty


def test_deleted_user_and_group_come_back(loaded: RealWorld) -> None:
    """A user and a duty group deleted by the administrator are made again, with everybody in it."""
    world, admin = loaded.world, loaded.admin
    before = world.user("T00003")
    admin.send("DELETE", f"/users/{before.id}")
    admin.send("DELETE", f"/groups/{world.group('/岗位/140902-忻府区/业务操作员').id}")
    world.sync()
    assert world.user("T00003").username == before.username
    assert world.duties("T00003") == world.duties("T00004") == {"业务操作员"}
    assert world.sync().plan.empty
    assert world.check().clean


def test_transfer_promotion_and_leave(loaded: RealWorld) -> None:
    """A moved, a promoted and a retired person, a renamed county: one sync, then nothing to do."""
    world = loaded.world
    world.approve()
    world.sync()
    world.change("T00003", org=OTHER_VILLAGE)
    world.change("T00004", org=BUREAU, post="经办人员")
    world.change("T00005", status="退休", status_from="2026-03-01")
    item = world.units["140921"]
    world.add_unit("140921", "新定襄县", item.kind, item.parent)
    done = world.issue_and_sync()
    assert done.outcome.refused == ()
    assert world.paths("T00003") == {
        "/机构/14-山西省/1409-忻州市/140921-新定襄县/140921001-晋昌镇",
        "/岗位/140921-新定襄县/业务操作员",
    }
    assert world.duties("T00004") == {"经办人员"}
    assert not world.user("T00005").enabled
    assert {row.staff_no: world.duties(row.staff_no) for row in world.people if row.post == "系统管理员"}
    assert world.sync().plan.empty
    assert world.check().clean


def stir(world: World, random: Random, number: int) -> None:
    """Changes of many kinds, so that there is something to be interrupted."""
    villagers = [row.staff_no for row in world.people if row.org == VILLAGE and row.status == "在职"]
    if villagers:
        moved, away, named = random.sample(villagers, 3)
        world.change(moved, org=OTHER_VILLAGE)
        world.change(away, status="接受调查")
        world.change(named, name="改名")
    for _ in range(12):
        world.hire(random.choice((VILLAGE, BANK)))
    world.issue()


def test_kill_at_random_times(real_world: RealWorld) -> None:
    """SIGKILL at random times, from the first load on: each next run converges, all in the ledger once."""
    world = real_world.world
    random = Random(20261121)  # noqa: S311
    killed = 0
    for number in range(REAL_KILLS):
        stir(world, random, number)
        process = real_world.start_sync()
        time.sleep(random.uniform(0.05, 2.0))  # the kill is to be anywhere in the run
        process.kill()
        output, _ = process.communicate()
        killed += "done" not in output
        assert_converged(world)
    assert killed, "every sync was over before it was killed"


def test_two_syncs_at_once(real_world: RealWorld) -> None:
    """Of two processes one works and the other is told so; together they do the work once."""
    world = real_world.world
    for _ in range(12):
        world.hire(VILLAGE)
    world.issue()
    both = [real_world.start_sync() for _ in range(2)]
    ends = [process.communicate() for process in both]
    codes = [process.returncode for process in both]
    assert 0 in codes, ends
    assert all("LeaseHeldError" in error for code, (_, error) in zip(codes, ends, strict=True) if code), ends
    assert_converged(world)
    assert world.ledger(ChangeKind.CREATE)
