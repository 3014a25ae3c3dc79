"""One in a hundred changed: a run of quanheng, next to the federation's sync of changed users.

    python -m bench.churn --people 30000 --percent 1

Of ten who are changed, four have a new phone, two a new name, two are transferred to another township of
their county, one leaves by a row that says so, and one is new: within the limits that need no second
person. The federation takes names, transfers (as an attribute) and new people; it knows of no leaver
whose entry stays, and moves nobody between groups. Phones are in no Keycloak.
"""

from __future__ import annotations

import argparse
import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from tests.fixtures.people import Population, SyntheticRow

from bench.directory import Writer
from bench.harness import BenchRealm, make_people, started_servers
from bench.measure import measured, report, say
from bench.no_change import fill_both
from quanheng.clock import day_in_china, system_clock

_PATTERN: Final = ("phone", "name", "phone", "transfer", "phone", "leave", "phone", "name", "transfer")
"""What happens to those who were there; beside nine of them comes one who is new."""


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--people", type=int, default=30_000)
    parser.add_argument("--percent", type=float, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    changed = round(arguments.people * arguments.percent / 100)
    new = changed // (len(_PATTERN) + 1)
    everybody = make_people(arguments.people + arguments.rounds * new)
    population = replace(everybody, people=everybody.people[: arguments.people])
    # Others in each round, so that nobody who left comes back; spread over all counties.
    there, newcomers = iter(population.people), iter(everybody.people[arguments.people :])
    runs: dict[str, list[dict[str, Any]]] = {"quanheng": [], "federation": []}
    with started_servers(population) as servers:
        ours = BenchRealm(servers, "quanheng", population)
        theirs = BenchRealm(servers, "federation", population)
        federation = fill_both(ours, theirs)
        with Writer(servers.slapd) as writer:
            for number in range(1, arguments.rounds + 1):
                asked = _change(writer, population, list(itertools.islice(there, changed - new)))
                for row in itertools.islice(newcomers, new):
                    writer.add(row, population)
                    asked["new"] += 1
                run = ours.run_sync()
                per_second = round(asked.total() / run["seconds"])
                runs["quanheng"].append({"asked": dict(asked), "people_per_second": per_second, **run})
                with measured(servers.pids) as stretch:
                    done = federation.sync(changed_only=True)
                runs["federation"].append({**stretch.figures(), "sync": done})
                say(f"round {number}: {run['changes']} {[runs[side][-1]['seconds'] for side in runs]} s")
    report("churn", {"people": arguments.people, "changed_percent": arguments.percent, "rounds": runs})


def _change(writer: Writer, population: Population, people: Sequence[SyntheticRow]) -> Counter[str]:
    """Change these people in the directory; returns how many of each kind."""
    townships = sorted(unit.code for unit in population.units if unit.kind == "township")
    yesterday = day_in_china(system_clock()) - timedelta(days=1)
    asked: Counter[str] = Counter()
    for row, kind in zip(people, itertools.cycle(_PATTERN), strict=False):
        match kind:
            case "phone":
                writer.change(row, telephoneNumber=f"154{int(row.phone[3:]) + 50_000_000}")
            case "name":
                writer.change(row, cn=f"{row.name[0]}新")
            case "transfer":
                there = [
                    code for code in townships if code[:6] == row.org[:6] and not row.org.startswith(code)
                ]
                writer.change(row, qhOrgCode=there[0])
            case "leave":
                writer.change(row, qhStaffStatus="辞职", qhStatusFrom=f"{yesterday:%Y-%m-%d}")
        asked[kind] += 1
    return asked


if __name__ == "__main__":
    main()
