"""The watcher when things go wrong, on a real server: too much at once, a kill, lost events, a wrong clock.

``acceptance/test_watch_faults`` has more cases of each, in memory. Here events, times and what is held are
Keycloak's own. What needs a server of its own is in ``test_watch_faults_server``.
"""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fixtures.guard import PersonLogin
from fixtures.watched_realm import OFFICE, ROLE, WHO, WatchedRealm
from fixtures.watching import watcher
from fixtures.world import BUREAU, OTHER_BUREAU, OTHER_VILLAGE, VILLAGE, World
from quanheng.clock import system_clock
from quanheng.keycloak.connection import Connection
from quanheng.keycloak.open import open_realm
from quanheng.model.realm import AdminEvent
from quanheng.operations.context import Context
from quanheng.operations.refresh import read_live
from quanheng.operations.watching.doubting import read_doubt
from quanheng.operations.watching.watcher import read_exposure
from quanheng.store.mirror import read_mirror
from quanheng.store.plans import read_unfinished
from quanheng.store.watching import read_exposures

CONSOLE: Final = "test-console"
COUNTIES: Final = {"140902-忻府区": VILLAGE, "140921-定襄县": OTHER_VILLAGE}
ADMINISTRATORS: Final = {"140902-忻府区": ("B00001", BUREAU), "140921-定襄县": ("B00002", OTHER_BUREAU)}
"""业务管理员, who may make their county's villagers 业务操作员."""
VILLAGERS: Final = 500
"""In each county, without a post."""
HOLDERS: Final = 3000
_PATIENCE_SECONDS: Final = 120


def hire_villagers(world: World) -> None:
    """Two counties with an administrator each."""
    for county, village in COUNTIES.items():
        staff_no, bureau = ADMINISTRATORS[county]
        world.hire(bureau, "业务管理员", staff_no=staff_no)
        for _ in range(VILLAGERS):
            world.hire(village, "")


def hire_operators(world: World) -> None:
    """Many who hold one and the same role."""
    for _ in range(HOLDERS):
        world.hire(VILLAGE)


@pytest.fixture(scope="module")
def unguarded(make_watched: Callable[..., WatchedRealm]) -> WatchedRealm:
    """A realm that the guard does not guard, with a thousand villagers; each test leaves nothing to do."""
    return make_watched("test-faults", Ed25519PrivateKey.generate(), hire_villagers)


def now_context(watched: WatchedRealm) -> Context:
    """A process whose clock goes on."""
    return watched.world.open(clock=system_clock)


def boss(watched: WatchedRealm, name: str) -> Any:
    """A role of somebody's own that contains a duty nobody may be given."""
    watched.admin.send("POST", "/roles", {"name": name})
    found = watched.role(name)
    watched.admin.send("POST", f"/roles-by-id/{found['id']}/composites", [watched.role()])
    return found


def villagers(watched: WatchedRealm, county: str) -> list[str]:
    """Ids of the people of a county who have no post."""
    rows = watched.world.people
    return [watched.ids[row.staff_no] for row in rows if row.org == COUNTIES[county] and not row.post]


def undone(watched: WatchedRealm, told: int) -> Counter[tuple[str, str]]:
    """Who lost what by our hand after so many entries of the ledger: a role's name or a group's path."""
    ids = {str(user.username): str(user.id) for user in watched.right.values()}
    found: Counter[tuple[str, str]] = Counter()
    for body in watched.bodies("role_remove", "revoke")[told:]:
        things = body["detail"].get("roles") or [body["detail"]["path"]]
        found.update((ids[body["subject"]], thing) for thing in things)
    return found


# Too much at once


@dataclass
class Grantor:
    """Somebody who grants as fast as the server takes it."""

    connection: Connection
    wanted: list[tuple[str, str, Any]]
    """User, tail of the path, and roles to map; a membership has none."""

    def give(self) -> None:
        """Make every grant; raises when one is refused."""
        with closing(self.connection) as connection:
            for user, tail, roles in self.wanted:
                path = connection.realm_path(f"/users/{user}{tail}")
                connection.request("POST" if roles else "PUT", path, json=roles)


def administrator(watched: WatchedRealm, county: str) -> Connection:
    """The county's administrator at the console."""
    username = str(watched.world.user(ADMINISTRATORS[county][0]).username)
    realm = watched.world.settings.keycloak.realm
    return Connection(watched.server.url, realm, PersonLogin(CONSOLE, username))


@pytest.fixture
def at_the_console(unguarded: WatchedRealm) -> Iterator[None]:
    """Whoever is 业务管理员 may use the Admin API, by their post's own role: our daily accounts can only tell
    of that, so that it lasts while the watcher looks."""
    watched = unguarded
    ids = [watched.ids[staff_no] for staff_no, _ in ADMINISTRATORS.values()]
    watched.open_for_passwords(CONSOLE, *ids)
    management = watched.client("realm-management")
    power = watched.admin.get(f"/clients/{management}/roles/manage-users")
    path = f"/roles-by-id/{watched.role('post-business-admin')['id']}/composites"
    watched.admin.send("POST", path, [power])
    watched.look_until_quiet()
    yield
    watched.apply_realm()
    watched.admin.send("DELETE", f"/clients/{watched.client(CONSOLE)}")
    watched.look_until_quiet()
    watched.settle()


