"""One ``synchronise`` by a configuration file, in this process: figures as JSON. For other benches."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from bench.harness import open_context
from quanheng.keycloak.rest import RestRealm
from quanheng.operations.synchronise import synchronise


def main(file: str) -> None:
    """Synchronise and print what it took."""
    began = time.perf_counter()
    context = open_context(Path(file))
    done = synchronise(context)
    seconds = time.perf_counter() - began
    realm = context.realm
    assert isinstance(realm, RestRealm)  # noqa: S101 - for the type: Context opens no other
    usage = resource.getrusage(resource.RUSAGE_SELF)
    figures = {
        "seconds": round(seconds, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_memory_mib": round(usage.ru_maxrss / 1024),
        "requests": realm.connection.counter.total,
        "requests_by_kind": realm.connection.counter.by_kind(),
        "writes": realm.connection.counter.writes,
        "changes": dict(done.outcome.done),
        "refused": len(done.outcome.refused),
        "unchanged": done.unchanged,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1])
