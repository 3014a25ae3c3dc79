"""A server without a guard, whose configurator stays open: the watcher undoes causes through it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import pytest
from sqlalchemy import select

from fixtures.fake_guard import install_guard
from fixtures.kills import run_mortal
from fixtures.watching import foreigner, watcher
from fixtures.world import BUREAU, VILLAGE, World, WorldTemplate, temporary
from quanheng.config import NotifySettings, SafetySettings, Settings
from quanheng.errors import UnreachableError
from quanheng.keycloak.port import RealmRefusedError
from quanheng.model.ids import RoleName
from quanheng.model.realm import MapperHolder
from quanheng.operations.context import Context
from quanheng.operations.watching.watcher import Watcher
from quanheng.store.tables import notice

REVIEWER: Final = RoleName("post-reviewer")
OPERATOR: Final = RoleName("post-operator")
HANDLER: Final = RoleName("post-handler")
GROUP: Final = "/岗位/140902-忻府区/经办人员"
FORGING: Final = {"claim.name": "realm_access.roles", "claim.value": "x"}
Cause = Callable[[World], Any]


def stays_open(settings: Settings) -> Settings:
    """The operator's declaration, and where notices go."""
    keycloak = settings.keycloak.model_copy(update={"configurator_stays_open": True})
    notify = NotifySettings(file=settings.keys_directory.parent / "notices.jsonl")
    return settings.model_copy(update={"keycloak": keycloak, "notify": notify})


def mending(world: World) -> Watcher:
    """A watcher over a few people, which has nothing to do."""
    for _ in range(3):
        world.hire(VILLAGE)
    world.hire(BUREAU, "经办人员")
    world.issue_and_sync()
    look = watcher(world, world.open(settings=stays_open(world.settings)))
    look.tick()
    look.tick()
    return look


@pytest.fixture
def look(world: World) -> Watcher:
    """The watcher of such a realm."""
    return mending(world)


def put_into(world: World, role: RoleName, *parts: RoleName) -> None:
    """Put roles into a role that is there."""
    known = world.console.read_roles()[role]
    world.console.tamper_role(role, known.description, known.composites | {*parts})


def bodies(world: World, *kinds: str) -> list[Any]:
    """Bodies of the ledger's entries."""
    return [json.loads(entry.body) for entry in world.ledger(*kinds)]


def told(world: World) -> list[tuple[str, str, str]]:
    """What the ledger says was restored."""
    return [(item["kind"], item["subject"], item["removed"]) for item in bodies(world, "cause_restored")]


def notices(world: World) -> list[Any]:
    """Facts of the notices of causes that wait."""
    with world.context.database.reading() as connection:
        rows = connection.execute(select(notice.c.kind, notice.c.facts).order_by(notice.c.id)).all()
    return [facts for kind, facts in rows if kind == "cause"]


def state(world: World) -> Any:
    """Everything that gives power past any grant."""
    console = world.console
    roles = {name: role.composites for name, role in console.read_roles().items() if role.composites}
    return roles, console.read_default_groups(), console.read_mappers()


CAUSES: Final[dict[str, tuple[Cause, tuple[str, str, str]]]] = {
    "composite": (
        lambda world: put_into(world, OPERATOR, REVIEWER),
        ("composite", "post-operator", "post-reviewer"),
    ),
    "own composite": (
        lambda world: world.console.tamper_role("own/role", composites=frozenset({HANDLER})),
        ("composite", "own/role", "post-handler"),
    ),
    "default role": (
        lambda world: put_into(world, world.console.default_role, REVIEWER),
        ("composite", "default-roles-shanxi", "post-reviewer"),
    ),
    "default group": (
        lambda world: world.console.tamper_default_group(world.group(GROUP).id),
        ("default_group", "shanxi", "经办人员"),
    ),
    "client's mapper": (
        lambda world: world.console.tamper_mapper(
            MapperHolder.CLIENT, "hall", "granting", "oidc-hardcoded-role-mapper", role="post-reviewer"
        ),
        ("protocol_mapper", "client hall", "granting"),
    ),
    "scope's mapper": (
        lambda world: world.console.tamper_mapper(
            MapperHolder.CLIENT_SCOPE, "email", "forging", "oidc-hardcoded-claim-mapper", **FORGING
        ),
        ("protocol_mapper", "client scope email", "forging"),
    ),
    "provider's mapper": (
        lambda world: world.console.tamper_mapper(
            MapperHolder.PROVIDER, "social-card", "giving", "oidc-hardcoded-role-idp-mapper"
        ),
        ("provider_mapper", "social-card", "giving"),
    ),
}


