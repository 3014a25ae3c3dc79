"""Notices wait in the store, are tried again, and are given up in the ledger."""

from __future__ import annotations

import json

import pytest

from fixtures.watching import watcher
from fixtures.world import VILLAGE, World
from quanheng.config import NotifySettings, WebhookSettings
from quanheng.logs import start_logs
from quanheng.model.ids import RoleName
from quanheng.notify.open import channels_of, open_notifiers
from quanheng.notify.port import Notice, NoticeKind, UndeliveredError
from quanheng.operations.context import Context
from quanheng.operations.watching.announcing import announce, deliver_notices
from quanheng.store.notices import put_notice, read_due


class Deaf:
    """A way of telling that fails as often as it is told to."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.told: list[Notice] = []

    def send(self, notice: Notice) -> None:
        """Deliver, or fail."""
        if self.failures:
            self.failures -= 1
            raise UndeliveredError("away")
        self.told.append(notice)

    def check(self) -> None:
        """Nothing to look at."""


class Choosy(Deaf):
    """A way of telling that breaks down at one notice, with a text that says too much."""

    def __init__(self, poison: str) -> None:
        super().__init__(0)
        self.poison = poison

    def send(self, notice: Notice) -> None:
        """Deliver, or fail as nobody expected."""
        if notice.id == self.poison:
            raise UnicodeEncodeError("ascii", "Sunny-Day-2026", 0, 1, "ordinal not in range")
        super().send(notice)


@pytest.fixture
def context(world: World) -> Context:
    """A context that tells into a file, with one repair to tell of."""
    staff_no = world.hire(VILLAGE)
    world.issue_and_sync()
    told = world.settings.model_copy(update={"notify": NotifySettings(file=world.folder / "notices.jsonl")})
    context = world.open(settings=told)
    watcher(world, context).tick()
    world.console.add_roles(world.user(staff_no).id, frozenset({RoleName("post-reviewer")}))
    watcher(world, context).tick()
    return context


def test_tried_again_later(world: World, context: Context) -> None:
    """Nothing is lost by a way of telling that is away for a while, and nothing is told twice."""
    way = Deaf(2)
    assert deliver_notices(context, {"file": way}) == 0
    assert deliver_notices(context, {"file": way}) == 0  # not before its time
    assert way.failures == 1
    world.pass_time(seconds=11)
    assert deliver_notices(context, {"file": way}) == 0
    world.pass_time(minutes=2)
    assert deliver_notices(context, {"file": way}) == 1
    assert deliver_notices(context, {"file": way}) == 0
    assert [item.kind for item in way.told] == ["repair"]


def test_given_up_at_last(world: World, context: Context) -> None:
    """After five times the ledger says that it was not told."""
    way = Deaf(99)
    for _ in range(6):
        deliver_notices(context, {"file": way})
        world.pass_time(hours=3)
    assert way.failures == 99 - 5
    assert len(world.ledger("notice_lost")) == 1
    world.verify_ledger()


def _tell(context: Context, *kinds: str) -> None:
    with context.database.transaction() as connection:
        for kind in kinds:
            put_notice(connection, ["file"], kind, {"reason": kind}, context.clock())


def test_one_bad_notice_does_not_stop_the_others(
    world: World, context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fault that nobody expected, and a kind of a newer version: both are put off, and what follows is
    told. The log has the kind of the fault and none of its words."""
    start_logs()
    _tell(context, "of-a-newer-version", "gap")
    with context.database.reading() as connection:
        first = read_due(connection, context.clock())[0]
    way = Choosy(f"{first.id}-file")
    assert deliver_notices(context, {"file": way}) == 1
    assert [item.kind for item in way.told] == ["gap"]
    err = capsys.readouterr().err
    assert "UnicodeEncodeError" in err
    assert "Sunny-Day" not in err
    assert deliver_notices(context, {"file": Deaf(99)}) == 0  # both wait for their time
    way.poison = ""
    world.pass_time(seconds=11)
    assert deliver_notices(context, {"file": way}) == 1
    assert [item.kind for item in way.told] == ["gap", "repair"]
    for _ in range(5):
        world.pass_time(hours=3)
        deliver_notices(context, {"file": way})
    assert [json.loads(entry.body)["kind"] for entry in world.ledger("notice_lost")] == ["of-a-newer-version"]


def test_one_way_that_cannot_be_opened_does_not_silence_the_others(world: World) -> None:
    """The file is written though the webhook's secret is there for all to read; once it is private, the
    webhook is tried."""
    secret = world.folder / "secret"
    secret.write_text("for tests")
    secret.chmod(0o644)
    hook = WebhookSettings(url="http://127.0.0.1:9/", secret_file=secret, timeout_seconds=1)
    told = NotifySettings(file=world.folder / "notices.jsonl", webhook=hook)
    context = world.open(settings=world.settings.model_copy(update={"notify": told}))
    with context.database.transaction() as connection:
        put_notice(connection, channels_of(told), "gap", {"reason": "x"}, context.clock())
    assert deliver_notices(context, open_notifiers(told, clock=context.clock)) == 1
    assert "gap" in (world.folder / "notices.jsonl").read_text(encoding="utf-8")


def test_users_are_told_by_name(world: World, context: Context) -> None:
    """Whoever is in the mirror; nobody's own name."""
    staff_no = world.hire(VILLAGE)
    world.issue_and_sync()
    user = world.user(staff_no)
    with context.database.transaction() as connection:
        announce(context, connection, NoticeKind.VETO, {"user": str(user.id), "actor": "somebody"})
        told = read_due(connection, context.clock())[-1]
    assert told.facts == {"user": str(user.id), "actor": "somebody", "names": {user.id: user.username}}
