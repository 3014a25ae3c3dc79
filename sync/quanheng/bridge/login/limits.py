"""How much one address, and all together, may ask in a minute. Each process counts for itself."""

from __future__ import annotations

import math
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from quanheng.bridge.login.address import subscriber
from quanheng.bridge.settings import LimitSettings

MINUTE: Final = 60.0
HOLDER: Final = 240
"""Requests a minute of one login's browser: several tabs that poll."""
_SPREAD: Final = 30
"""Seconds over which those come again who were sent away, so that they are not one crowd again."""
_KEYS: Final = 20_000
"""Addresses that one window remembers before those that have fallen silent are dropped."""


class Window:
    """A sliding window: two counters for each key, the earlier weighted by how much of it still counts.

    So a key costs the same whatever its limit is, and nobody gets twice the limit around a turn.
    """

    def __init__(
        self, limit: int, seconds: float = MINUTE, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit: Final = limit
        self._seconds: Final = seconds
        self._now: Final = now
        self._slots: dict[str, tuple[int, int, int]] = {}

    def hit(self, key: str) -> float:
        """Count one; 0 when it is within the limit, else seconds to wait, and it was not counted."""
        slot, passed = divmod(self._now(), self._seconds)
        earlier, current = self._counts(key, int(slot))
        left = 1 - passed / self._seconds
        if earlier * left + current + 1 > self._limit:
            return self._wait(earlier, current, passed)
        if len(self._slots) >= _KEYS and key not in self._slots:
            self._sweep(int(slot))
        self._slots[key] = (int(slot), earlier, current + 1)
        return 0.0

    def _counts(self, key: str, slot: int) -> tuple[int, int]:
        at, earlier, current = self._slots.get(key, (slot, 0, 0))
        if at == slot:
            return earlier, current
        return (current, 0) if at == slot - 1 else (0, 0)

    def _wait(self, earlier: int, current: int, passed: float) -> float:
        rest = self._seconds - passed
        room = self._limit - 1 - current
        if room >= 0 and earlier:
            # earlier × (1 - t ÷ seconds) ≤ room
            return max(0.001, min(rest, self._seconds * (1 - room / earlier) - passed))
        # In the next slot the current count is the earlier one.
        share = 1 - max(0, self._limit - 1) / max(1, current)
        return max(0.001, rest + self._seconds * max(0.0, share))

    def _sweep(self, slot: int) -> None:
        self._slots = {key: value for key, value in self._slots.items() if value[0] >= slot - 1}
        if len(self._slots) >= _KEYS:
            # Somebody with very many addresses: the limit for all together is what holds then.
            self._slots.clear()


class Limits:
    """What ``[bridge.limits]`` says, counted."""

    def __init__(self, settings: LimitSettings, now: Callable[[], float] = time.monotonic) -> None:
        self._logins: Final = Window(settings.logins_per_minute, now=now)
        self._logins_in_all: Final = Window(settings.logins_per_minute_in_all, now=now)
        self._holders: Final = Window(HOLDER, now=now)
        self._requests: Final = Window(settings.requests_per_minute, now=now)
        self._tokens: Final = Window(settings.logins_per_minute_in_all, now=now)
        self._streams: Final[Counter[str]] = Counter()
        self._streams_limit: Final = settings.streams_per_address

    def new_login(self, address: str) -> int:
        """A new login of this address; 0, or seconds to wait (``Retry-After``)."""
        wait = self._logins.hit(subscriber(address)) or self._logins_in_all.hit("")
        return _whole(wait + random.uniform(0, _SPREAD)) if wait else 0  # noqa: S311 -- no secret

    def holder(self, login: str) -> int:
        """Anything that the browser of a login asks about it; 0, or seconds to wait."""
        return _whole(self._holders.hit(login))

    def request(self, address: str) -> int:
        """Anything else that a browser asks; 0, or seconds to wait."""
        return _whole(self._requests.hit(subscriber(address)))

    def machine(self, address: str) -> int:
        """Something that Keycloak asks, for each login once; 0, or seconds to wait.

        All logins of a realm come from one Keycloak, so it has the limit of all of them.
        """
        return _whole(self._tokens.hit(subscriber(address)))

    def open_stream(self, address: str) -> bool:
        """One more page that is told of changes; give it back with :meth:`close_stream`."""
        key = subscriber(address)
        if self._streams[key] >= self._streams_limit:
            return False
        self._streams[key] += 1
        return True

    def close_stream(self, address: str) -> None:
        """That page is gone."""
        key = subscriber(address)
        self._streams[key] -= 1
        if self._streams[key] <= 0:
            del self._streams[key]


def _whole(seconds: float) -> int:
    return math.ceil(seconds)
