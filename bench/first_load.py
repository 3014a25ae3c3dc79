"""First load: Keycloak's own LDAP federation and quanheng, the same people, side by side.

    python -m bench.first_load --people 5000 --rounds 3 [--profile]

Each round makes two fresh realms on one server, one for either, in changing order. quanheng's time runs
from the command to its end, reading LDAP, encryption, store, ledger and journal included; the
federation's from the request to its answer. Groups are made beforehand and in neither time. The first
round meets a server that was just started: it is reported apart, since Java is slow until it has compiled
what is run most.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from statistics import median
from typing import Any

from tests.fixtures.people import Population

from bench.federation import Federation
from bench.harness import BenchRealm, Servers, make_people, open_context, started_servers
from bench.measure import measured, report, say
from bench.sampling import Sampler
from quanheng.operations.synchronise import synchronise


class Rounds:
    """Runs either side on fresh realms and keeps the figures."""

    def __init__(self, servers: Servers, population: Population, arguments: argparse.Namespace) -> None:
        self._servers = servers
        self._population = population
        self._arguments = arguments
        self.figures: dict[str, list[dict[str, Any]]] = {"federation": [], "quanheng": []}
        """By side; the first of each is that of the server that had just been started."""

    def run(self, number: int, only: str | None = None) -> None:
        """Both sides once, or ``only`` one of them; who begins changes from round to round."""
        sides: list[tuple[str, Callable[[BenchRealm], dict[str, Any]]]] = [
            ("federation", self._federation),
            ("quanheng", self._quanheng),
        ]
        for side, load in sides if number % 2 else reversed(sides):
            if only not in (None, side):
                continue
            realm = BenchRealm(
                self._servers,
                f"{side}-{number}",
                self._population,
                workers=self._arguments.workers,
                batch_size=self._arguments.batch_size,
            )
            figures = load(realm)
            people = len(self._population.people)
            if (there := realm.count_users()) != people:
                raise SystemExit(f"{side}: {there} users for {people} people")
            figures["people_per_second"] = round(people / figures["seconds"])
            say(f"round {number}: {side} {figures['people_per_second']}/s ({figures['cpu_seconds']})")
            self.figures[side].append(figures)
            realm.remove()

    def _federation(self, realm: BenchRealm) -> dict[str, Any]:
        realm.configure()
        federation = Federation(realm)
        with measured(self._servers.pids) as stretch:
            done = federation.sync()
        return {**stretch.figures(), "sync": done}

    def _quanheng(self, realm: BenchRealm) -> dict[str, Any]:
        groups = realm.prepare()
        sampler = Sampler() if self._arguments.profile else None
        with measured(self._servers.pids) as stretch:
            context = open_context(realm.config_file)
            if sampler is not None:
                with sampler:
                    done = synchronise(context)
            else:
                done = synchronise(context)
        context.database.close()
        figures = {**stretch.figures(), "changes": dict(done.outcome.done), "groups_before": groups}
        return figures if sampler is None else {**figures, "profile": sampler.profile()}


def run_alone(population: Population, arguments: argparse.Namespace) -> None:
    """Each side on a server of its own that was just started, as the one first load of a bureau is."""
    rates: dict[str, list[int]] = {"federation": [], "quanheng": []}
    for number in range(arguments.rounds):
        for side, found in rates.items():
            with started_servers(population) as servers:
                rounds = Rounds(servers, population, arguments)
                rounds.run(number, only=side)
            found += [item["people_per_second"] for item in rounds.figures[side]]
    ratio = median(rates["quanheng"]) / median(rates["federation"])
    report(
        "first_load_alone",
        {"people": arguments.people, "people_per_second": rates, "ratio": round(ratio, 2)},
    )


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--people", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, help="requests at once; quanheng's default otherwise")
    parser.add_argument("--batch-size", type=int, help="users per import; quanheng's default otherwise")
    parser.add_argument("--profile", action="store_true", help="say where quanheng's time goes")
    parser.add_argument("--alone", action="store_true", help="each side on a server that was just started")
    arguments = parser.parse_args()
    population = make_people(arguments.people)
    if arguments.alone:
        run_alone(population, arguments)
        return
    with started_servers(population) as servers:
        rounds = Rounds(servers, population, arguments)
        say("round 0, on a server that was just started, is reported apart")
        for number in range(arguments.rounds + 1):
            rounds.run(number)
    rates = {side: [item["people_per_second"] for item in runs] for side, runs in rounds.figures.items()}
    ratios = [
        round(ours / theirs, 2) for ours, theirs in zip(rates["quanheng"], rates["federation"], strict=True)
    ]
    medians = {side: median(values[1:]) for side, values in rates.items()}
    report(
        "first_load",
        {
            "people": arguments.people,
            "just_started": {**{side: values[0] for side, values in rates.items()}, "ratio": ratios[0]},
            "people_per_second": {side: values[1:] for side, values in rates.items()},
            "ratio_of_each_round": ratios[1:],
            "median": medians,
            "ratio": round(medians["quanheng"] / medians["federation"], 2),
            "rounds": rounds.figures,
        },
    )


if __name__ == "__main__":
    main()
