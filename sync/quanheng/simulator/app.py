"""The simulator as a web server."""

from __future__ import annotations

import time
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from quanheng.simulator.codes import Codes
from quanheng.simulator.control import Control
from quanheng.simulator.faults import Faults
from quanheng.simulator.people import People, odd_people, read_people
from quanheng.simulator.phone import Phone
from quanheng.simulator.platform import Platform
from quanheng.simulator.settings import SimulatorSettings

ENDPOINT = "/CSB/"


def create_simulator(settings: SimulatorSettings, *, now: Callable[[], float] = time.time) -> Starlette:
    """A simulator; ``now``: seconds since 1970. Raises :class:`ConfigurationError` for a bad people file."""
    people = People(read_people(settings.people_file) if settings.people_file is not None else ())
    for person in odd_people() if settings.odd_people else ():
        people.put(person)
    prefix = f"{settings.public_url.rstrip('/')}/phone?code=" if settings.public_url else ""
    codes, faults = Codes(settings.code_seconds, now, prefix), Faults()
    platform = Platform(settings, people, codes, faults, now)

    async def front(_request: Request) -> Response:
        return RedirectResponse("/phone", status_code=303)

    async def health(_request: Request) -> Response:
        return PlainTextResponse("ok")

    return Starlette(
        routes=[
            Route(ENDPOINT, platform.answer, methods=["POST"]),
            *Control(people, codes, faults, platform).routes(),
            *Phone(people, codes, settings.csrf_key, settings.public_url).routes(),
            Route("/healthz", health, methods=["GET"]),
            Route("/", front, methods=["GET"]),
        ]
    )


def serve_simulator(settings: SimulatorSettings, host: str, port: int) -> None:
    """Serve until SIGTERM or Ctrl-C. No access log: codes and names of cards would be in it."""
    uvicorn.run(
        create_simulator(settings),
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
    )
