"""The manifest of a feed: what it must say, and what it may not make quanheng do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fixtures.feeds import AS_OF
from quanheng.errors import SourceError
from quanheng.model.staff import Mode
from quanheng.sources.manifest import read_manifest, write_manifest


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """A good manifest beside its two files."""
    (tmp_path / "people.csv").write_bytes(b"a,b\n1,2\n\n3,4\n")
    (tmp_path / "organisations.csv").write_bytes(b"a\n1")
    return write_manifest(
        tmp_path,
        source="hr",
        mode=Mode.SNAPSHOT,
        scope=["1409", "140000000"],
        as_of=AS_OF,
        sequence=17,
        people="people.csv",
        organisations="organisations.csv",
        encoding="gb18030",
    )


def change(file: Path, path: str, value: Any) -> None:
    """Set one field of a manifest, or remove it when the value is ``...``."""
    content = json.loads(file.read_text(encoding="utf-8"))
    *above, last = path.split(".")
    place = content
    for step in above:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    file.write_text(json.dumps(content), encoding="utf-8")


def test_what_is_written_is_read(manifest: Path) -> None:
    """A manifest reads back as it was written; rows are lines below the header that are not blank."""
    found = read_manifest(manifest)
    assert (found.source, found.mode, found.scope) == ("hr", Mode.SNAPSHOT, ("1409", "140000000"))
    assert (found.as_of, found.sequence, found.encoding) == (AS_OF, 17, "gb18030")
    assert found.organisations is not None
    assert (found.people.rows, found.organisations.rows) == (2, 1)
    assert found.people.path == manifest.parent / "people.csv"


def test_names_of_subsets_mean_gb18030(manifest: Path) -> None:
    """GBK and GB2312 are read as the standard that contains them."""
    change(manifest, "encoding", "GBK")
    assert read_manifest(manifest).encoding == "gb18030"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("source", ..., "manifest: lacks source"),
        ("source", 3, "source: a number where text is expected"),
        ("mode", "full", "mode: text that is no mode"),
        ("mode", ["snapshot"], "mode: a list"),
        ("scope", [], "scope: a list"),
        ("scope", "1409", "scope: text, expected a list"),
        ("scope", [""], "scope: an entry is no organisation code"),
        ("scope", [1409], "scope: an entry is no organisation code"),
        ("as_of", "2026-11-21T08:00:00", "as_of: a time without its offset"),
        ("as_of", "yesterday", "as_of: text that is no ISO 8601 time"),
        ("as_of", 1, "as_of: a number"),
        ("sequence", 0, "sequence: a number, expected a whole number from 1"),
        ("sequence", True, "sequence: true or false"),
        ("sequence", 1.5, "sequence: a number"),
        ("encoding", "utf-16", "encoding: one that is not read"),
        ("files", [], "files: a list where an object is expected"),
        ("files.people", ..., "files: lacks people"),
        ("files.people.sha256", "ab", "sha256: text that is not 64 hex digits"),
        ("files.people.rows", -1, "rows: a number"),
        ("files.people.size", 1, "files.people: 1 key"),
        ("replaces", 16, "manifest: 1 key.* that are not known"),
    ],
)
def test_a_bad_field_is_named(manifest: Path, field: str, value: Any, message: str) -> None:
    """Each wrong field refuses the feed, naming file, field and kind of value, with a remedy."""
    change(manifest, field, value)
    with pytest.raises(SourceError, match=message) as caught:
        read_manifest(manifest)
    assert str(manifest) in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    "name",
    [
        "../people.csv",
        "/etc/passwd",
        "..",
        ".",
        "sub/people.csv",
        "sub\\people.csv",
        "a\x00b",
        "",
        "gone.csv",
    ],
)
def test_a_manifest_cannot_point_elsewhere(manifest: Path, name: str) -> None:
    """A name that leaves the folder, or is no file in it, is refused without being opened."""
    change(manifest, "files.people.name", name)
    with pytest.raises(SourceError, match=r"files\.people\.name"):
        read_manifest(manifest)


def test_a_link_out_of_the_folder_is_refused(
    manifest: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A symbolic link to another folder does not make its file one of the feed."""
    outside = tmp_path_factory.mktemp("outside") / "secret.csv"
    outside.write_text("x")
    (manifest.parent / "people.csv").unlink()
    (manifest.parent / "people.csv").symlink_to(outside)
    with pytest.raises(SourceError, match="no file of this folder"):
        read_manifest(manifest)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe{}", b'{"source": "hr", "source": "other"}', b"[" * 100_000, b"null"],
)
def test_what_is_no_manifest_is_refused(manifest: Path, content: bytes) -> None:
    """Cut off, not UTF-8, a key twice, nested without end: each is one clear error."""
    manifest.write_bytes(content)
    with pytest.raises(SourceError):
        read_manifest(manifest)


def test_no_manifest_is_an_error_of_its_own(tmp_path: Path) -> None:
    """A folder without manifest is told apart from one that is wrong."""
    with pytest.raises(SourceError, match="there is no manifest"):
        read_manifest(tmp_path / "manifest.json")


def test_a_bad_manifest_is_not_even_written(tmp_path: Path) -> None:
    """The writer refuses what the reader would refuse, before anything is replaced."""
    (tmp_path / "people.csv").write_bytes(b"a\n")
    with pytest.raises(SourceError, match="without its offset"):
        write_manifest(
            tmp_path,
            source="hr",
            mode=Mode.DELTA,
            scope=["14"],
            as_of=AS_OF.replace(tzinfo=None),
            sequence=1,
            people="people.csv",
        )
    assert not (tmp_path / "manifest.json").exists()
