"""Whom nobody has seen for a long time: every account whose lock, or the announcement of it, is near."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from quanheng.clock import day_in_china
from quanheng.engine.holds import is_over
from quanheng.lifecycle.inactivity import (
    Subject,
    Verdict,
    clients_that_count,
    judge_use,
    start_of_oldest,
)
from quanheng.lifecycle.last_one import top_offices
from quanheng.lifecycle.offices import counted_post
from quanheng.lifecycle.requests import approved_requests
from quanheng.model.ids import KeycloakId, OrgCode, PersonId, PostId
from quanheng.model.person import AccountRequest, PersonRecord
from quanheng.model.registry import Registry
from quanheng.operations.context import Context
from quanheng.operations.organisations import read_recoded, units_of
from quanheng.operations.trust import read_trusted, read_trusted_part
from quanheng.store.logins import Use, read_gaps, read_unused

_FEW: Final = 2000
"""So many people are read one by one; of more, everybody is."""
_COUNTY: Final = 6
"""Digits of a county's code, with which the codes of all below it begin (GB/T 2260)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unused:
    """An account that was not used for so long that something may have to be done about it."""

    verdict: Verdict
    person: PersonRecord
    user: KeycloakId
    at_the_top: bool = False
    """Whether it is an administrator's of the topmost area."""


def find_unused(context: Context, persons: Collection[PersonId] | None = None) -> tuple[Unused, ...]:
    """Every account whose lock is due or near, by user name; or of these people's. Changes nothing.

    Accounts that something else holds already are left out: nobody can log in to those.
    """
    inactivity = context.pack.lifecycle.inactivity
    if inactivity is None:
        return ()
    now = context.clock()
    with context.database.reading() as connection:
        uses = read_unused(
            connection, clients_that_count(context.pack), start_of_oldest(now, inactivity), persons, now=now
        )
        gaps = read_gaps(connection)
        few = [use.person for use in uses] if len(uses) <= _FEW else None
        registry = (
            read_trusted(connection, context.keyring)
            if few is None
            else read_trusted_part(connection, context.keyring, (), few)
        ).registry
    floor = max((gap.until for gap in gaps), default=None)
    held = {hold.person for hold in registry.holds}
    requests: dict[PersonId, list[AccountRequest]] = defaultdict(list)
    for request in approved_requests(registry):
        requests[request.person].append(request)
    places = _places(context, registry)
    return tuple(
        sorted(
            (
                Unused(
                    verdict=judge_use(
                        _subject(use, places),
                        inactivity,
                        requests.get(use.person, ()),
                        floor=floor,
                        today=day_in_china(now),
                    ),
                    person=registry.persons[use.person],
                    user=use.user,
                    at_the_top=bool(top_offices(registry, context.pack, _posts(use, places), use.person)),
                )
                for use in uses
                if use.person in registry.persons and use.person not in held
            ),
            key=lambda item: item.person.username,
        )
    )


_Places = Mapping[PersonId, Sequence[tuple[OrgCode, PostId | None]]]


def _places(context: Context, registry: Registry) -> _Places:
    today = day_in_china(context.clock())
    units = units_of(context, registry, read_recoded(context))
    found: dict[PersonId, list[tuple[OrgCode, PostId | None]]] = defaultdict(list)
    for claim in registry.claims.values():
        if not is_over(claim, context.pack, today=today):
            unit = units.resolve(claim.org)
            post = counted_post(registry, context.pack, units, claim)
            found[claim.person].append((unit.code if unit is not None else claim.org, post))
    for basis in registry.bases:
        found[basis.person].append((basis.area, basis.post))
    return found


def _subject(use: Use, places: _Places) -> Subject:
    mine = places.get(use.person, ())
    return Subject(
        person=use.person,
        posts=_posts(use, places),
        county=county_of(mine[0][0]) if mine else OrgCode(""),
        orgs=frozenset(org for org, _ in mine),
        counts_from=use.counts_from,
        last=use.last,
    )


def _posts(use: Use, places: _Places) -> frozenset[PostId]:
    return frozenset(post for _, post in places.get(use.person, ()) if post is not None)


def county_of(org: OrgCode) -> OrgCode:
    """County of an organisation by its code; a city's or the province's own bureau is one by itself."""
    return OrgCode(org[:_COUNTY])
