"""Client authentication by ``private_key_jwt`` (RFC 7523; OpenID Connect Core 1.0, section 9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from quanheng.bridge.provider.client_keys import ClientKey, ClientKeys
from quanheng.bridge.provider.errors import TokenError
from quanheng.bridge.settings import ProviderClientSettings
from quanheng.clock import Clock

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS: Final = ("ES256", "PS256", "RS256")
LIFETIME: Final = timedelta(minutes=5)
LEEWAY: Final = timedelta(seconds=30)
"""How far the client's clock may be off."""
MAX_ASSERTION: Final = 4096
MIN_RSA_BITS: Final = 2048
_HEADER: Final = frozenset({"alg", "kid", "typ", "x5t", "x5t#S256", "cty"})
"""Anything else says how to verify (``jwk``, ``jku``, ``x5u``) or has to be understood (``crit``)."""
_TYPES: Final = (None, "JWT", "jwt", "client-authentication+jwt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asserted:
    """A client that proved its key; the assertion counts once it was found to be new."""

    client: ProviderClientSettings
    identifier: str
    expires_at: datetime
    """Until then the identifier has to be remembered."""


class Assertions:
    """Verifies assertions of the clients that it knows."""

    def __init__(
        self,
        clients: Sequence[ProviderClientSettings],
        audiences: frozenset[str],
        keys: ClientKeys,
        clock: Clock,
    ) -> None:
        self._clients: Mapping[str, ProviderClientSettings] = {item.client_id: item for item in clients}
        self._audiences = audiences
        self._keys = keys
        self._clock = clock

    async def verify(self, form: Mapping[str, str]) -> Asserted:
        """Who asks. Raises :class:`TokenError` (``invalid_client``); it never says which check failed.

        Its status is 400: 401 would have to name a scheme of the Authorization header (RFC 9110, section
        15.5.2), and there is none that counts.
        """
        assertion = form.get("client_assertion", "")
        if form.get("client_assertion_type") != ASSERTION_TYPE or not assertion or "client_secret" in form:
            raise TokenError("invalid_client", "authenticate by private_key_jwt")
        asserted = await self._verify(assertion) if len(assertion) <= MAX_ASSERTION else None
        if asserted is None or form.get("client_id", asserted.client.client_id) != asserted.client.client_id:
            raise TokenError("invalid_client", "the assertion does not count")
        return asserted

    async def _verify(self, assertion: str) -> Asserted | None:
        try:
            header = jwt.get_unverified_header(assertion)
            unverified = jwt.decode(assertion, options={"verify_signature": False})
        except jwt.PyJWTError:
            return None
        client = self._clients.get(str(unverified.get("iss")))
        kid, algorithm = header.get("kid"), header.get("alg")
        plain = not set(header) - _HEADER and header.get("typ") in _TYPES
        if client is None or not plain or not isinstance(kid, str) or algorithm not in ALGORITHMS:
            return None
        key = await self._keys.find(client, kid)
        if key is None or not fits(key, algorithm):
            return None
        try:
            claims = jwt.decode(assertion, key.public, algorithms=[algorithm], options=_SIGNATURE_ALONE)
        except jwt.PyJWTError:
            return None
        return self._judge(client, claims)

    def _judge(self, client: ProviderClientSettings, claims: Mapping[str, Any]) -> Asserted | None:
        now = self._clock()
        audience = claims.get("aud")
        if isinstance(audience, list):
            # One who is addressed along with us could pass the assertion on.
            audience = audience[0] if len(audience) == 1 else None
        expires, issued, begins = (_moment(claims.get(name)) for name in ("exp", "iat", "nbf"))
        identifier = claims.get("jti")
        sound = (
            claims.get("iss") == claims.get("sub") == client.client_id
            and isinstance(audience, str)
            and audience in self._audiences
            and isinstance(identifier, str)
            and 0 < len(identifier) <= 256
            and identifier.isprintable()
            and ("iat" not in claims or issued is not None)
            and ("nbf" not in claims or begins is not None)
        )
        if not sound or expires is None or not isinstance(identifier, str):
            return None
        if not now - LEEWAY < expires <= now + LIFETIME + LEEWAY:
            return None
        if any(moment is not None and moment > now + LEEWAY for moment in (issued, begins)):
            return None
        return Asserted(client=client, identifier=identifier, expires_at=expires + LEEWAY)


_SIGNATURE_ALONE: Final[Any] = {
    # The claims are judged by our own clock, one by one.
    "verify_signature": True,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


def fits(key: ClientKey, algorithm: str) -> bool:
    """Whether a key is of the algorithm's type, strong enough, and not meant for another algorithm."""
    public = key.public
    if key.algorithm not in (None, algorithm):
        return False
    if algorithm == "ES256":
        return isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP256R1)
    return isinstance(public, rsa.RSAPublicKey) and public.key_size >= MIN_RSA_BITS


def _moment(value: object) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError, ValueError):  # numbers that no date holds, infinities, NaN
        return None
