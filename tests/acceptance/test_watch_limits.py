"""The limits of safety and the watcher: whoever floods it with forbidden grants gains no time by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest

from fixtures.watching import watcher
from fixtures.world import BUREAU, VILLAGE, World
from quanheng.config import Limit, SafetySettings
from quanheng.model.ids import KeycloakId, RoleName, Username
from quanheng.model.realm import NewUser

REVIEWER: Final = RoleName("post-reviewer")
HANDLER: Final = "/岗位/140902-忻府区/经办人员"
HUNDRED: Final = SafetySettings(revoke=Limit(count=100, percent=100))
MANY: Final = 150


@pytest.fixture
def crowd(make_world: Callable[..., World]) -> World:
    """150 villagers and a handler, under the limit of 100 revocations that ships."""
    world: World = make_world(safety=HUNDRED)
    for _ in range(MANY):
        world.hire(VILLAGE)
    world.hire(BUREAU, "经办人员")
    world.issue_and_sync()
    watcher(world).tick()
    assert watcher(world).tick().quiet
    return world


def villagers(world: World) -> list[KeycloakId]:
    """Accounts of the villagers."""
    users = world.users()
    return [users[row.staff_no].id for row in world.people if row.org == VILLAGE]


def by_group(world: World, user: KeycloakId) -> None:
    """A duty's group joined."""
    world.console.join_group(user, world.group(HANDLER).id)


def by_role(world: World, user: KeycloakId) -> None:
    """A duty's role mapped, and a harmless one with it."""
    world.console.add_roles(user, frozenset({REVIEWER}))
    world.console.add_roles(user, frozenset({RoleName("harmless")}))


def past_events(world: World, user: KeycloakId) -> None:
    """A role in the database, of which no event tells; something else has the user read again."""
    known = world.console.read_user(user)
    world.fake._state.users[user] = replace(known, roles=known.roles | {REVIEWER})
    world.console.logout(user)


def right(world: World) -> bool:
    """Whether nothing differs."""
    return world.check().differences == ()


@pytest.mark.parametrize("give", [by_group, by_role])
def test_refused_grants_are_undone_however_many(
    crowd: World, give: Callable[[World, KeycloakId], None]
) -> None:
    """150 forbidden grants under a limit of 100: one look undoes them all."""
    crowd.console.tamper_role("harmless")
    for user in villagers(crowd):
        give(crowd, user)
    done = watcher(crowd).tick()
    assert (done.stopped, done.changes) == (False, MANY)
    assert right(crowd)
    crowd.verify_ledger()


def test_users_made_with_several_groups(crowd: World) -> None:
    """Each membership that one event gave is known for one."""
    paths = (("岗位", "140902-忻府区", "经办人员"), ("岗位", "140902-忻府区", "审核人员"))
    for number in range(60):
        user = NewUser(
            username=Username(f"outsider{number}"),
            enabled=True,
            name="外来",
            attributes={},
            groups=paths,
            identities=frozenset(),
        )
        crowd.console.create_user(user)
    done = watcher(crowd).tick()
    assert (done.stopped, done.changes) == (False, 120)
    assert right(crowd)


def test_what_no_event_proves_still_stops(crowd: World) -> None:
    """150 roles that nobody is known to have given may have been somebody's: a person decides."""
    for user in villagers(crowd):
        past_events(crowd, user)
    writes = crowd.fake.writes
    assert watcher(crowd).tick().stopped
    assert crowd.fake.writes == writes
    assert len(crowd.ledger("repair_stopped")) == 1
    assert watcher(crowd).tick().quiet


def test_what_waits_for_a_person_holds_up_no_undoing(crowd: World) -> None:
    """Whoever makes the repair stop by something else keeps none of the forbidden grants."""
    users = villagers(crowd)
    for user in users:
        past_events(crowd, user)
    for user in users:
        by_group(crowd, user)
    done = watcher(crowd).tick()
    assert (done.stopped, done.changes) == (True, MANY)
    there = {user.id: user for user in crowd.console.sweep_users()}
    assert all(crowd.group(HANDLER).id not in there[user].groups for user in users)
    assert all(REVIEWER in there[user].roles for user in users)


def test_a_role_beside_one_that_waits(crowd: World) -> None:
    """Of several roles of one user the refused one goes, and the one that waits stays."""
    crowd.console.tamper_role("harmless")
    users = villagers(crowd)
    for user in users:
        crowd.console.add_roles(user, frozenset({RoleName("harmless")}))
    assert watcher(crowd).tick().stopped
    crowd.console.add_roles(users[0], frozenset({REVIEWER}))
    by_role(crowd, users[1])
    watcher(crowd).tick()
    assert all(REVIEWER not in crowd.console.read_user(user).roles for user in users[:2])


def test_a_refused_grant_of_long_ago_counts(crowd: World) -> None:
    """What was refused and stood for days may have become somebody's by right since."""
    users = villagers(crowd)
    held = {user: crowd.console.read_user(user) for user in users}
    for user in users:
        by_group(crowd, user)
    crowd.fake.before_call = _fail_on("leave_group")
    with pytest.raises(RuntimeError):
        watcher(crowd).tick()
    crowd.fake.before_call = None
    crowd.pass_time(days=2)
    assert watcher(crowd).tick().stopped
    assert crowd.console.read_user(users[0]).groups != held[users[0]].groups


def _fail_on(wanted: str) -> Callable[[str], None]:
    def hook(name: str) -> None:
        if name == wanted:
            raise RuntimeError(name)

    return hook
