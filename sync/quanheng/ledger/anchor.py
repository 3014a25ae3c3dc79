"""Anchors: signed heads as files, best on another host's disk, so that truncation shows."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
from datetime import datetime
from pathlib import Path
from typing import Final

from quanheng.errors import ConfigurationError, UnreachableError
from quanheng.ledger.entry import Anchor, Head, moment_text

_NAME: Final = re.compile(r"anchor-([0-9]{12})\.json")


def write_anchor(directory: Path, head: Head) -> Path:
    """Write a head as ``anchor-<sequence>.json``; the same head again changes nothing.

    Raises :class:`UnreachableError` when the folder cannot be written.
    """
    file = directory / f"anchor-{head.sequence:012}.json"
    text = json.dumps(
        {
            "sequence": head.sequence,
            "hash": head.hash,
            "at": moment_text(head.at),
            "signature": base64.b64encode(head.signature).decode(),
        },
        indent=2,
    )
    temporary = directory / f".{file.name}.{secrets.token_hex(4)}"
    try:
        if file.exists():
            return file
        try:
            with temporary.open("x", encoding="ascii") as stream:
                stream.write(text + "\n")
                stream.flush()
                os.fsync(stream.fileno())
            temporary.rename(file)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise UnreachableError(
            f"{directory}: the anchor cannot be written: {error.strerror}",
            remedy="check anchors_directory, and that its disk is mounted and has room",
        ) from None
    return file


def read_anchor(file: Path) -> Anchor:
    """Read an anchor back; whether its signature holds is for ``verify`` to say.

    Raises :class:`ConfigurationError` when it is no anchor.
    """
    try:
        data = json.loads(file.read_text(encoding="ascii"))
        anchor = Anchor(
            sequence=int(data["sequence"]),
            hash=str(data["hash"]),
            at=datetime.fromisoformat(data["at"]),
            signature=base64.b64decode(data["signature"], validate=True),
        )
        anchor.message()  # a time without its zone is refused here
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigurationError(
            f"{file}: is not an anchor", remedy="name a file that 'quanheng run' wrote to anchors_directory"
        ) from None
    return anchor


def read_newest_anchor(directory: Path) -> Anchor | None:
    """The anchor with the highest sequence in a folder, or None when it holds none.

    Raises :class:`ConfigurationError` when the folder is not there.
    """
    try:
        found = sorted(file for file in directory.iterdir() if _NAME.fullmatch(file.name))
    except OSError as error:
        raise ConfigurationError(
            f"{directory}: the anchors cannot be read: {error.strerror}",
            remedy="check anchors_directory, and that its disk is mounted",
        ) from None
    return read_anchor(found[-1]) if found else None
