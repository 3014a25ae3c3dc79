"""The registry as one value."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from fixtures.pure import TODAY, claim, desire, person, realm_of, registry, with_accounts
from quanheng.model.ids import OrgCode, PersonId, PostId
from quanheng.model.person import BasisKind, GrantedBasis, Hold, HoldKind, Waiver, Withholding

ONE, TWO = person(1), person(2)
AT = datetime(2026, 3, 1, tzinfo=UTC)


def test_of_one_person() -> None:
    """What is known of one is as it is in the whole, and so is what follows from it; of others nothing is."""
    known = registry([ONE, TWO], [claim(ONE), claim(TWO, "140902000", "handler")])
    known = with_accounts(known, realm_of(desire(known)))
    seats = [(who.id, PostId("reviewer"), OrgCode("140902")) for who in (ONE, TWO)]
    known = replace(
        known,
        holds=tuple(
            Hold(person=who.id, kind=HoldKind.FROZEN, since=TODAY, reason="停用", origin="console")
            for who in (ONE, TWO)
        ),
        bases=tuple(
            GrantedBasis(
                person=who, post=post, area=area, kind=BasisKind.CONSOLE, actor="a", at=AT, reason="授予"
            )
            for who, post, area in seats
        ),
        withholdings=tuple(
            Withholding(person=who, post=post, area=area, actor="a", at=AT, reason="收回")
            for who, post, area in seats
        ),
        waivers=tuple(
            Waiver(key=str(who.serial), person=who.id, rule="x", reason="r", control="c", until=TODAY)
            for who in (ONE, TWO)
        ),
    )
    alone = known.of(ONE.id)
    assert desire(alone).users == {ONE.id: desire(known).users[ONE.id]}
    assert list(alone.accounts) == [ONE.id]
    for items in (alone.claims.values(), alone.holds, alone.bases, alone.withholdings, alone.waivers):
        assert [item.person for item in items] == [ONE.id]
    assert (alone.units, alone.sources, alone.proposals) == (known.units, known.sources, known.proposals)


def test_of_nobody() -> None:
    """Somebody who is not in it is an error, not an empty registry."""
    with pytest.raises(KeyError):
        registry([ONE]).of(PersonId("0" * 32))
