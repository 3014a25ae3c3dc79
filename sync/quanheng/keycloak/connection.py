"""The line to one Keycloak: tokens, timeouts, retries, counting. Knows nothing of users or groups.

python-keycloak's own connection repeats a POST, refreshes its token from every thread at once and puts
whole answers into its exceptions; so its endpoints (``KeycloakAdmin``) are used over this one instead.
"""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self, cast
from urllib.parse import urlsplit

import jwt
import requests
import stamina
from keycloak import KeycloakAdmin, KeycloakOpenIDConnection
from requests.adapters import HTTPAdapter

from quanheng.errors import ConfigurationError, UnreachableError
from quanheng.keycloak.credentials import ClientKey, Credential
from quanheng.keycloak.no_token import remedy_of
from quanheng.keycloak.port import RealmRefusedError
from quanheng.logs import get_logger

_REPEATABLE: Final = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_REPEATABLE_POST: Final = re.compile(r"/role-mappings/[^?]+$|/composites$|/logout(?:-all)?$")
"""POSTs that add to a set or end sessions: doing them twice is doing them once."""
_PASSING: Final = frozenset({502, 503, 504})
_PLAIN_REASON: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.\- ]{0,79}")
"""What of an answer may be shown: error codes and Keycloak's own fixed sentences, never values."""
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_REFRESH_EARLY_SECONDS: Final = 15.0
_CLOCK_TRIES: Final = 20
"""No server has us ask for a token without end."""

log = get_logger(__name__)


class _PassingError(Exception):
    """A fault that may be gone at the next try."""


class RequestCounter:
    """Requests that left this process, by method; tokens are counted as ``TOKEN``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def add(self, kind: str) -> None:
        """Count one request."""
        with self._lock:
            self._counts[kind] += 1

    @property
    def total(self) -> int:
        """All requests."""
        with self._lock:
            return self._counts.total()

    @property
    def writes(self) -> int:
        """Requests that may have changed something."""
        with self._lock:
            return sum(self._counts[method] for method in ("POST", "PUT", "DELETE"))

    def by_kind(self) -> Mapping[str, int]:
        """A copy of the counts."""
        with self._lock:
            return dict(self._counts)


class _Token:
    """An access token with the moment from which it is not used any more."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self.text = str(answer["access_token"])
        lifetime = float(answer.get("expires_in", 60))
        self.received = time.monotonic()
        self.good_until = self.received + max(lifetime - _REFRESH_EARLY_SECONDS, lifetime * 0.5)
        # Read, not trusted: only Keycloak, which made it, decides by it.
        self.claims: Mapping[str, Any] = jwt.decode(self.text, options={"verify_signature": False})


def is_loopback(url: str) -> bool:
    """Whether an address is this machine's alone."""
    return urlsplit(url).hostname in _LOOPBACK


