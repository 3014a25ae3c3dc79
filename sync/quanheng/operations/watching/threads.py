"""The daemon's side threads: one looks every few seconds, another delivers what is to be told.

Each works with a context of its own. A fault ends neither: the next look tries again, a little later each
time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from quanheng.config import NotifySettings, WatchSettings
from quanheng.errors import QuanhengError
from quanheng.logs import get_logger
from quanheng.notify.open import channels_of, open_notifiers
from quanheng.operations.context import Context
from quanheng.operations.login_records import note_logins
from quanheng.operations.watching.announcing import deliver_notices
from quanheng.operations.watching.sight import Sight
from quanheng.operations.watching.watcher import Watcher

_LONGEST_PAUSE: Final = 60.0
"""Seconds between two tries while Keycloak or the store is away."""
DELIVERY_SECONDS: Final = 2.0
LOGINS_SECONDS: Final = 20.0

log = get_logger(__name__)


class Repeating:
    """Something done again and again in a thread, until it is stopped."""

    def __init__(
        self,
        name: str,
        seconds: float,
        new_context: Callable[[], Context],
        prepare: Callable[[Context], Callable[[], object]],
        *,
        after: Callable[[], None] = lambda: None,
        failed: Callable[[Context, Exception], None] = lambda _context, _error: None,
    ) -> None:
        """``prepare`` makes of a context what is called each time; ``after`` follows each that went well, and
        ``failed`` each that did not, with a context of its own."""
        self._seconds = seconds
        self._new_context = new_context
        self._prepare = prepare
        self._after = after
        self._failed = failed
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._name = name

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what is under way, and return when it is finished."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        pause = self._seconds
        while not self._stopping.is_set():
            try:
                with self._new_context() as context:
                    call = self._prepare(context)
                    while not self._stopping.is_set():
                        call()
                        self._after()
                        pause = self._seconds
                        self._stopping.wait(pause)
            except Exception as error:  # noqa: BLE001 -- whatever it was, somebody has to go on looking
                self._log("interrupted; trying again", error)
                self._tell(error)
                self._stopping.wait(pause)
                pause = min(_LONGEST_PAUSE, pause * 2)

    def _tell(self, error: Exception) -> None:
        try:
            with self._new_context() as context:
                self._failed(context, error)
        except Exception as fault:  # noqa: BLE001 -- the store may be away as well
            self._log("nobody was told; trying again", fault)

    def _log(self, what: str, error: Exception) -> None:
        # The text of a fault that nobody expected may hold anything: the log keeps where it happened.
        expected = isinstance(error, QuanhengError)
        problem = str(error) if expected else "an unexpected fault"
        log.error(what, thread=self._name, kind=type(error).__name__, problem=problem, exc_info=not expected)


def watch_thread(
    settings: WatchSettings,
    new_context: Callable[[], Context],
    after: Callable[[], None],
    turn: threading.Lock,
) -> Repeating:
    """Looks every ``watch.seconds``; writes while nobody else in this process has ``turn``."""
    sight = Sight()

    def prepare(context: Context) -> Callable[[], object]:
        watcher = Watcher(context, turn)

        def look() -> None:
            watcher.tick()
            sight.succeeded(context)

        return look

    return Repeating("watch", settings.seconds, new_context, prepare, after=after, failed=sight.failed)


def logins_thread(new_context: Callable[[], Context]) -> Repeating:
    """Takes the bridge's records of logins into the ledger."""

    def prepare(context: Context) -> Callable[[], object]:
        return lambda: note_logins(context)

    return Repeating("logins", LOGINS_SECONDS, new_context, prepare)


def delivery_thread(settings: NotifySettings, new_context: Callable[[], Context]) -> Repeating | None:
    """Delivers what is to be told; None when nobody is."""
    if not channels_of(settings):
        return None

    def prepare(context: Context) -> Callable[[], object]:
        notifiers = open_notifiers(settings, clock=context.clock)
        return lambda: deliver_notices(context, notifiers)

    return Repeating("notices", DELIVERY_SECONDS, new_context, prepare)
