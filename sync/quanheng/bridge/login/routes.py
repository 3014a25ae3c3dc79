"""What a browser asks of a login.

Every address but the first needs the cookie of the browser that began: whoever merely knows the id, or made
somebody else's browser open it, gets the same answer as for an id that never was. What changes something is a
form that was made for that browser, sent from a page of ours.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol
from urllib.parse import parse_qsl

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from quanheng.bridge.login.address import AddressReader
from quanheng.bridge.login.binding import (
    browser_hash,
    csrf_token,
    drop_cookie,
    drop_surplus,
    give_cookie,
    held_secret,
    is_csrf_token,
    is_holder,
    login_id,
    new_browser_secret,
    new_login_id,
)
from quanheng.bridge.login.browsers import describe_browser
from quanheng.bridge.login.limits import Limits
from quanheng.bridge.login.pages import LANGUAGE, Pages, Visitor, as_locale, locale_of, on_phone
from quanheng.bridge.login.steps import Steps, is_over
from quanheng.bridge.login.streams import EventStream, Listener
from quanheng.bridge.login.waiting import WaitingRoom
from quanheng.bridge.login.words import WORDS
from quanheng.bridge.settings import BridgeSettings
from quanheng.bridge.values import AuthorizationRequest, Locale, Login, LoginState
from quanheng.logs import get_logger
from quanheng.model.sensitive import Sensitive
from quanheng.printable import printable
from quanheng.store.card_logins import StoredLogin, create_login, supersede_login, take_login

FULL_SECONDS: Final = 30
"""After so long whoever found all logins taken may try again."""
_SETTLE_SECONDS: Final = 0.8
"""How long the first page waits for its code: then it has it even where there is no script."""
_NO_STORE: Final = {"Cache-Control": "no-store"}
_SEE_OTHER: Final = 303
_OWN_REFERRER: Final = {"Referrer-Policy": "same-origin"}
"""With ``no-referrer`` browsers send ``Origin: null`` with forms (Fetch Standard, "append a request Origin
header"), and a form of ours could not be told from others'."""
_TABS: Final = 4
"""Pages of one login that are told of changes; more of them ask."""
_ACCESS_DENIED: Final = "access_denied"
_NAME: Final = 60
"""Characters of a client's name."""
_FIELDS: Final = 8
_TOKEN_FIELD: Final = "token"  # noqa: S105 -- the name of a field

_log = get_logger(__name__)


class Answers(Protocol):
    """What a login needs of the provider."""

    def answer(
        self, connection: Connection, request: AuthorizationRequest, subject: str, authenticated_at: datetime
    ) -> str:
        """Keep a new code within the caller's transaction, and return where to redirect to."""

    def refuse(self, request: AuthorizationRequest, error: str) -> str:
        """Where to redirect to when a login ends without an answer."""


class LoginRoutes:
    """The addresses below ``/scan``, and the beginning at ``/authorize``."""

    def __init__(
        self,
        settings: BridgeSettings,
        steps: Steps,
        room: WaitingRoom,
        answers: Answers,
        limits: Limits,
        addresses: AddressReader,
        pages: Pages,
    ) -> None:
        self._settings: Final = settings
        self._steps: Final = steps
        self._room: Final = room
        self._answers: Final = answers
        self._limits: Final = limits
        self._addresses: Final = addresses
        self._pages: Final = pages

    def routes(self) -> list[Route]:
        """Everything a browser asks."""
        table: list[tuple[str, _Handler, str]] = [
            ("", self.page, "GET"),
            ("/events", self.events, "GET"),
            ("/state", self.state, "GET"),
            ("/finish", self.finish, "GET"),
            ("/refresh", self.refresh, "POST"),
            ("/cancel", self.cancel, "POST"),
        ]
        routes = [
            Route(f"/scan/{{id}}{part}", self._counted(handler), methods=[method])
            for part, handler, method in table
        ]
        for route in routes:
            # Starlette would answer HEAD as it does GET: one of them takes the code.
            (route.methods or set()).discard("HEAD")
        return routes

    async def begin(self, request: Request, authorization: AuthorizationRequest) -> Response:
        """A valid authentication request: a new login for this browser."""
        if not _is_navigation(request):
            return PlainTextResponse("Open this address as a page.\n", status_code=400, headers=_NO_STORE)
        address = self._addresses.read(request)
        if wait := self._limits.new_login(address):
            return self.slow_down(request, wait)
        now = self._steps.clock()
        login = Login(
            id=new_login_id(),
            request=replace(authorization, client_name=printable(authorization.client_name)[:_NAME]),
            state=LoginState.PREPARING,
            created_at=now,
            deadline=now + timedelta(seconds=self._settings.login_seconds),
            expires_at=None,
            qr_code=None,
            refreshes=0,
            address=address,
            browser=describe_browser(request.headers.get("user-agent", "")),
        )
        response = await self._start(request, login, self._settings.login_seconds)
        return response or self.gone(request)

    async def page(self, request: Request) -> Response:
        """The page of a login."""
        held = await self._held(request)
        if held is None:
            return self.gone(request)
        stored, secret = held
        watch = self._room.look(stored)
        await self._room.settle(watch, _SETTLE_SECONDS)
        if watch.login.state is LoginState.ACCEPTED:
            return self._to(f"/scan/{watch.login.id}/finish")
        visitor = self._visitor(request, stored.login, secret)
        return _kept_nowhere(self._pages.login(watch, visitor, self._steps.clock()))

    async def state(self, request: Request) -> Response:
        """How far it is, for a page that asks; with ``panel`` also what it shows."""
        held = await self._held(request, lightly=True)
        if held is None:
            return JSONResponse({"error": "gone"}, status_code=404, headers=_NO_STORE)
        stored, secret = held
        watch = self._room.look(stored)
        if "panel" not in request.query_params:
            return JSONResponse(
                self._pages.news(watch, locale_of(request, stored.login.request.locale)), headers=_NO_STORE
            )
        visitor = self._visitor(request, stored.login, secret)
        return JSONResponse(
            self._pages.panel(watch, visitor, self._steps.clock()), headers={**_NO_STORE, **_OWN_REFERRER}
        )

    async def events(self, request: Request) -> Response:
        """Tell a page of every change (server-sent events)."""
        held = await self._held(request)
        if held is None:
            return JSONResponse({"error": "gone"}, status_code=404, headers=_NO_STORE)
        stored, _ = held
        address = self._addresses.read(request)
        watch = self._room.find(stored.login.id)
        tabs = 0 if watch is None else len(watch.listeners)
        if tabs >= _TABS or not self._limits.open_stream(address):
            return self._wait_json(FULL_SECONDS)

        def join(listener: Listener) -> Callable[[], None]:
            watch = self._room.join(stored, listener)
            return lambda: self._room.leave(watch, listener)

        return _kept_nowhere(
            EventStream(
                locale_of(request, stored.login.request.locale),
                join,
                lambda: self._limits.close_stream(address),
            )
        )

    async def finish(self, request: Request) -> Response:
        """Back to the client with a code: once, for the browser that began."""
        held = await self._held(request)
        if held is None:
            return self.gone(request)
        stored, secret = held
        now = self._steps.clock()

        def work() -> str | None:
            with self._steps.database.transaction() as connection:
                login = take_login(connection, stored.login.id, browser_hash(secret), now)
                if login is None or not login.subject or login.authenticated_at is None:
                    return None
                return self._answers.answer(connection, login.request, login.subject, login.authenticated_at)

        location = await self._steps.in_thread(work)
        if location is None:
            return self._to(f"/scan/{stored.login.id}")
        self._room.look(replace(stored, login=replace(stored.login, state=LoginState.DONE)))
        return self._to(location)

    async def refresh(self, request: Request) -> Response:
        """A person wants another code: a new login for the same request."""
        held = await self._posted(request)
        if isinstance(held, Response):
            return held
        stored, secret, locale = held
        old = stored.login
        now = self._steps.clock()
        if old.refreshes >= self._settings.limits.refreshes or now >= old.deadline:
            return self._to(f"/scan/{old.id}", locale)
        if wait := self._limits.new_login(self._addresses.read(request)):
            return self.slow_down(request, wait)

        new = replace(
            old,
            id=new_login_id(),
            request=replace(old.request, locale=locale),
            state=LoginState.PREPARING,
            expires_at=None,
            qr_code=None,
            refreshes=old.refreshes + 1,
            address=self._addresses.read(request),
            browser=describe_browser(request.headers.get("user-agent", "")),
            refusal=None,
            office="",
            person=None,
            region="",
        )
        replaced = partial(supersede_login, login=old.id, browser_hash=browser_hash(secret))
        seconds = int((old.deadline - now).total_seconds()) + 1
        response = await self._start(request, new, seconds, instead=replaced)
        if response is None:
            return self._to(f"/scan/{old.id}", locale)
        if response.status_code != _SEE_OTHER:
            return response
        self._room.look(StoredLogin(replace(old, state=LoginState.CANCELLED), ""))
        drop_cookie(response, old.id)
        return response

    async def cancel(self, request: Request) -> Response:
        """Back to the client without a code.

        The page goes there by itself instead of by a redirect: after a form that is one, browsers hold every
        further redirect, of which the bridge knows only the first, against ``form-action``.
        """
        held = await self._posted(request)
        if isinstance(held, Response):
            return held
        stored, _, locale = held
        login = await self._steps.cancel(stored.login)
        self._room.look(replace(stored, login=login))
        if login.state in (LoginState.DONE, LoginState.ACCEPTED):
            return self._to(f"/scan/{login.id}", locale)
        location = self._answers.refuse(login.request, _ACCESS_DENIED)
        words = WORDS[locale]
        return _kept_nowhere(
            self._pages.message(
                locale,
                words.going_back,
                (),
                status=200,
                link=(location, words.going_back_link),
                onward=location,
            )
        )

    def gone(self, request: Request) -> Response:
        """There is no such login for this browser."""
        locale = locale_of(request)
        words = WORDS[locale]
        return _kept_nowhere(
            self._pages.message(locale, words.gone_title, (words.gone, words.begin_again), status=404)
        )

    def slow_down(self, request: Request, seconds: int) -> Response:
        """Too many requests (RFC 6585, section 4)."""
        locale = locale_of(request)
        words = WORDS[locale]
        return _kept_nowhere(
            self._pages.message(
                locale,
                words.slow_down_title,
                (words.slow_down.format(seconds=seconds),),
                status=429,
                link=_same_again(request, words.again),
                headers={"Retry-After": str(seconds)},
            )
        )

    async def _start(
        self,
        request: Request,
        login: Login,
        seconds: int,
        *,
        instead: Callable[[Connection], bool] | None = None,
    ) -> Response | None:
        """Put a login into the store and lead to its page; ``instead`` of another, all or nothing. None when
        that other one has gone on."""
        secret = new_browser_secret()

        def work() -> bool | None:
            with self._steps.database.transaction() as connection:
                if instead is not None and not instead(connection):
                    return None
                made = create_login(
                    connection,
                    login,
                    browser_hash(secret),
                    limit=self._settings.limits.open_logins,
                    now=self._steps.clock(),
                )
                if not made:
                    connection.rollback()
                return made

        made = await self._steps.in_thread(work)
        if made is None:
            return None
        if not made:
            _log.warning("as many logins are open as may be")
            return self._full(request)
        chosen = locale_of(request, login.request.locale)
        response = self._to(f"/scan/{login.id}", None if chosen == login.request.locale else chosen)
        drop_surplus(response, list(request.cookies))
        give_cookie(response, login.id, secret, seconds)
        return response

    def _full(self, request: Request) -> Response:
        locale = locale_of(request)
        words = WORDS[locale]
        return _kept_nowhere(
            self._pages.message(
                locale,
                words.full_title,
                (words.full.format(seconds=FULL_SECONDS),),
                status=503,
                link=_same_again(request, words.again),
                headers={"Retry-After": str(FULL_SECONDS)},
            )
        )

    async def _held(self, request: Request, *, lightly: bool = False) -> tuple[StoredLogin, Sensitive] | None:
        """The login of the address, if this browser began it; ``lightly`` may be two seconds old."""
        id_ = login_id(request.path_params["id"])
        secret = None if id_ is None else held_secret(request.cookies, id_)
        if id_ is None or secret is None:
            return None
        watch = self._room.find(id_) if lightly else None
        stored = (
            StoredLogin(watch.login, watch.browser_hash) if watch is not None else await self._steps.read(id_)
        )
        if stored is None or not is_holder(secret, stored.browser_hash):
            return None
        looked_up = self._room.find(id_)
        confirmed = looked_up is not None and looked_up.confirmed is not None  # in time; it is looked up
        if watch is None and not confirmed and is_over(stored.login, self._steps.clock()):
            stored = replace(stored, login=await self._steps.expire(stored.login))
        return stored, secret

    async def _posted(self, request: Request) -> tuple[StoredLogin, Sensitive, Locale] | Response:
        """The login that a form of ours is about, and the form's language."""
        held = await self._held(request)
        if held is None:
            return self.gone(request)
        stored, secret = held
        form = _fields(await request.body())
        ours = self._is_from_here(request) and is_csrf_token(
            form.get(_TOKEN_FIELD, ""), secret, stored.login.id
        )
        if not ours:
            locale = locale_of(request, stored.login.request.locale)
            words = WORDS[locale]
            return _kept_nowhere(self._pages.message(locale, words.forged_title, (words.forged,), status=403))
        return stored, secret, as_locale(form.get(LANGUAGE)) or stored.login.request.locale

    def _is_from_here(self, request: Request) -> bool:
        origin = request.headers.get("origin")
        if origin is not None and origin != "null":
            return origin == self._settings.issuer
        return request.headers.get("sec-fetch-site") == "same-origin"

    def _visitor(self, request: Request, login: Login, secret: Sensitive) -> Visitor:
        return Visitor(
            locale=locale_of(request, login.request.locale),
            phone=on_phone(request),
            token=csrf_token(secret, login.id),
        )

    def _to(self, location: str, locale: Locale | None = None) -> Response:
        if location.startswith("/"):
            location = self._settings.issuer + location + (f"?lang={locale}" if locale else "")
        return _kept_nowhere(RedirectResponse(location, status_code=303))

    def _wait_json(self, seconds: int) -> Response:
        return JSONResponse(
            {"error": "wait"}, status_code=429, headers={**_NO_STORE, "Retry-After": str(seconds)}
        )

    def _wait(self, request: Request) -> int:
        """Whoever holds a login that is looked at is counted by it: neighbours behind one address, honest or
        not, take nothing away."""
        id_ = login_id(request.path_params["id"])
        watch = None if id_ is None else self._room.find(id_)
        if (
            id_ is not None
            and watch is not None
            and is_holder(held_secret(request.cookies, id_), watch.browser_hash)
        ):
            return self._limits.holder(id_)
        return self._limits.request(self._addresses.read(request))

    def _counted(self, handler: _Handler) -> _Handler:
        async def counted(request: Request) -> Response:
            if wait := self._wait(request):
                if request.url.path.endswith(("/state", "/events")):
                    return self._wait_json(wait)
                return self.slow_down(request, wait)
            return await handler(request)

        return counted


_Handler = Callable[[Request], Awaitable[Response]]


def _is_navigation(request: Request) -> bool:
    """Whether somebody goes to the address: no picture of a page, no guess of a browser begins a login."""
    headers = request.headers
    fetched = headers.get("sec-fetch-dest", "document") != "document"
    guessed = "prefetch" in headers.get("sec-purpose", "") + headers.get("purpose", "")
    return request.method != "HEAD" and not fetched and not guessed


def _same_again(request: Request, text: str) -> tuple[str, str] | None:
    if request.method != "GET":
        return None
    query = f"?{request.url.query}" if request.url.query else ""
    return request.url.path + query, text


def _fields(body: bytes) -> dict[str, str]:
    """Fields of a form of ours; of anything else none."""
    try:
        return dict(parse_qsl(body.decode("ascii"), max_num_fields=_FIELDS, errors="strict"))
    except ValueError:  # of which UnicodeDecodeError is one
        return {}


def _kept_nowhere(response: Response) -> Response:
    response.headers.update({**_NO_STORE, **_OWN_REFERRER})
    return response
