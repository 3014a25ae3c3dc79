"""The subsystem as an ASGI application."""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from deploy.subsystem.addresses import GOODBYE, LOGOUT, REDIRECT
from deploy.subsystem.person import read_person
from deploy.subsystem.provider import RealmError, RealmProvider
from deploy.subsystem.sessions import LONGEST_SECONDS, QUESTION_SECONDS, Session, Sessions
from deploy.subsystem.settings import SubsystemSettings
from deploy.subsystem.tokens import TokenError

_MAX_BODY: Final = 32_768
_HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_FOLDER: Final = Path(__file__).parent / "templates"

_log = logging.getLogger(__name__)


class Subsystem:
    """One instance, with its sessions."""

    def __init__(self, settings: SubsystemSettings) -> None:
        self._settings = settings
        self._realm = RealmProvider(settings)
        self._sessions = Sessions()
        self._page = Environment(
            loader=FileSystemLoader(_FOLDER), autoescape=select_autoescape(), undefined=StrictUndefined
        ).get_template("page.html")
        self._style = (_FOLDER / "style.css").read_text(encoding="utf-8")
        # Cookies do not tell ports apart: two subsystems of one host each have a name of their own.
        self._cookie = f"__Host-{settings.client_id}"
        self._browser_cookie = f"{self._cookie}-login"
        realm = urlsplit(settings.issuer)
        # What a form leads to, all redirects included, counts as its action.
        actions = f"'self' {realm.scheme}://{realm.netloc}"
        self._headers = {
            **_HEADERS,
            "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; "
            f"frame-ancestors 'none'; form-action {actions}",
            **(
                {"Strict-Transport-Security": "max-age=31536000"}
                if settings.public_url.startswith("https:")
                else {}
            ),
        }

    def routes(self) -> list[Route]:
        """Everything that it answers."""
        return [
            Route("/", self._home, methods=["GET"]),
            Route("/login", self._login, methods=["GET"]),
            Route(REDIRECT, self._callback, methods=["GET"]),
            Route("/logout", self._logout, methods=["POST"]),
            Route(GOODBYE, self._goodbye, methods=["GET"]),
            Route(LOGOUT, self._logged_out_elsewhere, methods=["POST"]),
            Route("/style.css", self._stylesheet, methods=["GET"]),
            Route("/healthz", self._health, methods=["GET"]),
        ]

    async def _home(self, request: Request) -> Response:
        session = self._session(request)
        if session is None:
            return self._to("/login")
        return self._show(f"您好，{session.person.name}", session=session)

    async def _login(self, request: Request) -> Response:
        browser = request.cookies.get(self._browser_cookie) or secrets.token_urlsafe(32)
        question = self._sessions.ask(browser)
        try:
            response = self._to(await run_in_threadpool(self._realm.ask, question))
        except RealmError as error:
            return self._failed("realm", error)
        self._give(response, self._browser_cookie, browser, QUESTION_SECONDS)
        return response

    async def _callback(self, request: Request) -> Response:
        given = request.query_params
        if any(len(given.getlist(name)) > 1 for name in ("state", "code", "iss", "error")):
            return self._failed("parameters", None)
        browser = request.cookies.get(self._browser_cookie, "")
        question = self._sessions.take_question(browser, given.get("state", ""))
        # Another issuer's answer is no answer to our question (RFC 9207).
        if question is None or given.get("iss") != self._settings.issuer:
            return self._failed("state", None)
        if "error" in given or "code" not in given:
            return self._show("登录没有完成", ("您没有登录。",), status=403, again=True)
        try:
            answer = await run_in_threadpool(self._realm.redeem, question, given["code"])
        except (RealmError, TokenError) as error:
            return self._failed("tokens", error)
        person = read_person(self._settings.client_id, answer.identity, answer.access)
        # A new value for each login: one that somebody planted before is worth nothing.
        self._sessions.close(request.cookies.get(self._cookie, ""))
        secret = self._sessions.open(person, answer.id_token)
        if secret is None:
            return self._failed("ended", None)
        response = self._to("/")
        self._give(response, self._cookie, secret, LONGEST_SECONDS)
        return response

    async def _logout(self, request: Request) -> Response:
        """End it here, and have the browser send the same form to Keycloak, which ends it everywhere.

        The ID token goes along in the body: an address would be in logs and in the history.
        """
        session = self._session(request)
        form = await _form(request)
        if session is None:
            return self._to(GOODBYE)
        if not hmac.compare_digest(form.get("form_token", "").encode(), session.form_token.encode()):
            return self._show("无法处理", ("该请求不是由本页面发出的。",), status=403)
        try:
            address = await run_in_threadpool(self._realm.logout_address)
        except RealmError as error:
            return self._failed("realm", error)
        self._sessions.close(request.cookies.get(self._cookie, ""))
        response = RedirectResponse(address, status_code=307, headers=self._headers)
        response.delete_cookie(self._cookie, path="/", secure=True, httponly=True, samesite="lax")
        return response

    async def _goodbye(self, _request: Request) -> Response:
        return self._show("已退出", ("您已退出登录。",), again=True)

    async def _logged_out_elsewhere(self, request: Request) -> Response:
        """Keycloak says that a session ended (Back-Channel Logout 1.0, section 2.5)."""
        try:
            token = (await _form(request)).get("logout_token", "")
            claims = await run_in_threadpool(self._realm.judge.logout_token, token)
        except TokenError as error:
            _log.warning("a logout token does not count: %s", error)
            return PlainTextResponse("invalid_request\n", status_code=400, headers=self._headers)
        self._sessions.end(session=str(claims.get("sid", "")), subject=str(claims.get("sub", "")))
        return PlainTextResponse("ok\n", headers=self._headers)

    async def _stylesheet(self, _request: Request) -> Response:
        headers = {**self._headers, "Cache-Control": "max-age=300"}
        return Response(self._style, media_type="text/css", headers=headers)

    async def _health(self, _request: Request) -> Response:
        return PlainTextResponse("ok\n")

    def _session(self, request: Request) -> Session | None:
        return self._sessions.find(request.cookies.get(self._cookie, ""))

    def _to(self, location: str) -> Response:
        if location.startswith("/"):
            location = self._settings.public_url + location
        return RedirectResponse(location, status_code=303, headers=self._headers)

    def _failed(self, what: str, error: Exception | None) -> Response:
        _log.warning("a login failed: %s (%s)", what, error)
        return self._show("登录没有完成", ("请重新登录。",), status=400 if error is None else 502, again=True)

    def _show(
        self,
        title: str,
        lines: Sequence[str] = (),
        *,
        session: Session | None = None,
        status: int = 200,
        again: bool = False,
    ) -> Response:
        page = self._page.render(
            title=title,
            lines=lines,
            session=session,
            again=again,
            label=self._settings.name,
            permissions=self._settings.permissions,
            goodbye=self._settings.goodbye_uri,
            simulator=self._settings.simulator_url,
        )
        return HTMLResponse(page, status_code=status, headers=self._headers)

    def _give(self, response: Response, name: str, value: str, seconds: int) -> None:
        response.set_cookie(
            name, value, max_age=seconds, path="/", secure=True, httponly=True, samesite="lax"
        )


async def _form(request: Request) -> Mapping[str, str]:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MAX_BODY:
            return {}
    return dict(parse_qsl(body.decode("utf-8", "replace"), max_num_fields=8))


def create_subsystem(settings: SubsystemSettings) -> Starlette:
    """An instance of the subsystem. Raises :class:`ConfigurationError` when its key is open to others."""
    return Starlette(routes=Subsystem(settings).routes())
