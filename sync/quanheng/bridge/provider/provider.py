"""The provider as the rest of the bridge sees it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from quanheng.bridge.provider.asking import SCOPES, Asking, with_parameters
from quanheng.bridge.provider.assertions import ALGORITHMS, Assertions
from quanheng.bridge.provider.client_keys import ClientKeys
from quanheng.bridge.provider.exchanging import Exchanging
from quanheng.bridge.provider.leaving import Leaving
from quanheng.bridge.provider.signing import ALGORITHM, SigningKeys
from quanheng.bridge.settings import BridgeSettings, ProviderClientSettings
from quanheng.bridge.values import SECRET_BYTES, AuthorizationRequest
from quanheng.clock import Clock
from quanheng.model.change import Json
from quanheng.store.bridge_grants import CodeGrant, put_code
from quanheng.store.database import Database

AUTHORIZE: Final = "/authorize"
TOKEN: Final = "/token"  # noqa: S105 -- an address
JWKS: Final = "/jwks"
USERINFO: Final = "/userinfo"
LOGOUT: Final = "/logout"
DISCOVERY: Final = "/.well-known/openid-configuration"


class Provider:
    """An OpenID Provider. Every address is made of the issuer in the settings."""

    def __init__(
        self,
        settings: BridgeSettings,
        clients: Sequence[ProviderClientSettings],
        database: Database,
        keys: SigningKeys,
        client_keys: ClientKeys,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._clock = clock
        issuer = settings.issuer
        audiences = frozenset({issuer, f"{issuer}{TOKEN}"})
        self.asking: Final = Asking(issuer, clients)
        """Judges authentication requests."""
        self.leaving: Final = Leaving(issuer, clients, keys)
        """Judges requests to log out."""
        self.exchanging: Final = Exchanging(
            settings, database, keys, Assertions(clients, audiences, client_keys, clock), clock
        )
        """Gives tokens."""

    def metadata(self) -> Mapping[str, Json]:
        """OpenID Connect Discovery 1.0, section 3; RFC 8414, section 2."""
        issuer = self._settings.issuer
        return {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}{AUTHORIZE}",
            "token_endpoint": f"{issuer}{TOKEN}",
            "jwks_uri": f"{issuer}{JWKS}",
            "userinfo_endpoint": f"{issuer}{USERINFO}",
            "end_session_endpoint": f"{issuer}{LOGOUT}",
            "scopes_supported": list(SCOPES),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
            "code_challenge_methods_supported": ["S256"],
            "acr_values_supported": [self._settings.acr],
            "claims_supported": ["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr"],
            "ui_locales_supported": ["zh-CN", "en"],
            "prompt_values_supported": ["login"],
            "authorization_response_iss_parameter_supported": True,
            "claims_parameter_supported": False,
            "request_parameter_supported": False,
            "request_uri_parameter_supported": False,
        }

    def jwks(self) -> Mapping[str, Json]:
        """The public keys (RFC 7517)."""
        return {"keys": [dict(key) for key in self._keys.published()]}

    def answer(
        self,
        connection: Connection,
        request: AuthorizationRequest,
        subject: str,
        authenticated_at: datetime,
    ) -> str:
        """Keep a new code within the caller's transaction, and return where to redirect to: with code, state,
        and iss (RFC 9207)."""
        code = secrets.token_urlsafe(SECRET_BYTES)
        grant = CodeGrant(
            client_id=request.client_id,
            redirect_uri=request.redirect_uri,
            nonce=request.nonce,
            code_challenge=request.code_challenge,
            scope=request.scope,
            subject=subject,
            authenticated_at=authenticated_at,
            expires_at=self._clock() + timedelta(seconds=self._settings.code_seconds),
        )
        put_code(connection, code, grant)
        answer = {"code": code, "state": request.state, "iss": self._settings.issuer}
        return with_parameters(request.redirect_uri, answer)

    def refuse(self, request: AuthorizationRequest, error: str) -> str:
        """Where to redirect to when a login ends without an answer, for example with ``access_denied``."""
        answer = {"error": error, "state": request.state, "iss": self._settings.issuer}
        return with_parameters(request.redirect_uri, answer)
