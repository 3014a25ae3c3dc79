"""Who may answer a county's list, and carry its answers out: administrators there or above (S5, S8, J9)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from quanheng.delegation.holders import Seat
from quanheng.errors import RefusedError
from quanheng.keycloak.login import AuthenticatedPerson
from quanheng.lifecycle.review import ReviewItem
from quanheng.model.ids import OrgCode
from quanheng.model.person import PersonRecord
from quanheng.operations.context import Context
from quanheng.operations.lifecycle.deciders import Belonging, who_may_ask
from quanheng.operations.offices_held import record_of, seats_of
from quanheng.operations.organisations import read_recoded, units_of
from quanheng.operations.trust import read_trusted
from quanheng.policy.pack import Pack
from quanheng.policy.units import Units


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewer:
    """Somebody who logged in, with the administrators' posts held rightly and now."""

    person: PersonRecord
    seats: frozenset[Seat]
    units: Units
    pack: Pack

    def may_answer(self, county: OrgCode) -> bool:
        """Whether it is an administrator of this county or above."""
        unit = self.units.resolve(county) or self.units.by_code[OrgCode(self.pack.info.root[0])]
        where = Belonging(unit=unit, area=unit, administrator=False)
        return not who_may_ask(self.pack, self.units, where).isdisjoint(self.seats)

    def is_about(self, item: ReviewItem) -> bool:
        """Whether a line is about its own account."""
        return item.person == self.person.id


def reviewer_of(context: Context, connection: Connection, person: AuthenticatedPerson) -> Reviewer:
    """Who it is that logged in. Raises :class:`RefusedError` for whoever is no administrator at all.

    Open ``context.keyring`` before the caller's transaction.
    """
    registry = read_trusted(connection, context.keyring).registry
    units = units_of(context, registry, read_recoded(context))
    record = record_of(registry, person.username)
    seats = frozenset(seats_of(context, registry, units, person))
    if not seats:
        raise RefusedError(
            f"{record.username} is no administrator", remedy="have an administrator of the county log in"
        )
    return Reviewer(person=record, seats=seats, units=units, pack=context.pack)
