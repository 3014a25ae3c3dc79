"""The demo delivers a new feed when its SCOPE changes, and the very same files otherwise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from deploy.demo.folder import DemoFolder
from deploy.demo.issue import write_issue

from quanheng.sources.manifest import read_manifest

_NOW = datetime(2026, 3, 2, 4, 5, 6, 789, tzinfo=UTC)


def _issue(folder: DemoFolder, scope: str, days: int) -> tuple[bool, dict[str, bytes]]:
    issue = write_issue(folder, scope, lambda: _NOW + timedelta(days=days))
    files = [*folder.feed.iterdir(), folder.ldif]
    return issue.fresh, {file.name: file.read_bytes() for file in files}


def test_the_same_scope_is_the_same_issue_on_any_later_day(tmp_path: Path) -> None:
    """A demo that is repeated a month later finds the files as they were, to the byte."""
    folder = DemoFolder(tmp_path / "demo")
    folder.make()
    first_fresh, first = _issue(folder, "140902", 0)
    second_fresh, second = _issue(folder, "140902", 30)
    assert (first_fresh, second_fresh) == (True, False)
    assert first == second


def test_another_scope_is_the_next_issue(tmp_path: Path) -> None:
    """Sequence and time rise with each change of scope, there and back."""
    folder = DemoFolder(tmp_path / "demo")
    folder.make()
    manifests = []
    for day, scope in enumerate(("140902", "140921", "140902")):
        write_issue(folder, scope, lambda day=day: _NOW + timedelta(days=day))  # type: ignore[misc]
        manifests.append(read_manifest(folder.feed / "manifest.json"))
    assert [manifest.sequence for manifest in manifests] == [1, 2, 3]
    assert [manifest.scope[0] for manifest in manifests] == ["140902", "140921", "140902"]
    assert sorted(manifest.as_of for manifest in manifests) == [manifest.as_of for manifest in manifests]


def test_only_the_owner_may_enter_the_demo_s_folder(tmp_path: Path) -> None:
    """The folder has mode 0700 and each file that it writes itself 0600."""
    folder = DemoFolder(tmp_path / "demo")
    folder.make()
    folder.write("demo.json", {"realm": "shanxi"})
    assert folder.root.stat().st_mode & 0o777 == 0o700
    assert folder.demo_file.stat().st_mode & 0o777 == 0o600
    assert folder.read("demo.json") == {"realm": "shanxi"}
    assert folder.read("nothing.json") == {}
