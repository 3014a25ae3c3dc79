"""Text files in one pass and in little memory: digest, count, encoding, lines with their offsets.

One record is one line. A quoted line break would let a single stray quote swallow all the people
below it, who would then count as absent; so such a record is two bad rows in quarantine instead.
"""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from quanheng.errors import SourceError

LINE_LIMIT_BYTES: Final = 65_536
"""No record is longer; it bounds memory when a file has no line breaks."""
_BLANK: Final = b" \t\r\n\v\f"


@dataclass(frozen=True, slots=True)
class Line:
    """One line that is not blank."""

    number: int
    """1 is the header."""
    offset: int
    """Where it starts, in bytes."""
    content: bytes
    """Without its line break; at most :data:`LINE_LIMIT_BYTES`."""
    ended: bool
    """Whether a line break followed."""
    too_long: bool = False
    """There was more, which was passed over."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What one pass over a file tells."""

    sha256: str
    header: bytes
    """First line, without byte order mark and line break; empty when the file has no bytes."""
    rows: int
    """Lines below the header that are not blank."""
    ended: bool
    """Whether the last line ended in a line break."""


class Digest:
    """SHA-256 over what :func:`read_lines` passes."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.update = self._hash.update

    def hexdigest(self) -> str:
        """Of everything so far."""
        return self._hash.hexdigest()


def read_lines(stream: BinaryIO, digest: Digest) -> Iterator[Line]:
    """Lines that are not blank, from the start of the file, while all its bytes enter the digest."""
    number = offset = 0
    stream.seek(0)
    while piece := stream.readline(LINE_LIMIT_BYTES):
        digest.update(piece)
        number += 1
        start, content = offset, piece
        offset += len(piece)
        too_long = False
        while not piece.endswith(b"\n") and (piece := stream.readline(LINE_LIMIT_BYTES)):
            digest.update(piece)
            offset += len(piece)
            too_long = True
        stripped = content.rstrip(b"\r\n")
        if number == 1:
            stripped = stripped.removeprefix(codecs.BOM_UTF8)
        if stripped.strip(_BLANK):
            yield Line(number, start, stripped, piece.endswith(b"\n"), too_long)


def inspect(path: Path) -> Inspection:
    """Digest and count a file. Raises :class:`SourceError` when it cannot be read."""
    try:
        with path.open("rb") as stream:
            return inspect_stream(stream)
    except OSError as error:
        raise unreadable(path, error) from None


def inspect_stream(stream: BinaryIO) -> Inspection:
    """The same for a file that is open."""
    digest = Digest()
    header, count, ended = b"", 0, True
    for line in read_lines(stream, digest):
        if not count:
            header = line.content
        count += 1
        ended = line.ended
    return Inspection(digest.hexdigest(), header, max(count - 1, 0), ended)


def decodes(stream: BinaryIO, encoding: str) -> bool:
    """Whether every line of an open file is well-formed in an encoding."""
    try:
        for line in read_lines(stream, Digest()):
            if not line.too_long:
                line.content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def unreadable(path: Path, error: OSError) -> SourceError:
    """The error for a file that the system does not let us read."""
    return SourceError(
        f"{path.name}: cannot be read ({error.strerror})",
        remedy="let quanheng's user read the file, and have it delivered again if it is damaged",
    )
