"""The daemon: jobs by the clock, errors that end nothing, a clean stop, a sign of life."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from fixtures.command_line import Desk
from fixtures.identities import a_mint
from quanheng.clock import CHINA
from quanheng.config import NotifySettings, Settings, WatchSettings, read_settings
from quanheng.keycloak.port import Realm
from quanheng.logs import start_logs
from quanheng.operations.carrying_out import hold_lease
from quanheng.operations.context import Context
from quanheng.operations.daemon import ANCHOR, SWEEP, SYNC, Daemon
from quanheng.operations.heartbeat import Heartbeat, read_heartbeat
from quanheng.operations.watching.threads import watch_thread

_PATIENCE_SECONDS = 120


def _contexts(desk: Desk) -> Callable[[], Context]:
    settings = read_settings(desk.folder / "quanheng.toml")

    def make(_settings: Settings) -> Realm:
        assert desk.realm is not None
        return desk.realm

    return lambda: Context(settings, clock=desk.clock, make_realm=make)


def _daemon(desk: Desk) -> Daemon:
    start_logs()
    contexts = _contexts(desk)
    return Daemon(contexts, contexts().settings.schedule, desk.clock, heartbeat_seconds=0.05)


def _beat(desk: Desk) -> Heartbeat:
    beat = read_heartbeat(desk.folder / "heartbeat.json")
    assert beat is not None
    return beat


def _wait(reached: Callable[[], bool]) -> None:
    """Wait for something that another thread or process does."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not reached():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def test_a_sync_is_a_job_and_the_heartbeat_tells_of_it(ready_desk: Desk) -> None:
    """The realm is filled; job, result and time are in the file."""
    _daemon(ready_desk).do(SYNC)
    beat = _beat(ready_desk)
    assert (beat.state, beat.job, beat.result) == ("idle", "sync", "ok")
    assert beat.job_finished is not None
    assert ready_desk.ask("plan")["changes"] == 0


def test_an_error_is_logged_and_the_next_run_tries_again(ready_desk: Desk) -> None:
    """Keycloak is away for one run."""
    daemon = _daemon(ready_desk)
    assert ready_desk.realm is not None
    ready_desk.realm.down()
    daemon.do(SYNC)
    assert _beat(ready_desk).result == "UnreachableError"
    assert "job failed" in ready_desk.capture.readouterr().err
    ready_desk.realm.down(False)
    daemon.do(SYNC)
    assert _beat(ready_desk).result == "ok"


def test_an_unexpected_fault_ends_nothing_and_shows_no_value(ready_desk: Desk) -> None:
    """Its text may hold anything, so only its kind and its place are told."""
    secret = a_mint().resident_number()
    settings = read_settings(ready_desk.folder / "quanheng.toml")

    def broken(_settings: Settings) -> Realm:
        raise RuntimeError(secret)

    start_logs()
    daemon = Daemon(lambda: Context(settings, make_realm=broken), settings.schedule, ready_desk.clock)
    ready_desk.capture.readouterr()
    daemon.do(SYNC)
    assert _beat(ready_desk).result == "RuntimeError"
    told = ready_desk.capture.readouterr().err + (ready_desk.folder / "heartbeat.json").read_text()
    assert "RuntimeError" in told
    assert f"'{__name__}:{broken.__code__.co_firstlineno + 1}'" in told
    assert secret not in told


def test_a_second_writer_is_waited_for(ready_desk: Desk) -> None:
    """Whoever has the lease is named; when it is given back, the next run does the work."""
    daemon = _daemon(ready_desk)
    with _contexts(ready_desk)() as other, hold_lease(other):
        daemon.do(SYNC)
        assert _beat(ready_desk).result == "LeaseHeldError"
        assert "another process writes" in ready_desk.capture.readouterr().err
    daemon.do(SYNC)
    assert _beat(ready_desk).result == "ok"


