"""Whether a decision in the store was really made: it is signed with the ledger key, and still stands.

Whoever can write to the store, but has no keys, could otherwise set a proposal to approved, change what is
put to somebody for approval, name founders, or enter a basis, and the next sync would make an administrator
(decisions 3 and 5). An open proposal is signed too: who may decide it follows from what it says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Final
from weakref import WeakKeyDictionary

from sqlalchemy import Connection

from quanheng.engine.source_posts import BOOTSTRAP
from quanheng.identity.port import Keyring
from quanheng.ledger.entry import canonical_json, moment_text
from quanheng.model.finding import Finding
from quanheng.model.ids import KeycloakId, PersonId
from quanheng.model.person import (
    APPLICATION,
    Claim,
    GrantedBasis,
    Proposal,
    ProposalState,
    Withholding,
)
from quanheng.model.registry import Founder, Registry, Seat
from quanheng.operations.standing import Standing, read_standing
from quanheng.operations.trust_records import (
    forged,
    may_come_back,
    name_of,
    true_holds,
    true_requests,
    true_waivers,
)
from quanheng.store.meta import read_founders_signature
from quanheng.store.registry import read_part, read_registry

_DECISION: Final = "quanheng decision 1"
_FOUNDERS: Final = "quanheng founders 1"
_BASIS: Final = "quanheng basis 1"
_WITHHOLDING: Final = "quanheng withholding 1"
_APPLIED: Final = "quanheng application 1"
"""Keep these signatures apart from anything else the key may sign."""

_FORGED: Final = {
    ProposalState.OPEN: "待批事项 {key} 没有有效签名，不予承认；下次同步时将重新提出",
    ProposalState.APPROVED: "批准 {key} 没有有效签名，不予承认",
}

_VERIFIED: Final[WeakKeyDictionary[Keyring, set[tuple[bytes, bytes]]]] = WeakKeyDictionary()
"""Valid ones are remembered: the watcher asks for the same signatures every few seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """The registry with forged decisions taken back, and what is to be told of them."""

    registry: Registry
    findings: tuple[Finding, ...]


def read_trusted(connection: Connection, keyring: Keyring) -> Trusted:
    """Read the registry; what has no valid signature counts as not decided."""
    founders_signature = read_founders_signature(connection)
    return trust(read_registry(connection), keyring, founders_signature or "", read_standing(connection))


def read_trusted_part(
    connection: Connection,
    keyring: Keyring,
    users: Collection[KeycloakId],
    persons: Collection[PersonId] = (),
) -> Trusted:
    """The same for a few people; see :func:`quanheng.store.registry.read_part`.

    Of their holds the ledger is asked where one that is missing, or is not what it was, would have an account
    switched on: this is done every few seconds.
    """
    founders_signature = read_founders_signature(connection)
    part = read_part(connection, users, persons)
    standing = read_standing(connection, held=may_come_back(part))
    return trust(part, keyring, founders_signature or "", standing)


def trust(registry: Registry, keyring: Keyring, founders_signature: str, standing: Standing) -> Trusted:
    """Take back what is not signed, or no longer stands, and name it."""
    findings: list[Finding] = []
    proposals = dict(registry.proposals)
    for key, proposal in registry.proposals.items():
        signed = _as_signed(proposal)
        if signed is not None and not _holds(keyring, _message(signed), proposal.signature or ""):
            del proposals[key]
            findings.append(forged(proposal.subject, _FORGED[signed.state].format(key=key[:12])))
        elif (state := standing.state_of(proposal)) is not proposal.state:
            proposals[key] = replace(proposal, state=state)
            findings.append(forged(proposal.subject, f"事项 {key[:12]} 与台账的最后记载不符，以台账为准"))
    founders = registry.founders
    if founders and not _holds(keyring, founders_message(founders), founders_signature):
        founders = ()
        findings.append(forged("bootstrap", "首任管理员的任命没有有效签名，不予承认"))
    bases: list[GrantedBasis] = []
    for basis in registry.bases:
        if not _holds(keyring, _basis_message(basis), basis.signature):
            findings.append(forged(name_of(registry, basis.person), "授予依据没有有效签名，不予承认"))
        elif not standing.has_basis(basis):
            findings.append(forged(name_of(registry, basis.person), "授予依据依台账已终止，不予承认"))
        else:
            bases.append(basis)
    withholdings: dict[Seat, Withholding] = {}
    for item in registry.withholdings:
        if not _holds(keyring, _withholding_message(item), item.signature):
            findings.append(forged(name_of(registry, item.person), "收回记录没有有效签名，不予承认"))
        elif not standing.has_withholding(item):
            findings.append(forged(name_of(registry, item.person), "收回记录依台账已解除，不予承认"))
        else:
            withholdings[item.person, item.post, item.area] = item
    for seat, item in standing.withholdings().items():
        if item.person in registry.persons and seat not in withholdings:
            withholdings[seat] = item
            findings.append(forged(name_of(registry, item.person), "台账中的收回记录不见了，仍按收回处理"))
    claims = dict(registry.claims)
    for place, claim in registry.claims.items():
        if claim.source != APPLICATION:
            continue
        if not _holds(keyring, _claim_message(claim), claim.signature):
            del claims[place]
            findings.append(forged(name_of(registry, claim.person), "申请补全没有有效签名，不予承认"))
        elif not standing.has_application(claim.person):
            del claims[place]
            findings.append(forged(name_of(registry, claim.person), "申请补全依台账已终止，不予承认"))
    return Trusted(
        registry=replace(
            registry,
            claims=claims,
            proposals=proposals,
            founders=founders,
            bases=tuple(bases),
            holds=true_holds(registry, standing, findings),
            withholdings=tuple(withholdings.values()),
            waivers=true_waivers(registry, proposals, findings),
            requests=true_requests(registry, proposals, findings),
        ),
        findings=tuple(findings),
    )


