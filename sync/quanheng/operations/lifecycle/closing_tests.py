"""Test accounts go at acceptance (J21): listed, then closed by an operator and an administrator together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from sqlalchemy import Connection

from quanheng.clock import day_in_china
from quanheng.errors import RefusedError
from quanheng.keycloak.login import AuthenticatedPerson
from quanheng.lifecycle.terms import TermState, hold_of, is_past
from quanheng.model.change import Json
from quanheng.model.ids import OrgCode, PersonId, Username
from quanheng.model.person import Term, TermKind
from quanheng.model.registry import Registry
from quanheng.operations.carrying_out import hold_lease, recover
from quanheng.operations.context import Context
from quanheng.operations.keepers import Keeper, Place, require_keeper
from quanheng.operations.lifecycle.ending import Ending, end_accounts, judge_endings, last_at_the_top
from quanheng.operations.lifecycle.term_facts import KnownTerm, read_known
from quanheng.operations.lifecycle.terms import TermLine, read_terms
from quanheng.operations.limits_exceeded import describe_excess
from quanheng.operations.noting import note
from quanheng.operations.refresh import refresh_mirror
from quanheng.store.terms import TESTS_CLOSED, write_terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """What became of a closing."""

    by: Username
    accounts: tuple[Username, ...]
    """Whose time is over now."""
    refused: tuple[Username, ...]
    """Of these, whom Keycloak did not let us switch off; the next sync tries again."""


def prepare_closing(context: Context, *, area: OrgCode | None, owner: str | None) -> tuple[TermLine, ...]:
    """Test accounts whose time is not over: all, or those in an area, or with an owner. Writes nothing.

    Raises :class:`ConfigurationError` for an area or an owner that is not there.
    """
    return tuple(
        line
        for line in read_terms(context, area=area, owner=owner)
        if line.kind is TermKind.TEST and line.state in (TermState.IN_FORCE, TermState.ENDING)
    )


def close_tests(context: Context, lines: Sequence[TermLine], person: AuthenticatedPerson) -> Closed:
    """End these now, as an administrator who has proved who it is and has charge of each of them.

    The operator who runs this and the administrator are two people who have seen the list, so the limits of
    ``[safety]`` stop nothing; beyond them it takes an administrator of the topmost area, as for any plan that
    exceeds them. What was ended or changed meanwhile is left out. Raises :class:`RefusedError`.
    """
    wanted = {line.person: line.until for line in lines}
    with hold_lease(context) as lease:
        recover(context, lease)
        refresh_mirror(context, lease)
        today = day_in_china(context.clock())
        with context.database.transaction() as connection:
            lease.assert_held(connection)
            known = read_known(context, connection)
            items = [
                item for item in known.items if item.person.id in wanted and _is_open(item, wanted, today)
            ]
            if last_at_the_top(context, known.registry, [item.person.id for item in items]):
                raise RefusedError(
                    "one of these is the last administrator of a kind at the top",
                    remedy="appoint another one first, or name an area with --area",
                )
            places = {item.person.id: _place(context, known.registry, item) for item in items}
            keeper = require_keeper(context, connection, person, places)
            endings = [_ending(item, today) for item in items]
            _require_enough(context, connection, keeper, endings)
            if items:
                write_terms(connection, [replace(term, until=today) for term in _terms(items)])
                _note(context, connection, keeper, items, today)
        ended = end_accounts(context, lease, endings, approved=True)
    return Closed(
        by=keeper.person.username,
        accounts=tuple(item.person.username for item in items),
        refused=tuple(Username(result.change.subject) for result in ended.outcome.refused),
    )


def _is_open(item: KnownTerm, wanted: Mapping[PersonId, date | None], today: date) -> bool:
    """Whether it still is as the list had it."""
    term = item.facts.term
    return (
        term is not None
        and term.kind is TermKind.TEST
        and term.until == wanted[item.person.id]
        and item.facts.hold is None
        and not is_past(term, today)
    )


def _terms(items: Sequence[KnownTerm]) -> list[Term]:
    return [item.facts.term for item in items if item.facts.term is not None]


def _ending(item: KnownTerm, today: date) -> Ending:
    return Ending(
        person=item.person,
        user=item.account.keycloak_id if item.account is not None else None,
        hold=hold_of(item.person.id, item.facts.term, today, closed=True),
    )


def _place(context: Context, registry: Registry, item: KnownTerm) -> Place:
    """Where an account belongs; an administrator's by any word for it, also one that waits to be believed."""
    posts = {claim.post for claim in item.claims}
    posts |= {basis.post for basis in registry.bases if basis.person == item.person.id}
    known = context.pack.post_by_id
    return Place(
        unit=item.org,
        administrator=any(
            post is not None and post in known and known[post].kind == "administrator" for post in posts
        ),
    )


def _require_enough(
    context: Context, connection: Connection, keeper: Keeper, endings: Sequence[Ending]
) -> None:
    """Beyond the limits of safety it takes an administrator of the topmost area."""
    excess = judge_endings(context, connection, endings)
    root = OrgCode(context.pack.info.root[0])
    if excess and not any(seat.area == root for seat in keeper.seats):
        raise RefusedError(
            f"too many at once for {keeper.person.username}: {describe_excess(excess[0])}",
            remedy="name an area with --area, or have an administrator of the province log in",
        )


def _note(
    context: Context, connection: Connection, keeper: Keeper, items: Sequence[KnownTerm], today: date
) -> None:
    body: dict[str, Json] = {
        "persons": [str(item.person.id) for item in items],
        "accounts": [str(item.person.username) for item in items],
        "until": today.isoformat(),
        "closed_by": str(keeper.person.username),
    }
    note(context, connection, TESTS_CLOSED, body)
