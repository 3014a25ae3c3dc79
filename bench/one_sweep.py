"""One sweep with its judging, or a mere paging through the users, in this process: for :mod:`.sweep`."""

from __future__ import annotations

import json
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any, Final

from bench.harness import open_context
from quanheng.keycloak.connection import Connection
from quanheng.keycloak.rest import RestRealm
from quanheng.operations.carrying_out import hold_lease
from quanheng.operations.context import Context
from quanheng.operations.judging import clear_caches, find_conflicts
from quanheng.operations.refresh import sweep

_PAGE: Final = 500
_WORKERS: Final = 4


def main(what: str, file: str) -> None:
    """Do it and print what it took."""
    with open_context(Path(file)) as context:
        realm = context.realm
        assert isinstance(realm, RestRealm)  # noqa: S101 - for the type: Context opens no other
        realm.connection.subject()  # a token, before the time counts
        if what != "sweep":
            clear_caches(context)  # as the sweep does, or it would be the caches that are measured
        before, began = realm.connection.counter.total, time.perf_counter()
        found = _sweep(context) if what == "sweep" else {"users": _page(realm.connection)}
        usage = resource.getrusage(resource.RUSAGE_SELF)
        figures = {
            "seconds": round(time.perf_counter() - began, 2),
            "client_cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
            "peak_memory_mib": round(usage.ru_maxrss / 1024),
            "requests": realm.connection.counter.total - before,
            **found,
        }
    print(json.dumps(figures))


def _sweep(context: Context) -> dict[str, Any]:
    """What the daemon does each night, but for the comparison of the configuration."""
    began = time.perf_counter()
    clear_caches(context)
    with hold_lease(context) as lease:
        observed = sweep(context, lease)
    read = time.perf_counter()
    judged = find_conflicts(context, observed)
    return {
        "users": len(observed.users),
        "sweep_seconds": round(read - began, 2),
        "judge_seconds": round(time.perf_counter() - read, 2),
        "conflicts": len(judged.conflicts),
    }


def _page(connection: Connection) -> int:
    """Every page of the users, four at once; each is decoded and forgotten."""

    def read(worker: int) -> int:
        users = 0
        for page in count(worker, _WORKERS):
            found = connection.get(
                connection.realm_path("/users"), first=page * _PAGE, max=_PAGE, briefRepresentation="false"
            )
            users += len(found)
            if len(found) < _PAGE:
                return users
        raise AssertionError  # pragma: no cover - count() never ends

    with ThreadPoolExecutor(_WORKERS) as pool:
        return sum(pool.map(read, range(_WORKERS)))


if __name__ == "__main__":
    main(*sys.argv[1:])
