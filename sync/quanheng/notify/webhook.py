"""Notices by HTTP, signed."""

from __future__ import annotations

import hashlib
import hmac
import ssl

import requests

from quanheng.clock import Clock, system_clock
from quanheng.config import WebhookSettings
from quanheng.identity.files import read_private_line
from quanheng.model.sensitive import Sensitive
from quanheng.notify.port import Notice, UndeliveredError
from quanheng.notify.words import as_json


class WebhookNotifier:
    """Posts each notice once. Whoever receives it can tell that it is ours, and when it was sent."""

    def __init__(self, settings: WebhookSettings, *, clock: Clock = system_clock) -> None:
        self._settings = settings
        self._clock = clock

    def send(self, notice: Notice) -> None:
        """Post it; anything but 2xx is a failure."""
        secret = read_private_line(self._settings.secret_file)
        body = as_json(notice).encode()
        moment = self._clock().isoformat(timespec="seconds")
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "X-Quanheng-Id": notice.id,
            "X-Quanheng-Time": moment,
            "X-Quanheng-Signature": f"sha256={signature_of(secret, moment, body)}",
        }
        try:
            with requests.Session() as session:
                # As with Keycloak: no proxy, .netrc or authority of the environment has a say.
                session.trust_env = False
                answer = session.post(
                    self._settings.url,
                    data=body,
                    headers=headers,
                    timeout=self._settings.timeout_seconds,
                    allow_redirects=False,
                    verify=True if self._settings.ca_file is None else str(self._settings.ca_file),
                )
        except (requests.RequestException, OSError) as error:
            raise UndeliveredError(
                f"the webhook does not answer ({type(error).__name__})", remedy="check notify.webhook.url"
            ) from None
        if not 200 <= answer.status_code < 300:
            raise UndeliveredError(
                f"the webhook answered {answer.status_code}", remedy="see the log of whoever receives it"
            )

    def check(self) -> None:
        """Read the secret and the authority. The other side is not asked: it would take it for a notice."""
        read_private_line(self._settings.secret_file)
        if self._settings.ca_file is not None:
            try:
                ssl.create_default_context(cafile=str(self._settings.ca_file))
            except OSError as error:
                raise UndeliveredError(
                    f"{self._settings.ca_file}: no certificate can be read ({type(error).__name__})",
                    remedy="check notify.webhook.ca_file",
                ) from None


def signature_of(secret: Sensitive, moment: str, body: bytes) -> str:
    """HMAC-SHA256 (RFC 2104) over time and body, hex."""
    message = moment.encode() + b"." + body
    return hmac.new(secret.reveal().encode(), message, hashlib.sha256).hexdigest()
