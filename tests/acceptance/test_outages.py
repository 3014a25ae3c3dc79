"""Keycloak or the store fail in the middle: what is done is known to be done, and the next run finishes."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
from sqlalchemy import event, text

from fixtures.kills import assert_converged
from fixtures.world import BUREAU, FOUNDERS, PROVINCE_BUREAU, VILLAGE, World, WorldTemplate
from quanheng.errors import QuanhengError, UnreachableError
from quanheng.keycloak.port import RealmRefusedError
from quanheng.model.ids import PostId, StaffNo
from quanheng.model.staff import OrgKind
from quanheng.operations.check import check
from quanheng.operations.synchronise import synchronise
from quanheng.store.faults import StoreFullError


@pytest.fixture
def busy(world: World) -> World:
    """Thirty people about to be loaded."""
    for _ in range(30):
        world.hire(VILLAGE)
    world.issue()
    return world


def fail(world: World, method: str, nth: int, error: Exception, *, after: bool = False) -> None:
    """Have the ``nth`` call of a method raise, before it is done or after."""
    count = 0

    def hook(name: str) -> None:
        nonlocal count
        count += name == method
        if name == method and count == nth:
            raise error

    if after:
        world.fake.after_call = hook
    else:
        world.fake.before_call = hook


def works_again(world: World) -> None:
    """Keycloak answers as it should."""
    world.fake.before_call = world.fake.after_call = None
    world.fake.down(False)


@pytest.mark.parametrize("method", ["read_server_time", "read_groups", "sweep_users", "create_group"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_fault_at_the_beginning(busy: World, method: str, after: bool) -> None:
    """A 500 while reading, or at the first write, leaves a run that the next one finishes."""
    fail(busy, method, 1, UnreachableError("HTTP 500"), after=after)
    with pytest.raises(UnreachableError):
        busy.sync()
    works_again(busy)
    assert_converged(busy)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("nth", [1, 3, 6])
def test_fault_in_the_middle_of_a_load(busy: World, nth: int, after: bool) -> None:
    """A 500 or 401 in the middle of a load: what was done is in the ledger, the rest follows later."""
    fail(busy, "import_users", nth, UnreachableError("HTTP 500 or 401"), after=after)
    with pytest.raises(UnreachableError):
        busy.sync()
    written = len(busy.ledger("create"))
    assert len(busy.users()) - written <= 5, "at most the one batch whose answer was lost"
    works_again(busy)
    assert_converged(busy)


def test_goes_down_and_stays_down(busy: World) -> None:
    """While Keycloak is down every run fails the same way, and nothing gets worse by it."""
    seen = 0

    def hook(name: str) -> None:
        nonlocal seen
        seen += name == "import_users"
        if seen == 3:
            busy.fake.down()

    busy.fake.before_call = hook
    for _ in range(3):
        with pytest.raises(UnreachableError):
            busy.sync()
    with pytest.raises(UnreachableError):
        check(busy.context)
    entries = len(busy.ledger())
    with pytest.raises(UnreachableError):
        busy.sync()
    assert len(busy.ledger()) == entries
    works_again(busy)
    assert_converged(busy)


def test_user_that_keycloak_alone_refuses(busy: World) -> None:
    """A user whom only Keycloak objects to is refused and told; the other users of its batch are made."""

    def veto(name: str) -> None:
        if name == "import_users":
            raise RealmRefusedError("HTTP 409", status=409)
        if name == "create_user":
            nonlocal refused
            refused += 1
            if refused == 4:
                raise RealmRefusedError("HTTP 400", status=400)

    refused = 0
    busy.fake.before_call = veto
    done = busy.sync()
    assert len(done.outcome.refused) == 1
    assert done.outcome.done["create"] == 31
    works_again(busy)
    assert_converged(busy)


def test_refused_group_holds_up_its_people_only(busy: World) -> None:
    """A group that Keycloak refuses is told with everybody who needs it; the rest is done, later all is."""
    busy.hire(BUREAU, "经办人员")
    busy.issue()
    fail(busy, "create_group", 12, RealmRefusedError("HTTP 400", status=400))
    done = busy.sync()
    assert done.outcome.refused
    works_again(busy)
    assert_converged(busy)


def test_refused_new_group_of_a_granted_duty(world: World) -> None:
    """A duty whose group could not be made is refused for its people, and the run goes on."""
    staff = [world.hire(VILLAGE) for _ in range(5)]
    world.issue_and_sync()
    world.add_unit("140922", "五台县", OrgKind.COUNTY, "1409")
    world.add_unit("140922001", "台城镇", OrgKind.TOWNSHIP, "140922")
    world.change(staff[0], org="140922001")
    world.change(staff[1], phone="15400312345", name="新名")
    world.issue()

    def veto(name: str) -> None:
        if name == "create_group":
            raise RealmRefusedError("HTTP 400", status=400)

    world.fake.before_call = veto
    done = world.sync()
    assert {str(item.change.kind) for item in done.outcome.refused} == {"group_create", "move", "grant"}
    assert world.user(staff[1]).name == "新名"
    works_again(world)
    assert_converged(world)
    assert world.duties(staff[0]) == {"业务操作员"}


def test_nothing_is_given_where_something_could_not_be_taken(world: World) -> None:
    """When a revocation is refused, the person gets nothing on top: no exclusion is broken in between."""
    other = FOUNDERS[PostId("system_admin")]
    staff_no = world.hire(PROVINCE_BUREAU, "系统管理员")
    world.issue_and_sync()
    world.approve()
    world.sync()
    world.change(staff_no, post="经办人员")
    world.issue()
    fail(world, "leave_group", 1, RealmRefusedError("HTTP 409", status=409))
    done = world.sync()
    assert {str(item.change.kind) for item in done.outcome.refused} == {"revoke", "move", "grant"}
    assert world.duties(staff_no) == {"系统管理员"}
    works_again(world)
    assert_converged(world)
    assert (world.duties(staff_no), world.duties(other)) == ({"经办人员"}, {"系统管理员"})


def test_slow_answers_are_waited_for(busy: World) -> None:
    """Answers that take so long that the lease is nearly over do not lose it: each record renews it."""

    def slow(name: str) -> None:
        if name == "import_users":
            busy.pass_time(seconds=7)

    busy.fake.before_call = slow
    busy.sync()
    works_again(busy)
    assert_converged(busy)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_full_disk(world_template: WorldTemplate, tmp_path: Path, share: float) -> None:
    """The store may grow no further, at any point of a load: the run stops, and goes on with more room."""
    whole = world_template.make(tmp_path / "whole")
    before = _pages(whole)
    _load(whole)
    whole.sync()
    needed = _pages(whole) - before
    whole.close()

    world = world_template.make(tmp_path / "full")
    _load(world)
    limit = before + int(needed * share)
    full = world.open()

    @event.listens_for(full.database.engine, "connect")
    def cap(connection: object, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count={limit}")  # type: ignore[attr-defined]

    full.database.engine.dispose()
    with pytest.raises(StoreFullError):
        synchronise(full)
    world.pass_time(seconds=61)
    assert_converged(world)
    world.close()


def _load(world: World) -> None:
    for _ in range(30):
        world.hire(VILLAGE)
    world.issue()


def _pages(world: World) -> int:
    with world.context.database.reading() as connection:
        return int(connection.execute(text("PRAGMA page_count")).scalar_one())


def test_file_size_limit_of_the_process(world: World) -> None:
    """A process that may write no larger files (ulimit -f) stops with an error of ours, nothing half done."""
    _load(world)
    size = Path(str(world.context.database.engine.url.database)).stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        with pytest.raises(QuanhengError) as caught:
            world.sync()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.remedy
    world.pass_time(seconds=61)
    assert_converged(world)


def test_removed_person_of_a_plan_under_way(busy: World) -> None:
    """A user deleted while we apply is refused, told, and made again by the next run."""
    busy.sync()
    staff_no = StaffNo("T00005")
    user = busy.user(staff_no)
    busy.change(staff_no, name="新名")
    busy.issue()

    def delete(name: str) -> None:
        if name == "update_user":
            busy.fake.before_call = None
            busy.console.tamper_delete_user(user.id)

    busy.fake.before_call = delete
    done = busy.sync()
    assert [item.change.kind for item in done.outcome.refused] == ["update"]
    busy.sync()
    assert busy.user(staff_no).name == "新名"
    assert busy.sync().plan.empty
