"""``manifest.json``: what a feed says of itself (decision 16). Read strictly, written atomically.

A key that is not known is refused: it may be a condition that this version would ignore.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NoReturn

from quanheng.errors import SourceError
from quanheng.model.ids import OrgCode, SourceId
from quanheng.model.staff import Mode
from quanheng.sources.lines import inspect

_MAX_BYTES: Final = 1_000_000
_REQUIRED: Final = frozenset({"source", "mode", "scope", "as_of", "sequence", "files"})
_OPTIONAL: Final = frozenset({"encoding"})
_FILE_KEYS: Final = frozenset({"name", "rows", "sha256"})
_PLAIN_NAME: Final = re.compile(r"[^/\\\x00-\x1f:]{1,200}")
_SCOPE_CODE: Final = re.compile(r"[0-9]{2}[0-9A-Za-z-]{0,22}")
_ENCODINGS: Final[Mapping[str, str]] = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "utf-8-sig": "utf-8",
    "gb18030": "gb18030",
    # Subsets of GB18030, under whose names such files are often exported.
    "gbk": "gb18030",
    "gb2312": "gb18030",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One file of a feed as its manifest declares it."""

    path: Path
    rows: int
    """Lines below the header that are not blank."""
    sha256: str
    """64 lower-case hex digits over the bytes of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A checked manifest; the files themselves have not been looked at."""

    file: Path
    source: SourceId
    mode: Mode
    scope: tuple[OrgCode, ...]
    as_of: datetime
    sequence: int
    encoding: str | None
    """``utf-8`` or ``gb18030`` when the manifest says which."""
    people: FileEntry
    organisations: FileEntry | None


def read_manifest(file: Path) -> Manifest:
    """Read and check a manifest.

    Raises :class:`SourceError` naming file, field, what kind of value is there, and the remedy.
    """
    return _Checker(file).manifest(_load(file))


def write_manifest(
    directory: Path,
    *,
    source: str,
    mode: Mode,
    scope: Sequence[str],
    as_of: datetime,
    sequence: int,
    people: str,
    organisations: str | None = None,
    encoding: str | None = None,
    name: str = "manifest.json",
) -> Path:
    """Count and digest the files of a feed and write its manifest beside them, last and at once.

    ``people`` and ``organisations`` are names of files in ``directory``. Returns the manifest's path.
    Raises :class:`SourceError` when what would be written could not be read back.
    """
    files: dict[str, dict[str, object]] = {}
    for role, file_name in (("people", people), ("organisations", organisations)):
        if file_name is not None:
            found = inspect(directory / file_name)
            files[role] = {"name": file_name, "rows": found.rows, "sha256": found.sha256}
    content: dict[str, object] = {
        "source": source,
        "mode": mode.value,
        "scope": list(scope),
        "as_of": as_of.isoformat(),
        "sequence": sequence,
        **({"encoding": encoding} if encoding else {}),
        "files": files,
    }
    target = directory / name
    _Checker(target).manifest(content)
    # The reader sees the old issue or the new one, never half a manifest.
    draft = directory / f".{name}.{os.getpid()}"
    draft.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    draft.replace(target)
    return target


def content_digest(manifest: Manifest) -> str:
    """Digest of everything the feed says: its scope and mode, and the bytes of its files."""
    parts = [
        manifest.mode.value,
        *sorted(manifest.scope),
        manifest.people.sha256,
        manifest.organisations.sha256 if manifest.organisations else "",
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _load(file: Path) -> Any:
    try:
        with file.open("rb") as stream:
            raw = stream.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise SourceError(
            f"{file}: there is no manifest",
            remedy="have the feed delivered with its manifest, or mend 'directory' in quanheng.toml",
        ) from None
    except OSError as error:
        raise SourceError(
            f"{file}: cannot be read ({error.strerror})", remedy="let quanheng's user read the folder"
        ) from None
    if len(raw) > _MAX_BYTES:
        raise SourceError(f"{file}: larger than a manifest can be", remedy="have the feed delivered again")
    try:
        return json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError):
        raise SourceError(
            f"{file}: not JSON in UTF-8, cut off, or a key is there twice",
            remedy="have the feed delivered again; write_manifest makes a good one",
        ) from None


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


