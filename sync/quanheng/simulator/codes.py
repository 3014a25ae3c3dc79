"""Codes that were made, and what became of them."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_KEPT: Final = 100_000
"""Codes that are remembered; the oldest are forgotten first."""


class CodeState(StrEnum):
    """States as the platform numbers them (``qrCodeStatus``)."""

    WAITING = "0"
    SCANNED = "1"
    CONFIRMED = "2"
    CANCELLED = "3"
    EXPIRED = "4"
    INVALID = "5"


@dataclass(slots=True, kw_only=True)
class Code:
    """A code on some screen."""

    text: str
    system_name: str
    made_at: float
    state: CodeState = CodeState.WAITING
    person: str = ""
    """Id of whoever scanned it."""


class CodeError(Exception):
    """The code is not in a state in which that can be done with it."""


class Codes:
    """Every code of this process."""

    def __init__(self, seconds: float, now: Callable[[], float], prefix: str = "") -> None:
        self._seconds = seconds
        self._now = now
        self._prefix = prefix
        self._codes: OrderedDict[str, Code] = OrderedDict()
        self.autopilot: Callable[[], str] | None = None
        """Somebody confirms each code as soon as it is asked about; returns who."""

    def make(self, system_name: str) -> Code:
        """A new one: 192 random bits."""
        text = f"{self._prefix}{secrets.token_urlsafe(24)}"
        code = Code(text=text, system_name=system_name, made_at=self._now())
        self._codes[text] = code
        if len(self._codes) > _KEPT:
            self._codes.popitem(last=False)
        return code

    def state(self, text: str) -> tuple[CodeState, Code | None]:
        """What became of a code; one that was never made is invalid."""
        code = self._codes.get(text)
        if code is None:
            return CodeState.INVALID, None
        if self.autopilot is not None and code.state is CodeState.WAITING:
            code.state, code.person = CodeState.CONFIRMED, self.autopilot()
        open_ = code.state in (CodeState.WAITING, CodeState.SCANNED)
        if open_ and self._now() - code.made_at > self._seconds:
            code.state = CodeState.EXPIRED
        return code.state, code

    def scan(self, text: str, person: str) -> Code:
        """Somebody's phone scans it. Raises :class:`CodeError`."""
        if not person:
            raise CodeError("nobody scans this code")
        return self._move(text, (CodeState.WAITING,), CodeState.SCANNED, person)

    def confirm(self, text: str, person: str) -> Code:
        """Whoever scanned it confirms, or somebody scans and confirms at once. Raises :class:`CodeError`."""
        state, code = self.state(text)
        if code is not None and state is CodeState.SCANNED:
            person = person or code.person
        if not person:
            raise CodeError("nobody has scanned this code")
        return self._move(text, (CodeState.WAITING, CodeState.SCANNED), CodeState.CONFIRMED, person)

    def cancel(self, text: str) -> Code:
        """The phone cancels. Raises :class:`CodeError`."""
        return self._move(text, (CodeState.WAITING, CodeState.SCANNED), CodeState.CANCELLED, "")

    def expire(self, text: str) -> Code:
        """Its time is over now. Raises :class:`CodeError`."""
        return self._move(text, (CodeState.WAITING, CodeState.SCANNED), CodeState.EXPIRED, "")

    def newest(self, limit: int) -> Sequence[Code]:
        """The newest codes, the newest first."""
        found = []
        for text in reversed(self._codes):
            self.state(text)
            found.append(self._codes[text])
            if len(found) == limit:
                break
        return found

    def age(self, code: Code) -> float:
        """Seconds since it was made."""
        return self._now() - code.made_at

    def _move(self, text: str, states: tuple[CodeState, ...], to: CodeState, person: str) -> Code:
        state, code = self.state(text)
        if code is None or state not in states:
            raise CodeError("the code is not known, or it is over")
        code.state, code.person = to, person or code.person
        return code
