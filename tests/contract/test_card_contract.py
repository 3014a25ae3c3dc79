"""The card platform behind its port: in memory, and the adapter with the simulator, both protections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, Protocol

import pytest

from fixtures.card_platform import PROTECTIONS, RunningSimulator, platform_settings, run_simulator
from fixtures.identities import a_mint
from quanheng.bridge.card.fake import FakePlatform
from quanheng.bridge.card.national import NationalPlatform
from quanheng.bridge.card.port import (
    CardPlatform,
    PlatformAnswerError,
    PlatformUnavailableError,
    UnusableAnswerError,
)
from quanheng.bridge.values import Card, ScanState
from quanheng.model.sensitive import Sensitive
from quanheng.model.staff import Document, DocumentKind

pytestmark = pytest.mark.anyio

NAME: Final = "王测试"
NUMBER: Final = a_mint().resident_number()
REGION: Final = "140902"
LOST: Final = "2"


class Bench(Protocol):
    """A platform, the phone of one person with a good card, and what may go wrong."""

    platform: CardPlatform

    def scan(self, code: str) -> None:
        """The phone scans it."""

    def confirm(self, code: str) -> None:
        """Its holder confirms."""

    def cancel(self, code: str) -> None:
        """Its holder cancels."""

    def expire(self, code: str) -> None:
        """Its time is up."""

    def confirm_without_card(self, code: str) -> None:
        """Confirmed, and the answer names no card."""

    def lose_card(self) -> None:
        """The card is reported lost."""

    def be_out_of_order(self) -> None:
        """Nothing works."""

    def answer_wrongly(self) -> None:
        """Answers cannot be believed."""

    def work(self) -> None:
        """Everything works again."""


class FakeBench:
    """In memory."""

    def __init__(self) -> None:
        self._fake = FakePlatform()
        self.platform: CardPlatform = self._fake
        self._essc_no = self._fake.add_card(self._card("1"))

    @staticmethod
    def _card(status: str) -> Card:
        document = Document(DocumentKind.RESIDENT_ID, Sensitive(NUMBER))
        return Card(
            region=REGION, usable=status == "1", status=status, document=document, name=Sensitive(NAME)
        )

    def scan(self, code: str) -> None:
        self._fake.scan(code)

    def confirm(self, code: str) -> None:
        self._fake.confirm(code, self._essc_no)

    def cancel(self, code: str) -> None:
        self._fake.cancel(code)

    def expire(self, code: str) -> None:
        self._fake.expire(code)

    def confirm_without_card(self, code: str) -> None:
        self._fake.confirm(code, None)

    def lose_card(self) -> None:
        self._fake.replace_card(self._essc_no, self._card(LOST))

    def be_out_of_order(self) -> None:
        self._fake.fail_with(PlatformUnavailableError())

    def answer_wrongly(self) -> None:
        self._fake.fail_with(PlatformAnswerError())

    def work(self) -> None:
        self._fake.fail_with(None)


class SimulatedBench:
    """The adapter, HTTP, and the simulator."""

    def __init__(self, platform: NationalPlatform, simulator: RunningSimulator) -> None:
        self.platform: CardPlatform = platform
        self._simulator = simulator
        self._put("1")

    def _put(self, status: str) -> None:
        person = {"id": "somebody", "name": NAME, "document_number": NUMBER, "region": REGION}
        self._simulator.post("people", **person, card_status=status)

    def scan(self, code: str) -> None:
        self._simulator.post("scan", code=code, person="somebody")

    def confirm(self, code: str) -> None:
        self._simulator.post("confirm", code=code, person="somebody")

    def cancel(self, code: str) -> None:
        self._simulator.post("cancel", code=code)

    def expire(self, code: str) -> None:
        self._simulator.post("expire", code=code)

    def confirm_without_card(self, code: str) -> None:
        self.confirm(code)
        self._simulator.fault("empty_card")

    def lose_card(self) -> None:
        self._put(LOST)

    def be_out_of_order(self) -> None:
        self._simulator.fault("out_of_order")

    def answer_wrongly(self) -> None:
        self._simulator.fault("wrong_signature")

    def work(self) -> None:
        self._simulator.mend()


@pytest.fixture
def anyio_backend() -> str:
    """The adapter is for asyncio alone."""
    return "asyncio"


@pytest.fixture(params=["fake", *PROTECTIONS])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    """Each implementation."""
    if request.param == "fake":
        yield FakeBench()
        return
    with run_simulator(protection=request.param) as running:
        settings = platform_settings(tmp_path, running.url, protection=request.param, breaker_seconds=0.05)
        platform = NationalPlatform(settings)
        yield SimulatedBench(platform, running)
        await platform.close()


async def test_a_code_goes_from_waiting_to_its_card(bench: Bench) -> None:
    """Waiting, scanned, confirmed; then the card's holder."""
    code = await bench.platform.make_code()
    assert (await bench.platform.ask(code)).state is ScanState.WAITING
    bench.scan(code)
    scanned = await bench.platform.ask(code)
    assert (scanned.state, scanned.essc_no) == (ScanState.SCANNED, None)
    bench.confirm(code)
    confirmed = await bench.platform.ask(code)
    assert confirmed.state is ScanState.CONFIRMED
    assert confirmed.essc_no
    card = await bench.platform.identify(confirmed.essc_no)
    assert card == Card(
        region=REGION,
        usable=True,
        status="1",
        document=Document(DocumentKind.RESIDENT_ID, Sensitive(NUMBER)),
        name=Sensitive(NAME),
    )


