"""A sweep of 100,000 users, read and judged, next to merely paging through them.

    python -m bench.sweep --users 100000 --rounds 1

Paging is ``GET /users`` in pages of 500 with four workers: no groups, no roles, no links. The sweep reads
those as well, puts everything into the mirror, and judges it. Either runs in a process of its own, for its
peak memory; they alternate. The first sweep finds no mirror, those after it have one to compare with, as each
night. Users are made by ``partialImport`` with a name and the default role; the realm has the groups of 忻州.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any, Final

from bench.harness import BenchRealm, make_people, run_child, started_servers
from bench.measure import measured, report, say
from quanheng.keycloak.open import open_realm
from quanheng.model.ids import Username
from quanheng.model.realm import NewUser

_BATCH: Final = 50
_TOLD_EACH: Final = 10_000


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    population = make_people(1)
    rounds: dict[str, list[dict[str, Any]]] = {"paging": [], "sweep": []}
    with started_servers(population) as servers:
        realm = BenchRealm(servers, "swept", population)
        realm.prepare()
        _make_users(realm, arguments.users)
        # A night has few events; these would be read with the first sweep.
        realm.administrator.request("DELETE", realm.administrator.realm_path("/admin-events"))
        for number in range(arguments.rounds + 1):
            for what, found in rounds.items():
                with measured(servers.pids) as stretch:
                    run = run_child("bench.one_sweep", what, str(realm.config_file))
                run["cpu_seconds"] = stretch.figures()["cpu_seconds"]
                found.append(run)
                say(f"round {number}: {what} {run}")
    first = {what: found.pop(0) for what, found in rounds.items()}
    seconds = {what: median(run["seconds"] for run in found) for what, found in rounds.items()}
    report(
        "sweep",
        {
            "users": arguments.users,
            "first": first,
            "seconds": seconds,
            "ratio": round(seconds["sweep"] / seconds["paging"], 2),
            "peak_memory_mib": max(run["peak_memory_mib"] for run in (first["sweep"], *rounds["sweep"])),
            "rounds": rounds,
        },
    )


def _make_users(realm: BenchRealm, count: int) -> None:
    rest = open_realm(realm.settings)

    def send(first: int) -> None:
        rest.import_users([_bare(number) for number in range(first, min(first + _BATCH, count))])

    with ThreadPoolExecutor(realm.settings.keycloak.workers) as pool:
        for first in range(0, count, _TOLD_EACH):
            list(pool.map(send, range(first, min(first + _TOLD_EACH, count), _BATCH)))
            say(f"{min(first + _TOLD_EACH, count):,} of {count:,} users made")
    rest.close()


def _bare(number: int) -> NewUser:
    return NewUser(
        username=Username(f"bare{number:07}"),
        enabled=True,
        name="张三",
        attributes={},
        groups=(),
        identities=frozenset(),
    )


if __name__ == "__main__":
    main()
