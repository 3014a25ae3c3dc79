"""Undoing what nobody was entitled to, between two syncs.

The same plan, safety and apply as a sync's, for a few people and without asking the sources.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from quanheng.clock import day_in_china
from quanheng.engine.adopt import Adopted, adopt_accounts
from quanheng.engine.apply import Outcome
from quanheng.engine.diff import Difference
from quanheng.engine.effects import is_group_change
from quanheng.engine.plan import Plan, digest_of, order_changes
from quanheng.engine.safety import Excess, judge_safety
from quanheng.engine.undisputed import find_undisputed
from quanheng.model.change import Change
from quanheng.model.finding import FindingKind
from quanheng.model.ids import KeycloakId, OrgCode, PersonId
from quanheng.model.realm import ObservedRealm
from quanheng.model.registry import RegistryDelta
from quanheng.operations.carrying_out import carry_out
from quanheng.operations.context import Context
from quanheng.operations.organisations import read_recoded
from quanheng.operations.planning import approved_keys, compare
from quanheng.operations.trust import Trusted, read_trusted, read_trusted_part
from quanheng.store.lease import Lease
from quanheng.store.mirror import read_mirror, read_users
from quanheng.store.plans import save_plan
from quanheng.store.registry import count_accounts
from quanheng.store.watching import ToJudge, read_exposures
from quanheng.watch.undoing import find_undoing

_LEFT_TO_SYNC: Final = 400
"""Users from which on everybody is judged: one query for each would no longer be cheaper."""
_JUST: Final = timedelta(days=1)
"""So long a refused grant is taken for nobody's by right; what stands for longer may have become so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """What became of a repair."""

    plan: Plan
    """What was carried out."""
    outcome: Outcome
    excess: tuple[Excess, ...] = ()
    """Limits that stopped the rest of it."""

    @property
    def refused(self) -> ToJudge:
        """Of whom Keycloak refused to take something away: still to be judged. What it refused to give is
        left to the next sync: the guard would tell of each try."""
        changes = [item.change for item in self.outcome.refused if takes_power(item.change)]
        users = {
            KeycloakId(str(change.detail["id"])) for change in changes if not is_group_change(change.kind)
        }
        return ToJudge(
            users=frozenset(users), structure=any(is_group_change(change.kind) for change in changes)
        )


def repair(context: Context, lease: Lease, wanted: ToJudge) -> Repaired:
    """Set right what differs of these users, or of everybody, and of the groups.

    What the registry knows is the measure; the sources are not asked. Beyond a limit of ``[safety]`` nothing
    is done but the undoing of refused grants and what is undisputed; the next sync, which finds the rest,
    waits for a second person.
    """
    planned = None
    if not wanted.everybody and len(wanted.users) <= _LEFT_TO_SYNC:
        planned = _plan(context, wanted)
    if planned is None:
        planned = _plan(context, ToJudge(everybody=True))
    assert planned is not None  # noqa: S101 -- for mypy: everybody is always enough
    plan, observed, free = planned
    excess = plan.excess
    if excess:
        plan = _only(plan, free)
    with context.database.transaction() as connection:
        lease.assert_held(connection)
        if plan.changes or not plan.delta.empty:
            save_plan(connection, plan, context.keyring)
    outcome = carry_out(context, lease, plan, observed, repairs=wanted)
    return Repaired(plan=plan, outcome=outcome, excess=excess)


def _only(plan: Plan, free: Collection[Change]) -> Plan:
    """The part of a plan beyond a limit that needs nobody's approval: ``free``, and what was found off."""
    changes = tuple(free)
    # Sessions of those end now, and who switched them off is heeded; nothing is lifted, and nobody linked.
    off = tuple(item for item in plan.delta.adopted if not item.enabled_written)
    delta = RegistryDelta(next_serial=plan.delta.next_serial, holds_put=plan.delta.holds_put, adopted=off)
    return replace(
        plan,
        digest=digest_of(plan.realm, plan.base_revision, changes, (), once=secrets.token_hex(8)),
        changes=changes,
        delta=delta,
        excess=(),
    )


def _undoing(context: Context, changes: Sequence[Change]) -> tuple[Change, ...]:
    with context.database.reading() as connection:
        held = read_exposures(connection, only_open=True, since=context.clock() - _JUST)
    return find_undoing(changes, held)


def _plan(context: Context, wanted: ToJudge) -> tuple[Plan, ObservedRealm, Sequence[Change]] | None:
    """A plan for these, and what of it no limit holds up; None when more people have to be looked at to judge
    them."""
    now = context.clock()
    today = day_in_china(now)
    observed, trusted = _read(context, wanted)
    recoded: Mapping[OrgCode, OrgCode] = read_recoded(context)
    adopted = adopt_accounts(trusted.registry, observed, today=today)
    desired, difference = compare(context, adopted.registry, observed, recoded, everybody=wanted.everybody)
    # Both count people whom a part may not name.
    last = any(item.kind is FindingKind.LAST_ADMINISTRATOR for item in difference.findings)
    if (desired.limited or last) and not wanted.everybody:
        return None
    changes = order_changes(difference.changes)
    free = order_changes([*_undoing(context, changes), *find_undisputed(changes, trusted.registry)])
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
            delta=_delta(trusted, adopted, difference),
            findings=(*trusted.findings, *adopted.findings, *desired.findings, *difference.findings),
            excess=judge_safety(
                changes,
                dict(context.settings.safety),
                accounts=accounts,
                groups=len(observed.groups),
                may_grow=False,
                approved_keys=approved_keys(context, desired),
                admitted=free,
            ),
            sources=(),
        ),
        observed,
        free,
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
        trusted = read_trusted_part(connection, keyring, wanted.users, said)
        # Anybody can be said to be somebody else, whose account is not gone for that.
        accounts = {account.keycloak_id for account in trusted.registry.accounts.values()}
        theirs = read_users(connection, accounts - observed.users.keys())
        return replace(observed, users={**observed.users, **theirs}), trusted


def _delta(trusted: Trusted, adopted: Adopted, difference: Difference) -> RegistryDelta:
    delta = adopted.extend(RegistryDelta(next_serial=trusted.registry.next_serial))
    return replace(delta, adopted=(*delta.adopted, *difference.linked))


def takes_power(change: Change) -> bool:
    """Whether a change takes something away that somebody could have used."""
    return change.kind.value in ("revoke", "role_remove", "group_role_remove", "unlink", "disable")
