"""The keys as files: what they encrypt, index and sign, and when they refuse."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quanheng.errors import ConfigurationError, IntegrityError
from quanheng.identity.keys import (
    FileKeyring,
    KeyName,
    add_key_version,
    generate_keys,
    key_file,
    read_key_files,
)
from quanheng.identity.port import Keyring


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of fresh keys."""
    folder = tmp_path_factory.mktemp("keys") / "keys"
    generate_keys(folder)
    return folder


@pytest.fixture(scope="module")
def keyring(directory: Path) -> Keyring:
    """The keys."""
    return FileKeyring.open(directory)


def test_keys_are_private(directory: Path) -> None:
    """Only the owner may read the folder and the files."""
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in directory.iterdir()} == {0o600}
    assert sorted(file.name for file in directory.iterdir()) == ["data.1.key", "index.1.key", "ledger.1.pem"]


def test_keys_are_never_overwritten(directory: Path) -> None:
    """Making keys where there are some is refused: what they encrypted would be lost."""
    before = read_key_files(directory)
    with pytest.raises(ConfigurationError, match="keys already"):
        generate_keys(directory)
    assert read_key_files(directory) == before


@pytest.mark.parametrize("name", [None, "data.1.key", "index.1.key", "ledger.1.pem"])
def test_keys_that_others_may_read_are_refused(tmp_path: Path, name: str | None) -> None:
    """Nothing is done with keys that may be known, and the remedy names the command."""
    folder = tmp_path / "keys"
    generate_keys(folder)
    target = folder if name is None else folder / name
    target.chmod(0o755 if name is None else 0o640)
    with pytest.raises(ConfigurationError, match="chmod"):
        FileKeyring.open(folder)


@pytest.mark.parametrize("name", ["data.1.key", "index.1.key", "ledger.1.pem"])
@pytest.mark.parametrize("content", [None, "", "not a key", "00"])
def test_missing_and_malformed_keys_are_refused(tmp_path: Path, name: str, content: str | None) -> None:
    """A key is whole or the keyring does not open."""
    folder = tmp_path / "keys"
    generate_keys(folder)
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(content)
    with pytest.raises(ConfigurationError, match="restore the keys"):
        FileKeyring.open(folder)


def test_a_link_is_no_key(tmp_path: Path) -> None:
    """A key is a file in the folder itself."""
    folder = tmp_path / "keys"
    generate_keys(folder)
    (folder / "data.1.key").rename(tmp_path / "elsewhere")
    (folder / "data.1.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="not a plain file"):
        FileKeyring.open(folder)


def test_no_folder(tmp_path: Path) -> None:
    """A mistyped folder does not become a new set of keys."""
    with pytest.raises(ConfigurationError, match="is not there"):
        FileKeyring.open(tmp_path / "none")
    assert not (tmp_path / "none").exists()


@given(plain=st.binary(max_size=200), context=st.text(max_size=20))
def test_what_is_encrypted_opens_in_its_place_only(keyring: Keyring, plain: bytes, context: str) -> None:
    """The context is part of what is authenticated, and equal values do not look equal."""
    sealed = keyring.encrypt(plain, context=context)
    assert keyring.decrypt(sealed, context=context) == plain
    assert keyring.encrypt(plain, context=context) != sealed
    with pytest.raises(IntegrityError):
        keyring.decrypt(sealed, context=context + "x")


@given(position=st.integers(0, 200), bit=st.integers(0, 7))
def test_a_changed_bit_is_found(keyring: Keyring, position: int, bit: int) -> None:
    """Version, nonce, text and tag are all authenticated."""
    sealed = bytearray(keyring.encrypt(b"a document and its number", context="person.document:1"))
    sealed[position % len(sealed)] ^= 1 << bit
    with pytest.raises(IntegrityError):
        keyring.decrypt(bytes(sealed), context="person.document:1")


def test_a_value_cut_off_is_found(keyring: Keyring) -> None:
    """However short it was cut."""
    sealed = keyring.encrypt(b"text", context="c")
    for length in range(len(sealed)):
        with pytest.raises(IntegrityError):
            keyring.decrypt(sealed[:length], context="c")


def test_an_index_is_keyed_and_by_domain(keyring: Keyring, tmp_path: Path) -> None:
    """Equal values have equal indexes; another domain, value or key has another."""
    generate_keys(tmp_path / "other")
    other = FileKeyring.open(tmp_path / "other")
    index = keyring.index("document", "resident_id:1")
    assert keyring.index("document", "resident_id:1") == index
    assert len(index) == 64
    different = {
        keyring.index("phone", "resident_id:1"),
        keyring.index("document", "resident_id:2"),
        keyring.index("documen", "tresident_id:1"),
        other.index("document", "resident_id:1"),
    }
    assert len(different | {index}) == 5


def test_signatures(keyring: Keyring, tmp_path: Path) -> None:
    """A signature holds for its message and its ledger's keys only."""
    generate_keys(tmp_path / "other")
    signature = keyring.sign(b"head")
    assert keyring.verify(b"head", signature)
    assert not keyring.verify(b"tail", signature)
    assert not keyring.verify(b"head", signature[:-1])
    assert not keyring.verify(b"head", b"")
    assert not FileKeyring.open(tmp_path / "other").verify(b"head", signature)


def test_rotated_keys_still_read(tmp_path: Path) -> None:
    """The new version writes; what the old one encrypted and signed is still good."""
    folder = tmp_path / "keys"
    generate_keys(folder)
    old = FileKeyring.open(folder)
    sealed, signature = old.encrypt(b"text", context="c"), old.sign(b"head")
    assert add_key_version(folder, KeyName.DATA) == 2
    assert add_key_version(folder, KeyName.LEDGER) == 2
    new = FileKeyring.open(folder)
    assert new.decrypt(sealed, context="c") == b"text"
    assert new.verify(b"head", signature)
    resealed = new.encrypt(b"text", context="c")
    with pytest.raises(IntegrityError, match="data key 2"):
        old.decrypt(resealed, context="c")
    assert not old.verify(b"head", new.sign(b"head"))


def test_two_index_keys_are_for_the_store_to_decide(tmp_path: Path) -> None:
    """Guessing the index key would create everybody a second time."""
    folder = tmp_path / "keys"
    generate_keys(folder)
    first = FileKeyring.open(folder)
    add_key_version(folder, KeyName.INDEX)
    with pytest.raises(ConfigurationError, match="2 index keys"):
        FileKeyring.open(folder)
    assert FileKeyring.open(folder, index_version=1).index("d", "v") == first.index("d", "v")
    assert FileKeyring.open(folder, index_version=2).index("d", "v") != first.index("d", "v")
    assert key_file(folder, KeyName.INDEX, 2).exists()