@pytest.mark.parametrize("name", CAUSES)
def test_one_look_undoes_a_cause(world: World, look: Watcher, name: str) -> None:
    """It goes, nobody is touched, and ledger and notice say what and who, as beside a guard."""
    cause, expected = CAUSES[name]
    users = dict(world.fake._state.users)
    before = state(world)
    cause(world)
    assert state(world) != before
    assert look.tick().changes == 0
    assert state(world) == before
    assert world.fake._state.users == users
    assert told(world) == [expected]
    (entry,) = bodies(world, "cause_restored")
    assert entry["actors"] == ["console"]
    (facts,) = notices(world)
    assert facts["causes"] == [f"{expected[1]}：已移除 {expected[2]}"]
    assert "配置客户端" in facts["remedy"]
    assert world.ledger("cause_found", "cause_not_restored") == []
    look.tick()
    assert look.tick().quiet
    assert told(world) == [expected]
    assert world.check().clean
    world.verify_ledger()


@pytest.mark.parametrize("name", CAUSES)
def test_the_guard_does_the_same(world: World, name: str) -> None:
    """Where one is installed with valid rules it does it, and our configurator writes nothing."""
    install_guard(world.fake, world.settings.keys_directory)
    look = mending(world)
    cause, expected = CAUSES[name]
    before = state(world)
    cause(world)
    world.fake.can_import = False
    look.tick()
    assert told(world) == [expected]
    assert state(world) == before


@pytest.mark.parametrize("name", CAUSES)
def test_without_the_declaration_nothing_is_written(world: World, look: Watcher, name: str) -> None:
    """The configurator may be open for a first load: that alone lets nobody write by it."""
    closed = watcher(world)
    CAUSES[name][0](world)
    after = state(world)
    writes = world.fake.writes
    for _ in range(3):
        closed.tick()
    assert world.fake.writes == writes
    assert state(world) == after
    assert told(world) == []


def test_what_is_missing_is_put_back(world: World, look: Watcher) -> None:
    """A post contains exactly what the rules list; what is put back is no power that anybody gained."""
    before = state(world)
    parts = world.console.read_roles()[OPERATOR].composites
    world.console.tamper_role(OPERATOR, composites=frozenset({REVIEWER, *sorted(parts)[1:]}))
    look.tick()
    assert state(world) == before
    assert told(world) == [("composite", "post-operator", "post-reviewer")]
    look.tick()
    assert look.tick().quiet


def test_a_permission_contains_nothing(world: World, look: Watcher) -> None:
    """Nor does the default role give a duty by a role of somebody's own, which is freed."""
    permission = min(world.console.read_roles()[OPERATOR].composites)
    client, _, name = permission.rpartition("/")
    world.console.tamper_client_role(client, name, composites=frozenset({HANDLER}))
    own = world.console.tamper_role("own", composites=frozenset({REVIEWER}))
    put_into(world, world.console.default_role, own)
    look.tick()
    roles = world.console.read_roles()
    assert roles[permission].composites == roles[own].composites == frozenset()
    assert roles[world.console.default_role].composites == {own}
    assert sorted(told(world)) == [
        ("composite", permission, "post-handler"),
        ("composite", "own", "post-reviewer"),
    ]
    assert world.ledger("cause_found") == []


def test_ordinary_mappers_stay(world: World, look: Watcher) -> None:
    """A bureau's own claim, and a provider's mapper of a nickname."""
    attribute = {"claim.name": "department", "user.attribute": "department"}
    world.console.tamper_mapper(
        MapperHolder.CLIENT, "hall", "department", "oidc-usermodel-attribute-mapper", **attribute
    )
    nickname = {"claim": "x", "user.attribute": "nickname"}
    world.console.tamper_mapper(
        MapperHolder.PROVIDER, "social-card", "nickname", "oidc-user-attribute-idp-mapper", **nickname
    )
    writes = world.fake.writes
    look.tick()
    assert world.fake.writes == writes
    assert len(world.console.read_mappers()) == 2


