"""Login by card on a Monday morning: many pages that wait, and logins next to Keycloak's own by password.

    python -m bench.bridge [--browsers 3000] [--logins 3072]

A Keycloak with two realms of the same people: one where everybody logs in by card, one with Keycloak's own
password form. The bridge is one process on one core (the first), the simulator of the card platform and the
browsers are on the other.

*Waiting*: so many browsers open the page and wait for server-sent events. Memory of the bridge per browser;
then some of them, drawn by lot, scan, confirm a few seconds later, and are timed from the confirmation to the
redirect with the code. *Logins*: whole logins from the authorization request to Keycloak's tokens, by card
and by password in turn, so many at once; logins per second, and what each spent on one. Everybody confirms
at once here, so that it is work that is measured and not people. Exit 1 when the bridge spends more of a core
on a login than Keycloak does on one by password, or makes fewer logins a second by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from statistics import median, quantiles
from typing import Any, Final

from bench.bridge_browsers import CardLogins, PasswordLogins, WaitingPages, page_bytes
from bench.bridge_stage import Stage, started_stage
from bench.measure import measured, report, say

_BLOCKS: Final = 4
_MIB: Final = 2**20


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench.bridge", description=__doc__)
    parser.add_argument("--browsers", type=int, default=3000)
    parser.add_argument("--confirmed", type=int, default=300, help="of them, so many log in")
    parser.add_argument("--rate", type=float, default=10, help="so many a second")
    parser.add_argument("--logins", type=int, default=3072, help="of each kind")
    parser.add_argument("--at-once", type=int, default=192)
    parser.add_argument("--people", type=int, default=1000)
    chosen = parser.parse_args(arguments)
    with started_stage(chosen.people) as stage:
        waiting = asyncio.run(_wait(stage, chosen.browsers, chosen.confirmed, chosen.rate))
        logins = asyncio.run(_log_in(stage, chosen.logins, chosen.at_once))
    report("bridge", {"browsers": chosen.browsers, "waiting": waiting, "logins": logins})
    spent = logins["core_milliseconds_per_login"]
    slower = spent["card: bridge"] > spent["password: keycloak"]
    return 1 if slower or logins["ratio_bridge_alone"] < 1 else 0


async def _wait(stage: Stage, browsers: int, confirmed: int, rate: float) -> dict[str, Any]:
    pages = WaitingPages(stage)
    try:
        size = await page_bytes(stage)
        await pages.open(20)  # what is only loaded with the first is in neither
        before = stage.bridge_memory()
        say(f"{browsers:,} browsers open the page")
        with measured(stage.pids) as opening:
            await pages.open(browsers)
        memory = (stage.bridge_memory() - before) / browsers
        with measured(stage.pids) as quiet:
            await asyncio.sleep(20)
        say(f"{confirmed} of them scan and confirm, {rate:g} a second")
        with measured(stage.pids) as confirming:
            seconds = await pages.confirm(confirmed, rate)
        return {
            "page_bytes": size,
            "kibibytes_per_browser": round(memory / 1024, 1),
            "bridge_mebibytes": round(stage.bridge_memory() / _MIB),
            "opened_per_second": round(browsers / opening.seconds, 1),
            "core_while_nothing_happens": round(quiet.cpu_seconds["bridge"] / quiet.seconds, 3),
            "core_while_they_confirm": round(confirming.cpu_seconds["bridge"] / confirming.seconds, 3),
            "confirm_to_redirect_seconds": {
                "median": round(median(seconds), 2),
                "p95": round(quantiles(seconds, n=20)[-1], 2),
                "longest": round(max(seconds), 2),
            },
        }
    finally:
        await pages.close()


async def _log_in(stage: Stage, count: int, at_once: int) -> dict[str, Any]:
    sides: dict[str, CardLogins | PasswordLogins] = {
        "card": CardLogins(stage, stage.card_url),
        "password": PasswordLogins(stage),
        "bridge alone": CardLogins(stage, None),
    }
    await stage.set_autopilot(on=True)
    for side in sides.values():
        await side.run(at_once * 2, at_once)  # Java compiles what it runs
    per_second: dict[str, list[float]] = {name: [] for name in sides}
    spent: dict[str, dict[str, float]] = {name: {} for name in sides}
    for block in range(_BLOCKS):
        say(f"logins, block {block + 1} of {_BLOCKS}")
        for name, side in sides.items():
            with measured(stage.pids) as stretch:
                done = await side.run(count // _BLOCKS, at_once)
            per_second[name].append(done / stretch.seconds)
            _add(spent[name], stretch.cpu_seconds, done)
    rates = {name: round(median(found), 1) for name, found in per_second.items()}
    return {
        "at_once": at_once,
        "per_second": rates,
        "ratio_card": round(rates["card"] / rates["password"], 2),
        "ratio_bridge_alone": round(rates["bridge alone"] / rates["password"], 2),
        "core_milliseconds_per_login": {
            f"{name}: {server}": round(seconds * 1000 / _BLOCKS, 1)
            for name, servers in spent.items()
            for server, seconds in servers.items()
        },
    }


def _add(total: dict[str, float], spent: Mapping[str, float], done: int) -> None:
    for name, seconds in spent.items():
        total[name] = total.get(name, 0.0) + seconds / done


if __name__ == "__main__":
    sys.exit(main())
