"""Whose word counts: nobody's who is off, nobody's for oneself, and each word once (S8, D15)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import delete, update

from fixtures.asking import CLERK, COLLEAGUE, KEEPER, PROVINCE, ask, bodies, frozen, look, staffed
from fixtures.life import Life
from fixtures.watching import as_administrator
from fixtures.world import WIDE, World
from quanheng.config import Limit
from quanheng.errors import RefusedError, UnreachableError, UnsafePlanError
from quanheng.model.person import HoldKind, Proposal, ProposalKind, RequestKind
from quanheng.operations.approve import decide_all
from quanheng.operations.lifecycle.freezing import freeze
from quanheng.store import tables
from quanheng.store.watching import ToJudge, put_to_judge

LEAK = "口令泄露，立即冻结"


@pytest.fixture
def life(world: World) -> Life:
    """忻府区, and a clerk who is frozen."""
    found = staffed(world)
    frozen(found)
    return found


def switch_on(life: Life, who: str) -> None:
    """A colleague switches an account on in the console; no watcher has looked since."""
    user = life.world.user(who)
    as_administrator(life.world, COLLEAGUE).update_user(
        user.id, username=user.username, enabled=True, name=user.name, attributes=user.attributes
    )


def freeze_unheard(life: Life, who: str) -> None:
    """Somebody is frozen by command while Keycloak is away: the account is still on there."""

    def away(name: str) -> None:
        if name == "switch_off":
            raise UnreachableError

    life.world.fake.before_call = away
    assert not freeze(life.context, who, reason=LEAK).off
    life.world.fake.before_call = None


def freeze_and_switch_on(life: Life, who: str) -> None:
    """Somebody is frozen, and switched on again."""
    freeze(life.context, who, reason=LEAK)
    switch_on(life, who)


def retire(life: Life, who: str) -> None:
    """A source says that somebody has retired, and a colleague switches the account on."""
    life.world.change(who, status="退休", status_from="2026-03-01")
    life.world.issue_and_sync()
    switch_on(life, who)


def investigate(life: Life, who: str) -> None:
    """A source says that somebody is under investigation, and a colleague switches the account on."""
    life.world.change(who, status="接受调查", status_from="2026-03-01")
    life.world.issue_and_sync()
    switch_on(life, who)


@pytest.mark.parametrize("end", [freeze_unheard, freeze_and_switch_on, retire, investigate])
def test_who_is_held_decides_nothing(life: Life, end: Callable[[Life, str], None]) -> None:
    """Whatever Keycloak has of the account at this moment."""
    asked = ask(life, RequestKind.UNFREEZE)
    person = life.world.login(KEEPER)
    end(life, KEEPER)
    with pytest.raises(RefusedError, match="is off") as refused:
        decide_all(life.context, [asked.key], person, approve=True)
    assert "调查" not in str(refused.value)
    assert not life.enabled(CLERK)


@pytest.mark.parametrize("end", [freeze_unheard, freeze_and_switch_on, retire])
def test_who_is_held_asks_for_nothing(life: Life, end: Callable[[Life, str], None]) -> None:
    """Nor is anything asked for by whoever is off."""
    end(life, KEEPER)
    with pytest.raises(RefusedError, match="is off"):
        ask(life, RequestKind.UNFREEZE, by=KEEPER)


@pytest.mark.parametrize("end", [freeze_unheard, freeze_and_switch_on, retire])
def test_who_asked_is_looked_at_again(life: Life, end: Callable[[Life, str], None]) -> None:
    """Two people stand behind what is given back: one whose account was stolen is none of them. Rejecting
    takes one."""
    asked = ask(life, RequestKind.UNFREEZE, by=COLLEAGUE)
    end(life, COLLEAGUE)
    with pytest.raises(RefusedError, match="may not ask for it any more"):
        life.world.approve(asked.key, by=KEEPER)
    assert not life.enabled(CLERK)
    life.world.approve(asked.key, by=KEEPER, approve=False)


def test_an_old_request_lifts_no_later_freeze(life: Life) -> None:
    """Two were asked for; after the first, somebody is frozen again on the same day by the same operator."""
    first, second = ask(life, RequestKind.UNFREEZE), ask(life, RequestKind.UNFREEZE, reason="手机已找回")
    life.world.approve(second.key, by=KEEPER)
    assert life.enabled(CLERK)
    life.world.pass_time(hours=2)
    frozen(life)
    with pytest.raises(RefusedError, match="put anew"):
        life.world.approve(first.key, by=KEEPER)
    assert not life.enabled(CLERK)
    third = ask(life, RequestKind.UNFREEZE, reason="核查完毕，可以恢复")
    life.world.approve(third.key, by=KEEPER)
    assert life.enabled(CLERK)


def test_one_that_is_named_twice_is_decided_once(life: Life) -> None:
    """In full and in short; and of two requests about one hold one is enough."""
    asked = ask(life, RequestKind.UNFREEZE)
    life.world.approve(asked.key, asked.key[:12], by=KEEPER)
    assert len(bodies(life, "hold_lifted")) == 1
    assert [body["key"] for body in bodies(life, "proposal_approved")].count(asked.key) == 1
    frozen(life)
    both = [ask(life, RequestKind.UNFREEZE, reason=why) for why in ("手机已找回", "核查完毕")]
    with pytest.raises(RefusedError, match="was lifted"):
        life.world.approve(*(item.key for item in both), by=KEEPER)
    assert not life.enabled(CLERK)


def unsafe(life: Life, *leavers: str) -> Proposal:
    """The question about a plan that switches off too many."""
    world = life.world
    tight = WIDE.model_copy(update={"disable": Limit(count=1, percent=100)})
    world.settings = world.settings.model_copy(update={"safety": tight})
    world.context = world.open(settings=world.settings)
    for who in leavers:
        world.change(who, status="退休", status_from="2026-03-01")
    world.issue("hr")
    with pytest.raises(UnsafePlanError):
        world.sync()
    (found,) = (item for item in world.proposals() if item.kind is ProposalKind.UNSAFE_PLAN)
    return found


def test_nobody_holds_up_what_takes_from_oneself(world: World) -> None:
    """A plan that switches off too many names an administrator of the province: rejecting it is another's."""
    life = staffed(world)
    plan = unsafe(life, PROVINCE, CLERK)
    with pytest.raises(RefusedError, match="concerns the same person"):
        world.approve(plan.key, by=PROVINCE, approve=False)
    world.approve(plan.key, by="P00002", approve=False)


def test_a_freeze_that_the_store_was_made_to_forget(world: World) -> None:
    """Its row is taken out and the account marked as on: neither the store nor the ledger takes it for the
    console's own after that."""
    life = staffed(world)
    frozen(life)
    look(life, 2)
    with life.context.database.transaction() as connection:
        mine = tables.account.c.person_id == world.person(CLERK).id
        connection.execute(delete(tables.hold))
        connection.execute(update(tables.account).where(mine).values(enabled_written=True))
        put_to_judge(connection, ToJudge(users=frozenset({world.user(CLERK).id})), world.clock())
    look(life, 2)
    switch_on(life, CLERK)
    look(life, 3)
    assert not life.enabled(CLERK)
    world.issue_and_sync()
    assert not life.enabled(CLERK)
    assert [body["origin"] for body in bodies(life, "hold_put") if body["kind"] == HoldKind.FROZEN] == [
        "freeze:os:operator@test"
    ]
