"""What Keycloak should hold, from the registry and the packs. Pure.

Duties follow from bases (:mod:`~quanheng.engine.grants`), holds disable
(:mod:`~quanheng.engine.holds`), organisations and posts become groups
(:mod:`~quanheng.engine.trees`), and whatever is in doubt grants nothing and is reported.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, TypeVar

from quanheng.engine.deciding import Deciding, Granted, Placed, employments_of
from quanheng.engine.following import Followup, find_followups, propose, withdraw_over, withheld_by
from quanheng.engine.grants import decide_grants
from quanheng.engine.holds import holds_of, is_deregistered, is_over
from quanheng.engine.limits import is_limited, keep_to_maxima
from quanheng.engine.trees import Trees
from quanheng.engine.waivers import waivers_in_force
from quanheng.model.finding import Finding, FindingKind
from quanheng.model.ids import GroupPath, OrgCode, PersonId, RoleName
from quanheng.model.person import (
    APPLICATION,
    Basis,
    Claim,
    GrantedBasis,
    Hold,
    PersonRecord,
    Proposal,
    ProposalKind,
    ProposalState,
    Withholding,
)
from quanheng.model.realm import Attributes, FederatedIdentity
from quanheng.model.registry import Registry
from quanheng.policy.pack import Pack
from quanheng.policy.rules import CompiledRules
from quanheng.policy.units import Units

CARD_PROVIDER: Final = "social-card"
"""Alias of the identity provider of the electronic social-security card; it cannot change later."""

OWN_ATTRIBUTES: Final = frozenset({"person_id", "staff_no", "org_code"})
"""Attributes of a user that we write; any other (a chosen language) is Keycloak's or somebody else's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredUser:
    """The account a person should have."""

    person: PersonRecord
    enabled: bool
    attributes: Attributes
    home: GroupPath | None
    """Organisation (or administrators') group; None when no source says: it stays where it is."""
    groups: frozenset[GroupPath]
    """Duties, qualifications, and offices beside the one that is the home."""
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
    duties: frozenset[RoleName]
    """Roles that are powers: nobody holds one but through the groups above."""
    limited: bool
    """Whether anybody here holds a post of which a county may have only so many: then all people count."""
    proposals: tuple[Proposal, ...]
    """Proposals about posts in the state they have now; those that no row makes any more are withdrawn."""
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredPeople:
    """The people's part of :class:`Desired`."""

    users: Mapping[PersonId, DesiredUser]
    limited: bool
    proposals: tuple[Proposal, ...]
    findings: tuple[Finding, ...]


def build_desired(
    registry: Registry, units: Units, pack: Pack, rules: CompiledRules, *, today: date
) -> Desired:
    """Everything Keycloak should hold on the day ``today`` (in China), of the people in ``registry``."""
    trees = Trees(pack, units)
    people = build_people(registry, units, pack, rules, trees, today=today)
    return Desired(
        groups={group.key: DesiredGroup(**group.fields) for group in trees.nodes()},
        users=people.users,
        duties=frozenset(rules.duties),
        limited=people.limited,
        proposals=people.proposals,
        findings=people.findings,
    )


def build_people(
    registry: Registry, units: Units, pack: Pack, rules: CompiledRules, trees: Trees, *, today: date
) -> DesiredPeople:
    """The accounts of the people in ``registry``, who may be a few."""
    work = Deciding(
        pack=pack,
        rules=rules,
        units=units,
        trees=trees,
        registry=registry,
        today=today,
        waivers=waivers_in_force(registry, today=today),
    )
    said = _Said.of(registry)
    states = {person.id: _state_of(work, person, said) for person in registry.persons.values()}
    grants = {
        person: decide_grants(
            work,
            registry.persons[person],
            state.placed,
            state.holds,
            said.bases.get(person, ()),
            said.withholdings.get(person, ()),
            withheld=withheld_by(state.followups, registry.proposals),
        )
        for person, state in states.items()
    }
    keep_to_maxima(work, grants)
    users = {
        person: _build_user(work, registry.persons[person], state, grants[person])
        for person, state in states.items()
    }
    for key, proposal in registry.proposals.items():
        over = proposal.kind is ProposalKind.GUARDED_POST and key not in work.proposals
        if over and proposal.state in (ProposalState.OPEN, ProposalState.APPROVED):
            work.proposals[key] = replace(proposal, state=ProposalState.WITHDRAWN)
    _follow(work, states)
    return DesiredPeople(
        users=users,
        limited=any(is_limited(rules, item) for granted in grants.values() for item in granted),
        proposals=tuple(work.proposals.values()),
        findings=tuple(work.findings),
    )


def _follow(work: Deciding, states: Mapping[PersonId, _State]) -> None:
    """Ask about what follows from today's facts, and withdraw what followed from others."""
    registry = work.registry
    for key, state in states.items():
        if not state.active and key not in registry.accounts:
            continue  # nobody gets an account in order to lose it
        for item in state.followups:
            known = registry.proposals.get(item.key)
            if known is None or known.state is ProposalState.WITHDRAWN:
                known = propose(item, registry.persons[key], _area_of(work, item.claim))
            work.proposals[item.key] = known
    work.proposals.update({item.key: item for item in withdraw_over(registry, work.proposals)})


