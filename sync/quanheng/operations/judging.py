"""What people effectively hold, judged: conflicts and shortages (``check --sod``, and every sweep)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from quanheng.clock import day_in_china
from quanheng.engine.trees import Trees
from quanheng.engine.waivers import waivers_in_force
from quanheng.model.finding import Finding, FindingKind
from quanheng.model.ids import KeycloakId, OrgCode, QualificationId
from quanheng.model.realm import ObservedRealm, RealmUser
from quanheng.model.registry import Registry
from quanheng.model.staff import OrgKind
from quanheng.operations.context import Context
from quanheng.operations.organisations import read_recoded, units_of
from quanheng.operations.trust import read_trusted
from quanheng.policy.effective import Powers
from quanheng.policy.judge import judge
from quanheng.policy.rules import Conflict, Held, MaximumRule
from quanheng.policy.shortages import Shortage, find_shortages
from quanheng.policy.units import Units

_AREAS = frozenset({OrgKind.PROVINCE, OrgKind.CITY, OrgKind.COUNTY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the judge says of a realm."""

    conflicts: tuple[tuple[RealmUser, Conflict], ...]
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
    keyring = context.keyring
    with context.database.reading() as connection:
        registry = read_trusted(connection, keyring).registry
    units = units_of(context, registry, read_recoded(context))
    return judge_observed(context, registry, units, observed)


def clear_caches(context: Context) -> bool:
    """Have Keycloak forget what it has cached, so that what was written past it shows; False without a
    guard, which alone can."""
    if context.guard.read_status() is None:
        return False
    context.guard.clear_caches()
    return True


def judge_observed(context: Context, registry: Registry, units: Units, observed: ObservedRealm) -> Judged:
    """The same when the registry is known."""
    rules, today = context.rules, day_in_china(context.clock())
    powers = Powers(observed, rules)
    held = {user.id: found for user in observed.users.values() if (found := powers.of_user(user))}
    qualifications = _qualification_groups(context, units, observed)
    waivers = waivers_in_force(registry, today=today)
    counts = _Counts(held)
    conflicts: list[tuple[RealmUser, Conflict]] = []
    for key, items in held.items():
        user = observed.users[key]
        broken = judge(
            rules,
            items,
            qualifications={qualifications[group] for group in user.groups if group in qualifications},
            waivers=waivers,
            day=today,
            user=key,
            others=counts.others(key),
        )
        conflicts += [(user, conflict) for conflict in broken]
    areas = [unit.code for unit in units if unit.kind in _AREAS]
    working = {key: items for key, items in held.items() if observed.users[key].enabled}
    return Judged(conflicts=tuple(conflicts), shortages=find_shortages(context.pack, areas, working))


class _Counts:
    """How many people hold a rule's roles in each area; counted once per rule."""

    def __init__(self, held: Mapping[KeycloakId, Sequence[Held]]) -> None:
        self._held = held
        self._counted: dict[str, tuple[Counter[OrgCode], frozenset[tuple[KeycloakId, OrgCode]]]] = {}

    def others(self, user: KeycloakId) -> _Others:
        """The count without one person."""
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
    counts: _Counts
    user: KeycloakId

    def __call__(self, rule: MaximumRule, area: OrgCode) -> int:
        per_area, pairs = self.counts.of(rule)
        return per_area[area] - ((self.user, area) in pairs)


def _qualification_groups(
    context: Context, units: Units, observed: ObservedRealm
) -> Mapping[KeycloakId, QualificationId]:
    trees = Trees(context.pack, units)
    paths = {
        trees.qualification_path(item.id): QualificationId(item.id)
        for item in context.pack.qualifications.qualifications
    }
    return {key: paths[group.path] for key, group in observed.groups.items() if group.path in paths}


def _shortage(item: Shortage) -> str:
    return f"{item.label}（{item.article}）：{item.detail}"
