"""The bridge, put together."""

from __future__ import annotations

import asyncio
import random
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from types import FrameType
from typing import Final

from anyio import to_thread
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from quanheng.bridge.card.national import NationalPlatform
from quanheng.bridge.card.port import CardPlatform
from quanheng.bridge.login.address import AddressReader
from quanheng.bridge.login.limits import Limits
from quanheng.bridge.login.pages import Pages, locale_of
from quanheng.bridge.login.routes import LoginRoutes
from quanheng.bridge.login.shield import HEALTH, Shield
from quanheng.bridge.login.steps import Record, Steps
from quanheng.bridge.login.streams import encode_event
from quanheng.bridge.login.waiting import WaitingRoom
from quanheng.bridge.login.words import WORDS
from quanheng.bridge.provider.client_keys import AHEAD_SECONDS, ClientKeys, PublishedKeys
from quanheng.bridge.provider.errors import UnusableRequestError
from quanheng.bridge.provider.provider import AUTHORIZE, DISCOVERY, LOGOUT, Provider
from quanheng.bridge.provider.routes import provider_routes
from quanheng.bridge.recognising import StoreRecogniser
from quanheng.bridge.recognition import Recogniser
from quanheng.bridge.settings import BridgeSettings, ProviderClientSettings
from quanheng.clock import Clock, system_clock
from quanheng.config import Settings
from quanheng.errors import ConfigurationError, QuanhengError, UnreachableError
from quanheng.logs import get_logger
from quanheng.operations.bridge_keys import open_signing_keys
from quanheng.policy.pack import load_packs
from quanheng.store.bridge_grants import forget_expired
from quanheng.store.card_logins import forget_logins
from quanheng.store.database import Database, migrate, open_database
from quanheng.store.login_records import put_record

HOUSEKEEPING_SECONDS: Final = 300.0
LOGINS_KEPT: Final = timedelta(days=1)
"""After their deadline; who logged in is in the record of logins."""
_RESTART_SECONDS: Final = 1.0
_BUSY_SECONDS: Final = 10
_WAIT_SECONDS: Final = 5.0
"""For another writer of the store: a person waits meanwhile."""
_PROVIDER: Final = "social-card"
"""Alias of the identity provider in Keycloak (``keycloak-config/identity-providers.yaml``)."""

_log = get_logger(__name__)