class _Checker:
    """Turns untrusted JSON into a :class:`Manifest`; each fault says where it is, never the value."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def manifest(self, content: Any) -> Manifest:
        fields = self._object("manifest", content, _REQUIRED, _OPTIONAL)
        files = self._object("files", fields["files"], frozenset({"people"}), frozenset({"organisations"}))
        organisations = files.get("organisations")
        return Manifest(
            file=self._file,
            source=SourceId(self._text("source", fields["source"])),
            mode=self._mode(fields["mode"]),
            scope=self._scope(fields["scope"]),
            as_of=self._moment(fields["as_of"]),
            sequence=self._number("sequence", fields["sequence"], at_least=1),
            encoding=self._encoding(fields.get("encoding")),
            people=self._entry("files.people", files["people"]),
            organisations=None
            if organisations is None
            else self._entry("files.organisations", organisations),
        )

    def _refuse(self, field: str, problem: str, remedy: str) -> NoReturn:
        raise SourceError(f"{self._file}: {field}: {problem}", remedy=remedy)

    def _object(
        self, field: str, value: Any, required: frozenset[str], optional: frozenset[str]
    ) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._refuse(field, f"{_kind(value)} where an object is expected", "mend the manifest")
        missing = sorted(required - value.keys())
        if missing:
            self._refuse(field, f"lacks {', '.join(missing)}", "have the sender add what is missing")
        unknown = len(value.keys() - required - optional)
        if unknown:
            known = ", ".join(sorted(required | optional))
            self._refuse(field, f"{unknown} key(s) that are not known", f"only these are: {known}")
        return value

    def _text(self, field: str, value: Any) -> str:
        if not isinstance(value, str) or not value:
            self._refuse(field, f"{_kind(value)} where text is expected", "mend the manifest")
        return value

    def _number(self, field: str, value: Any, *, at_least: int) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not at_least <= value < 2**63:
            self._refuse(
                field, f"{_kind(value)}, expected a whole number from {at_least}", "mend the manifest"
            )
        return value

    def _mode(self, value: Any) -> Mode:
        try:
            return Mode(value)
        except ValueError:
            self._refuse("mode", f"{_kind(value)} that is no mode", "write 'snapshot' or 'delta'")

    def _scope(self, value: Any) -> tuple[OrgCode, ...]:
        if not isinstance(value, list) or not value:
            self._refuse("scope", f"{_kind(value)}, expected a list of codes", "name what the feed covers")
        if not all(isinstance(code, str) and _SCOPE_CODE.fullmatch(code) for code in value):
            self._refuse("scope", "an entry is no organisation code", 'write codes as text, as in ["1409"]')
        return tuple(OrgCode(code) for code in value)

    def _moment(self, value: Any) -> datetime:
        remedy = "write it with its offset, as in 2026-11-21T08:00:00+08:00"
        try:
            moment = datetime.fromisoformat(self._text("as_of", value))
        except ValueError:
            self._refuse("as_of", "text that is no ISO 8601 time", remedy)
        if moment.utcoffset() is None:
            self._refuse("as_of", "a time without its offset", remedy)
        return moment

    def _encoding(self, value: Any) -> str | None:
        if value is None:
            return None
        encoding = _ENCODINGS.get(self._text("encoding", value).lower())
        if encoding is None:
            self._refuse("encoding", "one that is not read", "export in UTF-8 or GB18030")
        return encoding

    def _entry(self, field: str, value: Any) -> FileEntry:
        entry = self._object(field, value, _FILE_KEYS, frozenset())
        sha256 = self._text(f"{field}.sha256", entry["sha256"]).lower()
        if not re.fullmatch(r"[0-9a-f]{64}", sha256):
            self._refuse(f"{field}.sha256", "text that is not 64 hex digits", "have the feed digested again")
        return FileEntry(
            path=self._path(f"{field}.name", entry["name"]),
            rows=self._number(f"{field}.rows", entry["rows"], at_least=0),
            sha256=sha256,
        )

    def _path(self, field: str, value: Any) -> Path:
        """A plain name in the manifest's own folder: no manifest may point quanheng at other files."""
        name = self._text(field, value)
        folder = self._file.parent.resolve()
        remedy = "put the file beside the manifest and write its plain name"
        if not _PLAIN_NAME.fullmatch(name) or name in {".", ".."}:
            self._refuse(field, "text that is no plain file name", remedy)
        try:
            path = (folder / name).resolve(strict=True)
        except (OSError, RuntimeError):
            self._refuse(field, "a file that is not there", "have the feed delivered again, complete")
        if path.parent != folder or not path.is_file():
            self._refuse(field, "no file of this folder", remedy)
        return path


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "nothing"}
    return names.get(type(value), "a number")
