"""Files for their owner alone, written whole or not at all."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import Final

from quanheng.errors import ConfigurationError
from quanheng.model.sensitive import Sensitive


def write_private(file: Path, content: bytes) -> None:
    """Write a new file that only its owner may read, whole or not at all, durable on return.

    Raises :class:`ConfigurationError` when there is such a file, or the folder takes none.
    """
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        link_new(temporary, file)
        temporary.unlink()
    except OSError as error:
        raise _unwritable(file, error) from None
    finally:
        temporary.unlink(missing_ok=True)


def link_new(existing: Path, file: Path) -> None:
    """Give a file of the same folder a second name, durable on return; unlike a rename never over another's.

    Raises :class:`ConfigurationError` when there is such a file.
    """
    try:
        os.link(existing, file)
        sync_directory(file.parent)
    except FileExistsError:
        raise ConfigurationError(f"{file}: is there already", remedy="keep it, or name another") from None
    except OSError as error:
        raise _unwritable(file, error) from None


def _unwritable(file: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"{file}: cannot be written ({error.strerror})",
        remedy="name a folder that has room, that you may write to, and whose file system knows owners "
        "and links (not FAT)",
    )


def sync_directory(directory: Path) -> None:
    """Make a rename or a new name in a folder survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_KEY_MISSING: Final = (
    "name the right one, or restore it from the backup; keys for a new store are made with "
    "'quanheng keys generate'"
)

_WRITE_IT: Final = "write the secret into its first line, in UTF-8, mode 0600"


def require_private(path: Path, *, directory: bool = False, if_missing: str = _KEY_MISSING) -> None:
    """Raise :class:`ConfigurationError` unless it is there and for its owner alone."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        raise ConfigurationError(
            f"{path}: is not there",
            remedy=if_missing,
        ) from None
    wanted = stat.S_ISDIR if directory else stat.S_ISREG
    if not wanted(status.st_mode):
        raise ConfigurationError(
            f"{path}: is not a {'folder' if directory else 'plain file'}", remedy="put the thing itself there"
        )
    if status.st_mode & 0o077:
        raise ConfigurationError(
            # No colon after the name: of a "passphrase: ..." what follows would be taken for the secret.
            f"{path} may be used by others than its owner (mode {stat.S_IMODE(status.st_mode):04o})",
            remedy=f"chmod {'700' if directory else '600'} {path}; then change what it holds",
        )


def read_private_line(file: Path, *, if_missing: str = _WRITE_IT) -> Sensitive:
    """The secret in the first line of a file that only its owner may read, without blanks around it.

    Raises :class:`ConfigurationError` when the file is missing, open to others or no text, and when the line
    is empty: an empty key or password would be taken for one.
    """
    require_private(file, if_missing=if_missing)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{file}: cannot be read as text ({type(error).__name__})", remedy=_WRITE_IT
        ) from None
    line = text.partition("\n")[0].strip()
    if not line:
        raise ConfigurationError(f"{file}: its first line is empty", remedy=_WRITE_IT)
    return Sensitive(line)
