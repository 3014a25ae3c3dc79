"""A card platform in memory: the second implementation of the port."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from quanheng.bridge.card.port import PlatformAnswerError, PlatformUnavailableError, UnusableAnswerError
from quanheng.bridge.settings import MAX_CODE_SECONDS
from quanheng.bridge.values import Card, ScanAnswer, ScanState
from quanheng.clock import Clock, system_clock
from quanheng.model.sensitive import Sensitive

_FINAL: Final = frozenset({ScanState.CONFIRMED, ScanState.CANCELLED, ScanState.EXPIRED})


@dataclass(frozen=True, slots=True)
class _Code:
    state: ScanState
    expires_at: datetime
    essc_no: Sensitive | None = None


class FakePlatform:
    """Implements :class:`~quanheng.bridge.card.port.CardPlatform`; the other methods are the phone's, and
    tell it what to do wrong."""

    def __init__(self, *, clock: Clock = system_clock, code_seconds: int = MAX_CODE_SECONDS) -> None:
        self._clock: Final = clock
        self._life: Final = timedelta(seconds=code_seconds)
        self._codes: Final[dict[str, _Code]] = {}
        self._cards: Final[dict[Sensitive, Card]] = {}
        self._fault: PlatformUnavailableError | PlatformAnswerError | None = None
        self.asked = 0
        """Calls of :meth:`ask`."""

    def __repr__(self) -> str:
        return "FakePlatform()"

    async def make_code(self) -> str:
        """A new code."""
        self._fail()
        code = secrets.token_urlsafe(24)
        self._codes[code] = _Code(ScanState.WAITING, self._clock() + self._life)
        return code

    async def ask(self, code: str) -> ScanAnswer:
        """What became of it."""
        self.asked += 1
        self._fail()
        found = self._find(code)
        if found is None:
            return ScanAnswer(state=ScanState.EXPIRED)
        if found.state is ScanState.CONFIRMED and not found.essc_no:
            raise UnusableAnswerError("confirmed, and no card")
        return ScanAnswer(state=found.state, essc_no=found.essc_no)

    async def identify(self, essc_no: Sensitive) -> Card:
        """The card of this number."""
        self._fail()
        card = self._cards.get(essc_no)
        if card is None:
            raise PlatformAnswerError("no such card")
        return card

    async def close(self) -> None:
        """Nothing is open."""

    def add_card(self, card: Card) -> Sensitive:
        """Issue a card; its number."""
        essc_no = Sensitive(secrets.token_hex(16))
        self._cards[essc_no] = card
        return essc_no

    def replace_card(self, essc_no: Sensitive, card: Card) -> None:
        """The card of this number is another from now on, for example lost."""
        self._cards[essc_no] = card

    def scan(self, code: str) -> None:
        """The phone scanned it. Like the next three, no final state changes any more."""
        self._set(code, ScanState.SCANNED)

    def confirm(self, code: str, essc_no: Sensitive | None) -> None:
        """Its holder confirmed; None: an answer without a card."""
        self._set(code, ScanState.CONFIRMED, essc_no)

    def cancel(self, code: str) -> None:
        """Its holder does not want to log in."""
        self._set(code, ScanState.CANCELLED)

    def expire(self, code: str) -> None:
        """Its time is up."""
        self._set(code, ScanState.EXPIRED)

    def fail_with(self, fault: PlatformUnavailableError | PlatformAnswerError | None) -> None:
        """Every call raises this from now on; None: none does."""
        self._fault = fault

    def _fail(self) -> None:
        if self._fault is not None:
            raise self._fault

    def _find(self, code: str) -> _Code | None:
        found = self._codes.get(code)
        if found is not None and found.state not in _FINAL and self._clock() >= found.expires_at:
            found = replace(found, state=ScanState.EXPIRED)
        return found

    def _set(self, code: str, state: ScanState, essc_no: Sensitive | None = None) -> None:
        found = self._find(code)
        if found is not None and found.state not in _FINAL:
            self._codes[code] = replace(found, state=state, essc_no=essc_no)