def test_an_unsafe_plan_is_told_loudly_once(ready_desk: Desk) -> None:
    """Nothing is changed; the second run of the same plan speaks quietly."""
    ready_desk.ask("sync")
    settings = ready_desk.folder / "quanheng.toml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text + "[safety]\nrevoke = { count = 1, percent = 0 }\n", encoding="utf-8")
    assert ready_desk.realm is not None
    console = ready_desk.realm.as_actor("somebody")
    role = console.tamper_role("foreign")
    for user in list(console.sweep_users())[:5]:
        console.add_roles(user.id, frozenset({role}))
    daemon = _daemon(ready_desk)
    before = ready_desk.realm.writes
    ready_desk.capture.readouterr()
    daemon.do(SYNC)
    daemon.do(SYNC)
    told = ready_desk.capture.readouterr().err
    assert told.count("UNSAFE PLAN") == 1
    assert "still waits" in told
    assert ready_desk.realm.writes == before


def test_the_sweep_reads_everything_and_tells_what_differs(ready_desk: Desk) -> None:
    """What somebody changed without an event in between is found."""
    ready_desk.ask("sync")
    assert ready_desk.realm is not None
    console = ready_desk.realm.as_actor("somebody")
    user = next(iter(console.sweep_users()))
    daemon = _daemon(ready_desk)
    daemon.do(SWEEP)
    assert "differences=0" in _beat(ready_desk).message
    console.add_roles(user.id, frozenset({console.tamper_role("foreign")}))
    daemon.do(SWEEP)
    assert "differences=1" in _beat(ready_desk).message
    assert "not as it should be" in ready_desk.capture.readouterr().err


def test_the_anchor_is_written_by_the_clock(ready_desk: Desk) -> None:
    """And the ledger agrees with it."""
    _daemon(ready_desk).do(ANCHOR)
    assert ready_desk.ask("ledger", "verify")["anchored"] == 0


def test_jobs_are_due_when_the_settings_say(ready_desk: Desk) -> None:
    """Every quarter of an hour, at half past two and three; every five minutes whether the day was done."""
    jobs = _daemon(ready_desk).build_schedule().get_jobs()
    due = [(job.interval, job.unit, job.at_time and f"{job.at_time:%H:%M}") for job in jobs]
    assert due == [
        (15, "minutes", None),
        (5, "minutes", None),
        (1, "days", "02:30"),
        (1, "days", "03:30"),
    ]


def test_the_day_is_done_once_and_made_up_when_it_was_missed(ready_desk: Desk) -> None:
    """From its hour on, once a day, also when it is started later; a failure is tried again."""
    start_logs()
    now = datetime(2026, 11, 23, 0, 59, tzinfo=CHINA)
    realm = ready_desk.realm
    assert realm is not None
    ready_desk.clock = realm._state.clock = lambda: now
    daemon = _daemon(ready_desk)

    def looks() -> int:
        before = realm.calls["read_logins"]
        daemon.do_day_if_due()
        return realm.calls["read_logins"] - before

    assert looks() == 0
    now += timedelta(minutes=1)
    realm.down()
    assert looks() == 0
    realm.down(is_down=False)
    assert looks() > 0
    assert looks() == 0
    now += timedelta(days=14, hours=9)
    assert looks() > 0
    assert looks() == 0


def test_stop_finishes_the_job_under_way_and_gives_the_lease_back(ready_desk: Desk) -> None:
    """Stopped in the middle of a first load: all of it is there, and the next plan is empty."""
    realm = ready_desk.realm
    assert realm is not None
    begun, go_on = threading.Event(), threading.Event()

    def hold_up(name: str) -> None:
        if name == "import_users":
            begun.set()
            assert go_on.wait(_PATIENCE_SECONDS)

    realm.before_call = hold_up
    daemon = _daemon(ready_desk)
    thread = threading.Thread(target=daemon.run)
    thread.start()
    assert begun.wait(_PATIENCE_SECONDS)
    assert _beat(ready_desk).state == "working"
    daemon.stop()
    go_on.set()
    thread.join(_PATIENCE_SECONDS)
    assert not thread.is_alive()
    assert (_beat(ready_desk).state, _beat(ready_desk).result) == ("stopped", "ok")
    realm.before_call = None
    assert ready_desk.ask("status")["writer"] is None
    assert ready_desk.ask("plan")["changes"] == 0


