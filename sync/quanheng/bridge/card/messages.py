"""Envelopes of the national channel: headers, signature and body of a request, and an answer opened.

**What is signed is written nowhere in public**; that decision is :func:`canonical_text` and nothing else, so
that an integrator changes one function. No I/O.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from quanheng.bridge.card.port import PlatformAnswerError, PlatformUnavailableError
from quanheng.bridge.card.protection import MessageProtection, ProtectionError
from quanheng.bridge.settings import PlatformSettings
from quanheng.model.change import Json

NAME_HEADER: Final = "_api_name"
VERSION_HEADER: Final = "_api_version"
TIMESTAMP_HEADER: Final = "_api_timestamp"
ACCESS_KEY_HEADER: Final = "_api_access_key"
SIGNATURE_HEADER: Final = "_api_signature"
CLOCK_TOLERANCE: Final = timedelta(minutes=5)
"""How far a signed answer's timestamp may be off: an answer of yesterday is not one of today."""

_MESSAGE_CODE: Final = re.compile(r"[0-9A-Za-z_.-]{1,32}")
_SHORT_CODE: Final = re.compile(r"[0-9A-Za-z]{1,8}")
_TIMESTAMP: Final = re.compile(r"[0-9]{13}")
_UNAVAILABLE: Final = frozenset({408, 425, 429})
"""HTTP says: not now. With these and everything from 500 the platform may answer later (RFC 9110)."""

_FORM: Final = "see that bridge.platform.url is the platform's endpoint, and not a proxy's or a login page"


