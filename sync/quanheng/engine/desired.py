"""What Keycloak should hold, from the registry and the pack. Pure.

Decisions 2–6, 10 and 11: duties follow from bases, holds disable, organisations and posts become
groups, and whatever is in doubt grants nothing and is reported.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

from quanheng.engine.calendar import add_months
from quanheng.engine.merge import proposal_key
from quanheng.engine.trees import Trees
from quanheng.model.finding import Finding, FindingKind
from quanheng.model.ids import GroupPath, OrgCode, PersonId, PostId, RoleName, SourceId
from quanheng.model.person import (
    Basis,
    BasisKind,
    Claim,
    Hold,
    HoldKind,
    PersonRecord,
    Proposal,
    ProposalKind,
    ProposalState,
)
from quanheng.model.realm import Attributes, FederatedIdentity
from quanheng.model.registry import Registry
from quanheng.model.staff import OrgUnit
from quanheng.policy.pack import Pack
from quanheng.policy.schema import Post
from quanheng.policy.units import Units

CARD_PROVIDER: Final = "social-card"
"""Alias of the identity provider of the electronic social-security card; it cannot change later."""

OWN_ATTRIBUTES: Final = frozenset({"person_id", "staff_no", "org_code"})
"""Attributes of a user that we write; any other (a chosen language) is Keycloak's or somebody else's."""

BOOTSTRAP: Final = "bootstrap"
"""Who proposes, and approves, the administrators that the two-person bootstrap named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredUser:
    """The account a person should have."""

    person: PersonRecord
    enabled: bool
    attributes: Attributes
    home: GroupPath | None
    """Organisation (or administrators') group; None when no source says: it stays where it is."""
    groups: frozenset[GroupPath]
    """Duties and qualifications."""
    identity: FederatedIdentity
    holds: tuple[Hold, ...]
    bases: tuple[Basis, ...]
    origin: str
    """Where the newest word on this person was read."""
    create: bool
    """Whether to make an account when there is none: nobody gets one in order to have left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredGroup:
    """A group that should be there."""

    key: str
    """What it is, whatever it is called: ``org:140902``, ``duty:140902:operator``."""
    path: GroupPath
    attributes: Attributes
    roles: frozenset[RoleName] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """Everything that should be there, and what nobody may do without a second person."""

    groups: Mapping[str, DesiredGroup]
    """By key, parents before children."""
    users: Mapping[PersonId, DesiredUser]
    proposals: tuple[Proposal, ...]
    """Proposals about posts in the state they have now; those that no row makes any more are withdrawn."""
    findings: tuple[Finding, ...]


@dataclass
class _Work:
    pack: Pack
    units: Units
    trees: Trees
    registry: Registry
    today: date
    findings: list[Finding] = field(default_factory=list)
    proposals: dict[str, Proposal] = field(default_factory=dict)

    def find(self, kind: FindingKind, person: PersonRecord, detail: str, *, violation: bool = False) -> None:
        self.findings.append(
            Finding(kind=kind, subject=str(person.username), detail=detail, violation=violation)
        )


def build_desired(registry: Registry, units: Units, pack: Pack, *, today: date) -> Desired:
    """Everything Keycloak should hold on the day ``today`` (in China)."""
    trees = Trees(pack, units)
    work = _Work(pack=pack, units=units, trees=trees, registry=registry, today=today)
    claims: dict[PersonId, list[Claim]] = defaultdict(list)
    for claim in registry.claims.values():
        claims[claim.person].append(claim)
    holds: dict[PersonId, list[Hold]] = defaultdict(list)
    for hold in registry.holds:
        holds[hold.person].append(hold)
    withheld = {(item.person, item.post, item.area) for item in registry.withholdings}
    order = {source: rank for rank, source in enumerate(registry.sources)}
    users = {
        person.id: _build_user(
            work,
            person,
            sorted(
                claims[person.id],
                key=lambda c: (order.get(c.source, 99), str(c.post_start), c.org, str(c.post)),
            ),
            holds[person.id],
            withheld,
        )
        for person in registry.persons.values()
    }
    for key, proposal in registry.proposals.items():
        over = proposal.kind is ProposalKind.GUARDED_POST and key not in work.proposals
        if over and proposal.state in (ProposalState.OPEN, ProposalState.APPROVED):
            work.proposals[key] = replace(proposal, state=ProposalState.WITHDRAWN)
    return Desired(
        groups={group.key: DesiredGroup(**group.fields) for group in trees.nodes()},
        users=users,
        proposals=tuple(work.proposals.values()),
        findings=tuple(work.findings),
    )


def _build_user(
    work: _Work,
    person: PersonRecord,
    claims: Sequence[Claim],
    stored: Sequence[Hold],
    withheld: set[tuple[PersonId, PostId, OrgCode]],
) -> DesiredUser:
    holds = _holds(work, person, claims, stored)
    active = [claim for claim in claims if not _ended(work, claim)]
    placed = [(claim, unit) for claim in active if (unit := work.units.resolve(claim.org)) is not None]
    if active and not placed:
        work.find(
            FindingKind.UNKNOWN_UNIT, person, f"机构编码 {active[0].org} 已不存在，请在机构变更文件中登记去向"
        )
    granted = _granted(work, person, placed)
    posts = {post.id for _, _, post in granted}
    granted = [
        item
        for item in granted
        if not _excluded(work, person, item[2], posts) and not _is_withheld(work, person, item, withheld)
    ]
    home = _home(work, placed, granted)
    groups = {work.trees.duty_path(area, post) for _, area, post in granted if post.kind == "duty"}
    groups |= {
        work.trees.qualification_path(item.id)
        for item in work.pack.qualifications.qualifications
        if any(claim.employment in item.employments for claim, _ in placed)
    }
    first = placed[0][1].code if placed else None
    attributes = {"person_id": (str(person.id),), "staff_no": (str(person.staff_no),)}
    if first is not None:
        attributes["org_code"] = (str(first),)
    return DesiredUser(
        person=person,
        enabled=not holds,
        attributes=attributes,
        home=home,
        groups=frozenset(groups),
        identity=FederatedIdentity(CARD_PROVIDER, person.subject, str(person.username)),
        holds=tuple(holds),
        bases=tuple(
            Basis(
                person=person.id,
                post=PostId(post.id),
                area=area.code,
                kind=BasisKind.SOURCE,
                origin=str(claim.origin),
                article=post.article,
                since=claim.post_start,
            )
            for claim, area, post in granted
        ),
        origin=str(claims[0].origin) if claims else "",
        create=bool(active),
    )


def _ended(work: _Work, claim: Claim) -> bool:
    status = work.pack.status_by_id[claim.status]
    return status.ends_post and (claim.status_from is None or claim.status_from <= work.today)


def _holds(work: _Work, person: PersonRecord, claims: Sequence[Claim], stored: Sequence[Hold]) -> list[Hold]:
    """Holds of a person: those stored, those that a row says, and having left. Stricter source wins."""
    holds = list(stored)
    by_source: dict[SourceId, list[Claim]] = defaultdict(list)
    for claim in claims:
        by_source[claim.source].append(claim)
        status = work.pack.status_by_id[claim.status]
        if status.hold is not None and not status.ends_post and _applies(work, claim, status.from_months):
            holds.append(_hold(work, person, status.hold, status.label, claim))
    for rows in by_source.values():
        if all(_ended(work, claim) for claim in rows):
            label = work.pack.status_by_id[rows[0].status].label
            holds.append(_hold(work, person, HoldKind.LEFT, label, rows[0]))
            break
    if not claims:
        holds.append(
            Hold(
                person=person.id,
                kind=HoldKind.LEFT,
                since=work.today,
                reason="完整名册中已无此人",
                origin="absence",
            )
        )
    return holds


def _hold(work: _Work, person: PersonRecord, kind: HoldKind, label: str, claim: Claim) -> Hold:
    since = claim.status_from or work.today
    return Hold(person=person.id, kind=kind, since=since, reason=label, origin=str(claim.origin))


def _applies(work: _Work, claim: Claim, from_months: int) -> bool:
    if claim.status_from is not None and claim.status_from > work.today:
        return False
    if claim.status_to is not None and claim.status_to < work.today:
        return False
    if from_months == 0 or claim.status_to is None or claim.status_from is None:
        return True
    return claim.status_to >= add_months(claim.status_from, from_months)


def _granted(
    work: _Work, person: PersonRecord, placed: Sequence[tuple[Claim, OrgUnit]]
) -> list[tuple[Claim, OrgUnit, Post]]:
    """Posts that the sources give: in one area, agreed on, qualified for, and approved where needed."""
    posted = [(claim, unit) for claim, unit in placed if claim.post is not None]
    by_source: dict[SourceId, set[tuple[OrgCode, PostId | None]]] = defaultdict(set)
    for claim, unit in posted:
        by_source[claim.source].add((unit.code, claim.post))
    if len({frozenset(posts) for posts in by_source.values()}) > 1:
        work.find(
            FindingKind.SOURCES_DISAGREE, person, f"各来源报送的岗位不一致：{'、'.join(by_source)}；均不授予"
        )
        return []
    areas = {area.code: area for _, unit in placed if (area := work.units.area(unit)) is not None}
    if len(areas) > 1:
        work.find(
            FindingKind.OTHER_COUNTY, person, f"同时在 {'、'.join(sorted(areas))} 任职；均不授予，请核实"
        )
        return []
    if not areas:
        return []
    area = next(iter(areas.values()))
    granted: dict[PostId, tuple[Claim, OrgUnit, Post]] = {}
    for claim, unit in posted:
        post = work.pack.post_by_id.get(claim.post) if claim.post else None
        if post is None or claim.post in granted or work.units.tier(unit) not in post.tiers:
            continue
        if not _qualified(work, person, claim, post):
            continue
        if post.approval == "second_person" and not _approved(work, person, claim, area, post):
            continue
        granted[PostId(post.id)] = (claim, area, post)
    return list(granted.values())


def _qualified(work: _Work, person: PersonRecord, claim: Claim, post: Post) -> bool:
    for item in work.pack.qualifications.qualifications:
        if item.id in post.requires and claim.employment not in item.employments:
            work.find(
                FindingKind.NOT_QUALIFIED, person, f"{post.label} 须由{item.label}人员担任（{post.article}）"
            )
            return False
    return True


def _approved(work: _Work, person: PersonRecord, claim: Claim, area: OrgUnit, post: Post) -> bool:
    key = proposal_key(ProposalKind.GUARDED_POST, person.id, post.id, area.code)
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


def _founded(work: _Work, person: PersonRecord, area: OrgUnit, post: Post) -> bool:
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


def _excluded(work: _Work, person: PersonRecord, post: Post, posts: Iterable[str]) -> bool:
    held = set(posts)
    for rule in work.pack.rules.exclusions:
        for mine, others in ((rule.left.posts, rule.right.posts), (rule.right.posts, rule.left.posts)):
            if post.id in mine and held & set(others):
                work.find(
                    FindingKind.EXCLUDED_POSTS,
                    person,
                    f"{rule.label}（{rule.article}）：{post.label} 不授予",
                    violation=True,
                )
                return True
    return False


def _is_withheld(
    work: _Work,
    person: PersonRecord,
    item: tuple[Claim, OrgUnit, Post],
    withheld: set[tuple[PersonId, PostId, OrgCode]],
) -> bool:
    _, area, post = item
    if (person.id, PostId(post.id), area.code) not in withheld:
        return False
    work.find(FindingKind.WITHHELD, person, f"{area.name} {post.label} 已被管理员收回")
    return True


def _home(
    work: _Work,
    placed: Sequence[tuple[Claim, OrgUnit]],
    granted: Sequence[tuple[Claim, OrgUnit, Post]],
) -> GroupPath | None:
    for _, area, post in granted:
        if post.kind == "administrator":
            return work.trees.administrator_path(area, post)
    return work.trees.home_path(placed[0][1]) if placed else None
