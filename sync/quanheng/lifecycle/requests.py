"""What people ask for accounts: which requests count, and what names one. Pure."""

from __future__ import annotations

from quanheng.engine.merge import proposal_key
from quanheng.model.person import AccountRequest, Hold, ProposalKind, ProposalState
from quanheng.model.registry import Registry


def request_key(request: AccountRequest) -> str:
    """The key that a request and the proposal about it must have: a digest of all that it says."""
    return proposal_key(
        ProposalKind.REQUEST,
        request.person,
        request.kind,
        request.reason,
        request.until.isoformat() if request.until is not None else "",
        request.about,
    )


def about_hold(hold: Hold) -> str:
    """What a request is about: this very hold, and no later one of its kind."""
    return f"{hold.kind}:{hold.since.isoformat()}:{hold.origin}"[:128]


def approved_requests(registry: Registry) -> tuple[AccountRequest, ...]:
    """Those that a second person approved."""
    return tuple(
        item
        for item in registry.requests
        if (proposal := registry.proposals.get(item.key)) is not None
        and proposal.state is ProposalState.APPROVED
    )
