"""The keys as files: for a bureau without a cryptographic machine (密码机).

A folder (0700) of files (0600), one for each version of a key: ``data.1.key`` and ``index.1.key``
(hexadecimal), ``ledger.1.pem`` (PKCS #8). The highest version writes; data and ledger keys of every
version read. Of the index only one version is in use, and the store says which
(:mod:`quanheng.store.rotation`).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from quanheng.errors import ConfigurationError, IntegrityError
from quanheng.identity.files import require_private, write_private
from quanheng.identity.index_key import IndexKey

NONCE_BYTES: Final = 12
"""Random nonces: NIST SP 800-38D (8.3) allows 2^32 messages under one key. A realm of 100,000 people
writes about as many values a year as it has people and changes, thousands of times fewer."""
TAG_BYTES: Final = 16
VERSION_BYTES: Final = 2
DATA_KEY_BYTES: Final = 16
"""SM4 (GB/T 32907) knows this length only."""
INDEX_KEY_BYTES: Final = 32
"""As long as the hash (RFC 2104, section 3)."""

_FILE: Final = re.compile(r"(data|index|ledger)\.([1-9][0-9]{0,4})\.(key|pem)")


class KeyName(StrEnum):
    """The three keys (decision 8)."""

    DATA = "data"
    INDEX = "index"
    LEDGER = "ledger"


class FileKeyring:
    """Implements :class:`quanheng.identity.port.Keyring`; immutable, safe to share among threads."""

    def __init__(
        self,
        *,
        data: Mapping[int, bytes],
        index: Mapping[int, bytes],
        ledger: Mapping[int, Ed25519PrivateKey],
    ) -> None:
        if len(index) != 1:
            raise ValueError("one index key is in use at a time")
        self._data = {version: algorithms.SM4(key) for version, key in data.items()}
        ((index_version, index_key),) = index.items()
        self.index_version: Final = index_version
        self._index = IndexKey(index_version, index_key)
        self._ledger = dict(ledger)
        self._data_version = max(data)
        self._ledger_version = max(ledger)

    @classmethod
    def open(cls, directory: Path, *, index_version: int | None = None) -> Self:
        """Read every key of the folder; of the index key the only version, or the one asked for.

        Raises :class:`ConfigurationError` when a key is missing or malformed, when others than the
        owner may read the folder or a file, and when there are two index keys, since a rotation
        goes on or was interrupted: :func:`quanheng.store.rotation.open_keyring` asks the store which.
        """
        require_private(directory, directory=True)
        data: dict[int, bytes] = {}
        index: dict[int, bytes] = {}
        ledger: dict[int, Ed25519PrivateKey] = {}
        for file in sorted(directory.iterdir()):
            if not (match := _FILE.fullmatch(file.name)):
                continue
            require_private(file)
            version = int(match[2])
            match KeyName(match[1]):
                case KeyName.DATA:
                    data[version] = _read_bytes(file, DATA_KEY_BYTES)
                case KeyName.INDEX:
                    index[version] = _read_bytes(file, INDEX_KEY_BYTES)
                case KeyName.LEDGER:
                    ledger[version] = _read_signing_key(file)
        for name, found in ((KeyName.DATA, data), (KeyName.INDEX, index), (KeyName.LEDGER, ledger)):
            if not found:
                raise ConfigurationError(
                    f"{directory}: there is no {name} key",
                    remedy="restore the keys from the backup; only for a new store make them with "
                    "'quanheng keys generate'",
                )
        if index_version is not None:
            index = {index_version: index[index_version]}
        elif len(index) > 1:
            raise ConfigurationError(
                f"{directory}: there are {len(index)} index keys: a rotation goes on, or was interrupted",
                remedy="run 'quanheng keys rotate index' again",
            )
        return cls(data=data, index=index, ledger=ledger)

    def encrypt(self, plaintext: bytes, *, context: str) -> bytes:
        """See :meth:`Keyring.encrypt`: version (2 bytes), nonce (12), ciphertext, tag (16)."""
        header = self._data_version.to_bytes(VERSION_BYTES, "big")
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealer = Cipher(self._data[self._data_version], modes.GCM(nonce)).encryptor()
        sealer.authenticate_additional_data(header + context.encode())
        return header + nonce + sealer.update(plaintext) + sealer.finalize() + sealer.tag

    def decrypt(self, sealed: bytes, *, context: str) -> bytes:
        """See :meth:`Keyring.decrypt`."""
        header = sealed[:VERSION_BYTES]
        body = VERSION_BYTES + NONCE_BYTES
        if len(sealed) < body + TAG_BYTES:
            raise IntegrityError(
                f"{context}: the encrypted value is cut off", remedy="restore the store from its backup"
            )
        version = int.from_bytes(header, "big")
        key = self._data.get(version)
        if key is None:
            raise IntegrityError(
                f"{context}: encrypted with data key {version}, which is not in the folder",
                remedy="restore the keys from the backup",
            )
        opener = Cipher(key, modes.GCM(sealed[VERSION_BYTES:body], sealed[-TAG_BYTES:])).decryptor()
        opener.authenticate_additional_data(header + context.encode())
        try:
            return opener.update(sealed[body:-TAG_BYTES]) + opener.finalize()
        except InvalidTag:
            raise IntegrityError(
                f"{context}: the encrypted value was changed, moved, or encrypted with another key",
                remedy="restore the store and its keys from the backup",
            ) from None

    def index(self, domain: str, value: str) -> str:
        """See :meth:`Keyring.index`."""
        return self._index.index(domain, value)

    def sign(self, message: bytes) -> bytes:
        """See :meth:`Keyring.sign`: version (2 bytes) and Ed25519 signature (64 bytes, RFC 8032)."""
        version = self._ledger_version
        return version.to_bytes(VERSION_BYTES, "big") + self._ledger[version].sign(message)

    def verify(self, message: bytes, signature: bytes) -> bool:
        """See :meth:`Keyring.verify`."""
        key = self._ledger.get(int.from_bytes(signature[:VERSION_BYTES], "big"))
        if key is None:
            return False
        try:
            key.public_key().verify(signature[VERSION_BYTES:], message)
        except InvalidSignature:
            return False
        return True


def read_index_keys(directory: Path) -> tuple[IndexKey, ...]:
    """The index keys of a folder, which may hold no others: more than one while a rotation goes on.

    Raises :class:`ConfigurationError` when there is none, or others than the owner may read it.
    """
    require_private(directory, directory=True)
    found = []
    for version in key_versions(directory, KeyName.INDEX):
        file = key_file(directory, KeyName.INDEX, version)
        require_private(file)
        found.append(IndexKey(version, _read_bytes(file, INDEX_KEY_BYTES)))
    if not found:
        raise ConfigurationError(
            f"{directory}: there is no index key",
            remedy="copy index.*.key from the keys of this store: nothing else is needed to find people",
        )
    return tuple(found)


def generate_keys(directory: Path) -> None:
    """Make the three keys, version 1, in a new or empty folder.

    Raises :class:`ConfigurationError` when a key is there already: what it encrypted would be lost.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(_FILE.fullmatch(file.name) for file in directory.iterdir()):
        raise ConfigurationError(
            f"{directory}: there are keys already; they were not touched",
            remedy="use them, change them with 'quanheng keys rotate', or name another folder",
        )
    directory.chmod(0o700)
    for name in KeyName:
        _write_key(directory, name, 1)


