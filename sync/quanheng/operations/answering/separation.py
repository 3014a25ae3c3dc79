"""What separation of duties says of a whole realm at once: ``check --sod``. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from quanheng.model.realm import ObservedRealm, RealmUser
from quanheng.operations.context import Context
from quanheng.operations.judging import WaivedConflict, clear_caches, judge_observed, read_people
from quanheng.operations.refresh import read_live
from quanheng.policy.rules import Conflict, Held
from quanheng.policy.shortages import Shortage


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignDuty:
    """Duties on an account that may have none: not ours, or a client's."""

    user: RealmUser
    held: tuple[Held, ...]


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
    registry = read_people(context, observed)
    judged = judge_observed(context, registry, observed)
    ours = {account.keycloak_id for account in registry.accounts.values()}
    foreign = [
        ForeignDuty(user=observed.users[key], held=items)
        for key, items in judged.held.items()
        if key not in ours or observed.users[key].service_account
    ]
    return Separation(
        users=len(observed.users),
        holders=len(judged.held),
        conflicts=tuple(sorted(judged.conflicts, key=lambda pair: (pair[0].username, pair[1].rule))),
        foreign=tuple(sorted(foreign, key=lambda item: item.user.username)),
        waived=tuple(sorted(judged.waived, key=lambda item: (item.user.username, item.conflict.rule))),
        shortages=judged.shortages,
    )
