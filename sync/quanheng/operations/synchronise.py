"""Plan, safety, apply: the operation that the daemon repeats (decisions 15, 21)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from quanheng.engine.apply import Outcome, Progress, apply_plan
from quanheng.engine.desired import CARD_PROVIDER
from quanheng.engine.effects import InEffect, is_group_change
from quanheng.engine.merge import proposal_key
from quanheng.engine.plan import Plan
from quanheng.engine.steps import ENDS_SESSIONS, Result
from quanheng.errors import RefusedError, UnsafePlanError
from quanheng.keycloak.port import RealmRefusedError
from quanheng.model.change import Change, ChangeKind, Json
from quanheng.model.person import Proposal, ProposalKind, ProposalState
from quanheng.model.realm import ObservedRealm, RealmGroup, RealmUser
from quanheng.model.registry import Registry
from quanheng.model.staff import Mode, Reading
from quanheng.operations.context import Context
from quanheng.operations.noting import note
from quanheng.operations.planning import Planned, make_plan
from quanheng.operations.refresh import distrust_mirror, refresh_mirror, sweep
from quanheng.store.holder import this_process
from quanheng.store.lease import Lease
from quanheng.store.meta import read_number
from quanheng.store.mirror import replace_groups
from quanheng.store.plans import (
    PlanState,
    read_approval,
    read_journal,
    read_plan,
    read_unfinished,
    save_plan,
    set_plan_state,
)
from quanheng.store.quarantine import replace as replace_quarantine
from quanheng.store.recorder import StoreRecorder
from quanheng.store.registry import commit_delta, put_proposals
from quanheng.store.rotation import require_index_key

_PATHS_CHANGE = {ChangeKind.GROUP_UPDATE, ChangeKind.GROUP_MOVE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Synchronised:
    """What a sync did."""

    plan: Plan
    outcome: Outcome
    recovered: int
    """Steps of an interrupted run that were found done and entered into the ledger now."""
    unchanged: int
    """Accounts that were right already."""


def plan_only(context: Context) -> Planned:
    """Make a plan and keep it for ``apply --digest``; proposals and quarantine are kept too."""
    with hold_lease(context) as lease:
        recover(context, lease)
        planned = make_plan(context, refresh_mirror(context))
        _keep(context, lease, planned)
        return planned


def synchronise(context: Context, progress: Progress | None = None, *, live: bool = False) -> Synchronised:
    """Read, plan, and apply when the plan is safe.

    ``live``: read all of Keycloak first, as ``check`` does, for what no event has told.

    Raises :class:`UnsafePlanError` with the plan's digest when a second person has to approve it.
    """
    with hold_lease(context) as lease:
        recovered = recover(context, lease)
        observed = sweep(context) if live else refresh_mirror(context)
        planned = make_plan(context, observed)
        _keep(context, lease, planned)
        if planned.plan.excess:
            digest = planned.plan.digest[:12]
            raise UnsafePlanError(
                f"plan {digest} is not safe: {'; '.join(map(str, planned.plan.excess))}",
                remedy=f"look at it ('quanheng plan'); a second person approves it "
                f"('quanheng approve {digest}'); then 'quanheng apply --digest {digest}'",
            )
        outcome = _carry_out(context, lease, planned.plan, observed, progress)
        touched = {change.person for change in planned.plan.changes}
        return Synchronised(
            plan=planned.plan,
            outcome=outcome,
            recovered=recovered,
            unchanged=len(set(planned.registry.accounts) - touched),
        )


def apply_digest(context: Context, digest: str, progress: Progress | None = None) -> Synchronised:
    """Apply the plan of a digest and no other."""
    with hold_lease(context) as lease:
        recovered = recover(context, lease)
        with context.database.reading() as connection:
            stored = read_plan(connection, digest, context.keyring)
            revision = read_number(connection, "revision", 0)
        plan = stored.plan
        if stored.state not in (PlanState.PROPOSED, PlanState.APPROVED) or plan.base_revision != revision:
            raise RefusedError(
                f"plan {plan.digest[:12]} is {stored.state} or was made on an older state",
                remedy="make a new one with 'quanheng plan'",
            )
        if _expired(context, plan.created_at):
            raise RefusedError(
                f"plan {plan.digest[:12]} has expired", remedy="make a new one with 'quanheng plan'"
            )
        if plan.excess and stored.state is not PlanState.APPROVED:
            raise UnsafePlanError(
                f"plan {plan.digest[:12]} is not safe: {'; '.join(map(str, plan.excess))}",
                remedy=f"have a second person 'quanheng approve {plan.digest[:12]}'",
            )
        observed = refresh_mirror(context)
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
        outcome = _carry_out(context, lease, plan, observed, progress)
        return Synchronised(plan=plan, outcome=outcome, recovered=recovered, unchanged=0)


@contextmanager
def hold_lease(context: Context) -> Iterator[Lease]:
    """Be the realm's one writer."""
    with Lease.acquire(context.database, context.realm_name, this_process(), context.clock) as lease:
        with context.database.reading() as connection:
            # A daemon that slept through a rotation would take everybody for somebody new.
            require_index_key(connection, context.keyring)
        yield lease


