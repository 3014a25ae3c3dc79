"""The page that stands for the card's app on a phone: choose who you are, and confirm a code."""

from __future__ import annotations

import hashlib
import hmac
from importlib import resources
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from quanheng.simulator.codes import CodeError, Codes, CodeState
from quanheng.simulator.control import is_local
from quanheng.simulator.people import CARD_STATES, People

PEOPLE_SHOWN: Final = 20
CODES_SHOWN: Final = 5
_STATES: Final = {
    CodeState.WAITING: "等待扫描",
    CodeState.SCANNED: "已扫描，等待确认",
    CodeState.CONFIRMED: "已确认",
    CodeState.CANCELLED: "已取消",
    CodeState.EXPIRED: "已过期",
    CodeState.INVALID: "无效",
}
_OPEN: Final = frozenset({CodeState.WAITING, CodeState.SCANNED})
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Phone:
    """The addresses below ``/phone``."""

    def __init__(self, people: People, codes: Codes, csrf_key: bytes, public_url: str) -> None:
        self._people = people
        self._codes = codes
        self._public_host = urlsplit(public_url).hostname if public_url else None
        self._token = hmac.digest(csrf_key, b"phone", hashlib.sha256).hex()
        loader = PackageLoader("quanheng.simulator")
        self._page = Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template(
            "phone.html"
        )
        self._style = (resources.files("quanheng.simulator") / "templates" / "phone.css").read_bytes()

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/phone", self._show, methods=["GET"]),
            Route("/phone", self._act, methods=["POST"]),
            Route("/phone.css", self._send_style, methods=["GET"]),
        ]

    async def _show(self, request: Request) -> Response:
        if not self._is_for(request):
            return Response("not under this name", status_code=403)
        asked = request.query_params
        codes = self._codes.newest(CODES_SHOWN)
        chosen = asked.get("code", "")
        if not chosen:
            chosen = next((code.text for code in codes if code.state in _OPEN), "")
        state, code = self._codes.state(chosen)
        person = self._people.get(asked.get("person", ""))
        query = asked.get("query", "")
        html = self._page.render(
            codes=[(item, _STATES[item.state], int(self._codes.age(item))) for item in codes],
            code=code,
            code_state=_STATES[state] if code is not None else "",
            is_open=state in _OPEN,
            person=person,
            people=[] if person is not None else self._people.search(query, PEOPLE_SHOWN),
            people_in_all=len(self._people),
            query=query,
            card_states=CARD_STATES,
            token=self._token,
            problem=asked.get("problem", "") == "1",
        )
        return HTMLResponse(html, headers=_HEADERS)

    def _is_for(self, request: Request) -> bool:
        """Not under a name that somebody made to lead here (DNS rebinding)."""
        if self._public_host is None:
            return is_local(request)
        return request.url.hostname == self._public_host or is_local(request)

    async def _act(self, request: Request) -> Response:
        if not self._is_for(request):
            return Response("not under this name", status_code=403)
        form = dict(parse_qsl((await request.body())[:8192].decode("ascii", "replace")))
        if not hmac.compare_digest(form.get("token", "").encode(), self._token.encode()):
            return Response("forged", status_code=403)
        code, person = form.get("code", ""), form.get("person", "")
        again = {"code": code, "person": person}
        known = person if self._people.get(person) is not None else ""
        try:
            if form.get("do") == "cancel":
                self._codes.cancel(code)
            elif form.get("do") == "scan":
                self._codes.scan(code, known)
            else:
                self._codes.confirm(code, known)
        except CodeError:
            again["problem"] = "1"
        return RedirectResponse(f"/phone?{urlencode(again)}", status_code=303, headers=_HEADERS)

    async def _send_style(self, _request: Request) -> Response:
        return Response(self._style, media_type="text/css", headers=_HEADERS)
