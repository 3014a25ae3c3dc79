"""Parts of a workbook as they come out of the file, element by element: nothing is built of what is in it.

A file of a few kilobytes can unpack to gigabytes of elements, or make whoever builds objects of them do so.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Final, TypeAlias
from xml.parsers import expat

MOST_UNPACKED: Final = 24 * 1024 * 1024
"""Of one part that is read; a sheet of the most rows takes about that."""
_MOST_ELEMENTS: Final = 2_000_000
"""In all parts that are read; a list of the most rows has about half of them."""
_MOST_PARTS: Final = 500
_DEEPEST: Final = 32
"""Elements in one another; what is looked for is in seven."""
_LONGEST: Final = 1024 * 1024
"""Bytes between two ``<``: the longest tag or text."""
_CHUNK: Final = 64 * 1024
_ENTRY: Final = b"PK\x01\x02"
"""Begins each entry of an archive's list of parts."""
_PLAIN: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""What the format allows; others may take what memory the file says."""
_OURS: Final = frozenset(
    {
        "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
        "http://purl.oclc.org/ooxml/spreadsheetml/main",
        "http://schemas.openxmlformats.org/package/2006/relationships",
    }
)
"""Namespaces of what is looked at, of the usual and of the strict form."""


Attributes: TypeAlias = Mapping[str, str]
"""By name; one of a namespace as ``namespace name``."""


class UnfitError(Exception):
    """What kind of file this is instead; never what stands in it."""


class Package:
    """The parts of one file. Every method raises :class:`UnfitError`, ``expat.ExpatError`` or
    ``zipfile.BadZipFile`` for what is no such part."""

    def __init__(self, content: bytes) -> None:
        if content.count(_ENTRY) > _MOST_PARTS:
            raise UnfitError("has more parts than a list can have")
        self._archive = zipfile.ZipFile(BytesIO(content))
        self._parts = {part.filename.lower(): part for part in self._archive.infolist()}
        if len(self._parts) != len(self._archive.infolist()):
            raise UnfitError("is no workbook: a part is there twice")
        self._elements = 0

    def has(self, name: str) -> bool:
        """Whether there is a part of this name; small and capital letters are the same."""
        return name.lower() in self._parts

    def walk(
        self, name: str, start: Callable[[str, Attributes], None], end: Callable[[str, str], None]
    ) -> None:
        """Call ``start`` with path and attributes of each element of a part, ``end`` with path and the text
        since the last tag. A path is of names; one of another namespace is ``?``."""
        part = self._parts.get(name.lower())
        if part is None:
            raise UnfitError("is no workbook: a part is missing")
        if part.file_size > MOST_UNPACKED:
            raise UnfitError("unpacks to more than a list can be")
        if part.compress_type not in _PLAIN:
            raise UnfitError("is no workbook: it is packed otherwise")
        parser, paths, texts = expat.ParserCreate("utf-8", " "), [""], [""]

        def begin(tag: str, attributes: Attributes) -> None:
            self._elements += 1
            if self._elements > _MOST_ELEMENTS or len(paths) > _DEEPEST:
                raise UnfitError("has more in it than a list can have")
            space, _, local = tag.rpartition(" ")
            path = f"{paths[-1]}/{local if space in _OURS else '?'}"
            paths.append(path)
            texts.clear()
            start(path, attributes)

        def finish(_: str) -> None:
            text = "".join(texts)
            texts.clear()
            end(paths.pop(), text)

        def refuse(*_: object) -> None:
            raise UnfitError("holds a document type of its own")

        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = begin, finish
        parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = texts.append, refuse
        since = 0
        # By what comes out, and not by what the file says of itself: zipfile stops at that size.
        with self._archive.open(part) as stream:
            while chunk := stream.read(_CHUNK):
                if b"\x00" in chunk:  # of two bytes to a sign, where a ``<`` may be part of another
                    raise UnfitError("is no workbook: its signs are not UTF-8")
                last = chunk.rfind(b"<")
                since = len(chunk) - last if last >= 0 else since + len(chunk)
                if since > _LONGEST:
                    raise UnfitError("holds a text that is longer than a list can be")
                parser.Parse(chunk, False)
        parser.Parse(b"", True)
