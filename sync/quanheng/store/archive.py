"""An encrypted file, written and read as a stream.

Layout: a magic line, a header line of JSON, then chunks, each its length (4 bytes) and SM4-GCM of
at most 1 MiB. The nonce is the number of the chunk and whether it is the last one (STREAM: Hoang,
Reyhanitabar, Rogaway, Vizár 2015), so chunks cannot be changed, exchanged, or cut off at the end.
The key comes from a passphrase by scrypt (RFC 7914) with a fresh salt, so no key is used twice.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from quanheng.errors import ConfigurationError, IntegrityError
from quanheng.identity.files import read_private_line
from quanheng.identity.keys import DATA_KEY_BYTES, TAG_BYTES
from quanheng.model.sensitive import Sensitive

MINIMUM_PASSPHRASE: Final = 12
"""Characters. What is encrypted are the keys of everybody's identity."""

_MAGIC: Final = b"quanheng archive 1\n"
_CHUNK: Final = 1 << 20
_SALT_BYTES: Final = 16
_SCRYPT_COST: Final = 1 << 17
"""OWASP's recommendation with r=8, p=1: 128 MiB and about half a second."""
_SCRYPT_MOST: Final = 1 << 20
"""A forged header must not take all memory."""


def read_passphrase(file: Path) -> Sensitive:
    """The first line of a file that only its owner may read.

    Raises :class:`ConfigurationError` when it is not fit to be read, or too short.
    """
    passphrase = read_private_line(file)
    if len(passphrase.reveal()) < MINIMUM_PASSPHRASE:
        raise ConfigurationError(
            f"{file}: the passphrase is shorter than {MINIMUM_PASSPHRASE} characters",
            remedy="choose a longer one, and keep it apart from the backups",
        )
    return passphrase


class SealedWriter:
    """Encrypts what is written to it. Without :meth:`finish` the archive does not open."""

    def __init__(self, target: BinaryIO, passphrase: Sensitive) -> None:
        salt = secrets.token_bytes(_SALT_BYTES)
        header = {"kdf": "scrypt", "n": _SCRYPT_COST, "salt": base64.b64encode(salt).decode()}
        self._header = _MAGIC + json.dumps(header).encode() + b"\n"
        self._key = _derive(passphrase, salt, _SCRYPT_COST)
        self._target = target
        self._number = 0
        self._waiting = bytearray()
        target.write(self._header)

    def write(self, piece: bytes) -> None:
        """Encrypt."""
        self._waiting += piece
        while len(self._waiting) > _CHUNK:
            self._put(bytes(self._waiting[:_CHUNK]), last=False)
            del self._waiting[:_CHUNK]

    def finish(self) -> None:
        """Write the last chunk."""
        self._put(bytes(self._waiting), last=True)
        self._waiting.clear()

    def _put(self, plain: bytes, *, last: bool) -> None:
        sealer = Cipher(self._key, modes.GCM(_nonce(self._number, last=last))).encryptor()
        sealer.authenticate_additional_data(self._header)
        sealed = sealer.update(plain) + sealer.finalize() + sealer.tag
        self._target.write(len(sealed).to_bytes(4, "big") + sealed)
        self._number += 1


def read_sealed(source: BinaryIO, passphrase: Sensitive) -> Iterator[bytes]:
    """Decrypt what :class:`SealedWriter` wrote, chunk by chunk; each is authenticated before it is given.

    Raises :class:`IntegrityError` for another passphrase and for any change, cut or addition; for a
    cut at the end only after the last whole chunk.
    """
    header, key = _read_header(source, passphrase)
    number = 0
    last = False
    while not last:
        length = int.from_bytes(source.read(4), "big")
        sealed = source.read(length) if TAG_BYTES <= length <= _CHUNK + TAG_BYTES else b""
        if not sealed or len(sealed) != length:
            raise IntegrityError("the backup is cut off or was changed", remedy=_ANOTHER)
        plain = _open(key, header, number, sealed, last=False)
        if plain is None:
            last = True
            plain = _open(key, header, number, sealed, last=True)
        if plain is None:
            what = "was changed" if number else "was changed, or the passphrase is another"
            raise IntegrityError(f"the backup {what}", remedy=f"check the passphrase's file; else {_ANOTHER}")
        number += 1
        yield plain
    if source.read(1):
        raise IntegrityError("something was added to the backup", remedy=_ANOTHER)


_ANOTHER: Final = "take another backup"


def _read_header(source: BinaryIO, passphrase: Sensitive) -> tuple[bytes, algorithms.SM4]:
    magic = source.read(len(_MAGIC))
    line = source.readline(1024)
    cost, salt = 0, b""
    try:
        header = json.loads(line)
        cost = int(header["n"])
        salt = base64.b64decode(header["salt"], validate=True)
    except (ValueError, KeyError, TypeError):
        pass  # refused below: the cost is out of range
    power_of_two = cost & (cost - 1) == 0
    if magic != _MAGIC or not (2 <= cost <= _SCRYPT_MOST and power_of_two) or len(salt) != _SALT_BYTES:
        raise IntegrityError(
            "this is no backup of quanheng", remedy="name a file that 'quanheng backup' wrote"
        )
    return magic + line, _derive(passphrase, salt, cost)


def _open(key: algorithms.SM4, header: bytes, number: int, sealed: bytes, *, last: bool) -> bytes | None:
    opener = Cipher(key, modes.GCM(_nonce(number, last=last), sealed[-TAG_BYTES:])).decryptor()
    opener.authenticate_additional_data(header)
    try:
        return opener.update(sealed[:-TAG_BYTES]) + opener.finalize()
    except InvalidTag:
        return None


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _derive(passphrase: Sensitive, salt: bytes, cost: int) -> algorithms.SM4:
    kdf = Scrypt(salt=salt, length=DATA_KEY_BYTES, n=cost, r=8, p=1)
    return algorithms.SM4(kdf.derive(passphrase.reveal().encode()))
