"""Who waits is told: one task for every login of this process that somebody looks at.

A login is *watched* while a page of this process is told of it, or has asked about it a moment ago. Only then
the platform is asked; a closed laptop costs nothing. What is due first is done first, all together no more
often than the platform allows, so with very many pages each code is asked about less often and none is
forgotten. Codes that are to be made, and those that were scanned, go ahead of the others.

Nothing here has to survive: after a restart the next request of the browser begins the watch again from the
store.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from quanheng.bridge.card.port import PlatformAnswerError, PlatformUnavailableError, UnusableAnswerError
from quanheng.bridge.login.steps import Confirmed, Steps, is_over
from quanheng.bridge.login.streams import Listener
from quanheng.bridge.settings import PlatformSettings
from quanheng.bridge.values import FINAL, Locale, Login, LoginId, LoginState, ScanState
from quanheng.errors import QuanhengError
from quanheng.logs import get_logger
from quanheng.store.card_logins import StoredLogin

HEARD_SECONDS: Final = 6.0
"""How long a page that polls counts as looking: three of its polls."""
_SLOW_SECONDS: Final = 2.0
"""After so long without an answer the page says so; with the pause between two questions it is below five."""
_CALL_SECONDS: Final = 20.0
"""A call to the platform that has not ended by itself is given up."""
_BEAT_SECONDS: Final = 15.0
_STORE_SECONDS: Final = 2.0
_FAILURE_SECONDS: Final = (2.0, 8.0)
"""Pause before a code is tried again: the first, and the longest."""
_GRACE: Final = timedelta(seconds=30)
"""For looking up a card that was confirmed in time."""
_UNUSABLE: Final = 2
"""So many answers one after the other that say nothing of use, and the login is refused."""
_BURST_SECONDS: Final = 0.05
_TURNS: Final = 4
"""Of so many turns one is for a code that is not urgent, however many are."""

_RANKS: Final = {
    LoginState.PREPARING: 0,
    LoginState.WAITING: 1,
    LoginState.SCANNED: 2,
    LoginState.ACCEPTED: 3,
}
_LAST: Final = 4

_log = get_logger(__name__)


class Notice(StrEnum):
    """What a page says beside its state."""

    NONE = ""
    UNAVAILABLE = "unavailable"
    """The platform does not answer."""
    UNUSABLE = "unusable"
    """What it answers cannot be believed."""
    BUSY = "busy"
    """Something of ours does not work."""


@dataclass(slots=True, eq=False)
class Watch:
    """A login that somebody looks at."""

    login: Login
    browser_hash: str
    heard_until: float
    listeners: set[Listener] = field(default_factory=set)
    notice: Notice = Notice.NONE
    turn: int = 0
    """Of its entries in the queues only the latest counts."""
    busy: bool = False
    failures: int = 0
    unusable: int = 0
    confirmed: Confirmed | None = None
    changed: asyncio.Event | None = None

    @property
    def mark(self) -> str:
        """Changes exactly when the page does: ``waiting``, ``waiting-unavailable``."""
        return f"{self.login.state}-{self.notice}" if self.notice else self.login.state.value


class WaitingRoom:
    """Every login that is watched in this process. Belongs to one event loop."""

    def __init__(
        self,
        steps: Steps,
        settings: PlatformSettings,
        describe: Callable[[Watch, Locale], bytes],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._steps: Final = steps
        self._describe: Final = describe
        self._settings: Final = settings
        self._now: Final = now
        self._watches: Final[dict[LoginId, Watch]] = {}
        self._urgent: Final[list[tuple[float, int, Watch]]] = []
        self._calm: Final[list[tuple[float, int, Watch]]] = []
        self._turns: Final = itertools.count(1)
        self._dealt = 0
        self._tokens = 0.0
        self._filled = now()
        self._under_way: Final[set[asyncio.Task[None]]] = set()
        self._wake: Final = asyncio.Event()

    def __len__(self) -> int:
        return len(self._watches)

    def find(self, login: LoginId) -> Watch | None:
        """The watch of a login, if there is one; whoever asks so has not been heard."""
        return self._watches.get(login)

    def look(self, stored: StoredLogin) -> Watch:
        """Somebody looks at this login, as it is in the store now; begins to watch it."""
        watch = self._watches.get(stored.login.id)
        if watch is not None:
            self.hear(watch)
            self._see(watch, stored.login)
            return watch
        watch = Watch(stored.login, stored.browser_hash, self._now() + HEARD_SECONDS)
        if stored.login.state not in FINAL:
            self._watches[stored.login.id] = watch
            self._put(watch, 0)
        return watch

    def hear(self, watch: Watch) -> None:
        """A page has asked."""
        watch.heard_until = self._now() + HEARD_SECONDS

    def join(self, stored: StoredLogin, listener: Listener) -> Watch:
        """Tell a page now, and whenever something changes."""
        watch = self.look(stored)
        listener.sent_at = self._now()
        final = watch.login.state in FINAL
        if not final:
            watch.listeners.add(listener)
        listener.push(self._describe(watch, listener.locale), last=final)
        return watch

    def leave(self, watch: Watch, listener: Listener) -> None:
        """A page is gone; the next one may be on its way."""
        watch.listeners.discard(listener)
        self.hear(watch)

    async def settle(self, watch: Watch, seconds: float) -> None:
        """Wait a moment for the code, so that the first page has it already."""
        if watch.login.state is not LoginState.PREPARING or watch.notice:
            return
        watch.changed = watch.changed or asyncio.Event()
        try:
            async with asyncio.timeout(seconds):
                await watch.changed.wait()
        except TimeoutError:
            return

    def end_streams(self) -> None:
        """Send every page away; they come again, to whoever is there then."""
        for watch in self._watches.values():
            for listener in watch.listeners:
                listener.push(b"", last=True)

    async def run(self) -> None:
        """Serve until cancelled."""
        beats = asyncio.create_task(self._beat())
        reading = asyncio.create_task(self._follow())
        try:
            while True:
                pause = self._serve()
                self._wake.clear()
                try:
                    async with asyncio.timeout(pause):
                        await self._wake.wait()
                except TimeoutError:
                    continue
        finally:
            tasks = [beats, reading, *self._under_way]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _serve(self) -> float:
        """Begin whatever is due; seconds until there may be more."""
        now = self._now()
        rate = self._settings.polls_per_second
        self._tokens = min(
            max(1.0, rate * _BURST_SECONDS), self._tokens + max(0.0, now - self._filled) * rate
        )
        self._filled = now
        while True:
            if len(self._under_way) >= self._settings.connections:
                return 1.0  # whoever ends wakes us
            if self._tokens < 1:
                return (1 - self._tokens) / rate
            watch = self._next(now)
            if watch is None:
                break
            if not watch.listeners and watch.heard_until < now:
                self._watches.pop(watch.login.id, None)
                continue
            self._tokens -= 1
            watch.busy = True
            task = asyncio.get_running_loop().create_task(self._take(watch))
            self._under_way.add(task)
            task.add_done_callback(self._done)
        dues = [queue[0][0] for queue in (self._urgent, self._calm) if queue]
        return min(1.0, max(0.005, min(dues) - now)) if dues else 1.0

    def _next(self, now: float) -> Watch | None:
        self._dealt += 1
        queues = [self._urgent, self._calm] if self._dealt % _TURNS else [self._calm, self._urgent]
        for queue in queues:
            while queue and queue[0][0] <= now:
                _, turn, watch = heapq.heappop(queue)
                if watch.turn == turn:
                    watch.turn = 0
                    return watch
        return None

    def _put(self, watch: Watch, delay: float) -> None:
        watch.turn = next(self._turns)
        calm = watch.login.state is LoginState.WAITING and watch.confirmed is None
        heapq.heappush(self._calm if calm else self._urgent, (self._now() + delay, watch.turn, watch))
        if delay <= 0:
            self._wake.set()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._wake.set()

    async def _take(self, watch: Watch) -> None:
        """Take one step with a login, whatever it is at; see that there is a next one."""
        slow = asyncio.get_running_loop().call_later(_SLOW_SECONDS, self._notice, watch, Notice.UNAVAILABLE)
        try:
            async with asyncio.timeout(_CALL_SECONDS):
                await self._step(watch)
            watch.failures = 0
            self._notice(watch, Notice.NONE)
        except (PlatformUnavailableError, TimeoutError):
            watch.failures += 1
            self._notice(watch, Notice.UNAVAILABLE)
        except PlatformAnswerError as error:
            watch.failures += 1
            _log.warning("the card platform's answer is not believed", fault=type(error).__name__)
            self._notice(watch, Notice.UNUSABLE)
        except QuanhengError as error:
            watch.failures += 1
            _log.warning("a login waits for the store", fault=type(error).__name__)
            self._notice(watch, Notice.BUSY)
        except Exception:  # noqa: BLE001 -- one login must not end all others
            watch.failures += 1
            _log.exception("a step of a login failed")
            self._notice(watch, Notice.BUSY)
        finally:
            slow.cancel()
            watch.busy = False
            if watch.login.state not in FINAL and watch.login.id in self._watches:
                self._put(watch, self._pause(watch))

    async def _step(self, watch: Watch) -> None:
        login, now = watch.login, self._steps.clock()
        if login.state is LoginState.ACCEPTED:
            if now >= login.deadline:
                self._see(watch, await self._steps.expire(login))
        elif watch.confirmed is not None:
            await self._finish(watch, watch.confirmed, now)
        elif is_over(login, now):
            self._see(watch, await self._steps.expire(login))
        elif login.state is LoginState.PREPARING:
            self._see(watch, await self._steps.make_code(login))
        else:
            await self._ask(watch)

    async def _ask(self, watch: Watch) -> None:
        login = watch.login
        try:
            answer = await self._steps.ask(login)
        except UnusableAnswerError:
            watch.unusable += 1
            if watch.unusable < _UNUSABLE:
                raise
            self._see(watch, await self._steps.refuse_answer(login))
            return
        watch.unusable = 0
        now = self._steps.clock()
        if is_over(login, now):  # whatever the platform says
            self._see(watch, await self._steps.expire(login))
        elif answer.state is not ScanState.CONFIRMED:
            self._see(watch, await self._steps.note(login, answer.state))
        elif answer.essc_no:
            watch.confirmed = Confirmed(answer.essc_no, now)
            await self._finish(watch, watch.confirmed, now)
        else:
            self._see(watch, await self._steps.refuse_answer(login))

    async def _finish(self, watch: Watch, confirmed: Confirmed, now: datetime) -> None:
        login = watch.login
        if now >= min(confirmed.at + _GRACE, login.deadline):
            self._see(watch, await self._steps.expire_confirmed(login))
            return
        try:
            card = await self._steps.identify(confirmed)
        except UnusableAnswerError:
            self._see(watch, await self._steps.refuse_answer(login))
            return
        self._see(watch, await self._steps.decide(login, card, confirmed))

    def _pause(self, watch: Watch) -> float:
        if watch.login.state is LoginState.ACCEPTED:
            return 5.0
        every = self._settings.poll_seconds
        if watch.failures:
            first, longest = _FAILURE_SECONDS
            every = max(every, min(longest, first * 2.0 ** (watch.failures - 1)))
        elif watch.login.state is LoginState.SCANNED:
            every = max(0.5, every / 2)
        every *= random.uniform(0.9, 1.1)  # noqa: S311 -- so that not all come at once
        ends = watch.login.expires_at or watch.login.deadline
        left = (ends - self._steps.clock()).total_seconds()
        return min(every, max(0.05, left)) if left > 0 else every

    def _see(self, watch: Watch, login: Login) -> None:
        """The login is so now; or was, when somebody read it a moment ago."""
        if _RANKS.get(login.state, _LAST) < _RANKS.get(watch.login.state, _LAST):
            return
        if watch.login.state in FINAL:
            return
        before = watch.mark
        watch.login = login
        if login.state in FINAL or login.state is LoginState.ACCEPTED:
            watch.notice = Notice.NONE
            watch.confirmed = None
        self._tell(watch, before)

    def _notice(self, watch: Watch, notice: Notice) -> None:
        if watch.login.state not in FINAL:
            before = watch.mark
            watch.notice = notice
            self._tell(watch, before)

    def _tell(self, watch: Watch, before: str) -> None:
        final = watch.login.state in FINAL
        if final:
            self._watches.pop(watch.login.id, None)
        if watch.mark == before:
            return
        if watch.changed is not None:
            watch.changed.set()
        now = self._now()
        for listener in watch.listeners:
            listener.sent_at = now
            listener.push(self._describe(watch, listener.locale), last=final)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(1)
            now = self._now()
            for watch in self._watches.values():
                for listener in watch.listeners:
                    if now - listener.sent_at >= _BEAT_SECONDS:
                        listener.sent_at = now
                        listener.beat()

    async def _follow(self) -> None:
        """See what other processes have done with the logins that are watched here."""
        while True:
            await asyncio.sleep(_STORE_SECONDS)
            watched = [watch for watch in self._watches.values() if not watch.busy]
            if not watched:
                continue
            try:
                found = await self._steps.read_many([watch.login.id for watch in watched])
            except QuanhengError as error:
                _log.warning("logins were not read again", fault=type(error).__name__)
                continue
            for watch in watched:
                login = found.get(watch.login.id)
                if login is not None and not watch.busy and login.state is not watch.login.state:
                    self._see(watch, login)
