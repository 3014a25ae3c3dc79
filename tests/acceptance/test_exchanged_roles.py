"""Roles of duties under each other's names: nothing is found by them that is written, and nobody stays in."""

from __future__ import annotations

import json

import pytest

from fixtures.fake_guard import install_guard
from fixtures.watching import watcher
from fixtures.world import BUREAU, VILLAGE, World, kinds_of
from quanheng.config import NotifySettings
from quanheng.model.finding import FindingKind
from quanheng.model.ids import KeycloakId, RoleName, StaffNo
from quanheng.operations.watching.watcher import Watcher
from quanheng.store.tables import notice

HANDLER, REVIEWER = RoleName("post-handler"), RoleName("post-reviewer")


@pytest.fixture
def staff(world: World) -> tuple[StaffNo, StaffNo]:
    """A villager and somebody of the bureau, at work; the names of duties' roles are known."""
    villager, handler = world.hire(VILLAGE), world.hire(BUREAU, "经办人员")
    world.issue_and_sync()
    world.sync()
    return villager, handler


@pytest.fixture
def look(world: World, staff: tuple[StaffNo, StaffNo]) -> Watcher:
    """A watcher that tells into a file, after its first looks."""
    told = world.settings.model_copy(update={"notify": NotifySettings(file=world.folder / "notices.jsonl")})
    watching = watcher(world, world.open(settings=told))
    watching.tick()
    assert watching.tick().quiet
    return watching


def exchange(world: World, other: RoleName = REVIEWER) -> None:
    """Exchange the names of two duties; the same again puts them back."""
    aside = world.console.tamper_rename_role(HANDLER, "aside")
    world.console.tamper_rename_role(other, HANDLER)
    world.console.tamper_rename_role(aside, other)


def carried(world: World) -> dict[KeycloakId, set[KeycloakId]]:
    """Ids of the roles that each group carries."""
    roles = world.console.read_roles()
    return {
        key: {roles[name].id for name in group.roles} for key, group in world.console.read_groups().items()
    }


def contained(world: World) -> dict[KeycloakId, set[KeycloakId]]:
    """Ids of the roles that each role contains."""
    roles = world.console.read_roles()
    return {role.id: {roles[name].id for name in role.composites} for role in roles.values()}


@pytest.mark.parametrize("guarded", [False, True])
def test_a_sync(world: World, staff: tuple[StaffNo, StaffNo], guarded: bool) -> None:
    """Whoever left is disabled and loses the duty; nobody is given any, and no group another one. With the
    names back everything is as it should be."""
    if guarded:
        install_guard(world.fake, world.settings.keys_directory)
        world.sync()
    before = carried(world)
    exchange(world)
    world.change(staff[0], status="退休")
    world.change(staff[1], post="")
    new = world.hire(BUREAU, "经办人员")
    done = world.issue_and_sync()
    assert {str(change.kind) for change in done.plan.changes} == {"disable", "revoke"}
    assert done.outcome.refused == ()
    assert not world.user(staff[0]).enabled
    assert world.duties(staff[1]) == set()
    assert new not in world.users()
    assert carried(world) == before
    told = [item for item in done.plan.findings if item.kind is FindingKind.EXCHANGED_NAMES]
    assert [item.subject for item in told] == [HANDLER, REVIEWER]
    assert all("改回" in item.detail and item.violation for item in told)
    assert FindingKind.FOREIGN_ROLE not in kinds_of(done.plan.findings)
    found = world.check()
    assert not found.clean
    assert found.differences == ()
    exchange(world)
    world.sync()
    assert world.duties(new) == {"经办人员"}
    assert carried(world).items() >= before.items()
    assert world.check().clean


def test_beside_a_guard_that_never_took_our_rules(world: World) -> None:
    """It has another key: the names are known all the same, and nothing is mended by them."""
    install_guard(world.fake, world.settings.keys_directory).public_keys = ()
    world.hire(BUREAU, "经办人员")
    world.issue_and_sync()
    look = watcher(world)
    look.tick()
    groups, roles = carried(world), contained(world)
    exchange(world)
    for _ in range(3):
        world.pass_time(minutes=2)
        look.tick()
    assert (carried(world), contained(world)) == (groups, roles)


