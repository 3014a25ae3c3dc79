"""What people ask for accounts: unlock, unfreeze, restore, exempt, deregister (S8, S11, G19).

Asked by one administrator, decided by another (``quanheng approve``). A request is a proposal like any other;
its key is a digest of all that it says, the very hold that it is to lift among it, so nothing of it can be
changed under an approval. What an approval does is in :mod:`quanheng.operations.lifecycle.lifting`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from quanheng.clock import day_in_china
from quanheng.engine.calendar import add_months
from quanheng.engine.holds import is_deregistered, told_reason
from quanheng.errors import ConfigurationError, RefusedError
from quanheng.keycloak.login import AuthenticatedPerson
from quanheng.lifecycle.requests import about_hold, request_key
from quanheng.logs import redact_text
from quanheng.model.ids import PersonId, Username
from quanheng.model.person import (
    AccountRequest,
    Hold,
    HoldKind,
    PersonRecord,
    Proposal,
    ProposalKind,
    RequestKind,
)
from quanheng.operations.answering.looking import Subject, read_subject
from quanheng.operations.carrying_out import hold_lease
from quanheng.operations.context import Context
from quanheng.operations.lifecycle.deciders import belonging_of, who_may_ask
from quanheng.operations.lifecycle.lifting import require_another_at_the_top
from quanheng.operations.lifecycle.putting_terms import require_end
from quanheng.operations.noting import note
from quanheng.operations.offices_held import record_of, seats_of
from quanheng.operations.organisations import read_recoded, units_of
from quanheng.operations.standing import REQUESTED
from quanheng.operations.trust import read_trusted, sign_proposals
from quanheng.operations.waiving import require_clock
from quanheng.store import tables
from quanheng.store.database import upsert
from quanheng.store.registry import put_proposals
from quanheng.store.registry_rows import request_row
from quanheng.store.terms import read_noted_terms

LONGEST_MONTHS: Final = 12
"""How far ahead an exemption may end; after that somebody has to ask again."""
SHORTEST_TEXT: Final = 4
LONGEST_TEXT: Final = 500
REQUESTS: Final[Mapping[RequestKind, str]] = {
    RequestKind.UNLOCK: "解锁",
    RequestKind.UNFREEZE: "解冻",
    RequestKind.RESTORE: "恢复",
    RequestKind.EXEMPT: "免予锁定",
    RequestKind.DEREGISTER: "注销",
}
"""For staff."""
_ORDER: Final = "look at 'quanheng explain'"


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedRequest:
    """A request that may be made, not yet written down."""

    request: AccountRequest
    proposal: Proposal
    username: Username


def prepare_request(
    context: Context, who: str, kind: RequestKind, *, reason: str, until: date | None = None
) -> AskedRequest:
    """See whether something may be asked for an account. Writes nothing.

    ``who``: user name or staff number. ``until``: last day of an exemption, or the new end of an account
    whose time is over; None for everything else.

    Raises :class:`ConfigurationError` for a person who is not there and for a clock that is wrong,
    :class:`RefusedError` when there is nothing to lift, and for whatever else speaks against it.
    """
    require_reason(reason)
    subject = read_subject(context, who)
    person = subject.person
    if person is None or subject.desired is None:
        raise RefusedError(
            f"{subject.name} is not an account of a person from a source",
            remedy="a draft is completed with 'quanheng accounts complete'; other accounts are not ours",
        )
    if subject.user is None:
        raise RefusedError(f"{subject.name} has no account yet", remedy="run 'quanheng sync' first")
    hold = find_hold(subject.registry.holds, person.id, kind, until, subject.name)
    _require_until(context, subject, person, kind, until, hold)
    request = AccountRequest(
        key="",
        person=person.id,
        kind=kind,
        reason=reason.strip(),
        until=until,
        about=about_hold(hold) if hold is not None else "",
    )
    request = replace(request, key=request_key(request))
    _require_new(subject.registry.proposals.get(request.key))
    where = belonging_of(subject.registry, context.pack, subject.units, person.id, today=subject.today)
    proposal = Proposal(
        key=request.key,
        kind=ProposalKind.REQUEST,
        subject=str(person.staff_no),
        summary=_sentence(request, person, hold),
        area=where.area.code,
        post=None,
        origin=f"request:{kind}",
        proposer="",
    )
    return AskedRequest(request=request, proposal=proposal, username=person.username)


def ask_request(context: Context, asked: AskedRequest, person: AuthenticatedPerson) -> Proposal:
    """Write down that a person, who has proved who it is, asks for it. A second person decides.

    Raises :class:`RefusedError` for whoever is no administrator of that county or above, or is asking for
    itself; nobody need ask who is no longer on.
    """
    made = replace(asked.proposal, proposer=f"realm:{person.username}")
    # The keyring is opened before the transaction: it may need one of its own.
    (proposal,) = sign_proposals(context.keyring, [made])
    request, now = asked.request, context.clock()
    with hold_lease(context) as lease, context.database.transaction() as connection:
        lease.assert_held(connection)
        registry = read_trusted(connection, context.keyring).registry
        units = units_of(context, registry, read_recoded(context))
        asker = record_of(registry, person.username)
        if asker.id == request.person:
            raise RefusedError(
                f"{asker.username} may not ask for its own account",
                remedy="have another administrator of the county, or of the level above, ask",
            )
        where = belonging_of(registry, context.pack, units, request.person, today=day_in_china(now))
        entitled = who_may_ask(context.pack, units, where)
        if entitled.isdisjoint(seats_of(context, registry, units, person)):
            raise RefusedError(
                f"{asker.username} is no administrator of {where.area.code} {where.area.name} or above",
                remedy="have an administrator there ask",
            )
        if request.kind is RequestKind.DEREGISTER:
            require_another_at_the_top(context, registry, request.person)
        _require_new(registry.proposals.get(proposal.key))
        # The revision stays: what was only asked for changes no plan.
        upsert(connection, tables.account_request, [request_row(request)])
        put_proposals(connection, [proposal], now)
        note(
            context,
            connection,
            REQUESTED,
            {
                "key": request.key,
                "user": str(asked.username),
                "person": str(request.person),
                "request": request.kind,
                "reason": request.reason,
                "until": request.until.isoformat() if request.until is not None else None,
                "about": request.about,
                "asked_by": str(person.username),
            },
        )
    return proposal


def require_reason(reason: str) -> None:
    """Refuse a reason that says nothing, or too much. Raises :class:`RefusedError`."""
    if not SHORTEST_TEXT <= len(reason.strip()) <= LONGEST_TEXT:
        raise RefusedError(
            f"the reason has {SHORTEST_TEXT} to {LONGEST_TEXT} characters", remedy="say it with --reason"
        )
    if redact_text(reason) != reason:
        raise RefusedError(
            "the reason holds what looks like an ID number or a phone; the ledger must not",
            remedy="say it without the number",
        )


def find_hold(
    holds: Iterable[Hold], person: PersonId, kind: RequestKind, until: date | None, name: str
) -> Hold | None:
    """The hold that such a request is to lift; None for one that lifts nothing.

    Raises :class:`RefusedError` when there is none of its kind, or 注销 when it is there already.
    """
    mine = {hold.kind: hold for hold in holds if hold.person == person}
    left = mine.get(HoldKind.LEFT)
    deregistered = left if left is not None and is_deregistered([left]) else None
    if kind is RequestKind.EXEMPT:
        return None
    if kind is RequestKind.DEREGISTER:
        if deregistered is not None:
            raise RefusedError(f"{name} is deregistered already", remedy=_ORDER)
        return None
    if kind is RequestKind.UNLOCK:
        found = mine.get(HoldKind.INACTIVE)
    elif kind is RequestKind.UNFREEZE:
        found = mine.get(HoldKind.FROZEN)
    else:
        found = mine.get(HoldKind.EXPIRED) if until is not None else deregistered
        if found is None and until is None and HoldKind.EXPIRED in mine:
            raise RefusedError(
                f"the time of {name} is over", remedy="name its new last day with --until YYYY-MM-DD"
            )
    if found is None:
        others = "、".join(sorted({f"“{told_reason([hold])}”" for hold in mine.values()}))
        off = f"; it is off for {others}" if others else ""
        raise RefusedError(
            f"there is nothing of {name} to lift by this request{off}",
            remedy="'unlock' is for accounts nobody logged in to, 'unfreeze' for frozen ones, "
            "'accounts restore' for those that were deregistered or have ended; what a source says "
            f"ends in the source; {_ORDER}",
        )
    return found


def _require_until(
    context: Context,
    subject: Subject,
    person: PersonRecord,
    kind: RequestKind,
    until: date | None,
    hold: Hold | None,
) -> None:
    if kind is RequestKind.EXEMPT:
        if context.pack.lifecycle.inactivity is None:
            raise RefusedError("the packs lock nobody for not logging in", remedy="nothing is to be exempted")
        if until is None:
            raise ConfigurationError("an exemption has a last day", remedy="name it with --until YYYY-MM-DD")
        require_clock(context)
        _require_exemption_end(until, subject.today)
    elif hold is not None and hold.kind is HoldKind.EXPIRED and until is not None:
        require_clock(context)
        require_end(context, until)
        with context.database.reading() as connection:
            term = read_noted_terms(connection).get(person.id)
        if term is None:
            raise RefusedError(
                f"{subject.name} has no owner yet, and never had an end",
                remedy="give it both with 'quanheng accounts term'",
            )
    elif until is not None:
        raise ConfigurationError("--until does not go with this request", remedy="leave it out")


def _require_exemption_end(until: date, today: date) -> None:
    latest = add_months(today, LONGEST_MONTHS)
    if until < today:
        raise RefusedError(f"{until.isoformat()} is past", remedy="name the last day on which it counts")
    if until > latest:
        raise RefusedError(
            f"{until.isoformat()} is more than {LONGEST_MONTHS} months ahead",
            remedy=f"end it on {latest.isoformat()} or before",
        )


def _require_new(known: Proposal | None) -> None:
    if known is not None:
        raise RefusedError(
            f"this very request was made before and is {known.state}",
            remedy=f"look at 'quanheng proposals --all' ({known.key[:12]}); ask with another reason",
        )


def _sentence(request: AccountRequest, person: PersonRecord, hold: Hold | None) -> str:
    """What is asked, for whoever decides. An investigation is never what is lifted here."""
    about = f"（{hold.reason}，{hold.since.isoformat()} 起）" if hold is not None else ""
    until = f"，至 {request.until.isoformat()}" if request.until is not None else ""
    return (
        f"{REQUESTS[request.kind]}账号 {person.username}（人员编号 {person.staff_no}）{about}{until}；"
        f"事由：{request.reason}"
    )
