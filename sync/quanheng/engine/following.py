"""What follows by form from what a source says of somebody: 注销, or that duties are withheld. Pure.

The hold comes with the row, at once (:mod:`~quanheng.engine.holds`). What follows is a proposal that a second
person decides (G19, S4, E14): the same one at each reading, withdrawn when the fact is gone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from quanheng.engine.absences import first_day
from quanheng.engine.holds import DEREGISTERED, SUSPENDED, holds_now, is_deregistered, is_over
from quanheng.engine.proposal_keys import proposal_key
from quanheng.model.ids import OrgCode, PersonId, SourceId
from quanheng.model.person import Claim, Hold, HoldKind, PersonRecord, Proposal, ProposalKind, ProposalState
from quanheng.model.registry import Registry
from quanheng.policy.pack import Pack
from quanheng.policy.schema import Status
from quanheng.policy.units import area_code

MISSING: Final = "absent from the roll"
"""The fact that complete rolls have not named somebody for longer than the grace."""

FOLLOWUPS: Final = frozenset({ProposalKind.DEREGISTER, ProposalKind.WITHHOLD})

_KINDS: Final[Mapping[str | None, ProposalKind]] = {
    "deregister": ProposalKind.DEREGISTER,
    "withhold": ProposalKind.WITHHOLD,
}
_RANKS: Final = {ProposalState.APPROVED: 0, ProposalState.OPEN: 1, ProposalState.REJECTED: 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Followup:
    """What one fact asks for."""

    key: str
    kind: ProposalKind
    hold: HoldKind
    """The hold that the fact makes."""
    status: Status
    claim: Claim | None
    """The row that says so, or the last one that spoke of somebody who is missing; None when none is left."""
    missing: bool = False
    """Whether the fact is that nobody speaks of the person."""


def find_followups(
    person: PersonRecord,
    claims: Sequence[Claim],
    stored: Iterable[Hold],
    known: Mapping[str, Proposal],
    pack: Pack,
    *,
    today: date,
) -> tuple[Followup, ...]:
    """What today's facts about somebody ask for, one of each kind of hold.

    Of several facts that make the same hold – two sources that name different days – the one counts that was
    decided or asked about already, then the first. ``claims``: in the order of the sources. Nothing is asked
    of an account that is deregistered.
    """
    if is_deregistered(stored):
        return ()
    found: dict[tuple[ProposalKind, HoldKind], list[Followup]] = defaultdict(list)
    for item in _facts(person, claims, pack, today=today):
        found[item.kind, item.hold].append(item)
    return tuple(min(items, key=lambda item: _rank(known.get(item.key))) for items in found.values())


def _rank(known: Proposal | None) -> int:
    return 2 if known is None else _RANKS.get(known.state, 2)


def _facts(person: PersonRecord, claims: Sequence[Claim], pack: Pack, *, today: date) -> Iterator[Followup]:
    if not claims and (missing := _missing(person.id, None, pack)) is not None:
        yield missing
    by_source: dict[SourceId, list[Claim]] = defaultdict(list)
    for claim in claims:
        by_source[claim.source].append(claim)
        if holds_now(claim, pack, today=today):
            yield from _of_row(person, claim, pack)
    for rows in by_source.values():
        if all(is_over(claim, pack, today=today) for claim in rows):
            yield from (item for claim in _by_day(rows) for item in _of_row(person, claim, pack))


def _by_day(rows: Iterable[Claim]) -> list[Claim]:
    """The newest first: the post that ended last is the one that was left."""
    return sorted(rows, key=lambda claim: (first_day(claim) or date.min, claim.status), reverse=True)


def _of_row(person: PersonRecord, claim: Claim, pack: Pack) -> Iterator[Followup]:
    """What a row asks for, whatever the day. The fact is named by its first day, never by today's.

    An absence is named by its hold and not by its status: one that goes on in another kind of leave is the
    same fact.
    """
    status = pack.status_of(claim.status)
    kind = _KINDS.get(status.proposes)
    if kind is None or status.hold is None:
        return
    # The key is in the ledger and in lists: whoever guesses the rest must not learn of an investigation.
    told = HoldKind.FROZEN if status.hold is HoldKind.INVESTIGATION else status.hold
    fact = str(told) if kind is ProposalKind.WITHHOLD else status.id
    yield Followup(
        key=proposal_key(kind, person.id, fact, str(first_day(claim))),
        kind=kind,
        hold=status.hold,
        status=status,
        claim=claim,
    )


def missing_key(person: PersonId) -> str:
    """The key of the proposal about somebody of whom nobody speaks."""
    return proposal_key(ProposalKind.DEREGISTER, person, MISSING)


def _missing(person: PersonId, last: Claim | None, pack: Pack) -> Followup | None:
    """What is asked for somebody missing: what the first rule about leavers says; None when there is none."""
    status = next((item for item in pack.statuses.statuses if item.proposes == "deregister"), None)
    if status is None:
        return None
    return Followup(
        key=missing_key(person),
        kind=ProposalKind.DEREGISTER,
        hold=HoldKind.LEFT,
        status=status,
        claim=last,
        missing=True,
    )


def propose_missing(registry: Registry, person: PersonRecord, last: Claim, pack: Pack) -> Proposal | None:
    """The proposal about somebody whose last claim has just ended, as it is when it is new; None when nothing
    is to be asked.

    ``registry``: as it was until then. Nobody without an account is deregistered.
    """
    followup = _missing(person.id, last, pack)
    holds = [hold for hold in registry.holds if hold.person == person.id]
    if followup is None or person.id not in registry.accounts or is_deregistered(holds):
        return None
    return propose(followup, person, area_code(last.org))


def propose(followup: Followup, person: PersonRecord, area: OrgCode | None) -> Proposal:
    """The proposal to somebody entitled in ``area``; None: only the topmost area's."""
    claim = followup.claim
    return Proposal(
        key=followup.key,
        kind=followup.kind,
        subject=str(person.staff_no),
        summary=_sentence(followup, person),
        area=area,
        post=None,
        origin=str(claim.origin) if claim is not None else "absence",
        proposer=f"source:{claim.source if claim is not None else 'absence'}",
    )


