"""The national channel of 电子社保卡, behind the port: we ask, nothing is pushed.

There is no public specification. What integrators' code agrees on is here and in ``messages``; what differs
or is not known is in :class:`~quanheng.bridge.settings.PlatformSettings`. What was assumed is listed in
``docs/howto/connect-the-card-platform.md``.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final

from quanheng.bridge.card.answers import read_card, read_code, read_scan
from quanheng.bridge.card.breaker import BreakerOpenError, BreakerState, CircuitBreaker
from quanheng.bridge.card.messages import OpenedAnswer, build_request, open_answer
from quanheng.bridge.card.port import PlatformAnswerError, PlatformUnavailableError
from quanheng.bridge.card.protection import load_protection
from quanheng.bridge.card.transport import Transport
from quanheng.bridge.settings import PlatformSettings
from quanheng.bridge.values import Card, ScanAnswer
from quanheng.clock import Clock, day_in_china, system_clock
from quanheng.model.sensitive import Sensitive

_PAUSE: Final = (0.1, 0.3)
"""Seconds before a second try, at random: many waiting logins must not come again all at once."""
_REMEMBERED_CODES: Final = 20_000
"""Twice as many as may be open."""


class NationalPlatform:
    """Implements :class:`~quanheng.bridge.card.port.CardPlatform`. For one event loop, for any number of
    calls at once."""

    def __init__(
        self,
        settings: PlatformSettings,
        *,
        clock: Clock = system_clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Reads the keys; connects with the first call.

        Raises :class:`~quanheng.errors.ConfigurationError` when a key or ``ca_file`` cannot be used.
        """
        self._settings: Final = settings
        self._clock: Final = clock
        self._protection: Final = load_protection(settings)
        self._transport: Final = Transport(settings)
        self._breaker: Final = CircuitBreaker(settings.breaker_failures, settings.breaker_seconds, monotonic)
        self._codes: Final[OrderedDict[str, None]] = OrderedDict()

    def __repr__(self) -> str:
        return f"NationalPlatform({self._settings.url!r})"

    @property
    def breaker_state(self) -> BreakerState:
        """Whether the platform is asked at present."""
        return self._breaker.state

    async def make_code(self) -> str:
        """A new code for a screen. Tried once; ends within ``timeout_seconds``."""
        fields = self._settings.fields
        answer = await self._call(
            self._settings.services.make_code, {fields.system_name: self._settings.system_name}
        )
        code = read_code(answer, self._settings)
        if code in self._codes:
            # Two screens with one code: whoever confirms one would log in at the other.
            raise PlatformAnswerError(
                "the card platform's code was given out before",
                remedy="an old answer was sent again, or a cache stands between: let only TLS be between",
            )
        self._codes[code] = None
        if len(self._codes) > _REMEMBERED_CODES:
            self._codes.popitem(last=False)
        return code

    async def ask(self, code: str) -> ScanAnswer:
        """What became of a code. Tried again ``retries`` times when there is no answer."""
        answer = await self._call_again(self._settings.services.ask, {self._settings.fields.qr_code: code})
        return read_scan(answer, code, self._settings)

    async def identify(self, essc_no: Sensitive) -> Card:
        """The card of this number. Tried again ``retries`` times when there is no answer."""
        content = {self._settings.fields.essc_no: essc_no.reveal()}
        answer = await self._call_again(self._settings.services.person, content)
        return read_card(answer, essc_no, self._settings, day_in_china(self._clock()))

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def _call_again(self, service: str, content: Mapping[str, str]) -> OpenedAnswer:
        for _ in range(self._settings.retries):
            try:
                return await self._call(service, content)
            except BreakerOpenError:
                raise
            except PlatformUnavailableError:
                await asyncio.sleep(random.uniform(*_PAUSE))  # noqa: S311 -- no secret
        return await self._call(service, content)

    async def _call(self, service: str, content: Mapping[str, str]) -> OpenedAnswer:
        settings, now = self._settings, self._clock()
        common = {
            settings.fields.channel_no: settings.channel_no,
            settings.fields.access_no: settings.access_no,
        }
        headers, body = build_request(service, {**common, **content}, settings, self._protection, now)
        with self._breaker.guard():
            raw = await self._transport.post(headers, body)
            return open_answer(raw, settings, self._protection, self._clock())
