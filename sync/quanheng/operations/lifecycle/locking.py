"""Locking accounts that nobody logs in to: by a plan like any other, judged and kept before the first write.

What is too much for one day waits for a second person, as an unsafe plan of a sync does. Its approval is for
the people in it: who has logged in meanwhile, or was exempted, is left out when it is applied, and nobody
comes in.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection, select

from quanheng.clock import day_in_china
from quanheng.engine.apply import Outcome, Progress
from quanheng.engine.merge import proposal_key
from quanheng.engine.plan import Plan, digest_of, order_changes
from quanheng.engine.safety import Excess
from quanheng.errors import RefusedError
from quanheng.lifecycle.batches import Split, split_locks
from quanheng.lifecycle.inactivity import Verdict, describe_span
from quanheng.lifecycle.last_one import keep_last
from quanheng.logs import get_logger
from quanheng.model.change import Change, ChangeKind
from quanheng.model.ids import KeycloakId, PersonId
from quanheng.model.person import Hold, HoldKind, Proposal, ProposalKind, ProposalState
from quanheng.model.realm import ObservedRealm
from quanheng.model.registry import RegistryDelta
from quanheng.operations.approval_age import is_expired
from quanheng.operations.carrying_out import carry_out
from quanheng.operations.committing import commit
from quanheng.operations.context import Context
from quanheng.operations.lifecycle.logins import take_in_logins
from quanheng.operations.lifecycle.telling import tell_locked, tell_stopped
from quanheng.operations.lifecycle.unused import Unused, find_unused
from quanheng.operations.limits_exceeded import describe_excess
from quanheng.operations.trust import read_trusted, read_trusted_part, sign_proposals
from quanheng.operations.watching.repairing import repair
from quanheng.store.lease import Lease
from quanheng.store.logins import count_accounts_by_county, count_locked_by_county
from quanheng.store.meta import read_number
from quanheng.store.mirror import read_mirror
from quanheng.store.plans import PlanState, read_approval, save_plan, set_plan_state
from quanheng.store.registry import count_accounts, put_proposals
from quanheng.store.tables import account, hold
from quanheng.store.watching import ToJudge, put_to_judge

ORIGIN: Final = "lifecycle"
"""Origin of the holds, of their changes, and of the proposal when it is too much."""
_PLANNER: Final = f"{ORIGIN}:"

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """What one day did about accounts that nobody logs in to."""

    locked: int = 0
    stopped: int = 0
    """How many wait for a second person."""
    outcome: Outcome | None = None


def lock_unused(context: Context, lease: Lease, persons: Collection[PersonId]) -> Locked:
    """Lock who of these is due, as far as one day may; ask about the rest. Called again it does nothing
    again."""
    _finish(context, lease)
    found = {item.verdict.person: item for item in find_due(context, persons)}
    split = split_day(context, [item.verdict for item in found.values()])
    outcome = None
    if split.now:
        outcome = _carry_out(context, lease, [found[item.person] for item in split.now])
    _ask(context, lease, [found[item.person] for item in split.asked], split.excess)
    return Locked(locked=len(split.now), stopped=len(split.asked), outcome=outcome)


def split_day(context: Context, due: Sequence[Verdict]) -> Split:
    """Who of these is locked now, and who is asked about, after what this day has locked already."""
    with context.database.reading() as connection:
        population = count_accounts_by_county(connection)
        already = count_locked_by_county(connection, ORIGIN, day_in_china(context.clock()))
        accounts = count_accounts(connection)
    settings = context.settings.lifecycle
    return split_locks(
        due,
        population,
        accounts=accounts,
        realm=settings.lock,
        county_percent=settings.lock_county_percent,
        already=already,
    )


def find_due(context: Context, persons: Collection[PersonId] | None = None) -> tuple[Unused, ...]:
    """Accounts that are to be locked now; without the last administrators of the topmost area."""
    now = context.clock()
    due = [item for item in find_unused(context, persons) if item.verdict.is_due(now)]
    if not any(item.at_the_top for item in due):
        return tuple(due)
    with context.database.reading() as connection:
        registry = read_trusted(connection, context.keyring).registry
    kept = keep_last(registry, context.pack, [item.verdict for item in due])
    for item in due:
        if item.person.id in kept:
            log.warning("the last administrator of a kind is not locked", user=item.person.username)
    return tuple(item for item in due if item.person.id not in kept)


def is_lock_plan(plan: Plan) -> bool:
    """Whether a plan was made here."""
    return plan.planner.startswith(_PLANNER)


def apply_approved(
    context: Context, lease: Lease, plan: Plan, progress: Progress | None = None
) -> tuple[Plan, Outcome]:
    """Carry out an approved plan of locks for those of its people who are still due; what was done.

    The caller has seen that it was approved, by right and not long ago. Raises :class:`RefusedError` while
    login events may not be believed.
    """
    feed = take_in_logins(context)
    if feed.problem:
        raise RefusedError(
            f"nobody is locked now: {feed.problem}",
            remedy="see to the login events of Keycloak, then apply it again",
        )
    now = context.clock()
    people = {change.person for change in plan.changes if change.person is not None}
    due = find_due(context, people)
    with context.database.transaction() as connection:
        lease.assert_held(connection)
        set_plan_state(connection, plan.digest, PlanState.APPLIED, now)
    made, observed = _plan(context, due, ())
    outcome = Outcome(done={}, refused=())
    if due:
        outcome = _run(context, lease, made, observed, due, progress)
    return made, outcome


def is_approved_by_right(context: Context, plan: Plan) -> bool:
    """Whether the registry, of which forged approvals were taken back, has the approval of this plan."""
    with context.database.reading() as connection:
        known = read_trusted_part(connection, context.keyring, ()).registry.proposals
    proposal = known.get(proposal_key(ProposalKind.UNSAFE_PLAN, plan.digest))
    return proposal is not None and proposal.state is ProposalState.APPROVED


def hold_of(item: Unused, context: Context) -> Hold:
    """The hold that a lock is."""
    return Hold(
        person=item.person.id,
        kind=HoldKind.INACTIVE,
        since=day_in_china(context.clock()),
        reason=_reason(item.verdict),
        origin=ORIGIN,
    )


def _reason(verdict: Verdict) -> str:
    return f"连续 {describe_span(verdict.after)}未登录（{verdict.article}）"


def _carry_out(context: Context, lease: Lease, due: Sequence[Unused]) -> Outcome:
    plan, observed = _plan(context, due, ())
    return _run(context, lease, plan, observed, due, None)


def _run(
    context: Context,
    lease: Lease,
    plan: Plan,
    observed: ObservedRealm,
    due: Sequence[Unused],
    progress: Progress | None,
) -> Outcome:
    users = frozenset(item.user for item in due)
    with context.database.transaction() as connection:
        lease.assert_held(connection)
        save_plan(connection, plan, context.keyring)
        # All at once: from here on nobody of them is due any more, and whoever dies on the way would leave
        # accounts on, or locked without a word. The watcher looks at those made since the mirror was written
        # too, and at whom Keycloak refuses to switch off.
        commit(context, connection, plan.delta)
        put_to_judge(connection, ToJudge(users=users), context.clock())
        tell_locked(context, connection, due)
    rest = replace(plan, delta=RegistryDelta(next_serial=plan.delta.next_serial))
    return carry_out(context, lease, rest, observed, progress, repairs=ToJudge())


def _finish(context: Context, lease: Lease) -> None:
    """Switch off who was locked by a run that died before it had done so."""
    query = (
        select(account.c.keycloak_id)
        .join(hold, hold.c.person_id == account.c.person_id)
        .where(account.c.enabled_written, hold.c.kind == HoldKind.INACTIVE, hold.c.origin == ORIGIN)
    )
    with context.database.reading() as connection:
        users = frozenset(map(KeycloakId, connection.execute(query).scalars()))
    if users:
        repair(context, lease, ToJudge(users=users))


def _plan(context: Context, due: Sequence[Unused], excess: tuple[Excess, ...]) -> tuple[Plan, ObservedRealm]:
    """A plan that locks these. One that is asked about has the same digest as long as it is about the same
    people, so that the approval given to it stands."""
    with context.database.reading() as connection:
        observed = read_mirror(connection, users={item.user for item in due})
        revision = read_number(connection, "revision", 0)
    holds = {item.person.id: hold_of(item, context) for item in due}
    changes = order_changes([_disable(item, holds) for item in due if excess or item.user in observed.users])
    plan = Plan(
        digest=digest_of(context.realm_name, 0, changes, (), once="" if excess else secrets.token_hex(8)),
        realm=context.realm_name,
        base_revision=revision,
        planner=f"{_PLANNER}{context.who}",
        created_at=context.clock(),
        changes=changes,
        delta=RegistryDelta(holds_put=tuple(holds.values()), next_serial=_next_serial(context)),
        findings=(),
        excess=excess,
        sources=(),
    )
    return plan, observed


def _next_serial(context: Context) -> int:
    with context.database.reading() as connection:
        return read_number(connection, "next_serial", 1)


def _disable(item: Unused, holds: Mapping[PersonId, Hold]) -> Change:
    return Change(
        kind=ChangeKind.DISABLE,
        subject=str(item.person.username),
        reason=holds[item.person.id].reason,
        person=item.person.id,
        origin=ORIGIN,
        article=item.verdict.article,
        detail={"id": str(item.user), "holds": [HoldKind.INACTIVE]},
    )


def _ask(context: Context, lease: Lease, due: Sequence[Unused], excess: tuple[Excess, ...]) -> None:
    """Propose to lock these, and end what was proposed before for others."""
    plan = _plan(context, due, excess)[0] if due else None
    key = proposal_key(ProposalKind.UNSAFE_PLAN, plan.digest) if plan is not None else ""
    keyring, now = context.keyring, context.clock()
    with context.database.transaction() as connection:
        lease.assert_held(connection)
        known = read_trusted_part(connection, keyring, ()).registry.proposals
        changed = [
            replace(item, state=ProposalState.WITHDRAWN)
            for item in known.values()
            if item.kind is ProposalKind.UNSAFE_PLAN
            and item.origin == ORIGIN
            and item.state is ProposalState.OPEN
            and item.key != key
        ]
        if plan is not None and not _may_be_applied(context, connection, plan.digest):
            save_plan(connection, plan, keyring)
            before = known.get(key)
            # Who was refused is asked again when it is about other people, or the monthly review names them.
            if before is None or before.state not in (ProposalState.OPEN, ProposalState.REJECTED):
                changed.append(_proposal(key, plan))
                tell_stopped(context, connection, plan)
        put_proposals(connection, sign_proposals(keyring, changed), now)


def _may_be_applied(context: Context, connection: Connection, digest: str) -> bool:
    """Whether a second person has approved such a plan, not too long ago: one that is too old is asked about
    once more."""
    made = read_approval(connection, digest)
    return made is not None and not is_expired(context, made)


def _proposal(key: str, plan: Plan) -> Proposal:
    counts = "；".join(map(describe_excess, plan.excess))
    return Proposal(
        key=key,
        kind=ProposalKind.UNSAFE_PLAN,
        subject=plan.digest,
        summary=f"锁定长期未登录的账号 {len(plan.changes):,} 个，超出安全限度（{counts}）",
        area=None,
        post=None,
        origin=ORIGIN,
        proposer=plan.planner,
    )
