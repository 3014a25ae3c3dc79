"""Posts that count where it matters for logins what somebody is. Pure.

A source that names an administrator makes none (decision 5): neither does the console, in which everybody can
log in, keep the account alive, nor does what the pack says of administrators concern it.
"""

from __future__ import annotations

from quanheng.engine.offices import was_given_office
from quanheng.lifecycle.inactivity import administrators_of
from quanheng.model.ids import PersonId, PostId
from quanheng.model.person import Claim
from quanheng.model.registry import Registry
from quanheng.policy.contents import Pack
from quanheng.policy.units import Units


def counted_post(registry: Registry, pack: Pack, units: Units, claim: Claim) -> PostId | None:
    """The post that a source names, or None when it is an office that nobody was rightly given there.

    ``registry``: of which forged decisions were taken back.
    """
    post = pack.post_by_id.get(claim.post) if claim.post is not None else None
    if post is None or post.kind != "administrator":
        return claim.post
    unit = units.resolve(claim.org)
    area = units.area(unit) if unit is not None else None
    name = PostId(post.id)
    given = area is not None and was_given_office(registry.proposals, claim.person, area.code, name)
    return name if given else None


def administrators_in(registry: Registry, pack: Pack, units: Units) -> frozenset[PersonId]:
    """Who holds an administrator's post, rightly given."""
    offices = administrators_of(pack)
    named = {
        claim.person
        for claim in registry.claims.values()
        if claim.post in offices and counted_post(registry, pack, units, claim) is not None
    }
    return frozenset(named | {basis.person for basis in registry.bases if basis.post in offices})
