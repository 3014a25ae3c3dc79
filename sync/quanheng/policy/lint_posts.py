"""Proofs about posts and permissions: nobody waits for an approver who can never exist, no permission
crosses a category or a ceiling. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from quanheng.model.ids import PostId
from quanheng.model.person import BasisKind
from quanheng.policy.contents import Pack
from quanheng.policy.lint_words import outside, unknown
from quanheng.policy.schema import Permission, Post, Risk, Tier

_ROOT_TIERS: Final = {2: Tier.PROVINCE, 4: Tier.CITY, 6: Tier.COUNTY}
_RANK: Final[Mapping[Tier, int]] = {
    Tier.PROVINCE: 0,
    Tier.CITY: 1,
    Tier.COUNTY: 2,
    Tier.TOWNSHIP: 2,
    Tier.VILLAGE: 2,
    Tier.BANK_BRANCH: 2,
}
"""Which areas lie above which: towns, villages and branches are served by their county."""

Seats = set[tuple[str, Tier]]
"""Posts at tiers where somebody can come to hold them."""


def area_tiers(post: Post) -> frozenset[Tier]:
    """Tiers of the areas where the duties of a post hang."""
    return frozenset(tier if _RANK[tier] < 2 else Tier.COUNTY for tier in post.tiers)


def lint_posts(pack: Pack) -> list[str]:
    """Faults of posts, in general and inside the scope of each stacked pack."""
    faults: list[str] = []
    root = _ROOT_TIERS.get(len(pack.info.root[0]), Tier.PROVINCE)
    seats = _possible(pack, root)
    for post in pack.posts.posts:
        faults += _lint_post(pack, post)
        faults += _lint_reach(pack, post, seats, root, f"posts.yaml: {post.id}")
        faults += outside(f"posts.yaml: {post.id}", post.areas, pack)
    for layer in pack.stricter:
        for post in layer.posts.values():
            where = f"posts.yaml: {post.id}: in {'、'.join(layer.areas)}"
            faults += _lint_reach(pack, post, seats, root, where)
    return faults


def lint_permissions(pack: Pack) -> list[str]:
    """Faults of the table of posts and permissions."""
    faults: list[str] = []
    kinds = {item.kind for subsystem in pack.permissions.subsystems for item in subsystem.permissions}
    faults += unknown("permissions.yaml: crossing_kinds", pack.permissions.crossing_kinds, kinds)
    for subsystem in pack.permissions.subsystems:
        for permission in subsystem.permissions:
            where = f"permissions.yaml: {subsystem.id}/{permission.id}"
            for name in permission.posts:
                faults += _lint_carried(pack, permission, name, where)
    return faults


def _lint_post(pack: Pack, post: Post) -> Iterator[str]:
    where = f"posts.yaml: {post.id}"
    if post.approval == "second_person" and not post.approved_by:
        yield f"{where}: approval needs a second person, but approved_by names nobody; name administrators"
    if post.kind == "administrator" and post.approval != "second_person":
        yield f"{where}: an administrator's post always needs a second person; set approval: second_person"
    if post.risk is Risk.HIGH and post.approval != "second_person":
        yield f"{where}: a high-risk post always needs a second person; set approval: second_person"
    console = BasisKind.CONSOLE in post.bases
    if console and not post.granted_by:
        yield f"{where}: accepts console grants, but granted_by names nobody; name posts or drop the basis"
    if post.granted_by and not console:
        yield f"{where}: granted_by is never used, since bases have no console; add the basis or drop it"
    by_id = {item.id: item for item in pack.qualifications.qualifications}
    needed = [set(by_id[name].employments) for name in post.requires if name in by_id]
    if needed and not needed[0].intersection(*needed[1:]):
        yield f"{where}: requires: no employment gives all of these; nobody could hold it: drop one"
    for name in post.approved_by:
        approver = pack.post_by_id.get(PostId(name))
        if approver is not None and approver.kind != "administrator":
            yield f"{where}: approved_by '{name}' is no administrator's post; only administrators approve"


def _lint_reach(pack: Pack, post: Post, seats: Seats, root: Tier, where: str) -> Iterator[str]:
    """Tiers where nobody could ever hold the post, or nobody could ever grant it."""
    for tier in post.tiers:
        if _RANK[tier] < _RANK[root]:
            yield f"{where}: tiers: no {tier} lies in the pack, whose root is a {root}; drop the tier"
        elif post.approval == "second_person" and post.approved_by and not _approved(post, tier, seats, root):
            yield (
                f"{where}: at tier {tier} nobody can ever approve it, for its approvers cannot be there "
                "before it; name in approved_by a post of the level above"
            )
        elif post.granted_by and not any(
            name == granter and _RANK[at] <= _RANK[tier] for name in post.granted_by for granter, at in seats
        ):
            yield f"{where}: at tier {tier} nobody of granted_by can be in its area or above; name others"


def _possible(pack: Pack, root: Tier) -> Seats:
    """Posts at tiers that somebody can come to hold, beginning with the administrators of the bootstrap."""
    seats: Seats = set()
    grown = True
    while grown:
        found = {
            (post.id, tier)
            for post in pack.posts.posts
            for tier in post.tiers
            if post.approval == "none" or _approved(post, tier, seats, root)
        }
        grown = not found <= seats
        seats |= found
    return seats


def _approved(post: Post, tier: Tier, seats: Seats, root: Tier) -> bool:
    """Whether somebody can approve the post at a tier: for administrators, the level above (S4, E8)."""
    if post.kind == "administrator" and tier is root:
        return True
    limit = _RANK[tier] - 1 if post.kind == "administrator" else _RANK[tier]
    return any(name in post.approved_by and _RANK[at] <= limit for name, at in seats)


def _lint_carried(pack: Pack, permission: Permission, name: str, where: str) -> Iterator[str]:
    post = pack.post_by_id.get(PostId(name))
    if post is None:
        return
    table = pack.permissions
    crosses = permission.category != post.category and permission.kind not in table.crossing_kinds
    if table.one_category and crosses:
        yield (
            f"{where}: posts '{name}' is of category {post.category}, not {permission.category}; "
            "give it to a post of its own category"
        )
    for variant in (post, *(layer.posts[PostId(name)] for layer in pack.stricter if name in layer.posts)):
        ranks = tuple(Risk)
        if ranks.index(permission.risk) > ranks.index(variant.ceiling):
            yield (
                f"{where}: posts '{name}' has the ceiling {variant.ceiling}, below {permission.risk}; "
                "give it to another post"
            )
