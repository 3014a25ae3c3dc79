"""A port of this machine, open for one answer of the login page (RFC 8252, section 7.3)."""

from __future__ import annotations

import hmac
import queue
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Final, Self
from urllib.parse import parse_qs, urlsplit

_PATH: Final = "/callback"
_STALL_SECONDS: Final = 5
_DONE: Final = "已确认身份，可以关闭此页面。"


class LoopbackServer:
    """Takes the first answer that carries our ``state``; anything else is turned away and changes nothing."""

    def __init__(self, state: str) -> None:
        answers: queue.SimpleQueue[Mapping[str, str]] = queue.SimpleQueue()

        class Handler(BaseHTTPRequestHandler):
            # Somebody who connects and says nothing may not hold up the person's own browser for long.
            timeout = _STALL_SECONDS

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                answer = {name: values[0] for name, values in parse_qs(parts.query).items()}
                ours = hmac.compare_digest(answer.get("state", "").encode(), state.encode())
                self._say(200 if parts.path == _PATH and ours else 404)
                if parts.path == _PATH and ours:
                    answers.put(answer)

            def _say(self, status: int) -> None:
                body = (_DONE if status == 200 else "").encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/plain; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store")
                self.send_header("Referrer-Policy", "no-referrer")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Write nothing: the address holds the code."""

        self._answers = answers
        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.redirect_uri = f"http://127.0.0.1:{self._server.server_port}{_PATH}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wait(self, seconds: float) -> Mapping[str, str] | None:
        """The answer's parameters, or None when none came in time."""
        try:
            return self._answers.get(timeout=seconds)
        except queue.Empty:
            return None
