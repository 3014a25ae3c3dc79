"""Why somebody holds what it holds, and what it could not be given, and why. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from quanheng.engine.source_posts import guarded_post_key
from quanheng.model.ids import KeycloakId, OrgCode, PostId
from quanheng.model.person import Basis, BasisKind, GrantedBasis, ProposalState
from quanheng.operations.answering.assessing import Assessment, Assessor
from quanheng.operations.answering.looking import Subject, post_of, read_subject
from quanheng.operations.context import Context
from quanheng.operations.waivers import WaiverLine, WaiverState, waiver_lines
from quanheng.policy.judge import describe_path
from quanheng.policy.rules import Held


@dataclass(frozen=True, slots=True, kw_only=True)
class BasisTold:
    """Because of what something is held."""

    kind: BasisKind
    article: str
    origin: str
    """Source and place in it, or the key of an application, or the rule of a waiver."""
    actor: str = ""
    """User name of who granted it in the console, or approved it; Keycloak's id when it is no user."""
    at: datetime | None = None
    """When it was granted or approved."""
    since: date | None = None
    """First day in the post."""
    until: date | None = None
    """Last day, of a waiver."""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyTold:
    """A duty in somebody's hands."""

    held: Held
    label: str
    article: str
    post: PostId | None
    """The post on whose way it is; None for what is mapped otherwise."""
    area_name: str
    path: str
    bases: tuple[BasisTold, ...]
    """Empty: it is held without right, and the next sync or the watcher takes it away."""
    effective: bool = True
    """False: by right, but not in Keycloak."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WithholdingTold:
    """A post that an entitled administrator took away."""

    post: PostId
    label: str
    area: OrgCode
    actor: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Everything about one person's duties."""

    subject: Subject
    duties: tuple[DutyTold, ...]
    withholdings: tuple[WithholdingTold, ...]
    waivers: tuple[WaiverLine, ...]
    posts: tuple[Assessment, ...]
    """Every post of the packs that the person does not hold in its own area, possible or not."""


def explain(context: Context, who: str) -> Explanation:
    """Explain somebody, by user name or staff number, as everything is now.

    Raises :class:`ConfigurationError` when nobody is called so.
    """
    subject = read_subject(context, who)
    me = subject.person.id if subject.person is not None else None
    waivers = tuple(line for line in waiver_lines(context, subject.registry) if line.waiver.person == me)
    told = [_duty(context, subject, held, waivers, effective=True) for held in subject.held]
    told += [_duty(context, subject, held, waivers, effective=False) for held in subject.pending]
    assessor = Assessor(context, subject)
    assessed = [assessor.assess(post, subject.area) for post in context.pack.post_by_id]
    return Explanation(
        subject=subject,
        duties=tuple(told),
        withholdings=tuple(
            WithholdingTold(
                post=item.post,
                label=_label(context, item.post),
                area=item.area,
                actor=_username(subject, item.actor),
                at=item.at,
                reason=item.reason,
            )
            for item in subject.registry.withholdings
            if item.person == me
        ),
        waivers=waivers,
        posts=tuple(item for item in assessed if not item.already),
    )


def _duty(
    context: Context, subject: Subject, held: Held, waivers: tuple[WaiverLine, ...], *, effective: bool
) -> DutyTold:
    duty = context.rules.duties[held.role]
    post = post_of(context, held)
    area = subject.units.resolve(held.area) if held.area is not None else None
    bases = [
        _basis(subject, basis)
        for basis in (subject.desired.bases if subject.desired is not None else ())
        if (basis.post, basis.area) == (post, held.area)
    ]
    if bases:
        bases += _waived(context, held, waivers)
    return DutyTold(
        held=held,
        label=duty.label,
        article=duty.article,
        post=post,
        area_name=area.name if area is not None else "",
        path=describe_path(context.rules, held),
        bases=tuple(bases),
        effective=effective,
    )


def _basis(subject: Subject, basis: Basis) -> BasisTold:
    seat = (basis.person, basis.post, basis.area)
    granted: GrantedBasis | None = next(
        (item for item in subject.registry.bases if (item.person, item.post, item.area) == seat), None
    )
    if basis.kind is not BasisKind.SOURCE and granted is not None:
        return BasisTold(
            kind=basis.kind,
            article=basis.article,
            origin="" if basis.kind is BasisKind.CONSOLE else granted.actor,
            actor=_username(subject, granted.actor) if basis.kind is BasisKind.CONSOLE else "",
            at=granted.at,
            since=basis.since,
            reason=granted.reason,
        )
    decided = subject.registry.proposals.get(guarded_post_key(*seat))
    approved = decided is not None and decided.state is ProposalState.APPROVED
    return BasisTold(
        kind=basis.kind,
        article=basis.article,
        origin=basis.origin,
        actor=str(decided.decided_by or decided.proposer) if decided is not None and approved else "",
        at=decided.decided_at if decided is not None and approved else None,
        since=basis.since,
    )


def _waived(context: Context, held: Held, waivers: tuple[WaiverLine, ...]) -> list[BasisTold]:
    """Waivers in force without which a duty might not be held beside another."""
    rules = context.rules.vetoing
    return [
        BasisTold(
            kind=BasisKind.WAIVER,
            article=line.article,
            origin=line.waiver.rule,
            actor=str(line.decided_by or ""),
            until=line.waiver.until,
            reason=line.waiver.reason,
        )
        for line in waivers
        if line.state is WaiverState.IN_FORCE
        and any(held.role in rule.roles for rule in rules if rule.source == line.waiver.rule)
    ]


def _username(subject: Subject, actor: str) -> str:
    """The user name of a Keycloak id; the id itself of somebody who is gone."""
    user = subject.observed.users.get(KeycloakId(actor))
    return str(user.username) if user is not None else actor


def _label(context: Context, post: PostId) -> str:
    known = context.pack.post_by_id.get(post)
    return known.label if known is not None else str(post)