def add_key_version(directory: Path, name: KeyName) -> int:
    """Make the next version of a key and return its number; earlier versions stay for reading.

    New data are encrypted, and new heads signed, with it from the next :meth:`FileKeyring.open`.
    An index key is only ever changed by :func:`quanheng.store.rotation.rotate_index`.
    """
    require_private(directory, directory=True)
    version = max(key_versions(directory, name), default=0) + 1
    _write_key(directory, name, version)
    return version


def key_versions(directory: Path, name: KeyName) -> tuple[int, ...]:
    """Versions of one key in the folder."""
    found = (_FILE.fullmatch(file.name) for file in directory.iterdir())
    return tuple(sorted(int(match[2]) for match in found if match and match[1] == name))


def key_file(directory: Path, name: KeyName, version: int) -> Path:
    """Where one version of one key is kept."""
    return directory / f"{name}.{version}.{'pem' if name is KeyName.LEDGER else 'key'}"


def read_key_files(directory: Path) -> dict[str, bytes]:
    """Every key file by its name, as it is: for the backup."""
    require_private(directory, directory=True)
    return {
        file.name: file.read_bytes() for file in sorted(directory.iterdir()) if _FILE.fullmatch(file.name)
    }


def is_key_file(name: str) -> bool:
    """Whether a file of this name is one of ours: what a restore accepts."""
    return _FILE.fullmatch(name) is not None


def _write_key(directory: Path, name: KeyName, version: int) -> None:
    if name is KeyName.LEDGER:
        content = Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
    else:
        length = DATA_KEY_BYTES if name is KeyName.DATA else INDEX_KEY_BYTES
        content = secrets.token_hex(length).encode() + b"\n"
    write_private(key_file(directory, name, version), content)


def _read_bytes(file: Path, length: int) -> bytes:
    try:
        key = bytes.fromhex(file.read_text("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != length:
        raise ConfigurationError(
            f"{file}: is not {length} bytes in hexadecimal", remedy="restore the keys from the backup"
        )
    return key


def _read_signing_key(file: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(file.read_bytes(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(
            f"{file}: is not an Ed25519 private key in PEM", remedy="restore the keys from the backup"
        )
    return key
