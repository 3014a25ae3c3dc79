"""Who waits is told: which code is asked about when, and what pages hear."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from quanheng.bridge.card.port import PlatformUnavailableError, UnusableAnswerError
from quanheng.bridge.login.steps import Confirmed, Steps, is_over
from quanheng.bridge.login.streams import EventStream, Listener, encode_event
from quanheng.bridge.login.waiting import Notice, WaitingRoom, Watch
from quanheng.bridge.settings import PlatformSettings
from quanheng.bridge.values import (
    AuthorizationRequest,
    Card,
    Locale,
    Login,
    LoginId,
    LoginState,
    ScanAnswer,
    ScanState,
)
from quanheng.errors import UnreachableError
from quanheng.model.sensitive import Sensitive
from quanheng.store.card_logins import StoredLogin

NOW = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)


def login(number: int = 1, state: LoginState = LoginState.WAITING) -> Login:
    """One of many."""
    request = AuthorizationRequest(
        client_id="c",
        client_name="n",
        redirect_uri="https://keycloak.example.gov.cn/",
        state="s",
        nonce="n",
        code_challenge="c",
        scope="openid",
        locale="zh",
    )
    return Login(
        id=LoginId(f"{number:032}"),
        request=request,
        state=state,
        created_at=NOW,
        deadline=NOW + timedelta(seconds=600),
        expires_at=None if state is LoginState.PREPARING else NOW + timedelta(seconds=120),
        qr_code=None if state is LoginState.PREPARING else "code",
        refreshes=0,
        address="192.0.2.1",
        browser="",
    )


class Platformless:
    """Steps without store and platform: tells what it is set to, and counts."""

    def __init__(self) -> None:
        self.now = NOW
        self.asked: Counter[LoginId] = Counter()
        self.made = 0
        self.answer = ScanAnswer(state=ScanState.WAITING)
        self.fault: Exception | None = None
        self.at_once = 0
        self.most_at_once = 0
        self.takes = 0.0
        self.stored: dict[LoginId, Login] = {}

    def clock(self) -> datetime:
        """Now."""
        return self.now

    async def make_code(self, waiting: Login) -> Login:
        """See :class:`Steps`."""
        self.made += 1
        await asyncio.sleep(self.takes)
        if self.fault:
            raise self.fault
        return login(int(waiting.id))

    async def ask(self, waiting: Login) -> ScanAnswer:
        """See :class:`Steps`."""
        self.asked[waiting.id] += 1
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        await asyncio.sleep(self.takes)
        self.at_once -= 1
        if self.fault:
            raise self.fault
        return self.answer

    async def note(self, waiting: Login, state: ScanState) -> Login:
        """See :class:`Steps`."""
        if state is ScanState.SCANNED:
            return dataclasses.replace(waiting, state=LoginState.SCANNED)
        return waiting

    async def expire(self, waiting: Login) -> Login:
        """See :class:`Steps`."""
        return dataclasses.replace(waiting, state=LoginState.EXPIRED)

    async def refuse_answer(self, waiting: Login) -> Login:
        """See :class:`Steps`."""
        return dataclasses.replace(waiting, state=LoginState.REFUSED)

    async def identify(self, _confirmed: Confirmed) -> Card:
        """See :class:`Steps`."""
        if self.fault:
            raise self.fault
        return cast(Card, None)

    async def decide(self, waiting: Login, _card: Card, _confirmed: Confirmed) -> Login:
        """See :class:`Steps`."""
        return dataclasses.replace(waiting, state=LoginState.ACCEPTED)

    async def read_many(self, logins: Sequence[LoginId]) -> Mapping[LoginId, Login]:
        """See :class:`Steps`."""
        return {each: self.stored[each] for each in logins if each in self.stored}


def describe(watch: Watch, locale: Locale) -> bytes:
    """What a page is told."""
    return encode_event({"mark": watch.mark, "lang": locale})


class Sent(list[str]):
    """What a page got."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = False
        self.blocked: asyncio.Event | None = None

    async def __call__(self, message: Any) -> None:
        """ASGI's ``send``."""
        if self.blocked is not None:
            await self.blocked.wait()
        text = message.get("body", b"").decode()
        if text.startswith("data: "):
            self.append(json.loads(text.removeprefix("data: "))["mark"])
        self.ended = not message.get("more_body", False)