def forbidden(watched: WatchedRealm, people: Sequence[str]) -> list[tuple[str, str, Any, str]]:
    """One grant for each that nobody may make, of all kinds: roles, duties, offices; with what it gives."""
    groups = sorted(
        path
        for path in watched.ids
        if path.startswith(("/岗位/", "/管理员/")) and path.count("/") == 3 and "业务操作员" not in path
    )
    roles = [boss(watched, f"boss-{number}") for number in range(50 - len(groups))]
    found: list[tuple[str, str, Any, str]] = []
    for place, user in enumerate(people):
        turn = place % 50
        if turn < len(groups):
            tail = f"/groups/{watched.ids[groups[turn]]}"
            found.append((user, tail, None, groups[turn]))
        else:
            role = roles[turn - len(groups)]
            found.append((user, "/role-mappings/realm", [role], role["name"]))
    return found


@pytest.mark.usefixtures("at_the_console")
def test_two_thousand_grants_by_four_clients(unguarded: WatchedRealm) -> None:
    """Two who are entitled and two who are not grant to the same thousand people while the watcher looks.

    What the first gave stands, each with its basis; what the others gave is gone, each undone once.
    """
    watched, world = unguarded, unguarded.world
    told, adopted = len(watched.bodies("role_remove", "revoke")), len(watched.bodies("basis_adopted"))
    ended = read_exposure(world.context).ended
    allowed = {
        county: [(user, f"/groups/{watched.ids[f'/岗位/{county}/业务操作员']}", None) for user in people]
        for county in COUNTIES
        if (people := villagers(watched, county))
    }
    everybody = [user for county in COUNTIES for user in villagers(watched, county)]
    wrong = forbidden(watched, everybody)
    clients = [Grantor(administrator(watched, county), wanted) for county, wanted in allowed.items()]
    for part in (wrong[::2], wrong[1::2]):
        clients.append(Grantor(watched.another_administrator(), [item[:3] for item in part]))
    assert sum(len(client.wanted) for client in clients) == 2000

    look = watcher(world, now_context(watched))
    with ThreadPoolExecutor(len(clients)) as pool:
        at_work = [pool.submit(client.give) for client in clients]
        while not all(work.done() for work in at_work):
            look.tick()
    for work in at_work:
        work.result()
    while not look.tick().quiet:
        pass

    given = {user: tail.rpartition("/")[2] for wanted in allowed.values() for user, tail, _ in wanted}
    expected = {
        key: replace(user, groups=user.groups | {given[key]}) if key in given else user
        for key, user in watched.right.items()
    }
    observed = read_live(watched.real.realm)
    assert {key: observed.users[key] for key in expected} == expected
    with world.context.database.reading() as connection:
        assert read_mirror(connection).users == observed.users
    assert watched.in_conflict(observed) == set()
    bases = watched.bodies("basis_adopted")[adopted:]
    assert Counter((body["user"], body["actor"]) for body in bases) == Counter(
        (user, watched.ids[ADMINISTRATORS[county][0]])
        for county, wanted in allowed.items()
        for user, _, _ in wanted
    )
    assert undone(watched, told) == Counter((user, thing) for user, _, _, thing in wrong)
    report = read_exposure(world.context)
    assert (report.ended - ended, report.open) == (1000, 0)
    assert world.issue_and_sync().plan.empty
    world.verify_ledger()


# A kill


def test_killed_during_a_repair(unguarded: WatchedRealm) -> None:
    """SIGKILL while the daemon takes 300 roles away: the next one finishes it, each once in the ledger."""
    watched, world = unguarded, unguarded.world
    role, people = boss(watched, "boss-of-the-dead"), villagers(watched, "140902-忻府区")[:300]
    watched.look_until_quiet()
    told = len(watched.bodies("role_remove", "revoke"))
    wanted = [(user, "/role-mappings/realm", [role]) for user in people]
    with watched.real.running_daemon() as daemon:
        daemon.send_signal(signal.SIGSTOP)  # so that one repair has all of them
        Grantor(watched.another_administrator(), wanted).give()
        daemon.send_signal(signal.SIGCONT)
        wait(lambda: not holders(watched, role, after=len(people) - 1))
        daemon.kill()
    assert holders(watched, role), "the repair was over before it was killed"
    with world.context.database.reading() as connection:
        assert read_unfinished(connection) is not None

    with watched.real.running_daemon():
        wait(lambda: not holders(watched, role))
    watched.look_until_quiet()
    watched.assert_right()
    assert undone(watched, told) == Counter((user, role["name"]) for user in people)
    with world.context.database.reading() as connection:
        assert read_unfinished(connection) is None
    assert read_exposure(world.context).open == 0
    world.verify_ledger()


