"""Telling a page by server-sent events (HTML Living Standard, section 9.2).

A stream costs one task, the request's own, which does nothing but wait for the browser to go away. What is to
be told is sent by whoever has it to tell.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from quanheng.bridge.values import Locale

_HEARTBEAT: Final = b":\n\n"
"""A comment: keeps proxies from taking a silent page for a dead one."""
_FIRST: Final = b"retry: 2000\n\n"


class Listener:
    """One page that is told. Of several messages that it is too slow for it gets the last."""

    __slots__ = ("_pending", "_send", "_sending", "ended", "locale", "sent_at")

    def __init__(self, send: Send, locale: Locale) -> None:
        self.locale: Final = locale
        self.sent_at = 0.0
        self.ended = False
        self._send: Final = send
        self._pending: tuple[bytes, bool] | None = None
        self._sending: asyncio.Task[None] | None = None

    def push(self, message: bytes, *, last: bool = False) -> None:
        """Send as soon as the connection takes it."""
        if self.ended:
            return
        self.ended = last
        self._pending = (message, last)
        if self._sending is None:
            self._sending = asyncio.get_running_loop().create_task(self._drain())

    def beat(self) -> None:
        """Send a sign of life, unless something else is under way."""
        if self._sending is None:
            self.push(_HEARTBEAT)

    def drop(self) -> None:
        """The browser is gone."""
        self.ended = True
        self._pending = None
        if self._sending is not None:
            self._sending.cancel()

    async def _drain(self) -> None:
        try:
            while self._pending is not None:
                (body, last), self._pending = self._pending, None
                message: MutableMapping[str, Any] = {
                    "type": "http.response.body",
                    "body": body,
                    "more_body": not last,
                }
                await self._send(message)
        except (OSError, RuntimeError):
            self.ended = True  # the browser went away in this moment
        finally:
            self._sending = None


class EventStream(Response):
    """The answer to a page that wants to be told."""

    media_type = "text/event-stream"

    def __init__(
        self, locale: Locale, join: Callable[[Listener], Callable[[], None]], release: Callable[[], None]
    ) -> None:
        """``join`` gets the listener and gives what takes it away again; ``release`` is called in the end."""
        super().__init__(headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._locale: Final[Locale] = locale
        self._join: Final = join
        self._release: Final = release

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and stay until one side has enough."""
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": _FIRST, "more_body": True})
            listener = Listener(send, self._locale)
            leave = self._join(listener)
            try:
                while (await receive())["type"] != "http.disconnect":
                    pass
            finally:
                listener.drop()
                leave()
        finally:
            self._release()


def encode_event(news: Mapping[str, str]) -> bytes:
    """A message of server-sent events; JSON has no line breaks of its own."""
    return b"data: " + json.dumps(dict(news), ensure_ascii=False).encode() + b"\n\n"
