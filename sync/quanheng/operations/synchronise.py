"""Plan, safety, apply: the operation that the daemon repeats (decisions 15, 21)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from quanheng.engine.apply import Outcome, Progress
from quanheng.engine.following import FOLLOWUPS
from quanheng.engine.merge import proposal_key
from quanheng.engine.plan import Plan
from quanheng.errors import RefusedError, UnsafePlanError
from quanheng.model.person import Proposal, ProposalKind, ProposalState
from quanheng.model.registry import Registry
from quanheng.model.staff import Mode, Reading
from quanheng.operations.approval_age import is_expired
from quanheng.operations.carrying_out import carry_out, hold_lease, publish_or_log, recover
from quanheng.operations.context import Context
from quanheng.operations.delegating import Delegated, delegate_or_log
from quanheng.operations.lifecycle.locking import apply_approved, is_approved_by_right, is_lock_plan
from quanheng.operations.limits_exceeded import describe_excess
from quanheng.operations.noting import note_forgeries
from quanheng.operations.planning import Planned, make_plan
from quanheng.operations.restored import note_compared, observe
from quanheng.operations.trust import sign_proposals
from quanheng.operations.waivers import note_ended_waivers
from quanheng.store.lease import Lease
from quanheng.store.meta import read_number
from quanheng.store.plans import PlanState, StoredPlan, read_approval, read_plan, save_plan
from quanheng.store.quarantine import replace as replace_quarantine
from quanheng.store.registry import put_proposals

_SAFETY: Final = "safety"
"""Origin of proposals to let a plan of a sync through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Synchronised:
    """What a sync did."""

    plan: Plan
    outcome: Outcome
    recovered: int
    """Steps of an interrupted run that were found done and entered into the ledger now."""
    unchanged: int
    """Accounts that were right already."""
    delegated: Delegated
    """What became of the administrators' permissions."""


def plan_only(context: Context) -> Planned:
    """Make a plan and keep it for ``apply --digest``; proposals and quarantine are kept too."""
    with hold_lease(context) as lease:
        recover(context, lease)
        planned = make_plan(context, observe(context, lease))
        _keep(context, lease, planned)
        return planned


def synchronise(context: Context, progress: Progress | None = None, *, live: bool = False) -> Synchronised:
    """Read, plan, and apply when the plan is safe.

    ``live``: read all of Keycloak first, as ``check`` does, for what no event has told.

    Raises :class:`UnsafePlanError` with the plan's digest when a second person has to approve it.
    """
    with hold_lease(context) as lease:
        recovered = recover(context, lease)
        observed = observe(context, lease, live=live)
        planned = make_plan(context, observed)
        _keep(context, lease, planned)
        if planned.plan.excess:
            digest = planned.plan.digest[:12]
            raise UnsafePlanError(
                f"plan {digest} is not safe: {'; '.join(map(str, planned.plan.excess))}",
                remedy=f"look at it ('quanheng plan'); a second person approves it "
                f"('quanheng approve {digest}'); then 'quanheng apply --digest {digest}'",
            )
        publish_or_log(context, observed)
        outcome = carry_out(context, lease, planned.plan, observed, progress)
        note_compared(context, lease, planned.plan)
        touched = {change.person for change in planned.plan.changes}
        return Synchronised(
            plan=planned.plan,
            outcome=outcome,
            recovered=recovered,
            unchanged=len(set(planned.registry.accounts) - touched),
            delegated=delegate_or_log(context),
        )


def apply_digest(context: Context, digest: str, progress: Progress | None = None) -> Synchronised:
    """Apply the plan of a digest and no other."""
    with hold_lease(context) as lease:
        recovered = recover(context, lease)
        with context.database.reading() as connection:
            stored = read_plan(connection, digest, context.keyring)
            revision = read_number(connection, "revision", 0)
        plan = stored.plan
        if is_lock_plan(plan):
            return _apply_locks(context, lease, stored, recovered, progress)
        if stored.state not in (PlanState.PROPOSED, PlanState.APPROVED) or plan.base_revision != revision:
            raise RefusedError(
                f"plan {plan.digest[:12]} is {stored.state} or was made on an older state",
                remedy="make a new one with 'quanheng plan'",
            )
        if is_expired(context, plan.created_at):
            raise RefusedError(
                f"plan {plan.digest[:12]} has expired", remedy="make a new one with 'quanheng plan'"
            )
        if plan.excess and stored.state is not PlanState.APPROVED:
            raise UnsafePlanError(
                f"plan {plan.digest[:12]} is not safe: {'; '.join(map(str, plan.excess))}",
                remedy=f"have a second person 'quanheng approve {plan.digest[:12]}'",
            )
        observed = observe(context, lease)
        planned = make_plan(context, observed)
        again = planned.plan
        if plan.excess and not _is_approved(planned.registry, plan):
            raise RefusedError(
                f"plan {plan.digest[:12]}: its approval has no valid signature",
                remedy="keep the store as it is for the auditor, and have the plan approved again",
            )
        if again.digest != plan.digest:
            raise RefusedError(
                f"plan {plan.digest[:12]} no longer fits what the sources say and Keycloak holds",
                remedy="make a new one with 'quanheng plan'",
            )
        publish_or_log(context, observed)
        outcome = carry_out(context, lease, plan, observed, progress)
        note_compared(context, lease, plan)
        return Synchronised(
            plan=plan,
            outcome=outcome,
            recovered=recovered,
            unchanged=0,
            delegated=delegate_or_log(context),
        )


