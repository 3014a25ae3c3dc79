"""The endpoint that a bridge speaks with: the national channel's three services."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from quanheng.bridge.card.messages import SIGNATURE_HEADER, TIMESTAMP_HEADER, canonical_text
from quanheng.bridge.card.port import PlatformAnswerError
from quanheng.bridge.card.protection import HmacSha1AesCbc, HmacSm3Sm4Gcm, MessageProtection
from quanheng.simulator.codes import Codes, CodeState
from quanheng.simulator.faults import FaultKind, Faults
from quanheng.simulator.people import DOCUMENT_KINDS, People
from quanheng.simulator.settings import SimulatorSettings

_HEADERS: Final = ("_api_name", "_api_version", "_api_timestamp", "_api_access_key")
_CLOCK_SECONDS: Final = 300
_MAX_BODY: Final = 65_536
_REMEMBERED: Final = 10_000
_OK: Final = "000000"
_REFUSED: Final = "700"


class RefusedRequestError(Exception):
    """The gateway refuses a request before any service sees it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Platform:
    """Checks, decrypts and answers. ``requests`` counts them by service."""

    def __init__(
        self,
        settings: SimulatorSettings,
        people: People,
        codes: Codes,
        faults: Faults,
        now: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._people = people
        self._codes = codes
        self._faults = faults
        self._now = now
        self._protection = _protection(settings)
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._earlier: dict[str, Response] = {}
        self.requests: Counter[str] = Counter()

    async def answer(self, request: Request) -> Response:
        """One request of a bridge."""
        service = request.headers.get("_api_name", "")
        self.requests[service] += 1
        if (fault := self._faults.take(FaultKind.DELAY, service)) is not None:
            await asyncio.sleep(fault.seconds)
        if (spoilt := self._spoilt(service)) is not None:
            return spoilt
        try:
            fields = await self._accept(request, service)
        except RefusedRequestError as error:
            return _gateway(error.status, str(error))
        told = self._serve(service, fields)
        answer = self._sign(told, service)
        if self._faults.take(FaultKind.REPLAY, service) is not None:
            return self._earlier.get(service, answer)
        if not self._faults.listed():
            self._earlier[service] = answer  # an honest one
        return answer

    def _spoilt(self, service: str) -> Response | None:
        if self._faults.take(FaultKind.OUT_OF_ORDER, service) is not None:
            return _gateway(503, "service unavailable")
        if self._faults.take(FaultKind.GARBAGE, service) is not None:
            return Response(secrets.token_bytes(200), media_type="application/json")
        if self._faults.take(FaultKind.HTML, service) is not None:
            return HTMLResponse("<html><body>维护中</body></html>")
        if self._faults.take(FaultKind.DROP, service) is not None:
            return _Dropped()
        return None

    async def _accept(self, request: Request, service: str) -> Mapping[str, Any]:
        """The decrypted fields of a request that is signed as it should be. Raises
        :class:`RefusedRequestError`."""
        headers = {name: request.headers.get(name, "") for name in _HEADERS}
        body = await request.body()
        security = _security(body)
        if len(body) > _MAX_BODY or security is None:
            raise RefusedRequestError(400, "the body is not {security: text}")
        if headers["_api_access_key"] != self._settings.access_key:
            raise RefusedRequestError(403, "the access key is not known")
        signature = request.headers.get(SIGNATURE_HEADER, "")
        try:
            self._protection.verify(canonical_text({**headers, "security": security}), signature)
        except PlatformAnswerError:
            raise RefusedRequestError(403, "the signature is wrong") from None
        self._require_now(headers["_api_timestamp"], service)
        if self._settings.refuse_replays and self._is_replayed(signature):
            raise RefusedRequestError(403, "the request came before")
        try:
            fields = json.loads(self._protection.open(security))
        except (PlatformAnswerError, ValueError):
            fields = None
        if not isinstance(fields, dict):
            raise RefusedRequestError(400, "the body cannot be decrypted")
        return fields

    def _require_now(self, timestamp: str, service: str) -> None:
        off = self._faults.take(FaultKind.CLOCK_OFF, service) is not None
        known = timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 16
        if off or not known or abs(int(timestamp) / 1000 - self._now()) > _CLOCK_SECONDS:
            raise RefusedRequestError(403, "the timestamp is not of now")

    def _is_replayed(self, signature: str) -> bool:
        if signature in self._seen:
            return True
        self._seen[signature] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return False

    def _serve(self, service: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        names = self._settings.services
        if service == names.make_code:
            return self._make_code(fields)
        if service == names.ask:
            return self._ask(fields)
        if service == names.person:
            return self._person(fields)
        return {"msgCode": _REFUSED, "msg": "没有这个服务"}

    def _make_code(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        names = self._settings.fields
        wanted = (names.channel_no, names.access_no, names.system_name)
        if not all(isinstance(fields.get(name), str) and fields[name] for name in wanted):
            return {"msgCode": _REFUSED, "msg": "缺少参数"}
        code = self._codes.make(fields[names.system_name])
        return self._found({names.qr_code: code.text})

    def _ask(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        names = self._settings.fields
        text = fields.get(names.qr_code)
        if not isinstance(text, str):
            return {"msgCode": _REFUSED, "msg": "缺少参数"}
        state, code = self._codes.state(text)
        found = {names.qr_code: text, names.state: state.value}
        if self._faults.take(FaultKind.UNKNOWN_STATE, self._settings.services.ask) is not None:
            found[names.state] = "77"
        person = self._people.get(code.person) if code is not None else None
        if state is CodeState.CONFIRMED and person is not None:
            empty = self._faults.take(FaultKind.EMPTY_CARD, self._settings.services.ask) is not None
            found[names.essc_no] = "" if empty else person.essc_no
        return self._found(found)

    def _person(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        names = self._settings.fields
        person = self._people.of_card(str(fields.get(names.essc_no, "")))
        if person is None:
            return {"msgCode": _REFUSED, "msg": "没有这张卡"}
        lost = self._faults.take(FaultKind.CARD_LOST, self._settings.services.person) is not None
        return self._found(
            {
                names.essc_no: person.essc_no,
                names.region: person.region,
                names.card_status: "2" if lost else person.card_status,
                names.document_number: person.document_number,
                names.document_kind: DOCUMENT_KINDS[person.document_kind],
                names.name: person.name,
            }
        )

    def _found(self, result: Mapping[str, str]) -> dict[str, Any]:
        sealed = self._protection.seal(json.dumps(result, ensure_ascii=False).encode())
        return {"msgCode": _OK, "msg": "成功", "result": {"encrypt": sealed}}

    def _sign(self, told: Mapping[str, Any], service: str) -> Response:
        timestamp = str(int(self._now() * 1000))
        parameters = {"msgCode": told["msgCode"], "msg": told["msg"], TIMESTAMP_HEADER: timestamp}
        if "result" in told:
            parameters["encrypt"] = told["result"]["encrypt"]
        text = canonical_text(parameters)
        if self._faults.take(FaultKind.WRONG_SIGNATURE, service) is not None:
            text += "&"
        headers = {TIMESTAMP_HEADER: timestamp}
        if self._faults.take(FaultKind.UNSIGNED, service) is None:
            headers[SIGNATURE_HEADER] = self._protection.sign(text)
        return JSONResponse(told, headers=headers)


class _Dropped(Response):
    """Ends the connection before the answer is whole."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        # More is announced than comes: the server closes the connection.
        start = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")]}
        await send(start)
        raise ConnectionAbortedError


def _protection(settings: SimulatorSettings) -> MessageProtection:
    if settings.protection == "hmac-sm3-sm4-gcm":
        return HmacSm3Sm4Gcm(settings.signing_key.encode(), settings.encryption_key)
    return HmacSha1AesCbc(settings.signing_key.encode(), settings.encryption_key)


def _security(body: bytes) -> str | None:
    try:
        value = json.loads(body)
    except ValueError:
        return None
    found = value.get("security") if isinstance(value, dict) else None
    return found if isinstance(found, str) else None


def _gateway(status: int, message: str) -> Response:
    told = {"code": status, "csbCode": status, "message": message, "requestId": secrets.token_hex(8)}
    return JSONResponse(told, status_code=status)
