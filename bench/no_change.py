"""Nothing has changed: what another run costs, next to a full re-sync by Keycloak's own LDAP federation.

    python -m bench.no_change --people 30000 --rounds 3

Both realms are filled first, which takes some minutes and is not measured. Exit 1 when quanheng wrote
anything or needed more than 20 requests.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any, Final

from bench.federation import Federation
from bench.harness import BenchRealm, make_people, started_servers
from bench.measure import measured, report, say

MOST_REQUESTS: Final = 20


def main() -> int:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--people", type=int, default=30_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    population = make_people(arguments.people)
    with started_servers(population) as servers:
        ours = BenchRealm(servers, "quanheng", population)
        theirs = BenchRealm(servers, "federation", population)
        federation = fill_both(ours, theirs)
        runs: dict[str, list[dict[str, Any]]] = {"quanheng": [], "federation": []}
        for number in range(1, arguments.rounds + 1):
            runs["quanheng"].append(ours.run_sync())
            with measured(servers.pids) as stretch:
                done = federation.sync()
            runs["federation"].append({**stretch.figures(), "sync": done})
            say(f"round {number}: {[runs[side][-1]['seconds'] for side in runs]} s")
    faults = [fault for run in runs["quanheng"] for fault in _faults(run, arguments.people)]
    report("no_change", {"people": arguments.people, "faults": faults, "rounds": runs})
    return 1 if faults else 0


def fill_both(ours: BenchRealm, theirs: BenchRealm) -> Federation:
    """First load of either realm, not measured."""
    ours.prepare()
    done = ours.run_sync()
    say(f"quanheng made {done['changes']} in {done['seconds']} s")
    theirs.configure()
    federation = Federation(theirs)
    say(f"the federation made {federation.sync()}")
    return federation


def _faults(run: dict[str, Any], people: int) -> list[str]:
    faults = []
    if run["writes"] or run["changes"]:
        faults.append(f"{run['writes']} writing requests, changes: {run['changes']}")
    if run["requests"] > MOST_REQUESTS:
        faults.append(f"{run['requests']} requests, {MOST_REQUESTS} are allowed")
    if run["unchanged"] != people:
        faults.append(f"{run['unchanged']} accounts unchanged of {people}")
    return faults


if __name__ == "__main__":
    sys.exit(main())