def test_everybody_holds_it(make_world: Callable[..., World]) -> None:
    """A role put into the role that 300 people hold: one request for it, and one that ends sessions."""
    world: World = make_world(safety=SafetySettings())
    for _ in range(300):
        world.hire(VILLAGE)
    world.issue_and_sync()
    look = mending(world)
    users = dict(world.fake._state.users)
    put_into(world, OPERATOR, REVIEWER)
    world.fake.calls.clear()
    look.tick()
    assert world.fake._state.users == users
    assert world.fake.calls["remove_role_parts"] == world.fake.calls["logout_everybody"] == 1
    assert world.fake.writes == 2
    (entry,) = bodies(world, "cause_restored")
    assert entry["sessions"] == "everybody"


def test_a_closed_configurator_is_told_and_tried_again(world: World, look: Watcher) -> None:
    """Somebody closed it: told once, tried each minute, done as soon as it is open."""
    before = state(world)
    world.fake.can_import = False
    put_into(world, OPERATOR, REVIEWER)
    CAUSES["client's mapper"][0](world)
    for _ in range(4):
        look.tick()
        world.pass_time(minutes=1)
    assert told(world) == []
    (entry,) = bodies(world, "cause_not_restored")
    assert "configurator" in entry["problem"]
    assert [item["cause"] for item in bodies(world, "cause_found")] == ["post-operator 含有 post-reviewer"]
    world.fake.can_import = True
    look.tick()
    assert state(world) == before
    assert {kind for kind, _, _ in told(world)} == {"composite", "protocol_mapper"}
    world.pass_time(minutes=1)
    look.tick()
    world.pass_time(minutes=1)
    assert look.tick().quiet


STEPS: Final = {
    "remove_role_parts": "composite",
    "remove_default_group": "default_group",
    "remove_mapper": "protocol_mapper",
}


@pytest.mark.parametrize("step", STEPS)
def test_what_is_refused_keeps_nothing_else(world: World, look: Watcher, step: str) -> None:
    """One thing stays, the first or the last: it alone is told, and what was set right is in the ledger at
    once."""

    def refuse(name: str) -> None:
        if name == step:
            raise RealmRefusedError("not this one", status=403)

    before = state(world)
    world.fake.before_call = refuse
    put_into(world, OPERATOR, REVIEWER)
    CAUSES["client's mapper"][0](world)
    CAUSES["default group"][0](world)
    look.tick()
    others = [kind for kind in STEPS.values() if kind != STEPS[step]]
    assert [kind for kind, _, _ in told(world)] == others
    (entry,) = bodies(world, "cause_not_restored")
    assert entry["problem"] == "not this one"
    world.fake.before_call = None
    world.pass_time(minutes=1)
    look.tick()
    assert [kind for kind, _, _ in told(world)] == [*others, STEPS[step]]
    assert state(world) == before


def test_what_others_took_away_is_not_ours(world: World, look: Watcher) -> None:
    """All of it was refused us, and then somebody else did it: we did not."""

    def refuse(name: str) -> None:
        if name == "remove_mapper":
            raise RealmRefusedError("not this one", status=403)

    world.fake.before_call = refuse
    CAUSES["client's mapper"][0](world)
    look.tick()
    world.fake.before_call = None
    (mapper,) = world.console.read_mappers()
    world.console.remove_mapper(mapper)
    for _ in range(2):
        world.pass_time(minutes=1)
        look.tick()
    assert world.console.read_mappers() == []
    assert told(world) == []


def test_a_shape_that_nobody_foresaw(world: World, look: Watcher) -> None:
    """What Keycloak answers cannot be read: that is told, by its kind alone, and it is tried again."""

    def odd(name: str) -> None:
        if name == "remove_mapper":
            raise KeyError("Sunny-Day-2026")

    world.fake.before_call = odd
    put_into(world, OPERATOR, REVIEWER)
    CAUSES["client's mapper"][0](world)
    look.tick()
    assert [kind for kind, _, _ in told(world)] == ["composite"]
    (entry,) = bodies(world, "cause_not_restored")
    assert "KeyError" in entry["problem"]
    assert "Sunny-Day" not in entry["problem"]
    world.fake.before_call = None
    world.pass_time(minutes=1)
    look.tick()
    assert [kind for kind, _, _ in told(world)] == ["composite", "protocol_mapper"]


