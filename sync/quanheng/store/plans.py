"""Plans and their journals: what was decided, how far it was carried out (decision 21)."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, insert, select, update

from quanheng.engine.plan import Plan
from quanheng.errors import RefusedError
from quanheng.identity.port import Keyring
from quanheng.identity.sealed import sealed_context
from quanheng.model.change import Change
from quanheng.model.ids import Username
from quanheng.store import tables
from quanheng.store.codec import decode_plan, encode_plan


class PlanState(StrEnum):
    """How far a plan has come."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    APPLYING = "applying"
    APPLIED = "applied"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPlan:
    """A plan with what happened to it."""

    plan: Plan
    state: PlanState


def _context(digest: str) -> str:
    return sealed_context("plan", "body_sealed", digest)


def save_plan(connection: Connection, plan: Plan, keyring: Keyring) -> None:
    """Keep a plan under its digest, proposed.

    One that was made before with the same digest would do the same, but with other random identities
    for new people: the newer stands, since it is the one about to be applied. What a second person has
    approved must not be replaced: look with :func:`read_approval` first.
    """
    values = {"state": PlanState.PROPOSED, "approved_by": None, "approved_at": None, **_body(plan, keyring)}
    table = tables.plan
    there = connection.execute(update(table).where(table.c.digest == plan.digest).values(**values))
    if there.rowcount == 0:
        connection.execute(insert(table).values(digest=plan.digest, **values))


def read_approval(connection: Connection, digest: str) -> datetime | None:
    """When a plan was made that a second person approved and nobody has applied yet; None for any other."""
    made: datetime | None = connection.execute(
        select(tables.plan.c.created_at).where(
            tables.plan.c.digest == digest, tables.plan.c.state == PlanState.APPROVED
        )
    ).scalar()
    return made


def read_left_over(connection: Connection, keyring: Keyring) -> Sequence[Change]:
    """What the last plan had left to do when it was interrupted; nothing when it came to its end."""
    table = tables.plan
    last = connection.execute(
        select(table.c.digest, table.c.state)
        .where(table.c.finished_at.is_not(None))
        # Each sync's plan that began has raised the revision; repairs on one revision are told by time.
        .order_by(table.c.base_revision.desc(), table.c.finished_at.desc())
        .limit(1)
    ).first()
    if last is None or last.state != PlanState.SUPERSEDED:
        return ()
    done = read_journal(connection, last.digest)
    changes = read_plan(connection, last.digest, keyring).plan.changes
    return [change for number, change in enumerate(changes) if number not in done]


def _body(plan: Plan, keyring: Keyring) -> dict[str, object]:
    sealed = keyring.encrypt(zlib.compress(encode_plan(plan), 1), context=_context(plan.digest))
    return {
        "planner": plan.planner,
        "created_at": plan.created_at,
        "base_revision": plan.base_revision,
        "unsafe": [str(item) for item in plan.excess],
        "body_sealed": sealed,
    }


def read_plan(connection: Connection, digest: str, keyring: Keyring) -> StoredPlan:
    """The plan of a digest, or of the beginning of one when only one begins so."""
    table = tables.plan
    rows = connection.execute(
        select(table).where(table.c.digest.startswith(digest, autoescape=True)).limit(2)
    ).all()
    if len(rows) != 1 or len(digest) < 8:
        raise RefusedError(
            f"no single plan has the digest {digest}", remedy="copy it from the output of 'quanheng plan'"
        )
    row = rows[0]
    body = zlib.decompress(keyring.decrypt(row.body_sealed, context=_context(row.digest)))
    return StoredPlan(plan=decode_plan(body), state=PlanState(row.state))


def read_unfinished(connection: Connection) -> str | None:
    """Digest of the plan that was being applied when the process ended, if any."""
    found: str | None = connection.execute(
        select(tables.plan.c.digest).where(tables.plan.c.state == PlanState.APPLYING)
    ).scalar()
    return found


def set_plan_state(connection: Connection, digest: str, state: PlanState, now: datetime) -> None:
    """Move a plan on."""
    values: dict[str, object] = {"state": state}
    if state in (PlanState.APPLIED, PlanState.SUPERSEDED):
        values["finished_at"] = now
    connection.execute(update(tables.plan).where(tables.plan.c.digest == digest).values(**values))


def approve_plan(connection: Connection, digest: str, approver: Username, now: datetime) -> None:
    """Record that a second person approved an unsafe plan."""
    connection.execute(
        update(tables.plan)
        .where(tables.plan.c.digest == digest)
        .values(state=PlanState.APPROVED, approved_by=approver, approved_at=now)
    )


def read_journal(connection: Connection, digest: str) -> frozenset[int]:
    """Steps of a plan that are done and in the ledger."""
    table = tables.journal
    return frozenset(connection.execute(select(table.c.step).where(table.c.plan == digest)).scalars())


def write_journal(connection: Connection, digest: str, steps: Iterable[int], now: datetime) -> None:
    """Mark steps as done; in the same transaction as their ledger entries."""
    rows = [{"plan": digest, "step": step, "done_at": now} for step in steps]
    if rows:
        connection.execute(insert(tables.journal), rows)
