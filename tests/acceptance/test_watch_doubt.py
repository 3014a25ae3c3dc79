"""Somebody takes over our daily client and acts in its name: what we did not do is undone all the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest
from sqlalchemy import update

from fixtures.watching import watcher
from fixtures.world import BUREAU, VILLAGE, World
from quanheng.errors import UnreachableError
from quanheng.keycloak.port import RealmRefusedError
from quanheng.model.ids import RoleName, Username
from quanheng.model.realm import NewUser
from quanheng.operations.carrying_out import hold_lease
from quanheng.operations.refresh import MANY_USERS
from quanheng.operations.watching.doubting import end_doubt, read_doubt
from quanheng.operations.watching.watcher import Watcher, read_exposure
from quanheng.store.lease import LeaseLostError
from quanheng.store.meta import write_text
from quanheng.store.tables import lease
from quanheng.watch.doubt import Doubt

OURS: Final = "service-account-quanheng-sync"
REVIEWER: Final = RoleName("post-reviewer")
HANDLER: Final = "/岗位/140902-忻府区/经办人员"
OPERATOR: Final = "/岗位/140902-忻府区/业务操作员"


@pytest.fixture
def staffed(world: World) -> World:
    """Three villagers and a handler; nothing is left to do, and nothing in doubt."""
    for _ in range(3):
        world.hire(VILLAGE)
    world.hire(BUREAU, "经办人员")
    world.issue_and_sync()
    watcher(world).tick()
    world.pass_time(hours=1)
    watcher(world).tick()
    return world


def thief(world: World) -> Any:
    """Our own service account, in other hands."""
    return world.fake.as_actor(OURS)


def take_over(
    world: World, kind: str = "CLIENT", path: str = "clients/ours", operation: str = "UPDATE"
) -> None:
    """The client changed by an administrator of the server, and put back a moment later."""
    for _ in range(2):
        world.fake.as_actor("master")._tell(operation, kind, path)
        world.pass_time(seconds=5)


def join_group(world: World) -> None:
    """A duty's group joined."""
    thief(world).join_group(world.user("T00003").id, world.group(HANDLER).id)


def leave_group(world: World) -> None:
    """A duty taken away."""
    thief(world).leave_group(world.user("T00003").id, world.group(OPERATOR).id)


def map_role(world: World) -> None:
    """A role mapped."""
    thief(world).add_roles(world.user("T00003").id, frozenset({REVIEWER}))


def rename(world: World) -> None:
    """Somebody's name changed."""
    user = world.user("T00003")
    thief(world).update_user(
        user.id, username=user.username, enabled=None, name="冒名", attributes=user.attributes
    )


def make_user(world: World) -> None:
    """An account of somebody's own with a duty."""
    user = NewUser(
        username=Username("outsider"),
        enabled=True,
        name="外来",
        attributes={},
        groups=(("岗位", "140902-忻府区", "经办人员"),),
        identities=frozenset(),
    )
    thief(world).create_user(user)


def role_into_group(world: World) -> None:
    """A role put on a group with members."""
    thief(world).add_group_roles(world.group(OPERATOR).id, frozenset({REVIEWER}))


def group_below(world: World) -> None:
    """A group below a duty's, whose role it inherits, and somebody in it."""
    made = thief(world).create_group(world.group(HANDLER).id, "下级", {}, frozenset())
    thief(world).join_group(world.user("T00003").id, made)


WAYS: Final = (join_group, leave_group, map_role, rename, make_user, role_into_group, group_below)


def right(world: World) -> bool:
    """Whether nothing differs."""
    return world.check().differences == ()


def look_until_quiet(world: World, look: Watcher) -> int:
    """Changes until a look has nothing to do."""
    changes = 0
    for _ in range(4):
        world.pass_time(seconds=2)
        tick = look.tick()
        changes += tick.changes
        if tick.quiet:
            return changes
    raise AssertionError("the watcher does not come to rest")


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("by", ["watcher", "sync"])
def test_what_a_thief_did_in_our_name_is_undone(
    staffed: World, way: Callable[[World], None], by: str
) -> None:
    """Whatever the way: two looks later, or after a sync, everything is as it should be."""
    look = watcher(staffed)
    look.tick()
    take_over(staffed)
    way(staffed)
    if by == "watcher":
        assert look_until_quiet(staffed, look) > 0
    else:
        staffed.sync()
    assert right(staffed)
    staffed.verify_ledger()


