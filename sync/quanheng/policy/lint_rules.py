"""Proofs about rules: each matches something, none contradicts another, no post breaks one by itself,
nobody is asked for the impossible. Linear in the number of rules. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from quanheng.model.ids import PostId, RoleName
from quanheng.policy.compiling import AREA_DIGITS, Catalogue, Roles, catalogue, expand
from quanheng.policy.contents import Pack
from quanheng.policy.lint_posts import area_tiers
from quanheng.policy.lint_words import doubled, outside, unknown
from quanheng.policy.rules import ExclusionRule
from quanheng.policy.schema import Exclusion, Maximum, Minimum, Selector, Stages, Tier
from quanheng.policy.units import in_scope

_NAMING: Final = ("posts", "categories", "kinds", "permissions", "businesses")
_PARTS: Final = (*_NAMING, "others")


def lint_rules(pack: Pack) -> list[str]:
    """Faults of ``rules.yaml``."""
    return list(_Rules(pack).faults())


class _Rules:
    """The rules of one pack beside everything that they can name."""

    def __init__(self, pack: Pack) -> None:
        self._pack = pack
        self._rules = pack.rules
        self._roles = catalogue(pack)
        self._known = _known(pack, self._roles)
        self._holders: dict[RoleName, set[str]] = defaultdict(set)
        for post, role in self._roles.posts.items():
            for held in {role, *self._roles.carried.get(post, ())}:
                self._holders[held].add(post)
        self._seen: dict[object, str] = {}
        self._limits = [
            (rule, self._roles.select(rule.of)) for rule in pack.rules.maxima if rule.per == "county"
        ]

    def faults(self) -> Iterator[str]:
        """One sentence each."""
        rules = self._rules
        every = (*rules.exclusions, *rules.maxima, *rules.minima, *rules.stages)
        yield from doubled("rules.yaml: rule id", [rule.id for rule in every])
        letters = {item.letter for item in self._pack.info.regulations}
        for rule in every:
            where = f"rules.yaml: {rule.id}"
            yield from unknown(f"{where}: article", rule.article[:1], letters)
            yield from outside(where, rule.areas, self._pack)
        for exclusion in rules.exclusions:
            yield from self._exclusion(exclusion, f"rules.yaml: {exclusion.id}")
        for maximum in rules.maxima:
            yield from self._maximum(maximum, f"rules.yaml: {maximum.id}")
        for minimum in rules.minima:
            yield from self._minimum(minimum, f"rules.yaml: {minimum.id}")
        for stages in rules.stages:
            yield from self._stages(stages, f"rules.yaml: {stages.id}")

    def _exclusion(self, rule: Exclusion, where: str) -> Iterator[str]:
        pair = [side for side in (rule.left, rule.right) if side is not None]
        if not (len(pair) == 2 and not rule.among) and not (not pair and len(rule.among) >= 2):
            yield f"{where}: write either left and right, or among with two selectors or more"
            return
        sides = (*pair, *rule.among)
        faults = [
            fault for side in sides for fault in self._selector(side, where, after_left=side is rule.right)
        ]
        if rule.scope in ("business", "subsystem") and any(side.posts for side in sides):
            faults.append(f"{where}: scope {rule.scope} is about permissions; name kinds, not posts")
        if faults:
            yield from faults
            return
        parts = list(expand(rule, self._roles))
        if not parts:
            yield f"{where}: matches nothing: no {rule.scope} has something on both sides; correct or drop it"
        for part in parts:
            yield from self._part(part, where)
        repeats = {self._repeated(part, rule.id) for part in parts}
        if parts and None not in repeats:
            yield f"{where}: says nothing that '{'、'.join(sorted(filter(None, repeats)))}' does not; drop it"

    def _part(self, part: ExclusionRule, where: str) -> Iterator[str]:
        both = sorted(part.left & part.right)
        if both:
            yield f"{where}: '{'、'.join(both)}' is on both sides, so nobody may hold it; take it out of one"
            return
        for post in sorted(self._having(part.left) & self._having(part.right)):
            own = {self._roles.posts[post], *self._roles.carried.get(post, ())}
            yield (
                f"{where}: post '{post}' breaks it by itself, with '{min(own & part.left)}' and "
                f"'{min(own & part.right)}'; move one of them to another post"
            )

    def _having(self, roles: Roles) -> set[str]:
        return {post for role in roles for post in self._holders.get(role, ())}

    def _repeated(self, part: ExclusionRule, rule: str) -> str | None:
        """The earlier rule that matches exactly the same."""
        sides = frozenset((part.left, part.right))
        for scope in {"person", part.scope}:
            earlier = self._seen.get((scope, part.areas, sides))
            if earlier not in (None, rule):
                return earlier
        self._seen[part.scope, part.areas, sides] = rule
        return None

    def _selector(self, side: Selector, where: str, *, after_left: bool = False) -> Iterator[str]:
        filled = [name for name in _PARTS if getattr(side, name)]
        if len(filled) != 1:
            yield f"{where}: each side names exactly one of {', '.join(_PARTS)}"
            return
        if side.others:
            if not after_left:
                yield f"{where}: others goes into the right of an exclusion alone; name things here"
            if side.except_kinds:
                yield f"{where}: except_kinds goes with categories, businesses or permissions; drop it"
            return
        faults = [
            fault
            for name in (*filled, "except_kinds")
            for fault in unknown(f"{where}: {name}", getattr(side, name), self._known[name])
        ]
        if side.except_kinds and (side.posts or side.kinds):
            faults.append(f"{where}: except_kinds goes with categories, businesses or permissions; drop it")
        if not faults and not self._roles.select(side):
            faults.append(
                f"{where}: {filled[0]} {list(getattr(side, filled[0]))} matches nothing; correct it"
            )
        yield from faults

    def _maximum(self, rule: Maximum, where: str) -> Iterator[str]:
        yield from _areas_of(rule.tiers, where)
        faults = list(self._selector(rule.of, where))
        if faults:
            yield from faults
            return
        roles = self._roles.select(rule.of)
        if rule.per == "person":
            if rule.tiers:
                yield f"{where}: tiers go with per: county; drop them"
            if rule.most >= len(roles):
                yield f"{where}: nobody can have more than {len(roles)} of these; lower most or drop the rule"
            for post in sorted(self._having(roles)):
                own = {self._roles.posts[post], *self._roles.carried.get(post, ())} & roles
                if len(own) > rule.most:
                    yield f"{where}: post '{post}' breaks it by itself with {len(own)} of them; move some"
        elif rule.tiers and not any(self._served(post) & set(rule.tiers) for post in self._having(roles)):
            yield f"{where}: matches nothing: none of these exists at {_list(rule.tiers)}; correct them"

    def _minimum(self, rule: Minimum, where: str) -> Iterator[str]:
        faults = [*_areas_of(rule.tiers, where)]
        faults += unknown(f"{where}: posts", rule.posts, self._roles.posts)
        if faults:
            yield from faults
            return
        for tier in rule.tiers:
            able = [post for post in rule.posts if tier in self._served(post)]
            if not able:
                yield f"{where}: nobody can satisfy it: none of these posts exists at {tier}; drop the tier"
                continue
            most = self._most(able, tier, rule.areas)
            if most is not None and most[0] < rule.least:
                yield (
                    f"{where}: contradicts '{most[1]}': at least {rule.least}, but at most {most[0]} "
                    f"at tier {tier}; change one of them"
                )

    def _most(self, posts: Sequence[str], tier: Tier, areas: Sequence[str]) -> tuple[int, str] | None:
        """How many people the maxima let hold these posts in one area, and the rules that say so."""
        roles = {self._roles.posts[post] for post in posts}
        bounds: list[tuple[int, str]] = []
        single: dict[RoleName, tuple[int, str]] = {}
        for rule, limited in self._limits:
            if (rule.tiers and tier not in rule.tiers) or not _meet(rule.areas, areas):
                continue
            if roles <= limited:
                bounds.append((rule.most, rule.id))
            for role in roles & limited:
                single[role] = min(single.get(role, (rule.most, rule.id)), (rule.most, rule.id))
        if len(single) == len(roles):
            rules = "、".join(sorted({rule for _, rule in single.values()}))
            bounds.append((sum(most for most, _ in single.values()), rules))
        return min(bounds, default=None)

    def _stages(self, rule: Stages, where: str) -> Iterator[str]:
        faults = [*_areas_of(rule.tiers, where)]
        faults += unknown(f"{where}: kinds", rule.kinds, self._known["kinds"])
        faults += doubled(f"{where}: kind", rule.kinds)
        if faults:
            yield from faults
            return
        concerned = [item.id for item in self._pack.permissions.businesses if item.risk is rule.risk]
        if not concerned:
            yield f"{where}: matches nothing: no business is of risk {rule.risk}; correct it or drop the rule"
        for business in concerned:
            carriers = {kind: self._carriers(business, kind) for kind in rule.kinds}
            for tier in rule.tiers:
                yield from self._stages_at(rule, business, carriers, tier, where)

    def _stages_at(
        self, rule: Stages, business: str, carriers: Mapping[str, set[str]], tier: Tier, where: str
    ) -> Iterator[str]:
        able = {
            kind: {post for post in posts if tier in self._served(post)} for kind, posts in carriers.items()
        }
        for kind, posts in able.items():
            if not posts:
                yield (
                    f"{where}: nobody can satisfy it: at tier {tier} no post carries a permission of kind "
                    f"{kind} for business '{business}'; add one to permissions.yaml"
                )
        for limit, limited in self._limits:
            if (limit.tiers and tier not in limit.tiers) or not _meet(limit.areas, rule.areas):
                continue
            bound = [
                kind
                for kind, posts in able.items()
                if posts and all(self._roles.posts[post] in limited for post in posts)
            ]
            if len(bound) > limit.most:
                yield (
                    f"{where}: contradicts '{limit.id}': business '{business}' needs {len(bound)} people, "
                    f"but at most {limit.most} at tier {tier}; change one of them"
                )

    def _carriers(self, business: str, kind: str) -> set[str]:
        steps = self._roles.by_business.get(business, frozenset())
        return {
            post
            for role in steps & self._roles.by_kind.get(kind, frozenset())
            for post in self._roles.permissions[role].posts
            if post in self._roles.posts
        }

    def _served(self, post: str) -> frozenset[Tier]:
        return area_tiers(self._pack.post_by_id[PostId(post)])


def _known(pack: Pack, roles: Catalogue) -> Mapping[str, Iterable[str]]:
    kinds = set(roles.by_kind)
    return {
        "posts": set(roles.posts),
        "categories": {*roles.by_category, *roles.by_post_category},
        "kinds": kinds,
        "except_kinds": kinds,
        "permissions": {str(role) for role in roles.permissions},
        "businesses": {item.id for item in pack.permissions.businesses},
    }


def _areas_of(tiers: Iterable[Tier], where: str) -> Iterator[str]:
    for tier in tiers:
        if tier not in AREA_DIGITS:
            yield f"{where}: tiers: {tier} is served by its county; write county"


def _meet(some: Sequence[str], others: Sequence[str]) -> bool:
    """Whether two sets of areas share anything; an empty one is everywhere."""
    if not some or not others:
        return True
    return any(in_scope(code, others) for code in some) or any(in_scope(code, some) for code in others)


def _list(tiers: Iterable[Tier]) -> str:
    return ", ".join(tiers)