def _apply_locks(
    context: Context, lease: Lease, stored: StoredPlan, recovered: int, progress: Progress | None
) -> Synchronised:
    """Lock those of an approved plan who are still due, whatever else has changed since it was made."""
    plan = stored.plan
    if stored.state is not PlanState.APPROVED or not is_approved_by_right(context, plan):
        raise UnsafePlanError(
            f"plan {plan.digest[:12]} is {stored.state}",
            remedy=f"have a second person 'quanheng approve {plan.digest[:12]}'",
        )
    if is_expired(context, plan.created_at):
        raise RefusedError(
            f"plan {plan.digest[:12]} has expired", remedy="'quanheng lifecycle run' asks about it anew"
        )
    made, outcome = apply_approved(context, lease, plan, progress)
    return Synchronised(plan=made, outcome=outcome, recovered=recovered, unchanged=0, delegated=Delegated())


def _keep(context: Context, lease: Lease, planned: Planned) -> None:
    """Keep the plan, what it proposes, and what went to quarantine; whether or not it is applied."""
    plan, now = planned.plan, context.clock()
    # A post is proposed together with its person, who is not in the registry before the plan is applied; and
    # what follows from a row, together with the row.
    opened = [
        item
        for item in plan.delta.proposals
        if item.state in (ProposalState.OPEN, ProposalState.WITHDRAWN)
        and item.kind not in (ProposalKind.GUARDED_POST, *FOLLOWUPS)
    ]
    with context.database.transaction() as connection:
        lease.assert_held(connection)
        for item in planned.readings.accepted:
            _quarantine(connection, context, item.reading, now)
        made = read_approval(connection, plan.digest)
        approved = made is not None and not is_expired(context, made)
        if not approved and (plan.changes or not plan.delta.empty):
            save_plan(connection, plan, context.keyring)
        anew = made is not None and not approved
        opened += sign_proposals(context.keyring, _unsafe_proposals(planned.registry, plan, anew=anew))
        put_proposals(connection, opened, now)
        note_ended_waivers(context, connection)
        note_forgeries(context, connection, plan.findings)


def _quarantine(connection: Connection, context: Context, reading: Reading, now: datetime) -> None:
    replace_quarantine(
        connection,
        context.keyring,
        reading.declaration.source,
        reading.rejected,
        now,
        keep_unmentioned=reading.declaration.mode is Mode.DELTA,
        settled={row.staff_no for row in reading.rows},
    )


def _is_approved(registry: Registry, plan: Plan) -> bool:
    """Whether the registry, of which forged approvals were taken back, has this plan's approval."""
    proposal = registry.proposals.get(proposal_key(ProposalKind.UNSAFE_PLAN, plan.digest))
    return proposal is not None and proposal.state is ProposalState.APPROVED


def _unsafe_proposals(registry: Registry, plan: Plan, *, anew: bool) -> list[Proposal]:
    """The proposal to let this plan through, and the end of those for plans that it takes the place of.

    ``anew``: it was approved, but has waited too long since.
    """
    key = proposal_key(ProposalKind.UNSAFE_PLAN, plan.digest)
    changed = [
        replace(item, state=ProposalState.WITHDRAWN)
        for item in registry.proposals.values()
        if item.kind is ProposalKind.UNSAFE_PLAN
        and item.origin == _SAFETY
        and item.state is ProposalState.OPEN
        and item.key != key
    ]
    known = registry.proposals.get(key)
    if plan.excess and (known is None or anew or known.state is ProposalState.WITHDRAWN):
        counts = "；".join(map(describe_excess, plan.excess))
        changed.append(
            Proposal(
                key=key,
                kind=ProposalKind.UNSAFE_PLAN,
                subject=plan.digest,
                summary=f"计划 {plan.digest[:12]} 超出安全限度（{counts}）",
                area=None,
                post=None,
                origin=_SAFETY,
                proposer=plan.planner,
            )
        )
    return changed
