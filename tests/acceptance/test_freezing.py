"""Frozen at once, by command or in the console: off, sessions ended, and never switched on by ourselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import delete, insert, select

from fixtures.asking import CLERK, KEEPER, ask, bodies, frozen, look, staffed, weeks
from fixtures.identities import a_mint
from fixtures.life import Life
from fixtures.terms import night, put
from fixtures.watching import as_administrator, watcher
from fixtures.world import VILLAGE, WIDE, World
from quanheng.clock import day_in_china
from quanheng.config import Limit
from quanheng.errors import ConfigurationError, QuanhengError, RefusedError, UnreachableError
from quanheng.model.person import HoldKind, RequestKind
from quanheng.notify.port import NoticeKind
from quanheng.operations.carrying_out import hold_lease
from quanheng.operations.lifecycle import freezing
from quanheng.operations.lifecycle.freezing import freeze
from quanheng.operations.synchronise import synchronise
from quanheng.operations.watching import repairing
from quanheng.store import tables
from quanheng.store.faults import StoreConflictError
from quanheng.store.watching import ToJudge, put_to_judge, read_to_judge

ON, OFF = True, False


@pytest.fixture
def life(world: World) -> Life:
    """Administrators of two counties, and a clerk who is at work."""
    life = staffed(world)
    look(life, 2)
    life.told()
    life.world.fake.calls.clear()
    return life


def switch(life: Life, who: str, *, on: bool, by: str = KEEPER) -> None:
    """Somebody turns the switch of an account in the console."""
    user = life.world.user(who)
    as_administrator(life.world, by).update_user(
        user.id, username=user.username, enabled=on, name=user.name, attributes=user.attributes
    )


def test_frozen_at_once(life: Life) -> None:
    """The hold, its entries, the notice; off in Keycloak, and every session ended, by two calls."""
    user = life.world.user(CLERK)
    done = frozen(life)
    assert (done.username, done.new, done.off, done.exit_code) == (user.username, True, True, 0)
    assert life.enabled(CLERK) is OFF
    assert (life.world.fake.calls["switch_off"], life.world.fake.calls["logout"]) == (1, 1)
    (hold,) = life.stored(CLERK)
    assert (hold.kind, hold.origin) == (HoldKind.FROZEN, "freeze:os:operator@test")
    (put,) = bodies(life, "hold_put")
    assert (put["kind"], put["since"], put["origin"]) == ("frozen", "2026-03-02", hold.origin)
    assert put["person"] == life.world.person(CLERK).id
    assert [body["username"] for body in bodies(life, "account_frozen")] == [user.username]
    (facts,) = life.told(NoticeKind.FROZEN)
    assert (facts["username"], facts["by"]) == (user.username, "os:operator@test")
    assert life.world.person(CLERK).name not in str([facts, *bodies(life)])


def test_it_is_what_it_was_for_whoever_looks_next(life: Life) -> None:
    """Watcher, sync and check have nothing to do; the sync never switches it on."""
    frozen(life)
    writes = life.world.fake.writes
    look(life, 3)
    assert life.world.issue_and_sync().plan.changes == ()
    assert life.world.check().clean
    assert (life.enabled(CLERK), life.world.fake.writes) == (OFF, writes)


def test_twice_does_nothing_twice(life: Life) -> None:
    """Neither in Keycloak nor in the ledger nor by notice; only when it was on again is it switched off."""
    frozen(life)
    entries, writes = len(life.world.ledger()), life.world.fake.writes
    again = frozen(life)
    assert (again.new, again.off) == (False, True)
    assert (len(life.world.ledger()), life.world.fake.writes) == (entries, writes)
    assert len(life.told(NoticeKind.FROZEN)) == 1
    switch(life, CLERK, on=ON)
    assert frozen(life).off
    assert life.enabled(CLERK) is OFF


def test_while_a_sync_holds_the_lease(life: Life) -> None:
    """Nobody waits for it."""
    with hold_lease(life.context):
        done = freeze(life.world.open(), CLERK, reason="手机遗失")
    assert (done.off, life.enabled(CLERK)) == (True, OFF)


def test_a_freeze_stands_while_keycloak_is_away(life: Life) -> None:
    """It says so, with an exit code; the next look switches the account off and ends its sessions."""
    life.world.fake.down()
    done = frozen(life)
    assert (done.new, done.off, done.exit_code) == (True, False, UnreachableError.exit_code)
    assert done.problem
    assert life.holds(CLERK) == {HoldKind.FROZEN}
    life.world.fake.down(False)
    assert life.enabled(CLERK) is ON
    life.world.fake.calls.clear()
    look(life)
    assert (life.enabled(CLERK), life.world.fake.calls["logout"]) == (OFF, 1)


def test_run_again_when_keycloak_is_back(life: Life) -> None:
    """The command itself can do what is left; the notice went out the first time."""
    life.world.fake.down()
    frozen(life)
    life.world.fake.down(False)
    done = frozen(life)
    assert (done.new, done.off, life.enabled(CLERK)) == (False, True, OFF)
    assert len(life.told(NoticeKind.FROZEN)) == 1


def test_gone_between_switch_and_sessions(life: Life) -> None:
    """Off, but its sessions go on: the next look ends them, and the freeze is the command's."""

    def die(name: str) -> None:
        if name == "logout":
            raise UnreachableError

    life.world.fake.before_call = die
    assert not frozen(life).off
    life.world.fake.before_call = None
    assert life.enabled(CLERK) is OFF
    life.world.fake.calls.clear()
    look(life, 2)
    assert life.world.fake.calls["logout"] == 1
    assert [hold.origin for hold in life.stored(CLERK)] == ["freeze:os:operator@test"]
    look(life, 2)
    assert life.world.fake.calls["logout"] == 1


