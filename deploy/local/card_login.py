"""Plays the browser and the phone of a person who logs in by 电子社保卡, against the simulated card platform.

As a function and a class for tests and benches (:func:`log_in_by_card`, :class:`CardBrowser`), and as a
command that stands in for a browser in the demo::

    QUANHENG_CARD_LOGIN=person.json quanheng approve ... --open-with "python -m deploy.local.card_login"

where ``person.json`` holds ``{"simulator_url": ..., "person": ...}``, the id of somebody whom the simulator
knows.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urljoin, urlsplit

import requests

from quanheng.bridge.login.pages import draw_code

_SECONDS: Final = 30
_REDIRECTS: Final = 15
_PAUSE: Final = 0.2
_WAITING: Final = frozenset({"preparing", "waiting", "scanned"})
_PAGE: Final = re.compile(r"/scan/[A-Za-z0-9_-]{32}")
_DRAWING: Final = re.compile(r'<path[^>]*?\sd="([^"]+)"')


class CardLoginError(Exception):
    """The login did not come to its end."""


class CardBrowser:
    """A browser with its cookies that knows the bridge's page, and a phone that the simulator plays."""

    def __init__(self, simulator_url: str, seconds: float = _SECONDS) -> None:
        self._simulator = simulator_url.rstrip("/")
        self._seconds = seconds
        self._session = requests.Session()
        self._session.trust_env = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def open(self, url: str) -> requests.Response:
        """Open an address, and follow wherever it leads."""
        return self.send("GET", url)

    def send(self, method: str, url: str, form: Mapping[str, str] | None = None) -> requests.Response:
        """A request, and every redirect that follows from it."""
        for _ in range(_REDIRECTS):
            answer = self._session.request(
                method, url, data=form, timeout=self._seconds, allow_redirects=False
            )
            # As browsers do for this machine: cookies are Secure, though all speak plain HTTP here.
            for cookie in self._session.cookies:
                cookie.secure = False
            if not answer.is_redirect:
                return answer
            if answer.status_code not in (307, 308):
                method, form = "GET", None
            url = urljoin(url, answer.headers["Location"])
        raise CardLoginError("redirected in circles")

    @staticmethod
    def shows_code(answer: requests.Response) -> bool:
        """Whether it is the page of a login by card."""
        return _PAGE.fullmatch(urlsplit(answer.url).path) is not None

    def confirm(self, page: requests.Response, person: str) -> str:
        """Scan the code of the page as this person and confirm; how the login ended, by the bridge's word."""
        code = self._code(page)
        answer = requests.post(
            f"{self._simulator}/control/confirm",
            json={"code": code, "person": person},
            timeout=self._seconds,
        )
        if answer.status_code != 200:
            raise CardLoginError("the phone could not confirm")
        return self._outcome(page)

    def finish(self, page: requests.Response) -> requests.Response:
        """Go on to the client, after the login was accepted."""
        return self.open(f"{_base(page)}/finish")

    def _code(self, page: requests.Response) -> str:
        """The code that the page shows: that of the platform's open ones which looks like it."""
        deadline = time.monotonic() + self._seconds
        while time.monotonic() < deadline:
            drawn = _DRAWING.findall(self._session.get(page.url, timeout=self._seconds).text)
            listed = requests.get(f"{self._simulator}/control/codes", timeout=self._seconds).json()
            for item in listed:
                if _DRAWING.findall(draw_code(item["code"]))[-1] in drawn:
                    return str(item["code"])
            time.sleep(_PAUSE)
        raise CardLoginError("the page shows no code of this platform")

    def _outcome(self, page: requests.Response) -> str:
        deadline = time.monotonic() + self._seconds
        while time.monotonic() < deadline:
            answer: dict[str, Any] = self._session.get(f"{_base(page)}/state", timeout=self._seconds).json()
            state = str(answer.get("state", "gone"))
            if state not in _WAITING:
                return state
            time.sleep(_PAUSE)
        raise CardLoginError("the bridge did not say how it ended")


def log_in_by_card(url: str, simulator_url: str, person: str) -> requests.Response:
    """Open the address, log in as this person and follow wherever it leads; what is shown in the end.

    Raises :class:`CardLoginError` when there is no code, or the card is refused.
    """
    with CardBrowser(simulator_url) as browser:
        page = browser.open(url)
        if not browser.shows_code(page):
            raise CardLoginError(f"there is no page with a code (status {page.status_code})")
        state = browser.confirm(page, person)
        if state != "accepted":
            raise CardLoginError(f"the login was not accepted: {state}")
        return browser.finish(page)


def _base(page: requests.Response) -> str:
    parts = urlsplit(page.url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def main(arguments: list[str]) -> int:
    """Log in at the one address given as the person named in the file ``QUANHENG_CARD_LOGIN``."""
    person = json.loads(Path(os.environ["QUANHENG_CARD_LOGIN"]).read_text(encoding="utf-8"))
    try:
        answer = log_in_by_card(arguments[0], person["simulator_url"], person["person"])
    except (CardLoginError, requests.RequestException) as error:
        told = error if isinstance(error, CardLoginError) else type(error).__name__
        print(f"card_login: {told}", file=sys.stderr)
        return 1
    return 0 if answer.ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
