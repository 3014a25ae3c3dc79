"""A hold that vanishes from the store, or is changed there, is what the ledger says it is."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete, event, insert, update

import quanheng
from fixtures.asking import CLERK, KEEPER, ask, bodies, frozen, look, staffed, weeks
from fixtures.life import Life
from fixtures.watching import as_administrator
from fixtures.world import World, kinds_of
from quanheng.model.finding import FindingKind
from quanheng.model.person import HoldKind, RequestKind
from quanheng.operations.lifecycle.locking import ORIGIN
from quanheng.operations.trust import read_trusted_part
from quanheng.store import tables
from quanheng.store.watching import ToJudge, put_to_judge


@pytest.fixture
def life(world: World) -> Life:
    """Administrators, and a clerk who is at work."""
    life = staffed(world)
    look(life, 2)
    return life


def forget_holds(life: Life) -> None:
    """Somebody without keys takes every hold out of the store, and has the clerk judged."""
    with life.context.database.transaction() as connection:
        connection.execute(delete(tables.hold))
        judged = ToJudge(users=frozenset({life.world.user(CLERK).id}))
        put_to_judge(connection, judged, life.world.clock())


def _frozen(life: Life) -> None:
    frozen(life)


def _inactive(life: Life) -> None:
    weeks(life, 14)


def _deregistered(life: Life) -> None:
    life.world.approve(ask(life, RequestKind.DEREGISTER).key, by=KEEPER)


WAYS = [_frozen, _inactive, _deregistered]


@pytest.mark.parametrize("off", WAYS, ids=lambda off: off.__name__)
def test_a_hold_that_vanished_stands(life: Life, off: Callable[[Life], None]) -> None:
    """The watcher gives nothing back, nor does the sync, which tells of it, each time."""
    off(life)
    duties = life.world.duties(CLERK)
    forget_holds(life)
    look(life, 2)
    assert not life.enabled(CLERK)
    for _ in range(2):
        done = life.world.issue_and_sync()
        assert FindingKind.FORGED_DECISION in kinds_of(done.plan.findings)
        assert (life.enabled(CLERK), life.world.duties(CLERK)) == (False, duties)
    assert not life.world.check().clean
    assert "停用原因不见了" in str(bodies(life, "forged_decision"))


def test_it_is_lifted_as_any_other(life: Life) -> None:
    """By request; then nothing is told any more."""
    frozen(life)
    forget_holds(life)
    life.world.approve(ask(life, RequestKind.UNFREEZE).key, by=KEEPER)
    assert life.enabled(CLERK)
    done = life.world.issue_and_sync()
    assert FindingKind.FORGED_DECISION not in kinds_of(done.plan.findings)
    assert life.enabled(CLERK)


def test_one_of_two_that_vanished_stands(life: Life) -> None:
    """Also for a look at this person alone, when the other is lifted."""
    frozen(life)
    with life.context.database.transaction() as connection:
        connection.execute(delete(tables.hold))
        connection.execute(
            insert(tables.hold).values(
                person_id=life.world.person(CLERK).id,
                kind="inactive",
                since=life.world.clock().date(),
                reason="连续 3 个月未登录",
                origin=ORIGIN,
            )
        )
    life.world.approve(ask(life, RequestKind.UNLOCK).key, by=KEEPER)
    assert not life.enabled(CLERK)


def test_a_hold_with_another_origin_is_what_it_was(life: Life) -> None:
    """A freeze by command that is made the console's own is not lifted in the console."""
    frozen(life)
    look(life)
    with life.context.database.transaction() as connection:
        connection.execute(update(tables.hold).values(origin="console"))
    user = life.world.user(CLERK)
    as_administrator(life.world, KEEPER).update_user(
        user.id, username=user.username, enabled=True, name=user.name, attributes=user.attributes
    )
    look(life, 2)
    assert not life.enabled(CLERK)
    done = life.world.issue_and_sync()
    assert FindingKind.FORGED_DECISION in kinds_of(done.plan.findings)
    assert "停用原因与台账的记载不符" in str(bodies(life, "forged_decision"))


def test_what_was_lifted_does_not_stand(life: Life) -> None:
    """Whoever lifts holds writes it down: lock by mistake, console, request."""
    frozen(life)
    life.world.approve(ask(life, RequestKind.UNFREEZE).key, by=KEEPER)
    life.world.pass_time(days=95)
    moment = life.world.clock()
    life.day()
    assert life.holds(CLERK) == {HoldKind.INACTIVE}
    life.login(CLERK, at=moment)
    life.day()
    assert life.enabled(CLERK)
    done = life.world.issue_and_sync()
    assert FindingKind.FORGED_DECISION not in kinds_of(done.plan.findings)
    assert [body["kind"] for body in bodies(life, "hold_lifted") if body["person"] == _id(life)] == [
        "frozen",
        "inactive",
    ]


def _id(life: Life) -> str:
    return str(life.world.person(CLERK).id)


def test_a_part_asks_the_ledger_of_few(life: Life) -> None:
    """Of who is on, and of who is off by a hold that is there, a look at a few people asks nothing more."""
    asked: list[str] = []
    engine = life.context.database.engine

    def note(_c: object, _d: object, statement: str, *_: object) -> None:
        asked.append(statement)

    def count(users: frozenset[str]) -> int:
        asked.clear()
        with life.context.database.reading() as connection:
            read_trusted_part(connection, life.context.keyring, users)  # type: ignore[arg-type]
        return len(asked)

    event.listen(engine, "before_cursor_execute", note)
    try:
        nobody = count(frozenset())
        mine = frozenset({life.world.user(CLERK).id})
        assert count(mine) == nobody
        frozen(life)
        assert count(mine) == nobody
        forget_holds(life)
        assert count(mine) == nobody + 1
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_every_hold_goes_through_one_place() -> None:
    """Nothing of ours writes holds, or a delta that may have some, past the ledger."""
    folder = Path(quanheng.__file__).parent
    found = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and any(
                item.name in ("commit_delta", "hold_row") for item in node.names
            ):
                found.add(str(file.relative_to(folder)))
    assert found == {"operations/committing.py"}
