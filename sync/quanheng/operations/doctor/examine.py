"""Run every check, whatever the others find."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from quanheng.config import read_settings
from quanheng.errors import QuanhengError
from quanheng.operations.context import Context
from quanheng.operations.doctor.bridge import examine_bridge
from quanheng.operations.doctor.glass import examine_glass
from quanheng.operations.doctor.guard import examine_guard
from quanheng.operations.doctor.lifecycle import examine_lifecycle
from quanheng.operations.doctor.local import examine_files
from quanheng.operations.doctor.notices import examine_notices
from quanheng.operations.doctor.result import Result, fail, ok
from quanheng.operations.doctor.server import examine_server
from quanheng.operations.doctor.sources import examine_sources
from quanheng.operations.doctor.stored import examine_store

_AREAS: Final[tuple[tuple[str, Callable[[Context], Iterator[Result]]], ...]] = (
    ("files", examine_files),
    ("notify", examine_notices),
    ("store", examine_store),
    ("keycloak", examine_server),
    ("guard", examine_guard),
    ("glass", examine_glass),
    ("bridge", examine_bridge),
    ("sources", examine_sources),
    ("lifecycle", examine_lifecycle),
)


def examine(config: Path, make_context: Callable[[], Context]) -> Iterator[Result]:
    """Every finding, good and bad, as it comes. Without a readable configuration there is just that one."""
    try:
        read_settings(config)
        context = make_context()
        pack = context.pack.info
    except QuanhengError as error:
        yield _failed("config", error)
        return
    yield ok("config", f"{config} 可读，制度包 {pack.id}")
    with context:
        for name, area in _AREAS:
            yield from _guarded(name, area, context)


def _guarded(name: str, area: Callable[[Context], Iterator[Result]], context: Context) -> Iterator[Result]:
    try:
        yield from area(context)
    except QuanhengError as error:
        yield _failed(name, error)
    except Exception as error:  # noqa: BLE001 -- the doctor goes on to the other checks
        kind = type(error).__name__
        yield fail(name, f"检查没有做完（{kind}）", "请把 quanheng doctor --debug 的输出报告给维护人员")


def _failed(id_: str, error: QuanhengError) -> Result:
    return fail(id_, str(error.args[0]), error.remedy)
