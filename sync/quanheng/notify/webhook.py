"""Notices by HTTP, signed."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import requests

from quanheng.clock import Clock, system_clock
from quanheng.config import WebhookSettings
from quanheng.identity.files import require_private
from quanheng.model.sensitive import Sensitive
from quanheng.notify.port import Notice, UndeliveredError
from quanheng.notify.words import as_json


class WebhookNotifier:
    """Posts each notice once. Whoever receives it can tell that it is ours, and when it was sent."""

    def __init__(self, settings: WebhookSettings, *, clock: Clock = system_clock) -> None:
        self._settings = settings
        self._clock = clock
        self._secret = read_secret(settings.secret_file)

    def send(self, notice: Notice) -> None:
        """Post it; anything but 2xx is a failure."""
        body = as_json(notice).encode()
        moment = self._clock().isoformat(timespec="seconds")
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "X-Quanheng-Id": notice.id,
            "X-Quanheng-Time": moment,
            "X-Quanheng-Signature": f"sha256={signature_of(self._secret, moment, body)}",
        }
        verify: bool | str = str(self._settings.ca_file) if self._settings.ca_file is not None else True
        try:
            answer = requests.post(
                self._settings.url,
                data=body,
                headers=headers,
                timeout=self._settings.timeout_seconds,
                allow_redirects=False,
                verify=verify,
            )
        except (requests.RequestException, OSError) as error:
            raise UndeliveredError(
                f"the webhook does not answer ({type(error).__name__})", remedy="check notify.webhook.url"
            ) from None
        if not 200 <= answer.status_code < 300:
            raise UndeliveredError(
                f"the webhook answered {answer.status_code}", remedy="see the log of whoever receives it"
            )


def signature_of(secret: Sensitive, moment: str, body: bytes) -> str:
    """HMAC-SHA256 (RFC 2104) over time and body, hex."""
    message = moment.encode() + b"." + body
    return hmac.new(secret.reveal().encode(), message, hashlib.sha256).hexdigest()


def read_secret(file: Path) -> Sensitive:
    """The first line of a file that only its owner may read. Raises :class:`ConfigurationError`."""
    require_private(file, if_missing="write the secret into it, one line, mode 0600")
    return Sensitive(file.read_text(encoding="utf-8").partition("\n")[0].strip())
