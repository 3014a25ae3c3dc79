"""The REST control: what a test, a demo or an integrator has the phones and the platform do.

Without authentication: the simulator has synthetic people and listens on this machine. A page of another site
cannot use it: its browser says where it comes from, and is refused.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from quanheng.config_fields import LOOPBACK
from quanheng.errors import ConfigurationError
from quanheng.simulator.codes import CodeError, Codes
from quanheng.simulator.faults import Fault, FaultKind, Faults
from quanheng.simulator.people import People, SimulatedPerson, person_from
from quanheng.simulator.platform import Platform

SHOWN: Final = 50
_MAX_SECONDS: Final = 60.0
_MAX_BODY: Final = 65_536

_Handler = Callable[[Request], Awaitable[Response]]


class BadControlError(Exception):
    """What was sent cannot be done; the text says why."""


class Control:
    """The addresses below ``/control``."""

    def __init__(self, people: People, codes: Codes, faults: Faults, platform: Platform) -> None:
        self._people = people
        self._codes = codes
        self._faults = faults
        self._platform = platform

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/control/codes", _told(self._list_codes), methods=["GET"]),
            Route("/control/people", _told(self._list_people), methods=["GET"]),
            Route("/control/people", _told(self._put_person), methods=["POST"]),
            Route("/control/scan", _told(self._scan), methods=["POST"]),
            Route("/control/confirm", _told(self._confirm), methods=["POST"]),
            Route("/control/cancel", _told(self._cancel), methods=["POST"]),
            Route("/control/expire", _told(self._expire), methods=["POST"]),
            Route("/control/faults", _told(self._list_faults), methods=["GET"]),
            Route("/control/faults", _told(self._set_faults), methods=["PUT"]),
            Route("/control/faults", _told(self._clear_faults), methods=["DELETE"]),
            Route("/control/autopilot", _told(self._set_autopilot), methods=["PUT"]),
            Route("/control/requests", _told(self._count_requests), methods=["GET"]),
        ]

    async def _list_codes(self, _request: Request) -> Any:
        return [
            {
                "code": code.text,
                "state": code.state.name.lower(),
                "system_name": code.system_name,
                "age_seconds": round(self._codes.age(code), 1),
            }
            for code in self._codes.newest(SHOWN)
        ]

    async def _list_people(self, request: Request) -> Any:
        found = self._people.search(request.query_params.get("query", ""), SHOWN)
        return [_shown(person) for person in found]

    async def _put_person(self, request: Request) -> Any:
        try:
            return _shown(self._people.put(person_from(await _body(request), "person")))
        except ConfigurationError as error:
            raise BadControlError(str(error.args[0])) from None

    async def _scan(self, request: Request) -> Any:
        body = await _body(request)
        return {"state": self._codes.scan(_text(body, "code"), self._known(body)).state.name.lower()}

    async def _confirm(self, request: Request) -> Any:
        body = await _body(request)
        person = self._known(body) if "person" in body else ""
        return {"state": self._codes.confirm(_text(body, "code"), person).state.name.lower()}

    async def _cancel(self, request: Request) -> Any:
        return {"state": self._codes.cancel(_text(await _body(request), "code")).state.name.lower()}

    async def _expire(self, request: Request) -> Any:
        return {"state": self._codes.expire(_text(await _body(request), "code")).state.name.lower()}

    async def _list_faults(self, _request: Request) -> Any:
        return [asdict(fault) for fault in self._faults.listed()]

    async def _set_faults(self, request: Request) -> Any:
        body = await _body(request)
        listed = body.get("faults")
        if not isinstance(listed, list):
            raise BadControlError("send {faults: [{kind, service?, times?, seconds?}]}")
        self._faults.set([_fault(item) for item in listed])
        return await self._list_faults(request)

    async def _clear_faults(self, request: Request) -> Any:
        self._faults.set([])
        return await self._list_faults(request)

    async def _set_autopilot(self, request: Request) -> Any:
        """For load: each code is confirmed, by one person after the other, when it is asked about."""
        on = (await _body(request)).get("on")
        if not isinstance(on, bool) or (on and not len(self._people)):
            raise BadControlError("send {on: true or false}; there have to be people")
        self._codes.autopilot = self._people.anybody if on else None
        return {"on": on}

    async def _count_requests(self, _request: Request) -> Any:
        return dict(self._platform.requests)

    def _known(self, body: Mapping[str, Any]) -> str:
        person = self._people.get(_text(body, "person"))
        if person is None:
            raise BadControlError("nobody has this id")
        return person.id


def _told(handler: Callable[[Request], Awaitable[Any]]) -> _Handler:
    async def answer(request: Request) -> Response:
        # Another machine, or a site whose name was made to lead here (DNS rebinding).
        if not is_local(request):
            return JSONResponse({"error": "for this machine alone"}, status_code=403)
        origin = request.headers.get("origin")
        if origin is not None and origin != f"{request.url.scheme}://{request.headers.get('host')}":
            return JSONResponse({"error": "not from another site"}, status_code=403)
        try:
            return JSONResponse(await handler(request))
        except (BadControlError, CodeError) as error:
            return JSONResponse({"error": str(error)}, status_code=409)

    return answer


def is_local(request: Request) -> bool:
    """Whether it comes from this machine, under a name of this machine."""
    peer = request.client.host if request.client is not None else ""
    return peer in LOOPBACK and request.url.hostname in LOOPBACK


async def _body(request: Request) -> dict[str, Any]:
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise BadControlError("send JSON")
    try:
        value = json.loads((await request.body())[:_MAX_BODY])
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise BadControlError("send a JSON object")
    return value


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise BadControlError(f"'{name}' is missing")
    return value


def _fault(item: object) -> Fault:
    data = item if isinstance(item, dict) else {}
    try:
        kind = FaultKind(str(data.get("kind")))
    except ValueError:
        raise BadControlError(f"kind is one of {', '.join(FaultKind)}") from None
    service, times, seconds = data.get("service", ""), data.get("times"), data.get("seconds", 0)
    if not isinstance(service, str) or not isinstance(seconds, int | float):
        raise BadControlError("service is a name, seconds a number")
    if times is not None and (not isinstance(times, int) or times < 1):
        raise BadControlError("times is a number, 1 or more")
    return Fault(kind=kind, service=service, times=times, seconds=min(float(seconds), _MAX_SECONDS))


def _shown(person: SimulatedPerson) -> dict[str, str]:
    return {
        "id": person.id,
        "name": person.name,
        "label": person.label,
        "document": person.masked_number,
        "card_status": person.card_status,
    }
