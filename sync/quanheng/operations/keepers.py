"""Which administrators keep whose accounts, as far as that is decided by command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from quanheng.delegation.holders import Holders, Seat
from quanheng.errors import RefusedError
from quanheng.keycloak.login import AuthenticatedPerson
from quanheng.model.ids import OrgCode, PersonId, PostId
from quanheng.model.person import PersonRecord
from quanheng.model.staff import OrgKind, OrgUnit
from quanheng.operations.context import Context
from quanheng.operations.offices_held import record_of, seats_of
from quanheng.operations.organisations import read_recoded, units_of
from quanheng.operations.trust import read_trusted
from quanheng.policy.pack import Pack
from quanheng.policy.schema import Over, Power
from quanheng.policy.units import Units


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an account belongs, for who has charge of it."""

    unit: OrgCode | None
    """Where the sources have the person; None for nowhere, which is the topmost area's."""
    administrator: bool
    """Whether it is an administrator's, whom nobody beside it keeps (S4)."""


def keepers_of(pack: Pack, units: Units, unit: OrgUnit, *, administrator: bool) -> frozenset[Seat]:
    """Seats with charge of the accounts of a unit (S4 E8), and above its area the system officers (三员) who
    approve; of the topmost area, above which there is nothing, its own.

    Empty for a unit that lies in no area.
    """
    area = units.area(unit)
    if area is None:
        return frozenset()
    found: set[Seat] = set()
    if administrator or unit.code != area.code:
        bureaus_or_towns = Over.BUREAUS if unit.kind is OrgKind.BUREAU else Over.TOWNS
        over = Over.ADMINISTRATORS if administrator else bureaus_or_towns
        found |= Holders(pack, units).over(area.code, over, Power.ACCOUNTS)
    lineage = units.lineage(area)
    officers = pack.administration.officers
    approving = {name for post in pack.posts.posts for name in post.approved_by}
    for above in lineage[:-1] or lineage:
        for name in officers.system if officers is not None else ():
            post = pack.post_at(PostId(name), above.code)
            if name in approving and post is not None and units.tier(above) in post.tiers:
                found.add(Seat(above.code, PostId(name)))
    return frozenset(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """Somebody who logged in, and has charge of all that was asked about."""

    person: PersonRecord
    seats: frozenset[Seat]


def require_keeper(
    context: Context, connection: Connection, person: AuthenticatedPerson, places: Mapping[PersonId, Place]
) -> Keeper:
    """Refuse whoever has not charge of every one of these accounts, or is one of these people.

    Open ``context.keyring`` before the caller's transaction. Raises :class:`RefusedError`.
    """
    registry = read_trusted(connection, context.keyring).registry
    units = units_of(context, registry, read_recoded(context))
    keeper = record_of(registry, person.username)
    seats = frozenset(seats_of(context, registry, units, person))
    if keeper.id in places:
        raise RefusedError(
            f"{keeper.username} may not decide about its own account",
            remedy="have another administrator do it",
        )
    for who, place in places.items():
        unit = units.resolve(place.unit or OrgCode(context.pack.info.root[0]))
        if unit is None or seats.isdisjoint(
            keepers_of(context.pack, units, unit, administrator=place.administrator)
        ):
            raise RefusedError(
                f"{keeper.username} has no charge of the account {registry.persons[who].username}",
                remedy="have whoever keeps the accounts of that organisation do it, or the system "
                "administrator of the level above",
            )
    return Keeper(person=keeper, seats=seats)
