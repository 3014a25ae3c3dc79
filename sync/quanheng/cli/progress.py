"""How far a plan has been carried out: bars at a terminal, else a line now and then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.progress import TimeElapsedColumn as Elapsed

from quanheng.cli.labels import label_of_change
from quanheng.engine.apply import Progress as Callback

_LINES: Final = 10
"""Lines per kind of change where there is no terminal."""
_PREPARING: Final = "读取来源，核对现状"


@contextmanager
def show_progress(console: Console) -> Iterator[Callback]:
    """What to give to ``synchronise`` as its progress; shown until the block ends."""
    if console.is_terminal:
        with Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            Elapsed(),
            console=console,
        ) as bars:
            yield _Bars(bars)
    else:
        yield _Lines(console)


class _Bars:
    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._preparing = bars.add_task(_PREPARING, total=None)

    def __call__(self, kind: str, done: int, total: int) -> None:
        self._bars.update(self._preparing, total=1, completed=1)
        if kind not in self._tasks:
            self._tasks[kind] = self._bars.add_task(label_of_change(kind), total=total)
        self._bars.update(self._tasks[kind], completed=done)


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: dict[str, int] = {}

    def __call__(self, kind: str, done: int, total: int) -> None:
        step = done * _LINES // total if total else _LINES
        if step > self._shown.get(kind, 0):
            self._shown[kind] = step
            self._console.print(f"{label_of_change(kind)} {done}/{total}")