def create_app(
    settings: Settings,
    *,
    clock: Clock = system_clock,
    platform: CardPlatform | None = None,
    recogniser: Recogniser | None = None,
    database: Database | None = None,
    client_keys: ClientKeys | None = None,
    record: Record | None = None,
) -> Starlette:
    """The bridge as an ASGI application; what is not given is made of the settings.

    Raises :class:`ConfigurationError` when there is no table ``[bridge]``, or a file of it is missing or open
    to others.
    """
    bridge = bridge_settings(settings)
    store = database or open_database(settings.store_url, clock=clock, wait_seconds=_WAIT_SECONDS)
    cards = platform or NationalPlatform(bridge.platform, clock=clock)
    known = client_keys or PublishedKeys(clock, settings.keycloak.ca_file)
    clients = clients_of(settings)
    provider = Provider(bridge, clients, store, open_signing_keys(bridge, store, clock), known, clock)
    steps = Steps(
        store,
        cards,
        recogniser or _recogniser(settings, bridge, store, clock),
        record or put_record,
        clock,
        bridge.platform.code_seconds,
    )
    pages = Pages(bridge)
    room = WaitingRoom(steps, bridge.platform, lambda watch, locale: encode_event(pages.news(watch, locale)))
    limits = Limits(bridge.limits)
    addresses = AddressReader(bridge.trusted_proxies)
    logins = LoginRoutes(bridge, steps, room, provider, limits, addresses, pages)

    async def health(_request: Request) -> Response:
        try:
            await steps.in_thread(partial(_reach, store), reads=True)
        except QuanhengError:
            return PlainTextResponse("store\n", status_code=503)
        return PlainTextResponse("ok\n")

    async def home(request: Request) -> Response:
        locale = locale_of(request)
        return pages.message(locale, WORDS[locale].home_title, (WORDS[locale].home,), status=200)

    async def unusable(request: Request, error: UnusableRequestError) -> Response:
        _log.info("an authorization request cannot be used", problem=error.args[0])
        locale = locale_of(request)
        words = WORDS[locale]
        return pages.message(locale, words.unusable_title, (words.unusable, words.begin_again), status=400)

    async def goodbye(request: Request) -> Response:
        locale = locale_of(request)
        return pages.message(locale, WORDS[locale].goodbye_title, (WORDS[locale].goodbye,), status=200)

    def fault(request: Request, error: Exception) -> Response:
        locale = locale_of(request)
        words = WORDS[locale]
        lines = (words.fault, words.begin_again)
        if isinstance(error, UnreachableError):  # the store, for a while
            return pages.message(
                locale, words.fault_title, lines, status=503, headers={"Retry-After": str(_BUSY_SECONDS)}
            )
        return pages.message(locale, words.fault_title, lines, status=500)

    async def wrong_address(request: Request, error: Exception) -> Response:
        locale = locale_of(request)
        words = WORDS[locale]
        status = error.status_code if isinstance(error, HTTPException) else 404
        headers = error.headers if isinstance(error, HTTPException) else None
        return pages.message(
            locale, words.not_found_title, (words.not_found,), status=status, headers=headers
        )

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await to_thread.run_sync(migrate, store.engine)
        await known.renew(clients)
        tasks = [
            asyncio.create_task(_for_ever(room.run)),
            asyncio.create_task(_for_ever(partial(_renew_keys, known, clients))),
            asyncio.create_task(_for_ever(partial(_keep_house, store, steps))),
        ]
        _before_signals(room.end_streams)
        try:
            yield
        finally:
            room.end_streams()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await cards.close()
            await known.close()
            if database is None:
                store.close()

    app = Starlette(
        routes=[
            Route("/", home, methods=["GET"]),
            Route(HEALTH, health, methods=["GET"]),
            *_counted(provider_routes(provider, logins.begin, unusable, goodbye), limits, addresses),
            *logins.routes(),
            *pages.routes(),
        ],
        middleware=[Middleware(Shield, issuer=bridge.issuer, fault=fault)],
        exception_handlers={HTTPException: wrong_address},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # it would take the address from the request
    app.state.room = room
    return app


def clients_of(settings: Settings) -> tuple[ProviderClientSettings, ...]:
    """The clients of the settings; where there are none the realm, as 'quanheng realm apply' sets it up."""
    bridge = bridge_settings(settings)
    if bridge.clients:
        return bridge.clients
    realm = settings.keycloak.realm
    address = f"{settings.keycloak.url.rstrip('/')}/realms/{realm}"
    endpoint = f"{address}/broker/{_PROVIDER}/endpoint"
    return (
        ProviderClientSettings(
            client_id=realm,
            redirect_uris=(endpoint,),
            post_logout_redirect_uris=(f"{endpoint}/logout_response",),
            jwks_url=f"{address}/protocol/openid-connect/certs",
            name=load_packs(settings.packs).info.realm_label,
        ),
    )


def bridge_settings(settings: Settings) -> BridgeSettings:
    """The table ``[bridge]``. Raises :class:`ConfigurationError` when there is none."""
    if settings.bridge is None:
        raise ConfigurationError(
            "there is no table [bridge]", remedy="write one; see docs/howto/run-the-bridge.md"
        )
    return settings.bridge


def _recogniser(settings: Settings, bridge: BridgeSettings, store: Database, clock: Clock) -> Recogniser:
    return StoreRecogniser(
        store,
        settings.keys_directory,
        load_packs(settings.packs),
        clock,
        compare_names=bridge.compare_names,
    )


def _counted(routes: Sequence[Route], limits: Limits, addresses: AddressReader) -> list[Route]:
    """Count what Keycloak asks, and what anybody may ask without a login; the beginning of a login is counted
    by itself once it is one."""

    def counted(route: Route) -> Route:
        inner = route.endpoint

        async def endpoint(request: Request) -> Response:
            count = limits.request if route.path in (AUTHORIZE, LOGOUT) else limits.machine
            if wait := count(addresses.read(request)):
                return JSONResponse(
                    {"error": "temporarily_unavailable"}, status_code=429, headers={"Retry-After": str(wait)}
                )
            answer: Response = await inner(request)
            return answer

        return Route(route.path, endpoint, methods=sorted(route.methods or ()))

    return [counted(route) if route.path != DISCOVERY else route for route in routes]


def _reach(database: Database) -> None:
    with database.reading() as connection:
        connection.execute(text("SELECT 1"))


async def _keep_house(database: Database, steps: Steps) -> None:
    def work() -> None:
        now = steps.clock()
        with database.transaction() as connection:
            forget_expired(connection, now)
            forget_logins(connection, now - LOGINS_KEPT)

    while True:
        await asyncio.sleep(HOUSEKEEPING_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311 -- workers in turn
        try:
            await steps.in_thread(work)
        except QuanhengError as error:
            _log.warning("what is over was not removed", fault=type(error).__name__)


async def _renew_keys(keys: ClientKeys, clients: Sequence[ProviderClientSettings]) -> None:
    while True:
        await asyncio.sleep(AHEAD_SECONDS / 2)
        await keys.renew(clients)


async def _for_ever(serve: Callable[[], Awaitable[None]]) -> None:
    """Serve; begin anew after a fault of ours, since everybody waits for it."""
    while True:
        try:
            await serve()
        except Exception:  # noqa: BLE001 -- CancelledError is none
            _log.exception("a task of the bridge failed")
        await asyncio.sleep(_RESTART_SECONDS)


def _before_signals(work: Callable[[], None]) -> None:
    """Do something as soon as the server is told to stop: it waits for open streams before it tells us."""
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        earlier = signal.getsignal(number)
        if callable(earlier):

            def handle(
                number: int,
                frame: FrameType | None,
                earlier: Callable[[int, FrameType | None], object] = earlier,
            ) -> None:
                loop.call_soon_threadsafe(work)
                earlier(number, frame)

            signal.signal(number, handle)
