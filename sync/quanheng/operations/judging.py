"""What people effectively hold, judged: conflicts and shortages (``check --sod``, and every sweep)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from quanheng.clock import day_in_china
from quanheng.engine.adopt import adopt_accounts
from quanheng.engine.matching import qualification_groups
from quanheng.engine.waivers import waivers_in_force
from quanheng.model.finding import Finding, FindingKind
from quanheng.model.ids import KeycloakId, OrgCode
from quanheng.model.realm import ObservedRealm, RealmUser
from quanheng.model.registry import Registry
from quanheng.model.staff import OrgKind
from quanheng.operations.context import Context
from quanheng.operations.organisations import read_recoded, units_of
from quanheng.operations.trust import read_trusted
from quanheng.policy.effective import Powers
from quanheng.policy.judge import Others, judge
from quanheng.policy.rules import Conflict, Held, MaximumRule, WaiverInForce
from quanheng.policy.shortages import Shortage, find_shortages

_AREAS = frozenset({OrgKind.PROVINCE, OrgKind.CITY, OrgKind.COUNTY})


@dataclass(frozen=True, slots=True, kw_only=True)
class WaivedConflict:
    """What would be a conflict without a waiver."""

    user: RealmUser
    conflict: Conflict
    waiver: WaiverInForce


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the judge says of a realm."""

    held: Mapping[KeycloakId, tuple[Held, ...]]
    """What each user holds that holds anything; what was judged."""
    conflicts: tuple[tuple[RealmUser, Conflict], ...]
    waived: tuple[WaivedConflict, ...]
    shortages: tuple[Shortage, ...]

    def findings(self) -> tuple[Finding, ...]:
        """The same for a report."""
        found = [
            Finding(
                kind=FindingKind.CONFLICT, subject=str(user.username), detail=conflict.reason, violation=True
            )
            for user, conflict in self.conflicts
        ]
        found += [
            Finding(kind=FindingKind.SHORTAGE, subject=str(item.area), detail=_shortage(item))
            for item in self.shortages
        ]
        return tuple(found)


def find_conflicts(context: Context, observed: ObservedRealm) -> Judged:
    """Judge everybody in ``observed``, which may have been read live or be the mirror.

    A service account or foreign user is judged like anybody; what it holds without right the comparison
    takes away.
    """
    return judge_observed(context, read_people(context, observed), observed)


def read_people(context: Context, observed: ObservedRealm) -> Registry:
    """The registry, trusted, with the accounts that people have in ``observed``."""
    keyring = context.keyring
    with context.database.reading() as connection:
        registry = read_trusted(connection, keyring).registry
    return adopt_accounts(registry, observed, today=day_in_china(context.clock())).registry


def holders_of(context: Context, observed: ObservedRealm) -> Mapping[KeycloakId, tuple[Held, ...]]:
    """What each user holds that holds anything."""
    powers = Powers(observed, context.rules)
    return {user.id: held for user in observed.users.values() if (held := powers.of_user(user))}


def clear_caches(context: Context) -> bool:
    """Have Keycloak forget what it has cached, so that what was written past it shows; False without a
    guard, which alone can."""
    if context.guard.read_status() is None:
        return False
    context.guard.clear_caches()
    return True


def judge_observed(context: Context, registry: Registry, observed: ObservedRealm) -> Judged:
    """The same when the registry is known, by :func:`read_people`."""
    rules, today = context.rules, day_in_china(context.clock())
    held = holders_of(context, observed)
    qualifications = {key: name for name, key in qualification_groups(context.pack, observed.groups).items()}
    waivers: dict[KeycloakId, list[WaiverInForce]] = defaultdict(list)
    for waiver in waivers_in_force(registry, today=today):
        waivers[waiver.user].append(waiver)
    sources = {rule.id: rule.source for rule in rules.vetoing}
    counts = Counts(held)
    conflicts: list[tuple[RealmUser, Conflict]] = []
    waived: list[WaivedConflict] = []
    for key, items in held.items():
        user = observed.users[key]
        mine = {qualifications[group] for group in user.groups if group in qualifications}
        found = partial(
            judge, rules, items, qualifications=mine, day=today, user=key, others=counts.others(key)
        )
        broken = found(waivers=waivers.get(key, ()))
        conflicts += [(user, conflict) for conflict in broken]
        if key in waivers:
            waived += [
                WaivedConflict(user=user, conflict=conflict, waiver=waiver)
                for conflict in found()
                if conflict not in broken
                for waiver in waivers[key]
                if waiver.rule == sources[conflict.rule]
            ]
    units = units_of(context, registry, read_recoded(context))
    areas = [unit.code for unit in units if unit.kind in _AREAS]
    working = {key: items for key, items in held.items() if observed.users[key].enabled}
    return Judged(
        held=held,
        conflicts=tuple(conflicts),
        waived=tuple(waived),
        shortages=find_shortages(context.pack, areas, working),
    )


class Counts:
    """How many people hold a rule's roles in each area; counted once per rule."""

    def __init__(self, held: Mapping[KeycloakId, Sequence[Held]]) -> None:
        self._held = held
        self._counted: dict[str, tuple[Counter[OrgCode], frozenset[tuple[KeycloakId, OrgCode]]]] = {}

    def others(self, user: KeycloakId | None) -> Others:
        """The count without one person; None for somebody without an account."""
        return _Others(self, user)

    def of(self, rule: MaximumRule) -> tuple[Counter[OrgCode], frozenset[tuple[KeycloakId, OrgCode]]]:
        """Holders per area, and who they are."""
        known = self._counted.get(rule.id)
        if known is None:
            pairs = frozenset(
                (user, item.area)
                for user, items in self._held.items()
                for item in items
                if item.role in rule.roles and item.area is not None
            )
            known = self._counted[rule.id] = (Counter(area for _, area in pairs), pairs)
        return known


@dataclass(frozen=True, slots=True)
class _Others:
    counts: Counts
    user: KeycloakId | None

    def __call__(self, rule: MaximumRule, area: OrgCode) -> int:
        per_area, pairs = self.counts.of(rule)
        return per_area[area] - ((self.user, area) in pairs)


def _shortage(item: Shortage) -> str:
    return f"{item.label}（{item.article}）：{item.detail}"
