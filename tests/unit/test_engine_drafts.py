"""Drafts in the comparison: who is one, whose account it is to be, what is done to it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixtures.pure import TODAY, claim, person, registry, shanxi, shanxi_rules, stranger
from fixtures.scene import DUTY, ONE, OTHER_TOWNSHIP, QUALIFIED, TOWNSHIP, TWO, Scene, told
from quanheng.engine.desired import build_desired
from quanheng.engine.diff import Difference, build_difference
from quanheng.engine.trees import Trees
from quanheng.model.finding import FindingKind
from quanheng.model.ids import KeycloakId
from quanheng.model.realm import RealmUser
from quanheng.policy.sealed_roles import contents_of
from quanheng.policy.units import Units


class Meeting:
    """A registry of two people, of whom the second has no account, and drafts."""

    def __init__(self, *drafts: RealmUser) -> None:
        known = registry([ONE, TWO], [claim(ONE), claim(TWO)])
        self.scene = Scene(known, *drafts)
        mine = self.scene.known.accounts[TWO.id].keycloak_id
        accounts = {key: item for key, item in self.scene.known.accounts.items() if key != TWO.id}
        self.scene.known = replace(self.scene.known, accounts=accounts)
        users = {key: item for key, item in self.scene.realm.users.items() if key != mine}
        self.scene.realm = replace(self.scene.realm, users=users)
        self.asked: list[KeycloakId] = []

    def compare(self, *, everybody: bool = True) -> Difference:
        """What differs."""
        known, units = self.scene.known, Units(self.scene.known.units)

        def has_password(user: KeycloakId) -> bool:
            self.asked.append(user)
            return False

        return build_difference(
            build_desired(known, units, shanxi(), shanxi_rules(), today=TODAY),
            self.scene.realm,
            known,
            default_role=next(iter(stranger().roles)),
            roots=Trees(shanxi(), units).roots,
            contents=contents_of(shanxi_rules(), self.scene.realm.roles),
            has_password=has_password if everybody else None,
        )


def draft(
    name: str = "draft", *groups: KeycloakId, number: str | None = None, enabled: bool = False
) -> RealmUser:
    """A user in organisations that is nobody's."""
    attributes = {} if number is None else {"staff_no": (number,)}
    return stranger(name, enabled=enabled, groups=frozenset(groups or {TOWNSHIP}), attributes=attributes)


def test_a_linked_draft_is_its_persons_account() -> None:
    """Its fields and card, then the switch; no second account, and nothing told."""
    meeting = Meeting(draft(number=TWO.staff_no))
    found = meeting.compare()
    kinds = [str(change.kind) for change in found.changes]
    assert "create" not in kinds
    assert {"update", "link", "enable"} <= set(kinds)
    assert {change.person for change in found.changes} == {TWO.id}
    (linked,) = found.linked
    assert (linked.person, linked.keycloak_id, linked.enabled_written) == (TWO.id, "user draft", False)
    assert (found.drafts, found.findings) == ((), ())


def test_passwords_are_asked_for_of_candidates_alone() -> None:
    """Of a draft that waits, and of one that cannot be linked, nothing is asked."""
    meeting = Meeting(
        draft(number=TWO.staff_no),
        draft("waits"),
        draft("other", number="none"),
        draft("taken", number=ONE.staff_no),
    )
    meeting.compare()
    assert meeting.asked == ["user draft"]


def test_nobody_is_linked_in_a_part() -> None:
    """A part does not show who else has the number: the draft waits, and is still no foreign user."""
    found = Meeting(draft(number=TWO.staff_no)).compare(everybody=False)
    assert found.linked == ()
    assert [item.obstacle for item in found.drafts] == [""]


@pytest.mark.parametrize("more", [DUTY, QUALIFIED])
def test_a_draft_keeps_its_organisations_alone(more: KeycloakId) -> None:
    """Whatever else of ours it is in, it is taken out of, as a violation."""
    found = Meeting(draft("draft", TOWNSHIP, OTHER_TOWNSHIP, more)).compare()
    changes = [change for change in found.changes if change.person is None]
    assert [(str(change.kind), change.detail["group"]) for change in changes] == [("revoke", more)]
    assert [item.kind for item in found.findings if item.violation] == [FindingKind.DUTY_ON_FOREIGN_USER]


def test_an_enabled_draft_is_a_difference() -> None:
    """Switched off, whether or not its number is one that cannot be linked."""
    found = Meeting(draft(enabled=True), draft("taken", number=ONE.staff_no, enabled=True)).compare()
    assert [item.subject for item in found.changes if item.kind == "disable"] == ["draft", "taken"]


@pytest.mark.parametrize("service_account", [True, False])
def test_no_draft(service_account: bool) -> None:
    """A client's own user, and one that says whose it is, are taken out of the organisation."""
    user = stranger(
        groups=frozenset({TOWNSHIP}),
        service_account=service_account,
        attributes={} if service_account else {"person_id": (str(person(9).id),)},
    )
    found = Meeting(user).compare()
    assert found.drafts == ()
    assert ("revoke", TOWNSHIP) in told(found)
