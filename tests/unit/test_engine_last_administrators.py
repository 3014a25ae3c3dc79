"""The last administrator of a kind keeps the office; an intruder does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from fixtures.pure import (
    UNITS,
    claim,
    compare,
    desire,
    registry,
)
from fixtures.scene import (
    ADMIN,
    ONE,
    TWO,
    Scene,
    telling,
    told,
)
from quanheng.model.finding import FindingKind
from quanheng.model.ids import Username
from quanheng.model.person import ProposalState


@pytest.fixture
def scene() -> Scene:
    """One operator."""
    return Scene(registry([ONE], [claim(ONE)]))


PROVINCE: Final = "140000000"
"""Where several may hold the office: a county has one (S8)."""
PROVINCE_ADMIN: Final = "id admin:14:system_admin"


def administrators(*people: object, org: str = "140902000", **changed: object) -> Scene:
    """An area with these people as its approved 系统管理员."""
    claims = [claim(item, org, "system_admin") for item in people]  # type: ignore[arg-type]
    known = registry(people, claims)  # type: ignore[arg-type]
    approved = {
        item.key: replace(item, state=ProposalState.APPROVED, decided_by=Username("sx9"))
        for item in desire(known).proposals
    }
    return Scene(replace(known, proposals=approved, **changed))  # type: ignore[arg-type]


def test_last_administrator_keeps_the_office() -> None:
    """The last one's revocation is not planned, nor anything that would come on top of the office."""
    scene = administrators(ONE)
    moved = claim(ONE, "140902000", "handler")
    known = replace(scene.known, claims={("hr", ONE.id, moved.org, moved.post): moved})  # type: ignore[dict-item]
    difference = compare(known, scene.realm)
    assert difference.changes == ()
    assert [item.kind for item in difference.findings] == [FindingKind.LAST_ADMINISTRATOR]


def test_intruder_is_not_the_last_administrator(scene: Scene) -> None:
    """Somebody put into an empty office in the console is taken out of it, though nobody else is there."""
    scene.user(lambda u: replace(u, groups=u.groups | {ADMIN}))
    difference = scene.compare()
    assert told(difference) == [("revoke", ADMIN)]
    assert difference.findings == ()


def test_one_of_two_may_go() -> None:
    """While another stays, an administrator may leave."""
    scene = administrators(ONE, TWO, org=PROVINCE)
    claims = {key: item for key, item in scene.known.claims.items() if item.person != ONE.id}
    difference = compare(replace(scene.known, claims=claims), scene.realm)
    assert ("revoke", PROVINCE_ADMIN) in told(difference)
    assert FindingKind.LAST_ADMINISTRATOR not in {item.kind for item in difference.findings}


def test_both_at_once_may_not() -> None:
    """Of two who leave together, one keeps the office, always the same one."""
    scene = administrators(TWO, ONE, org=PROVINCE)
    difference = compare(replace(scene.known, claims={}), scene.realm)
    assert [c.subject for c in difference.changes if telling(c) == PROVINCE_ADMIN] == [TWO.username]


def test_successor_frees_the_last() -> None:
    """When somebody is moved into the office in the same plan, the last one may leave it."""
    scene = administrators(ONE)
    successor = claim(TWO, "140902000", "system_admin")
    known = replace(
        scene.known,
        persons={**scene.known.persons, TWO.id: TWO},
        claims={("hr", TWO.id, successor.org, successor.post): successor},  # type: ignore[dict-item]
    )
    approved = {item.key: replace(item, state=ProposalState.APPROVED) for item in desire(known).proposals}
    difference = compare(replace(known, proposals=approved), scene.realm)
    assert ("revoke", ADMIN) in told(difference)
    assert "create" in {str(change.kind) for change in difference.changes}


def test_retired_county_needs_no_administrator() -> None:
    """A county that is gone keeps nobody in office."""
    scene = administrators(ONE)
    units = {code: item for code, item in UNITS.items() if not code.startswith("140902")}
    difference = compare(replace(scene.known, units=units), scene.realm)
    assert ("revoke", ADMIN) in told(difference)