def recover(context: Context, lease: Lease) -> int:
    """Finish what an interrupted run left: enter into the ledger the steps that it had done.

    What it had not done is superseded: the next plan sees for itself what is still missing.
    """
    with context.database.reading() as connection:
        digest = read_unfinished(connection)
        if digest is None:
            return 0
        plan = read_plan(connection, digest, context.keyring).plan
        done = read_journal(connection, digest)
    observed = sweep(context)
    effects = InEffect(observed, plan.changes)
    found = [
        Result(step=number, change=change, user=_user(effects, change), group=_group(effects, change))
        for number, change in enumerate(plan.changes)
        if number not in done and effects(change)
    ]
    for user in {item.user.id for item in found if item.user and item.change.kind in ENDS_SESSIONS}:
        with suppress(RealmRefusedError):  # gone since
            context.realm.logout(user)  # the run may have died between the two calls
    recorder = StoreRecorder(context.database, context.keyring, lease)
    for at in range(0, len(found), 500):
        recorder.record(plan, found[at : at + 500], how="found")
    with context.database.transaction() as connection:
        lease.assert_held(connection)
        body: dict[str, Json] = {
            "digest": digest,
            "found": len(found),
            "done": len(done),
            "of": len(plan.changes),
        }
        note(context, connection, "plan_superseded", body)
        set_plan_state(connection, digest, PlanState.SUPERSEDED, context.clock())
        distrust_mirror(connection)
    return len(found)


def _keep(context: Context, lease: Lease, planned: Planned) -> None:
    """Keep the plan, what it proposes, and what went to quarantine; whether or not it is applied."""
    plan, now = planned.plan, context.clock()
    # A post is proposed together with its person, who is not in the registry before the plan is applied.
    opened = [
        item
        for item in plan.delta.proposals
        if item.state in (ProposalState.OPEN, ProposalState.WITHDRAWN)
        and item.kind is not ProposalKind.GUARDED_POST
    ]
    with context.database.transaction() as connection:
        lease.assert_held(connection)
        for item in planned.readings.accepted:
            _quarantine(connection, context, item.reading, now)
        made = read_approval(connection, plan.digest)
        approved = made is not None and not _expired(context, made)
        if not approved and (plan.changes or not plan.delta.empty):
            save_plan(connection, plan, context.keyring)
        opened += _unsafe_proposals(planned.registry, plan, anew=made is not None and not approved)
        put_proposals(connection, opened, now)


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


def _expired(context: Context, made: datetime) -> bool:
    return context.clock() - made > timedelta(hours=context.settings.safety.plan_hours)


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
        if item.kind is ProposalKind.UNSAFE_PLAN and item.state is ProposalState.OPEN and item.key != key
    ]
    known = registry.proposals.get(key)
    if plan.excess and (known is None or anew or known.state is ProposalState.WITHDRAWN):
        counts = "；".join(str(item) for item in plan.excess)
        changed.append(
            Proposal(
                key=key,
                kind=ProposalKind.UNSAFE_PLAN,
                subject=plan.digest,
                summary=f"计划 {plan.digest[:12]} 超出安全限度（{counts}）",
                area=None,
                post=None,
                origin="safety",
                proposer=plan.planner,
            )
        )
    return changed


def _carry_out(
    context: Context, lease: Lease, plan: Plan, observed: ObservedRealm, progress: Progress | None
) -> Outcome:
    if not plan.changes and plan.delta.empty:
        return Outcome(done={}, refused=())
    with context.database.transaction() as connection:
        lease.assert_held(connection)
        commit_delta(connection, plan.delta, context.keyring, context.clock())
        set_plan_state(connection, plan.digest, PlanState.APPLYING, context.clock())
        note(
            context,
            connection,
            "plan_begun",
            {
                "digest": plan.digest,
                "planner": plan.planner,
                "counts": dict(plan.counts()),
                "sources": [f"{item.source} {item.sequence} {item.digest}" for item in plan.delta.sources],
            },
        )
    settings = context.settings.keycloak
    outcome = apply_plan(
        plan,
        context.realm,
        observed,
        StoreRecorder(context.database, context.keyring, lease),
        provider=CARD_PROVIDER,
        workers=settings.workers,
        batch_size=settings.batch_size,
        progress=progress,
    )
    groups = context.realm.read_groups() if _PATHS_CHANGE & set(outcome.done) else None
    with context.database.transaction() as connection:
        lease.assert_held(connection)
        if groups is not None:
            replace_groups(connection, groups)  # a new name changes the paths of all below it
        set_plan_state(connection, plan.digest, PlanState.APPLIED, context.clock())
        note(
            context,
            connection,
            "plan_finished",
            {"digest": plan.digest, "done": dict(outcome.done), "refused": len(outcome.refused)},
        )
    return outcome


def _user(effects: InEffect, change: Change) -> RealmUser | None:
    return None if is_group_change(change.kind) else effects.user(change)


def _group(effects: InEffect, change: Change) -> RealmGroup | None:
    return effects.group(change) if is_group_change(change.kind) else None
