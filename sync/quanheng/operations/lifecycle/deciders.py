"""Who may ask something for an account, and who decides it, by where its person works (S4, S8, E8, G16)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from quanheng.delegation.holders import Seat, Seats
from quanheng.engine.holds import is_over
from quanheng.model.ids import OrgCode, PersonId, PostId
from quanheng.model.registry import Registry
from quanheng.model.staff import OrgUnit
from quanheng.operations.keepers import keepers_of
from quanheng.policy.pack import Pack
from quanheng.policy.units import Units


@dataclass(frozen=True, slots=True, kw_only=True)
class Belonging:
    """Where an account belongs, for who decides about it."""

    unit: OrgUnit
    """Where the sources have the person, or had last; at the top when that is nowhere, or in several."""
    area: OrgUnit
    administrator: bool
    """Whether any of the person's posts is an administrator's: the level above decides (S4)."""


def belonging_of(registry: Registry, pack: Pack, units: Units, person: PersonId, *, today: date) -> Belonging:
    """Where somebody belongs. Posts count that the sources name or named last, and granted ones."""
    claims = [claim for claim in registry.claims.values() if claim.person == person]
    current = [claim for claim in claims if not is_over(claim, pack, today=today)]
    places = {
        area.code: (unit, area)
        for claim in current or claims
        if (unit := units.resolve(claim.org)) is not None and (area := units.area(unit)) is not None
    }
    root = units.by_code[OrgCode(pack.info.root[0])]
    unit, area = next(iter(places.values())) if len(places) == 1 else (root, root)
    posts = {claim.post for claim in claims} | {b.post for b in registry.bases if b.person == person}
    administrator = any(
        post is not None and post in pack.post_by_id and pack.post_by_id[post].kind == "administrator"
        for post in posts
    )
    return Belonging(unit=unit, area=area, administrator=administrator)


def who_may_ask(pack: Pack, units: Units, where: Belonging) -> Seats:
    """Administrators of the person's county, city or province and of those above it: there the form is filled
    in (S8). Who audits asks for nothing."""
    return frozenset(_seats(pack, units, where.area))


def who_may_decide(pack: Pack, units: Units, where: Belonging) -> Seats:
    """Those of them with charge of such accounts (S4, E8), and whom the pack has approve without giving them
    an office of the realm (主要负责人, G16).

    About an administrator's account only the level above decides; at the top, where there is none, any of
    its administrators who may approve one.
    """
    charged = keepers_of(pack, units, where.unit, administrator=where.administrator)
    officers = pack.administration.officers
    offices = {*officers.system, *officers.security, *officers.audit} if officers is not None else set()
    approving = {name for post in pack.posts.posts for name in post.approved_by}
    at_the_top = len(units.lineage(where.area)) == 1
    found = set(charged)
    for seat in _seats(pack, units, where.area):
        if seat.post not in approving:
            continue
        if where.administrator and seat.area == where.area.code:
            if at_the_top:
                found.add(seat)
        elif seat.post not in offices:
            found.add(seat)
    return frozenset(found)


def _seats(pack: Pack, units: Units, area: OrgUnit) -> Iterator[Seat]:
    for above in units.lineage(area):
        tier = units.tier(above)
        for post in pack.posts_at(above.code):
            if post.kind == "administrator" and post.id not in pack.audit_posts and tier in post.tiers:
                yield Seat(above.code, PostId(post.id))
