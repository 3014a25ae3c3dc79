"""Whether somebody could be given a post, and if not, why. Judges and writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from quanheng.model.ids import PostId, RoleName, join
from quanheng.model.person import BasisKind, HoldKind
from quanheng.model.staff import OrgUnit
from quanheng.operations.answering.looking import Subject
from quanheng.operations.context import Context
from quanheng.operations.judging import Counts, holders_of
from quanheng.policy.effective import held_through_post
from quanheng.policy.judge import Others, judge_gain
from quanheng.policy.rules import Held
from quanheng.policy.schema import Post


class ObstacleKind(StrEnum):
    """What may be in the way."""

    RULE = "rule"
    QUALIFICATION = "qualification"
    TIER = "tier"
    OTHER_COUNTY = "other_county"
    NOT_HERE = "not_here"
    NOT_OURS = "not_ours"
    NOT_PLACED = "not_placed"
    LEFT = "left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """One reason why somebody cannot be given a post."""

    kind: ObstacleKind
    reason: str
    """A Chinese sentence; names nobody."""
    rule: str = ""
    article: str = ""
    waivable: bool = False
    """Whether a second person may let it through (``quanheng waive``)."""
    held: tuple[Held, ...] = ()
    """What meets, with paths; of a rule, or of a qualification."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A basis on which a post may be given."""

    basis: BasisKind
    by: tuple[PostId, ...] = ()
    """Posts whose holders give it in the console, or approve it as a second person."""
    second_person: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What stands between a person and a post in an area."""

    post: Post
    area: OrgUnit | None
    already: bool
    """Whether the person holds it there now."""
    obstacles: tuple[Obstacle, ...]
    ways: tuple[Way, ...]

    @property
    def possible(self) -> bool:
        """Whether nothing is in the way."""
        return not self.obstacles


@dataclass
class Assessor:
    """Assesses one person for any number of posts."""

    context: Context
    subject: Subject

    @cached_property
    def _others(self) -> Others:
        user = self.subject.user
        counts = Counts(holders_of(self.context, self.subject.observed))
        return counts.others(user.id if user is not None else None)

    def assess(self, post_id: PostId, area: OrgUnit | None) -> Assessment:
        """What stands in the way of a post of the pack in an area (None: the person has none)."""
        general = self.context.pack.post_by_id[post_id]
        there = self.context.pack.post_at(post_id, area.code) if area is not None else general
        post = there or general
        here = area.code if area is not None else None
        already = any(item.role == post.role and item.area == here for item in self.subject.held)
        obstacles = [*self._about_person(area)]
        if there is None and area is not None:
            obstacles.append(
                Obstacle(
                    kind=ObstacleKind.NOT_HERE,
                    article=post.article,
                    reason=f"{area.name} 不设“{post.label}”（{post.article}）",
                )
            )
        obstacles += self._about_tier(post)
        if area is not None and there is not None:
            obstacles += self._judged(post, area)
        return Assessment(
            post=post, area=area, already=already, obstacles=tuple(obstacles), ways=ways_of(post)
        )

    def _about_person(self, area: OrgUnit | None) -> list[Obstacle]:
        subject = self.subject
        if subject.person is None:
            return [Obstacle(kind=ObstacleKind.NOT_OURS, reason="不是由来源建立的实名账号，不得承担岗位")]
        holds = subject.desired.holds if subject.desired is not None else ()
        if any(hold.kind is HoldKind.LEFT for hold in holds):
            return [Obstacle(kind=ObstacleKind.LEFT, reason="已离岗，来源中没有有效的任职")]
        if len(subject.areas) > 1:
            names = "、".join(f"{item.code} {item.name}" for item in subject.areas)
            return [Obstacle(kind=ObstacleKind.OTHER_COUNTY, reason=f"同时在 {names} 任职，须先核实")]
        own = subject.area
        if own is None or area is None:
            return [Obstacle(kind=ObstacleKind.NOT_PLACED, reason="来源中没有本人所在的机构")]
        if own.code != area.code:
            return [
                Obstacle(
                    kind=ObstacleKind.OTHER_COUNTY,
                    reason=f"本人任职于 {own.code} {own.name}，不在 {area.code} {area.name}",
                )
            ]
        return []

    def _about_tier(self, post: Post) -> list[Obstacle]:
        found = (self.subject.units.tier(unit) for _, unit in self.subject.placed)
        tiers = dict.fromkeys(tier for tier in found if tier is not None)
        if not tiers or any(tier in post.tiers for tier in tiers):
            return []
        labels = self.context.pack.organisations.kinds
        words = {str(kind): label for kind, label in labels.items()}
        wanted = "、".join(words.get(str(tier), str(tier)) for tier in post.tiers)
        mine = "、".join(words.get(str(tier), str(tier)) for tier in tiers)
        return [
            Obstacle(
                kind=ObstacleKind.TIER,
                article=post.article,
                reason=f"“{post.label}”设在{wanted}（{post.article}），本人任职于{mine}",
            )
        ]

    def _judged(self, post: Post, area: OrgUnit) -> list[Obstacle]:
        subject, rules = self.subject, self.context.rules
        place = join(subject.trees.post_path(area, post))
        found = judge_gain(
            rules,
            (*subject.held, *subject.pending),
            held_through_post(rules, RoleName(post.role), area.code, place),
            qualifications=subject.qualifications,
            waivers=subject.waivers,
            day=subject.today,
            user=subject.user.id if subject.user is not None else None,
            others=self._others,
        )
        known = {rule.id: rule for rule in rules.vetoing}
        return [
            Obstacle(
                kind=ObstacleKind.RULE if conflict.rule in known else ObstacleKind.QUALIFICATION,
                rule=known[conflict.rule].source if conflict.rule in known else conflict.rule,
                article=conflict.article,
                waivable=conflict.rule in known and known[conflict.rule].waivable,
                reason=conflict.reason,
                held=conflict.held,
            )
            for conflict in found
        ]


def ways_of(post: Post) -> tuple[Way, ...]:
    """On which bases a post may be given, and by whom."""
    found = []
    for basis in post.bases:
        if basis is BasisKind.SOURCE:
            second = post.approval == "second_person"
            by = tuple(PostId(name) for name in post.approved_by) if second else ()
            found.append(Way(basis=basis, by=by, second_person=second))
        elif basis is BasisKind.CONSOLE:
            found.append(Way(basis=basis, by=tuple(PostId(name) for name in post.granted_by)))
        else:
            found.append(Way(basis=basis))
    return tuple(found)
