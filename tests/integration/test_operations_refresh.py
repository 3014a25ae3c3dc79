"""The mirror: events tell what to read again, counted call by call (decision 19)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from fixtures.world import VILLAGE, World
from quanheng.model.ids import RoleName
from quanheng.model.realm import AdminEvent, ObservedRealm
from quanheng.operations.answering.looking import look
from quanheng.operations.carrying_out import hold_lease
from quanheng.operations.context import Context
from quanheng.operations.refresh import MANY_USERS, read_live, refresh_mirror, sweep
from quanheng.operations.watching.protection import EVENTS_OFF
from quanheng.store import tables
from quanheng.store.lease import Lease, LeaseLostError
from quanheng.store.meta import write_text
from quanheng.store.mirror import read_mirror, read_mirror_state
from quanheng.store.watching import read_seen, read_to_judge

ALWAYS = Counter({"read_server_time": 1, "read_admin_events": 1})
WHOLE = Counter({"read_roles": 1, "read_groups": 1, "sweep_users": 1})


@pytest.fixture
def loaded(world: World) -> World:
    """Twelve people in the realm and in the mirror; nothing asked yet."""
    for _ in range(10):
        world.hire(VILLAGE)
    world.issue_and_sync()
    world.fake.calls.clear()
    return world


def refreshed(world: World) -> tuple[ObservedRealm, Counter[str]]:
    """The mirror brought up to now, and the calls that this took."""
    world.fake.calls.clear()
    with hold_lease(world.context) as lease:
        observed = refresh_mirror(world.context, lease)
    return observed, Counter(world.fake.calls)


def test_own_writes_are_not_read_again(loaded: World) -> None:
    """After a load the mirror is what Keycloak holds, and it took two calls to know."""
    observed, calls = refreshed(loaded)
    assert calls == ALWAYS
    assert observed == read_live(loaded.console)


def test_just_the_user_concerned_is_read_again(loaded: World) -> None:
    """One user changed in the console: that one user is read again, once."""
    user = loaded.user("T00003")
    loaded.console.add_roles(user.id, frozenset({RoleName("post-reviewer")}))
    loaded.console.update_user(
        user.id, username=user.username, enabled=False, name="别人", attributes=user.attributes
    )
    observed, calls = refreshed(loaded)
    assert calls == ALWAYS + Counter({"read_user": 1, "read_passwords": 1})
    assert observed == read_live(loaded.console)
    assert refreshed(loaded)[1] == ALWAYS


def test_just_the_group_concerned_is_read_again(loaded: World) -> None:
    """A role put onto one group: that group is read again."""
    group = loaded.group("/岗位/140902-忻府区/业务操作员")
    loaded.console.add_group_roles(group.id, frozenset({RoleName("post-reviewer")}))
    observed, calls = refreshed(loaded)
    assert calls == ALWAYS + Counter({"read_group": 1})
    assert observed == read_live(loaded.console)


def test_new_foreign_user_and_service_account(loaded: World) -> None:
    """A user deleted and a role made: users by events, roles whole."""
    loaded.console.tamper_delete_user(loaded.user("T00003").id)
    loaded.console.tamper_role("auditor")
    observed, calls = refreshed(loaded)
    assert calls == ALWAYS + Counter({"read_user": 1, "read_roles": 1})
    assert observed == read_live(loaded.console)


def test_renamed_group_reads_the_tree(loaded: World) -> None:
    """A rename changes the paths of all below: the groups are read, no user is."""
    group = loaded.group("/机构/14-山西省")
    loaded.console.update_group(group.id, "另名", group.attributes)
    observed, calls = refreshed(loaded)
    assert calls == ALWAYS + Counter({"read_groups": 1})
    assert observed == read_live(loaded.console)


def test_deleted_group_reads_everything(loaded: World) -> None:
    """A deleted group takes memberships with it that no event names: everything is read, and once only."""
    loaded.console.tamper_delete_group(loaded.group("/岗位/140902-忻府区/业务操作员").id)
    observed, calls = refreshed(loaded)
    assert calls - ALWAYS >= WHOLE
    assert observed == read_live(loaded.console)
    assert refreshed(loaded)[1] == ALWAYS


def test_late_event_within_the_overlap(loaded: World) -> None:
    """An event whose time is before the cursor, but which appears later, is still seen."""
    loaded.pass_time(minutes=30)
    refreshed(loaded)
    user = loaded.user("T00003")
    loaded.clock.now -= timedelta(minutes=4)
    loaded.console.add_roles(user.id, frozenset({RoleName("post-reviewer")}))
    loaded.clock.now += timedelta(minutes=4)
    observed, calls = refreshed(loaded)
    assert calls == ALWAYS + Counter({"read_user": 1})
    assert observed == read_live(loaded.console)


def test_seen_events_are_not_read_again(loaded: World) -> None:
    """Events within the overlap that were seen cost nothing, however often they are shown."""
    loaded.console.add_roles(loaded.user("T00003").id, frozenset({RoleName("post-reviewer")}))
    refreshed(loaded)
    for _ in range(4):
        loaded.pass_time(minutes=1)
        assert refreshed(loaded)[1] == ALWAYS


def test_old_events_are_forgotten(loaded: World) -> None:
    """Ids of events that can no longer be shown are not kept, but for the newest: when that one is missing
    some day, events were purged."""
    loaded.pass_time(hours=1)
    loaded.console.tamper_role("auditor")
    refreshed(loaded)
    loaded.pass_time(hours=1)
    refreshed(loaded)
    with loaded.context.database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(tables.seen_event)).scalar() == 1


def test_unknown_event_reads_everything(loaded: World) -> None:
    """An event of a kind that we do not know means that anything may have changed."""
    known = loaded.fake._state.events[-1]
    strange: AdminEvent = replace(
        known, id="new", at=loaded.clock(), resource_type="WORKFLOW", actor_user="console"
    )
    loaded.fake._state.events.append(strange)
    assert refreshed(loaded)[1] - ALWAYS >= WHOLE


def test_many_changed_users_are_read_in_one_sweep(world: World) -> None:
    """When many users changed, a sweep is cheaper than one call each."""
    for _ in range(MANY_USERS):
        world.hire(VILLAGE)
    world.issue_and_sync()
    for user in world.users().values():
        world.console.add_roles(user.id, frozenset({RoleName("post-reviewer")}))
    observed, calls = refreshed(world)
    assert "read_user" not in calls
    assert calls - ALWAYS >= WHOLE
    assert observed == read_live(world.console)


def test_sweep_proves_the_mirror(loaded: World) -> None:
    """What no event told (a change in the database) is found by the next sweep."""
    user = loaded.user("T00003")
    with loaded.fake._state.lock:
        loaded.fake._state.users[user.id] = replace(user, name="别人")
    assert refreshed(loaded)[0] != read_live(loaded.console)
    with hold_lease(loaded.context) as lease:
        assert sweep(loaded.context, lease) == read_live(loaded.console)
    assert refreshed(loaded)[0] == read_live(loaded.console)
    assert [str(change.kind) for change in loaded.sync().plan.changes] == ["update"]


def test_first_refresh_of_a_new_store_sweeps(world: World) -> None:
    """A store that never saw the realm reads it whole."""
    world.issue()
    assert refreshed(world)[1] >= WHOLE


def test_many_groups_are_read_at_once(loaded: World) -> None:
    """Sixty new groups cost one reading of all."""
    for number in range(60):
        loaded.console.create_group(None, f"其他{number}", {}, frozenset())
    observed, calls = refreshed(loaded)
    assert calls == ALWAYS + Counter({"read_groups": 1})
    assert observed == read_live(loaded.console)


def test_while_events_are_off_nothing_rests_on_the_mirror(loaded: World) -> None:
    """What no event tells of then is seen by a sync and by an answer all the same."""
    user = loaded.user("T00003")
    with loaded.fake._state.lock:
        loaded.fake._state.users[user.id] = replace(user, name="别人")
    assert look(loaded.context) != read_live(loaded.console)
    with loaded.context.database.transaction() as connection:
        write_text(connection, EVENTS_OFF, "yes")
    assert look(loaded.context) == read_live(loaded.console)
    assert refreshed(loaded)[0] == read_live(loaded.console)


def test_an_answer_reads_what_a_refresh_reads(loaded: World) -> None:
    """Of somebody of whom only memberships changed nothing else is asked; nothing is written."""
    before = kept(loaded)
    loaded.console.join_group(loaded.user("P00001").id, next(iter(loaded.user("T00003").groups)))
    loaded.fake.calls.clear()
    assert look(loaded.context) == read_live(loaded.console)
    assert loaded.fake.calls == ALWAYS + Counter({"read_memberships": 1})
    assert kept(loaded) == before


@pytest.mark.parametrize(("call", "read"), [("read_user", refresh_mirror), ("sweep_users", sweep)])
def test_a_writer_that_slept_writes_nothing(
    loaded: World, call: str, read: Callable[[Context, Lease], object]
) -> None:
    """Another took the lease over while it read: neither the mirror nor the cursor nor what is judged of the
    events becomes that of the old reading."""
    handler = loaded.group("/岗位/140902-忻府区/业务操作员").id
    loaded.console.join_group(loaded.user("P00001").id, handler)
    loaded.console.logout(loaded.user("P00001").id)

    def take_over(name: str) -> None:
        if name == call:
            loaded.fake.before_call = None
            with loaded.context.database.transaction() as connection:
                connection.execute(update(tables.lease).values(token="another"))

    before = kept(loaded)
    with hold_lease(loaded.context) as lease:
        loaded.fake.before_call = take_over
        with pytest.raises(LeaseLostError):
            read(loaded.context, lease)
    assert kept(loaded) == before
    assert loaded.ledger("console_change_refused") == []


def kept(world: World) -> tuple[object, ...]:
    """What the store has of Keycloak."""
    with world.context.database.reading() as connection:
        state = read_mirror_state(connection, world.context.realm_name)
        return read_mirror(connection), state, read_seen(connection), read_to_judge(connection)