async def test_codes_differ(bench: Bench) -> None:
    """Also when many are made at once."""
    codes = await asyncio.gather(*(bench.platform.make_code() for _ in range(20)))
    assert len(set(codes)) == 20


async def test_a_cancelled_and_an_expired_code_say_so(bench: Bench) -> None:
    """And name no card."""
    for end, state in ((bench.cancel, ScanState.CANCELLED), (bench.expire, ScanState.EXPIRED)):
        code = await bench.platform.make_code()
        end(code)
        answer = await bench.platform.ask(code)
        assert (answer.state, answer.essc_no) == (state, None)


async def test_a_code_of_nobody_has_expired(bench: Bench) -> None:
    """The platform does not know it."""
    assert (await bench.platform.ask("never-made")).state is ScanState.EXPIRED


async def test_confirmed_without_a_card_is_unusable(bench: Bench) -> None:
    """Mistake 2 of deployed code."""
    code = await bench.platform.make_code()
    bench.confirm_without_card(code)
    with pytest.raises(UnusableAnswerError):
        await bench.platform.ask(code)


async def test_the_card_is_looked_at_each_time(bench: Bench) -> None:
    """One that is lost between confirmation and look-up is not usable."""
    code = await bench.platform.make_code()
    bench.confirm(code)
    confirmed = await bench.platform.ask(code)
    assert confirmed.essc_no is not None
    assert (await bench.platform.identify(confirmed.essc_no)).usable
    bench.lose_card()
    lost = await bench.platform.identify(confirmed.essc_no)
    assert (lost.usable, lost.status) == (False, LOST)


async def test_a_card_of_nobody_is_an_answer_error(bench: Bench) -> None:
    """The number is not in the message."""
    with pytest.raises(PlatformAnswerError) as refused:
        await bench.platform.identify(Sensitive("nobodys-card"))
    assert "nobodys-card" not in str(refused.value)


async def test_faults_are_the_ports_own_errors_and_end(bench: Bench) -> None:
    """Every method; and afterwards everything is as before."""
    code = await bench.platform.make_code()
    for break_it, error in (
        (bench.be_out_of_order, PlatformUnavailableError),
        (bench.answer_wrongly, PlatformAnswerError),
    ):
        break_it()
        for call in (
            bench.platform.make_code,
            lambda: bench.platform.ask(code),
            lambda: bench.platform.identify(Sensitive("x")),
        ):
            with pytest.raises(error):
                await call()
        bench.work()
        await asyncio.sleep(0.1)  # the breaker's pause
        assert (await bench.platform.ask(code)).state is ScanState.WAITING


async def test_nothing_of_it_is_shown(bench: Bench) -> None:
    """Neither keys nor cards in its repr."""
    code = await bench.platform.make_code()
    bench.confirm(code)
    essc_no = (await bench.platform.ask(code)).essc_no
    assert essc_no is not None
    shown = repr(bench.platform) + repr(await bench.platform.ask(code))
    for secret in (essc_no.reveal(), NUMBER, "a-signing-key", "00112233"):
        assert secret not in shown
