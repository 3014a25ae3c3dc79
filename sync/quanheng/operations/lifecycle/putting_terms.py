"""An account gets its end and its owner, by an administrator with charge of it (J18, J21).

What has ended is given back by a second person (``quanheng accounts restore``); until then one is enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from quanheng.clock import day_in_china
from quanheng.errors import RefusedError
from quanheng.keycloak.login import AuthenticatedPerson
from quanheng.lifecycle.last_one import top_offices
from quanheng.lifecycle.terms import ORIGIN, is_past, latest_end, needs_term
from quanheng.logs import redact_text
from quanheng.model.ids import KeycloakId, PersonId, PostId, Username
from quanheng.model.person import HoldKind, Term, TermKind
from quanheng.operations.answering.looking import Subject, read_subject
from quanheng.operations.carrying_out import hold_lease, recover
from quanheng.operations.context import Context
from quanheng.operations.keepers import Place, require_keeper
from quanheng.operations.lifecycle.ending import lift_hold
from quanheng.operations.lifecycle.term_facts import read_known
from quanheng.operations.lifecycle.terms import put_term
from quanheng.operations.refresh import refresh_mirror
from quanheng.operations.waiving import require_clock
from quanheng.operations.watching.repairing import repair
from quanheng.store.terms import read_noted_terms
from quanheng.store.watching import ToJudge

SHORTEST_TEXT: Final = 4
LONGEST_TEXT: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedTerm:
    """An end that may be put, not yet written down."""

    term: Term
    username: Username
    owner: Username
    user: KeycloakId
    before: Term | None
    """What the account had."""
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class PutTerm:
    """What became of it."""

    term: Term
    by: Username
    lifted: bool
    """Whether the account had been off for want of an end, and is held for that no longer."""
    enabled: bool


def require_end(context: Context, until: date) -> None:
    """Refuse an end in the past, or further ahead than the pack lets it be put today.

    Raises :class:`RefusedError` that names the latest day.
    """
    today = day_in_china(context.clock())
    latest = latest_end(context.pack, today)
    if until < today:
        raise RefusedError(f"{until.isoformat()} is past", remedy="name the last day of the account")
    if until > latest:
        raise RefusedError(
            f"{until.isoformat()} is too far ahead for an account that is for a time",
            remedy=f"end it on {latest.isoformat()} or before; it can be extended later",
        )


def prepare_term(
    context: Context, who: str, *, owner: str, until: date, purpose: str, test: bool = False
) -> PreparedTerm:
    """See whether an account may get this end and owner. Writes nothing.

    ``test``: it is a test account, which goes at acceptance; one that is, stays one.

    Raises :class:`ConfigurationError` for people who are not there and a clock that is wrong,
    :class:`RefusedError` for whatever else speaks against it.
    """
    require_clock(context)
    require_end(context, until)
    _require_purpose(purpose)
    subject = read_subject(context, who)
    person, user = subject.person, subject.user
    if person is None or subject.desired is None or user is None:
        raise RefusedError(
            f"{subject.name} is not an account of a person from a source",
            remedy="name somebody whom a source names and who has an account; see 'quanheng explain'",
        )
    if any(hold.kind is HoldKind.LEFT for hold in subject.desired.holds):
        raise RefusedError(f"{subject.name} has left", remedy="nothing is to be put")
    if subject.area is None:
        raise RefusedError(
            f"the sources do not have {subject.name} in one county, city or province",
            remedy="clarify where the person works first",
        )
    _require_below_the_top(context, subject)
    _ = context.keyring  # opened before the transaction: it may need one of its own
    with context.database.reading() as connection:
        noted = read_noted_terms(connection)
    before = noted.get(person.id)
    _require_not_over(context, subject, before)
    answerable = _find_owner(context, owner, subject, noted)
    kind = (
        TermKind.TEST if test or (before is not None and before.kind is TermKind.TEST) else TermKind.TEMPORARY
    )
    return PreparedTerm(
        term=Term(person=person.id, kind=kind, owner=answerable[0], until=until, purpose=purpose.strip()),
        username=person.username,
        owner=answerable[1],
        user=user.id,
        before=before,
        place=Place(
            unit=subject.placed[0][1].code,
            administrator=any(
                context.pack.post_by_id[post].kind == "administrator" for post in _posts(subject)
            ),
        ),
    )


def put_prepared(context: Context, prepared: PreparedTerm, person: AuthenticatedPerson) -> PutTerm:
    """Write the end down, as a person who has proved who it is.

    An account that was off only for want of an end comes back at once, if nothing else holds it. Raises
    :class:`RefusedError` when it is not this person's to do, or something has changed since it was prepared.
    """
    term = prepared.term
    users = frozenset({prepared.user})
    with hold_lease(context) as lease:
        recover(context, lease)
        refresh_mirror(context, lease)
        with context.database.transaction() as connection:
            lease.assert_held(connection)
            by = require_keeper(context, connection, person, {term.person: prepared.place}).person
            known = read_known(context, connection).find(term.person)
            before = known.facts.term if known is not None else None
            hold = known.facts.hold if known is not None else None
            if before != prepared.before or (before is not None and hold is not None):
                raise RefusedError(
                    f"the end of {prepared.username} was changed a moment ago",
                    remedy="look at 'quanheng accounts temporary', then ask again",
                )
            put_term(context, connection, term, by=str(by.username))
            lifted = hold is not None and hold.origin == ORIGIN
            if hold is not None and lifted:
                lift_hold(context, connection, hold)
        if lifted:
            repair(context, lease, ToJudge(users=users))
    user = context.realm.read_user(prepared.user)
    return PutTerm(term=term, by=by.username, lifted=lifted, enabled=user is not None and user.enabled)


def _require_purpose(text: str) -> None:
    if not SHORTEST_TEXT <= len(text.strip()) <= LONGEST_TEXT:
        raise RefusedError(
            f"the purpose of an account has {SHORTEST_TEXT} to {LONGEST_TEXT} characters",
            remedy="say it with --purpose",
        )
    if redact_text(text) != text:
        raise RefusedError(
            "the purpose holds what looks like an ID number or a phone; the ledger must not",
            remedy="say it without the number",
        )


def _posts(subject: Subject) -> frozenset[PostId]:
    return frozenset(basis.post for basis in subject.desired.bases) if subject.desired else frozenset()


def _require_below_the_top(context: Context, subject: Subject) -> None:
    person = subject.person
    if person is not None and top_offices(subject.registry, context.pack, _posts(subject), person.id):
        raise RefusedError(
            f"{subject.name} is an administrator of the topmost area, whose account ends by nothing",
            remedy="have the office taken away first",
        )


def _require_not_over(context: Context, subject: Subject, before: Term | None) -> None:
    """What has ended is not extended: a second person gives it back."""
    if before is None:
        return
    held = any(
        hold.kind is HoldKind.EXPIRED and hold.person == before.person for hold in subject.registry.holds
    )
    if held:
        raise RefusedError(
            f"the time of {subject.name} is over, since {before.until.isoformat()}",
            remedy="ask with 'quanheng accounts restore', which a second person approves",
        )
    if is_past(before, subject.today):
        raise RefusedError(
            f"the time of {subject.name} was over on {before.until.isoformat()}",
            remedy="run 'quanheng lifecycle run', then ask with 'quanheng accounts restore'",
        )


def _find_owner(
    context: Context, who: str, subject: Subject, noted: Mapping[PersonId, Term]
) -> tuple[PersonId, Username]:
    """Who answers for the account: another one, on, of the same county or above, and for no time itself."""
    found = read_subject(context, who)
    owner, desired, user = found.person, found.desired, found.user
    if owner is None or desired is None or user is None or not (user.enabled and desired.enabled):
        raise RefusedError(
            f"{found.name} is not an enabled account of a person from a source",
            remedy="name an owner who works here now",
        )
    if subject.person is not None and owner.id == subject.person.id:
        raise RefusedError(f"{found.name} cannot answer for itself", remedy="name somebody else")
    claims = [claim for claim, _ in found.placed]
    if owner.id in noted or needs_term(claims, context.pack, today=found.today):
        raise RefusedError(
            f"{found.name} is for a time itself", remedy="name an owner whose account has no end"
        )
    area = subject.area
    above = {unit.code for unit in subject.units.lineage(area)} if area is not None else set()
    if found.area is None or found.area.code not in above:
        raise RefusedError(
            f"{found.name} works neither in the county of {subject.name} nor above it",
            remedy="name an owner of that county, its city or the province",
        )
    return owner.id, owner.username
