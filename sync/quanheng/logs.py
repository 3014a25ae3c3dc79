"""Logs: structured, to standard error, and with nothing in them that says who somebody is.

A log is read by more people than the store. So the last step before a line is written goes over it:
:class:`~quanheng.model.sensitive.Sensitive` values, whatever is called a password, and every run of
digits that may be an ID number or a phone are replaced. It is a net below code that should not log
such values in the first place; where in doubt it takes out too much.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
import unicodedata
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

import structlog

from quanheng.model.change import Json
from quanheng.model.sensitive import Sensitive
from quanheng.printable import printable

HIDDEN: Final = "***"
_SECRET_NAME: Final = re.compile(r"passw|passphrase|secret|token|seal|authorization|assertion|cookie", re.I)
_SECRETS_IN_TEXT: Final = (
    re.compile(r"(?i)\b([\w-]*(?:passw|passphrase|secret)[\w-]*[\"']?\s*[=:]\s*)[\"']?[^\s\"',;&]+"),
    re.compile(r"(?i)\b([\w-]*(?:token|assertion)[\w-]*(?:=|[\"']\s*:\s*))[\"']?[^\s\"',;&]+"),
    re.compile(r"(?i)\b(authorization\s*[=:]\s*(?:bearer|basic)?\s*)[^\s,;]+"),
    re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]{8,}"),
    re.compile(r"()\beyJ[\w-]+\.[\w-]+\.[\w-]*"),  # a JSON Web Token (RFC 7519)
    re.compile(r"(?s)()-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"),
    re.compile(r"(://[^/\s:@]*:)[^/\s@]+(?=@)"),  # the password in a URL
)
_MAY_HOLD_SECRET: Final = re.compile(
    r"(?i)passw|passphrase|secret|token|assertion|authorization|bearer|eyJ|-----BEGIN|://"
)
_MAY_HOLD_NUMBER: Final = re.compile(r"\d{4}[ -]?\d{4}")
"""Whatever the patterns above and below find holds these: of a large plan nearly every text does not."""
_KEPT: Final = (
    r"(?<![0-9A-Za-z])([0-9A-Fa-f]{32,}|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})(?![0-9A-Za-z])|"
)
"""Digests, and ids of ours and of Keycloak: what stands among their digits is nobody's number."""
_NUMBERS: Final = re.compile(
    _KEPT
    # \d is any decimal digit, full width included.
    + r"(?<!\d)(?:\d{17}[\dXxＸｘ]|\d{15}"
    r"|(?:\+?86[ -]?)?[1１][3-9３-９]\d(?:[ -]?\d{8}|[ -]\d{4}[ -]\d{4}))(?!\d)"
)
"""A digest or id (group 1), which stays, or an ID number or phone, whatever letters stand beside it."""
_SPACED: Final = re.compile(
    _KEPT + r"(?<!\d)(?:\d{6}-?(?:19\d|200)\d-?\d\d-?\d\d-?\d{3}-?[\dXx]"
    r"|\d{6}-?\d\d-?[01]\d-?[0-3]\d-?\d{3}"
    r"|(?:86-?)?1[3-9]\d(?:-?\d{8}|-\d{4}-\d{4}))(?!\d)"
)
"""A digest or id (group 1), or a number as people write it in parts: area, day of birth and the rest; 3-4-4.

The day has to be one on which an adult was born: an area with the year of hire and a serial number is a staff
number. ``keycloak-config/user-profile.yaml`` says the same in Java's dialect."""
_DEPTH: Final = 6
_FRAMES: Final = 20
"""Calls to show of where a fault happened, the innermost ones."""


def redact_text(text: str) -> str:
    """The text without anything that looks like an ID number, a phone, or a secret with its name."""
    if _MAY_HOLD_SECRET.search(text):
        for secret in _SECRETS_IN_TEXT:
            text = secret.sub(rf"\1{HIDDEN}", text)
    return _NUMBERS.sub(_unless_kept, text) if _MAY_HOLD_NUMBER.search(text) else text


def _unless_kept(found: re.Match[str]) -> str:
    return found[1] or HIDDEN


def holds_number(text: str) -> bool:
    """Whether a short text that somebody typed holds an ID number or a phone, also when it is written in
    parts, with other digits (NFKC) or with characters that are not seen.

    A net with smaller meshes than that of :func:`redact_text`, for names and staff numbers alone.
    """
    folded = unicodedata.normalize("NFKC", text)
    seen = "".join(each for each in folded if unicodedata.category(each) != "Cf")
    spaced = "".join("-" if unicodedata.category(each)[0] in "PZ" else each for each in seen)
    if any(redact_text(each) != each for each in (text, seen)):
        return True
    return any(found[1] is None for found in _SPACED.finditer(spaced))


def redact_json(value: Json) -> Json:
    """The value with each of its texts redacted and printable, names of fields left as they are.

    For what is kept or sent on: names in it come from Keycloak, where anybody may be called by a number.
    Anything that JSON does not have stays, for whoever writes it down to refuse.
    """
    if isinstance(value, str):
        text = redact_text(value)
        return text if text.isprintable() else printable(text)
    if isinstance(value, Mapping):
        return {name: redact_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_json(item) for item in value]
    return value


def redact(value: object, depth: int = _DEPTH) -> Any:
    """The value with everything replaced that must not be shown, however deep it lies."""
    if isinstance(value, Sensitive) or depth == 0:
        return HIDDEN
    if isinstance(value, bool | float | None):
        return value
    if isinstance(value, int):
        text = str(value)
        return value if redact_text(text) == text else HIDDEN
    if isinstance(value, Mapping):
        return {
            redact_text(str(key)): HIDDEN if _SECRET_NAME.search(str(key)) else redact(item, depth - 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(item, depth - 1) for item in value]
    if isinstance(value, bytes):
        return HIDDEN
    return redact_text(str(value))


def redact_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor of structlog."""
    cleaned: dict[str, Any] = redact(event)
    return cleaned


def start_logs(*, debug: bool = False) -> None:
    """Send every log of this process, also those of libraries, to standard error, redacted."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = _ToStandardError()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                _drop_traceback,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                redact_event,  # last: whatever came in before, and from whom
                structlog.processors.KeyValueRenderer(
                    key_order=["timestamp", "level", "event"], drop_missing=True, repr_native_str=True
                ),
            ],
        )
    )
    root = logging.getLogger()
    for earlier in [item for item in root.handlers if isinstance(item, _ToStandardError)]:
        root.removeHandler(earlier)
    root.addHandler(handler)
    # Libraries speak of their requests at lower levels.
    root.setLevel(logging.WARNING)
    logging.getLogger("quanheng").setLevel(logging.DEBUG if debug else logging.INFO)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


class _ToStandardError(logging.Handler):
    """Writes to whatever standard error is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
        except Exception:  # noqa: BLE001 -- as logging does: a log must not end what it tells of
            self.handleError(record)


def get_logger(name: str) -> Any:
    """A logger; ``name`` is the module's."""
    return structlog.get_logger(name)


def _drop_traceback(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keep the kind of an exception and where it happened, and nothing of its text, which others wrote."""
    fault = event.pop("exc_info", None)
    if fault is True:
        fault = sys.exc_info()
    elif isinstance(fault, BaseException):
        fault = (type(fault), fault, fault.__traceback__)
    if isinstance(fault, tuple) and fault[0] is not None:
        event["fault"] = fault[0].__name__
        frames = [f"{frame.f_globals.get('__name__')}:{line}" for frame, line in traceback.walk_tb(fault[2])]
        event["frames"] = frames[-_FRAMES:]
    event.pop("stack_info", None)
    return event
