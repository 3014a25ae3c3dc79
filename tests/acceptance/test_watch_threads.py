"""The daemon's side threads go on after a fault, and the log says where it happened and nothing more."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from fixtures.world import World
from quanheng.logs import start_logs
from quanheng.operations.context import Context
from quanheng.operations.watching.threads import Repeating


def test_a_fault_that_nobody_expected(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    """It is called again; the log has the module and line of the fault, and not its text."""
    start_logs()
    again = threading.Event()
    calls = []

    def prepare(_context: Context) -> Callable[[], object]:
        def call() -> None:
            calls.append(1)
            if len(calls) == 1:
                raise ValueError("Sunny-Day-2026")
            again.set()

        return call

    thread = Repeating("test", 0.01, world.open, prepare)
    thread.start()
    assert again.wait(60)
    thread.stop()
    err = capfd.readouterr().err
    assert "ValueError" in err
    assert f"{__name__}:" in err
    assert "Sunny-Day" not in err
