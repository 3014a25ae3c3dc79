"""``quanheng run``."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Final

from quanheng.cli.session import Given
from quanheng.operations.daemon import Daemon

_STOP: Final = (signal.SIGTERM, signal.SIGINT)
_LOOK_SECONDS: Final = 1.0


def run(*, session: Given) -> int:
    """Synchronise by the clock until SIGTERM or Ctrl-C: the job under way is finished first.

    Times of [schedule] are Beijing time. Exit 0 after a clean stop.
    """
    # 'schedule' knows only the zone of the process. POSIX form: eight hours east, no zone files needed.
    os.environ["TZ"] = "CST-8"
    time.tzset()
    settings = session.settings
    daemon = Daemon(
        session.new_context,
        settings.schedule,
        session.surroundings.clock,
        watch=settings.watch,
        notify=settings.notify,
    )
    # Blocked before the thread starts, which inherits it: signals are taken here and nowhere else.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP)
    worker = threading.Thread(target=daemon.run, name="daemon")
    worker.start()
    try:
        while worker.is_alive() and signal.sigtimedwait(_STOP, _LOOK_SECONDS) is None:
            pass
    finally:
        daemon.stop()
        # A second Ctrl-C does not wait for the job; the journal lets the next run go on from there.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP)
        worker.join()
    return 0
