"""Waivers: which of them count today. Pure."""

from __future__ import annotations

from datetime import date

from quanheng.engine.merge import proposal_key
from quanheng.model.person import ProposalKind, ProposalState, Waiver
from quanheng.model.registry import Registry
from quanheng.policy.rules import WaiverInForce


def waiver_key(waiver: Waiver) -> str:
    """The key that a waiver and the proposal about it must have: a digest of all that it says."""
    return proposal_key(
        ProposalKind.WAIVER,
        waiver.person,
        waiver.rule,
        waiver.until.isoformat(),
        waiver.reason,
        waiver.control,
    )


def waivers_in_force(registry: Registry, *, today: date) -> tuple[WaiverInForce, ...]:
    """Waivers that a second person approved and that have not ended, for people who have an account."""
    found = []
    for waiver in registry.waivers:
        proposal = registry.proposals.get(waiver.key)
        account = registry.accounts.get(waiver.person)
        approved = proposal is not None and proposal.state is ProposalState.APPROVED
        if approved and account is not None and waiver.until >= today:
            found.append(WaiverInForce(user=account.keycloak_id, rule=waiver.rule, until=waiver.until))
    return tuple(found)
