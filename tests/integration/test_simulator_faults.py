"""The adapter against the simulator's faults, over HTTP: what it says, how often it asks."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import uvicorn
from deploy.local.ports import HOST, free_port
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from fixtures.card_platform import RunningSimulator, platform_settings, run_simulator
from fixtures.identities import a_mint
from quanheng.bridge.card.breaker import BreakerOpenError, BreakerState
from quanheng.bridge.card.messages import PlatformRefusedError
from quanheng.bridge.card.national import NationalPlatform
from quanheng.bridge.card.port import PlatformAnswerError, PlatformUnavailableError, UnusableAnswerError
from quanheng.bridge.card.protection import ProtectionError
from quanheng.bridge.settings import ServiceNames
from quanheng.bridge.values import ScanState
from quanheng.model.sensitive import Sensitive

pytestmark = pytest.mark.anyio

NAMES: Final = ServiceNames()
NUMBER: Final = a_mint().resident_number()
NAME: Final = "王测试"

MakePlatform = Callable[..., NationalPlatform]


@pytest.fixture
def anyio_backend() -> str:
    """The adapter is for asyncio alone."""
    return "asyncio"


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSimulator]:
    """One simulator for all; each test makes its own codes and mends what it broke."""
    with run_simulator() as simulator:
        simulator.post("people", id="somebody", name=NAME, document_number=NUMBER)
        yield simulator


@pytest.fixture
def simulator(running: RunningSimulator) -> Iterator[RunningSimulator]:
    """Nothing is wrong with it at first."""
    running.mend()
    yield running
    running.mend()


@pytest.fixture
async def make(tmp_path: Path, simulator: RunningSimulator) -> AsyncIterator[MakePlatform]:
    """Makes adapters with changed settings; closed at the end."""
    made: list[NationalPlatform] = []

    def make_one(
        url: str = simulator.url, *, monotonic: Callable[[], float] = time.monotonic, **changes: Any
    ) -> NationalPlatform:
        made.append(NationalPlatform(platform_settings(tmp_path, url, **changes), monotonic=monotonic))
        return made[-1]

    yield make_one
    for platform in made:
        await platform.close()


async def confirmed(platform: NationalPlatform, simulator: RunningSimulator) -> Sensitive:
    """The card of a code that somebody confirmed."""
    code = await platform.make_code()
    simulator.post("confirm", code=code, person="somebody")
    answer = await platform.ask(code)
    assert answer.essc_no is not None
    return answer.essc_no


CALLS: Final[dict[str, Callable[[NationalPlatform], Awaitable[object]]]] = {
    NAMES.make_code: lambda platform: platform.make_code(),
    NAMES.ask: lambda platform: platform.ask("x"),
    NAMES.person: lambda platform: platform.identify(Sensitive("x")),
}


@pytest.mark.parametrize("service", CALLS)
@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("out_of_order", PlatformUnavailableError),
        ("drop", PlatformUnavailableError),
        ("garbage", PlatformAnswerError),
        ("html", PlatformAnswerError),
        ("clock_off", PlatformRefusedError),
    ],
)
async def test_a_fault_is_the_ports_own_error(
    make: MakePlatform, simulator: RunningSimulator, service: str, kind: str, error: type[Exception]
) -> None:
    """For each service."""
    simulator.fault(kind, service=service)
    with pytest.raises(error):
        await CALLS[service](make())


@pytest.mark.parametrize("kind", ["wrong_signature", "unsigned"])
async def test_an_answer_that_is_not_signed_as_agreed_is_refused(
    make: MakePlatform, simulator: RunningSimulator, kind: str
) -> None:
    """Mistake 4 of deployed code; of each service that would say something."""
    platform = make()
    card = await confirmed(platform, simulator)
    simulator.fault(kind)
    for call in (platform.make_code(), platform.ask("x"), platform.identify(card)):
        with pytest.raises(ProtectionError):
            await call


async def test_the_faults_of_what_an_answer_says(make: MakePlatform, simulator: RunningSimulator) -> None:
    """No card, a state that nobody knows, a card that was lost in between: mistake 2 of deployed code."""
    platform = make()
    card = await confirmed(platform, simulator)
    code = await platform.make_code()
    simulator.post("confirm", code=code, person="somebody")
    for kind in ("empty_card", "unknown_state"):
        simulator.fault(kind)
        with pytest.raises(UnusableAnswerError):
            await platform.ask(code)
    simulator.mend()
    assert (await platform.identify(card)).usable
    simulator.fault("card_lost")
    lost = await platform.identify(card)
    assert (lost.usable, lost.status) == (False, "2")


async def test_cards_in_each_status(make: MakePlatform, simulator: RunningSimulator) -> None:
    """Only a normal one is usable."""
    platform = make()
    usable = {}
    for person in simulator.get("people?query=odd-"):
        code = await platform.make_code()
        simulator.post("confirm", code=code, person=person["id"])
        answer = await platform.ask(code)
        assert answer.essc_no is not None
        card = await platform.identify(answer.essc_no)
        usable[card.status] = card.usable
    assert usable == {"0": False, "1": True, "2": False, "3": False, "4": False, "9": False}


async def test_an_answer_to_another_question_is_refused(
    make: MakePlatform, simulator: RunningSimulator
) -> None:
    """Rightly signed as it is: about another code, about another card, a code that was given out before."""
    platform = make()
    card = await confirmed(platform, simulator)  # the answers to be sent again
    await platform.identify(card)
    simulator.post("people", id="another", name=NAME, document_number=a_mint().resident_number())
    code = await platform.make_code()
    simulator.post("confirm", code=code, person="another")
    other = await platform.ask(code)
    assert other.essc_no is not None
    mine = await platform.make_code()
    simulator.fault("replay")
    with pytest.raises(PlatformAnswerError, match="something else"):
        await platform.ask(mine)
    with pytest.raises(PlatformAnswerError, match="something else"):
        await platform.identify(other.essc_no)
    with pytest.raises(PlatformAnswerError, match="given out before"):
        await platform.make_code()


async def test_what_may_be_asked_twice_is_asked_twice(
    make: MakePlatform, simulator: RunningSimulator
) -> None:
    """Asking and looking up, once more than the first time; making a code never is."""
    platform = make(retries=1, breaker_failures=50)
    for service, times in ((NAMES.make_code, 1), (NAMES.ask, 2), (NAMES.person, 2)):
        simulator.fault("out_of_order", service=service)
        before = simulator.asked(service)
        with pytest.raises(PlatformUnavailableError):
            await CALLS[service](platform)
        assert simulator.asked(service) - before == times


async def test_a_second_try_may_help(make: MakePlatform, simulator: RunningSimulator) -> None:
    """One fault is not told to anybody."""
    platform = make(retries=1)
    code = await platform.make_code()
    for kind in ("out_of_order", "drop"):
        simulator.fault(kind, times=1)
        assert (await platform.ask(code)).state is ScanState.WAITING


async def test_a_wrong_answer_is_not_asked_for_again(make: MakePlatform, simulator: RunningSimulator) -> None:
    """It would be the same."""
    platform = make(retries=3)
    simulator.fault("wrong_signature")
    before = simulator.asked(NAMES.ask)
    with pytest.raises(ProtectionError):
        await platform.ask("x")
    assert simulator.asked(NAMES.ask) - before == 1


async def test_a_slow_platform_is_given_up(make: MakePlatform, simulator: RunningSimulator) -> None:
    """The answer would come after the end of the test's own time."""
    simulator.fault("delay", seconds=60)
    with pytest.raises(PlatformUnavailableError):
        await make(timeout_seconds=0.3).make_code()


