"""How long what nobody was entitled to give is held: the watcher against fifty forbidden grants a second.

    python -m bench.exposure --people 5000 --users 500 --seconds 60 --rate 50

The server has no guard, so each grant succeeds. A process of its own plays somebody who administers users
without a post that entitles to it, and makes people members of duty groups, each pair once. Meanwhile the
daemon's watcher looks every two seconds, as shipped. Exposure is by Keycloak's own clock, from the event of
the grant to the event of its end. The limits of ``[safety]`` are those that ship: undoing what was refused is
not counted. Exit 1 when a grant is still held in the end.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from statistics import median
from typing import Any, Final

from deploy.local.keycloak import RunningKeycloak

from bench.acting import Grantor, Membership
from bench.harness import BenchRealm, make_people, open_context, started_servers
from bench.measure import measured, report, say
from quanheng.config import Settings
from quanheng.keycloak.credentials import AdminPassword
from quanheng.keycloak.open import connect_admin
from quanheng.keycloak.rest import RestRealm
from quanheng.model.sensitive import Sensitive
from quanheng.operations.carrying_out import hold_lease
from quanheng.operations.context import Context
from quanheng.operations.refresh import sweep
from quanheng.operations.watching.threads import watch_thread
from quanheng.operations.watching.watcher import read_exposure
from quanheng.watch.exposure import ExposureReport

_CLIENTS: Final = 4
_PATIENCE_SECONDS: Final = 120
"""Without any progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the other process is told."""

    settings: Settings
    server: RunningKeycloak
    wanted: Sequence[Membership]
    rate: float
    """Grants a second."""


def main() -> int:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--people", type=int, default=5000)
    parser.add_argument("--users", type=int, default=500, help="people who are given something")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rate", type=float, default=50, help="grants a second")
    arguments = parser.parse_args()
    population = make_people(arguments.people)
    with started_servers(population) as servers:
        realm = BenchRealm(servers, "watched", population)
        realm.prepare()
        say(f"people: {realm.run_sync()['changes']}")
        with open_context(realm.config_file) as context:
            with hold_lease(context) as lease:
                sweep(context, lease)
            wanted = list(
                itertools.islice(_pairs(context, arguments.users), round(arguments.seconds * arguments.rate))
            )
        order = Order(settings=realm.settings, server=servers.keycloak, wanted=wanted, rate=arguments.rate)
        watcher = Watching(realm)
        with measured(servers.pids) as stretch:
            granted = watcher.withstand(order)
        with open_context(realm.config_file) as context:
            held = _held(context, wanted)
            exposure = read_exposure(context)
    report(
        "exposure",
        {
            "people": arguments.people,
            "users": arguments.users,
            "forbidden_grants": {"number": len(wanted), **granted},
            "repaired": exposure.ended,
            "not_dated": len(wanted) - exposure.ended - exposure.open,
            "held_in_the_end": held,
            "exposure": _rounded(exposure),
            "watcher": watcher.figures(),
            **stretch.figures(),
        },
    )
    return 1 if held or exposure.open else 0


class Watching:
    """The daemon's watcher, in a thread of this process, with what it asked for and how long it looked."""

    def __init__(self, realm: BenchRealm) -> None:
        self._realm = realm
        self._contexts: list[Context] = []
        self._ends: list[float] = []
        self._requests: dict[str, int] = {}

    def withstand(self, order: Order) -> dict[str, float]:
        """Let the other process grant, and return when nothing it did is held any more."""
        watch = self._realm.settings.watch
        thread = watch_thread(
            watch, self._open, lambda: self._ends.append(time.perf_counter()), threading.Lock()
        )
        thread.start()
        try:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                granting: Future[dict[str, float]] = pool.submit(grant, order)
                granted = granting.result()
            say(f"granted: {granted}")
            self._wait(len(order.wanted))
            rest = self._contexts[-1].realm
            assert isinstance(rest, RestRealm)  # noqa: S101 - for the type: nothing else is opened
            self._requests = dict(rest.connection.counter.by_kind())
        finally:
            thread.stop()
        return granted

    def figures(self) -> dict[str, Any]:
        """For the JSON."""
        pause = self._realm.settings.watch.seconds
        between = [later - earlier - pause for earlier, later in itertools.pairwise(self._ends)]
        return {
            "looks": len(self._ends),
            "seconds_between_looks": pause,
            "look_seconds": {"median": round(median(between), 2), "longest": round(max(between), 2)},
            "requests": self._requests,
            "interrupted": len(self._contexts) - 1,
            "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        }

    def _open(self) -> Context:
        context = open_context(self._realm.config_file)
        self._contexts.append(context)
        return context

    def _wait(self, grants: int) -> None:
        """Until everything is repaired, or nothing has been for long."""
        ended, since = 0, time.monotonic()
        with open_context(self._realm.config_file) as context:
            while time.monotonic() - since < _PATIENCE_SECONDS:
                found = read_exposure(context)
                if found.open == 0 and found.ended >= grants:
                    return
                if found.ended > ended:
                    ended, since = found.ended, time.monotonic()
                say(f"repaired {found.ended} of {grants}, known and held {found.open}")
                time.sleep(5)


def grant(order: Order) -> dict[str, float]:
    """Make the grants at their rate; runs in a process of its own, so as not to take the watcher's turns."""
    server = order.server
    password = AdminPassword(server.admin_user, Sensitive(server.admin_password))
    with connect_admin(order.settings.keycloak, password) as connection:
        grantor = Grantor(connection)
        began = time.perf_counter()

        def give(place: int) -> float:
            time.sleep(max(0.0, began + place / order.rate - time.perf_counter()))
            return grantor.join([order.wanted[place]], 1).seconds

        with ThreadPoolExecutor(_CLIENTS) as pool:
            latencies = list(pool.map(give, range(len(order.wanted))))
        seconds = time.perf_counter() - began
    return {
        "a_second": round(len(latencies) / seconds, 1),
        "median_request_ms": round(median(latencies) * 1000, 1),
    }


def _pairs(context: Context, users: int) -> Iterator[Membership]:
    """Somebody of ours and a duty group of a county, and the next somebody; then all again, other groups."""
    groups = context.realm.read_groups().values()
    duties = sorted(item.id for item in groups if item.path[0] == "岗位" and item.path[-1] == "经办人员")
    people = sorted(user.id for user in context.realm.sweep_users() if user.identities)[:users]
    for turn in range(len(duties)):
        for place, user in enumerate(people):
            yield Membership(user=user, group=duties[(place + turn) % len(duties)])


def _held(context: Context, wanted: Sequence[Membership]) -> int:
    """How many of the grants are there, read from Keycloak itself."""
    there = {user.id: user.groups for user in context.realm.sweep_users()}
    return sum(item.group in there.get(item.user, ()) for item in wanted)


def _rounded(exposure: ExposureReport) -> dict[str, Any]:
    return {
        name: round(value, 2) if isinstance(value, float) else value
        for name, value in asdict(exposure).items()
    }


if __name__ == "__main__":
    sys.exit(main())