def test_the_heart_beats_while_nothing_happens(ready_desk: Desk) -> None:
    """Monitoring sees an idle daemon from a dead one."""
    daemon = _daemon(ready_desk)
    thread = threading.Thread(target=daemon.run)
    thread.start()
    _wait(lambda: (ready_desk.folder / "heartbeat.json").exists() and _beat(ready_desk).state == "idle")
    first = _beat(ready_desk).at
    _wait(lambda: _beat(ready_desk).at > first)
    daemon.stop()
    thread.join(_PATIENCE_SECONDS)
    assert _beat(ready_desk).state == "stopped"


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_program_cleanly(ready_desk: Desk, sent: signal.Signals) -> None:
    """``quanheng run`` as a process of its own, its server unreachable, ends with 0."""
    program = Path(sys.executable).parent / "quanheng"
    with subprocess.Popen(
        [program, "run"], cwd=ready_desk.folder, stderr=subprocess.PIPE, text=True
    ) as process:
        heartbeat = ready_desk.folder / "heartbeat.json"
        _wait(lambda: heartbeat.exists() and _beat(ready_desk).result == "UnreachableError")
        process.send_signal(sent)
        _, err = process.communicate(timeout=_PATIENCE_SECONDS)
    assert process.returncode == 0
    assert "daemon stopped" in err
    assert _beat(ready_desk).state == "stopped"


def test_between_two_jobs_it_watches(ready_desk: Desk) -> None:
    """A role given in the console is gone without any job; the heartbeat tells of it; stop is clean."""
    ready_desk.ask("sync")
    realm = ready_desk.realm
    assert realm is not None
    console = realm.as_actor("somebody")
    user = next(user for user in console.sweep_users() if user.attributes.get("person_id"))
    contexts = _contexts(ready_desk)
    settings = contexts().settings
    told = ready_desk.folder / "told.jsonl"
    daemon = Daemon(
        contexts,
        settings.schedule,
        ready_desk.clock,
        heartbeat_seconds=0.05,
        watch=WatchSettings(seconds=0.05),
        notify=NotifySettings(file=told),
    )
    thread = threading.Thread(target=daemon.run)
    thread.start()
    _wait(lambda: (ready_desk.folder / "heartbeat.json").exists() and _beat(ready_desk).watched is not None)
    _wait(lambda: _beat(ready_desk).state == "idle")
    console.add_roles(user.id, frozenset({console.tamper_role("foreign")}))
    _wait(lambda: console.read_user(user.id) == user)
    daemon.stop()
    thread.join(_PATIENCE_SECONDS)
    assert not thread.is_alive()
    assert _beat(ready_desk).state == "stopped"
    assert ready_desk.ask("status")["writer"] is None
    assert ready_desk.ask("plan")["changes"] == 0


def test_the_watch_outlives_an_absence_of_keycloak(ready_desk: Desk) -> None:
    """Keycloak is away for some looks; the first one after that undoes what happened meanwhile."""
    ready_desk.ask("sync")
    realm = ready_desk.realm
    assert realm is not None
    console = realm.as_actor("somebody")
    user = next(user for user in console.sweep_users() if user.attributes.get("person_id"))
    start_logs()
    thread = watch_thread(WatchSettings(seconds=0.05), _contexts(ready_desk), lambda: None, threading.Lock())
    realm.down()
    ready_desk.capture.readouterr()
    thread.start()
    told: list[str] = []

    def spoke() -> bool:
        told.append(ready_desk.capture.readouterr().err)
        return "interrupted" in told[-1]

    _wait(spoke)
    realm.down(False)
    console.add_roles(user.id, frozenset({console.tamper_role("foreign")}))
    _wait(lambda: console.read_user(user.id) == user)
    thread.stop()