async def test_a_platform_that_is_not_there_is_unavailable(make: MakePlatform) -> None:
    """Refused connections; names that nobody has."""
    for url in (f"http://{HOST}:{free_port()}/CSB/", "https://card.invalid/CSB/"):
        with pytest.raises(PlatformUnavailableError):
            await make(url, retries=0).ask("x")


async def test_a_platform_that_fails_is_left_alone(make: MakePlatform, simulator: RunningSimulator) -> None:
    """After so many failures nothing reaches it; after the pause one request alone does, and it recovers."""
    now = [0.0]
    platform = make(monotonic=lambda: now[0], retries=0, breaker_failures=3, breaker_seconds=5)
    simulator.fault("out_of_order")
    for _ in range(3):
        with pytest.raises(PlatformUnavailableError):
            await platform.ask("x")
    assert platform.breaker_state is BreakerState.OPEN
    before = simulator.asked(NAMES.ask)
    for _ in range(20):
        with pytest.raises(BreakerOpenError):
            await platform.ask("x")
    assert simulator.asked(NAMES.ask) == before
    simulator.fault("delay", seconds=0.3)
    now[0] = 5
    results = await asyncio.gather(*(platform.ask("x") for _ in range(10)), return_exceptions=True)
    assert simulator.asked(NAMES.ask) == before + 1
    assert sum(isinstance(result, BreakerOpenError) for result in results) == 9
    simulator.mend()
    assert (await platform.ask("x")).state is ScanState.EXPIRED
    assert platform.breaker_state is BreakerState.CLOSED


