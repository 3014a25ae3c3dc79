"""What the rest needs from the keys: files today, a cryptographic machine (密码机) tomorrow."""

from __future__ import annotations

from typing import Protocol


class Indexer(Protocol):
    """The index key alone: all that somebody needs who finds people and reads nothing of them."""

    def index(self, domain: str, value: str) -> str:
        """HMAC-SM3 of ``domain`` and ``value``, 64 hex digits. Equal values have equal indexes."""


class Keyring(Indexer, Protocol):
    """Three keys: data (encryption), index (keyed hash), ledger (signature). Decision 8."""

    def encrypt(self, plaintext: bytes, *, context: str) -> bytes:
        """SM4-GCM with a fresh nonce; ``context`` is authenticated (table, column and row id).

        The result starts with the version of the data key, so that keys can be rotated.
        """

    def decrypt(self, sealed: bytes, *, context: str) -> bytes:
        """Undo :meth:`encrypt`; raises :class:`IntegrityError` when anything was changed."""

    def sign(self, message: bytes) -> bytes:
        """Signature of the ledger key (Ed25519)."""

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether :meth:`sign` made this signature, with this or an earlier ledger key."""
