"""The keys that sign tokens: one signs, those before it stay published while anything of theirs counts."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from quanheng.clock import Clock
from quanheng.errors import ConfigurationError
from quanheng.identity.wrapping import WrappingKey
from quanheng.keycloak.credentials import public_jwk
from quanheng.store.bridge_keys import StoredKey, forget_retired, lock_keys, put_key, read_keys
from quanheng.store.database import Database

ALGORITHM: Final = "ES256"
LEAD: Final = timedelta(minutes=10)
"""A new key is published so long before it signs: who keeps a copy of the key set has it by then."""
AFTERWARDS: Final = timedelta(hours=1)
"""So much longer than its tokens a key stays published that no longer signs."""
FRESH: Final = timedelta(seconds=15)
"""How long a process goes without looking for another's rotation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """The key that signs now."""

    kid: str
    private: ec.EllipticCurvePrivateKey = field(repr=False)


class SigningKeys:
    """Signing keys of the store. Safe to share among threads."""

    def __init__(
        self, database: Database, wrapping: WrappingKey, clock: Clock, *, token_life: timedelta
    ) -> None:
        self._database = database
        self._wrapping = wrapping
        self._clock = clock
        self._kept = token_life + AFTERWARDS
        self._lock = threading.Lock()
        self._read_at: datetime | None = None
        self._keys: Sequence[StoredKey] = ()
        self._opened: dict[str, SigningKey] = {}

    def signer(self) -> SigningKey:
        """The key that signs now. The first is made when there is none.

        Raises :class:`ConfigurationError` when it was wrapped in another key than the bridge has.
        """
        now = self._clock()
        keys = self._there_are(now)
        # Where none signs yet, the clock of whoever made the first one is ahead of ours.
        signing = [key for key in keys if key.signs_from <= now] or keys[:1]
        return self._open(signing[-1])

    def published(self) -> Sequence[dict[str, Any]]:
        """Public halves, as JSON Web Keys."""
        return [dict(key.public_jwk) for key in self._there_are(self._clock())]

    def rotate(self, *, at_once: bool = False) -> StoredKey:
        """Make a key that signs after :data:`LEAD`, or at once when the one before is not to be trusted any
        longer: then it is not published any longer either."""
        with self._database.transaction() as connection:
            lock_keys(connection)
            now = self._clock()
            forget_retired(connection, now)
            signs_from = now if at_once else now + LEAD
            key = self._make(now, signs_from)
            put_key(connection, key, retire_at=now if at_once else signs_from + self._kept)
        with self._lock:
            self._read_at = None
        return key

    def _there_are(self, now: datetime) -> Sequence[StoredKey]:
        """The published keys; there is one at least."""
        if not self._published(now):
            self._make_first()
        return self._published(now)

    def _published(self, now: datetime) -> Sequence[StoredKey]:
        with self._lock:
            if self._read_at is None or not timedelta() <= now - self._read_at < FRESH:
                with self._database.reading() as connection:
                    self._keys = read_keys(connection, now)
                self._read_at = now
            return self._keys

    def _make_first(self) -> None:
        with self._database.transaction() as connection:
            lock_keys(connection)
            now = self._clock()
            # Another process may have made it while this one waited.
            if not read_keys(connection, now):
                put_key(connection, self._make(now, now), retire_at=now + self._kept)
        with self._lock:
            self._read_at = None

    def _make(self, now: datetime, signs_from: datetime) -> StoredKey:
        private = ec.generate_private_key(ec.SECP256R1())
        jwk = public_jwk(private)
        content = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return StoredKey(
            kid=jwk["kid"],
            algorithm=ALGORITHM,
            public_jwk=jwk,
            private_wrapped=self._wrapping.wrap(content, context=_context(jwk["kid"])),
            created_at=now,
            signs_from=signs_from,
            published_until=None,
        )

    def _open(self, key: StoredKey) -> SigningKey:
        if (opened := self._opened.get(key.kid)) is not None:
            return opened
        content = self._wrapping.unwrap(key.private_wrapped, context=_context(key.kid))
        private = None if content is None else load_der_private_key(content, password=None)
        if not isinstance(private, ec.EllipticCurvePrivateKey) or public_jwk(private)["kid"] != key.kid:
            raise ConfigurationError(
                "the bridge's signing key in the store was wrapped in another key than bridge.key_file",
                remedy="put that file back, or make a signing key with 'quanheng bridge rotate --at-once'",
            )
        opened = SigningKey(kid=key.kid, private=private)
        self._opened = {key.kid: opened}
        return opened


def _context(kid: str) -> str:
    return f"bridge_key.private:{kid}"
