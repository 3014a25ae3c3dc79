"""What separation of duties says of a whole realm at once: ``check --sod``. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from quanheng.clock import day_in_china
from quanheng.engine.adopt import adopt_accounts
from quanheng.engine.waivers import waivers_in_force
from quanheng.model.realm import ObservedRealm, RealmUser
from quanheng.operations.answering.assessing import vetoing
from quanheng.operations.answering.looking import holders_of
from quanheng.operations.context import Context
from quanheng.operations.judging import clear_caches, find_conflicts
from quanheng.operations.refresh import read_live
from quanheng.operations.trust import read_trusted
from quanheng.policy.judge import judge, waivers_that_count
from quanheng.policy.rules import Conflict, Held, WaiverInForce
from quanheng.policy.shortages import Shortage


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignDuty:
    """Duties on an account that may have none: not ours, or a client's."""

    user: RealmUser
    held: tuple[Held, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaivedConflict:
    """What would be a conflict without a waiver."""

    user: RealmUser
    conflict: Conflict
    waiver: WaiverInForce


@dataclass(frozen=True, slots=True, kw_only=True)
class Separation:
    """What was found."""

    users: int
    """Accounts that were judged."""
    holders: int
    """Those that hold any duty."""
    conflicts: tuple[tuple[RealmUser, Conflict], ...]
    foreign: tuple[ForeignDuty, ...]
    waived: tuple[WaivedConflict, ...]
    shortages: tuple[Shortage, ...]

    @property
    def clean(self) -> bool:
        """Whether nobody breaks a rule; shortages and waivers are only told."""
        return not (self.conflicts or self.foreign)


def check_separation(context: Context) -> Separation:
    """Read everything from Keycloak, past its caches where it has the guard, and judge everybody.

    Memberships and roles count as they are, whoever gave them.
    """
    clear_caches(context)
    return judge_separation(context, read_live(context.realm))


def judge_separation(context: Context, observed: ObservedRealm) -> Separation:
    """The same for a realm that was read already."""
    today, rules, keyring = day_in_china(context.clock()), context.rules, context.keyring
    judged = find_conflicts(context, observed)
    with context.database.reading() as connection:
        registry = read_trusted(connection, keyring).registry
    registry = adopt_accounts(registry, observed, today=today).registry
    ours = {account.keycloak_id for account in registry.accounts.values()}
    held = holders_of(context, observed)
    counting = waivers_that_count(rules, waivers_in_force(registry, today=today), day=today)
    sources = {rule.id: rule.source for rule in vetoing(rules)}
    waived = [
        WaivedConflict(user=observed.users[waiver.user], conflict=conflict, waiver=waiver)
        for waiver in counting
        for conflict in judge(
            rules, held.get(waiver.user, ()), qualifications=rules.qualifications, day=today, user=waiver.user
        )
        if sources.get(conflict.rule) == waiver.rule
    ]
    foreign = [
        ForeignDuty(user=observed.users[key], held=items)
        for key, items in held.items()
        if key not in ours or observed.users[key].service_account
    ]
    return Separation(
        users=len(observed.users),
        holders=len(held),
        conflicts=tuple(sorted(judged.conflicts, key=lambda pair: (pair[0].username, pair[1].rule))),
        foreign=tuple(sorted(foreign, key=lambda item: item.user.username)),
        waived=tuple(waived),
        shortages=judged.shortages,
    )
