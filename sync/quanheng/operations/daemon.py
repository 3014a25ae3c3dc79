"""``quanheng run``: the same operations, by the clock, until somebody says stop.

One thread does the jobs, one after the other; others keep the heartbeat while a job runs, watch what happens
between two of them, and deliver what is to be told. The lease is taken by each job and each repair and given
back by it, so that a command may be typed between two of them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import schedule

from quanheng.clock import Clock
from quanheng.config import NotifySettings, ScheduleSettings, WatchSettings
from quanheng.errors import LeaseHeldError, QuanhengError, UnsafePlanError
from quanheng.logs import get_logger, redact_text
from quanheng.operations.anchoring import anchor_ledger
from quanheng.operations.carrying_out import hold_lease
from quanheng.operations.check import check_observed
from quanheng.operations.context import Context
from quanheng.operations.heartbeat import Heartbeat, State, write_heartbeat
from quanheng.operations.judging import clear_caches, find_conflicts
from quanheng.operations.lifecycle.daily import do_day, is_due
from quanheng.operations.realm import read_drift
from quanheng.operations.refresh import sweep
from quanheng.operations.synchronise import synchronise
from quanheng.operations.watching.threads import (
    Repeating,
    delivery_thread,
    logins_thread,
    watch_thread,
)

HEARTBEAT_SECONDS: Final = 30.0
"""How often the heartbeat is written while nothing changes."""
_DAY_LOOK_MINUTES: Final = 5
"""How often it is asked whether the day was done; that costs one query."""
_LONGEST_NAP: Final = 60.0
"""Seconds after which the clock is looked at again: it may have been set, or the machine been asleep."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """Something that the daemon does by the clock."""

    name: str
    run: Callable[[Context], str]
    """Does it with a context of its own; returns one line for log and heartbeat."""


class Daemon:
    """Runs jobs until it is stopped."""

    def __init__(
        self,
        new_context: Callable[[], Context],
        settings: ScheduleSettings,
        clock: Clock,
        *,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        watch: WatchSettings | None = None,
        notify: NotifySettings | None = None,
    ) -> None:
        """``watch`` and ``notify``: None looks after nothing and tells nobody between two jobs."""
        self._new_context = new_context
        self._settings = settings
        self._clock = clock
        self._heartbeat_seconds = heartbeat_seconds
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._beat = Heartbeat(at=clock(), pid=os.getpid(), state="starting")
        self._turn = threading.Lock()
        """Who may write: a job, or the watcher."""
        self._side = self._side_threads(watch, notify)
        self._told: set[str] = set()
        """Digests of unsafe plans that were spoken of."""

    def stop(self) -> None:
        """Have :meth:`run` finish the job under way and return. From another thread, not a signal handler:
        that could come while this very event is locked."""
        self._stopping.set()

    def run(self) -> None:
        """Do every job when its time comes; the first sync at once. Returns after :meth:`stop`."""
        plan = self.build_schedule()
        keeper = threading.Thread(target=self._keep_beating, name="heartbeat", daemon=True)
        keeper.start()
        log.info("daemon started", every_minutes=self._settings.sync_minutes)
        self.do(SYNC)
        self.do_day_if_due()
        for thread in self._side:
            thread.start()
        while not self._stopping.is_set():
            plan.run_pending()
            idle = plan.idle_seconds
            self._stopping.wait(min(_LONGEST_NAP, max(0.0, idle or 0.0)))
        for thread in self._side:
            thread.stop()
        self._say("stopped")
        keeper.join()
        log.info("daemon stopped")

    def do(self, job: Job) -> None:
        """Do one job now. Nothing that goes wrong in it ends the daemon: the next run tries again."""
        if self._stopping.is_set():
            return
        self._say("working", job=job.name, result=None, message="")
        try:
            # A repair under way is waited for: refused the lease, the job would wait for its next time.
            with self._turn, self._new_context() as context:
                message, result = job.run(context), "ok"
            log.info("job done", job=job.name, outcome=message)
        except LeaseHeldError as error:
            message, result = str(error), type(error).__name__
            log.warning("another process writes to this realm; next time", job=job.name, holder=message)
        except UnsafePlanError as error:
            message, result = str(error), type(error).__name__
            self._tell_unsafe(job, message)
        except QuanhengError as error:
            message, result = str(error), type(error).__name__
            log.error("job failed; next time again", job=job.name, kind=result, problem=message)  # noqa: TRY400 -- expected
        except Exception as error:
            # The text of a fault that nobody expected may hold anything.
            message, result = "an unexpected fault; see the log", type(error).__name__
            log.exception("job failed unexpectedly; next time again", job=job.name, kind=result)
        self._say("idle", job=job.name, result=result, message=redact_text(message), finished=self._clock())

    def do_day_if_due(self) -> None:
        """Do the day's work when its time has come and it was not done: a day that was missed is made up."""
        try:
            with self._new_context() as context:
                due = is_due(context)
        except QuanhengError as error:
            log.error("it is not known whether the day was done", problem=str(error))  # noqa: TRY400 -- expected
            return
        if due:
            self.do(DAY)

    def build_schedule(self) -> Any:
        """When each job is due. 'schedule' counts in the zone of the process."""
        plan = schedule.Scheduler()
        plan.every(self._settings.sync_minutes).minutes.do(self.do, SYNC)
        plan.every(_DAY_LOOK_MINUTES).minutes.do(self.do_day_if_due)
        plan.every().day.at(self._settings.sweep_at).do(self.do, SWEEP)
        plan.every().day.at(self._settings.anchor_at).do(self.do, ANCHOR)
        return plan

    def _side_threads(
        self, watch: WatchSettings | None, notify: NotifySettings | None
    ) -> tuple[Repeating, ...]:
        threads = [logins_thread(self._new_context)]
        if watch is not None and watch.enabled:
            threads.append(watch_thread(watch, self._new_context, self._watched, self._turn))
        if notify is not None and (delivery := delivery_thread(notify, self._new_context)) is not None:
            threads.append(delivery)
        return tuple(threads)

    def _watched(self) -> None:
        with self._lock:
            self._beat = replace(self._beat, watched=self._clock())

    def _tell_unsafe(self, job: Job, message: str) -> None:
        """Loudly once per plan, quietly after: who is called each quarter of an hour stops listening."""
        if message in self._told:
            log.info("the unsafe plan still waits for a second person", job=job.name)
        else:
            self._told.add(message)
            log.critical("UNSAFE PLAN: nothing was changed", job=job.name, problem=message)

    def _keep_beating(self) -> None:
        while not self._stopping.wait(self._heartbeat_seconds):
            self._write()

    def _say(
        self,
        state: State,
        *,
        job: str | None = None,
        result: str | None = None,
        message: str = "",
        finished: datetime | None = None,
    ) -> None:
        with self._lock:
            last = self._beat
            self._beat = Heartbeat(
                at=self._clock(),
                pid=last.pid,
                watched=last.watched,
                state=state,
                job=job or last.job,
                result=result if job else last.result,
                message=message if job else last.message,
                job_finished=finished or last.job_finished,
            )
        self._write()

    def _write(self) -> None:
        file = self._settings.heartbeat_file
        if file is None:
            return
        with self._lock:
            try:
                write_heartbeat(file, replace(self._beat, at=self._clock()))
            except QuanhengError as error:
                log.error("no heartbeat", problem=str(error))  # noqa: TRY400 -- expected


