"""Notices as lines of JSON in a file."""

from __future__ import annotations

import os
from pathlib import Path

from quanheng.notify.port import Notice, UndeliveredError
from quanheng.notify.words import as_json


class FileNotifier:
    """Adds a line per notice; the file is for its owner alone."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def send(self, notice: Notice) -> None:
        """Add a line, durable on return."""
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "ab") as stream:
                os.fchmod(stream.fileno(), 0o600)
                stream.write(as_json(notice).encode() + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise self._unwritten(error.strerror) from None

    def check(self) -> None:
        """Look at the file, or at the folder where it is to be made."""
        file = self._file.absolute()
        there = next(place for place in (file, *file.parents) if place.exists())
        if there.is_dir() == (there == file) or not os.access(there, os.W_OK):
            raise self._unwritten("not a file of ours" if there == file else "no such folder can be made")

    def _unwritten(self, why: str | None) -> UndeliveredError:
        return UndeliveredError(
            f"{self._file}: the notice cannot be written: {why}",
            remedy="check notify.file, and that its disk has room",
        )
