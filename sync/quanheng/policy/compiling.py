"""From what a pack says to sets of roles that only have to be matched. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from quanheng.model.ids import OrgCode, PostId, QualificationId, RoleName
from quanheng.model.person import BasisKind
from quanheng.policy.console_roles import console_roles
from quanheng.policy.contents import Pack
from quanheng.policy.rules import CompiledRules, Duty, ExclusionRule, MaximumRule, Within
from quanheng.policy.schema import Exclusion, Maximum, Permission, Post, Selector, Tier

Roles = frozenset[RoleName]

AREA_DIGITS: Final[Mapping[Tier, int]] = {Tier.PROVINCE: 2, Tier.CITY: 4, Tier.COUNTY: 6}
"""Length of the codes of areas (GB/T 2260); lower tiers are served by their county."""


def role_of_permission(subsystem: str, permission: str) -> RoleName:
    """The client role of a permission of a subsystem."""
    return RoleName(f"{subsystem}/{permission}")


@dataclass(frozen=True)
class Catalogue:
    """The roles of a pack by everything that a selector can name."""

    posts: Mapping[str, RoleName]
    """Roles of posts by id."""
    permissions: Mapping[RoleName, Permission]
    carried: Mapping[str, Roles]
    """Permission roles by the id of the post that carries them."""
    by_post_category: Mapping[str, Roles]
    by_category: Mapping[str, Roles]
    """Permission roles."""
    by_kind: Mapping[str, Roles]
    by_business: Mapping[str, Roles]
    by_subsystem: Mapping[str, Roles]

    @property
    def every(self) -> Roles:
        """Every role of a post and of a permission."""
        return frozenset((*self.posts.values(), *self.permissions))

    def select(self, selector: Selector) -> Roles:
        """Every role that a selector means by itself; unknown names mean nothing."""
        roles = {self.posts[post] for post in selector.posts if post in self.posts}
        roles |= {
            RoleName(name) for name in selector.permissions if RoleName(name) in self.permissions
        } - self._of(self.by_kind, selector.except_kinds)
        found = (
            self._of(self.by_category, selector.categories)
            | self._of(self.by_kind, selector.kinds)
            | self._of(self.by_business, selector.businesses)
        ) - self._of(self.by_kind, selector.except_kinds)
        return frozenset(roles | found | self._of(self.by_post_category, selector.categories))

    @staticmethod
    def _of(index: Mapping[str, Roles], names: Iterable[str]) -> Roles:
        return frozenset[RoleName]().union(*(index.get(name, frozenset()) for name in names))


def catalogue(pack: Pack) -> Catalogue:
    """The roles of a pack."""
    carried: dict[str, set[RoleName]] = defaultdict(set)
    by: dict[str, dict[str, set[RoleName]]] = {
        name: defaultdict(set) for name in ("post", "category", "kind", "business", "subsystem")
    }
    permissions: dict[RoleName, Permission] = {}
    for post in pack.posts.posts:
        by["post"][post.category].add(RoleName(post.role))
    for subsystem in pack.permissions.subsystems:
        for item in subsystem.permissions:
            role = role_of_permission(subsystem.id, item.id)
            permissions[role] = item
            by["category"][item.category].add(role)
            by["kind"][item.kind].add(role)
            by["subsystem"][subsystem.id].add(role)
            if item.business is not None:
                by["business"][item.business].add(role)
            for carrier in item.posts:
                carried[carrier].add(role)
    return Catalogue(
        posts={post.id: RoleName(post.role) for post in pack.posts.posts},
        permissions=permissions,
        carried=_freeze(carried),
        by_post_category=_freeze(by["post"]),
        by_category=_freeze(by["category"]),
        by_kind=_freeze(by["kind"]),
        by_business=_freeze(by["business"]),
        by_subsystem=_freeze(by["subsystem"]),
    )


def compile_rules(pack: Pack) -> CompiledRules:
    """Every rule of a pack or stack, expanded.

    ``among`` becomes its pairs; the scopes ``subsystem`` and ``business`` become one pair for each
    subsystem or business that has something on both sides. A selector of posts means the posts' roles; one
    of categories means posts and permissions; ``others`` everything but the left side; the rest permissions.
    """
    roles = catalogue(pack)
    return CompiledRules(
        duties={duty.role: duty for duty in (*_post_duties(pack), *_permission_duties(pack, roles))},
        exclusions=tuple(part for rule in pack.rules.exclusions for part in expand(rule, roles)),
        maxima=tuple(_maximum(rule, roles) for rule in pack.rules.maxima),
        composites={
            RoleName(post.role): roles.carried.get(post.id, frozenset())
            | console_roles(pack, PostId(post.id))
            for post in pack.posts.posts
        },
        qualifications={QualificationId(item.id): item.label for item in pack.qualifications.qualifications},
    )


def expand(rule: Exclusion, roles: Catalogue) -> Iterator[ExclusionRule]:
    """The pairs of role sets that one exclusion means; none when one side of each is empty."""
    sides = [roles.select(item) for item in rule.among]
    pairs: Iterable[tuple[Roles, Roles]] = combinations(sides, 2)
    if rule.left is not None and rule.right is not None:
        left = roles.select(rule.left)
        pairs = ((left, roles.every - left if rule.right.others else roles.select(rule.right)), *pairs)
    numbered = bool(rule.among)
    if rule.scope in ("business", "subsystem"):
        parts = roles.by_business if rule.scope == "business" else roles.by_subsystem
        pairs = [(left & part, right & part) for left, right in pairs for part in parts.values()]
        numbered = True
    filled = ((left, right) for left, right in pairs if left and right)
    for number, (left, right) in enumerate(filled, start=1):
        yield ExclusionRule(
            id=f"{rule.id}#{number}" if numbered else rule.id,
            label=rule.label,
            article=rule.article,
            scope="county" if rule.scope == "county" else "person",
            left=left,
            right=right,
            areas=tuple(OrgCode(code) for code in rule.areas),
            waivable=rule.waivable,
        )


def _maximum(rule: Maximum, roles: Catalogue) -> MaximumRule:
    return MaximumRule(
        id=rule.id,
        label=rule.label,
        article=rule.article,
        per=rule.per,
        roles=roles.select(rule.of),
        most=rule.most,
        areas=tuple(OrgCode(code) for code in rule.areas),
        digits=frozenset(AREA_DIGITS[tier] for tier in rule.tiers if tier in AREA_DIGITS),
        waivable=rule.waivable,
    )


def _post_duties(pack: Pack) -> Iterator[Duty]:
    for post in pack.posts.posts:
        yield Duty(
            role=RoleName(post.role),
            label=post.label,
            article=post.article,
            post=PostId(post.id),
            requires=frozenset(QualificationId(name) for name in post.requires),
            granters=_granters(pack, post),
            within=tuple(_within(pack, post)),
        )


def _within(pack: Pack, post: Post) -> Iterator[Within]:
    for layer in pack.stricter:
        there = layer.posts.get(PostId(post.id))
        if there is not None:
            yield Within(
                areas=tuple(OrgCode(code) for code in layer.areas),
                requires=frozenset(QualificationId(name) for name in there.requires),
                granters=_granters(pack, there),
            )


def _granters(pack: Pack, post: Post) -> Roles:
    """Roles of those who may grant it in the console; nobody's, when the post accepts no such basis."""
    if BasisKind.CONSOLE not in post.bases:
        return frozenset()
    known = pack.post_by_id
    return frozenset(RoleName(known[PostId(name)].role) for name in post.granted_by if name in known)


def _permission_duties(pack: Pack, roles: Catalogue) -> Iterator[Duty]:
    """Permissions are held through posts and granted by nobody. What every post that carries one requires
    is required for it however it is held."""
    known = pack.post_by_id
    for role, item in roles.permissions.items():
        carriers = [known[PostId(name)] for name in item.posts if name in known]
        needs = [frozenset(QualificationId(name) for name in post.requires) for post in carriers]
        yield Duty(
            role=role,
            label=item.label,
            article=carriers[0].article if carriers else "",
            requires=needs[0].intersection(*needs[1:]) if needs else frozenset(),
        )


def _freeze(index: Mapping[str, set[RoleName]]) -> Mapping[str, Roles]:
    return {name: frozenset(found) for name, found in index.items()}
