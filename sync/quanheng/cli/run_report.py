"""What ``plan``, ``apply`` and ``sync`` report, as values; ``run_tables`` prints it for people."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from quanheng.engine.plan import Plan
from quanheng.engine.steps import Result
from quanheng.model.change import Change, ChangeKind
from quanheng.model.finding import Finding
from quanheng.model.person import Proposal, ProposalKind, ProposalState
from quanheng.operations.approve import read_proposals
from quanheng.operations.context import Context
from quanheng.operations.planning import Planned
from quanheng.operations.synchronise import Synchronised
from quanheng.store.quarantine import count_by_reason

SHOWN_CHANGES = 20
"""Changes that a person sees of a long plan; JSON has all."""


def planned_report(context: Context, planned: Planned, *, seconds: float) -> dict[str, Any]:
    """Report of ``quanheng plan``."""
    plan = planned.plan
    people = _people(plan.changes)
    return {
        **_head(plan),
        **_counts(plan.changes, people, unchanged=len(set(planned.registry.accounts) - _touched(plan))),
        **_waiting(context, plan.delta.proposals),
        "seconds": round(seconds, 3),
        "change_list": [change_payload(change) for change in plan.changes],
        **_tail(plan),
    }


def synchronised_report(context: Context, done: Synchronised, *, seconds: float) -> dict[str, Any]:
    """Report of ``quanheng sync`` and ``quanheng apply``."""
    plan = done.plan
    refused = {result.step for result in done.outcome.refused}
    changes = [change for step, change in enumerate(plan.changes) if step not in refused]
    counts = _counts(changes, _people(changes), unchanged=done.unchanged)
    people = counts["created"] + counts["changed"] + counts["unchanged"]
    return {
        **_head(plan),
        **counts,
        **_waiting(context, ()),
        "recovered": done.recovered,
        "seconds": round(seconds, 3),
        "people_per_second": round(people / seconds, 1) if seconds else 0.0,
        "refused": [_refusal(result) for result in done.outcome.refused],
        "permissions": {
            "changes": len(done.delegated.changes),
            "foreign": list(done.delegated.foreign),
            "outdated": done.delegated.outdated,
        },
        **_tail(plan),
    }


def change_payload(change: Change) -> dict[str, Any]:
    """A change without what only its write needs: names and federated subjects stay out."""
    return {
        "kind": str(change.kind),
        "subject": change.subject,
        "reason": change.reason,
        "origin": change.origin,
        "article": change.article,
        "detail": dict(change.detail),
    }


def finding_payload(finding: Finding) -> dict[str, Any]:
    """A finding."""
    return {
        "kind": str(finding.kind),
        "subject": finding.subject,
        "detail": finding.detail,
        "violation": finding.violation,
    }


def exit_code(report: Mapping[str, Any]) -> int:
    """3 when a source was not accepted, else 1 when Keycloak refused single steps, else 0."""
    if not all(source["accepted"] for source in report["sources"]):
        return 3
    return 1 if report.get("refused") else 0


def _head(plan: Plan) -> dict[str, Any]:
    return {"realm": plan.realm, "digest": plan.digest}


def _counts(changes: Sequence[Change], people: Collection[str], *, unchanged: int) -> dict[str, Any]:
    created = {change.subject for change in changes if change.kind is ChangeKind.CREATE}
    return {
        "changes": len(changes),
        "created": len(created),
        "changed": len(set(people) - created),
        "unchanged": unchanged,
        "groups": len({change.subject for change in changes if _is_group(change)}),
    }


def _waiting(context: Context, proposed: Sequence[Proposal]) -> dict[str, Any]:
    """What waits for people. ``proposed``: by a plan that is not carried out yet."""
    with context.database.reading() as connection:
        reasons = count_by_reason(connection)
    by_key = {item.key: item for item in (*read_proposals(context), *proposed)}
    waiting = [
        item
        for item in by_key.values()
        if item.state is ProposalState.OPEN and item.kind is not ProposalKind.UNSAFE_PLAN
    ]
    return {
        "proposals": len(waiting),
        "quarantined": sum(reasons.values()),
        "quarantine": {str(reason): count for reason, count in sorted(reasons.items())},
    }


def _tail(plan: Plan) -> dict[str, Any]:
    return {
        "counts": plan.counts(),
        "excess": [
            {
                "name": item.name,
                "count": item.count,
                "allowed": item.allowed,
                "population": item.population,
            }
            for item in plan.excess
        ],
        "sources": [
            {
                "source": item.source,
                "accepted": item.accepted,
                "message": item.message,
                "people": item.people,
                "rows": item.rows,
                "rejected": dict(item.rejected),
                "notes": list(item.notes),
            }
            for item in plan.sources
        ],
        "findings": [finding_payload(finding) for finding in plan.findings],
    }


def _refusal(result: Result) -> dict[str, Any]:
    return {**change_payload(result.change), "step": result.step, "refusal": result.refusal}


def _people(changes: Sequence[Change]) -> set[str]:
    return {change.subject for change in changes if not _is_group(change)}


def _touched(plan: Plan) -> set[Any]:
    return {change.person for change in plan.changes}


def _is_group(change: Change) -> bool:
    return change.kind.value.startswith("group_")
