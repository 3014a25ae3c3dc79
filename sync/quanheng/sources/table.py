"""One delimited file of a feed: its encoding, its header, its records. Streams; holds one line at a time."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from quanheng.errors import SourceError
from quanheng.model.staff import Reason
from quanheng.sources.lines import Digest, Inspection, Line, decodes, inspect_stream, read_lines, unreadable
from quanheng.sources.manifest import FileEntry
from quanheng.sources.rows import Fault, Values, has_unreadable

_EXPORT_AGAIN: Final = "have the feed exported and delivered again, with a new manifest"
_ORIGINAL_CHARACTERS: Final = 2_000
"""How much of a damaged line is kept for whoever mends it."""


@dataclass(frozen=True, slots=True)
class Record:
    """One line as fields, or with the fault that its form has."""

    line: Line
    values: Values
    """Fields by name; as far as they can be told apart when there is a fault."""
    fault: Fault | None


class Table:
    """A file that agrees with its manifest and has the columns that the pack expects; an open context.

    Raises :class:`SourceError` from the constructor when it does not. ``columns`` are titles by field.
    """

    def __init__(
        self, entry: FileEntry, columns: Mapping[str, str], encodings: Sequence[str], declared: str | None
    ) -> None:
        self.name = entry.path.name
        self._entry = entry
        try:
            self._stream: BinaryIO = entry.path.open("rb")
        except OSError as error:
            raise unreadable(entry.path, error) from None
        try:
            self._prove(columns, encodings, declared)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Table:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def _prove(self, columns: Mapping[str, str], encodings: Sequence[str], declared: str | None) -> None:
        found = inspect_stream(self._stream)
        _require_declared(found, self._entry)
        self.encoding = _choose_encoding(self._stream, found.header, self.name, columns, encodings, declared)
        titles = _titles(found.header, self.encoding)
        self.extra = _require_columns(titles, columns, self.name)
        self._width = len(titles)
        self._fields = tuple((field, titles.index(title)) for field, title in columns.items())

    def records(self) -> Iterator[Record]:
        """Every record below the header, good and bad.

        Raises :class:`SourceError` at the end when the file was changed since it was digested.
        """
        digest = Digest()
        lines = read_lines(self._stream, digest)
        next(lines)
        for line in lines:
            yield self._record(line)
        if digest.hexdigest() != self._entry.sha256:
            raise SourceError(
                f"{self.name}: was changed while it was read",
                remedy="deliver feeds into another folder and rename them into place; then read again",
            )

    def text(self, offset: int) -> str:
        """The line that starts at an offset, as far as it can be read."""
        self._stream.seek(offset)
        return self._shown(self._stream.readline(_ORIGINAL_CHARACTERS * 4).rstrip(b"\r\n"))

    def original(self, line: Line) -> str:
        """A line as it came, for quarantine."""
        return self._shown(line.content)

    def _shown(self, content: bytes) -> str:
        return content.decode(self.encoding, errors="backslashreplace")[:_ORIGINAL_CHARACTERS]

    def _record(self, line: Line) -> Record:
        try:
            text = line.content.decode(self.encoding)
        except UnicodeDecodeError:
            return self._damaged(line, Reason.UNREADABLE_TEXT, f"bytes that are not {self.encoding}")
        if line.too_long:
            return self._damaged(line, Reason.WRONG_COLUMN_COUNT, "longer than any record")
        if '"' in text:
            try:
                cells = next(csv.reader((text,), strict=True))
            except csv.Error:
                return self._damaged(line, Reason.WRONG_COLUMN_COUNT, "quotation marks that do not match")
        else:
            cells = text.split(",")
        if len(cells) != self._width:
            kind = f"{len(cells)} columns, expected {self._width}"
            return self._damaged(line, Reason.WRONG_COLUMN_COUNT, kind)
        fault = None
        if has_unreadable(text):
            kind = "control characters, or marks of characters that were lost"
            fault = Fault(Reason.UNREADABLE_TEXT, "", kind)
        return Record(line, {field: cells[column].strip() for field, column in self._fields}, fault)

    def _damaged(self, line: Line, reason: Reason, kind: str) -> Record:
        """A line whose form is wrong: its fields are guessed, only to tell who it may speak of."""
        cells = [
            cell.decode(self.encoding, errors="replace").strip(' "\t') for cell in line.content.split(b",")
        ]
        if not line.ended and (len(cells) < self._width or "\ufffd" in cells[-1]):
            reason, kind = Reason.TRUNCATED, "the file ends within this row"
            cells.pop()  # nobody knows how much of it is missing
        values = {field: cells[column] for field, column in self._fields if column < len(cells)}
        return Record(line, values, Fault(reason, "", kind))


def _require_declared(found: Inspection, entry: FileEntry) -> None:
    name = entry.path.name
    if not found.header:
        raise SourceError(f"{name}: holds nothing, not even a header", remedy=_EXPORT_AGAIN)
    if found.sha256 == entry.sha256:
        if found.rows != entry.rows:
            raise SourceError(
                f"{name}: {found.rows} rows, but the manifest declares {entry.rows}",
                remedy="count lines below the header that are not blank (a row is one line, also within "
                "quotation marks), and write the manifest again",
            )
        return
    if found.rows < entry.rows or not found.ended:
        raise SourceError(
            f"{name}: cut off: {found.rows} rows of {entry.rows} that the manifest declares"
            f"{'' if found.ended else ', and the last line does not end'}",
            remedy="have the file delivered again, complete",
        )
    raise SourceError(
        f"{name}: its digest (SHA-256) is not the one in the manifest",
        remedy="have the file delivered again together with its manifest; do not edit it on the way",
    )


def _choose_encoding(
    stream: BinaryIO,
    header: bytes,
    name: str,
    columns: Mapping[str, str],
    encodings: Sequence[str],
    declared: str | None,
) -> str:
    """The encoding in which the header says what is expected; where that fits all, the rows decide."""
    if declared is not None and declared not in encodings:
        raise SourceError(
            f"{name}: declared as {declared}, which the pack does not allow", remedy=_EXPORT_AGAIN
        )
    fits = {encoding: _matching(header, encoding, columns) for encoding in encodings}
    best = max(fits.values())
    if best < 0:
        raise SourceError(
            f"{name}: wrong encoding: the header is neither {' nor '.join(encodings)}",
            remedy="export the file as CSV in UTF-8 or GB18030",
        )
    fitting = [encoding for encoding in encodings if fits[encoding] == best]
    chosen = fitting[0]
    if len(fitting) > 1 and not header.isascii():
        # No title is known in any: the missing columns are the better message.
        return declared if declared in fitting else chosen
    if len(fitting) > 1:
        whole = [encoding for encoding in fitting if decodes(stream, encoding)]
        # Where no encoding fits every row, single rows are damaged, and go to quarantine.
        chosen = next(iter(whole), declared or chosen)
        if declared in whole:
            chosen = declared
    if declared is not None and chosen != declared:
        raise SourceError(
            f"{name}: wrong encoding: declared as {declared}, but it is {chosen}",
            remedy="have 'encoding' in the manifest corrected, or the file exported again",
        )
    return chosen


def _matching(header: bytes, encoding: str, columns: Mapping[str, str]) -> int:
    try:
        titles = _titles(header, encoding)
    except UnicodeDecodeError:
        return -1
    return len(set(columns.values()) & set(titles))


def _titles(header: bytes, encoding: str) -> list[str]:
    text = header.decode(encoding)
    try:
        cells = next(csv.reader((text,), strict=True), [])
    except csv.Error:
        cells = text.split(",")
    return [unicodedata.normalize("NFKC", cell).strip() for cell in cells]


def _require_columns(titles: list[str], columns: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Raise unless every expected column is there once; return those that nobody asked for."""
    expected = list(columns.values())
    missing = [title for title in expected if title not in titles]
    unknown = tuple(title for title in titles if title not in expected)
    doubled = sorted({title for title in expected if titles.count(title) > 1})
    if not missing and not doubled:
        return unknown
    named: list[tuple[str, Sequence[str]]] = [("missing", missing), ("doubled", doubled)]
    if 2 * len(missing) < len(expected):
        named.insert(1, ("unknown", unknown))
    faults = [f"{what} {', '.join(map(_printable, titles))}" for what, titles in named if titles]
    if unknown and len(named) == 2:
        faults.append(f"unknown {len(unknown)} others")  # without a header the first person stands here
    raise SourceError(
        f"{name}: columns: {'; '.join(faults)}",
        remedy=f"the header has each of these once: {', '.join(expected)} (sources.yaml of the pack)",
    )


def _printable(title: str) -> str:
    """A title for a message; digits may still be somebody's number."""
    shown = "".join("*" if sign.isdigit() else sign if sign.isprintable() else "?" for sign in title[:20])
    return f"'{shown}'"
