"""Which posts of one person break a rule together, judged on all that the posts contain. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quanheng.engine.deciding import Deciding, Granted
from quanheng.model.ids import PostId, RoleName, join
from quanheng.model.person import PersonRecord
from quanheng.policy.effective import held_through_post
from quanheng.policy.judge import judge
from quanheng.policy.rules import Held


@dataclass(frozen=True, slots=True, kw_only=True)
class PostConflict:
    """One rule that posts of one person break together."""

    label: str
    article: str
    reason: str
    posts: frozenset[PostId]


def conflicts_among(
    work: Deciding, person: PersonRecord, granted: Sequence[Granted]
) -> tuple[PostConflict, ...]:
    """Every rule that these posts break in one hand, waivers considered; qualifications are not judged."""
    giver: dict[Held, PostId] = {}
    for item in granted:
        place = join(work.trees.post_path(item.area, item.post))
        for held in held_through_post(work.rules, RoleName(item.post.role), item.area.code, place):
            giver[held] = PostId(item.post.id)
    account = work.registry.accounts.get(person.id)
    found = judge(
        work.rules,
        list(giver),
        qualifications=work.rules.qualifications.keys(),
        waivers=work.waivers,
        day=work.today,
        user=account.keycloak_id if account is not None else None,
    )
    return tuple(
        PostConflict(
            label=conflict.label,
            article=conflict.article,
            reason=conflict.reason,
            posts=frozenset(giver[held] for held in conflict.held),
        )
        for conflict in found
    )
