"""Pages: templates, the QR code, and two packed files of style and script."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any, Final
from urllib.parse import quote

import segno
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from quanheng.bridge.login.browsers import is_phone
from quanheng.bridge.login.waiting import Watch
from quanheng.bridge.login.words import WORDS, status_of, whom_to_ask
from quanheng.bridge.settings import MAX_CODE_SECONDS, BridgeSettings
from quanheng.bridge.values import FINAL, Locale, LoginState
from quanheng.clock import CHINA
from quanheng.printable import printable

LANGUAGE: Final = "lang"
"""Parameter of the query that chooses another language than the request asked for."""
AGAIN_SECONDS: Final = 3
"""How often a page without script loads itself again."""
_KEPT: Final = "public, max-age=31536000, immutable"
_TYPES: Final = {"css": "text/css", "js": "text/javascript"}
_WITH_CODE: Final = frozenset({LoginState.WAITING, LoginState.SCANNED})
_MASK: Final = 3
"""Of the eight of a QR code. To try all (ISO/IEC 18004, 7.8) takes four fifths of the time, and pays where
a text repeats itself: these are random, and a reader takes any."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A packed file, with a digest of its content in its name: it may be kept for ever."""

    address: str
    content: bytes
    media_type: str

    @classmethod
    def read(cls, name: str) -> Asset:
        """A file of ``static/``."""
        content = files("quanheng.bridge.login").joinpath("static", name).read_bytes()
        stem, _, kind = name.rpartition(".")
        digest = hashlib.sha256(content).hexdigest()[:16]
        return cls(f"/static/{stem}.{digest}.{kind}", content, _TYPES[kind])

    def route(self) -> Route:
        """Where it is read."""

        async def give(_request: Request) -> Response:
            return Response(self.content, media_type=self.media_type, headers={"Cache-Control": _KEPT})

        return Route(self.address, give, methods=["GET"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who looks at a page."""

    locale: Locale
    phone: bool
    token: str
    """For forms (see :func:`quanheng.bridge.login.binding.csrf_token`)."""


class Pages:
    """Everything that is shown."""

    def __init__(self, settings: BridgeSettings) -> None:
        self._settings: Final = settings
        self._css: Final = Asset.read("scan.css")
        self._js: Final = Asset.read("scan.js")
        environment = Environment(
            loader=PackageLoader("quanheng.bridge.login"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        environment.globals.update(
            css=self._css.address, js=self._js.address, region=settings.region, contact=settings.contact
        )
        self._page: Final = environment.get_template("login.html")
        self._panel: Final = environment.get_template("panel.html")
        self._message: Final = environment.get_template("message.html")

    def routes(self) -> list[Route]:
        """Style and script."""
        return [self._css.route(), self._js.route()]

    def login(self, watch: Watch, visitor: Visitor, now: datetime) -> Response:
        """The page of a login."""
        login, words = watch.login, WORDS[visitor.locale]
        origin = words.origin.format(
            address=login.address,
            browser=login.browser or words.unknown_browser,
            time=login.created_at.astimezone(CHINA).strftime("%H:%M"),
        )
        values = self._values(watch, visitor, now)
        status = status_of(words, login, watch.notice)
        return HTMLResponse(
            self._page.render(
                **values,
                client=printable(login.request.client_name),
                system=printable(self._settings.platform.system_name),
                status=status,
                mark=watch.mark,
                origin=origin,
                phone_link=visitor.phone and bool(self._settings.app_link),
                again_in=0 if login.state in FINAL else AGAIN_SECONDS,
            )
        )

    def news(self, watch: Watch, locale: Locale) -> dict[str, str]:
        """What a page is told."""
        return {
            "mark": watch.mark,
            "state": watch.login.state.value,
            "notice": watch.notice.value,
            "status": status_of(WORDS[locale], watch.login, watch.notice),
        }

    def panel(self, watch: Watch, visitor: Visitor, now: datetime) -> dict[str, str]:
        """What a page is told, and the part of it that changes."""
        return {
            **self.news(watch, visitor.locale),
            "panel": self._panel.render(**self._values(watch, visitor, now)),
        }

    def message(
        self,
        locale: Locale,
        title: str,
        lines: Sequence[str],
        *,
        status: int,
        link: tuple[str, str] | None = None,
        onward: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """A page that says something; ``link`` is an address and its text.

        ``onward`` is where it goes by itself.
        """
        address, text = link or ("", "")
        return HTMLResponse(
            self._message.render(
                words=WORDS[locale], title=title, lines=lines, link=address, link_text=text, onward=onward
            ),
            status_code=status,
            headers=dict(headers or {}),
        )

    def _values(self, watch: Watch, visitor: Visitor, now: datetime) -> dict[str, Any]:
        login, words = watch.login, WORDS[visitor.locale]
        code = login.qr_code if login.state is LoginState.WAITING else None
        final = login.state in FINAL
        in_time = now < login.deadline
        codes_left = login.refreshes < self._settings.limits.refreshes
        again = (final and login.state is not LoginState.DONE) or login.state in _WITH_CODE
        return {
            "words": words,
            "lang": visitor.locale,
            "base": f"/scan/{login.id}",
            "state": login.state.value,
            "final": final,
            "notice": watch.notice.value,
            "token": visitor.token,
            "phone": visitor.phone,
            "qr": None if code is None else draw_code(code),
            "app_link": self._app_link(code) if visitor.phone and code else "",
            "seconds": min(_seconds(login.expires_at, now), MAX_CODE_SECONDS),
            "may_refresh": again and in_time and codes_left,
            "no_more_codes": final and in_time and not codes_left and login.state is not LoginState.DONE,
            "too_late": final and not in_time and login.state is not LoginState.DONE,
            "ask": whom_to_ask(words, login),
        }

    def _app_link(self, code: str) -> str:
        return self._settings.app_link.replace("{code}", quote(code, safe=""))


def locale_of(request: Request, otherwise: Locale | None = None) -> Locale:
    """The language that the page's switch chose, else the request's, else the browser's."""
    known = as_locale(request.query_params.get(LANGUAGE)) or otherwise
    if known is not None:
        return known
    wanted = request.headers.get("accept-language", "").strip().lower()
    return "en" if wanted.startswith("en") else "zh"


def as_locale(text: str | None) -> Locale | None:
    """The language of this name, if we speak it."""
    return next((locale for locale in WORDS if locale == text), None)


def on_phone(request: Request) -> bool:
    """Whether the page is opened on a phone."""
    return is_phone(request.headers.get("user-agent", ""))


def draw_code(code: str) -> Markup:
    """The QR code that a phone reads, as SVG."""
    made = segno.make(code, error="m", micro=False, mask=_MASK)
    # What segno draws has nothing of the code's text in it but squares.
    return Markup(made.svg_inline(border=4, omitsize=True, svgclass=None, lineclass=None, light="#fff"))  # noqa: S704


def _seconds(until: datetime | None, now: datetime) -> int:
    return 0 if until is None else max(0, math.ceil((until - now).total_seconds()))
