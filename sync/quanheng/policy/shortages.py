"""What a regulation asks for and nobody does: minima, and businesses without a person for each stage. Pure.

Reported, never vetoed: nobody can be made to hold a post.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from quanheng.model.ids import KeycloakId, OrgCode, RoleName
from quanheng.policy.compiling import AREA_DIGITS, Catalogue, Roles, catalogue
from quanheng.policy.contents import Pack
from quanheng.policy.rules import Held
from quanheng.policy.schema import Minimum, Stages
from quanheng.policy.units import in_scope

Holders = Mapping[RoleName, frozenset[KeycloakId]]
"""Who holds each role in one area."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """One area that lacks somebody."""

    rule: str
    label: str
    article: str
    area: OrgCode
    detail: str
    """A Chinese sentence that says what is missing; names nobody."""


def find_shortages(
    pack: Pack, areas: Iterable[OrgCode], held: Mapping[KeycloakId, Sequence[Held]]
) -> tuple[Shortage, ...]:
    """Every minimum and every stage that is not filled, in the order of the rules and of the areas.

    ``areas`` are the codes of the counties, cities and provinces that exist; ``held`` is what the people
    hold who count (leave out whoever is switched off). What is held without a county counts nowhere.
    """
    roles = catalogue(pack)
    by_area = _by_area(held)
    codes = sorted(areas)
    found = [
        short
        for rule in pack.rules.minima
        for code in codes
        if _concerned(rule, code)
        for short in _below(rule, code, by_area.get(code, {}), roles, pack)
    ]
    found += [
        short
        for rule in pack.rules.stages
        for code in codes
        if _concerned(rule, code)
        for short in _unstaged(rule, code, by_area.get(code, {}), roles, pack)
    ]
    return tuple(found)


def _by_area(held: Mapping[KeycloakId, Sequence[Held]]) -> Mapping[OrgCode, Holders]:
    people: dict[OrgCode, dict[RoleName, set[KeycloakId]]] = defaultdict(lambda: defaultdict(set))
    for user, items in held.items():
        for item in items:
            if item.area is not None:
                people[item.area][item.role].add(user)
    return {area: {role: frozenset(users) for role, users in roles.items()} for area, roles in people.items()}


def _concerned(rule: Minimum | Stages, code: OrgCode) -> bool:
    digits = {AREA_DIGITS[tier] for tier in rule.tiers if tier in AREA_DIGITS}
    return len(code) in digits and (not rule.areas or in_scope(code, rule.areas))


def _below(
    rule: Minimum, code: OrgCode, holders: Holders, roles: Catalogue, pack: Pack
) -> Iterator[Shortage]:
    people = _people(holders, frozenset(roles.posts[post] for post in rule.posts))
    if len(people) < rule.least:
        labels = "、".join(post.label for post in pack.posts.posts if post.id in rule.posts)
        yield _shortage(rule, code, f"{labels}应至少 {rule.least} 人，现有 {len(people)} 人")


def _unstaged(
    rule: Stages, code: OrgCode, holders: Holders, roles: Catalogue, pack: Pack
) -> Iterator[Shortage]:
    for business in pack.permissions.businesses:
        if business.risk is not rule.risk:
            continue
        steps = roles.by_business.get(business.id, frozenset())
        people = {kind: _people(holders, steps & roles.by_kind.get(kind, frozenset())) for kind in rule.kinds}
        missing = [kind for kind in rule.kinds if not people[kind]]
        if len(missing) == len(rule.kinds):
            continue  # nobody works on it here
        if missing:
            yield _shortage(rule, code, f"{business.label}缺少{'、'.join(missing)}人员")
        elif not _each_a_person(list(people.values())):
            yield _shortage(
                rule, code, f"{business.label}的{'、'.join(rule.kinds)}不足 {len(rule.kinds)} 名不同的人员"
            )


def _people(holders: Holders, roles: Roles) -> frozenset[KeycloakId]:
    return frozenset[KeycloakId]().union(*(holders.get(role, frozenset()) for role in roles))


def _each_a_person(stages: Sequence[frozenset[KeycloakId]]) -> bool:
    """Whether every stage can have a person of its own (a matching, found by augmenting paths)."""
    taken: dict[KeycloakId, int] = {}

    def place(stage: int, tried: set[KeycloakId]) -> bool:
        for person in sorted(stages[stage] - tried):
            tried.add(person)
            if person not in taken or place(taken[person], tried):
                taken[person] = stage
                return True
        return False

    return all(place(stage, set()) for stage in range(len(stages)))


def _shortage(rule: Minimum | Stages, code: OrgCode, detail: str) -> Shortage:
    return Shortage(
        rule=rule.id, label=rule.label, article=rule.article, area=code, detail=f"{code}：{detail}"
    )
