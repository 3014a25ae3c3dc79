"""Plays the browser of a person at the login form, where the realm has one (``password_form``).

As a function for tests (:func:`log_in`), and as a command that stands in for a browser in the demo::

    BROWSER="python -m deploy.local.form_login %s" QUANHENG_FORM_LOGIN=person.json quanheng approve ...

where ``person.json`` (mode 0600) holds ``{"username": ..., "password": ...}``.
"""

from __future__ import annotations

import json
import os
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import requests

_SECONDS = 30
_REDIRECTS = 10


class FormLoginError(Exception):
    """The form was not there, or did not accept the person."""


def log_in(url: str, username: str, password: str) -> None:
    """Open the address, fill in the form and follow wherever it leads."""
    with requests.Session() as browser:
        browser.trust_env = False
        page = _follow(browser, "GET", url)
        form = _Form()
        form.feed(page.text)
        if form.action is None:
            raise FormLoginError(f"there is no login form there (status {page.status_code})")
        filled_in = {**form.hidden, "username": username, "password": password}
        answer = _follow(browser, "POST", urljoin(page.url, form.action), filled_in)
        again = _Form()
        again.feed(answer.text)
        if not answer.ok or again.action is not None:
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
        self.action: str | None = None
        self.hidden: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the form's address and fields."""
        values = dict(attrs)
        if tag == "form" and values.get("id") == "kc-form-login":
            self.action = values.get("action")
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
