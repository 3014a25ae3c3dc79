"""The daemon's sign of life: a small file that monitoring reads without asking anybody."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from quanheng.errors import UnreachableError

State = Literal["starting", "idle", "working", "stopped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """What the daemon does and did."""

    at: datetime
    """When it last wrote this; at least once a minute while it is idle."""
    pid: int
    state: State
    job: str | None = None
    """The job under way, or the last one."""
    result: str | None = None
    """What became of the last job: ``ok``, or the kind of its error."""
    message: str = ""
    job_finished: datetime | None = None
    watched: datetime | None = None
    """When it last looked at what happened; None while it does not watch."""


def write_heartbeat(file: Path, beat: Heartbeat) -> None:
    """Write the file whole or not at all. Raises :class:`UnreachableError`."""
    text = json.dumps(asdict(beat), ensure_ascii=False, indent=2, default=_moment)
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text + "\n", encoding="utf-8")
        temporary.replace(file)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UnreachableError(
            f"{file}: the heartbeat cannot be written: {error.strerror}",
            remedy="check schedule.heartbeat_file, and that its disk has room",
        ) from None


def read_heartbeat(file: Path) -> Heartbeat | None:
    """The last sign of life, or None when there is none that can be read."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        for name in ("at", "job_finished", "watched"):
            data[name] = None if data.get(name) is None else datetime.fromisoformat(data[name])
        return Heartbeat(**data)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _moment(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    raise TypeError(f"{type(value).__name__} in a heartbeat")