def run(
    test: Callable[[WaitingRoom, Platformless], Awaitable[None]],
    *,
    steps: Platformless | None = None,
    **settings: Any,
) -> None:
    """A room that serves while the test runs."""

    async def main() -> None:
        taken = steps or Platformless()
        values = {"poll_seconds": 0.5, "polls_per_second": 400.0, "connections": 32, **settings}
        room = WaitingRoom(cast(Steps, taken), PlatformSettings.model_construct(**values), describe)
        serving = asyncio.create_task(room.run())
        try:
            await test(room, taken)
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)

    asyncio.run(main())


async def until(holds: Callable[[], object], seconds: float = 10) -> None:
    """Wait for something that the room brings about."""
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.01)


def test_all_pages_of_a_login_share_one_watch() -> None:
    """Each is told at once how it is, then of every change, and sent away in the end."""

    async def test(room: WaitingRoom, steps: Platformless) -> None:
        pages = [Sent(), Sent()]
        for sent in pages:
            room.join(StoredLogin(login(), "h"), Listener(sent, "zh"))
        assert len(room) == 1
        await until(lambda: steps.asked)
        steps.answer = ScanAnswer(state=ScanState.SCANNED)
        await until(lambda: pages[0][-1:] == ["scanned"])
        steps.now = NOW + timedelta(seconds=120)
        await until(lambda: all(sent.ended for sent in pages))
        assert pages == [["waiting", "scanned", "expired"]] * 2
        assert len(room) == 0

    run(test)


def test_every_code_is_asked_about_in_turn() -> None:
    """With more codes than questions each is asked less often, and none more than another."""

    async def test(room: WaitingRoom, steps: Platformless) -> None:
        for number in range(60):
            room.join(StoredLogin(login(number), "h"), Listener(Sent(), "zh"))
        await until(lambda: sum(steps.asked.values()) >= 180, 20)
        assert len(steps.asked) == 60
        assert max(steps.asked.values()) - min(steps.asked.values()) <= 2

    run(test, polls_per_second=40.0)


def test_no_more_questions_than_connections() -> None:
    """The platform's pool is not overrun, however many codes are due."""

    async def test(room: WaitingRoom, steps: Platformless) -> None:
        steps.takes = 0.05
        for number in range(40):
            room.join(StoredLogin(login(number), "h"), Listener(Sent(), "zh"))
        await until(lambda: len(steps.asked) == 40)
        assert steps.most_at_once == 3

    run(test, connections=3)


def test_a_new_page_does_not_wait_for_those_that_wait() -> None:
    """Codes that are to be made go ahead, also when questions are long overdue."""

    async def test(room: WaitingRoom, steps: Platformless) -> None:
        for number in range(1, 200):
            room.join(StoredLogin(login(number), "h"), Listener(Sent(), "zh"))
        await until(lambda: steps.asked)
        sent = Sent()
        before = sum(steps.asked.values())
        room.join(StoredLogin(login(999, LoginState.PREPARING), "h"), Listener(sent, "zh"))
        await until(lambda: "waiting" in sent)
        assert sum(steps.asked.values()) - before < 20

    run(test, polls_per_second=20.0)


def test_a_code_is_made_once_at_a_time() -> None:
    """However many pages of a login are loaded meanwhile."""

    async def test(room: WaitingRoom, steps: Platformless) -> None:
        steps.takes = 0.3
        stored = StoredLogin(login(1, LoginState.PREPARING), "h")
        watch = room.look(stored)
        for _ in range(50):
            assert room.look(stored) is watch
            await asyncio.sleep(0.005)
        await room.settle(watch, 5)
        assert watch.login.state is LoginState.WAITING
        assert steps.made == 1

    run(test)


def test_what_was_read_a_moment_ago_does_not_lead_back() -> None:
    """A request that has read the store before a change finds the change."""

    async def test(room: WaitingRoom, steps: Platformless) -> None:
        steps.answer = ScanAnswer(state=ScanState.SCANNED)
        watch = room.look(StoredLogin(login(), "h"))
        await until(lambda: watch.login.state is LoginState.SCANNED)
        room.look(StoredLogin(login(), "h"))
        assert watch.login.state is LoginState.SCANNED

    run(test)


def test_what_another_process_did_is_seen() -> None:
    """Within a few seconds."""

    async def test(room: WaitingRoom, steps: Platformless) -> None:
        sent = Sent()
        room.join(StoredLogin(login(), "h"), Listener(sent, "zh"))
        steps.stored[login().id] = dataclasses.replace(login(), state=LoginState.CANCELLED)
        await until(lambda: sent.ended)
        assert sent[-1] == "cancelled"

    run(test)