def at_first(life: Life, act: Callable[[], object], *names: str) -> None:
    """Do something when one of these is called for the first time, before it is done."""
    seen: list[str] = []

    def when(called: str) -> None:
        if called in names and not seen:
            seen.append(called)
            act()

    life.world.fake.before_call = when


@pytest.mark.parametrize("by", ["sync", "watcher"])
def test_a_plan_that_was_made_before_switches_it_on(life: Life, by: str) -> None:
    """Somebody back from leave is frozen while the plan that gives the account back is carried out: the next
    look switches it off again."""
    life.world.change(CLERK, status="病假", status_from="2026-03-01", status_to="2026-09-01")
    life.world.issue_and_sync()
    assert life.enabled(CLERK) is OFF
    life.world.change(CLERK, status="在岗", status_from="2026-03-02", status_to="")
    life.world.pass_time(days=1)
    at_first(life, lambda: freeze(life.world.open(), CLERK, reason="手机遗失"), "update_user")
    life.world.issue_and_sync()
    life.world.fake.before_call = None
    assert life.enabled(CLERK) is ON
    if by == "sync":
        life.world.issue_and_sync()
    else:
        look(life)
    assert life.enabled(CLERK) is OFF
    assert life.holds(CLERK) == {HoldKind.FROZEN}


def test_somebody_is_frozen_while_the_account_is_made(life: Life) -> None:
    """The first load knows nothing of it: the next look does."""
    late = life.hire(VILLAGE)
    at_first(
        life,
        lambda: freeze(life.world.open(), late, reason="人员未到岗"),
        "import_users",
        "create_user",
    )
    life.world.issue_and_sync()
    life.world.fake.before_call = None
    assert (life.enabled(late), life.holds(late)) == (ON, {HoldKind.FROZEN})
    look(life)
    assert life.enabled(late) is OFF


# In the console


def test_disabled_in_the_console(life: Life) -> None:
    """By the county's 系统管理员: a hold of the console's own, and one look ends the sessions, once."""
    switch(life, CLERK, on=OFF)
    look(life)
    assert life.world.fake.calls["logout"] == 1
    assert [(hold.kind, hold.origin) for hold in life.stored(CLERK)] == [(HoldKind.FROZEN, "console")]
    assert [body["origin"] for body in bodies(life, "hold_put")] == ["console"]
    look(life, 2)
    life.world.issue_and_sync()
    assert (life.world.fake.calls["logout"], life.enabled(CLERK)) == (1, OFF)


