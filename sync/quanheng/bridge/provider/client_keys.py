"""The public keys of clients, read from where they publish them (``jwks_url``)."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import aiohttp
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from quanheng.bridge.fetching import read_at_most
from quanheng.bridge.settings import ProviderClientSettings
from quanheng.clock import Clock
from quanheng.errors import ConfigurationError
from quanheng.logs import get_logger

AGAIN_SECONDS: Final = 10
"""A key that is not known has the set read again, but no more often."""
STALE_SECONDS: Final = 3600
"""How long a set counts that could not be read again."""
RENEW_SECONDS: Final = 300
AHEAD_SECONDS: Final = 60
"""So long before a set is due it is read by :meth:`PublishedKeys.renew`."""
MAX_BYTES: Final = 65_536
MAX_KEYS: Final = 32
_TIMEOUT: Final = aiohttp.ClientTimeout(total=4, connect=2)

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ClientKey:
    """A public key of a client."""

    public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey
    algorithm: str | None
    """The only one that it is for, when the client says so."""


class ClientKeys(Protocol):
    """Where public keys of clients come from."""

    async def find(self, client: ProviderClientSettings, kid: str) -> ClientKey | None:
        """The key of a client by this name; None when the client has none such."""

    async def renew(self, clients: Sequence[ProviderClientSettings]) -> None:
        """Read what :meth:`find` would have to read soon. To be called at the start and now and then.

        A client that asks for a token with all its threads has none left to answer for its keys: no login may
        have to wait for them.
        """

    async def close(self) -> None:
        """Close connections."""


@dataclass
class _KeySet:
    keys: Mapping[str, ClientKey] = field(default_factory=dict)
    read_at: float | None = None
    tried_at: float | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class PublishedKeys:
    """Reads them by HTTP, and keeps them for a while.

    Raises :class:`ConfigurationError` when ``ca_file`` holds no certificate.
    """

    def __init__(self, clock: Clock, ca_file: Path | None = None) -> None:
        self._clock = clock
        try:
            self._tls = ssl.create_default_context(cafile=ca_file)
        except OSError as error:  # ssl.SSLError is one
            raise ConfigurationError(
                f"{ca_file}: no certificate can be read ({type(error).__name__})",
                remedy="check keycloak.ca_file",
            ) from None
        self._sets: dict[str, _KeySet] = {}
        self._session: aiohttp.ClientSession | None = None

    async def find(self, client: ProviderClientSettings, kid: str) -> ClientKey | None:
        """See :meth:`ClientKeys.find`. A set is read again for a name that it has not, and now and then."""
        kept = self._sets.setdefault(client.jwks_url, _KeySet())
        if kid in kept.keys and not self._is_due(kept, kid, self._clock().timestamp()):
            # Known and not old: it does not wait for a reading that somebody else's unknown name began.
            return self._known(kept, kid)
        async with kept.lock:
            now = self._clock().timestamp()
            if self._is_due(kept, kid, now):
                await self._renew(kept, client.jwks_url)
            return self._known(kept, kid)

    async def renew(self, clients: Sequence[ProviderClientSettings]) -> None:
        """See :meth:`ClientKeys.renew`."""
        for url in {client.jwks_url for client in clients}:
            kept = self._sets.setdefault(url, _KeySet())
            async with kept.lock:
                age = None if kept.read_at is None else self._clock().timestamp() - kept.read_at
                if age is None or not 0 <= age <= RENEW_SECONDS - AHEAD_SECONDS:
                    await self._renew(kept, url)

    async def _renew(self, kept: _KeySet, url: str) -> None:
        began = kept.tried_at = self._clock().timestamp()
        found = await self._read(url)
        kept.tried_at = self._clock().timestamp()  # who waited for it in vain does not ask once more
        if found is not None:
            kept.keys, kept.read_at = found, began

    def _known(self, kept: _KeySet, kid: str) -> ClientKey | None:
        if kept.read_at is None:
            return None
        age = self._clock().timestamp() - kept.read_at
        return kept.keys.get(kid) if 0 <= age <= STALE_SECONDS else None

    async def close(self) -> None:
        """See :meth:`ClientKeys.close`."""
        if self._session is not None:
            await self._session.close()

    @staticmethod
    def _is_due(kept: _KeySet, kid: str, now: float) -> bool:
        if kept.read_at is None or kept.tried_at is None or now < kept.tried_at:
            return kept.tried_at is None or not 0 <= now - kept.tried_at < 1
        wanted = kid not in kept.keys or now - kept.read_at > RENEW_SECONDS
        return wanted and now - kept.tried_at >= AGAIN_SECONDS

    async def _read(self, url: str) -> Mapping[str, ClientKey] | None:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=_TIMEOUT, connector=aiohttp.TCPConnector(ssl=self._tls, limit=4)
            )
        try:
            async with self._session.get(url, allow_redirects=False) as answer:
                body = await read_at_most(answer, MAX_BYTES)
                if answer.status != 200 or body is None:
                    log.warning("keys of a client cannot be read", status=answer.status)
                    return None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("keys of a client cannot be read", fault=type(error).__name__)
            return None
        found = parse_keys(body)
        if found is None:
            log.warning("keys of a client cannot be read", fault="no key set")
        return found


def parse_keys(body: bytes) -> Mapping[str, ClientKey] | None:
    """Keys of a JSON Web Key Set (RFC 7517) that may verify signatures, by name. Others are passed over.

    None when it is no key set at all, like the page of a proxy that lost its server: it takes no key back.
    """
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return None
    listed = told.get("keys") if isinstance(told, dict) else None
    if not isinstance(listed, list):
        return None
    found: dict[str, ClientKey] = {}
    for item in listed[:MAX_KEYS]:
        if isinstance(item, dict) and _may_verify(item):
            try:
                public = jwt.PyJWK(item, algorithm=_READ_AS[item["kty"]]).key
            except (jwt.PyJWTError, ValueError, TypeError, AttributeError):  # the last of a number for text
                continue
            if isinstance(public, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
                algorithm = item.get("alg")
                found[item["kid"]] = ClientKey(public, None if algorithm is None else str(algorithm))
    return found


_READ_AS: Final[Mapping[str, str]] = {"RSA": "RS256", "EC": "ES256"}
"""What reads a key of this type; which algorithms it may verify is decided by ``assertions``."""


def _may_verify(item: Mapping[str, Any]) -> bool:
    operations = item.get("key_ops", ["verify"])
    return (
        isinstance(item.get("kid"), str)
        and item.get("kty") in tuple(_READ_AS)  # which takes whatever a JSON value is
        and isinstance(operations, list)
        and item.get("use", "sig") == "sig"
        and "verify" in operations
        and "d" not in item
    )
