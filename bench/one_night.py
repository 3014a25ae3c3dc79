"""One reading of login events, or one night's job, in this process: for :mod:`bench.lifecycle`."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any, Final

from bench.harness import open_context
from bench.measure import peak_memory_mib
from quanheng.keycloak.rest import RestRealm
from quanheng.operations.context import Context
from quanheng.operations.lifecycle.logins import take_in_logins
from quanheng.operations.lifecycle.use import look_after_use

TAKE_IN: Final = "take-in"
NIGHT: Final = "night"


def main(what: str, file: str) -> None:
    """Do it and print what it took."""
    with open_context(Path(file)) as context:
        realm = context.realm
        assert isinstance(realm, RestRealm)  # noqa: S101 - for the type: Context opens no other
        realm.connection.subject()  # a token and the pack, before the time counts: the daemon has both
        _ = context.rules
        memory = peak_memory_mib()
        before, began = realm.connection.counter.total, time.perf_counter()
        found = _night(context) if what == NIGHT else _take_in(context)
        usage = resource.getrusage(resource.RUSAGE_SELF)
        figures = {
            "seconds": round(time.perf_counter() - began, 2),
            "client_cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
            "peak_memory_mib": peak_memory_mib(),
            "memory_before_mib": memory,
            "requests": realm.connection.counter.total - before,
            "requests_by_kind": realm.connection.counter.by_kind(),
            **found,
        }
    print(json.dumps(figures, ensure_ascii=False))


def _night(context: Context) -> dict[str, Any]:
    return {"told": look_after_use(context)}


def _take_in(context: Context) -> dict[str, Any]:
    feed = take_in_logins(context)
    return {"events": feed.events, "people": feed.people, "problem": feed.problem}


if __name__ == "__main__":
    main(*sys.argv[1:])