@pytest.mark.parametrize(
    ("fault", "notice"),
    [
        (PlatformUnavailableError("x"), Notice.UNAVAILABLE),
        (UnreachableError("the store"), Notice.BUSY),
        (ZeroDivisionError(), Notice.BUSY),
    ],
)
def test_a_fault_is_told_and_ends_nothing(fault: Exception, notice: Notice) -> None:
    """Neither the login nor anybody else's; what was a fault is forgotten when it is over."""

    async def test(room: WaitingRoom, steps: Platformless) -> None:
        steps.fault = fault
        sent = Sent()
        watch = room.join(StoredLogin(login(), "h"), Listener(sent, "zh"))
        await until(lambda: watch.notice)
        assert watch.notice is notice
        steps.fault = None
        await until(lambda: not watch.notice)
        assert sent == ["waiting", f"waiting-{notice}", "waiting"]

    run(test)


def test_a_card_that_was_confirmed_is_looked_up_again() -> None:
    """The platform fails between confirmation and look-up: it is not asked about the code a second time."""

    async def test(room: WaitingRoom, steps: Platformless) -> None:
        steps.answer = ScanAnswer(state=ScanState.CONFIRMED, essc_no=Sensitive("x"))
        watch = room.look(StoredLogin(login(), "h"))
        watch.heard_until += 60

        async def fail(_confirmed: Confirmed) -> Card:
            raise PlatformUnavailableError("x")

        steps.identify = fail  # type: ignore[method-assign]
        await until(lambda: watch.notice)
        steps.identify = Platformless.identify.__get__(steps)  # type: ignore[method-assign]
        await until(lambda: watch.login.state is LoginState.ACCEPTED)
        assert steps.asked.total() == 1
        assert watch.confirmed is None

    run(test)


def test_useless_answers_end_a_login() -> None:
    """One may be a mishap; after the second it is refused."""

    async def test(room: WaitingRoom, steps: Platformless) -> None:
        steps.fault = UnusableAnswerError("x")
        sent = Sent()
        room.join(StoredLogin(login(), "h"), Listener(sent, "zh"))
        await until(lambda: sent.ended)
        assert sent == ["waiting", "waiting-unusable", "refused"]
        assert steps.asked.total() == 2

    run(test)


def test_a_slow_page_gets_the_last_of_several_messages() -> None:
    """And holds up nobody; one that is gone is told nothing."""

    async def test(room: WaitingRoom, steps: Platformless) -> None:
        slow, quick = Sent(), Sent()
        slow.blocked = asyncio.Event()
        listener = Listener(slow, "zh")
        watch = room.join(StoredLogin(login(), "h"), listener)
        room.join(StoredLogin(login(), "h"), Listener(quick, "zh"))
        steps.answer = ScanAnswer(state=ScanState.SCANNED)
        await until(lambda: quick[-1:] == ["scanned"])
        steps.now = NOW + timedelta(seconds=120)
        await until(lambda: quick.ended)
        slow.blocked.set()
        await until(lambda: slow.ended)
        assert slow == ["waiting", "expired"]
        room.leave(watch, listener)
        assert listener not in watch.listeners

    run(test)


def test_a_stream_gives_everything_back() -> None:
    """When the browser goes away, and when it was gone before the first word."""

    async def test() -> None:
        told: list[str] = []

        def join(_listener: Listener) -> Callable[[], None]:
            told.append("join")
            return lambda: told.append("leave")

        async def receive() -> dict[str, str]:
            return {"type": "http.disconnect"}

        async def broken(_message: object) -> None:
            raise OSError

        stream = EventStream("zh", join, lambda: told.append("release"))
        await stream({"type": "http"}, receive, Sent())
        assert told == ["join", "leave", "release"]
        told.clear()
        with pytest.raises(OSError):  # noqa: PT011 -- the server's
            await stream({"type": "http"}, receive, broken)
        assert told == ["release"]

    asyncio.run(test())


@pytest.mark.parametrize(
    ("state", "seconds", "over"),
    [
        (LoginState.WAITING, 119, False),
        (LoginState.WAITING, 120, True),
        (LoginState.SCANNED, 120, True),
        (LoginState.PREPARING, 599, False),
        (LoginState.PREPARING, 600, True),
        (LoginState.ACCEPTED, 599, False),
        (LoginState.ACCEPTED, 600, True),
        (LoginState.DONE, 9999, False),
        (LoginState.REFUSED, 9999, False),
    ],
)
def test_when_a_login_is_over(state: LoginState, seconds: int, over: bool) -> None:
    """A code at its own end, everything at the deadline, what is final never again."""
    assert is_over(login(state=state), NOW + timedelta(seconds=seconds)) is over