def test_a_server_that_went_away(world: World, look: Watcher) -> None:
    """What was set right before it went is told; the rest waits."""
    world.fake.after_call = lambda name: world.fake.down() if name == "remove_role_parts" else None
    put_into(world, OPERATOR, REVIEWER)
    CAUSES["client's mapper"][0](world)
    with pytest.raises(UnreachableError):
        look.tick()
    assert told(world) == [("composite", "post-operator", "post-reviewer")]
    world.fake.after_call = None
    world.fake.down(False)
    world.pass_time(minutes=1)
    look.tick()
    assert world.console.read_mappers() == []
    assert len(told(world)) == 2
    assert world.ledger("cause_found") == []


def look_twice(context: Context) -> None:
    """Two looks of a process that has just been started."""
    context.settings = stays_open(context.settings)
    look = Watcher(context)
    look.tick()
    look.tick()


def test_killed_while_mending(world_template: WorldTemplate, world: World, look: Watcher) -> None:
    """Killed at any step: the next process does the rest, and the ledger has each thing once."""
    before = state(world)
    for name in ("composite", "default group", "client's mapper"):
        CAUSES[name][0](world)
    expected = sorted(CAUSES[name][1] for name in ("composite", "default group", "client's mapper"))
    folder = world.folder.parent
    with temporary(world_template.fork(world, folder / "whole")) as whole:
        steps = run_mortal(whole, operation=look_twice).steps
        assert sorted(told(whole)) == expected
    for at in range(1, steps):
        with temporary(world_template.fork(world, folder / f"kill-{at}")) as victim:
            assert run_mortal(victim, at, operation=look_twice).dead
            look_twice(victim.open())
            assert state(victim) == before, at
            assert sorted(told(victim)) == expected, at
            victim.verify_ledger()


def test_nothing_new(world: World, look: Watcher) -> None:
    """A quiet look costs what it costs without the declaration."""
    look.tick()
    for _ in range(60):
        world.pass_time(seconds=2)
        world.fake.calls.clear()
        assert look.tick().quiet
        assert sum(world.fake.calls.values()) <= 2
        assert world.fake.calls["read_mappers"] == world.fake.calls["read_default_groups"] == 0


def test_exchanged_names_are_left_alone(world: World, look: Watcher) -> None:
    """While duties' roles go by each other's names, nothing is taken out by such a name; mappers are."""
    world.console.tamper_rename_role(OPERATOR, "aside")
    world.console.tamper_rename_role(HANDLER, OPERATOR)
    world.console.tamper_rename_role(RoleName("aside"), HANDLER)
    CAUSES["client's mapper"][0](world)
    before = world.console.read_roles()
    look.tick()
    assert world.console.read_roles() == before
    assert [kind for kind, _, _ in told(world)] == ["protocol_mapper"]


def test_who_is_made_while_a_default_group_is_there(world: World, look: Watcher) -> None:
    """Who came in by it loses the membership, and who comes later does not get it."""
    group = world.group(GROUP).id
    world.console.tamper_default_group(group)
    stranger = foreigner(world)
    assert group in world.fake._state.users[stranger].groups
    look.tick()
    assert world.fake._state.users[stranger].groups == frozenset()
    assert world.fake._state.users[foreigner(world, "later")].groups == frozenset()


@pytest.mark.parametrize("step", STEPS)
def test_what_the_server_fails_at_keeps_nothing_else(world: World, look: Watcher, step: str) -> None:
    """It answers 500 to one step, each time, and to nothing else: the other steps are done, and so is what
    somebody was given."""

    def fail(name: str) -> None:
        if name == step:
            raise UnreachableError("answered 500")

    world.fake.before_call = fail
    put_into(world, OPERATOR, REVIEWER)
    CAUSES["client's mapper"][0](world)
    CAUSES["default group"][0](world)
    stranger = foreigner(world)
    world.console.add_roles(stranger, frozenset({REVIEWER}))
    look.tick()
    assert [kind for kind, _, _ in told(world)] == [kind for kind in STEPS.values() if kind != STEPS[step]]
    assert [entry["problem"] for entry in bodies(world, "cause_not_restored")] == ["answered 500"]
    assert REVIEWER not in world.console.read_user(stranger).roles
