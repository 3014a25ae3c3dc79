"""Requests that are there already for the account of a line: it is asked for once."""

from __future__ import annotations

from quanheng.lifecycle.review import ReviewItem
from quanheng.model.person import ProposalState, RequestKind
from quanheng.model.registry import Registry
from quanheng.operations.context import Context
from quanheng.operations.trust import read_trusted_part


def asked_before(context: Context, item: ReviewItem, reason: str) -> str:
    """Key of a request for 注销 that waits for this account, whoever asked, or that this very line made for
    this reason: a run that died may not have written down that it did. Empty without one."""
    persons = [item.person] if item.person is not None else []
    with context.database.reading() as connection:
        registry = read_trusted_part(connection, context.keyring, (), persons).registry
    return next(
        (
            request.key
            for request in registry.requests
            if request.person in persons
            and request.kind is RequestKind.DEREGISTER
            and (request.reason == reason or _is_open(registry, request.key))
        ),
        "",
    )


def _is_open(registry: Registry, key: str) -> bool:
    proposal = registry.proposals.get(key)
    return proposal is not None and proposal.state is ProposalState.OPEN