def require_safe_url(url: str) -> None:
    """Refuse an address to which tokens would go in the clear: :class:`ConfigurationError`."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(url)):
        raise ConfigurationError(
            f"keycloak.url: '{parts.scheme}://{parts.hostname}' would carry tokens in the clear",
            remedy="use https, or http on this machine alone",
        )


class Connection:
    """Requests to the Admin REST API of one realm, from any number of threads.

    Raises :class:`UnreachableError` when the server does not answer, answers 5xx or refuses the token
    after a refresh, and :class:`RealmRefusedError` for any other refusal. Messages name the method,
    the path (ids only) and Keycloak's error code; never what was sent or answered.
    """

    def __init__(
        self,
        url: str,
        realm: str,
        credential: Credential,
        *,
        token_realm: str | None = None,
        workers: int = 4,
        timeout_seconds: float = 30,
        attempts: int = 4,
        ca_file: Path | None = None,
    ) -> None:
        require_safe_url(url)
        self.url = url.rstrip("/")
        self.realm = realm
        self.workers = workers
        self.counter = RequestCounter()
        self._token_realm = token_realm or realm
        self._token_base = f"{self.url}/realms/{self._token_realm}"
        self._credential = credential
        self._timeout = (min(5.0, timeout_seconds), timeout_seconds)
        self._attempts = attempts
        self._session = requests.Session()
        # Neither proxies nor .netrc of the environment have a say in where tokens go.
        self._session.trust_env = False
        self._session.verify = str(ca_file) if ca_file else True
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=workers, pool_block=True, max_retries=0)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._token: _Token | None = None
        self._token_lock = threading.Lock()
        self._issuer: str | None = None
        self.admin = KeycloakAdmin(connection=cast(KeycloakOpenIDConnection, _Transport(self)))
        """python-keycloak's endpoints over this connection."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget the token and close the pool."""
        self._token = None
        self._session.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        data: str | bytes | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> requests.Response:
        """One request to ``path`` below the server's URL; repeated only where that is harmless."""
        repeatable = method in _REPEATABLE or (method == "POST" and _REPEATABLE_POST.search(path) is not None)
        try:
            for attempt in stamina.retry_context(
                on=_PassingError,
                attempts=self._attempts if repeatable else 1,
                timeout=None,
                wait_initial=0.2,
                wait_max=5.0,
            ):
                with attempt:
                    answer = self._authorised(method, path, json=json, data=data, params=params)
        except _PassingError as error:
            raise UnreachableError(
                f"Keycloak at {self.url}: {error}", remedy="see whether it runs; then run again"
            ) from None
        return self._judged(method, path, answer)

    def get(self, path: str, **params: Any) -> Any:
        """The JSON that a GET answers."""
        return self.request("GET", path, params=params).json()

    def realm_path(self, tail: str = "") -> str:
        """Path of something in this realm: ``realm_path("/users")``."""
        return f"admin/realms/{self.realm}{tail}"

    def subject(self) -> str:
        """Keycloak's id of the account that this connection acts as: the actor of its admin events. '' when
        somebody took what says it out of our tokens."""
        return str(self._current_token().claims.get("sub", ""))

    @property
    def acted_as(self) -> str | None:
        """The same by our last token, valid or not; None before the first. Asks nothing."""
        token = self._token
        return None if token is None else token.claims.get("sub")

    def claims(self) -> Mapping[str, Any]:
        """What our access token says of us: read, not trusted."""
        return self._current_token().claims

    def issuer_asked_as(self, host: str) -> str:
        """What the server calls the realm of our tokens when it is asked under another host's name; '' when
        it does not answer that. A server that has a name of its own is not moved by it."""
        headers = {"Host": host, "X-Forwarded-Host": host, "Forwarded": f"host={host}"}
        try:
            found = self._ask("GET", f"{self._token_base}/.well-known/openid-configuration", headers=headers)
        except _PassingError:
            return ""
        return str(found.json()["issuer"]) if found.ok else ""

    def server_time(self) -> datetime:
        """The server's clock: when it issued our token, plus the time since. At most a second early.

        Keycloak sends no ``Date`` header.
        """
        token = self._current_token()
        return datetime.fromtimestamp(int(token.claims["iat"]), tz=UTC) + timedelta(
            seconds=time.monotonic() - token.received
        )

    def _authorised(self, method: str, path: str, **content: Any) -> requests.Response:
        token = self._current_token()
        answer = self._send(method, path, token.text, **content)
        if answer.status_code == 401:
            answer = self._send(method, path, self._current_token(not_this=token).text, **content)
        if answer.status_code == 401:
            raise UnreachableError(
                f"Keycloak at {self.url} refuses the token of {self._credential.label}",
                remedy="see whether the client is enabled and the clocks agree ('quanheng doctor')",
            )
        if answer.status_code in _PASSING:
            raise _PassingError(f"{method} {_shown(path)} answered {answer.status_code}")
        return answer

    def _send(
        self, method: str, path: str, token: str, *, json: Any, data: Any, params: Any
    ) -> requests.Response:
        self.counter.add(method)
        headers = {"Authorization": f"Bearer {token}"}
        if data is not None:
            headers["Content-Type"] = "application/json"
        try:
            return self._session.request(
                method,
                f"{self.url}/{path}",
                params=params,
                json=json,
                data=data,
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            # The library's text holds the whole address; the kind of fault is enough.
            raise _PassingError(f"{method} {_shown(path)}: {type(error).__name__}") from None

    def _judged(self, method: str, path: str, answer: requests.Response) -> requests.Response:
        status = answer.status_code
        if status < 300:
            return answer
        what = f"{method} {_shown(path)} answered {status}{_reason(answer)}"
        if status >= 500:
            raise UnreachableError(
                f"Keycloak at {self.url}: {what}", remedy="the server's log says why; then run again"
            )
        raise RealmRefusedError(
            f"Keycloak refused: {what}",
            status=status,
            remedy=_VETOED if "rule" in _body(answer) else _REMEDIES.get(status, "see 'quanheng doctor'"),
        )

    def _current_token(self, *, not_this: _Token | None = None) -> _Token:
        with self._token_lock:
            token = self._token
            if token is None or token is not_this or time.monotonic() >= token.good_until:
                token = self._token = self._fetch_token()
            return token

    def _fetch_token(self) -> _Token:
        base = self._token_base
        try:
            for attempt in stamina.retry_context(
                on=_PassingError, attempts=self._attempts, timeout=None, wait_initial=0.2, wait_max=5.0
            ):
                with attempt:
                    if self._issuer is None:
                        found = self._ask("GET", f"{base}/.well-known/openid-configuration")
                        self._issuer = str(found.json()["issuer"]) if found.ok else None
                    if self._issuer is not None:
                        found = self._ask_for_token(base, self._issuer)
        except _PassingError as error:
            raise UnreachableError(
                f"Keycloak at {self.url}: {error}", remedy="see whether it runs; then run again"
            ) from None
        if not found.ok:
            raise UnreachableError(
                f"Keycloak at {self.url} gives {self._credential.label} no token in realm "
                f"'{self._token_realm}': {found.status_code}{_reason(found)}",
                remedy=remedy_of(_body(found)),
            )
        return _Token(found.json())

    def _ask_for_token(self, base: str, issuer: str) -> requests.Response:
        """The answer of the token endpoint; asked again by the server's clock where ours is wrong."""
        credential = self._credential
        for again in range(_CLOCK_TRIES):
            # A new assertion each time: Keycloak accepts one only once.
            found = self._ask("POST", f"{base}/protocol/openid-connect/token", credential.form(issuer))
            if not isinstance(credential, ClientKey):
                break
            if found.ok and again:
                ahead = credential.server_ahead.total_seconds()
                log.warning(
                    "the server's clock and ours differ; set the wrong one", server_ahead_seconds=ahead
                )
            if found.ok or not credential.follow_clock(_reason(found)):
                break
        return found

    def _ask(
        self,
        method: str,
        url: str,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        self.counter.add("TOKEN")
        try:
            answer = self._session.request(
                method, url, data=form, headers=headers, timeout=self._timeout, allow_redirects=False
            )
        except requests.RequestException as error:
            raise _PassingError(f"asking for a token: {type(error).__name__}") from None
        if answer.status_code in _PASSING:
            raise _PassingError(f"asking for a token answered {answer.status_code}")
        return answer


class _Transport:
    """The few methods of a connection that ``KeycloakAdmin`` calls."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def realm_name(self) -> str:
        return self._connection.realm

    def raw_get(self, path: str, **params: Any) -> requests.Response:
        return self._connection.request("GET", path, params=params)

    def raw_post(self, path: str, data: Any, **params: Any) -> requests.Response:
        return self._connection.request("POST", path, data=data, params=params)

    def raw_put(self, path: str, data: Any, **params: Any) -> requests.Response:
        return self._connection.request("PUT", path, data=data, params=params)

    def raw_delete(self, path: str, data: Any = None, **params: Any) -> requests.Response:
        return self._connection.request("DELETE", path, data=data, params=params)


_VETOED: Final = "the guard refused it: docs/howto/guard.md says what each refusal means"
_REMEDIES: Final = {
    400: "what was sent is not valid there: see the user profile of the realm",
    403: "the service client lacks a role: see 'quanheng doctor'",
    404: "it is gone: run again, so that it is read anew",
    409: "something else holds that name",
}


def _shown(path: str) -> str:
    """The path without what stands behind ``/users/profile`` and the like: ids stay, queries go."""
    return "/" + path.split("?", 1)[0]


_REASONS: Final = ("rule", "field", "error", "errorMessage", "error_description")


def _body(answer: requests.Response) -> Mapping[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _reason(answer: requests.Response) -> str:
    body = _body(answer)
    texts = [str(body[key]) for key in _REASONS if body.get(key)]
    plain = [text for text in texts if _PLAIN_REASON.fullmatch(text)]
    return f" ({': '.join(plain)})" if plain else ""
