"""Plays the browser and the phone of a person who logs in by card, with the simulator as card platform.

As a class for tests and benches (:class:`CardBrowser`), and as a command that stands in for a browser in the
demo::

    QUANHENG_CARD_LOGIN=person.json quanheng approve ... --open-with "python -m deploy.local.card_login"

where ``person.json`` (mode 0600) holds ``{"simulator_url": ..., "person": ...}``, an id of the simulator.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urljoin, urlsplit

import requests

_SECONDS: Final = 30
_REDIRECTS: Final = 20
_WAIT_SECONDS: Final = 30.0
_PAUSE: Final = 0.1
_REFUSED: Final = 400


class CardLoginError(Exception):
    """The login did not come to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the browser shows in the end."""

    status: int
    url: str
    text: str

    @property
    def scan(self) -> str | None:
        """Address of the login at the bridge, when its page is what is shown."""
        parts = urlsplit(self.url)
        steps = parts.path.split("/")
        if len(steps) < 3 or steps[1] != "scan":
            return None
        return f"{parts.scheme}://{parts.netloc}/scan/{steps[2]}"


class CardBrowser:
    """A browser with its cookies, ``Secure`` ones on this machine too, as browsers have it."""

    def __init__(self) -> None:
        self._session = requests.Session()
        self._session.trust_env = False
        self._cookies: dict[str, dict[str, str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def open(self, url: str) -> Shown:
        """Open an address, and follow wherever it leads."""
        return self.send("GET", url)

    def send(self, method: str, url: str, form: Mapping[str, str] | None = None) -> Shown:
        """Send a request, and follow wherever it leads."""
        for _ in range(_REDIRECTS):
            answer = self._ask(method, url, form)
            target = answer.headers.get("location")
            if not answer.is_redirect or target is None:
                return Shown(status=answer.status_code, url=url, text=answer.text)
            url, method, form = urljoin(url, target), "GET", None
        raise CardLoginError("redirected without end")

    def state(self, page: Shown) -> Mapping[str, Any]:
        """How far the login is, as the page asks."""
        answer = self._ask("GET", f"{page.scan}/state", None)
        found: Mapping[str, Any] = answer.json()
        return found

    def finish(self, page: Shown) -> Shown:
        """Wait until the login is over, and go on to wherever it leads."""
        deadline = time.monotonic() + _WAIT_SECONDS
        while time.monotonic() < deadline:
            if self.state(page).get("state") not in ("preparing", "waiting", "scanned"):
                return self.open(str(page.scan))
            time.sleep(_PAUSE)
        raise CardLoginError("nothing came of the scan")

    def _ask(self, method: str, url: str, form: Mapping[str, str] | None) -> requests.Response:
        place = urlsplit(url).netloc
        kept = self._cookies.setdefault(place, {})
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in kept.items())} if kept else {}
        answer = self._session.request(
            method, url, data=form, headers=headers, allow_redirects=False, timeout=_SECONDS
        )
        self._session.cookies.clear()
        for line in answer.raw.headers.getlist("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0" or not morsel.value:
                    kept.pop(name, None)
                else:
                    kept[name] = morsel.value
        return answer


class Phone:
    """The phones of everybody, by the simulator's REST control."""

    def __init__(self, simulator_url: str) -> None:
        self._url = simulator_url
        self._session = requests.Session()
        self._session.trust_env = False

    def newest_code(self) -> str:
        """The newest code that waits on a screen."""
        deadline = time.monotonic() + _WAIT_SECONDS
        while time.monotonic() < deadline:
            for code in self._session.get(f"{self._url}/control/codes", timeout=_SECONDS).json():
                if code["state"] == "waiting":
                    return str(code["code"])
            time.sleep(_PAUSE)
        raise CardLoginError("no code waits to be scanned")

    def do(self, what: str, code: str, person: str = "") -> None:
        """``scan``, ``confirm`` or ``cancel`` a code."""
        body = {"code": code, **({"person": person} if person else {})}
        answer = self._session.post(f"{self._url}/control/{what}", json=body, timeout=_SECONDS)
        if answer.status_code >= _REFUSED:
            raise CardLoginError(f"the simulator refused to {what} a code ({answer.status_code})")


def log_in(browser: CardBrowser, phone: Phone, url: str, person: str) -> Shown:
    """Open an address, scan and confirm as a person, and follow wherever it leads. One login at a time: the
    newest code is taken for the page's."""
    page = browser.open(url)
    if page.scan is None:
        raise CardLoginError(f"there is no page with a code (status {page.status})")
    phone.do("confirm", phone.newest_code(), person)
    return browser.finish(page)


def main(arguments: list[str]) -> int:
    """Log in at the one address given as the person named in the file ``QUANHENG_CARD_LOGIN``."""
    person = json.loads(Path(os.environ["QUANHENG_CARD_LOGIN"]).read_text(encoding="utf-8"))
    try:
        with CardBrowser() as browser:
            shown = log_in(browser, Phone(person["simulator_url"]), arguments[0], person["person"])
    except (CardLoginError, requests.RequestException) as error:
        print(f"card_login: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    if shown.status >= _REFUSED or shown.scan is not None:
        print("card_login: the card was refused", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