class PlatformRefusedError(PlatformAnswerError):
    """The card platform does not accept our request."""

    def __init__(self, code: str) -> None:
        super().__init__(
            "the card platform does not accept the request",
            remedy="run 'quanheng bridge try', and ask the platform's operator what the code that it shows "
            "means; a wrong key, channel, access number or clock are the usual reasons",
        )
        self.code: Final = code if _SHORT_CODE.fullmatch(code) else ""
        """``msgCode`` of the answer, when it is short enough to be nothing else; in no message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawAnswer:
    """What came back over HTTP."""

    status: int
    headers: Mapping[str, str]
    """Looked up without regard to case."""
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedAnswer:
    """An answer whose signature was right. ``repr`` shows no content."""

    code: str
    content: Mapping[str, Json] | None
    """None: it had no encrypted part."""

    def __repr__(self) -> str:
        return "OpenedAnswer(***)"


def canonical_text(parameters: Mapping[str, str]) -> str:
    """What is signed: ``name=value`` of every parameter, sorted by name, joined with ``&``, nothing escaped.

    Parameters of a request are its ``_api_`` headers but the signature, and those of its body (``security``);
    of an answer ``msgCode``, ``msg``, ``encrypt`` and, when it has that header, ``_api_timestamp``.
    """
    return "&".join(f"{name}={parameters[name]}" for name in sorted(parameters))


def build_request(
    service: str,
    content: Mapping[str, str],
    settings: PlatformSettings,
    protection: MessageProtection,
    now: datetime,
) -> tuple[dict[str, str], bytes]:
    """Headers and body of a request to a service, by the name that the channel gives it."""
    security = protection.seal(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode())
    headers = {
        NAME_HEADER: service,
        VERSION_HEADER: settings.api_version,
        TIMESTAMP_HEADER: str(int(now.timestamp() * 1000)),
        ACCESS_KEY_HEADER: settings.access_key,
    }
    signature = protection.sign(canonical_text({**headers, "security": security}))
    headers[SIGNATURE_HEADER] = signature
    headers["Content-Type"] = "application/json; charset=utf-8"
    return headers, json.dumps({"security": security}).encode()


def open_answer(
    raw: RawAnswer, settings: PlatformSettings, protection: MessageProtection, now: datetime
) -> OpenedAnswer:
    """The answer, once its signature was verified.

    ``answers_signed = false`` leaves the signature out; TLS alone speaks for the answer then.

    Raises :class:`PlatformUnavailableError` for a fault of the gateway, :class:`PlatformRefusedError` for a
    code that says neither success nor a state, and :class:`PlatformAnswerError` for anything else.
    """
    if raw.status >= 500 or raw.status in _UNAVAILABLE:
        raise PlatformUnavailableError("the card platform says that it is out of order")
    answer = _read_json(raw.body)
    if "csbCode" in answer or ("code" in answer and "msgCode" not in answer):
        _raise_gateway_error(answer)
    if raw.status != 200:
        raise PlatformAnswerError("the card platform answered with an unexpected HTTP status", remedy=_FORM)
    code = _text(answer.get("msgCode"))
    if not _MESSAGE_CODE.fullmatch(code):
        raise PlatformAnswerError("the card platform's answer has no msgCode", remedy=_FORM)
    encrypted = _encrypted(answer.get("result"))
    if code not in settings.success_codes and code not in settings.code_states:
        # Signed or not, nothing comes of it: a platform that cannot check our key may well not sign.
        raise PlatformRefusedError(code)
    if settings.answers_signed:
        _verify(raw, answer, code, encrypted, protection, now)
    content = None if encrypted is None else _read_content(protection.open(encrypted))
    return OpenedAnswer(code=code, content=content)


def _verify(
    raw: RawAnswer,
    answer: Mapping[str, Json],
    code: str,
    encrypted: str | None,
    protection: MessageProtection,
    now: datetime,
) -> None:
    parameters = {"msgCode": code, "msg": _text(answer.get("msg"))}
    if encrypted is not None:
        parameters["encrypt"] = encrypted
    timestamp = raw.headers.get(TIMESTAMP_HEADER)
    if timestamp is not None:
        parameters[TIMESTAMP_HEADER] = timestamp
    signature = raw.headers.get(SIGNATURE_HEADER)
    if signature is None:
        raise ProtectionError
    protection.verify(canonical_text(parameters), signature)
    if timestamp is None:
        return
    if not _TIMESTAMP.fullmatch(timestamp) or (
        abs(int(timestamp) / 1000 - now.timestamp()) > CLOCK_TOLERANCE.total_seconds()
    ):
        raise PlatformAnswerError(
            "the card platform's answer is not of now",
            remedy="compare the clock of this machine with the right time (chronyc tracking); if it is "
            "right, somebody sends old answers",
        )


def _read_json(body: bytes) -> Mapping[str, Json]:
    try:
        answer = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise PlatformAnswerError("the card platform's answer is no JSON", remedy=_FORM) from None
    if not isinstance(answer, dict):
        raise PlatformAnswerError("the card platform's answer is no JSON object", remedy=_FORM)
    return answer


def _read_content(content: bytes) -> Mapping[str, Json]:
    # A wrong key of AES-CBC passes the padding once in 256 times, and is found here: the same error.
    try:
        return _read_json(content)
    except PlatformAnswerError:
        raise ProtectionError from None


def _raise_gateway_error(answer: Mapping[str, Json]) -> None:
    code = _text(answer.get("csbCode", answer.get("code")))
    if code.isascii() and code.isdigit() and 400 <= int(code[:3]) < 500 and int(code[:3]) not in _UNAVAILABLE:
        raise PlatformRefusedError(code)
    raise PlatformUnavailableError("the gateway of the card platform says that it is out of order")


def _encrypted(result: Json) -> str | None:
    if result is None or result in ("", {}):
        return None
    encrypted = result.get("encrypt") if isinstance(result, Mapping) else None
    if not isinstance(encrypted, str):
        raise PlatformAnswerError(
            "the card platform's answer has no encrypted part in its result", remedy=_FORM
        )
    return encrypted


def _text(value: Json) -> str:
    """A text, or a whole number where the platform writes one without quotation marks."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise PlatformAnswerError("the card platform's answer has a field of a wrong kind", remedy=_FORM)
