"""Undoing what nobody was entitled to, between two syncs.

The same plan, safety and apply as a sync's, for a few people and without asking the sources.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from quanheng.clock import day_in_china
from quanheng.engine.adopt import Adopted, adopt_accounts
from quanheng.engine.apply import Outcome
from quanheng.engine.plan import Plan, digest_of, order_changes
from quanheng.engine.safety import judge_safety
from quanheng.model.change import Change
from quanheng.model.ids import OrgCode, PersonId
from quanheng.model.realm import ObservedRealm
from quanheng.model.registry import RegistryDelta
from quanheng.operations.carrying_out import carry_out
from quanheng.operations.context import Context
from quanheng.operations.organisations import read_recoded
from quanheng.operations.planning import approved_keys, compare
from quanheng.operations.trust import Trusted, read_trusted, read_trusted_part
from quanheng.store.lease import Lease
from quanheng.store.mirror import read_mirror
from quanheng.store.plans import save_plan
from quanheng.store.registry import count_accounts
from quanheng.store.watching import ToJudge

_LEFT_TO_SYNC = 400
"""Users from which on everybody is judged: one query for each would no longer be cheaper."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """What became of a repair."""

    plan: Plan
    outcome: Outcome | None
    """None when it was not carried out: it exceeds a limit."""


def repair(context: Context, lease: Lease, wanted: ToJudge) -> Repaired:
    """Set right what differs of these users, or of everybody, and of the groups.

    What the registry knows is the measure; the sources are not asked. Beyond a limit of ``[safety]`` nothing
    is done, and the next sync, which finds the same, waits for a second person.
    """
    planned = None
    if not wanted.everybody and len(wanted.users) <= _LEFT_TO_SYNC:
        planned = _plan(context, wanted)
    if planned is None:
        planned = _plan(context, ToJudge(everybody=True))
    assert planned is not None  # noqa: S101 -- for mypy: everybody is always enough
    plan, observed = planned
    if plan.excess:
        return Repaired(plan=plan, outcome=None)
    with context.database.transaction() as connection:
        lease.assert_held(connection)
        if plan.changes or not plan.delta.empty:
            save_plan(connection, plan, context.keyring)
    outcome = carry_out(context, lease, plan, observed, repairs=wanted)
    return Repaired(plan=plan, outcome=outcome)


def _plan(context: Context, wanted: ToJudge) -> tuple[Plan, ObservedRealm] | None:
    """A plan for these; None when more people have to be looked at to judge them."""
    now = context.clock()
    today = day_in_china(now)
    observed, trusted = _read(context, wanted)
    recoded: Mapping[OrgCode, OrgCode] = read_recoded(context)
    adopted = adopt_accounts(trusted.registry, observed, today=today)
    desired, difference = compare(context, adopted.registry, observed, recoded)
    if desired.limited and not wanted.everybody:
        return None
    changes = order_changes(difference.changes)
    with context.database.reading() as connection:
        accounts = count_accounts(connection)
    return (
        Plan(
            digest=digest_of(
                context.realm_name, trusted.registry.revision, changes, (), once=secrets.token_hex(8)
            ),
            realm=context.realm_name,
            base_revision=trusted.registry.revision,
            planner=f"watch:{context.who}",
            created_at=now,
            changes=changes,
            delta=_delta(trusted, adopted),
            findings=(*trusted.findings, *adopted.findings, *desired.findings, *difference.findings),
            excess=judge_safety(
                changes,
                dict(context.settings.safety),
                accounts=accounts,
                groups=len(observed.groups),
                may_grow=False,
                approved_keys=approved_keys(context, desired),
            ),
            sources=(),
        ),
        observed,
    )


def _read(context: Context, wanted: ToJudge) -> tuple[ObservedRealm, Trusted]:
    keyring = context.keyring
    with context.database.reading() as connection:
        if wanted.everybody:
            return read_mirror(connection), read_trusted(connection, keyring)
        observed = read_mirror(connection, users=wanted.users)
        # A user that says whose it is may be one of ours that was made again.
        said = {
            PersonId(name)
            for user in observed.users.values()
            for name in user.attributes.get("person_id", ())
        }
        return observed, read_trusted_part(connection, keyring, wanted.users, said)


def _delta(trusted: Trusted, adopted: Adopted) -> RegistryDelta:
    return adopted.extend(RegistryDelta(next_serial=trusted.registry.next_serial))


def takes_power(change: Change) -> bool:
    """Whether a change takes something away that somebody could have used."""
    return change.kind.value in ("revoke", "role_remove", "group_role_remove", "unlink", "disable")
