"""Lay new readings over the registry: who is who, what each source claims now. Pure.

Decisions 2, 5, 7 and 16: a person is found by the keyed index of the document; a quarantined row
counts as present; absence counts only in a complete, believable snapshot and after the pack's grace;
a changed ID number and a staff number that moves to somebody else wait for a second person.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from quanheng.clock import day_in_china
from quanheng.engine.absences import go_on
from quanheng.engine.following import propose_missing
from quanheng.engine.holds import has_ended, holds_now, is_over
from quanheng.engine.proposal_keys import proposal_key as proposal_key
from quanheng.model.finding import Finding, FindingKind
from quanheng.model.ids import OrgCode, PersonId, SourceId, StaffNo, Username
from quanheng.model.person import (
    APPLICATION,
    Claim,
    PersonRecord,
    Proposal,
    ProposalKind,
    ProposalState,
)
from quanheng.model.registry import ClaimKey, PersonSecrets, Registry, RegistryDelta, claim_key
from quanheng.model.sensitive import Sensitive
from quanheng.model.staff import Declaration, Document, Mode, OrgUnit, Reading, StaffRow
from quanheng.policy.pack import Pack
from quanheng.policy.units import in_scope


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedReading:
    """A reading that may be believed, and how far."""

    reading: Reading
    absence_scope: tuple[OrgCode, ...]
    """Where somebody whom it does not name is missing; nowhere for a delta or a shrunken snapshot."""
    remembered: Declaration
    """What the next reading of this source is compared with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Where new identities come from; tests give a counting one."""

    document_index: Callable[[Document], str]
    phone_index: Callable[[Sensitive], str]
    new_id: Callable[[], str]
    """32 random hex digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The registry as it would be, and the delta that makes it so."""

    registry: Registry
    delta: RegistryDelta
    findings: tuple[Finding, ...]


@dataclass
class _State:
    """The registry while it is being merged."""

    persons: dict[PersonId, PersonRecord]
    claims: dict[ClaimKey, Claim]
    units: dict[OrgCode, OrgUnit]
    next_serial: int
    secrets: dict[PersonId, PersonSecrets] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    proposals: dict[str, Proposal] = field(default_factory=dict)
    named: set[PersonId] = field(default_factory=set)
    """People whose name, phone and staff number a source of higher precedence has set already."""


def merge(
    registry: Registry,
    accepted: Sequence[AcceptedReading],
    *,
    pack: Pack,
    issuer: Issuer,
    taken: Collection[Username],
    lost: Collection[PersonId] = (),
) -> Merged:
    """Lay ``accepted`` readings, in order of precedence, over ``registry``.

    ``taken`` are user names that exist in the realm: none of them is issued, ours or foreign. ``lost``: known
    people whose user name was taken before they had an account; they are issued another.
    """
    state = _State(
        persons=dict(registry.persons),
        claims=dict(registry.claims),
        units=dict(registry.units),
        next_serial=registry.next_serial,
    )
    for person in sorted(lost):
        serial, username = _issue(state, pack, taken)
        state.persons[person] = replace(state.persons[person], serial=serial, username=username)
    by_document = {person.document_index: person.id for person in registry.persons.values()}
    by_staff_no: dict[StaffNo, PersonId] = {
        person.staff_no: person.id for person in registry.persons.values()
    }
    seen: set[PersonId] = set()
    for item in accepted:
        _merge_units(state, item)
        people, disputed = _identify(
            state, registry, item.reading, issuer, by_document, by_staff_no, pack, taken
        )
        present = _present(item.reading, issuer, by_document, by_staff_no) | disputed
        _replace_claims(state, item, people, present, pack)
        seen |= present
    _miss_applications(state, accepted, seen)
    _propose_missing(state, registry, pack)
    _spread_names(state, registry)
    return _finish(registry, state, accepted)


def _merge_units(state: _State, item: AcceptedReading) -> None:
    units = item.reading.units
    if units is None:
        return
    declaration = item.reading.declaration
    new = {unit.code: unit for unit in units}
    if new:
        doubtful = _doubtful(item.reading)
        above = _upwards((unit.parent for unit in units if unit.parent is not None), state.units)
        for code, unit in list(state.units.items()):
            ours = unit.origin.source == declaration.source
            if not ours or code in new or not in_scope(code, item.absence_scope):
                continue
            if code not in above and not {None, code[:6]} & doubtful:
                del state.units[code]
    state.units.update(new)


def _upwards(codes: Iterable[OrgCode], units: Mapping[OrgCode, OrgUnit]) -> set[OrgCode]:
    """These units and everything above them: what others lie under is there."""
    found: set[OrgCode] = set()
    for start in codes:
        code: OrgCode | None = start
        while code is not None and code not in found:
            found.add(code)
            code = units[code].parent if code in units else None
    return found


def _doubtful(reading: Reading) -> set[OrgCode | None]:
    """Counties of rows that do not even say whose they are: each may be any of its county, or of all."""
    return {row.county for row in reading.rejected if row.staff_no is None and row.document is None}


def _identify(
    state: _State,
    registry: Registry,
    reading: Reading,
    issuer: Issuer,
    by_document: dict[str, PersonId],
    by_staff_no: dict[StaffNo, PersonId],
    pack: Pack,
    taken: Collection[Username],
) -> tuple[dict[PersonId, list[StaffRow]], set[PersonId]]:
    """Find or make the person of each row. Returns rows per person, and people whose row is disputed."""
    people: dict[PersonId, list[StaffRow]] = defaultdict(list)
    disputed: set[PersonId] = set()
    indexes: dict[Document, str] = {}
    for row in reading.rows:
        index = indexes.get(row.document)
        if index is None:
            index = indexes[row.document] = issuer.document_index(row.document)
        known = by_document.get(index)
        holder = by_staff_no.get(row.staff_no)
        if holder is not None and holder != known:
            kind = (
                ProposalKind.DOCUMENT_CHANGED
                if known is None and state.persons[holder].name == row.name
                else ProposalKind.STAFF_NO_MOVED
            )
            proposal = _dispute(kind, row, index, state.persons[holder])
            decided = registry.proposals.get(proposal.key)
            if decided is None or decided.state is not ProposalState.APPROVED:
                state.proposals[proposal.key] = proposal
                disputed |= {holder} | ({known} if known is not None else set())
                continue
            state.proposals[proposal.key] = decided
            if kind is ProposalKind.DOCUMENT_CHANGED:
                known = holder
                old = state.persons[holder]
                by_document.pop(old.document_index, None)
                by_document[index] = holder
                state.persons[holder] = replace(old, document_index=index)
        if known is None:
            known = _new_person(state, row, index, issuer, pack, taken)
            by_document[index] = known
        by_staff_no[row.staff_no] = known
        people[known].append(row)
    today = day_in_china(reading.declaration.as_of)
    for person, rows in people.items():
        # Whatever the rows' order; of somebody who came back under another staff number, the one of now.
        row = min(rows, key=lambda row: (has_ended(row, pack, today=today), row.staff_no, row.phone.reveal()))
        if person not in state.named:
            state.named.add(person)
            _update_person(state, person, row, issuer)
        elif state.persons[person].name != row.name:
            state.findings.append(
                Finding(
                    kind=FindingKind.SOURCES_DISAGREE,
                    subject=str(row.staff_no),
                    detail=f"姓名在各来源不一致（{row.origin}），以优先来源为准",
                )
            )
    return people, disputed


def _new_person(
    state: _State, row: StaffRow, index: str, issuer: Issuer, pack: Pack, taken: Collection[Username]
) -> PersonId:
    serial, username = _issue(state, pack, taken)
    person = PersonId(issuer.new_id())
    state.persons[person] = PersonRecord(
        id=person,
        username=username,
        serial=serial,
        subject=issuer.new_id(),
        document_index=index,
        phone_index="",
        name=row.name,
        staff_no=row.staff_no,
    )
    return person


def _issue(state: _State, pack: Pack, taken: Collection[Username]) -> tuple[int, Username]:
    while (username := Username(pack.username(state.next_serial))) in taken:
        state.next_serial += 1
    state.next_serial += 1
    return state.next_serial - 1, username


def _spread_names(state: _State, registry: Registry) -> None:
    """Hand out newcomers' user names by the index of their document, which is as good as a drawn lot.

    In the order of the rows, a county's people would have one stretch of all names. Keycloak lists people by
    user name, and its database looks through everybody's until it has a page of those whom an administrator
    may see: of one stretch, most of the realm. Besides, a name would tell where somebody was hired.
    """
    newcomers = [person for person in state.persons.values() if person.id not in registry.persons]
    issued = sorted((person.serial, person.username) for person in newcomers)
    newcomers.sort(key=lambda person: person.document_index)
    for person, (serial, username) in zip(newcomers, issued, strict=True):
        state.persons[person.id] = replace(person, serial=serial, username=username)


def _update_person(state: _State, person: PersonId, row: StaffRow, issuer: Issuer) -> None:
    old = state.persons[person]
    new = replace(old, name=row.name, staff_no=row.staff_no, phone_index=issuer.phone_index(row.phone))
    state.persons[person] = new
    state.secrets[person] = PersonSecrets(
        document_kind=row.document.kind,
        document_number=row.document.number.reveal(),
        phone=row.phone.reveal(),
    )


def _dispute(kind: ProposalKind, row: StaffRow, index: str, holder: PersonRecord) -> Proposal:
    if kind is ProposalKind.DOCUMENT_CHANGED:
        summary = f"人员编号 {row.staff_no} 的证件号码与登记的不同，姓名相同：请核实是否证件变更"
    else:
        summary = f"人员编号 {row.staff_no} 原属另一人，现报送为不同的人：请核实编号是否重新发放"
    return Proposal(
        key=proposal_key(kind, holder.document_index, index, row.staff_no),
        kind=kind,
        subject=str(row.staff_no),
        summary=summary,
        area=OrgCode(row.org[:6]),
        post=None,
        origin=str(row.origin),
        proposer=f"source:{row.origin.source}",
    )


def _present(
    reading: Reading,
    issuer: Issuer,
    by_document: Mapping[str, PersonId],
    by_staff_no: Mapping[StaffNo, PersonId],
) -> set[PersonId]:
    """People of quarantined rows, as far as the rows say who they are."""
    found: set[PersonId] = set()
    for row in reading.rejected:
        if row.document is not None:
            person = by_document.get(issuer.document_index(row.document))
            if person is not None:
                found.add(person)
        if row.staff_no is not None and (holder := by_staff_no.get(row.staff_no)) is not None:
            found.add(holder)
    return found


def _replace_claims(
    state: _State,
    item: AcceptedReading,
    people: Mapping[PersonId, Sequence[StaffRow]],
    quarantined: Collection[PersonId],
    pack: Pack,
) -> None:
    declaration = item.reading.declaration
    source, today = declaration.source, day_in_china(declaration.as_of)
    if source != APPLICATION:
        _end_applications(state, people)
    old: dict[PersonId, list[Claim]] = defaultdict(list)
    elsewhere: set[PersonId] = set()
    for claim in state.claims.values():
        if claim.source == source:
            old[claim.person].append(claim)
        else:
            elsewhere.add(claim.person)
    for person, rows in people.items():
        said = [go_on(_claim(source, person, row), old.get(person, ()), pack, seen=today) for row in rows]
        new = {claim_key(claim): claim for claim in said}
        if declaration.mode is Mode.SNAPSHOT:
            for claim in old.get(person, ()):
                key = claim_key(claim)
                if key in new or not in_scope(claim.org, declaration.scope):
                    continue
                if person in quarantined:
                    state.claims[key] = replace(claim, quarantined=True)
                elif in_scope(claim.org, item.absence_scope):
                    del state.claims[key]
        if person not in quarantined and _has_left(rows, new, old.get(person, ()), pack, today=today):
            for claim in old[person]:
                if in_scope(claim.org, declaration.scope):
                    state.claims.pop(claim_key(claim), None)
        state.claims.update(new)
    doubtful = _doubtful(item.reading)
    for person, claims in old.items():
        if person in people:
            continue
        for claim in claims:
            if not in_scope(claim.org, declaration.scope):
                continue
            key = claim_key(claim)
            if person in quarantined:
                state.claims[key] = replace(claim, quarantined=True, missing_since=None)
            elif not in_scope(claim.org, item.absence_scope) or {None, claim.org[:6]} & doubtful:
                continue
            elif claim.missing_since is None and pack.info.absence_grace_days > 0:
                state.claims[key] = replace(claim, missing_since=today)
            elif person in elsewhere and _is_off(claim, pack, today=today):
                continue  # its last word: to be named no more is no return, though another source lags behind
            elif (today - (claim.missing_since or today)).days >= pack.info.absence_grace_days:
                del state.claims[key]


def _has_left(
    rows: Sequence[StaffRow],
    new: Collection[ClaimKey],
    old: Sequence[Claim],
    pack: Pack,
    *,
    today: date,
) -> bool:
    """Whether a reading says of somebody nothing but an end, and of a place that it did not name before: a
    leaver's row often has no post any more, or another office. It is about all that the source said, in a
    delta too. The end of one post of several has that post's place.
    """
    if not old or not all(has_ended(row, pack, today=today) for row in rows):
        return False
    return not set(new) <= {claim_key(claim) for claim in old}


def _is_off(claim: Claim, pack: Pack, *, today: date) -> bool:
    """Whether a row keeps an account off: it says an end, or an absence."""
    return is_over(claim, pack, today=today) or holds_now(claim, pack, today=today)


def _propose_missing(state: _State, registry: Registry, pack: Pack) -> None:
    """What follows for people whom nobody speaks of any more: only here it is known where they were."""
    spoken_of = {claim.person for claim in state.claims.values()}
    gone = [item for item in registry.claims.items() if item[1].person not in spoken_of]
    last = {claim.person: claim for _, claim in sorted(gone, key=lambda item: str(item[0]), reverse=True)}
    for person, claim in last.items():
        proposal = propose_missing(registry, state.persons[person], claim, pack)
        if proposal is not None:
            state.proposals[proposal.key] = proposal


def _end_applications(state: _State, people: Collection[PersonId]) -> None:
    """A source has named these people: what was applied for to begin with is its to say from now on."""
    ended = [key for key in state.claims if key[0] == APPLICATION and key[1] in people]
    for key in ended:
        del state.claims[key]


def _miss_applications(
    state: _State, accepted: Sequence[AcceptedReading], present: Collection[PersonId]
) -> None:
    """Mark what an application says of people whom complete snapshots made after it do not have, not even in
    a row that is not believed."""
    for key, claim in list(state.claims.items()):
        if claim.source != APPLICATION:
            continue
        if claim.person in present:
            state.claims[key] = replace(claim, missing_since=None)
        elif claim.missing_since is None and (days := _days_without(claim, accepted)):
            state.claims[key] = replace(claim, missing_since=min(days))


def _days_without(claim: Claim, accepted: Sequence[AcceptedReading]) -> list[date]:
    """Days of the snapshots that would name the person of an application's claim."""
    return [
        day
        for item in accepted
        if in_scope(claim.org, item.absence_scope) and not {None, claim.org[:6]} & _doubtful(item.reading)
        for day in [day_in_china(item.reading.declaration.as_of)]
        if claim.status_from is None or day > claim.status_from
    ]


