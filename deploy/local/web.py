"""Web servers of ours on this machine: started as processes, known again by their command, stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.local.cache import LocalServerError

_READY_SECONDS = 30.0
_STOP_SECONDS = 10.0
_children: dict[int, subprocess.Popen[bytes]] = {}


def start_web_server(
    command: Sequence[str | Path],
    *,
    folder: Path,
    health_url: str,
    log_file: Path,
    environment: Mapping[str, str] | None = None,
) -> int:
    """Start a server in a folder and wait until it answers at ``health_url``; returns its process.

    Raises :class:`LocalServerError` naming the log file.
    """
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _children[process.pid] = process
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if answers(health_url):
            return process.pid
        time.sleep(0.1)
    stop_web_server(process.pid, str(command[-1]))
    raise LocalServerError(f"{Path(str(command[0])).name} ended, or did not answer: read {log_file}")


def answers(url: str) -> bool:
    """Whether somebody answers there with 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - loopback
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def is_running(pid: int, mark: str) -> bool:
    """Whether a process lives and has ``mark`` in its command line: its number may be another's by now."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return state != "Z" and mark.encode() in command


def stop_web_server(pid: int, mark: str) -> bool:
    """Stop it and whatever it started; nothing happens when it is gone, or somebody else's. Tells whether it
    ran."""
    ran = is_running(pid, mark)
    for name in (signal.SIGTERM, signal.SIGKILL):
        if not is_running(pid, mark):
            break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, name)
        deadline = time.monotonic() + _STOP_SECONDS
        while time.monotonic() < deadline and is_running(pid, mark):
            time.sleep(0.05)
    if child := _children.pop(pid, None):
        child.wait(_STOP_SECONDS)
    return ran
