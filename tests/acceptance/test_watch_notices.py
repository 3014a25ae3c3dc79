"""Notices wait in the store, are tried again, and are given up in the ledger."""

from __future__ import annotations

import pytest

from fixtures.watching import watcher
from fixtures.world import VILLAGE, World
from quanheng.config import NotifySettings
from quanheng.model.ids import RoleName
from quanheng.notify.port import Notice, UndeliveredError
from quanheng.operations.context import Context
from quanheng.operations.watching.announcing import deliver_notices


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
