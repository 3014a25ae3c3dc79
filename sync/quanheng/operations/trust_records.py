"""Which holds, waivers and requests of the store are those that were put and asked for. Pure.

A part of :mod:`quanheng.operations.trust`, which says why.
"""

from __future__ import annotations

from collections.abc import Mapping

from quanheng.engine.adopt import CONSOLE
from quanheng.engine.waivers import waiver_key
from quanheng.lifecycle.requests import request_key
from quanheng.model.finding import Finding, FindingKind
from quanheng.model.ids import PersonId
from quanheng.model.person import AccountRequest, Hold, HoldKind, Proposal, ProposalKind, Waiver
from quanheng.model.registry import Registry
from quanheng.operations.standing import Standing


def may_come_back(registry: Registry) -> frozenset[PersonId]:
    """Whose accounts are off without a stored hold, or with one that the console lifts."""
    firm = {hold.person for hold in registry.holds if hold.origin != CONSOLE}
    on = {person for person, account in registry.accounts.items() if account.enabled_written}
    lenient = {hold.person for hold in registry.holds} - firm
    return frozenset((registry.persons.keys() - firm - on) | lenient)


def true_holds(registry: Registry, standing: Standing, findings: list[Finding]) -> tuple[Hold, ...]:
    """Holds as they were put: one that vanished stands, and one that was changed is what it was."""
    holds: dict[tuple[PersonId, HoldKind], Hold] = {}
    for hold in registry.holds:
        true = standing.differs(hold)
        holds[hold.person, hold.kind] = true or hold
        if true is not None:
            findings.append(forged(name_of(registry, hold.person), "停用原因与台账的记载不符，以台账为准"))
    for place, hold in standing.holds.items():
        if hold.person in registry.persons and place not in holds:
            holds[place] = hold
            findings.append(forged(name_of(registry, hold.person), "台账中的停用原因不见了，仍按停用处理"))
    return tuple(holds.values())


def true_waivers(
    registry: Registry, proposals: Mapping[str, Proposal], findings: list[Finding]
) -> tuple[Waiver, ...]:
    """Those of which nothing was changed since they were asked for."""
    waivers: list[Waiver] = []
    for waiver in registry.waivers:
        # A waiver's key says all of it, and the approval of that key is signed.
        found = proposals.get(waiver.key)
        if found is not None and found.kind is ProposalKind.WAIVER and waiver.key == waiver_key(waiver):
            waivers.append(waiver)
        else:
            findings.append(forged(name_of(registry, waiver.person), "豁免与其申请不符，不予承认"))
    return tuple(waivers)


def true_requests(
    registry: Registry, proposals: Mapping[str, Proposal], findings: list[Finding]
) -> tuple[AccountRequest, ...]:
    """As with waivers: the key says all of it, and the approval of that key is signed."""
    requests: list[AccountRequest] = []
    for request in registry.requests:
        found = proposals.get(request.key)
        if found is not None and found.kind is ProposalKind.REQUEST and request.key == request_key(request):
            requests.append(request)
        else:
            findings.append(forged(name_of(registry, request.person), "账号申请与其提案不符，不予承认"))
    return tuple(requests)


def forged(subject: str, detail: str) -> Finding:
    """What is told of something in the store that nobody decided."""
    return Finding(kind=FindingKind.FORGED_DECISION, subject=subject, detail=detail, violation=True)


def name_of(registry: Registry, person: PersonId) -> str:
    """The user name, or the id of somebody who is not in the registry."""
    known = registry.persons.get(person)
    return str(person) if known is None else str(known.username)