@pytest.mark.parametrize(
    ("kind", "path", "operation"),
    [
        ("CLIENT", "clients/ours/certificates/jwt.credential/upload", "ACTION"),
        ("CLIENT", "clients/ours/client-secret", "ACTION"),
        ("CLIENT", "clients/new", "CREATE"),
        ("PROTOCOL_MAPPER", "clients/other/protocol-mappers/models/m", "CREATE"),
        ("COMPONENT", "components/keys", "CREATE"),
        ("AUTHENTICATOR_CONFIG", "authentication/config/x", "UPDATE"),
        ("REALM", "", "UPDATE"),
        ("USER", f"users/{OURS}/reset-password", "ACTION"),
        ("CLIENT_ROLE_MAPPING", f"users/{OURS}/role-mappings/clients/x", "CREATE"),
    ],
)
def test_what_puts_our_own_events_in_doubt(staffed: World, kind: str, path: str, operation: str) -> None:
    """How clients authenticate, what tokens hold, the keys that sign them, and our own accounts."""
    look = watcher(staffed)
    look.tick()
    take_over(staffed, kind, path, operation)
    join_group(staffed)
    look_until_quiet(staffed, look)
    assert right(staffed)


def test_it_is_told_once_and_dated(staffed: World) -> None:
    """The ledger has who changed the client, once for both changes, and the grant's exposure is measured."""
    look = watcher(staffed)
    look.tick()
    take_over(staffed)
    join_group(staffed)
    look_until_quiet(staffed, look)
    entries = [json.loads(entry.body) for entry in staffed.ledger("own_account_doubted")]
    assert [entry["actors"] for entry in entries] == [["master"]]
    (refused,) = [json.loads(entry.body) for entry in staffed.ledger("console_change_refused")]
    assert (refused["actor"], refused["why"]) == (OURS, "操作人不是本域管理员")
    report = read_exposure(staffed.context)
    assert (report.ended, report.open) == (1, 0)


def test_a_restart_does_not_end_the_doubt(staffed: World) -> None:
    """The change was seen by one process, what followed nine minutes later by another."""
    take_over(staffed)
    watcher(staffed).tick()
    staffed.pass_time(minutes=9)
    join_group(staffed)
    look_until_quiet(staffed, watcher(staffed))
    assert right(staffed)


def test_purged_events_may_have_been_a_change_of_our_client(staffed: World) -> None:
    """Who clears the events after changing the client gains nothing by it."""
    look = watcher(staffed)
    look.tick()
    take_over(staffed)
    staffed.fake._state.events.clear()
    look.tick()
    staffed.pass_time(minutes=1)
    join_group(staffed)
    look_until_quiet(staffed, look)
    assert right(staffed)


def test_a_change_by_ourselves_puts_nothing_in_doubt(staffed: World) -> None:
    """What we do is passed over in one request, as long as nobody else touched what tokens rest on."""
    look = watcher(staffed)
    look.tick()
    thief(staffed)._tell("UPDATE", "CLIENT", "clients/ours")
    look.tick()
    staffed.change("T00003", name="改名")
    staffed.issue_and_sync()
    staffed.fake.calls.clear()
    staffed.pass_time(seconds=2)
    assert look.tick().quiet
    assert staffed.fake.calls == {"read_admin_events": 1}


def test_what_we_did_in_doubt_is_explained_without_asking(staffed: World) -> None:
    """After an opening of the configurator a load of people and organisations costs nothing more to read."""
    look = watcher(staffed)
    look.tick()
    take_over(staffed)
    look.tick()
    for _ in range(5):
        staffed.hire(BUREAU, "")
    staffed.drop("T00004")
    staffed.issue_and_sync()
    staffed.fake.calls.clear()
    look.tick()
    staffed.sync()
    asked = staffed.fake.calls
    assert (asked["read_user"], asked["sweep_users"], asked["read_groups"], asked["read_group"]) == (
        0,
        0,
        0,
        0,
    )


def test_many_in_doubt_are_settled_by_one_sweep(world: World) -> None:
    """Renaming more people than are read one by one: everything is read once, then nothing more."""
    for _ in range(MANY_USERS + 10):
        world.hire(VILLAGE)
    world.issue_and_sync()
    look = watcher(world)
    look.tick()
    world.pass_time(hours=1)
    take_over(world)
    look.tick()
    for row in list(world.people):
        world.change(row.staff_no, name=f"{row.name}甲")
    world.issue_and_sync()
    world.fake.calls.clear()
    for _ in range(3):
        world.pass_time(seconds=2)
        look.tick()
    assert (world.fake.calls["sweep_users"], world.fake.calls["read_user"]) == (1, 0)
    assert look.tick().quiet


# How a doubt ends


def stolen(world: World) -> Any:
    """Who changed our client so that its tokens live long, took one, and put all back."""
    take_over(world)
    return world.fake.steal_token(OURS)


