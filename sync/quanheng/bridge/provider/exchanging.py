"""The token endpoint (RFC 6749, section 4.1.3) and userinfo (OpenID Connect Core 1.0, section 5.3)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import jwt
from starlette.concurrency import run_in_threadpool

from quanheng.bridge.provider.assertions import Asserted, Assertions
from quanheng.bridge.provider.errors import BearerError, TokenError
from quanheng.bridge.provider.signing import ALGORITHM, SigningKey, SigningKeys
from quanheng.bridge.settings import BridgeSettings
from quanheng.bridge.values import SECRET_BYTES
from quanheng.clock import Clock
from quanheng.model.change import Json
from quanheng.store.bridge_grants import (
    CodeGrant,
    TokenGrant,
    put_token,
    read_token,
    take_assertion,
    take_code,
)
from quanheng.store.database import Database

_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")
"""RFC 7636, section 4.1."""
_BEARER: Final = re.compile(r"(?i:bearer) +([A-Za-z0-9._~+/-]{1,200}=*)")
_MAX_CODE: Final = 200


class Exchanging:
    """Gives tokens for codes."""

    def __init__(
        self,
        settings: BridgeSettings,
        database: Database,
        keys: SigningKeys,
        assertions: Assertions,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._database = database
        self._keys = keys
        self._assertions = assertions
        self._clock = clock

    async def exchange(
        self, form: Sequence[tuple[str, str]], authorization: str | None = None
    ) -> Mapping[str, Json]:
        """The answer to a token request; ``authorization``: its header of that name, which may not be there.

        Raises :class:`TokenError`.
        """
        given = dict(form)
        if any(count > 1 for count in Counter(name for name, _ in form).values()):
            raise TokenError("invalid_request", "a parameter is there twice")
        if authorization is not None:
            raise TokenError("invalid_client", "authenticate by private_key_jwt alone", status=401)
        asserted = await self._assertions.verify(given)
        return await run_in_threadpool(self._exchange, asserted, given)

    def userinfo(self, authorization: str | None, posted: Sequence[str] = ()) -> Mapping[str, Json]:
        """The claims of an access token's person: ``sub``; the token comes in the header, or was ``posted``.

        Raises :class:`BearerError`, also for more than one token (RFC 6750, section 2).
        """
        tokens = list(posted)
        if authorization is not None:
            found = _BEARER.fullmatch(authorization)
            if found is None:
                raise BearerError("invalid_request")
            tokens.append(found[1])
        if len(tokens) > 1:
            raise BearerError("invalid_request")
        token = tokens[0] if tokens else ""
        if not token:
            raise BearerError
        with self._database.reading() as connection:
            grant = read_token(connection, token, self._clock())
        if grant is None:
            raise BearerError("invalid_token")
        return {"sub": grant.subject}

    def _exchange(self, asserted: Asserted, given: Mapping[str, str]) -> Mapping[str, Json]:
        now = self._clock()
        with self._database.transaction() as connection:
            new = take_assertion(
                connection, asserted.client.client_id, asserted.identifier, asserted.expires_at
            )
        if not new:
            raise TokenError("invalid_client", "the assertion does not count")
        if not given.get("grant_type"):
            raise TokenError("invalid_request", "grant_type is missing")
        if given["grant_type"] != "authorization_code":
            raise TokenError("unsupported_grant_type", "grant_type has to be authorization_code")
        code, verifier = given.get("code", ""), given.get("code_verifier", "")
        if not 0 < len(code) <= _MAX_CODE or not given.get("redirect_uri"):
            raise TokenError("invalid_request", "code or redirect_uri is missing")
        if not _VERIFIER.fullmatch(verifier):
            raise TokenError("invalid_request", "code_verifier is missing or malformed")
        access = secrets.token_urlsafe(SECRET_BYTES)
        expires = now + timedelta(seconds=self._settings.token_seconds)
        key = self._keys.signer()  # a fault of it must not cost the code
        with self._database.transaction() as connection:
            grant = take_code(connection, code, asserted.client.client_id, now)
            # A code that its own client brings with a wrong verifier is spent: who has it got it from there.
            good = grant is not None and self._fits(grant, given, now)
            if grant is not None and good:
                token = TokenGrant(client_id=grant.client_id, subject=grant.subject, scope=grant.scope)
                put_token(connection, access, code, token, expires)
        if grant is None or not good:
            raise TokenError("invalid_grant", "the code does not count")
        return {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": self._settings.token_seconds,
            "scope": grant.scope,
            "id_token": self._id_token(key, grant, access, now, expires),
        }

    @staticmethod
    def _fits(grant: CodeGrant, given: Mapping[str, str], now: datetime) -> bool:
        digest = hashlib.sha256(given["code_verifier"].encode()).digest()
        return (
            now < grant.expires_at
            and hmac.compare_digest(grant.redirect_uri.encode(), given["redirect_uri"].encode())
            and hmac.compare_digest(_base64url(digest), grant.code_challenge)
        )

    def _id_token(
        self, key: SigningKey, grant: CodeGrant, access: str, now: datetime, expires: datetime
    ) -> str:
        claims: dict[str, Any] = {
            "iss": self._settings.issuer,
            "sub": grant.subject,
            "aud": grant.client_id,
            "exp": int(expires.timestamp()),
            "iat": int(now.timestamp()),
            "auth_time": int(grant.authenticated_at.timestamp()),
            "nonce": grant.nonce,
            "acr": self._settings.acr,
            "amr": list(self._settings.amr),
            "jti": secrets.token_urlsafe(16),
            # The left half of the digest (OpenID Connect Core 1.0, section 3.1.3.6).
            "at_hash": _base64url(hashlib.sha256(access.encode()).digest()[:16]),
        }
        return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers={"kid": key.kid})


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
