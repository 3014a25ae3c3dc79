"""Proofs about who administers whom: no charge is empty or over oneself, and the three officers (三员) are
three. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations, product
from typing import Final

from quanheng.model.ids import PostId
from quanheng.policy.compiling import catalogue, expand
from quanheng.policy.contents import Pack
from quanheng.policy.lint_words import doubled, outside, unknown
from quanheng.policy.schema import Charge, Officers, Over, Post, Power, Reach, Tier

_BELOW: Final[Mapping[Tier, frozenset[Tier]]] = {
    Tier.PROVINCE: frozenset({Tier.CITY, Tier.COUNTY}),
    Tier.CITY: frozenset({Tier.COUNTY}),
    Tier.COUNTY: frozenset(),
}
"""Tiers of the areas below one of a tier; towns, villages and branches are no areas."""
_TOWNS: Final = frozenset({Tier.TOWNSHIP, Tier.VILLAGE, Tier.BANK_BRANCH})


def lint_administration(pack: Pack) -> list[str]:
    """Faults of ``administration.yaml``."""
    faults: list[str] = []
    for number, charge in enumerate(pack.administration.charges):
        faults += _charge(pack, charge, f"administration.yaml: charges.{number} ({charge.post})")
    if pack.administration.officers is not None:
        faults += _officers(pack, pack.administration.officers)
    return faults


def _charge(pack: Pack, charge: Charge, where: str) -> Iterator[str]:
    letters = {item.letter for item in pack.info.regulations}
    yield from unknown(f"{where}: article", charge.article[:1], letters)
    yield from outside(where, charge.areas, pack)
    post = pack.post_by_id.get(PostId(charge.post))
    if post is None or post.kind != "administrator":
        yield f"{where}: post is no administrator's; only administrators have charge of anybody"
        return
    if Over.ADMINISTRATORS in charge.over and charge.reach is not Reach.BELOW:
        yield (
            f"{where}: over administrators of the own area: nobody administers oneself or a counterpart; "
            "write reach: below in a charge of its own"
        )
    for tier in charge.tiers:
        if tier not in post.tiers:
            yield f"{where}: tiers: the post does not exist at {tier}; drop the tier"
        elif tier not in _BELOW:
            yield f"{where}: tiers: {tier} is no area of administrators; write province, city or county"
        else:
            yield from _at(pack, charge, tier, f"{where}: at tier {tier}")


def _at(pack: Pack, charge: Charge, tier: Tier, where: str) -> Iterator[str]:
    """What is wrong with a charge of the administrators of one tier."""
    areas = _reached(charge.reach, tier)
    if not areas:
        yield f"{where}: nothing lies below a {tier}; write another reach"
        return
    if Over.TOWNS in charge.over and Tier.COUNTY not in areas:
        yield f"{where}: only counties have towns; drop towns, or reach below"
        return
    if Power.DUTIES in charge.powers:
        for over in charge.over:
            if not any(_grants(charge, post, over, areas) for post in pack.posts.posts):
                yield (
                    f"{where}: there is nothing to grant to {over}: no post of theirs names "
                    f"'{charge.post}' in granted_by; name it there, or drop it here"
                )


def _reached(reach: Reach, tier: Tier) -> frozenset[Tier]:
    below = _BELOW[tier]
    return {Reach.OWN: frozenset({tier}), Reach.BELOW: below, Reach.OWN_AND_BELOW: below | {tier}}[reach]


def _grants(charge: Charge, post: Post, over: Over, areas: frozenset[Tier]) -> bool:
    """Whether the holders of the charge may grant a post to such people of such areas."""
    kind = "administrator" if over is Over.ADMINISTRATORS else "duty"
    tiers = _TOWNS if over is Over.TOWNS else areas
    return charge.post in post.granted_by and post.kind == kind and not tiers.isdisjoint(post.tiers)


def _officers(pack: Pack, officers: Officers) -> Iterator[str]:
    where = "administration.yaml: officers"
    parts = {"system": officers.system, "security": officers.security, "audit": officers.audit}
    named = [post for posts in parts.values() for post in posts]
    administrators = {post.id for post in pack.posts.posts if post.kind == "administrator"}
    faults = [*unknown(f"{where}: administrator's post", named, administrators), *doubled(f"{where}:", named)]
    if faults:
        yield from faults
        return
    yield from _apart(pack, parts.values())
    for post in officers.audit:
        yield from _auditing(pack, post, f"{where}: audit: '{post}'")


def _apart(pack: Pack, parts: Iterable[Iterable[str]]) -> Iterator[str]:
    """Officers of two kinds whom one person could be."""
    roles = catalogue(pack)
    apart = [
        part
        for rule in pack.rules.exclusions
        if rule.scope == "person" and not rule.waivable and not rule.areas
        for part in expand(rule, roles)
    ]
    for some, others in combinations(parts, 2):
        for one, other in product(some, others):
            left, right = roles.posts[one], roles.posts[other]
            if not any(
                (left in part.left and right in part.right) or (right in part.left and left in part.right)
                for part in apart
            ):
                yield (
                    f"administration.yaml: officers: '{one}' and '{other}' may be one person; exclude them "
                    "in rules.yaml: scope person, everywhere, not waivable"
                )


def _auditing(pack: Pack, name: str, where: str) -> Iterator[str]:
    """What an audit administrator does beyond reading."""
    if any(charge.post == name for charge in pack.administration.charges):
        yield f"{where} has charge of somebody; take it out of charges"
    for post in pack.posts.posts:
        for key in ("approved_by", "granted_by"):
            if name in getattr(post, key):
                yield f"{where} decides on '{post.id}'; take it out of {key} in posts.yaml"
    for subsystem in pack.permissions.subsystems:
        for item in subsystem.permissions:
            if name in item.posts:
                yield f"{where} carries '{subsystem.id}/{item.id}'; take it out of permissions.yaml"