def _area_of(work: Deciding, claim: Claim | None) -> OrgCode | None:
    unit = work.units.resolve(claim.org) if claim is not None else None
    area = work.units.area(unit) if unit is not None else None
    return None if area is None else area.code


_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What is known of each person."""

    claims: Mapping[PersonId, Sequence[Claim]]
    holds: Mapping[PersonId, Sequence[Hold]]
    bases: Mapping[PersonId, Sequence[GrantedBasis]]
    withholdings: Mapping[PersonId, Sequence[Withholding]]

    @classmethod
    def of(cls, registry: Registry) -> _Said:
        """Everything in the registry, by person; claims in the order of the sources."""
        rank = {source: place for place, source in enumerate(registry.sources)}
        claims = sorted(
            registry.claims.values(),
            key=lambda c: (rank.get(c.source, 99), str(c.post_start), c.org, str(c.post)),
        )
        return cls(
            claims=_by_person(claims, lambda item: item.person),
            holds=_by_person(registry.holds, lambda item: item.person),
            bases=_by_person(registry.bases, lambda item: item.person),
            withholdings=_by_person(registry.withholdings, lambda item: item.person),
        )


def _by_person(items: Iterable[_T], person: Callable[[_T], PersonId]) -> Mapping[PersonId, Sequence[_T]]:
    found: dict[PersonId, list[_T]] = defaultdict(list)
    for item in items:
        found[person(item)].append(item)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """What the sources say of a person now."""

    claims: Sequence[Claim]
    active: Sequence[Claim]
    placed: list[Placed]
    holds: Sequence[Hold]
    followups: Sequence[Followup]


def _state_of(work: Deciding, person: PersonRecord, said: _Said) -> _State:
    claims = said.claims.get(person.id, ())
    active = [claim for claim in claims if not is_over(claim, work.pack, today=work.today)]
    placed = [(claim, unit) for claim in active if (unit := work.units.resolve(claim.org)) is not None]
    if active and not placed:
        work.find(
            FindingKind.UNKNOWN_UNIT, person, f"机构编码 {active[0].org} 已不存在，请在机构变更文件中登记去向"
        )
    stored = said.holds.get(person.id, ())
    holds = holds_of(person, claims, stored, work.pack, today=work.today)
    followups = find_followups(person, claims, stored, work.registry.proposals, work.pack, today=work.today)
    for claim in active:
        if claim.source == APPLICATION and claim.missing_since is not None:
            _tell_unconfirmed(work, person, claim.missing_since, enabled=not holds)
    return _State(claims=claims, active=active, placed=placed, holds=holds, followups=followups)


def _tell_unconfirmed(work: Deciding, person: PersonRecord, since: date, *, enabled: bool) -> None:
    grace = work.pack.info.absence_grace_days
    overdue = (work.today - since).days >= grace
    work.find(
        FindingKind.APPLICATION_UNCONFIRMED,
        person,
        f"凭申请补全，而 {since} 起的完整名册中没有此人{f'，已逾 {grace} 天' if overdue else ''}；"
        "请报送单位核实：在岗的补报，离岗的按离岗报送或在控制台停用",
        violation=overdue and enabled,
    )


def _build_user(
    work: Deciding, person: PersonRecord, state: _State, granted: Sequence[Granted]
) -> DesiredUser:
    offices = [
        work.trees.administrator_path(item.area, item.post)
        for item in granted
        if item.post.kind == "administrator"
    ]
    groups = {work.trees.duty_path(item.area, item.post) for item in granted if item.post.kind == "duty"}
    groups |= {*offices[1:]}
    # A qualification is nothing by itself, but 注销 leaves nothing.
    employments = frozenset[str]() if is_deregistered(state.holds) else employments_of(state.placed)
    groups |= {
        work.trees.qualification_path(item.id)
        for item in work.pack.qualifications.qualifications
        if employments.intersection(item.employments)
    }
    attributes = {"person_id": (str(person.id),), "staff_no": (str(person.staff_no),)}
    if state.placed:
        attributes["org_code"] = (str(state.placed[0][1].code),)
    return DesiredUser(
        person=person,
        enabled=not state.holds,
        attributes=attributes,
        home=offices[0] if offices else _home(work, state.placed),
        groups=frozenset(groups),
        identity=FederatedIdentity(CARD_PROVIDER, person.subject, str(person.username)),
        holds=tuple(state.holds),
        bases=tuple(item.basis for item in granted),
        origin=str(state.claims[0].origin) if state.claims else "",
        create=bool(state.active),
    )


def _home(work: Deciding, placed: Sequence[Placed]) -> GroupPath | None:
    return work.trees.home_path(placed[0][1]) if placed else None
