"""Carrying out a plan as the realm's one writer, and finishing what an interrupted run left (decision 21)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from sqlalchemy import Connection

from quanheng.engine.apply import Outcome, Progress, apply_plan
from quanheng.engine.desired import CARD_PROVIDER
from quanheng.engine.effects import InEffect, is_group_change
from quanheng.engine.plan import Plan
from quanheng.engine.sessions import MOST, among, end_sessions, members_of
from quanheng.engine.source_posts import BOOTSTRAP
from quanheng.engine.steps import ENDS_SESSIONS, Result
from quanheng.errors import QuanhengError
from quanheng.keycloak.port import RealmRefusedError
from quanheng.logs import get_logger
from quanheng.model.change import Change, ChangeKind, Json
from quanheng.model.person import APPLICATION, Proposal, ProposalState
from quanheng.model.realm import ObservedRealm, RealmGroup, RealmUser
from quanheng.model.registry import ClaimKey
from quanheng.operations.committing import commit
from quanheng.operations.context import Context
from quanheng.operations.guarding import publish_rules
from quanheng.operations.noting import note
from quanheng.operations.refresh import distrust_mirror, sweep
from quanheng.operations.standing import APPLICATION_ENDED, WITHDRAWN
from quanheng.operations.switched_off import end_their_sessions, judge_held_again
from quanheng.store.holder import this_process
from quanheng.store.lease import Lease
from quanheng.store.mirror import find_in_mirror, replace_groups
from quanheng.store.plans import PlanState, read_journal, read_plan, read_unfinished, set_plan_state
from quanheng.store.recorder import StoreRecorder
from quanheng.store.rotation import require_index_key
from quanheng.store.watching import ToJudge, clear_to_judge

_ENDS_SESSIONS = ENDS_SESSIONS | {ChangeKind.LINK}
_WEAKENS = {ChangeKind.GROUP_ROLE_REMOVE, ChangeKind.GROUP_MOVE}
"""Of what an interrupted run did it is not known whether it took anything from anybody."""
_PATHS_CHANGE = {ChangeKind.GROUP_UPDATE, ChangeKind.GROUP_MOVE}

log = get_logger(__name__)


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
    observed = sweep(context, lease)
    effects = InEffect(observed, plan.changes)
    found = [
        Result(step=number, change=change, user=_user(effects, change), group=_group(effects, change))
        for number, change in enumerate(plan.changes)
        if number not in done and effects(change)
    ]
    # The run may have died between the two calls.
    for user in {item.user.id for item in found if item.user and item.change.kind in _ENDS_SESSIONS}:
        with suppress(RealmRefusedError):  # gone since
            context.realm.logout(user)
    weakened = {item.group.id for item in found if item.group and item.change.kind in _WEAKENS}
    if weakened:
        members = members_of(observed.groups, weakened)
        end_sessions(context.realm, among(observed.users)(members, MOST))
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


def carry_out(
    context: Context,
    lease: Lease,
    plan: Plan,
    observed: ObservedRealm,
    progress: Progress | None = None,
    *,
    repairs: ToJudge | None = None,
) -> Outcome:
    """Carry out a plan that may be. ``repairs``: whom it was made for, when it is not about everybody.

    A repair that changes nothing of what is known of people leaves the registry's revision alone, so that a
    plan that waits for a second person goes on waiting. A sync leaves for the watcher what it took in: it
    compares neither roles in roles nor settings, and tells nobody of a new administrator.
    """
    if not plan.changes and plan.delta.empty:
        if repairs is not None:
            with context.database.transaction() as connection:
                lease.assert_held(connection)
                clear_to_judge(connection, repairs)
                judge_held_again(context, connection, plan)
        return Outcome(done={}, refused=())
    end_their_sessions(context, lease, plan.delta.adopted)
    with context.database.transaction() as connection:
        lease.assert_held(connection)
        if repairs is None or not plan.delta.empty:
            commit(context, connection, plan.delta)
            _note_withdrawn(context, connection, plan.delta.proposals)
            _note_ended(context, connection, plan.delta.claims_ended)
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
        after_structure=lambda groups: publish_or_log(context, replace(observed, groups=groups)),
        find_holders=find_in_mirror(context.database),
    )
    groups = context.realm.read_groups() if _PATHS_CHANGE & set(outcome.done) else None
    with context.database.transaction() as connection:
        lease.assert_held(connection)
        if groups is not None:
            replace_groups(connection, groups)  # a new name changes the paths of all below it
        if repairs is not None:
            clear_to_judge(connection, repairs)
        judge_held_again(context, connection, plan)
        set_plan_state(connection, plan.digest, PlanState.APPLIED, context.clock())
        note(
            context,
            connection,
            "plan_finished",
            {"digest": plan.digest, "done": dict(outcome.done), "refused": len(outcome.refused)},
        )
    return outcome


def _note_withdrawn(context: Context, connection: Connection, proposals: Iterable[Proposal]) -> None:
    """Write down which approvals no longer stand, so that none is put back with its old signature."""
    for item in proposals:
        if item.state is ProposalState.WITHDRAWN and (item.decided_by or item.proposer == BOOTSTRAP):
            body: dict[str, Json] = {
                "key": item.key,
                "kind": item.kind,
                "subject": item.subject,
                "area": item.area,
                "post": item.post,
            }
            note(context, connection, WITHDRAWN, body)


def _note_ended(context: Context, connection: Connection, ended: Iterable[ClaimKey]) -> None:
    """Write down which applications a source has taken the place of, for the same reason."""
    for source, person, org, _ in ended:
        if source == APPLICATION:
            note(context, connection, APPLICATION_ENDED, {"person": str(person), "org": str(org)})


def publish_or_log(context: Context, observed: ObservedRealm) -> bool:
    """Give the guard the rules; when that fails, what takes power away goes on, and the guard itself keeps
    anybody from being given any."""
    try:
        return publish_rules(context, observed) is not None
    except QuanhengError as error:
        log.error("the guard did not get the rules", problem=str(error))  # noqa: TRY400 -- expected
        return False


def _user(effects: InEffect, change: Change) -> RealmUser | None:
    return None if is_group_change(change.kind) else effects.user(change)


def _group(effects: InEffect, change: Change) -> RealmGroup | None:
    return effects.group(change) if is_group_change(change.kind) else None
