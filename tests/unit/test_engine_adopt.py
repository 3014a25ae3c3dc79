"""Which user is whose, and what somebody did to its switch."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixtures.pure import TODAY, card, claim, desire, person, realm_of, registry, stranger, with_accounts
from quanheng.engine.adopt import CONSOLE, Adopted, adopt_accounts, lost_names
from quanheng.model.finding import FindingKind
from quanheng.model.ids import KeycloakId, PersonId, Username
from quanheng.model.person import Hold, HoldKind
from quanheng.model.realm import ObservedRealm, RealmUser
from quanheng.model.registry import Registry, RegistryDelta

ONE = person(1)


@pytest.fixture
def known() -> Registry:
    """One person with an account that we wrote enabled."""
    alone = registry([ONE], [claim(ONE)])
    return with_accounts(alone, realm_of(desire(alone)))


@pytest.fixture
def user(known: Registry) -> RealmUser:
    """The account."""
    return next(iter(realm_of(desire(known)).users.values()))


def adopt(known: Registry, *users: RealmUser) -> Adopted:
    """Adopt from a realm of these users."""
    realm = ObservedRealm(groups={}, users={item.id: item for item in users}, roles={})
    return adopt_accounts(known, realm, today=TODAY)


def frozen(origin: str) -> Hold:
    """A freeze."""
    return Hold(person=ONE.id, kind=HoldKind.FROZEN, since=TODAY, reason="", origin=origin)


def test_known_by_the_id_we_kept(known: Registry, user: RealmUser) -> None:
    """Renamed, without attributes and card, the user is still ours by its id."""
    stripped = replace(user, username=Username("x"), attributes={}, identities=frozenset())
    adopted = adopt(known, stripped)
    assert adopted.registry.accounts == known.accounts
    assert adopted.accounts == ()


def test_found_by_person_and_card(known: Registry, user: RealmUser) -> None:
    """Without a kept id (an interrupted run, a restored store), person id and card together tell."""
    again = replace(known, accounts={})
    assert adopt(again, user).accounts == (known.accounts[ONE.id],)


@pytest.mark.parametrize("what", ["attributes", "identities"])
def test_half_of_the_evidence_is_none(known: Registry, user: RealmUser, what: str) -> None:
    """Person id without card, or card without person id, is a foreign user."""
    other = replace(user, **({"attributes": {}} if what == "attributes" else {"identities": frozenset()}))
    assert adopt(replace(known, accounts={}), other).accounts == ()


def test_decoy_does_not_hide_the_true_one(known: Registry, user: RealmUser) -> None:
    """A foreign user with a copy of our card, or of our person id, does not keep us from our user."""
    decoys = (
        stranger("a", identities=user.identities),
        stranger("b", attributes=user.attributes),
        stranger("c", attributes=user.attributes, identities=frozenset({card("other")})),
    )
    for order in ((user, *decoys), (*decoys, user)):
        adopted = adopt(replace(known, accounts={}), *order)
        assert [item.keycloak_id for item in adopted.accounts] == [user.id]


def test_gone_user_has_no_account(known: Registry) -> None:
    """A user that was deleted is no account any more, so that one is made again."""
    assert adopt(known).registry.accounts == {}


def test_new_id_takes_the_switch_as_it_is(known: Registry, user: RealmUser) -> None:
    """Found again under another id and disabled: that is drift, not a freeze in the console."""
    again = replace(user, id=KeycloakId("new"), enabled=False)
    adopted = adopt(known, again)
    assert adopted.holds_put == ()
    assert [(item.keycloak_id, item.enabled_written) for item in adopted.accounts] == [("new", False)]


def test_disable_becomes_a_hold(known: Registry, user: RealmUser) -> None:
    """What we wrote enabled and find disabled was switched off by somebody: a hold, told once."""
    off = replace(user, enabled=False)
    adopted = adopt(known, off)
    assert [(item.kind, item.origin) for item in adopted.holds_put] == [(HoldKind.FROZEN, CONSOLE)]
    assert [item.kind for item in adopted.findings] == [FindingKind.FROZEN_IN_CONSOLE]
    again = adopt(adopted.registry, off)
    assert (again.holds_put, again.findings, again.accounts) == ((), (), ())


def test_enable_lifts_the_console_hold_alone(known: Registry, user: RealmUser) -> None:
    """Switched on again, the console's hold goes; a freeze by form stays."""
    off = {ONE.id: replace(known.accounts[ONE.id], enabled_written=False)}
    held = replace(known, accounts=off, holds=(frozen(CONSOLE),))
    assert adopt(held, user).holds_lifted == ((ONE.id, HoldKind.FROZEN),)
    assert adopt(held, user).registry.holds == ()
    formal = replace(held, holds=(frozen("form:1"),))
    assert adopt(formal, user).holds_lifted == ()
    assert adopt(formal, user).registry.holds == formal.holds


def test_console_does_not_take_over_a_formal_freeze(known: Registry, user: RealmUser) -> None:
    """Frozen by form and then switched off: it stays the form's, which the console cannot lift."""
    adopted = adopt(replace(known, holds=(frozen("form:1"),)), replace(user, enabled=False))
    assert adopted.holds_put == ()
    assert [item.origin for item in adopted.registry.holds] == ["form:1"]


def test_a_name_is_lost_to_a_stranger_alone(known: Registry, user: RealmUser) -> None:
    """And only by somebody who never had an account: what the person's own account has is not lost."""

    def lost(alone: Registry, *users: RealmUser) -> frozenset[PersonId]:
        realm = ObservedRealm(groups={}, users={item.id: item for item in users}, roles={})
        return lost_names(alone, realm)

    other = stranger(ONE.username)
    never = replace(known, accounts={})
    assert lost(never, other) == {ONE.id}
    assert lost(never, stranger()) == frozenset()
    assert lost(never, user) == frozenset()
    assert lost(known, other) == frozenset()


def test_delta_takes_it_in(known: Registry, user: RealmUser) -> None:
    """What was learned by looking goes into the delta that the plan will write."""
    delta = adopt(known, replace(user, enabled=False)).extend(RegistryDelta())
    assert len(delta.holds_put) == len(delta.adopted) == 1
    assert not delta.empty


def test_switched_on_by_hand_with_nothing_in_the_way(known: Registry, user: RealmUser) -> None:
    """Counts as ours, so that whoever switches it off next is heeded; not while something holds it."""
    off = replace(known, accounts={ONE.id: replace(known.accounts[ONE.id], enabled_written=False)})
    assert adopt(off, user).accounts == (known.accounts[ONE.id],)
    for kind in (HoldKind.INACTIVE, HoldKind.FROZEN):
        hold = replace(frozen("freeze:os:operator@test"), kind=kind)
        assert adopt(replace(off, holds=(hold,)), user).accounts == ()
