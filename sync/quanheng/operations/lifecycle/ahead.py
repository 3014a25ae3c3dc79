"""What the next days bring, and why: read from the store alone, and nothing is changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from quanheng.engine.safety import Excess
from quanheng.lifecycle.feed import Position
from quanheng.lifecycle.terms import TermState
from quanheng.operations.context import Context
from quanheng.operations.glass.accounts import read_glass
from quanheng.operations.lifecycle.daily import read_done
from quanheng.operations.lifecycle.lateness import Overdue, read_waiting
from quanheng.operations.lifecycle.locking import find_due, split_day
from quanheng.operations.lifecycle.tenure import TenureLine, read_tenures
from quanheng.operations.lifecycle.terms import TermLine, read_terms
from quanheng.operations.lifecycle.unused import Unused, find_unused
from quanheng.store.login_position import read_position, read_problem
from quanheng.store.logins import Gap, read_gaps


@dataclass(frozen=True, slots=True, kw_only=True)
class Outsider:
    """An account that is nobody's, and why no rule locks it."""

    username: str
    kind: str
    """``break_glass`` or ``service_account``."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """What is due, what is near, and what is kept from it."""

    done: date | None
    """The last day that was done."""
    position: Position | None
    problem: str
    """Why nobody is locked, by the last reading of login events."""
    gaps: Sequence[Gap]
    locks: tuple[Unused, ...]
    """Due now, and within what one day may do."""
    asked: tuple[Unused, ...]
    """Due now, and too many: a second person looks."""
    excess: tuple[Excess, ...]
    near: tuple[Unused, ...]
    """To be announced, or announced already."""
    exempt: tuple[Unused, ...]
    outsiders: tuple[Outsider, ...]
    terms: tuple[TermLine, ...]
    """Accounts that are for a time and near their end, past it, or without one."""
    tenures: tuple[TenureLine, ...]
    """Who is near the end of a high-risk post's years, or past it."""
    waiting: tuple[Overdue, ...]
    """What follows from leavers and absences, and waits for a second person."""


def look_ahead(context: Context) -> Ahead:
    """What the day's work would find now."""
    now = context.clock()
    found = find_unused(context)
    with context.database.reading() as connection:
        gaps = read_gaps(connection)
        position, problem = read_position(connection), read_problem(connection)
    by_person = {item.person.id: item for item in found}
    split = split_day(context, [item.verdict for item in find_due(context)])
    inactivity = context.pack.lifecycle.inactivity
    days = inactivity.notices_days if inactivity is not None else ()
    return Ahead(
        done=read_done(context),
        position=position,
        problem=problem,
        gaps=gaps,
        locks=tuple(by_person[item.person] for item in split.now),
        asked=tuple(by_person[item.person] for item in split.asked),
        excess=split.excess,
        near=tuple(item for item in found if item.verdict.notice(now, days) is not None),
        exempt=tuple(item for item in found if item.verdict.exempt is not None),
        outsiders=_outsiders(context),
        terms=tuple(item for item in read_terms(context) if item.state is not TermState.IN_FORCE),
        tenures=read_tenures(context),
        waiting=read_waiting(context),
    )


def _outsiders(context: Context) -> tuple[Outsider, ...]:
    """Accounts for emergencies and of programs: nobody's, so that no rule about people is theirs."""
    outside = context.pack.lifecycle.outside
    keycloak = context.settings.keycloak
    with context.database.reading() as connection:
        sealed = sorted(item.name for item in read_glass(context, connection) if item.id is not None)
    return (
        *(Outsider(username=str(name), kind="break_glass", reason=outside.break_glass) for name in sealed),
        *(
            Outsider(
                username=f"service-account-{client.client_id}",
                kind="service_account",
                reason=outside.service_account,
            )
            for client in (keycloak.sync, keycloak.configurator)
        ),
    )
