"""Plays the browser of a person at the login form, where there is one (``password_form``, sealed accounts).

As a function and a class for tests (:func:`log_in`, :class:`FormBrowser`), and as a command that stands in
for a browser in the demo::

    BROWSER="python -m deploy.local.form_login %s" QUANHENG_FORM_LOGIN=person.json quanheng approve ...

where ``person.json`` (mode 0600) holds ``{"username": ..., "password": ...}``.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Self
from urllib.parse import urljoin

import requests

_SECONDS = 30
_REDIRECTS = 10
_REFUSED = 400
PASSWORD_FORM = "kc-form-login"
OTP_FORM = "kc-otp-login-form"


class FormLoginError(Exception):
    """The form was not there, or did not accept the person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What the browser shows."""

    status: int
    url: str
    form: str | None
    """Id of the form that asks for something; None when none does."""
    action: str
    hidden: Mapping[str, str]


class FormBrowser:
    """A browser with its cookies that knows Keycloak's forms."""

    def __init__(self) -> None:
        self._session = requests.Session()
        self._session.trust_env = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def open(self, url: str) -> Page:
        """Open an address, and follow wherever it leads."""
        return self._go("GET", url)

    def fill_in(self, page: Page, **fields: str) -> Page:
        """Fill in the page's form and send it."""
        if page.form is None:
            raise FormLoginError(f"there is no login form there (status {page.status})")
        return self._go("POST", urljoin(page.url, page.action), {**page.hidden, **fields})

    def _go(self, method: str, url: str, fields: dict[str, str] | None = None) -> Page:
        answer = _follow(self._session, method, url, fields)
        form = _Form()
        form.feed(answer.text)
        return Page(
            status=answer.status_code,
            url=answer.url,
            form=form.id,
            action=form.action or "",
            hidden=form.hidden,
        )


def log_in(url: str, username: str, password: str) -> None:
    """Open the address, fill in the form and follow wherever it leads."""
    with FormBrowser() as browser:
        page = browser.fill_in(browser.open(url), username=username, password=password)
    if page.status >= _REFUSED or page.form is not None:
        raise FormLoginError("the form did not accept the user name and password")


def _follow(
    browser: requests.Session, method: str, url: str, form: dict[str, str] | None = None
) -> requests.Response:
    """A request, and every redirect that follows from it."""
    for _ in range(_REDIRECTS):
        answer = browser.request(method, url, data=form, timeout=_SECONDS, allow_redirects=False)
        # As browsers do for this machine: Keycloak's cookies are Secure, though it speaks plain HTTP here.
        for cookie in browser.cookies:
            cookie.secure = False
        if not answer.is_redirect:
            return answer
        method, url, form = "GET", urljoin(url, answer.headers["Location"]), None
    raise FormLoginError("redirected in circles")


class _Form(HTMLParser):
    """Finds Keycloak's login form and its hidden fields."""

    def __init__(self) -> None:
        super().__init__()
        self.id: str | None = None
        self.action: str | None = None
        self.hidden: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the form's address and fields."""
        values = dict(attrs)
        if tag == "form" and values.get("id") in (PASSWORD_FORM, OTP_FORM):
            self.id, self.action = values.get("id"), values.get("action")
        elif tag == "input" and values.get("type") == "hidden" and values.get("name"):
            self.hidden[str(values["name"])] = values.get("value") or ""


def main(arguments: list[str]) -> int:
    """Log in at the one address given as the person named in the file ``QUANHENG_FORM_LOGIN``."""
    person = json.loads(Path(os.environ["QUANHENG_FORM_LOGIN"]).read_text(encoding="utf-8"))
    try:
        log_in(arguments[0], person["username"], person["password"])
    except (FormLoginError, requests.RequestException) as error:
        print(f"form_login: {type(error).__name__}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
