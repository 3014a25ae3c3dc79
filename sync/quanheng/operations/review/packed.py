"""Whether a workbook may be unpacked at all: a file of a few kilobytes can take gigabytes to read."""

from __future__ import annotations

import re
import zipfile
from io import BytesIO
from typing import Final

_MOST_UNPACKED: Final = 24 * 1024 * 1024
"""Of the whole file; a list of the most rows has about half of it."""
_MOST_OTHERWISE: Final = 1024 * 1024
"""Of a part that is neither a sheet nor its texts: styles, settings."""
_MOST_PARTS: Final = 500
_CHUNK: Final = 64 * 1024
_OVERLAP: Final = 128
"""Bytes that are looked at again, so that no tag is cut in two."""
_CONTENT: Final = ("xl/worksheets/", "xl/sharedstrings")
_TAG: Final = re.compile(rb"<(?:[\w.-]+:)?(?:c|row|si)[\s/>]")
"""What takes memory for each of its kind, however short it is: a cell, a row, a text."""
_DOCTYPE: Final = b"<!DOCTYPE"


def problem_of(content: bytes, *, most_rows: int, columns: int) -> str:
    """Why this is not to be read; empty when nothing speaks against it. Takes little memory by itself."""
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            return _problem_of(archive, most_tags=2 * most_rows * (columns + 1))
    except Exception as error:  # noqa: BLE001 -- whatever somebody put into the file
        return f"is no workbook ({type(error).__name__})"


def _problem_of(archive: zipfile.ZipFile, *, most_tags: int) -> str:
    parts = archive.infolist()
    large = [part for part in parts if not part.filename.lower().startswith(_CONTENT)]
    if (
        len(parts) > _MOST_PARTS
        or sum(part.file_size for part in parts) > _MOST_UNPACKED
        or any(part.file_size > _MOST_OTHERWISE for part in large)
    ):
        return "unpacks to more than a list can be"
    tags = 0
    for part in parts:
        with archive.open(part) as stream:
            before = b""
            # By what comes out, and not by what the file says of itself: zipfile stops at that size.
            while chunk := stream.read(_CHUNK):
                # Of two bytes to a sign, as XML may be written, the plain ones are looked at.
                text = before + chunk.replace(b"\x00", b"")
                if _DOCTYPE in text:
                    return "holds a document type of its own"
                tags += len(_TAG.findall(text)) - len(_TAG.findall(before))
                if tags > most_tags:
                    return "has more cells than a list can have"
                before = text[-_OVERLAP:]
    return ""