def _claim(source: SourceId, person: PersonId, row: StaffRow) -> Claim:
    return Claim(
        source=source,
        person=person,
        org=row.org,
        post=row.post,
        employment=row.employment,
        status=row.status,
        status_from=row.status_from,
        status_to=row.status_to,
        post_start=row.post_start,
        origin=row.origin,
    )


def _finish(registry: Registry, state: _State, accepted: Iterable[AcceptedReading]) -> Merged:
    read = {item.reading.declaration.source for item in accepted}
    persons = tuple(person for key, person in state.persons.items() if registry.persons.get(key) != person)
    changed = {person.id for person in persons}
    proposals = dict(registry.proposals)
    for key, proposal in registry.proposals.items():
        disputed = proposal.kind in (ProposalKind.DOCUMENT_CHANGED, ProposalKind.STAFF_NO_MOVED)
        told = proposal.proposer.removeprefix("source:") in read
        if disputed and told and proposal.state is ProposalState.OPEN and key not in state.proposals:
            proposals[key] = replace(proposal, state=ProposalState.WITHDRAWN)
    for key, proposal in state.proposals.items():
        if key not in proposals or proposals[key].state is ProposalState.WITHDRAWN:
            proposals[key] = proposal
    sources = {item.reading.declaration.source: item.remembered for item in accepted}
    merged = replace(
        registry,
        persons=state.persons,
        claims=state.claims,
        units=state.units,
        proposals=proposals,
        sources={**registry.sources, **sources},
        next_serial=state.next_serial,
    )
    delta = RegistryDelta(
        persons=persons,
        secrets={key: value for key, value in state.secrets.items() if key in changed},
        claims_put=tuple(c for key, c in state.claims.items() if _moved(c, registry.claims.get(key))),
        claims_ended=tuple(key for key in registry.claims if key not in state.claims),
        units_put=tuple(u for code, u in state.units.items() if _reorganised(u, registry.units.get(code))),
        units_gone=tuple(code for code in registry.units if code not in state.units),
        sources=tuple(item for key, item in sources.items() if _news(item, registry.sources.get(key))),
        proposals=tuple(item for key, item in proposals.items() if registry.proposals.get(key) != item),
        next_serial=state.next_serial,
    )
    return Merged(registry=merged, delta=delta, findings=tuple(state.findings))


def _news(new: Declaration, old: Declaration | None) -> bool:
    # A live directory is read again and again: the time alone is no news.
    return old is None or replace(new, as_of=old.as_of) != old


def _moved(new: Claim, old: Claim | None) -> bool:
    # A line inserted at the top of a feed shifts every row's number: that alone is no news either.
    return old is None or replace(new, origin=old.origin) != old


def _reorganised(new: OrgUnit, old: OrgUnit | None) -> bool:
    return old is None or replace(new, origin=old.origin) != old