def holders(watched: WatchedRealm, role: Any, *, after: int = 0) -> list[Any]:
    """Somebody who has a role mapped, after so many others; nobody when there are no more."""
    found: list[Any] = watched.admin.get(f"/roles/{role['name']}/users", first=after, max=1)
    return found


def wait(reached: Callable[[], bool]) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not reached():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


# A wrong clock, and lost events


@pytest.mark.parametrize("minutes", [10, -10])
def test_our_clock_is_wrong(unguarded: WatchedRealm, minutes: int) -> None:
    """Ten minutes between the daemon's clock and the server's: it gets its tokens, sees the grant, and dates
    grant and doubt by the server's clock."""
    watched = unguarded
    context = watched.world.open(
        clock=(clock := lambda: datetime.now(UTC) + timedelta(minutes=minutes)),
        make_realm=lambda settings: open_realm(settings, clock=clock),
    )
    user, ended = watched.ids[WHO], read_exposure(watched.world.context).ended
    began = watched.real.realm.read_server_time()
    with closing(context):
        look = watcher(watched.world, context)
        look.tick()
        client = f"/clients/{watched.client('quanheng-sync')}"
        watched.admin.send("PUT", client, watched.admin.get(client))
        watched.admin.map_role(user, ROLE)
        assert look.tick().changes == 1
        with context.database.reading() as connection:
            doubt = read_doubt(connection)
            exposures = [item for item in read_exposures(connection) if item.granted_at >= began]
        for _ in range(3):
            last = look.tick()
    assert last.quiet
    watched.assert_right()

    (change,) = events(watched, began, "CLIENT", "UPDATE")
    (given,) = events(watched, began, "REALM_ROLE_MAPPING", "CREATE")
    (taken,) = events(watched, began, "REALM_ROLE_MAPPING", "DELETE")
    assert doubt is not None
    assert (doubt.until - change.at, doubt.ended) == (timedelta(minutes=10), None)
    assert [(item.granted_at, item.revoked_at) for item in exposures] == [(given.at, taken.at)]
    assert read_exposure(watched.world.context).ended == ended + 1
    watched.world.verify_ledger()


def events(watched: WatchedRealm, since: datetime, kind: str, operation: str) -> list[AdminEvent]:
    """What Keycloak has recorded since a time."""
    found = watched.real.realm.read_admin_events(since)
    return [event for event in found if (event.resource_type, event.operation) == (kind, operation)]


@pytest.mark.parametrize("running", [True, False], ids=["watching", "off"])
def test_purged_events_are_noticed(unguarded: WatchedRealm, running: bool) -> None:
    """An administrator gives an office and clears the events, while the daemon runs or while it is off.

    The gap is told once, everything is read, and the office is gone.
    """
    watched = unguarded
    watched.look()
    told = len(watched.bodies("events_missing"))
    look = watcher(watched.world, now_context(watched))
    if running:
        look.tick()
    watched.admin.send("PUT", f"/users/{watched.ids[WHO]}/groups/{watched.ids[OFFICE]}")
    watched.admin.send("DELETE", "/admin-events")
    assert look.tick().changes == 1
    watched.assert_right()
    for _ in range(3):
        last = look.tick()
    assert last.quiet
    (entry,) = watched.bodies("events_missing")[told:]
    assert "管理事件不见了" in entry["why"]


# One cause, thousands of people


def test_role_in_a_composite_that_thousands_hold(
    make_watched: Callable[..., WatchedRealm], rules_key: Ed25519PrivateKey
) -> None:
    """The guard takes it out again; of 3,000 people who had it nobody is touched, but that one request ends
    every session."""
    watched = make_watched("guarded-faults", rules_key, hire_operators)
    path = f"/roles-by-id/{watched.role('post-operator')['id']}/composites"
    watched.look_until_quiet()
    with watched.past_the_guard():
        watched.admin.send("POST", path, [watched.role()])
    assert len(watched.in_conflict()) >= HOLDERS
    began = watched.real.realm.read_server_time()
    writes = watched.real.writes
    assert watched.look().changes == 0
    assert watched.real.writes - writes == 2  # the guard's restore, and the sessions
    assert ROLE not in {part["name"] for part in watched.admin.get(path)}
    own = watched.real.realm.own_actors
    ours = [event for event in watched.real.realm.read_admin_events(began) if event.actor_user in own]
    assert [event.resource_path for event in ours if event.resource_path.startswith("users/")] == []
    (entry,) = watched.bodies("cause_restored")
    assert (entry["subject"], entry["removed"], entry["sessions"]) == ("post-operator", ROLE, "everybody")
    assert watched.bodies("cause_found") == []
    watched.assert_right()
    watched.look_until_quiet()
