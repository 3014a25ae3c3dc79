"""The circuit breaker in front of the card platform."""

from __future__ import annotations

import pytest

from quanheng.bridge.card.breaker import BreakerOpenError, BreakerState, CircuitBreaker
from quanheng.bridge.card.port import PlatformAnswerError, PlatformUnavailableError


class Seconds:
    """A monotonic clock that tests put forward."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    """The clock of the breaker."""
    return Seconds()


@pytest.fixture
def breaker(seconds: Seconds) -> CircuitBreaker:
    """Opens after three failures, for five seconds."""
    return CircuitBreaker(3, 5, seconds)


def call(breaker: CircuitBreaker, fault: BaseException | None = None) -> bool:
    """Whether a call that ends so was let through."""
    try:
        with breaker.guard():
            end(fault)
    except BreakerOpenError:
        return False
    except BaseException as error:
        if error is not fault:
            raise
    return True


def end(fault: BaseException | None) -> None:
    """The end of a call."""
    if fault is not None:
        raise fault


def open_it(breaker: CircuitBreaker) -> None:
    """Fail until it opens."""
    for _ in range(3):
        assert call(breaker, PlatformUnavailableError())
    assert breaker.state is BreakerState.OPEN


def test_it_opens_after_failures_in_a_row(breaker: CircuitBreaker) -> None:
    """A success between them begins anew."""
    for fault in (PlatformUnavailableError(), PlatformUnavailableError(), None):
        assert call(breaker, fault)
    assert breaker.state is BreakerState.CLOSED
    open_it(breaker)
    assert not call(breaker)


def test_a_wrong_answer_is_no_failure(breaker: CircuitBreaker) -> None:
    """Whoever answers is there."""
    for _ in range(10):
        assert call(breaker, PlatformAnswerError())
    assert breaker.state is BreakerState.CLOSED


def test_one_call_alone_tries_after_the_pause(breaker: CircuitBreaker, seconds: Seconds) -> None:
    """Others fail at once while it is under way; its success lets everybody through."""
    open_it(breaker)
    seconds.now += 4.9
    assert not call(breaker)
    seconds.now += 0.2
    assert breaker.state is BreakerState.HALF_OPEN
    with breaker.guard():
        assert not call(breaker)
    assert breaker.state is BreakerState.CLOSED
    assert call(breaker)


def test_a_probe_that_fails_opens_it_again(breaker: CircuitBreaker, seconds: Seconds) -> None:
    """For the whole pause."""
    open_it(breaker)
    seconds.now += 5
    assert call(breaker, PlatformUnavailableError())
    assert breaker.state is BreakerState.OPEN
    seconds.now += 5
    assert call(breaker)
    assert breaker.state is BreakerState.CLOSED


def test_a_probe_that_is_called_off_makes_room_for_the_next(
    breaker: CircuitBreaker, seconds: Seconds
) -> None:
    """Its browser went away: nothing was learnt."""
    open_it(breaker)
    seconds.now += 5
    assert call(breaker, KeyboardInterrupt())
    assert breaker.state is BreakerState.HALF_OPEN
    assert call(breaker)
    assert breaker.state is BreakerState.CLOSED


def test_a_late_success_does_not_close_it(breaker: CircuitBreaker) -> None:
    """A call from before it opened says nothing of now."""
    with breaker.guard():
        open_it(breaker)
    assert breaker.state is BreakerState.OPEN
