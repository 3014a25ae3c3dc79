"""While nobody can look, people are told, once; and again when somebody looks."""

from __future__ import annotations

import json
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from fixtures.fake_guard import install_guard
from fixtures.watching import watcher
from fixtures.world import BUREAU, VILLAGE, World
from quanheng.clock import CHINA
from quanheng.config import NotifySettings, WatchSettings
from quanheng.errors import QuanhengError, UnreachableError
from quanheng.keycloak.fake_base import refusal
from quanheng.model.ids import RoleName
from quanheng.notify.port import Notice, NoticeKind
from quanheng.notify.words import Words, words_of
from quanheng.operations.context import Context
from quanheng.operations.watching.sight import BLIND_AFTER, Sight
from quanheng.operations.watching.threads import watch_thread
from quanheng.store.tables import notice

REVIEWER = RoleName("post-reviewer")
GONE = UnreachableError("Keycloak refuses the token of quanheng-sync")


@pytest.fixture
def context(world: World) -> Context:
    """A context that tells into a file, over a few people."""
    world.hire(VILLAGE)
    world.hire(BUREAU, "经办人员")
    world.issue_and_sync()
    told = world.settings.model_copy(update={"notify": NotifySettings(file=world.folder / "notices.jsonl")})
    return world.open(settings=told)


def told(context: Context) -> list[Words]:
    """Notices that wait, oldest first."""
    with context.database.reading() as connection:
        rows = connection.execute(select(notice).order_by(notice.c.id)).all()
    return [
        words_of(
            Notice(id=str(row.id), kind=NoticeKind(row.kind), at=row.at, realm="shanxi", facts=row.facts)
        )
        for row in rows
    ]


def bodies(world: World, kind: str) -> list[Any]:
    """Bodies of the ledger's entries of a kind."""
    return [json.loads(entry.body) for entry in world.ledger(kind)]


def test_told_after_some_minutes_and_once(world: World, context: Context) -> None:
    """Since the last look that succeeded; a failure in between that passes is nobody's concern."""
    sight = Sight()
    sight.succeeded(context)
    since = world.clock()
    world.pass_time(seconds=5)
    sight.failed(context, GONE)
    world.pass_time(seconds=5)
    sight.succeeded(context)
    world.pass_time(minutes=2)
    sight.failed(context, GONE)
    assert told(context) == []
    for _ in range(5):
        world.pass_time(minutes=1)
        sight.failed(context, GONE)
    (entry,) = bodies(world, "watch_blind")
    assert entry["since"] == (since + timedelta(seconds=10)).isoformat(timespec="seconds")
    (words,) = told(context)
    assert "监看中断" in words.subject
    assert f"{(since + timedelta(seconds=10)).astimezone(CHINA):%Y-%m-%d %H:%M:%S}" in words.text
    assert "令牌" in words.text
    assert "refuses the token" in words.text
    assert "quanheng realm apply" in words.text
    sight.succeeded(context)
    sight.succeeded(context)
    (entry,) = bodies(world, "watch_resumed")
    assert (entry["since"], entry["until"]) == (
        bodies(world, "watch_blind")[0]["since"],
        world.clock().isoformat(timespec="seconds"),
    )
    assert ["监看已恢复" in item.subject for item in told(context)] == [False, True]
    world.verify_ledger()


def test_a_clock_set_back(world: World, context: Context) -> None:
    """Minutes are counted from then on, not from a moment that is still to come."""
    sight = Sight()
    sight.succeeded(context)
    world.pass_time(hours=-1)
    sight.failed(context, GONE)
    world.pass_time(minutes=4)
    sight.failed(context, GONE)
    (entry,) = bodies(world, "watch_blind")
    assert entry["since"] == (world.clock() - timedelta(minutes=4)).isoformat(timespec="seconds")


def test_a_restart_tells_nothing_twice(world: World, context: Context) -> None:
    """What was told is kept: another process goes on, and tells of the end."""
    for sight in (Sight(), Sight()):
        sight.failed(context, GONE)
        world.pass_time(minutes=BLIND_AFTER.total_seconds() / 60)
        sight.failed(context, GONE)
    assert len(bodies(world, "watch_blind")) == 1
    Sight().succeeded(context)
    Sight().succeeded(context)
    assert len(bodies(world, "watch_resumed")) == 1
    assert len(told(context)) == 2


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (refusal(403, "forbidden"), "Keycloak 拒绝了本系统的请求"),
        (QuanhengError("of our own"), "本系统自身的故障"),
        (ValueError("Sunny-Day-2026"), "本系统自身的故障"),
    ],
)
def test_why(world: World, context: Context, error: Exception, reason: str) -> None:
    """In words of people; of a fault that nobody expected its kind alone."""
    sight = Sight()
    sight.failed(context, error)
    world.pass_time(minutes=4)
    sight.failed(context, error)
    (words,) = told(context)
    assert f"原因：{reason}" in words.text
    assert type(error).__name__ in words.text or str(error) in words.text
    assert "Sunny-Day" not in words.text + json.dumps(bodies(world, "watch_blind"))


