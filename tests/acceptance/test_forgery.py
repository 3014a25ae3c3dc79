"""Somebody who can write to the store, but has no keys, makes no administrator and hides nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Table, delete, insert, select, update

from fixtures.world import BUREAU, FOUNDERS, VILLAGE, World, kinds_of
from quanheng.config import SafetySettings
from quanheng.engine.offices import was_given_office
from quanheng.engine.source_posts import guarded_post_key
from quanheng.errors import IntegrityError, RefusedError, UnsafePlanError
from quanheng.model.finding import FindingKind
from quanheng.model.ids import OrgCode, PostId, Username
from quanheng.model.person import Proposal, ProposalKind, ProposalState
from quanheng.operations.anchoring import verify_ledger
from quanheng.operations.synchronise import apply_digest
from quanheng.operations.trust import read_trusted, sign_proposals
from quanheng.store.meta import read_founders_signature, write_founders
from quanheng.store.registry import put_proposals
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
    report = world.check()
    assert not report.clean
    assert FindingKind.FORGED_DECISION in kinds_of(report.findings)
    assert world.sync().plan.empty
    assert world.duties(villain) == set()
    (entry,) = world.ledger("forged_decision")
    assert villain in entry.body

    world.approve()  # it was proposed anew
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


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("area", "140921"),
        ("post", "reviewer"),
        ("subject", "T99999"),
        ("summary", "定襄县 审核人员：张三"),
        ("proposer", "realm:sx9999999"),
        ("kind", "staff_no_moved"),
    ],
)
def test_nobody_decides_on_an_altered_proposal(world: World, column: str, value: str) -> None:
    """Who may decide follows from what an open proposal says, so none of it may be changed: it is refused, is
    told of, and is proposed anew by the next sync."""
    staff_no = world.hire(BUREAU, "系统管理员")
    world.issue_and_sync()
    (before,) = world.proposals()
    with world.context.database.transaction() as connection:
        connection.execute(update(proposal).where(proposal.c.key == before.key).values({column: value}))
    assert world.proposals() == ()
    with pytest.raises(RefusedError, match="altered in the store"):
        world.approve(before.key)
    assert FindingKind.FORGED_DECISION in kinds_of(world.check().findings)
    world.sync()
    assert world.duties(staff_no) == set()
    (again,) = world.proposals()
    assert replace(again, signature=None) == replace(before, signature=None)
    world.approve(before.key)
    world.sync()
    assert world.duties(staff_no) == {"系统管理员"}


def test_altered_waiver_is_not_decided(world: World) -> None:
    """What one person asked for in one area is approved in no other, nor as asked for by another."""
    asked = Proposal(
        key="a" * 64,
        kind=ProposalKind.WAIVER,
        subject="T1",
        summary="",
        area=OrgCode("140902"),
        post=None,
        origin="rule:x",
        proposer="realm:sx0000009",
    )
    (signed,) = sign_proposals(world.context.keyring, [asked])
    for change in ({"area": OrgCode("140921")}, {"proposer": "realm:sx0000008"}):
        with world.context.database.transaction() as connection:
            put_proposals(connection, [signed], world.clock())
            assert signed.key in read_trusted(connection, world.context.keyring).registry.proposals
            put_proposals(connection, [replace(signed, **change)], world.clock())  # type: ignore[arg-type]
            assert signed.key not in read_trusted(connection, world.context.keyring).registry.proposals


@pytest.mark.parametrize(
    ("state", "decided_by", "proposer"),
    [
        ("withdrawn", "sx0000001", "source:hr"),
        ("withdrawn", None, "bootstrap"),
        ("open", "sx0000001", "source:hr"),
        ("approved", "sx0000001", "source:hr"),
    ],
)
def test_an_office_written_into_the_store_entitles_nobody(
    world: World, state: str, decided_by: str | None, proposer: str
) -> None:
    """Who got into an administrators' group, with a row that says that somebody once decided it, decides
    nothing."""
    villain = world.hire(VILLAGE)
    world.hire(BUREAU, "审核人员")
    world.issue_and_sync()
    (waiting,) = world.proposals()
    post, area = PostId("system_admin"), OrgCode("140902")
    key = guarded_post_key(world.person(villain).id, post, area)
    forged = Proposal(
        key=key,
        kind=ProposalKind.GUARDED_POST,
        subject=villain,
        summary="",
        area=area,
        post=post,
        origin="hr people.csv:2",
        proposer=proposer,
        state=ProposalState(state),
        decided_by=Username(decided_by) if decided_by else None,
        signature=waiting.signature,
    )
    group = world.group("/管理员/140902-忻府区/系统管理员").id
    world.console.join_group(world.user(villain).id, group)
    with world.context.database.transaction() as connection:
        put_proposals(connection, [forged], world.clock())
        trusted = read_trusted(connection, world.context.keyring)
    assert not was_given_office(trusted.registry.proposals, world.person(villain).id, area, post)
    assert [item.kind for item in trusted.findings] == [FindingKind.FORGED_DECISION]
    with pytest.raises(RefusedError, match="may not decide"):
        world.approve(waiting.key, by=villain)
    world.sync()
    assert world.duties(villain) == {"业务操作员"}  # not kept as the last administrator either


def rows(world: World, table: Table) -> list[dict[str, Any]]:
    """All rows of a table, to be put back later."""
    with world.context.database.reading() as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]


def put_back(world: World, table: Table, old: list[dict[str, Any]]) -> None:
    """Make a table what it was, signatures and all."""
    with world.context.database.transaction() as connection:
        connection.execute(delete(table))
        if old:
            connection.execute(insert(table), old)


def test_an_approval_that_was_withdrawn_is_not_put_back(world: World) -> None:
    """The ledger has the withdrawal: the old row, signature and all, makes nobody an administrator again."""
    villain = world.hire(BUREAU, "系统管理员")
    world.issue_and_sync()
    world.approve()
    world.sync()
    old = rows(world, proposal)
    world.change(villain, post="经办人员", post_id="handler")
    world.hire(BUREAU, "系统管理员", staff_no="S2")
    world.issue_and_sync()
    world.approve()
    world.sync()
    world.sync()
    assert world.duties(villain) == {"经办人员"}
    world.change("S2", post="经办人员", post_id="handler")
    world.change(villain, post="系统管理员", post_id="system_admin")
    put_back(world, proposal, old)
    done = world.issue_and_sync()
    assert world.duties(villain) == set()
    assert FindingKind.FORGED_DECISION in kinds_of(done.plan.findings)
    assert [item.subject for item in world.proposals()] == [villain]  # a second person decides anew
    world.verify_ledger()


def test_a_rejection_is_not_taken_back(world: World) -> None:
    """An open row with its old signature in the place of a rejected one waits for nobody."""
    world.hire(BUREAU, "系统管理员")
    world.issue_and_sync()
    old = rows(world, proposal)
    world.approve(approve=False)
    put_back(world, proposal, old)
    assert world.proposals() == ()
    assert FindingKind.FORGED_DECISION in kinds_of(world.sync().plan.findings)


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
