"""One HTTP request to the card platform: time-outs, pool, limits."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Final

import aiohttp

from quanheng.bridge.card.messages import RawAnswer
from quanheng.bridge.card.port import PlatformAnswerError, PlatformUnavailableError
from quanheng.bridge.settings import PlatformSettings
from quanheng.errors import ConfigurationError

MAX_ANSWER_BYTES: Final = 64 * 1024
"""An answer has a few hundred bytes; a larger one is not read to its end."""
_NO_ANSWER: Final = (
    "see that bridge.platform.url can be reached from here (curl), and its certificate trusted"
)


class Transport:
    """POSTs to one address. Lives in the loop of its first request."""

    def __init__(self, settings: PlatformSettings) -> None:
        """Raises :class:`ConfigurationError` when ``ca_file`` cannot be used."""
        self._settings: Final = settings
        self._tls: Final = _make_tls(settings)
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def post(self, headers: Mapping[str, str], body: bytes) -> RawAnswer:
        """Post once. The whole request, waiting for a connection included, ends within ``timeout_seconds``.

        Raises :class:`PlatformUnavailableError`, and :class:`PlatformAnswerError` for a redirect and for an
        answer that is too large.
        """
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                return await self._exchange(headers, body)
        except (aiohttp.ClientError, OSError):  # TimeoutError is an OSError
            raise PlatformUnavailableError("the card platform does not answer", remedy=_NO_ANSWER) from None

    async def close(self) -> None:
        """Close the connections; another request is refused."""
        self._closed = True
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _exchange(self, headers: Mapping[str, str], body: bytes) -> RawAnswer:
        async with self._open().post(
            self._settings.url, headers=headers, data=body, allow_redirects=False
        ) as response:
            if 300 <= response.status < 400:
                raise PlatformAnswerError(
                    "the card platform sends us elsewhere",
                    remedy="write the endpoint itself into bridge.platform.url",
                )
            content = bytearray()
            async for chunk in response.content.iter_any():
                content += chunk
                if len(content) > MAX_ANSWER_BYTES:
                    raise PlatformAnswerError("the card platform's answer is too large")
            return RawAnswer(status=response.status, headers=response.headers, body=bytes(content))

    def _open(self) -> aiohttp.ClientSession:
        if self._closed:
            raise PlatformUnavailableError("the connection to the card platform is closed")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._settings.connections, ssl=self._tls),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._settings.connect_seconds),
                cookie_jar=aiohttp.DummyCookieJar(),
                # What is compressed may grow when it is unpacked: we ask for none, and unpack none.
                headers={"Accept": "application/json", "Accept-Encoding": "identity"},
                auto_decompress=False,
            )
        return self._session


def _make_tls(settings: PlatformSettings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError):
        raise ConfigurationError(
            f"{settings.ca_file}: cannot be read as certificates",
            remedy="bridge.platform.ca_file: PEM, of whoever issued the platform's certificate",
        ) from None