def test_looks_that_succeed_cost_nothing(world: World, context: Context) -> None:
    """Not even a reading of the store, but for the first."""
    sight = Sight()
    sight.succeeded(context)
    context.database.close()
    del context.__dict__["database"]
    sight.succeeded(context)
    assert "database" not in context.__dict__


def test_before_the_bootstrap_nobody_is_told(world: World, context: Context) -> None:
    """Nothing is ours then, and the ledger begins with the bootstrap."""
    empty = f"sqlite:///{world.folder / 'empty.db'}"
    fresh = world.open(settings=context.settings.model_copy(update={"store_url": empty}))
    sight = Sight()
    for _ in range(2):
        sight.failed(fresh, GONE)
        world.pass_time(minutes=4)
    assert told(fresh) == []


def test_the_thread_tells(world: World, context: Context) -> None:
    """The daemon's own thread: blind while Keycloak is away for minutes, and then it sees."""

    def wait_for(kind: str) -> None:
        for _ in range(600):
            if world.ledger(kind):
                return
            world.pass_time(minutes=1)
            time.sleep(0.05)
        raise AssertionError(kind)

    thread = watch_thread(WatchSettings(seconds=0.01), world.open, lambda: None, threading.Lock())
    world.fake.down()
    thread.start()
    try:
        wait_for("watch_blind")
        world.fake.down(False)
        wait_for("watch_resumed")
    finally:
        thread.stop()
    assert "does not answer" in bodies(world, "watch_blind")[0]["problem"]


def test_the_thread_outlives_a_store_that_is_away(world: World) -> None:
    """Nobody can be told then; the thread goes on, and sees as soon as there is a store."""
    away = iter(range(3))

    def open_context() -> Context:
        if next(away, None) is not None:
            raise UnreachableError("the store does not answer")
        return world.open()

    looked = threading.Event()
    thread = watch_thread(WatchSettings(seconds=0.01), open_context, looked.set, threading.Lock())
    thread.start()
    try:
        assert looked.wait(30)
    finally:
        thread.stop()


# The guard does not restore


def test_a_guard_that_does_not_restore_is_told_and_asked_again(world: World) -> None:
    """Told once while it lasts, whoever runs; the minute after it answers again the cause is undone."""
    install_guard(world.fake, world.settings.keys_directory)
    world.hire(BUREAU, "经办人员")
    world.issue_and_sync()
    settings = world.settings.model_copy(
        update={"notify": NotifySettings(file=world.folder / "notices.jsonl")}
    )
    context = world.open(settings=settings)
    look = watcher(world, context)
    look.tick()

    def fail(name: str) -> None:
        if name == "guard_restore":
            raise UnreachableError("the guard answered 500")

    world.fake.before_call = fail
    parts = world.console.read_roles()[RoleName("post-operator")].composites
    world.console.tamper_role("post-operator", composites=parts | {REVIEWER})
    for _ in range(3):
        look.tick()
        world.pass_time(minutes=1)
    look = watcher(world, context)
    look.tick()
    (entry,) = bodies(world, "cause_not_restored")
    assert "500" in entry["problem"]
    (words,) = [item for item in told(context) if "守卫未能" in item.text]
    assert "quanheng doctor" in words.text
    world.fake.before_call = None
    look.tick()
    assert world.console.read_roles()[RoleName("post-operator")].composites != parts
    world.pass_time(minutes=1)
    look.tick()
    assert world.console.read_roles()[RoleName("post-operator")].composites == parts
    assert len(bodies(world, "cause_restored")) == 1
    look.tick()  # takes in what the guard did
    world.pass_time(minutes=1)
    world.fake.calls.clear()
    look.tick()
    assert world.fake.calls["guard_restore"] == 0, "nothing is left to be tried again"
    world.fake.before_call = fail
    world.console.tamper_role("harmless")
    look.tick()
    assert len(bodies(world, "cause_not_restored")) == 2
    world.verify_ledger()