def _sync(context: Context) -> str:
    done = synchronise(context)
    refused = [summary for summary in done.plan.sources if not summary.accepted]
    for summary in refused:
        log.error("a source was not accepted", source=summary.source, problem=summary.message)
    for result in done.outcome.refused:
        log.error("Keycloak refused a step", kind=str(result.change.kind), problem=result.refusal)
    counts = " ".join(f"{kind}={count}" for kind, count in done.outcome.done.items()) or "nothing to do"
    return f"{counts}; recovered={done.recovered} sources_refused={len(refused)}"


def _sweep(context: Context) -> str:
    cleared = clear_caches(context)  # what was written past Keycloak shows only then
    # Under the lease: what a sync writes meanwhile would be missing in the new mirror.
    with hold_lease(context) as lease:
        observed = sweep(context, lease)
    found = check_observed(context, observed)
    judged = find_conflicts(context, observed)
    for finding in judged.findings():
        tell = log.error if finding.violation else log.warning
        tell("separation of duties", kind=str(finding.kind), subject=finding.subject, detail=finding.detail)
    drift = read_drift(context)
    violations = sum(finding.violation for finding in found.findings)
    text = (
        f"users={found.users} groups={found.groups} differences={len(found.differences)} "
        f"violations={violations} configuration={len(drift.ours)} conflicts={len(judged.conflicts)} "
        f"shortages={len(judged.shortages)} caches_cleared={cleared}"
    )
    if not found.clean or drift.ours or judged.conflicts:
        log.error("Keycloak is not as it should be; see 'quanheng check'", found=text)
    return text


def _anchor(context: Context) -> str:
    if context.settings.anchors_directory is None:
        log.warning("anchors_directory is not set: nothing would show that the ledger was cut off")
        return "no anchors_directory"
    file = anchor_ledger(context)
    return "the ledger is empty" if file is None else f"wrote {file.name}"


SYNC: Final = Job("sync", _sync)
SWEEP: Final = Job("sweep", _sweep)
DAY: Final = Job("day", do_day)
ANCHOR: Final = Job("anchor", _anchor)
