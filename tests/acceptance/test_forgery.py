"""Somebody who can write to the store, but has no keys, makes no administrator and hides nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import delete, update

from fixtures.world import BUREAU, FOUNDERS, VILLAGE, World, kinds_of
from quanheng.config import SafetySettings
from quanheng.errors import IntegrityError, RefusedError, UnsafePlanError
from quanheng.model.finding import FindingKind
from quanheng.model.ids import PostId
from quanheng.operations.anchoring import verify_ledger
from quanheng.operations.synchronise import apply_digest
from quanheng.store.meta import read_founders_signature, write_founders
from quanheng.store.tables import ledger, ledger_head, plan, proposal


def test_approval_written_into_the_store_is_not_believed(world: World) -> None:
    """An open proposal set to approved by SQL grants nothing and is reported; a genuine approval goes on."""
    villain = world.hire(BUREAU, "系统管理员")
    world.issue_and_sync()
    with world.context.database.transaction() as connection:
        connection.execute(
            update(proposal)
            .where(proposal.c.subject == villain)
            .values(state="approved", decided_by=world.user(FOUNDERS[PostId("system_admin")]).username)
        )
    assert world.sync().plan.empty
    assert world.duties(villain) == set()
    report = world.check()
    assert not report.clean
    assert FindingKind.FORGED_DECISION in kinds_of(report.findings)

    with world.context.database.transaction() as connection:
        connection.execute(update(proposal).where(proposal.c.subject == villain).values(state="open"))
    world.approve()
    world.sync()
    assert world.duties(villain) == {"系统管理员"}
    assert world.check().clean


def test_approval_copied_to_another_proposal_is_not_believed(world: World) -> None:
    """A genuine signature under another proposal is worth nothing there."""
    rightful = world.hire(BUREAU, "系统管理员")
    villain = world.hire(BUREAU, "业务管理员")
    world.issue_and_sync()
    genuine = next(item for item in world.proposals() if item.subject == rightful)
    world.approve(genuine.key)
    signed = world.registry().proposals[genuine.key]
    with world.context.database.transaction() as connection:
        connection.execute(
            update(proposal)
            .where(proposal.c.subject == villain)
            .values(
                state="approved",
                decided_by=signed.decided_by,
                decided_at=signed.decided_at,
                signature=signed.signature,
            )
        )
    world.sync()
    assert world.duties(rightful) == {"系统管理员"}
    assert world.duties(villain) == set()


def test_founders_written_into_the_store_are_not_believed(world: World) -> None:
    """Other founders than those that the bootstrap signed are none."""
    villain = world.hire(BUREAU, "系统管理员")
    with world.context.database.transaction() as connection:
        signature = read_founders_signature(connection) or ""
        write_founders(connection, [(villain, "system_admin", "140902")], signature)
    world.issue_and_sync()
    assert world.duties(villain) == set()
    assert FindingKind.FORGED_DECISION in kinds_of(world.check().findings)


def test_unsafe_plan_approved_in_the_store_is_not_applied(make_world: Callable[..., World]) -> None:
    """An unsafe plan set to approved by SQL is refused."""
    world = make_world(safety=SafetySettings())
    staff = [world.hire(VILLAGE) for _ in range(30)]
    world.issue_and_sync()
    for staff_no in staff:
        world.change(staff_no, status="退休")
    world.issue()
    with pytest.raises(UnsafePlanError):
        world.sync()
    with world.context.database.transaction() as connection:
        connection.execute(update(plan).where(plan.c.state == "proposed").values(state="approved"))
        connection.execute(update(proposal).where(proposal.c.kind == "unsafe_plan").values(state="approved"))
    digest = next(item.subject for item in world.registry().proposals.values() if item.kind == "unsafe_plan")
    with pytest.raises(RefusedError, match="no valid signature"):
        apply_digest(world.context, digest)
    assert all(world.user(staff_no).enabled for staff_no in staff)


def test_emptied_ledger_is_found(world: World) -> None:
    """A store that was bootstrapped has a ledger; one with every entry and head deleted is broken."""
    world.hire(VILLAGE)
    world.issue_and_sync()
    with world.context.database.transaction() as connection:
        connection.execute(delete(ledger))
        connection.execute(delete(ledger_head))
    with pytest.raises(IntegrityError, match="empty"):
        verify_ledger(world.context)
