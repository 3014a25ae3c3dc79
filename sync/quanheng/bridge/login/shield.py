"""What goes around every request: the host, the size, the headers, and faults."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quanheng.errors import QuanhengError
from quanheng.logs import get_logger

HEALTH: Final = "/healthz"
BODY_SECONDS: Final = 10.0
MAX_BODY: Final = 16_384
"""Bytes of a request. The longest, a token request with its assertion, has about two thousand."""
_PORTS: Final = {"https": 443, "http": 80}
_HEADERS: Final[Mapping[str, str]] = {
    # Forms go to ourselves alone, and nothing else comes from anywhere but here.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}
_HSTS: Final = {"Strict-Transport-Security": "max-age=31536000"}

_NO_HOST: Final = ("", -1)

_log = get_logger(__name__)


class _TooLargeError(QuanhengError):
    """The body has more than :data:`MAX_BODY` bytes."""


class Shield:
    """An ASGI middleware. ``fault`` makes the page for what nobody expected."""

    def __init__(self, app: ASGIApp, issuer: str, fault: Callable[[Request, Exception], Response]) -> None:
        self._app: Final = app
        self._fault: Final = fault
        self._host: Final = _canonical_host(urlsplit(issuer).netloc, issuer)
        self._issuer: Final = issuer
        self._headers: Final = {**_HEADERS, **(_HSTS if issuer.startswith("https:") else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on, if it is for us."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_shielded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send_shielded)
            return
        try:
            await self._app(scope, _at_most(receive), send_shielded)
        except _TooLargeError:
            if not started:
                await _too_large()(scope, receive, send_shielded)
        except ClientDisconnect:
            return  # nobody is there
        except _TooSlowError:
            if not started:
                await _too_slow()(scope, receive, send_shielded)
        except Exception as error:  # noqa: BLE001 -- whatever it is, nothing of it is shown
            known = isinstance(error, QuanhengError)
            _log.exception("a request failed", path=_room_of(scope["path"]), known=known)
            if started:
                raise _CutShortError from None  # the server closes the connection, and logs no text of others
            await self._fault(Request(scope), error)(scope, receive, send_shielded)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if scope["path"] != HEALTH and (
            len(hosts) != 1 or _canonical_host(hosts[0], self._issuer) != self._host
        ):
            return PlainTextResponse("This server has another name.\n", status_code=421)
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit() or int(length[:12]) > MAX_BODY:
            return _too_large()
        return None


class _CutShortError(QuanhengError):
    """An answer could not be ended."""


class _TooSlowError(QuanhengError):
    """The body did not come within :data:`BODY_SECONDS`."""


def _at_most(receive: Receive) -> Receive:
    seen, whole = 0, False

    async def receive_some() -> Message:
        nonlocal seen, whole
        if whole:  # what follows is only that the browser goes away
            return await receive()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                message = await receive()
        except TimeoutError:
            raise _TooSlowError from None
        whole = not message.get("more_body", False)
        seen += len(message.get("body", b""))
        if seen > MAX_BODY:
            raise _TooLargeError
        return message

    return receive_some


def _too_large() -> Response:
    return PlainTextResponse("Too large.\n", status_code=413, headers={"Connection": "close"})


def _too_slow() -> Response:
    return PlainTextResponse("Too slow.\n", status_code=408, headers={"Connection": "close"})


def _canonical_host(written: str, issuer: str) -> tuple[str, int]:
    """Name and port; no header can be equal to what cannot be parsed."""
    default = _PORTS[urlsplit(issuer).scheme]
    try:
        parts = urlsplit(f"//{written}")
        name, port = parts.hostname or "", parts.port
    except ValueError:
        return _NO_HOST
    if parts.username is not None or parts.path or parts.query or parts.fragment or not name:
        return _NO_HOST
    return name, default if port is None else port


def _room_of(path: str) -> str:
    """The part of an address that is ours: what follows may be an id."""
    return "/" + path.lstrip("/").partition("/")[0][:20]
