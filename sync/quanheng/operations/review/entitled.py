"""Who may answer a county's list, and carry its answers out: administrators there or above (S5, S8, J9)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from quanheng.delegation.holders import Seat
from quanheng.errors import RefusedError
from quanheng.keycloak.login import AuthenticatedPerson
from quanheng.lifecycle.review import ReviewItem
from quanheng.lifecycle.review_own import same_person
from quanheng.lifecycle.review_scene import Scene, label_of
from quanheng.model.ids import KeycloakId, OrgCode, PersonId
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
    persons: frozenset[PersonId]
    """Records that are, or may be, its own: of one card, one mark, or one name and phone."""
    strangers: frozenset[str]
    """What accounts are called that are nobody's, of its card or mark."""
    units: Units
    pack: Pack

    def may_answer(self, county: OrgCode) -> bool:
        """Whether it is an administrator of this county or above."""
        unit = self.units.resolve(county) or self.units.by_code[OrgCode(self.pack.info.root[0])]
        where = Belonging(unit=unit, area=unit, administrator=False)
        return not who_may_ask(self.pack, self.units, where).isdisjoint(self.seats)

    def is_about(self, item: ReviewItem) -> bool:
        """Whether a line is about its own account, or one that may be its own."""
        return item.person in self.persons if item.person is not None else item.username in self.strangers


def reviewer_of(
    context: Context, connection: Connection, person: AuthenticatedPerson, scene: Scene
) -> Reviewer:
    """Who it is that logged in. Raises :class:`RefusedError` for whoever is no administrator at all.

    ``scene``: all accounts as they are now, to know its other ones. Open ``context.keyring`` before
    the caller's transaction.
    """
    registry = read_trusted(connection, context.keyring).registry
    units = units_of(context, registry, read_recoded(context))
    record = record_of(registry, person.username)
    seats = frozenset(seats_of(context, registry, units, person))
    if not seats:
        raise RefusedError(
            f"{record.username} is no administrator", remedy="have an administrator of the county log in"
        )
    accounts, owners = _accounts_of(scene, record), scene.owners
    same = {one.id for one in scene.registry.persons.values() if same_person(one) == same_person(record)}
    return Reviewer(
        person=record,
        seats=seats,
        persons=frozenset({record.id, *same, *(owners[key] for key in accounts if key in owners)}),
        strangers=frozenset(label_of(scene.observed.users[key]) for key in accounts if key not in owners),
        units=units,
        pack=context.pack,
    )


def _accounts_of(scene: Scene, person: PersonRecord) -> frozenset[KeycloakId]:
    """Its account, and every other one with its card or with the mark that we wrote into it."""
    account = scene.registry.accounts.get(person.id)
    user = scene.observed.users.get(account.keycloak_id) if account is not None else None
    cards = user.identities if user is not None else frozenset()
    marks = {str(person.id), *(user.attributes.get("person_id", ()) if user is not None else ())} - {""}
    return frozenset(
        other.id
        for other in scene.observed.users.values()
        if not other.identities.isdisjoint(cards)
        or not marks.isdisjoint(other.attributes.get("person_id", ()))
        or other is user
    )