async def test_nobody_waits_for_a_platform_that_is_left_alone(
    make: MakePlatform, simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No pause and no second try: the page can say so at once."""
    platform = make(retries=3, breaker_failures=1, breaker_seconds=60)
    simulator.fault("out_of_order")
    with pytest.raises(PlatformUnavailableError):
        await platform.make_code()
    paused: list[float] = []

    async def pause(seconds: float) -> None:
        paused.append(seconds)

    monkeypatch.setattr("quanheng.bridge.card.national.asyncio.sleep", pause)
    with pytest.raises(BreakerOpenError):
        await platform.ask("x")
    assert paused == []


async def test_no_value_comes_into_a_log_or_an_error(
    make: MakePlatform, simulator: RunningSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever goes wrong, neither number, name, card, code nor key."""
    caplog.set_level(logging.DEBUG)
    platform = make(retries=0)
    card = await confirmed(platform, simulator)
    code = await platform.make_code()
    told = []
    kinds = (
        "out_of_order garbage html drop wrong_signature unsigned replay clock_off empty_card unknown_state"
    )
    for kind in kinds.split():
        simulator.fault(kind)
        for call in (platform.make_code(), platform.ask(code), platform.identify(card)):
            try:
                await call
            except (PlatformUnavailableError, PlatformAnswerError) as error:
                told.append(f"{error} {error!r} {error.__cause__!r}")
    assert len(told) > 20
    text = caplog.text + "".join(told)
    for secret in (NUMBER, NAME, card.reveal(), code, "a-signing-key", "00112233"):
        assert secret not in text


class Odd:
    """A server that does what no platform should."""

    def __init__(self) -> None:
        self.at_once = self.most_at_once = self.followed = 0

    def app(self) -> Starlette:
        """As a web application."""

        async def large(_request: Request) -> Response:
            return Response(b" " * 1_000_000, media_type="application/json")

        async def redirect(_request: Request) -> Response:
            return RedirectResponse("/followed", status_code=307)

        async def followed(_request: Request) -> Response:
            self.followed += 1
            return Response(b"{}")

        async def packed(_request: Request) -> Response:
            return Response(b"\x1f\x8b" + b"x" * 50, headers={"content-encoding": "gzip"})

        async def slow(_request: Request) -> Response:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            await asyncio.sleep(0.05)
            self.at_once -= 1
            return Response(b"{}")

        routes = [large, redirect, followed, packed, slow]
        return Starlette(routes=[Route(f"/{it.__name__}", it, methods=["POST"]) for it in routes])


@pytest.fixture
async def odd() -> AsyncIterator[tuple[str, Odd]]:
    """The server, in the loop of the test."""
    odd, port = Odd(), free_port()
    config = uvicorn.Config(
        odd.app(), host=HOST, port=port, log_config=None, access_log=False, lifespan="off"
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield f"http://{HOST}:{port}", odd
    server.should_exit = True
    await task


@pytest.mark.parametrize(
    ("path", "told"), [("large", "too large"), ("redirect", "elsewhere"), ("packed", "no JSON")]
)
async def test_what_no_platform_sends_is_an_answer_error(
    make: MakePlatform, odd: tuple[str, Odd], path: str, told: str
) -> None:
    """A megabyte, a redirect (which nobody follows: the signature went to another), compression."""
    with pytest.raises(PlatformAnswerError, match=told):
        await make(f"{odd[0]}/{path}").make_code()
    assert odd[1].followed == 0


async def test_the_pool_has_a_limit(make: MakePlatform, odd: tuple[str, Odd]) -> None:
    """So many requests at once, and no more; the others wait for their turn."""
    platform = make(f"{odd[0]}/slow", connections=4)
    await asyncio.gather(*(platform.ask("x") for _ in range(20)), return_exceptions=True)
    assert odd[1].most_at_once == 4