def give_handler(thief: Any, world: World, staff_no: str = "T00003") -> None:
    """A duty's group, joined with a token."""
    thief.join_group(world.user(staff_no).id, world.group(HANDLER).id)


def doubt_of(world: World) -> Doubt:
    """The one in the store."""
    with world.context.database.reading() as connection:
        doubt = read_doubt(connection)
    assert doubt is not None
    return doubt


def refuse_logout(world: World, fault: Exception) -> Callable[[], None]:
    """Keycloak does not end sessions; returns what makes it do so again."""

    def refuse(name: str) -> None:
        if name == "logout":
            raise fault

    def allow() -> None:
        world.fake.before_call = None

    world.fake.before_call = refuse
    return allow


def test_a_token_that_lives_long_is_void_when_the_doubt_ends(staffed: World) -> None:
    """Eleven minutes later it gives nothing: Keycloak refuses it, while we go on."""
    look = watcher(staffed)
    look.tick()
    thief = stolen(staffed)
    look.tick()
    give_handler(thief, staffed)
    assert look_until_quiet(staffed, look) > 0
    staffed.pass_time(minutes=11)
    staffed.fake.calls.clear()
    look.tick()
    assert staffed.fake.calls["logout"] == 1
    assert doubt_of(staffed).ended is not None
    with pytest.raises(RealmRefusedError, match="void"):
        give_handler(thief, staffed)
    staffed.change("T00003", name="改名")
    assert staffed.issue_and_sync().outcome.refused == ()
    assert right(staffed)
    staffed.verify_ledger()


def test_its_end_is_quiet(staffed: World) -> None:
    """Our own logout neither begins the next doubt nor is read again; then a look is one request again."""
    look = watcher(staffed)
    look.tick()
    take_over(staffed)
    look_until_quiet(staffed, look)
    for _ in range(3):
        staffed.pass_time(minutes=11)
        look.tick()
    ended = doubt_of(staffed)
    assert ended.ended is not None
    assert (staffed.fake.calls["logout"], len(staffed.ledger("own_account_doubted"))) == (1, 1)
    staffed.fake.calls.clear()
    staffed.pass_time(seconds=2)
    assert look.tick().quiet
    assert staffed.fake.calls == {"read_admin_events": 1}
    assert doubt_of(staffed) == ended


def test_while_it_is_not_over_nobody_is_logged_out(staffed: World) -> None:
    """Up to ten minutes after the last tampering, whenever that was."""
    look = watcher(staffed)
    look.tick()
    for _ in range(3):
        take_over(staffed)
        look_until_quiet(staffed, look)
        staffed.pass_time(minutes=9)
        look.tick()
    assert (staffed.fake.calls["logout"], doubt_of(staffed).ended) == (0, None)
    staffed.pass_time(minutes=2)
    look.tick()
    assert staffed.fake.calls["logout"] == 1


@pytest.mark.parametrize("fault", [RealmRefusedError("no", status=403), UnreachableError("away")])
def test_until_the_tokens_are_void_it_stays_open(staffed: World, fault: Exception) -> None:
    """An hour later what a thief does is undone all the same; as soon as Keycloak does it, it ends."""
    look = watcher(staffed)
    look.tick()
    thief = stolen(staffed)
    look.tick()
    staffed.pass_time(hours=1)
    allow = refuse_logout(staffed, fault)
    look.tick()
    assert doubt_of(staffed).ended is None
    give_handler(thief, staffed)
    allow()
    staffed.pass_time(seconds=2)
    assert look.tick().changes > 0
    assert right(staffed)
    assert doubt_of(staffed).ended is not None
    with pytest.raises(RealmRefusedError, match="void"):
        give_handler(thief, staffed)


def test_only_the_one_writer_ends_it(staffed: World) -> None:
    """While somebody else has the lease nobody is logged out."""
    look = watcher(staffed)
    look.tick()
    take_over(staffed)
    look_until_quiet(staffed, look)
    staffed.pass_time(minutes=11)
    with hold_lease(staffed.open()):
        look.tick()
    assert (staffed.fake.calls["logout"], doubt_of(staffed).ended) == (0, None)
    look.tick()
    assert (staffed.fake.calls["logout"], doubt_of(staffed).ended is None) == (1, False)


def test_who_lost_the_lease_meanwhile_ends_nothing(staffed: World) -> None:
    """Another writer took over while our tokens were voided: its doubt is not overwritten."""
    watcher(staffed).tick()
    take_over(staffed)
    look_until_quiet(staffed, watcher(staffed))
    staffed.pass_time(minutes=11)

    def lose(name: str) -> None:
        if name == "logout":
            with staffed.context.database.transaction() as connection:
                connection.execute(update(lease).values(token="another"))

    staffed.fake.before_call = lose
    before = doubt_of(staffed)
    with hold_lease(staffed.context) as held, pytest.raises(LeaseLostError):
        end_doubt(staffed.context, held)
    assert doubt_of(staffed) == before
    assert before.ended is None