def test_disabled_in_the_console_without_a_watcher(life: Life) -> None:
    """The sync that finds it ends the sessions."""
    switch(life, CLERK, on=OFF)
    life.world.issue_and_sync()
    assert life.world.fake.calls["logout"] == 1


def test_nobody_is_told_twice_when_keycloak_is_away(life: Life) -> None:
    """Sessions that could not be ended leave nothing written down: the next look finds the same."""

    def die(name: str) -> None:
        if name == "logout":
            raise UnreachableError

    switch(life, CLERK, on=OFF)
    life.world.fake.before_call = die
    with pytest.raises(UnreachableError):
        look(life)
    assert (life.holds(CLERK), bodies(life, "hold_put")) == (set(), [])
    life.world.fake.before_call = None
    look(life)
    assert (life.holds(CLERK), life.world.fake.calls["logout"]) == ({HoldKind.FROZEN}, 1)


def test_who_was_off_before_has_no_sessions_to_end(life: Life) -> None:
    """An account that is recognised again, and off, costs no call."""
    life.world.change(CLERK, status="病假", status_from="2026-03-01", status_to="2026-09-01")
    life.world.issue_and_sync()
    with life.context.database.transaction() as connection:
        mine = tables.account.c.person_id == life.world.person(CLERK).id
        connection.execute(delete(tables.account).where(mine))
    life.world.fake.calls.clear()
    life.world.issue_and_sync()
    assert life.world.fake.calls["logout"] == 0
    assert life.world.registry().accounts[life.world.person(CLERK).id].enabled_written is OFF


def test_the_console_gives_back_its_own(life: Life) -> None:
    """And the count of three months goes on as before: nobody asked a second person."""
    counts = select(tables.account.c.counts_from).where(
        tables.account.c.person_id == life.world.person(CLERK).id
    )
    with life.context.database.reading() as connection:
        before = connection.execute(counts).scalar()
    switch(life, CLERK, on=OFF)
    look(life)
    life.world.pass_time(days=3)
    switch(life, CLERK, on=ON)
    look(life)
    assert (life.enabled(CLERK), life.stored(CLERK)) == (ON, [])
    (lifted,) = bodies(life, "hold_lifted")
    assert (lifted["kind"], lifted["origin"]) == ("frozen", "console")
    with life.context.database.reading() as connection:
        assert connection.execute(counts).scalar() == before


def test_a_command_takes_the_place_of_the_consoles_freeze(life: Life) -> None:
    """From then on the console's switch gives nothing back."""
    switch(life, CLERK, on=OFF)
    look(life)
    assert frozen(life).new
    assert [hold.origin for hold in life.stored(CLERK)] == ["freeze:os:operator@test"]
    switch(life, CLERK, on=ON)
    look(life)
    assert life.enabled(CLERK) is OFF


def test_a_command_beside_a_look_at_the_console(life: Life) -> None:
    """What a look saw of the console before the command came neither replaces nor lifts its freeze."""
    switch(life, CLERK, on=OFF)
    at_first(life, lambda: freeze(life.world.open(), CLERK, reason="手机遗失"), "logout")
    look(life)
    life.world.fake.before_call = None
    assert [hold.origin for hold in life.stored(CLERK)] == ["freeze:os:operator@test"]


def test_a_command_beside_a_look_that_gives_back(life: Life) -> None:
    """The console gives back what is its own while the command freezes: the freeze stands, and the account
    is off."""
    switch(life, CLERK, on=OFF)
    look(life)
    switch(life, CLERK, on=ON)
    plan = repairing._plan

    def freeze_then(*given: Any, **options: Any) -> Any:
        made = plan(*given, **options)
        freeze(life.world.open(), CLERK, reason="手机遗失")
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repairing, "_plan", freeze_then)
        look(life)
    assert [hold.origin for hold in life.stored(CLERK)] == ["freeze:os:operator@test"]
    look(life)
    assert life.enabled(CLERK) is OFF


