"""Who holds a lease: a process that another one on the same machine can see to be gone."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import Final

_FORM: Final = re.compile(r"(?P<host>\S+) pid (?P<pid>[0-9]+) \((?P<place>[^/]+)/(?P<start>[0-9]+)\)")


def this_process() -> str:
    """Name this process for people and for :func:`is_gone`: host, pid, and when it started."""
    pid = os.getpid()
    return f"{socket.gethostname()[:64]} pid {pid} ({_place()}/{_started(pid)})"


def is_gone(holder: str) -> bool:
    """Whether the process was on this machine, since this boot, and certainly no longer runs.

    False whenever that cannot be told: for another machine, and for a holder of another form.
    """
    match = _FORM.fullmatch(holder)
    if match is None or match["host"] != socket.gethostname()[:64] or match["place"] != _place():
        return False
    return _started(int(match["pid"])) != int(match["start"])


def _place() -> str:
    """This boot and this space of process numbers: containers may share the name of a host."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot[:8]}-{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return f"unknown-{os.getpid()}"  # equal to no other: nothing is known to be gone


def _started(pid: int) -> int:
    """Clock ticks after boot at which a process started (proc(5), field 22), or 0 when it is gone."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if state in {"Z", "X"} else int(fields[18])
