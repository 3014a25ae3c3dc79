"""Waivers as they stand: which are open, in force, ended; and their ends in the ledger."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, select

from quanheng.clock import day_in_china
from quanheng.model.ids import OrgCode, PersonId, RoleName, Username
from quanheng.model.person import Proposal, ProposalState, Waiver
from quanheng.model.registry import Registry
from quanheng.operations.context import Context
from quanheng.operations.noting import note
from quanheng.operations.trust import read_trusted_part
from quanheng.policy.contents import Pack
from quanheng.policy.rules import CompiledRules
from quanheng.policy.schema import Exclusion, Maximum
from quanheng.store import tables

_ENDED: Final = "waiver_ended"


class WaiverState(StrEnum):
    """How a waiver stands today."""

    OPEN = "open"
    IN_FORCE = "in_force"
    REJECTED = "rejected"
    ENDED = "ended"
    LAPSED = "lapsed"
    """Nobody decided before its last day was over."""
    VOID = "void"
    """The pack no longer has the rule, or no longer lets it be waived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverLine:
    """A waiver with what became of it."""

    waiver: Waiver
    username: Username | None
    """None when the person is no longer in the registry."""
    label: str
    article: str
    state: WaiverState
    area: OrgCode | None
    asked_by: str
    decided_by: Username | None


def read_waivers(context: Context) -> tuple[WaiverLine, ...]:
    """Every waiver that was ever asked for, with its state today; the last to end comes first."""
    _ = context.keyring  # opened before the transaction: it may need one of its own
    with context.database.reading() as connection:
        registry = read_waived(connection, context)
    return tuple(waiver_lines(context, registry))


def waiver_lines(context: Context, registry: Registry) -> list[WaiverLine]:
    """The waivers of a trusted registry, with their states today."""
    today = day_in_china(context.clock())
    rules = {rule.id: rule for rule in vetoed(context.pack)}
    lines = []
    for waiver in registry.waivers:
        rule, proposal = rules.get(waiver.rule), registry.proposals.get(waiver.key)
        person = registry.persons.get(waiver.person)
        lines.append(
            WaiverLine(
                waiver=waiver,
                username=person.username if person is not None else None,
                label=rule.label if rule is not None else "",
                article=rule.article if rule is not None else "",
                state=_state(waiver, proposal, rule, today),
                area=proposal.area if proposal is not None else None,
                asked_by=proposal.proposer.removeprefix("realm:") if proposal is not None else "",
                decided_by=proposal.decided_by if proposal is not None else None,
            )
        )
    return sorted(lines, key=lambda line: (line.waiver.until, line.waiver.key), reverse=True)


def note_ended_waivers(context: Context, connection: Connection) -> int:
    """Write into the ledger which approved waivers have ended, each once; within the caller's transaction.

    For every sync, under its lease. That they no longer count needs nobody: their day is over.
    """
    table = tables.ledger
    query = select(table.c.body).where(table.c.kind == _ENDED)
    told = {str(json.loads(body)["key"]) for body in connection.execute(query).scalars()}
    ended = [
        line
        for line in waiver_lines(context, read_waived(connection, context))
        if line.state is WaiverState.ENDED and line.waiver.key not in told
    ]
    for line in ended:
        note(
            context,
            connection,
            _ENDED,
            {
                "key": line.waiver.key,
                "user": str(line.username or line.waiver.person),
                "rule": line.waiver.rule,
                "until": line.waiver.until.isoformat(),
            },
        )
    return len(ended)


def concerns_administrators(pack: Pack, rules: CompiledRules, rule_id: str) -> bool:
    """Whether a rule is about posts of administrators: the level above decides on its waivers."""
    roles = {RoleName(post.role) for post in pack.posts.posts if post.kind == "administrator"}
    named: frozenset[RoleName] = frozenset()
    for rule in rules.vetoing:
        if rule.source == rule_id:
            named |= rule.roles
    return not roles.isdisjoint(named)


def vetoed(pack: Pack) -> tuple[Exclusion | Maximum, ...]:
    """Every rule of a pack that is vetoed, and might be waived."""
    return (*pack.rules.exclusions, *pack.rules.maxima)


def read_waived(connection: Connection, context: Context) -> Registry:
    """What is known, and trusted, of everybody for whom a waiver was ever asked."""
    persons = connection.execute(select(tables.waiver.c.person_id).distinct()).scalars()
    return read_trusted_part(connection, context.keyring, (), [PersonId(item) for item in persons]).registry


def _state(
    waiver: Waiver, proposal: Proposal | None, rule: Exclusion | Maximum | None, today: date
) -> WaiverState:
    if proposal is not None and proposal.state is ProposalState.REJECTED:
        return WaiverState.REJECTED
    approved = proposal is not None and proposal.state is ProposalState.APPROVED
    if waiver.until < today:
        return WaiverState.ENDED if approved else WaiverState.LAPSED
    if rule is None or not rule.waivable:
        return WaiverState.VOID
    return WaiverState.IN_FORCE if approved else WaiverState.OPEN
