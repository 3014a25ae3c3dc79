"""What was measured, on what machine, and who else used it meanwhile."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from deploy.local.keycloak import VERSION as KEYCLOAK_VERSION

from quanheng import __version__

_TICK: Final = os.sysconf("SC_CLK_TCK")


def say(text: str) -> None:
    """Progress, on stderr: stdout is the JSON's."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


EMBEDDED: Final = "embedded (H2)"
POSTGRESQL: Final = "PostgreSQL"


def report(name: str, figures: Mapping[str, Any], *, database: str = EMBEDDED) -> None:
    """Print the result of a bench with the machine it was measured on, and Keycloak's database."""
    print(json.dumps({"bench": name, **figures, "machine": machine(database)}, ensure_ascii=False, indent=2))


def machine(database: str) -> dict[str, Any]:
    """What the figures depend on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**30, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "java": _first_line("java", "-version"),
        "keycloak": KEYCLOAK_VERSION,
        "database": database,
        "quanheng": __version__,
        "commit": _first_line("git", "rev-parse", "--short", "HEAD"),
        "uncommitted_changes": bool(_first_line("git", "status", "--porcelain", "--untracked-files=no")),
    }


class Stretch:
    """A stretch of time that was measured; filled in when it ends."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.cpu_seconds: dict[str, float] = {}
        """CPU time by process, ``others`` being everything that is not ours."""

    def figures(self) -> dict[str, Any]:
        """For the JSON. ``others`` much above zero: somebody else slowed this down; measure again."""
        return {
            "seconds": round(self.seconds, 2),
            "cpu_seconds": {name: round(seconds, 2) for name, seconds in self.cpu_seconds.items()},
        }


@contextmanager
def measured(servers: Mapping[str, int]) -> Iterator[Stretch]:
    """Measure a block: wall time, and CPU time of this process, of ``servers`` (by pid), of all others."""
    stretch = Stretch()
    before, began = _cpu(servers), time.perf_counter()
    yield stretch
    stretch.seconds = time.perf_counter() - began
    spent = {name: seconds - before[name] for name, seconds in _cpu(servers).items()}
    everything = spent.pop("machine")
    spent["others"] = max(0.0, everything - sum(spent.values()))
    stretch.cpu_seconds = spent


def peak_memory_mib() -> int:
    """Most resident memory of this program so far.

    Not ``ru_maxrss``: the kernel carries that over from the process that started this one.
    """
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024)


def _cpu(servers: Mapping[str, int]) -> dict[str, float]:
    own = os.times()
    found = {"client": own.user + own.system + own.children_user + own.children_system}
    for name, pid in servers.items():
        found[name] = sum(_ticks(member) for member in _with_children(pid)) / _TICK
    fields = [int(part) for part in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    # user nice system idle iowait irq softirq steal
    found["machine"] = (sum(fields) - fields[3] - fields[4]) / _TICK
    return found


def _ticks(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[11]) + int(fields[12])


def _with_children(pid: int) -> Iterable[int]:
    """The process and those of its group: kc.sh starts Java as a child."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (int(entry.name) == pid or _group(int(entry.name)) == pid):
            yield int(entry.name)


def _group(pid: int) -> int:
    try:
        return int(_stat(pid)[2])
    except (OSError, IndexError):
        return -1


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _first_line(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return next(iter((done.stdout + done.stderr).splitlines()), "")
