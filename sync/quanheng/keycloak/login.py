"""A person proves who it is: authorization code with PKCE in the person's own browser (RFC 8252, RFC 7636).

The realm's public client ``quanheng-cli`` redirects to a port of this machine that is open for this one
login. Nothing is stored: the tokens are checked, read and forgotten.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import jwt
import requests

from quanheng.errors import RefusedError, UnreachableError
from quanheng.keycloak.connection import require_safe_url
from quanheng.keycloak.loopback import LoopbackServer
from quanheng.model.ids import KeycloakId, Username

CLIENT_ID: Final = "quanheng-cli"
_ALGORITHMS: Final = ("RS256", "ES256", "PS256", "EdDSA")
"""What realms sign with. Named here, so that a token does not choose."""
_LEEWAY_SECONDS: Final = 30
_REQUEST_SECONDS: Final = 30


class LoginRefusedError(RefusedError):
    """The person did not log in, or what came back does not prove that it did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticatedPerson:
    """Who logged in just now. What the person may do is read from the realm, not from here."""

    username: Username
    subject: KeycloakId
    """The user's id in Keycloak."""
    name: str


def authenticate_person(
    url: str,
    realm: str,
    open_url: Callable[[str], object],
    *,
    client_id: str = CLIENT_ID,
    timeout_seconds: float = 300,
    ca_file: Path | None = None,
) -> AuthenticatedPerson:
    """Have a person log in to the realm and say who it was.

    ``open_url`` shows the address to the person (``webbrowser.open``, or printing it). The person has to
    log in anew, even with a session still open. Raises :class:`LoginRefusedError` when the person
    declines, takes longer than ``timeout_seconds``, or the answer is not genuine, and
    :class:`UnreachableError` when Keycloak does not answer.
    """
    require_safe_url(url)
    base = f"{url.rstrip('/')}/realms/{realm}"
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(ca_file) if ca_file else True
        issuer = _json(session.get, f"{base}/.well-known/openid-configuration")["issuer"]
        with LoopbackServer(state) as server:
            question = {
                "response_type": "code",
                "client_id": client_id,
                "redirect_uri": server.redirect_uri,
                "scope": "openid",
                "state": state,
                "nonce": nonce,
                "code_challenge": _challenge(verifier),
                "code_challenge_method": "S256",
                # Approving is an act of its own: a session left open by somebody is not enough.
                "prompt": "login",
                "max_age": "0",
            }
            open_url(f"{base}/protocol/openid-connect/auth?{urlencode(question)}")
            answer = server.wait(timeout_seconds)
            redirect_uri = server.redirect_uri
        code = _code(answer, issuer)
        form = {
            "grant_type": "authorization_code",
            "client_id": client_id,
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        tokens = _json(session.post, f"{base}/protocol/openid-connect/token", data=form)
        keys = _json(session.get, f"{base}/protocol/openid-connect/certs")
    claims = _verified(str(tokens.get("id_token", "")), keys, issuer, client_id)
    if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
        raise LoginRefusedError("the token belongs to another login", remedy="log in again")
    if int(claims["iat"]) - int(claims["auth_time"]) > timeout_seconds:
        raise LoginRefusedError("the login is too long ago", remedy="log in again")
    return AuthenticatedPerson(
        username=Username(claims["preferred_username"]),
        subject=KeycloakId(claims["sub"]),
        name=str(claims.get("name", "")),
    )


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _code(answer: Mapping[str, str] | None, issuer: str) -> str:
    if answer is None:
        raise LoginRefusedError("nobody logged in in time", remedy="start again, and log in at once")
    if answer.get("iss", issuer) != issuer:  # RFC 9207: another server's answer
        raise LoginRefusedError("the answer is another server's", remedy="start again in a fresh browser")
    if "code" not in answer:
        raise LoginRefusedError("the login was refused", remedy="see whether the account is enabled")
    return answer["code"]


def _verified(token: str, keys: Mapping[str, Any], issuer: str, client_id: str) -> Mapping[str, Any]:
    try:
        kid = jwt.get_unverified_header(token)["kid"]
        key = jwt.PyJWKSet.from_dict(dict(keys))[kid]
        claims: Mapping[str, Any] = jwt.decode(
            token,
            key,
            algorithms=_ALGORITHMS,
            audience=client_id,
            issuer=issuer,
            leeway=_LEEWAY_SECONDS,
            options={
                "require": ["exp", "iat", "sub", "azp", "nonce", "auth_time", "preferred_username"],
                "strict_aud": True,
            },
        )
    except (jwt.PyJWTError, KeyError):
        raise LoginRefusedError("the token is not genuine", remedy="see whether the clocks agree") from None
    if claims["azp"] != client_id:
        raise LoginRefusedError("the token was made for another client", remedy="log in again")
    return claims


def _json(send: Callable[..., requests.Response], url: str, **content: Any) -> Any:
    try:
        answer = send(url, timeout=_REQUEST_SECONDS, allow_redirects=False, **content)
    except requests.RequestException as error:
        raise UnreachableError(
            f"Keycloak does not answer ({type(error).__name__})", remedy="see whether it runs; then try again"
        ) from None
    if answer.status_code >= 500:
        raise UnreachableError(f"Keycloak answered {answer.status_code}", remedy="see its log")
    if answer.status_code != 200:
        raise LoginRefusedError(
            f"Keycloak answered {answer.status_code}",
            remedy="see whether the realm and its client quanheng-cli are there ('quanheng doctor')",
        )
    return answer.json()


__all__ = ["AuthenticatedPerson", "LoginRefusedError", "authenticate_person"]
