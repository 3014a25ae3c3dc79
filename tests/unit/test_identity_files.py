"""Files for their owner alone."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from quanheng.errors import ConfigurationError
from quanheng.identity.files import read_private_line, write_private

SECRET = "Sunny-Day-2026"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file for its owner alone."""
    made = tmp_path / "secret"
    made.touch(mode=0o600)
    return made


@pytest.mark.parametrize("content", [SECRET, f"{SECRET}\n", f"  {SECRET}\r\nsecond line\n"])
def test_the_first_line_is_the_secret(file: Path, content: str) -> None:
    """Without blanks, its end, and what follows."""
    file.write_text(content, newline="")
    assert read_private_line(file).reveal() == SECRET


@pytest.mark.parametrize("content", [b"", b"\n", b"  \t\n", f"\n{SECRET}\n".encode(), b"\xff\xfe\n"])
def test_nothing_is_no_secret(file: Path, content: bytes) -> None:
    """An empty file, an empty first line, no text: refused with what to do."""
    file.write_bytes(content)
    with pytest.raises(ConfigurationError) as refused:
        read_private_line(file)
    assert refused.value.remedy
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_secret_that_others_may_use_is_none(file: Path, mode: int) -> None:
    """Whoever may read it may have it, and whoever may write it may choose it."""
    file.write_text(SECRET)
    file.chmod(mode)
    with pytest.raises(ConfigurationError, match="others"):
        read_private_line(file)


def test_a_secret_behind_a_link_is_none(file: Path, tmp_path: Path) -> None:
    """Another folder's owner could change where it leads; and a file that is not there says what to do."""
    file.write_text(SECRET)
    link = tmp_path / "link"
    link.symlink_to(file)
    with pytest.raises(ConfigurationError, match="plain file"):
        read_private_line(link)
    with pytest.raises(ConfigurationError, match="is not there") as refused:
        read_private_line(tmp_path / "none")
    assert "0600" in refused.value.remedy


@pytest.mark.parametrize("fails", ["open", "write", "link"])
def test_a_file_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    """A full folder, or one that knows no links (FAT): refused with what to do; nothing is left."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(f"quanheng.identity.files.os.{'fsync' if fails == 'write' else fails}", fail)
    with pytest.raises(ConfigurationError, match="cannot be written") as refused:
        write_private(tmp_path / "file", SECRET.encode())
    assert "FAT" in refused.value.remedy
    assert SECRET not in str(refused.value)
    assert list(tmp_path.iterdir()) == []
