"""The authentication request (OpenID Connect Core 1.0, section 3.1.2.1): what is asked for, by whom. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final
from unicodedata import category
from urllib.parse import urlencode, urlsplit, urlunsplit

from quanheng.bridge.provider.errors import RedirectedError, UnusableRequestError
from quanheng.bridge.settings import ProviderClientSettings
from quanheng.bridge.values import AuthorizationRequest, Locale

MAX_REQUEST: Final = 8192
"""Characters of all parameters together."""
MAX_TOKEN: Final = 512
"""Characters of ``state`` and of ``nonce``."""
SCOPES: Final = ("openid",)

_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
"""Base64url of a SHA-256 (RFC 7636, section 4.2)."""
_PRINTABLE: Final = re.compile(r"[\x21-\x7e]+")
_NOT_SUPPORTED: Final = {
    "request": "request_not_supported",
    "request_uri": "request_uri_not_supported",
    "registration": "registration_not_supported",
}
_PROMPTS: Final = frozenset({"login", "consent", "select_account"})
"""All fulfilled as they are: every login is a scan, and the card's app asks for consent."""


class Asking:
    """Judges authentication requests of the clients that it knows."""

    def __init__(self, issuer: str, clients: Sequence[ProviderClientSettings]) -> None:
        self._issuer = issuer
        self._clients: Mapping[str, ProviderClientSettings] = {item.client_id: item for item in clients}

    def judge(self, parameters: Sequence[tuple[str, str]]) -> AuthorizationRequest:
        """The request, when it is valid in every part.

        Raises :class:`UnusableRequestError` until client and redirect URI are certain, and
        :class:`RedirectedError` from then on.
        """
        if sum(len(name) + len(value) for name, value in parameters) > MAX_REQUEST:
            raise UnusableRequestError("the request is too long")
        if any(_has_control(text) for pair in parameters for text in pair):
            raise UnusableRequestError("the request has control characters")
        given = dict(parameters)
        twice = {name for name, count in Counter(name for name, _ in parameters).items() if count > 1}
        client = self._clients.get(given.get("client_id", ""))
        if client is None or "client_id" in twice:
            raise UnusableRequestError("nobody of that client_id is known here")
        redirect_uri = given.get("redirect_uri", "")
        # Character by character (RFC 9700, section 4.1.3): nothing is decoded, folded or completed.
        if redirect_uri not in client.redirect_uris or "redirect_uri" in twice:
            raise UnusableRequestError("the redirect_uri is not registered")
        back = _Back(self._issuer, redirect_uri, "" if "state" in twice else given.get("state", ""))
        if twice:
            raise back.error("invalid_request", "a parameter is there twice")
        return self._judge_rest(client, given, back)

    def _judge_rest(
        self, client: ProviderClientSettings, given: Mapping[str, str], back: _Back
    ) -> AuthorizationRequest:
        for name, error in _NOT_SUPPORTED.items():
            if given.get(name):
                raise back.error(error, f"{name} is not supported")
        if not given.get("response_type"):
            raise back.error("invalid_request", "response_type is missing")
        if given["response_type"] != "code":
            raise back.error("unsupported_response_type", "response_type has to be code")
        # A parameter without a value counts as one that is not there (RFC 6749, section 3.1).
        if (given.get("response_mode") or "query") != "query":
            raise back.error("invalid_request", "response_mode has to be query")
        if "openid" not in given.get("scope", "").split(" "):
            raise back.error("invalid_scope", "scope has to contain openid")
        for name in ("state", "nonce"):
            value = given.get(name, "")
            if len(value) > MAX_TOKEN or not _PRINTABLE.fullmatch(value):
                raise back.error("invalid_request", f"{name} is missing, too long or not printable")
        if given.get("code_challenge_method") != "S256":
            raise back.error("invalid_request", "code_challenge_method has to be S256")
        if not _CHALLENGE.fullmatch(given.get("code_challenge", "")):
            raise back.error("invalid_request", "code_challenge is missing or malformed")
        prompts = frozenset(given.get("prompt", "").split())
        if prompts == {"none"}:
            raise back.error("login_required", "every login is a scan")
        if prompts - _PROMPTS:
            raise back.error("invalid_request", "prompt is not known")
        if not re.fullmatch(r"[0-9]{0,9}", given.get("max_age", "")):
            raise back.error("invalid_request", "max_age is not a number of seconds")
        return AuthorizationRequest(
            client_id=client.client_id,
            client_name=client.name,
            redirect_uri=given["redirect_uri"],
            state=given["state"],
            nonce=given["nonce"],
            code_challenge=given["code_challenge"],
            scope=" ".join(scope for scope in SCOPES if scope in given["scope"].split(" ")),
            locale=_locale(given.get("ui_locales", "")),
        )


class _Back:
    """The way back to a client that is certain."""

    def __init__(self, issuer: str, redirect_uri: str, state: str) -> None:
        self._issuer = issuer
        self._redirect_uri = redirect_uri
        self._state = state if len(state) <= MAX_TOKEN and _PRINTABLE.fullmatch(state) else ""

    def error(self, error: str, description: str) -> RedirectedError:
        """The error, for the caller to raise."""
        answer = {"error": error, "error_description": description, "iss": self._issuer}
        if self._state:
            answer["state"] = self._state
        return RedirectedError(error, with_parameters(self._redirect_uri, answer))


def with_parameters(address: str, parameters: Mapping[str, str]) -> str:
    """An address with parameters added to its query; what it has stays as it is."""
    scheme, place, path, query, fragment = urlsplit(address)
    added = urlencode(parameters)
    return urlunsplit((scheme, place, path, f"{query}&{added}" if query else added, fragment))


def _locale(wanted: str) -> Locale:
    for tag in wanted.split():
        language = tag.split("-")[0].lower()
        if language == "zh":
            return "zh"
        if language == "en":
            return "en"
    return "zh"


def _has_control(text: str) -> bool:
    return any(category(character) == "Cc" for character in text)
