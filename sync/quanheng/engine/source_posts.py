"""Posts that the sources give: agreed on, in one area, qualified for, approved where needed. Pure.

Decisions 2, 5 and 11: whatever is in doubt grants nothing and is reported.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from quanheng.engine.deciding import Deciding, Granted, Placed, employments_of
from quanheng.engine.merge import proposal_key
from quanheng.model.finding import FindingKind
from quanheng.model.ids import OrgCode, PersonId, PostId, SourceId
from quanheng.model.person import Basis, BasisKind, Claim, PersonRecord, Proposal, ProposalKind, ProposalState
from quanheng.model.staff import OrgUnit
from quanheng.policy.schema import Post

BOOTSTRAP: Final = "bootstrap"
"""Who proposes, and approves, the administrators that the two-person bootstrap named."""


def source_posts(work: Deciding, person: PersonRecord, placed: list[Placed]) -> list[Granted]:
    """Every post that the sources give a person."""
    posted = [(claim, unit) for claim, unit in placed if claim.post is not None]
    by_source: dict[SourceId, set[tuple[OrgCode, PostId | None]]] = defaultdict(set)
    for claim, unit in posted:
        by_source[claim.source].add((unit.code, claim.post))
    if len({frozenset(posts) for posts in by_source.values()}) > 1:
        work.find(
            FindingKind.SOURCES_DISAGREE, person, f"各来源报送的岗位不一致：{'、'.join(by_source)}；均不授予"
        )
        return []
    area = work.area_of(placed)
    if area is None:
        return []
    granted: dict[PostId, Granted] = {}
    for claim, unit in posted:
        post = work.pack.post_at(claim.post, area.code) if claim.post else None
        if post is None or claim.post in granted or work.units.tier(unit) not in post.tiers:
            continue
        if BasisKind.SOURCE not in post.bases or not is_qualified(work, person, [(claim, unit)], post):
            continue
        if post.approval == "second_person" and not _approved(work, person, claim, area, post):
            continue
        basis = Basis(
            person=person.id,
            post=PostId(post.id),
            area=area.code,
            kind=BasisKind.SOURCE,
            origin=str(claim.origin),
            article=post.article,
            since=claim.post_start,
        )
        granted[PostId(post.id)] = Granted(post=post, area=area, basis=basis)
    return list(granted.values())


def is_qualified(work: Deciding, person: PersonRecord, placed: list[Placed], post: Post) -> bool:
    """Whether a person has every qualification that a post requires; told when not."""
    employments = employments_of(placed)
    for item in work.pack.qualifications.qualifications:
        if item.id in post.requires and employments.isdisjoint(item.employments):
            work.find(
                FindingKind.NOT_QUALIFIED, person, f"{post.label} 须由{item.label}人员担任（{post.article}）"
            )
            return False
    return True


def _approved(work: Deciding, person: PersonRecord, claim: Claim, area: OrgUnit, post: Post) -> bool:
    key = guarded_post_key(person.id, PostId(post.id), area.code)
    known = work.registry.proposals.get(key)
    founded = known is None and _founded(work, person, area, post)
    if known is None or known.state is ProposalState.WITHDRAWN:
        known = Proposal(
            key=key,
            kind=ProposalKind.GUARDED_POST,
            subject=str(person.staff_no),
            summary=f"{area.name} {post.label}：{person.name}（人员编号 {person.staff_no}）",
            area=area.code,
            post=PostId(post.id),
            origin=str(claim.origin),
            proposer=BOOTSTRAP if founded else f"source:{claim.source}",
            state=ProposalState.APPROVED if founded else ProposalState.OPEN,
        )
    work.proposals[key] = known
    if known.state is ProposalState.APPROVED:
        return True
    work.find(FindingKind.AWAITS_APPROVAL, person, f"{area.name} {post.label} 待第二人批准")
    return False


def guarded_post_key(person: PersonId, post: PostId, area: OrgCode) -> str:
    """The key of the proposal that makes a person the holder of a guarded post."""
    return proposal_key(ProposalKind.GUARDED_POST, person, post, area)


def _founded(work: Deciding, person: PersonRecord, area: OrgUnit, post: Post) -> bool:
    """Whether the bootstrap names this person, and has not made anybody of it yet.

    It names a staff number, which may be issued again: it counts once, for the first who comes with it.
    """
    seat = (post.id, area.code)
    return any(
        item.staff_no == person.staff_no and (item.post, item.area) == seat for item in work.registry.founders
    ) and not any(
        item.proposer == BOOTSTRAP and (item.post, item.area) == seat
        for item in (*work.registry.proposals.values(), *work.proposals.values())
    )
