"""Ports for servers that are about to start."""

from __future__ import annotations

import socket

from deploy.local.ports import HOST, free_port, free_ports, is_free


def test_they_are_all_different() -> None:
    """Among so many the kernel would give some twice, were each let go before the next is asked for."""
    assert len(set(free_ports(700))) == 700


def test_taken_and_free() -> None:
    """A port is free until somebody listens there, and 0 is no port."""
    port = free_port()
    assert is_free(port)
    with socket.socket() as server:
        server.bind((HOST, port))
        server.listen()
        assert not is_free(port)
    assert not is_free(0)
