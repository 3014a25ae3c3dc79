"""Judges what the realm signed: ID tokens, access tokens and logout tokens."""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import jwt

ALGORITHMS: Final = ("RS256", "PS256", "ES256")
"""Named here, so that a token does not choose."""
LEEWAY_SECONDS: Final = 10
LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
_LOGOUT_SECONDS: Final = 120
"""How old a logout token may be (Back-Channel Logout 1.0, section 2.6)."""
_REREAD_SECONDS: Final = 10.0
"""An unknown key makes us ask for the keys again, but not more often than this."""


class TokenError(Exception):
    """A token that does not count; says no value of it."""


class RealmKeys:
    """The realm's public keys, read when one is not known."""

    def __init__(self, read: Callable[[], Mapping[str, Any]]) -> None:
        self._read = read
        self._keys: dict[str, jwt.PyJWK] = {}
        self._asked = float("-inf")
        self._lock = threading.Lock()

    def find(self, kid: str) -> jwt.PyJWK:
        """The key of this id. Raises :class:`TokenError`."""
        with self._lock:
            if kid not in self._keys and time.monotonic() - self._asked > _REREAD_SECONDS:
                self._asked = time.monotonic()
                found = (jwt.PyJWK(item) for item in self._read()["keys"] if item.get("use") == "sig")
                self._keys = {str(key.key_id): key for key in found}
            if kid not in self._keys:
                raise TokenError("signed with a key that the realm does not have")
            return self._keys[kid]


class TokenJudge:
    """Judges tokens of one realm for one client."""

    def __init__(self, issuer: str, client_id: str, keys: RealmKeys) -> None:
        self._issuer = issuer
        self._client_id = client_id
        self._keys = keys

    def id_token(self, token: str, nonce: str) -> Mapping[str, Any]:
        """Claims of an ID token (OpenID Connect Core 1.0, section 3.1.3.7). Raises :class:`TokenError`."""
        claims = self._claims(token, audience=self._client_id, require=["exp", "iat", "sub", "sid"])
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise TokenError("for another login")
        if claims.get("azp", self._client_id) != self._client_id:
            raise TokenError("for another client")
        return claims

    def access_token(self, token: str, subject: str) -> Mapping[str, Any]:
        """Claims of an access token that came with the ID token of ``subject``: it carries the permissions.

        Raises :class:`TokenError`.
        """
        claims = self._claims(token, audience=None, require=["exp", "iat", "sub", "azp"])
        if claims["azp"] != self._client_id or claims["sub"] != subject or claims.get("typ") != "Bearer":
            raise TokenError("for another client, or another person")
        return claims

    def logout_token(self, token: str) -> Mapping[str, Any]:
        """Claims of a logout token (Back-Channel Logout 1.0, section 2.6). Raises :class:`TokenError`."""
        claims = self._claims(token, audience=self._client_id, require=["iat", "jti", "exp"])
        events = claims.get("events")
        if not isinstance(events, dict) or LOGOUT_EVENT not in events or "nonce" in claims:
            raise TokenError("no logout token")
        if abs(time.time() - claims["iat"]) > _LOGOUT_SECONDS:
            raise TokenError("an old logout token")
        if not claims.get("sid") and not claims.get("sub"):
            raise TokenError("says nobody")
        return claims

    def _claims(self, token: str, *, audience: str | None, require: list[str]) -> Mapping[str, Any]:
        try:
            key = self._keys.find(str(jwt.get_unverified_header(token).get("kid")))
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                issuer=self._issuer,
                audience=audience,
                leeway=LEEWAY_SECONDS,
                options={"require": ["iss", *require], "verify_aud": audience is not None},
            )
        except jwt.PyJWTError as error:
            raise TokenError(type(error).__name__) from None
        return claims