def _sentence(followup: Followup, person: PersonRecord) -> str:
    """What happened, what would be done, what undoes it. An investigation is not called by its name."""
    status = followup.status
    who = f"{person.username}（人员编号 {person.staff_no}）"
    article = f"（{status.article}）" if status.article else ""
    day = first_day(followup.claim) if followup.claim is not None else None
    since = f"自 {day} 起" if day is not None else ""
    if followup.missing:
        return (
            f"{who}在完整名册中已无此人{article}，账号已停用；批准后注销账号、收回岗位；"
            "名册再次报送即撤回，注销后须经申请恢复"
        )
    if followup.kind is ProposalKind.DEREGISTER:
        return (
            f"{who}{since}{status.label}{article}，账号已停用；批准后注销账号、收回岗位；"
            "来源更正即撤回，注销后须经申请恢复"
        )
    if followup.hold is HoldKind.INVESTIGATION:
        return (
            f"{who}{since}{SUSPENDED}，按规定处理{article}；批准后在此期间暂收岗位；"
            f"{SUSPENDED}结束即撤回，岗位经复核后恢复"
        )
    return (
        f"{who}{since}{status.label}{article}，账号已停用；批准后在此期间暂收岗位；"
        "返岗即撤回，岗位经复核后恢复"
    )


def told_status(followup: Followup) -> str:
    """The status in which somebody is, for whoever may read it."""
    return SUSPENDED if followup.hold is HoldKind.INVESTIGATION else followup.status.label


def withheld_by(followups: Iterable[Followup], known: Mapping[str, Proposal]) -> Followup | None:
    """The fact during which somebody holds nothing, because a second person approved it; None without one."""
    for item in followups:
        decided = known.get(item.key)
        if (
            item.kind is ProposalKind.WITHHOLD
            and decided is not None
            and decided.state is ProposalState.APPROVED
        ):
            return item
    return None


def withdraw_over(registry: Registry, current: Iterable[str]) -> Iterator[Proposal]:
    """Proposals whose fact is gone, withdrawn: those that wait, and approvals that no longer count.

    What was approved as 注销 stands as long as its hold does, whatever the sources say since. A rejection
    stays: the same fact is not asked about again.
    """
    kept = set(current)
    standing = {
        hold.origin.removeprefix(f"{DEREGISTERED}:") for hold in registry.holds if is_deregistered([hold])
    }
    for key, proposal in registry.proposals.items():
        if proposal.kind not in FOLLOWUPS or key in kept:
            continue
        if proposal.state is ProposalState.APPROVED and key[:12] in standing:
            continue
        if proposal.state in (ProposalState.OPEN, ProposalState.APPROVED):
            yield replace(proposal, state=ProposalState.WITHDRAWN)


def person_of_followup(registry: Registry, pack: Pack, proposal: Proposal) -> PersonId | None:
    """Whom a proposal of :data:`FOLLOWUPS` is about; None when no source says any more what it rests on.

    Its key tells, which no store alone can make: the staff number may be another one's by now.
    """
    if proposal.kind not in FOLLOWUPS:
        return None
    claims: dict[PersonId, list[Claim]] = defaultdict(list)
    for claim in registry.claims.values():
        claims[claim.person].append(claim)
    people = sorted(registry.persons.values(), key=lambda person: person.staff_no != proposal.subject)
    for person in people:
        mine = claims.get(person.id, [])
        keys = {item.key for claim in mine for item in _of_row(person, claim, pack)}
        if proposal.key in keys or (not mine and proposal.key == missing_key(person.id)):
            return person.id
    return None