@pytest.mark.parametrize("guarded", [False, True])
def test_a_look(world: World, staff: tuple[StaffNo, StaffNo], look: Watcher, guarded: bool) -> None:
    """The watcher tells one thing of it, whether or not anything guards, and changes neither groups nor
    roles; what somebody is given meanwhile is taken away all the same."""
    if guarded:
        install_guard(world.fake, world.settings.keys_directory)
        world.sync()
        look.tick()
    groups, roles = carried(world), contained(world)
    exchange(world)
    world.console.add_roles(world.user(staff[0]).id, frozenset({REVIEWER}))
    world.console.join_group(world.user(staff[0]).id, world.group("/岗位/140902-忻府区/经办人员").id)
    for _ in range(3):
        world.pass_time(minutes=2)
        look.tick()
    assert (carried(world), contained(world)) == (groups, roles)
    assert world.user(staff[0]).roles == {world.fake.default_role}
    assert world.duties(staff[0]) == {"业务操作员"}
    assert world.ledger("cause_found", "cause_restored") == []
    (entry,) = world.ledger("guard_rules_withheld")
    told = json.loads(entry.body)
    assert len(told["causes"]) == 2
    assert "改回" in told["remedy"]
    with world.context.database.reading() as connection:
        causes = [row for row in connection.execute(notice.select()) if row.kind == "cause"]
    assert len(causes) == 1


def test_with_the_default_role(world: World, staff: tuple[StaffNo, StaffNo], look: Watcher) -> None:
    """Everybody holds the default role: nobody is said to have been given the duty whose name it has now, nor
    the default role to give power; who is given one meanwhile is in the ledger, with whom."""
    default = world.fake.default_role
    entries = len(world.ledger())
    exchange(world, default)
    for _ in range(2):
        world.pass_time(minutes=2)
        look.tick()
    (entry,) = world.ledger()[entries:]
    assert entry.kind == "guard_rules_withheld"
    with world.context.database.reading() as connection:
        (told,) = connection.execute(notice.select()).all()
    assert "改回" in told.facts["remedy"]
    exchange(world, default)
    look.tick()
    exchange(world, default)
    world.console.add_roles(world.user(staff[0]).id, frozenset({REVIEWER}))
    look.tick()
    (given,) = world.ledger("console_change_refused")
    body = json.loads(given.body)
    assert (body["user"], body["actor"]) == (world.user(staff[0]).id, "console")
    exchange(world, default)
    look.tick()
    assert len(world.ledger("console_change_refused")) == 1
    world.sync()
    assert world.check().clean


def test_told_each_time(world: World, look: Watcher) -> None:
    """Names that were put back and exchanged again are told again, in the same words."""
    for times in (1, 2):
        exchange(world)
        for _ in range(2):
            look.tick()
        assert len(world.ledger("guard_rules_withheld")) == times
        exchange(world)
        look.tick()


def test_names_of_permissions(world: World, look: Watcher) -> None:
    """Roles of clients no less: no post's role is said to contain another one, and nothing is given."""
    first, second = sorted(
        world.context.rules.composites[HANDLER] ^ world.context.rules.composites[REVIEWER]
    )[:2]
    client, _, name = first.rpartition("/")
    assert second.startswith(f"{client}/")
    aside = world.console.tamper_rename_role(first, "aside")
    world.console.tamper_rename_role(second, name)
    world.console.tamper_rename_role(aside, second.rpartition("/")[2])
    new = world.hire(BUREAU, "经办人员")
    world.issue_and_sync()
    look.tick()
    assert new not in world.users()
    assert world.ledger("cause_found") == []
    assert len(world.ledger("guard_rules_withheld")) == 1
    assert {item.subject for item in world.check().findings if item.violation} == {first, second}
