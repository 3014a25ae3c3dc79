"""The judge: what a person's duties break, what a further one would break, who may grant. Pure.

Nothing here looks anything up: the rules are compiled (:mod:`quanheng.policy.compiling`), the duties are
effective ones (:mod:`quanheng.policy.effective`). The guard in Keycloak decides by the same sets; a test
compares both.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import date
from itertools import product

from quanheng.model.ids import KeycloakId, OrgCode, QualificationId, RoleName
from quanheng.policy.rules import (
    CompiledRules,
    Conflict,
    ExclusionRule,
    Held,
    MaximumRule,
    WaiverInForce,
    covers,
)

Others = Callable[[MaximumRule, OrgCode], int]
"""How many people other than the one judged have a role of the rule in the area."""


def judge(
    rules: CompiledRules,
    held: Sequence[Held],
    *,
    qualifications: Collection[QualificationId],
    waivers: Iterable[WaiverInForce] = (),
    day: date,
    user: KeycloakId | None = None,
    others: Others | None = None,
) -> tuple[Conflict, ...]:
    """Every rule that somebody breaks by holding all of ``held``, each once.

    ``day`` is the day in China. Without ``others`` the maxima of counties are not judged.
    """
    return judge_gain(
        rules,
        (),
        held,
        qualifications=qualifications,
        waivers=waivers,
        day=day,
        user=user,
        others=others,
    )


def judge_gain(
    rules: CompiledRules,
    held: Sequence[Held],
    gained: Sequence[Held],
    *,
    qualifications: Collection[QualificationId],
    waivers: Iterable[WaiverInForce] = (),
    day: date,
    user: KeycloakId | None = None,
    others: Others | None = None,
) -> tuple[Conflict, ...]:
    """What somebody with ``held`` would break by getting ``gained`` as well.

    Only rules that something of ``gained`` takes part in: a conflict that is there already does not keep
    anybody from gaining something else. Getting again what is held is a gain like any other.
    """
    if not gained:
        return ()
    waived = {item.rule for item in waivers if item.user == user and item.until >= day}
    found = list(_unqualified(rules, gained, qualifications))
    for rule in rules.exclusions:
        if not (rule.waivable and rule.source in waived):
            found += _excluded(rules, rule, held, gained)
    for limit in rules.maxima:
        if limit.waivable and limit.source in waived:
            continue
        if limit.per == "person":
            found += _too_many(rules, limit, held, gained)
        elif others is not None:
            found += _too_many_people(rules, limit, gained, others)
    return tuple(found)


def may_grant(
    rules: CompiledRules, granter_held: Iterable[Held], duty_role: RoleName, area: OrgCode | None
) -> bool:
    """Whether somebody's own posts entitle to grant or revoke a duty in an area, in the console.

    A post counts in its own area and below. One that is held without a county counts nowhere, and a duty
    without a county is nobody's to grant. That nobody grants to oneself is the caller's to see to.
    """
    duty = rules.duties.get(duty_role)
    if duty is None or area is None:
        return False
    granters = duty.granters_at(area)
    return any(
        item.role in granters and item.area is not None and area.startswith(item.area)
        for item in granter_held
    )


def describe_path(rules: CompiledRules, held: Held) -> str:
    """The way by which something is held, in the words of the pack."""
    labels = {str(role): duty.label for role, duty in rules.duties.items() if str(role) in held.path}
    return " → ".join(labels.get(step, step) for step in held.path)


def _excluded(
    rules: CompiledRules, rule: ExclusionRule, held: Sequence[Held], gained: Sequence[Held]
) -> Iterator[Conflict]:
    def on(side: frozenset[RoleName], items: Sequence[Held]) -> list[Held]:
        return [item for item in items if item.role in side and covers(rule.areas, item.area)]

    new_left, new_right = on(rule.left, gained), on(rule.right, gained)
    if not new_left and not new_right:
        return
    old_left, old_right = on(rule.left, held), on(rule.right, held)
    for new, other in (
        *product(new_left, old_right),
        *product(new_right, old_left),
        *product(new_left, new_right),
    ):
        if rule.scope == "county" and not _one_county(new, other):
            continue
        yield Conflict(
            rule=rule.id,
            label=rule.label,
            article=rule.article,
            held=(new, other),
            reason=f"{_cited(rule.label, rule.article)}：{_told(rules, new)}与{_told(rules, other)}不相容",
        )
        return


def _one_county(one: Held, other: Held) -> bool:
    return one.area is None or other.area is None or one.area == other.area


def _too_many(
    rules: CompiledRules, rule: MaximumRule, held: Sequence[Held], gained: Sequence[Held]
) -> Iterator[Conflict]:
    """More different roles than one person may have."""
    counted: dict[RoleName, Held] = {}
    for item in (*gained, *held):
        if item.role in rule.roles and covers(rule.areas, item.area):
            counted.setdefault(item.role, item)
    concerned = any(item.role in rule.roles and covers(rule.areas, item.area) for item in gained)
    if concerned and len(counted) > rule.most:
        things = tuple(counted.values())
        told = "、".join(_told(rules, item) for item in things)
        yield Conflict(
            rule=rule.id,
            label=rule.label,
            article=rule.article,
            held=things,
            reason=f"{_cited(rule.label, rule.article)}：一人至多 {rule.most} 项，此处有{told}",
        )


def _too_many_people(
    rules: CompiledRules, rule: MaximumRule, gained: Sequence[Held], others: Others
) -> Iterator[Conflict]:
    """One person too many in a county."""
    judged: set[OrgCode] = set()
    for item in gained:
        if item.area is None or item.area in judged or not rule.limits(item.role, item.area):
            continue
        judged.add(item.area)
        count = others(rule, item.area)
        if count + 1 > rule.most:
            yield Conflict(
                rule=rule.id,
                label=rule.label,
                article=rule.article,
                held=(item,),
                reason=f"{_cited(rule.label, rule.article)}：{item.area} 至多 {rule.most} 人，"
                f"另有 {count} 人在任，不能再有{_told(rules, item)}",
            )


def _unqualified(
    rules: CompiledRules, gained: Sequence[Held], qualifications: Collection[QualificationId]
) -> Iterator[Conflict]:
    """Duties without a qualification that they need; a permission only when no duty on its way says so."""
    told: set[tuple[RoleName, QualificationId]] = set()
    for item in gained:
        duty = rules.duties.get(item.role)
        missing = [] if duty is None else sorted(duty.requires_at(item.area).difference(qualifications))
        for name in missing:
            if duty is None or any((RoleName(step), name) in told for step in item.path):
                continue
            told.add((item.role, name))
            wanted = rules.qualifications.get(name, str(name))
            label = f"{duty.label}须由{wanted}人员担任"
            yield Conflict(
                rule=f"requires-{name}",
                label=label,
                article=duty.article,
                held=(item,),
                reason=f"{_cited(label, duty.article)}：{_told(rules, item)}所需的资格“{wanted}”未具备",
            )


def _cited(label: str, article: str) -> str:
    return f"“{label}”（{article}）"


def _told(rules: CompiledRules, held: Held) -> str:
    duty = rules.duties.get(held.role)
    return f"“{duty.label if duty else held.role}”（{describe_path(rules, held)}）"
