"""The watcher over a real Keycloak, in a realm that no guard guards: what events tell there is enough."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from fixtures.real_world import RealWorld
from fixtures.watching import watcher
from fixtures.world import BUREAU, VILLAGE
from quanheng.model.ids import RoleName, StaffNo
from quanheng.operations.watching.watcher import Watcher, read_exposure

REVIEWER = RoleName("post-reviewer")
DUTY = "/岗位/140902-忻府区/业务操作员"
REVIEW = "/岗位/140902-忻府区/审核人员"


def now(real: RealWorld) -> None:
    """The world's clock is the machine's."""
    real.world.clock.now = real.realm.read_server_time()


def look(real: RealWorld, watching: Watcher) -> int:
    """Look until nothing is left to do; returns the changes."""
    done = 0
    for _ in range(4):
        now(real)
        tick = watching.tick()
        done += tick.changes
    assert tick.quiet, tick
    return done


def test_paths_past_the_rules_on_a_real_server(real_world: RealWorld) -> None:
    """Each is undone by looks alone, and dated by the server's own events."""
    real, world = real_world, real_world.world
    staff = [world.hire(VILLAGE) for _ in range(4)]
    world.hire(BUREAU, "经办人员")
    world.issue_and_sync()
    watching = watcher(world)
    look(real, watching)
    first: StaffNo = staff[0]

    def user(staff_no: str = first) -> str:
        return str(world.user(staff_no).id)

    def role(name: str) -> object:
        return real.admin.get(f"/roles/{name}")

    def composite() -> None:
        real.admin.send("POST", "/roles", {"name": "boss"})
        real.admin.send("POST", "/roles/boss/composites", [role(REVIEWER)])
        real.admin.map_role(user(), "boss")

    def created_with_groups() -> None:
        real.admin.send("POST", "/users", {"username": "made", "enabled": True, "groups": [REVIEW]})

    def imported() -> None:
        person = {"username": "imported", "enabled": True, "groups": [REVIEW], "realmRoles": [str(REVIEWER)]}
        real.admin.send("POST", "/partialImport", {"ifResourceExists": "SKIP", "users": [person]})

    def moved() -> None:
        above = world.group(REVIEW)
        body = {"id": str(world.group(DUTY).id), "name": "业务操作员"}
        real.admin.send("POST", f"/groups/{above.id}/children", body)

    paths: dict[str, Callable[[], object]] = {
        "direct role": lambda: real.admin.map_role(user(), str(REVIEWER)),
        "composite": composite,
        "group join": lambda: real.admin.send("PUT", f"/users/{user()}/groups/{world.group(REVIEW).id}"),
        "group left": lambda: real.admin.send("DELETE", f"/users/{user()}/groups/{world.group(DUTY).id}"),
        "role into a group": lambda: real.admin.send(
            "POST", f"/groups/{world.group(DUTY).id}/role-mappings/realm", [role(REVIEWER)]
        ),
        "created with groups": created_with_groups,
        "imported": imported,
        "group moved": moved,
    }
    for name, tamper in paths.items():
        tamper()
        assert look(real, watching) > 0, name
        assert world.check().differences == (), name
        assert world.duties(first) == {"业务操作员"}, name
    report = read_exposure(world.context)
    assert report.open == 0
    assert report.ended >= 4

    operator = real.admin.get("/roles/post-operator")
    real.admin.send("POST", f"/roles-by-id/{operator['id']}/composites", [role(REVIEWER)])
    writes = real.writes
    look(real, watching)
    assert real.writes == writes
    assert [json.loads(entry.body)["cause"] for entry in world.ledger("cause_found")] == [
        "boss 含有 post-reviewer",
        "post-operator 含有 post-reviewer",
    ]
    real.admin.send("DELETE", f"/roles-by-id/{operator['id']}/composites", [role(REVIEWER)])
    look(real, watching)

    real.admin.map_role(user(), str(REVIEWER))
    real.admin.send("DELETE", "/admin-events")
    look(real, watching)
    assert world.check().differences == ()
    assert len(world.ledger("events_missing")) == 1
    assert world.sync().plan.empty
    world.verify_ledger()


@pytest.mark.parametrize("seconds", [2])
def test_a_quiet_look_asks_one_question(real_world: RealWorld, seconds: int) -> None:
    """One request to the server while nothing happens."""
    world = real_world.world
    world.hire(VILLAGE)
    world.issue_and_sync()
    watching = watcher(world)
    look(real_world, watching)
    world.pass_time(seconds=seconds)
    before = real_world.requests
    assert watching.tick().quiet
    assert real_world.requests - before == 1
