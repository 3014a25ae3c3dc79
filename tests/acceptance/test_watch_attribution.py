"""Something done between the reading of the events and of the users: it is known who did it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from fixtures.watching import as_administrator, watcher
from fixtures.world import BUREAU, VILLAGE, World
from quanheng.operations.carrying_out import hold_lease
from quanheng.operations.refresh import sweep
from quanheng.operations.watching.watcher import read_exposure

HANDLER: Final = "/岗位/140902-忻府区/经办人员"
Look = Callable[[World], object]


@pytest.fixture
def bureau(world: World) -> World:
    """Two clerks without a post at the county's bureau, its 业务管理员, and one who may grant nothing."""
    world.hire(VILLAGE)
    for staff_no in ("C00001", "C00002"):
        world.hire(BUREAU, "", staff_no=staff_no)
    world.hire(BUREAU, "业务管理员", staff_no="B00001")
    world.hire(BUREAU, "系统管理员", staff_no="S00001")
    world.issue_and_sync()
    world.approve()
    world.sync()
    watcher(world).tick()
    world.pass_time(minutes=1)
    return world


@contextmanager
def once_before(world: World, call: str, act: Callable[[], object]) -> Iterator[None]:
    """Have something done right before the first call of this name reaches the server."""
    done = False

    def hook(name: str) -> None:
        nonlocal done
        if name == call and not done:
            done = True
            act()

    world.fake.before_call = hook
    yield
    world.fake.before_call = None
    assert done, f"{call} was never called"


def join(world: World, by: str, who: str) -> None:
    as_administrator(world, by).join_group(world.user(who).id, world.group(HANDLER).id)


def leave(world: World, by: str, who: str) -> None:
    as_administrator(world, by).leave_group(world.user(who).id, world.group(HANDLER).id)


def touch(world: World, who: str = "C00001") -> None:
    """Have somebody read again."""
    world.console.logout(world.user(who).id)


def swept(world: World) -> None:
    """Everything read, as each night."""
    with hold_lease(world.context) as lease:
        sweep(world.context, lease)


LOOKS: Final[dict[str, tuple[Look, str]]] = {
    "watcher": (lambda world: watcher(world).tick(), "read_user"),
    "sync": (lambda world: world.sync(), "read_user"),
    "sweep": (swept, "sweep_users"),
}


@pytest.fixture(params=LOOKS)
def look(request: pytest.FixtureRequest) -> tuple[Look, str]:
    """Who reads, and what it calls first after the events."""
    return LOOKS[request.param]


def settled(world: World) -> bool:
    """Whether nothing more happens, at two looks and a sync."""
    world.pass_time(minutes=1)
    watcher(world).tick()
    quiet = watcher(world).tick().quiet and world.sync().plan.empty
    world.verify_ledger()
    return quiet and world.check().differences == ()


def test_a_grant_made_in_between_stands(bureau: World, look: tuple[Look, str]) -> None:
    """An entitled administrator's grant becomes a basis though its event came after those that were read."""
    take, call = look
    touch(bureau)
    with once_before(bureau, call, lambda: join(bureau, "B00001", "C00001")):
        take(bureau)
    assert bureau.ledger("console_change_refused") == []
    assert [item.actor for item in bureau.registry().bases] == [bureau.user("B00001").id]
    assert settled(bureau)
    assert bureau.duties("C00001") == {"经办人员"}
    assert len(bureau.ledger("basis_adopted")) == 1


def test_a_forbidden_grant_made_in_between_is_dated(bureau: World, look: tuple[Look, str]) -> None:
    """Somebody else's is undone, its exposure measured from its event, and it is told once."""
    take, call = look
    touch(bureau)
    with once_before(bureau, call, lambda: join(bureau, "S00001", "C00001")):
        take(bureau)
    assert settled(bureau)
    assert bureau.duties("C00001") == set()
    assert len(bureau.ledger("console_change_refused")) == 1
    report = read_exposure(bureau.context)
    assert (report.ended, report.open) == (1, 0)


def test_an_event_that_was_taken_back_explains_nothing(bureau: World, look: tuple[Look, str]) -> None:
    """Who joins somebody after an entitled administrator took it back is not taken for the administrator."""
    take, call = look
    join(bureau, "B00001", "C00001")
    bureau.pass_time(seconds=1)
    leave(bureau, "B00001", "C00001")
    touch(bureau)
    bureau.pass_time(seconds=1)
    with once_before(bureau, call, lambda: join(bureau, "S00001", "C00001")):
        take(bureau)
    assert settled(bureau)
    assert bureau.duties("C00001") == set()
    assert bureau.registry().bases == ()


def test_who_made_an_account_did_not_give_it_what_came_later(bureau: World) -> None:
    """A grant to somebody whose account we made just before is the administrator's who gave it."""
    bureau.hire(BUREAU, "", staff_no="C00003")
    bureau.issue_and_sync()
    touch(bureau, "C00003")
    with once_before(bureau, "read_user", lambda: join(bureau, "B00001", "C00003")):
        watcher(bureau).tick()
    assert settled(bureau)
    assert bureau.duties("C00003") == {"经办人员"}


def test_a_look_without_such_a_change_reads_events_once(bureau: World) -> None:
    """Nothing is asked again when each change has its event."""
    join(bureau, "B00001", "C00001")
    join(bureau, "S00001", "C00002")
    before = bureau.fake.calls["read_admin_events"]
    watcher(bureau).tick()
    # One for the news, and one that dates the end of what was undone.
    assert bureau.fake.calls["read_admin_events"] - before == 2
    assert (bureau.duties("C00001"), bureau.duties("C00002")) == ({"经办人员"}, set())
