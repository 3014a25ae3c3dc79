"""Whether a decision in the store was really made: it is signed with the ledger key.

Whoever can write to the store, but has no keys, could otherwise set a proposal to approved, name founders,
or enter a basis, and the next sync would make an administrator (decisions 3 and 5).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Final
from weakref import WeakKeyDictionary

from sqlalchemy import Connection

from quanheng.engine.waivers import waiver_key
from quanheng.identity.port import Keyring
from quanheng.ledger.entry import canonical_json, moment_text
from quanheng.model.finding import Finding, FindingKind
from quanheng.model.ids import KeycloakId, PersonId
from quanheng.model.person import (
    GrantedBasis,
    Proposal,
    ProposalKind,
    ProposalState,
    Waiver,
    Withholding,
)
from quanheng.model.registry import Founder, Registry
from quanheng.store.meta import read_founders_signature
from quanheng.store.registry import read_part, read_registry

_DECISION: Final = "quanheng decision 1"
_FOUNDERS: Final = "quanheng founders 1"
_BASIS: Final = "quanheng basis 1"
_WITHHOLDING: Final = "quanheng withholding 1"
"""Keep these signatures apart from anything else the key may sign."""

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
    return trust(read_registry(connection), keyring, founders_signature or "")


def read_trusted_part(
    connection: Connection,
    keyring: Keyring,
    users: Collection[KeycloakId],
    persons: Collection[PersonId] = (),
) -> Trusted:
    """The same for a few people; see :func:`quanheng.store.registry.read_part`."""
    founders_signature = read_founders_signature(connection)
    return trust(read_part(connection, users, persons), keyring, founders_signature or "")


def trust(registry: Registry, keyring: Keyring, founders_signature: str) -> Trusted:
    """Take back what is not signed, and name it."""
    findings: list[Finding] = []
    proposals = dict(registry.proposals)
    for key, proposal in registry.proposals.items():
        if proposal.state is ProposalState.APPROVED and not _holds(
            keyring, _message(proposal), proposal.signature or ""
        ):
            proposals[key] = replace(proposal, state=ProposalState.OPEN)
            findings.append(_forged(proposal.subject, f"批准 {key[:12]} 没有有效签名，不予承认"))
    founders = registry.founders
    if founders and not _holds(keyring, founders_message(founders), founders_signature):
        founders = ()
        findings.append(_forged("bootstrap", "首任管理员的任命没有有效签名，不予承认"))
    bases: list[GrantedBasis] = []
    for basis in registry.bases:
        if _holds(keyring, _basis_message(basis), basis.signature):
            bases.append(basis)
        else:
            findings.append(_forged(_username(registry, basis.person), "授予依据没有有效签名，不予承认"))
    withholdings: list[Withholding] = []
    for item in registry.withholdings:
        if _holds(keyring, _withholding_message(item), item.signature):
            withholdings.append(item)
        else:
            findings.append(_forged(_username(registry, item.person), "收回记录没有有效签名，不予承认"))
    waivers: list[Waiver] = []
    for waiver in registry.waivers:
        # A waiver's key says all of it, and the approval of that key is signed.
        found = proposals.get(waiver.key)
        if found is not None and found.kind is ProposalKind.WAIVER and waiver.key == waiver_key(waiver):
            waivers.append(waiver)
        else:
            findings.append(_forged(_username(registry, waiver.person), "豁免与其申请不符，不予承认"))
    return Trusted(
        registry=replace(
            registry,
            proposals=proposals,
            founders=founders,
            bases=tuple(bases),
            withholdings=tuple(withholdings),
            waivers=tuple(waivers),
        ),
        findings=tuple(findings),
    )


def sign_basis(keyring: Keyring, basis: GrantedBasis) -> GrantedBasis:
    """Sign a basis that was just decided."""
    return replace(basis, signature=keyring.sign(_basis_message(basis)).hex())


def sign_withholding(keyring: Keyring, item: Withholding) -> Withholding:
    """Sign a withholding that was just decided."""
    return replace(item, signature=keyring.sign(_withholding_message(item)).hex())


def sign_approvals(keyring: Keyring, proposals: Iterable[Proposal]) -> tuple[Proposal, ...]:
    """Sign those that are approved. Only for what was just decided, or follows from :func:`read_trusted`."""
    return tuple(
        replace(item, signature=keyring.sign(_message(item)).hex())
        if item.state is ProposalState.APPROVED
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


def _username(registry: Registry, person: PersonId) -> str:
    known = registry.persons.get(person)
    return str(person) if known is None else str(known.username)


def _basis_message(basis: GrantedBasis) -> bytes:
    seat = [basis.person, basis.post, basis.area]
    parts = [_BASIS, *seat, str(basis.kind), basis.actor, moment_text(basis.at), basis.reason]
    return canonical_json(parts).encode()


def _withholding_message(item: Withholding) -> bytes:
    parts = [_WITHHOLDING, item.person, item.post, item.area, item.actor, moment_text(item.at), item.reason]
    return canonical_json(parts).encode()


def _message(proposal: Proposal) -> bytes:
    """Everything that a decision is about. The summary is for reading and may be worded anew."""
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
    return canonical_json(parts).encode()


def _forged(subject: str, detail: str) -> Finding:
    return Finding(kind=FindingKind.FORGED_DECISION, subject=subject, detail=detail, violation=True)