def sign_claim(keyring: Keyring, claim: Claim) -> Claim:
    """Sign what an application says of somebody, when it was just decided."""
    return replace(claim, signature=keyring.sign(_claim_message(claim)).hex())


def sign_basis(keyring: Keyring, basis: GrantedBasis) -> GrantedBasis:
    """Sign a basis that was just decided."""
    return replace(basis, signature=keyring.sign(_basis_message(basis)).hex())


def sign_withholding(keyring: Keyring, item: Withholding) -> Withholding:
    """Sign a withholding that was just decided."""
    return replace(item, signature=keyring.sign(_withholding_message(item)).hex())


def sign_proposals(keyring: Keyring, proposals: Iterable[Proposal]) -> tuple[Proposal, ...]:
    """Sign those that are open or approved. Only for what was just made or decided, or follows from
    :func:`read_trusted`."""
    return tuple(
        replace(item, signature=keyring.sign(_message(item)).hex())
        if item.state in (ProposalState.OPEN, ProposalState.APPROVED)
        else item
        for item in proposals
    )


def founders_message(founders: Iterable[Founder]) -> bytes:
    """What is signed of the bootstrap."""
    rows = sorted([str(item.staff_no), str(item.post), str(item.area)] for item in founders)
    return canonical_json([_FOUNDERS, rows]).encode()


def _holds(keyring: Keyring, message: bytes, signature: str) -> bool:
    try:
        raw = bytes.fromhex(signature)
    except ValueError:
        return False
    return bool(raw) and _verify(keyring, message, raw)


def _verify(keyring: Keyring, message: bytes, signature: bytes) -> bool:
    known = _VERIFIED.setdefault(keyring, set())
    if (message, signature) in known:
        return True
    if not keyring.verify(message, signature):
        return False
    known.add((message, signature))
    return True


def _basis_message(basis: GrantedBasis) -> bytes:
    seat = [basis.person, basis.post, basis.area]
    parts = [_BASIS, *seat, str(basis.kind), basis.actor, moment_text(basis.at), basis.reason]
    return canonical_json(parts).encode()


def _withholding_message(item: Withholding) -> bytes:
    parts = [_WITHHOLDING, item.person, item.post, item.area, item.actor, moment_text(item.at), item.reason]
    return canonical_json(parts).encode()


def _claim_message(claim: Claim) -> bytes:
    """All that a claim of an application says: it has no post (decision 5). Since when no source bears it out
    is no part of it: the next sync sets it."""
    where = [claim.person, claim.org, claim.post, claim.employment, claim.status, claim.origin.locator]
    days = [str(day) for day in (claim.status_from, claim.status_to, claim.post_start)]
    return canonical_json([_APPLIED, *where, *days, claim.quarantined]).encode()


def _as_signed(proposal: Proposal) -> Proposal | None:
    """The proposal as it must have been signed, or None where nothing is believed that needs it.

    A withdrawn one was approved before when somebody had decided it, and still tells who was made what. To
    reject or withdraw a proposal gives nobody anything.
    """
    match proposal.state:
        case ProposalState.OPEN | ProposalState.APPROVED:
            return proposal
        case ProposalState.WITHDRAWN if proposal.decided_by is not None or proposal.proposer == BOOTSTRAP:
            return replace(proposal, state=ProposalState.APPROVED)
        case _:
            return None


def _message(proposal: Proposal) -> bytes:
    """Everything that a decision is about; while it is open also the words that whoever decides reads."""
    moment = None if proposal.decided_at is None else moment_text(proposal.decided_at)
    parts = [
        _DECISION,
        proposal.key,
        str(proposal.kind),
        proposal.subject,
        proposal.area,
        proposal.post,
        proposal.proposer,
        str(proposal.state),
        proposal.decided_by,
        moment,
    ]
    if proposal.state is ProposalState.OPEN:
        parts.append(proposal.summary)
    return canonical_json(parts).encode()
