"""Speaks with the realm: discovery, the way there, codes for tokens."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import jwt
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from deploy.subsystem.settings import SubsystemSettings
from deploy.subsystem.tokens import RealmKeys, TokenError, TokenJudge
from quanheng.identity.files import require_private
from quanheng.keycloak.credentials import public_jwk

_SECONDS: Final = 10
_ASSERTION_SECONDS: Final = 60


class RealmError(Exception):
    """The realm does not answer, or not as it should; says no value of an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A login that began, as the browser's session keeps it; every value is random."""

    state: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48), repr=False)
    began: float = field(default_factory=time.monotonic)

    @property
    def challenge(self) -> str:
        """Of the method S256 (RFC 7636)."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Who came back, as the realm says."""

    identity: Mapping[str, Any]
    """Claims of the ID token."""
    access: Mapping[str, Any]
    """Claims of the access token, the permissions among them."""
    id_token: str = field(repr=False)
    """As it came: shown again to log out."""


class RealmProvider:
    """The realm, as this client knows it. Its methods block; call them in a thread."""

    def __init__(self, settings: SubsystemSettings) -> None:
        self._settings = settings
        self._known: Mapping[str, Any] | None = None
        require_private(settings.key_file)
        key = load_pem_private_key(settings.key_file.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise RealmError("the key is not on the curve P-256")
        self._key = key
        self._session = requests.Session()
        self._session.trust_env = False
        self.judge: Final = TokenJudge(settings.issuer, settings.client_id, RealmKeys(self._read_keys))
        """Judges what the realm signed."""

    def ask(self, question: Question) -> str:
        """Address that a browser is sent to. Raises :class:`RealmError`."""
        parameters = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._settings.redirect_uri,
            "scope": "openid",
            "state": question.state,
            "nonce": question.nonce,
            "code_challenge": question.challenge,
            "code_challenge_method": "S256",
        }
        return f"{self._endpoint('authorization_endpoint')}?{urlencode(parameters)}"

    def redeem(self, question: Question, code: str) -> Answer:
        """Tokens for a code. Raises :class:`RealmError` and :class:`TokenError`."""
        address = self._endpoint("token_endpoint")
        body = self._json(
            "POST",
            address,
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": self._settings.redirect_uri,
                "code_verifier": question.verifier,
                "client_id": self._settings.client_id,
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                "client_assertion": self._assertion(),
            },
        )
        id_token, access_token = str(body.get("id_token", "")), str(body.get("access_token", ""))
        identity = self.judge.id_token(id_token, question.nonce)
        access = self.judge.access_token(access_token, str(identity["sub"]))
        return Answer(identity=identity, access=access, id_token=id_token)

    def logout_address(self) -> str:
        """Where a browser logs out (RP-Initiated Logout 1.0). Raises :class:`RealmError`."""
        return self._endpoint("end_session_endpoint")

    def _assertion(self) -> str:
        """Who we are (RFC 7523), good once and for this realm alone."""
        now = int(time.time())
        claims = {
            "iss": self._settings.client_id,
            "sub": self._settings.client_id,
            "aud": self._settings.issuer,
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "exp": now + _ASSERTION_SECONDS,
        }
        return jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": public_jwk(self._key)["kid"]})

    def _endpoint(self, name: str) -> str:
        if self._known is None:
            found = self._json("GET", f"{self._settings.issuer}/.well-known/openid-configuration")
            if found.get("issuer") != self._settings.issuer:
                raise RealmError("another realm answers")
            self._known = found
        return str(self._known[name])

    def _read_keys(self) -> Mapping[str, Any]:
        try:
            return self._json("GET", self._endpoint("jwks_uri"))
        except RealmError as error:
            raise TokenError(str(error)) from None

    def _json(self, method: str, url: str, form: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        try:
            answer = self._session.request(method, url, data=form, timeout=_SECONDS, allow_redirects=False)
            body = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise RealmError(type(error).__name__) from None
        if answer.status_code != 200 or not isinstance(body, dict):
            raise RealmError(f"status {answer.status_code}")
        return body
