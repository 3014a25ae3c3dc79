"""A circuit breaker: what does not answer is not asked all the time.

After so many failures in a row it opens, and every call fails at once; after a pause one call alone may try
(half open). Its success closes the breaker, its failure opens it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final

from quanheng.bridge.card.port import PlatformUnavailableError
from quanheng.logs import get_logger

_log = get_logger(__name__)


class BreakerState(StrEnum):
    """What the breaker lets through: everything, nothing, one call."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class BreakerOpenError(PlatformUnavailableError):
    """The card platform failed several times; it is left alone for a few seconds."""


class CircuitBreaker:
    """For one loop; calls may overlap. ``monotonic`` gives seconds that never go back."""

    def __init__(self, failures: int, seconds: float, monotonic: Callable[[], float]) -> None:
        """``failures`` in a row open it, for ``seconds``."""
        self._limit: Final = failures
        self._seconds: Final = seconds
        self._monotonic: Final = monotonic
        self._failures = 0
        self._opened_at: float | None = None
        self._probing = False

    @property
    def state(self) -> BreakerState:
        """As the next call would find it."""
        if self._opened_at is None:
            return BreakerState.CLOSED
        if self._monotonic() - self._opened_at < self._seconds:
            return BreakerState.OPEN
        return BreakerState.HALF_OPEN

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Around one call. :class:`PlatformUnavailableError` is a failure, the end of the call a success, and
        anything else (a cancellation, an answer that makes no sense) neither.

        Raises :class:`BreakerOpenError` when the call may not be made.
        """
        state = self.state
        if state is BreakerState.OPEN or (state is BreakerState.HALF_OPEN and self._probing):
            raise BreakerOpenError
        probe = state is BreakerState.HALF_OPEN
        self._probing = self._probing or probe
        try:
            yield
        except PlatformUnavailableError:
            self._fail(probe=probe)
            raise
        else:
            self._succeed(probe=probe)
        finally:
            if probe:
                self._probing = False

    def _fail(self, *, probe: bool) -> None:
        self._failures += 1
        if probe or (self._opened_at is None and self._failures >= self._limit):
            self._opened_at = self._monotonic()
            _log.warning("the card platform is left alone for a while", seconds=self._seconds)

    def _succeed(self, *, probe: bool) -> None:
        # A call from before the breaker opened does not close it: only the probe was asked to tell.
        if self._opened_at is not None and not probe:
            return
        if probe:
            _log.info("the card platform answers again")
        self._opened_at = None
        self._failures = 0
