"""A key of one program alone, in a file: wraps what that program keeps in the store, and nothing else."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from quanheng.errors import ConfigurationError
from quanheng.identity.files import read_private_line, write_private

KEY_BYTES: Final = 16
"""SM4 (GB/T 32907) knows this length only."""
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16


class WrappingKey:
    """SM4-GCM with a fresh nonce for each value; what the value is for is authenticated with it."""

    def __init__(self, key: bytes) -> None:
        self._cipher = algorithms.SM4(key)

    @classmethod
    def read(cls, file: Path, *, if_missing: str) -> Self:
        """Read 32 hexadecimal digits. Raises :class:`ConfigurationError` when it is missing, open to others
        than its owner, or anything else; ``if_missing`` tells how to make one."""
        line = read_private_line(file, if_missing=if_missing).reveal()
        try:
            key = bytes.fromhex(line)
        except ValueError:
            key = b""
        if len(key) != KEY_BYTES:
            raise ConfigurationError(f"{file}: is not {KEY_BYTES} bytes in hexadecimal", remedy=if_missing)
        return cls(key)

    def wrap(self, plaintext: bytes, *, context: str) -> bytes:
        """Nonce (12), ciphertext, tag (16)."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealer = Cipher(self._cipher, modes.GCM(nonce)).encryptor()
        sealer.authenticate_additional_data(context.encode())
        return nonce + sealer.update(plaintext) + sealer.finalize() + sealer.tag

    def unwrap(self, wrapped: bytes, *, context: str) -> bytes | None:
        """Undo :meth:`wrap`; None when it was changed, moved, or wrapped in another key."""
        if len(wrapped) < _NONCE_BYTES + _TAG_BYTES:
            return None
        mode = modes.GCM(wrapped[:_NONCE_BYTES], wrapped[-_TAG_BYTES:])
        opener = Cipher(self._cipher, mode).decryptor()
        opener.authenticate_additional_data(context.encode())
        try:
            return opener.update(wrapped[_NONCE_BYTES:-_TAG_BYTES]) + opener.finalize()
        except InvalidTag:
            return None


def make_wrapping_key(file: Path) -> None:
    """Make a new one, mode 0600. Raises :class:`ConfigurationError` when there is such a file."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(file, secrets.token_hex(KEY_BYTES).encode() + b"\n")
