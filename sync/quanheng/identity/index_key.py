"""The index key by itself: finds a person by a document, and opens nothing."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.hashes import SM3
from cryptography.hazmat.primitives.hmac import HMAC


class IndexKey:
    """Implements :class:`quanheng.identity.port.Indexer`; immutable, safe to share among threads."""

    def __init__(self, version: int, key: bytes) -> None:
        self.version: Final = version
        self._keyed = HMAC(key, SM3())  # keyed once; each index copies it

    def index(self, domain: str, value: str) -> str:
        """See :meth:`Indexer.index`. The length of ``domain`` goes in, so that no two pairs coincide."""
        name = domain.encode()
        keyed = self._keyed.copy()
        keyed.update(len(name).to_bytes(2, "big") + name + value.encode())
        return keyed.finalize().hex()
