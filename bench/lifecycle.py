"""A night over 100,000 accounts of which 1% are due, next to a script that asks Keycloak about each of them.

    python -m bench.lifecycle [--people 100000]

Everybody is loaded by an ordinary sync. Keycloak, on PostgreSQL, has a million events of logins in its own
table, written there in the form of a real one: a hundred days, a quarter of all people on the last of them;
of 1% none for three calendar months (of a quarter of these none at all), of 2% none for so long that their
lock is announced. quanheng has taken in everything but the last day, which is where each night finds it; what
that first reading took stands apart (``first_take_in``).

The *job* is quanheng's: take in logins, announce, lock by a plan with journal and ledger, look once more. The
*script* pages through all users, asks for the newest login of each, and locks: :mod:`bench.lifecycle_script`.
Either locks exactly those who are due and ends their sessions, or the bench fails; everybody is switched on
again, and Keycloak's cache of users emptied, before either. The job is first: to change the order would take
a second load of everybody, and Java has compiled more when it is the script's turn.

``ratio`` is the script's over the job's. Exit 1 when the job takes longer or needs more requests.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import closing
from typing import Any

from tests.fixtures.people import generate_many

from bench.harness import Servers, started_servers
from bench.lifecycle_stage import SCOPE, Stage
from bench.measure import POSTGRESQL, measured, report, say


def main() -> int:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--logins", type=int, default=10, help="of each person, before the last day")
    parser.add_argument("--due-percent", type=float, default=1)
    parser.add_argument("--near-percent", type=float, default=2, help="whose lock is announced")
    chosen = parser.parse_args()
    with started_servers(generate_many(0, scope=SCOPE), database=POSTGRESQL) as servers:
        stage = Stage(
            servers,
            chosen.people,
            logins=chosen.logins,
            due_percent=chosen.due_percent,
            near_percent=chosen.near_percent,
        )
        with closing(stage):
            first = _measured(servers, "first_take_in", stage.take_in)
            stage.go_to_the_last_night()
            stage.switch_on()
            job = _measured(servers, "job", stage.run_job)
            stage.switch_on()
            script = _measured(servers, "script", stage.run_script)
    ratio = {name: round(script[name] / job[name], 2) for name in ("seconds", "requests", "peak_memory_mib")}
    report(
        "lifecycle",
        {
            **stage.figures(),
            "first_take_in": first,
            "ratio": ratio,
            "job": job,
            "script": script,
        },
        database=POSTGRESQL,
    )
    return 0 if min(ratio["seconds"], ratio["requests"]) >= 1 else 1


def _measured(servers: Servers, name: str, run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    with measured(servers.pids) as stretch:
        figures = run()
    figures["cpu_seconds"] = stretch.figures()["cpu_seconds"]
    say(f"{name}: {figures}")
    return figures


if __name__ == "__main__":
    sys.exit(main())
