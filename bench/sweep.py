"""A sweep of 100,000 users, read and judged, next to merely paging through them.

    python -m bench.sweep --users 100000 --rounds 1

Paging is ``GET /users`` in pages of 500 with four workers: no groups, no roles, no links. The sweep is the
watcher's of each night: it reads groups, roles and links as well, puts everything into the mirror, and judges
it. Either begins by clearing Keycloak's caches, which counts in a sweep, and runs in a process of its own,
for its peak memory; they alternate. The first sweep finds no mirror, those after it have one to compare with,
as each night.

The server has the guard, which answers for a thousand users at once; ``--unguarded`` measures without it: one
request per user, and caches as they are. Users are made by ``partialImport`` with a name, a card, the default
role and an office of 忻州.
"""

from __future__ import annotations

import argparse
from contextlib import closing
from statistics import median
from typing import Any, Final

from bench.harness import BATCH, BenchRealm, make_people, run_child, started_servers
from bench.measure import measured, report, say
from quanheng.engine.desired import CARD_PROVIDER
from quanheng.keycloak.open import open_realm
from quanheng.model.ids import GroupPath, Username
from quanheng.model.realm import FederatedIdentity, NewUser

_REALM: Final = "swept"
_OFFICES: Final = "机构"


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--unguarded", action="store_true", help="a server without the guard")
    arguments = parser.parse_args()
    population = make_people(1)
    rounds: dict[str, list[dict[str, Any]]] = {"paging": [], "sweep": []}
    with started_servers(population, guarded=None if arguments.unguarded else _REALM) as servers:
        realm = BenchRealm(servers, _REALM, population)
        realm.prepare()
        realm.import_people(_people(realm, arguments.users))
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
            "guarded": not arguments.unguarded,
            "first": first,
            "seconds": seconds,
            "ratio": round(seconds["sweep"] / seconds["paging"], 2),
            "peak_memory_mib": max(run["peak_memory_mib"] for run in (first["sweep"], *rounds["sweep"])),
            "rounds": rounds,
        },
    )


def _people(realm: BenchRealm, count: int) -> list[NewUser]:
    with closing(open_realm(realm.settings)) as rest:
        offices = sorted(group.path for group in rest.read_groups().values() if group.path[0] == _OFFICES)
    # Neighbours share an office, as in a feed; a batch of many offices takes longer.
    return [_person(number, offices[number // BATCH % len(offices)]) for number in range(count)]


def _person(number: int, office: GroupPath) -> NewUser:
    username = Username(f"swept{number:07}")
    return NewUser(
        username=username,
        enabled=True,
        name="张三",
        attributes={},
        groups=(office,),
        identities=frozenset({FederatedIdentity(CARD_PROVIDER, f"subject-{number}", username)}),
    )


if __name__ == "__main__":
    main()