def test_nobody_looked_for_a_day(staffed: World) -> None:
    """While the watcher was away, what was done long after the tampering is in doubt."""
    thief = stolen(staffed)
    watcher(staffed).tick()
    staffed.pass_time(hours=24)
    give_handler(thief, staffed)
    assert look_until_quiet(staffed, watcher(staffed)) > 0
    assert right(staffed)


def test_a_thief_who_tampers_in_our_name_renews_it(staffed: World) -> None:
    """Who uses one token to get the next does not do so unseen: the doubt goes on from there."""
    look = watcher(staffed)
    look.tick()
    thief = stolen(staffed)
    look.tick()
    staffed.pass_time(minutes=9)
    thief._tell("UPDATE", "CLIENT", "clients/ours")
    look.tick()
    at = staffed.clock()
    staffed.pass_time(minutes=2)
    look.tick()
    assert doubt_of(staffed).ended is None
    assert doubt_of(staffed).until > at + timedelta(minutes=9)


def test_tampering_just_before_its_end_that_shows_after_it(staffed: World) -> None:
    """It is open again, and what was done meanwhile is in doubt."""
    look = watcher(staffed)
    look.tick()
    take_over(staffed)
    look_until_quiet(staffed, look)
    staffed.pass_time(minutes=11)
    late = staffed.clock()
    look.tick()
    assert doubt_of(staffed).ended is not None
    staffed.fake.as_actor("master")._tell("UPDATE", "CLIENT", "clients/ours")
    event = staffed.fake._state.events[-1]
    staffed.fake._state.events[-1] = type(event)(
        **{name: getattr(event, name) for name in event.__slots__} | {"at": late}
    )
    staffed.pass_time(seconds=5)
    join_group(staffed)
    assert look_until_quiet(staffed, look) > 0
    assert right(staffed)
    assert doubt_of(staffed).ended is None


def test_one_of_a_version_before(staffed: World) -> None:
    """Two moments, however long ago: nobody voided a token then, so the first look does."""
    with staffed.context.database.transaction() as connection:
        old = [staffed.clock() - timedelta(days=2), staffed.clock() - timedelta(days=2, minutes=-11)]
        write_text(connection, "own_events_doubted", json.dumps([moment.isoformat() for moment in old]))
    thief = staffed.fake.steal_token(OURS)
    staffed.pass_time(seconds=2)
    look = watcher(staffed)
    look.tick()
    ended = doubt_of(staffed)
    assert (ended.since, ended.until) == (old[0], old[1])
    assert ended.ended is not None
    with pytest.raises(RealmRefusedError, match="void"):
        give_handler(thief, staffed)


def test_a_client_that_was_made_anew_is_ours_too(staffed: World) -> None:
    """Its account is another, which the next process believes: its tokens are void as well."""
    look = watcher(staffed)
    look.tick()
    client = staffed.settings.keycloak.configurator.client_id
    made = staffed.fake.as_actor("master").tamper_service_account(client)
    thief = staffed.fake.steal_token(made)
    look.tick()
    staffed.pass_time(minutes=11)
    look.tick()
    assert doubt_of(staffed).ended is not None
    with pytest.raises(RealmRefusedError, match="void"):
        give_handler(thief, staffed)


def test_without_a_doubt_nothing_is_asked(world: World) -> None:
    """Before there was one, a look is one request."""
    world.hire(VILLAGE)
    world.issue_and_sync()
    look = watcher(world)
    look.tick()
    world.pass_time(seconds=2)
    world.fake.calls.clear()
    look.tick()
    assert world.fake.calls == {"read_admin_events": 1}


def test_it_is_noted_again_though_the_last_one_is_open(staffed: World) -> None:
    """Who tampers while Keycloak does not void our tokens is in the ledger as well."""
    look = watcher(staffed)
    look.tick()
    take_over(staffed)
    look.tick()
    allow = refuse_logout(staffed, RealmRefusedError("no", status=403))
    staffed.pass_time(hours=1)
    look.tick()
    staffed.fake.as_actor("second")._tell("UPDATE", "CLIENT", "clients/ours")
    look.tick()
    allow()
    entries = [json.loads(entry.body) for entry in staffed.ledger("own_account_doubted")]
    assert [entry["actors"] for entry in entries] == [["master"], ["second"]]
