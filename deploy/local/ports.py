"""Ports of the loopback for servers that are about to start."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import Final

HOST: Final = "127.0.0.1"


def free_port() -> int:
    """A port that nobody has now."""
    return free_ports(1)[0]


def free_ports(count: int) -> tuple[int, ...]:
    """Ports that nobody has now, each another.

    All are held until the last is found: the kernel may give a port that was let go a second time, and a
    Keycloak whose two ports are one answers on it by turns as itself and as its management.
    """
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return tuple(int(probe.getsockname()[1]) for probe in probes)


def is_free(port: int) -> bool:
    """Whether a server could have this port now; 0 is none."""
    if port == 0:
        return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
