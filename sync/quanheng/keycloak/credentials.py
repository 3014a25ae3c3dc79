"""What proves to the token endpoint who is asking: a key, a secret, or a password for one moment."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from quanheng.clock import Clock, system_clock
from quanheng.errors import ConfigurationError
from quanheng.identity.files import require_private
from quanheng.model.sensitive import Sensitive

ASSERTION_LIFETIME: Final = timedelta(seconds=60)
"""Keycloak refuses assertions that live longer than its own limit, and a stolen one is soon worthless."""
_AHEAD: Final = "Token was issued in the future"
_BEHIND: Final = ("Token is not active", "Token was issued too far in the past")
"""What Keycloak answers to an assertion whose time is not its own."""
_STEP: Final = timedelta(seconds=60)
"""Keycloak takes an assertion from 15 seconds before it was made, by its own clock, to 60 after it: steps of
this length miss no difference."""
_FARTHEST: Final = timedelta(minutes=15)
"""Clocks that are farther apart than this are for a person to set."""
_MAKE_KEY: Final = "make one with 'quanheng keys generate --clients-only', and tell Keycloak its public half"


class Credential(Protocol):
    """Makes the form that asks for a token (RFC 6749 4.3, 4.4)."""

    def form(self, issuer: str) -> Mapping[str, str]:
        """Fields of one token request to the realm that calls itself ``issuer``."""

    @property
    def label(self) -> str:
        """Who it is, for messages."""


class ClientKey:
    """A service client with ``private_key_jwt`` (RFC 7523), ES256."""

    def __init__(
        self, client_id: str, key: ec.EllipticCurvePrivateKey, *, clock: Clock = system_clock
    ) -> None:
        self.client_id = client_id
        self._key = key
        self._clock = clock
        self._kid = public_jwk(key)["kid"]
        self._server_ahead = timedelta()

    @property
    def server_ahead(self) -> timedelta:
        """How far the server's clock is taken to be ahead of ours, in steps; zero while it believes us."""
        return self._server_ahead

    @classmethod
    def read(cls, client_id: str, file: Path, *, clock: Clock = system_clock) -> ClientKey:
        """Read a PEM private key.

        Raises :class:`ConfigurationError` when it is missing, open to others than its owner, or not P-256.
        """
        require_private(file, if_missing=_MAKE_KEY)
        try:
            key = load_pem_private_key(file.read_bytes(), password=None)
        except (OSError, ValueError, TypeError):
            raise ConfigurationError(
                f"{file}: no readable PEM private key of client '{client_id}'",
                remedy=_MAKE_KEY,
            ) from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ConfigurationError(
                f"{file}: the key of client '{client_id}' is not on the curve P-256",
                remedy=f"set it aside; {_MAKE_KEY}",
            )
        return cls(client_id, key, clock=clock)

    @property
    def label(self) -> str:
        """The client's id."""
        return f"client '{self.client_id}'"

    def form(self, issuer: str) -> Mapping[str, str]:
        """Client credentials with a fresh assertion, good once and for this issuer alone."""
        now = self._clock() + self._server_ahead
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": issuer,
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "exp": now + ASSERTION_LIFETIME,
        }
        return {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": self._kid}),
        }

    def follow_clock(self, refusal: str) -> bool:
        """Date the next assertion a step nearer to the server's clock, when an answer says that the last was
        early or late. Returns whether to ask again: not when something else is wrong, nor without end.

        Keycloak sends no time before somebody has logged in. Whoever set our clock wrong would otherwise have
        shut the watcher out.
        """
        if _AHEAD in refusal:
            moved = self._server_ahead - _STEP
        elif any(words in refusal for words in _BEHIND):
            moved = self._server_ahead + _STEP
        else:
            return False
        if abs(moved) > _FARTHEST:
            self._server_ahead = timedelta()
            return False
        self._server_ahead = moved
        return True


@dataclass(frozen=True, slots=True)
class AdminPassword:
    """An administrator of the master realm, for setting up and for opening the configurator."""

    user: str
    password: Sensitive

    @property
    def label(self) -> str:
        """The administrator's name."""
        return f"administrator '{self.user}'"

    def form(self, issuer: str) -> Mapping[str, str]:
        """Password grant of ``admin-cli``; only the master realm still has it."""
        return {
            "grant_type": "password",
            "client_id": "admin-cli",
            "username": self.user,
            "password": self.password.reveal(),
        }


def public_jwk(key: ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey) -> dict[str, Any]:
    """The public half as a JSON Web Key; ``kid`` is its thumbprint (RFC 7638)."""
    public = key.public_key() if isinstance(key, ec.EllipticCurvePrivateKey) else key
    numbers = public.public_numbers()
    required = {
        "crv": "P-256",
        "kty": "EC",
        "x": _base64url(numbers.x.to_bytes(32, "big")),
        "y": _base64url(numbers.y.to_bytes(32, "big")),
    }
    canonical = json.dumps(required, separators=(",", ":"), sort_keys=True).encode()
    return {
        **required,
        "kid": _base64url(hashlib.sha256(canonical).digest()),
        "alg": "ES256",
        "use": "sig",
    }


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