def _inactive(life: Life) -> None:
    weeks(life, 14)


def _command(life: Life) -> None:
    frozen(life)


def _deregistered(life: Life) -> None:
    life.world.approve(ask(life, RequestKind.DEREGISTER).key, by=KEEPER)


def _expired(life: Life) -> None:
    put(life, CLERK, 1, owner=life.lively[0])
    night(life, 2)


@pytest.mark.parametrize(
    ("off", "why"),
    [(_inactive, "未登录"), (_command, "手机遗失"), (_deregistered, "注销"), (_expired, "到期")],
    ids=["inactive", "frozen by command", "deregistered", "expired"],
)
def test_switched_on_in_the_console(life: Life, off: Callable[[Life], None], why: str) -> None:
    """The next look switches it off again, ends the sessions begun meanwhile, and says why: in the ledger and
    to whoever is told."""
    off(life)
    look(life, 2)
    life.told()
    entries, told = len(bodies(life, "disable")), len(life.told(NoticeKind.REPAIR))
    kinds = life.holds(CLERK)
    life.world.fake.calls.clear()
    switch(life, CLERK, on=ON)
    look(life)
    assert (life.enabled(CLERK), life.holds(CLERK)) == (OFF, kinds)
    assert life.world.fake.calls["logout"] == 1
    (entry,) = bodies(life, "disable")[entries:]
    assert why in entry["reason"]
    (facts,) = life.told(NoticeKind.REPAIR)[told:]
    assert any(why in line for line in facts["changes"])
    assert facts["actors"] == [life.world.user(KEEPER).id]


# Whom, and why


@pytest.mark.parametrize(
    ("who", "reason", "error", "word"),
    [
        ("nobody", "手机遗失", ConfigurationError, "nobody of the registry"),
        (CLERK, "急", RefusedError, "4 to 500"),
        (CLERK, f"请致电{a_mint().phone()}", RefusedError, "ID number or a phone"),
        (a_mint().resident_number(), "手机遗失", RefusedError, "nobody is looked up"),
    ],
)
def test_who_cannot_be_frozen(
    life: Life, who: str, reason: str, error: type[QuanhengError], word: str
) -> None:
    """Refused with a remedy, and nothing is written."""
    entries = len(life.world.ledger())
    with pytest.raises(error, match=word):
        freeze(life.context, who, reason=reason)
    assert (len(life.world.ledger()), life.world.fake.writes) == (entries, life.world.fake.writes)


def test_somebody_without_an_account(life: Life) -> None:
    """Frozen before there is one: it is made off."""
    late = life.hire(VILLAGE)
    user = life.world.fake
    user.before_call = lambda name: _refuse(name)
    with pytest.raises(UnreachableError):
        life.world.issue_and_sync()
    user.before_call = None
    assert freeze(life.context, late, reason="人员未到岗").off
    life.world.issue_and_sync()
    assert (life.enabled(late), life.holds(late)) == (OFF, {HoldKind.FROZEN})


def _refuse(name: str) -> None:
    if name in ("import_users", "create_user"):
        raise UnreachableError


