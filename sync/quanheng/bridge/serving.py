"""The server that the bridge runs in."""

from __future__ import annotations

import asyncio
import os
import resource
from contextlib import suppress
from pathlib import Path
from typing import Final

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.supervisors import Multiprocess

from quanheng.bridge.app import bridge_settings, create_app
from quanheng.bridge.settings import BridgeSettings
from quanheng.config import Settings, read_settings
from quanheng.errors import ConfigurationError
from quanheng.logs import start_logs

_WORKER: Final = "quanheng.bridge.serving:app_of_worker"
_SETTINGS_FILE: Final = "QUANHENG_BRIDGE_SETTINGS"
"""Environment variable that names ``quanheng.toml`` to workers."""
_BACKLOG: Final = 4096
"""Connections that wait to be taken: Monday at eight."""
_DESCRIPTORS: Final = 65_536
HEAD_SECONDS: Final = 15.0
_GRACE_SECONDS: Final = 5
"""For requests under way when the server stops; pages that wait are sent away at once."""
_KEEP_ALIVE_SECONDS: Final = 15


def run_server(settings: Settings, *, workers: int = 1, settings_file: Path | None = None) -> None:
    """Serve until a signal ends it. Several ``workers`` share the port, and each reads ``settings_file`` for
    itself.

    Raises :class:`ConfigurationError` when the settings cannot be used, or the file is not named for workers.
    """
    bridge = bridge_settings(settings)
    app = create_app(settings)  # what is wrong is told here, and once
    _allow_descriptors()
    if workers == 1:
        with suppress(KeyboardInterrupt):  # raised again when everything has been closed
            uvicorn.Server(_configure(bridge, app)).run()
        return
    if settings_file is None:
        raise ConfigurationError("workers need the file of the settings", remedy="name it with --config")
    os.environ[_SETTINGS_FILE] = str(settings_file.resolve())
    config = _configure(bridge, _WORKER, workers)
    Multiprocess(config, sockets=[config.bind_socket()]).run()


def app_of_worker() -> Starlette:
    """The application, in one of several processes."""
    start_logs()
    _allow_descriptors()
    return create_app(read_settings(Path(os.environ[_SETTINGS_FILE])))


class PatientProtocol(H11Protocol):
    """As uvicorn's, but a connection that says nothing whole for a while is closed, also before its first
    request and between two: uvicorn waits for the end of a head for ever."""

    _alarm: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See :class:`asyncio.Protocol`."""
        super().connection_made(transport)
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`."""
        super().data_received(data)
        self._watch_head()

    def on_response_complete(self) -> None:
        """Of uvicorn: what comes next is another head."""
        super().on_response_complete()
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """See :class:`asyncio.Protocol`."""
        if self._alarm is not None:
            self._alarm.cancel()
        super().connection_lost(exc)

    def _waits_for_head(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _watch_head(self) -> None:
        if self._alarm is not None and not self._waits_for_head():
            self._alarm.cancel()
            self._alarm = None
        elif self._alarm is None and self._waits_for_head():
            self._alarm = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _give_up(self) -> None:
        self._alarm = None
        if self._waits_for_head() and not self.transport.is_closing():
            self.transport.close()


def _configure(bridge: BridgeSettings, app: Starlette | str, workers: int = 1) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        workers=workers,
        host=bridge.host,
        port=bridge.port,
        ssl_certfile=bridge.tls_certificate,
        ssl_keyfile=bridge.tls_key,
        lifespan="on",
        http=PatientProtocol,
        ws="none",
        log_config=None,  # ours, redacted
        access_log=False,  # addresses of requests hold codes of logins
        proxy_headers=False,  # quanheng.bridge.login.address
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


def _allow_descriptors() -> None:
    """Every waiting page is one: the usual 1024 are too few for a prefecture."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
