"""The folder of the lists. Names in them are personal data: nobody but its owner may read it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from quanheng.errors import ConfigurationError
from quanheng.identity.files import sync_directory
from quanheng.operations.context import Context

_OURS: Final = "name a folder in [lifecycle] reviews_directory that is ours and has room"


def reviews_directory(context: Context) -> Path:
    """Where lists go. Raises :class:`ConfigurationError` when nobody has said."""
    folder = context.settings.lifecycle.reviews_directory
    if folder is None:
        raise ConfigurationError(
            "nobody has said where lists of the monthly review go",
            remedy="name a folder in [lifecycle] reviews_directory",
        )
    return folder


def make_folder(root: Path, month: str) -> Path:
    """The folder of a month, made where it is missing; mode 0700, like the one above when that is for lists
    alone.

    Raises :class:`ConfigurationError` for a folder that others may read, or in which they may put another in
    its place: what is there already is not ours to shut.
    """
    folder = root / month
    try:
        for each, others_may in ((root, 0o055), (folder, 0)):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
            _shut(each, others_may)
    except OSError as error:
        raise ConfigurationError(f"{folder}: cannot be made ({error.strerror})", remedy=_OURS) from None
    return folder


def _shut(folder: Path, others_may: int) -> None:
    if not folder.stat().st_mode & 0o077:
        return
    if not any(folder.iterdir()):
        folder.chmod(0o700)
    elif folder.stat().st_mode & 0o077 & ~others_may:
        raise ConfigurationError(
            f"{folder} is open to others, and lists hold names",
            remedy="have its owner shut it (chmod 700), or name a folder of its own in [lifecycle]"
            " reviews_directory",
        )


def put_file(file: Path, content: bytes) -> None:
    """Write a file, mode 0600, whole or not at all, in place of one of its name."""
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(file)
        sync_directory(file.parent)
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be written ({error.strerror})", remedy=_OURS) from None
    finally:
        temporary.unlink(missing_ok=True)