def test_whoever_writes_at_the_same_moment(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    """A counter that two write at once is written again."""
    tries: list[str] = []
    put = freezing.put_hold

    def stumble(*given: object) -> None:
        tries.append("try")
        if len(tries) < 3:
            raise StoreConflictError
        put(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(freezing, "put_hold", stumble)
    assert frozen(life).off
    assert len(tries) == 3
    tries[:] = []
    assert (frozen(life).new, tries) == (False, [])


def test_judged_until_it_is_so(life: Life) -> None:
    """What waits to be judged is gone after the next look."""
    frozen(life)
    with life.context.database.reading() as connection:
        assert read_to_judge(connection).users == {life.world.user(CLERK).id}
    look(life)
    with life.context.database.reading() as connection:
        assert not read_to_judge(connection)
    assert watcher(life.world, life.context).tick().quiet


def away(name: str) -> None:
    """Keycloak does not answer when something is switched off."""
    if name == "switch_off":
        raise UnreachableError


def test_frozen_while_a_look_goes_on(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keycloak does not hear of it, and the look that had read the account before ends: the next one switches
    it off."""
    world, real = life.world, repairing.carry_out

    def meanwhile(*given: Any, **options: Any) -> Any:
        if not life.holds(CLERK):
            life.world.fake.before_call = away
            assert not freeze(world.open(settings=world.settings), CLERK, reason="口令泄露，立即冻结").off
            life.world.fake.before_call = None
        return real(*given, **options)

    with life.context.database.transaction() as connection:
        put_to_judge(connection, ToJudge(users=frozenset({world.user(CLERK).id})), world.clock())
    monkeypatch.setattr(repairing, "carry_out", meanwhile)
    watching = watcher(world, life.context)
    watching.tick()
    assert life.enabled(CLERK)
    world.pass_time(seconds=5)
    watching.tick()
    assert not life.enabled(CLERK)
    watching.tick()
    assert watching.tick().quiet


@pytest.fixture
def narrow(life: Life) -> Life:
    """Two accounts are as many as may be switched off without a second person."""
    tight = WIDE.model_copy(update={"disable": Limit(count=2, percent=100)})
    life.world.settings = life.world.settings.model_copy(update={"safety": tight})
    life.context = life.world.context = life.world.open(settings=life.world.settings)
    return life


@pytest.fixture
def many(life: Life) -> list[str]:
    """Six more clerks."""
    found = [str(life.hire(VILLAGE)) for _ in range(6)]
    life.world.issue_and_sync()
    look(life, 2)
    return found


def test_many_that_are_switched_on_in_the_console(life: Life, many: list[str], narrow: Life) -> None:
    """Whoever switches on at once more than the limit of switching off gains no time by it."""
    for who in many:
        frozen(life, who)
    look(life, 2)
    for who in many:
        switch(life, who, on=ON)
    assert not watcher(life.world, narrow.context).tick().stopped
    assert not any(life.enabled(who) for who in many)


def test_many_that_a_source_has_off_are_switched_on(life: Life, many: list[str], narrow: Life) -> None:
    """So too when no hold of a person's, but a row of a source keeps them off; also for a sync."""
    wide = life.world.open(settings=life.world.settings.model_copy(update={"safety": WIDE}))
    for who in many:
        life.world.change(who, status="接受调查", status_from="2026-03-01")
    life.world.issue()
    synchronise(wide)
    assert not any(life.enabled(who) for who in many)
    for who in many:
        switch(life, who, on=ON)
    look(narrow)
    assert not any(life.enabled(who) for who in many)
    for who in many:
        switch(life, who, on=ON)
    life.world.sync()
    assert not any(life.enabled(who) for who in many)


def test_many_that_were_frozen_while_keycloak_was_away(life: Life, many: list[str], narrow: Life) -> None:
    """A whole office has leaked: each was somebody's decision, and no feed's mistake."""
    life.world.fake.before_call = away
    for who in many:
        assert not frozen(life, who).off
    life.world.fake.before_call = None
    look(narrow)
    assert not any(life.enabled(who) for who in many)


def test_a_limit_stops_no_freeze_in_the_console(life: Life, many: list[str], narrow: Life) -> None:
    """Beside more than may be done at once: the account that was switched off is kept off, and its sessions
    end."""
    world = life.world
    with life.context.database.transaction() as connection:
        connection.execute(
            insert(tables.hold),
            [
                {
                    "person_id": world.person(who).id,
                    "kind": HoldKind.EXPIRED,
                    "since": day_in_china(world.clock()),
                    "reason": "临时账号已到期",
                    "origin": "term",
                }
                for who in many
            ],
        )
        put_to_judge(connection, ToJudge(everybody=True), world.clock())
    switch(life, CLERK, on=OFF)
    world.fake.calls.clear()
    assert watcher(world, narrow.context).tick().stopped
    assert world.fake.calls["logout"] == 1
    assert life.holds(CLERK) == {HoldKind.FROZEN}
    assert all(life.enabled(who) for who in many)
