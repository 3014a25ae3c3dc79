"""Whether a decision in the store was really made: it is signed with the ledger key.

Whoever can write to the store, but has no keys, could otherwise set a proposal to approved, or name
founders, and the next sync would make an administrator (decision 5).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection

from quanheng.identity.port import Keyring
from quanheng.ledger.entry import canonical_json, moment_text
from quanheng.model.finding import Finding, FindingKind
from quanheng.model.person import Proposal, ProposalState
from quanheng.model.registry import Founder, Registry
from quanheng.store.meta import read_founders_signature
from quanheng.store.registry import read_registry

_DECISION: Final = "quanheng decision 1"
_FOUNDERS: Final = "quanheng founders 1"
"""Keep these signatures apart from anything else the key may sign."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """The registry with forged decisions taken back, and what is to be told of them."""

    registry: Registry
    findings: tuple[Finding, ...]


def read_trusted(connection: Connection, keyring: Keyring) -> Trusted:
    """Read the registry; an approval without a valid signature counts as not given."""
    registry = read_registry(connection)
    proposals = dict(registry.proposals)
    findings: list[Finding] = []
    for key, proposal in registry.proposals.items():
        if proposal.state is ProposalState.APPROVED and not _is_signed(keyring, proposal):
            proposals[key] = replace(proposal, state=ProposalState.OPEN)
            findings.append(_forged(proposal.subject, f"批准 {key[:12]} 没有有效签名，不予承认"))
    founders = registry.founders
    signature = read_founders_signature(connection)
    if founders and not (signature and keyring.verify(founders_message(founders), bytes.fromhex(signature))):
        founders = ()
        findings.append(_forged("bootstrap", "首任管理员的任命没有有效签名，不予承认"))
    return Trusted(
        registry=replace(registry, proposals=proposals, founders=founders), findings=tuple(findings)
    )


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


def _is_signed(keyring: Keyring, proposal: Proposal) -> bool:
    try:
        signature = bytes.fromhex(proposal.signature or "")
    except ValueError:
        return False
    return bool(signature) and keyring.verify(_message(proposal), signature)


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
