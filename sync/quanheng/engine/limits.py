"""No more people of a post in a county than a rule allows: who was decided on first, stays. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime

from quanheng.engine.deciding import Deciding, Granted
from quanheng.engine.source_posts import guarded_post_key
from quanheng.model.finding import FindingKind
from quanheng.model.ids import OrgCode, PersonId, RoleName
from quanheng.model.person import PersonRecord
from quanheng.policy.rules import CompiledRules, MaximumRule

_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


def is_limited(rules: CompiledRules, granted: Granted) -> bool:
    """Whether who else holds the post in the county matters."""
    return any(_concerns(rule, granted) for rule in rules.maxima)


def keep_to_maxima(work: Deciding, grants: dict[PersonId, list[Granted]]) -> None:
    """Take out of ``grants`` whoever is one too many."""
    seats: dict[tuple[str, OrgCode], list[tuple[PersonId, Granted]]] = defaultdict(list)
    limits: Mapping[str, MaximumRule] = {rule.id: rule for rule in work.rules.maxima}
    for person, granted in grants.items():
        for item in granted:
            for rule in work.rules.maxima:
                if _concerns(rule, item) and not _waived(work, rule, person):
                    seats[rule.id, item.area.code].append((person, item))
    for (name, area), holders in seats.items():
        rule = limits[name]
        people = sorted({person for person, _ in holders}, key=lambda person: _rank(work, person, holders))
        for person in people[rule.most :]:
            out = [item for who, item in holders if who == person]
            grants[person] = [item for item in grants[person] if item not in out]
            labels = "、".join(item.post.label for item in out)
            work.find(
                FindingKind.EXCLUDED_POSTS,
                work.registry.persons[person],
                f"{rule.label}（{rule.article}）：{area} 已有 {rule.most} 人，{labels} 不授予",
                violation=True,
            )


def _concerns(rule: MaximumRule, granted: Granted) -> bool:
    return rule.limits(RoleName(granted.post.role), granted.area.code)


def _waived(work: Deciding, rule: MaximumRule, person: PersonId) -> bool:
    account = work.registry.accounts.get(person)
    return (
        rule.waivable
        and account is not None
        and any(item.user == account.keycloak_id and item.rule == rule.source for item in work.waivers)
    )


def _rank(
    work: Deciding, person: PersonId, holders: list[tuple[PersonId, Granted]]
) -> tuple[datetime, date, str]:
    """Who was decided on first: by a second person, then by the day of the basis, then by user name."""
    known: PersonRecord = work.registry.persons[person]
    mine = [item for who, item in holders if who == person]
    decided = []
    for item in mine:
        key = guarded_post_key(person, item.basis.post, item.basis.area)
        proposal = work.proposals.get(key) or work.registry.proposals.get(key)
        decided.append((proposal and proposal.decided_at) or _LONG_AGO)
    return min(decided), min(item.basis.since or date.min for item in mine), str(known.username)
