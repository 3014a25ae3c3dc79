"""Users that are not ours: told, left alone, and taken out of our groups."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixtures.pure import (
    DEFAULT_ROLE,
    claim,
    desire,
    realm_of,
    registry,
    stranger,
)
from fixtures.scene import (
    DUTY,
    ONE,
    Scene,
    told,
)
from quanheng.model.finding import FindingKind
from quanheng.model.ids import KeycloakId, RoleName
from quanheng.model.realm import RealmRole


@pytest.mark.parametrize("service_account", [False, True])
def test_foreign_user(service_account: bool) -> None:
    """Told and left alone; but out of our groups, and without our duties' roles."""
    role = RoleName("post-operator")
    other = stranger(service_account=service_account, roles=frozenset({DEFAULT_ROLE, RoleName("auditor")}))
    scene = Scene(registry([ONE], [claim(ONE)]), other)
    difference = scene.compare()
    assert difference.changes == ()
    assert [item.kind for item in difference.findings] == (
        [] if service_account else [FindingKind.FOREIGN_USER]
    )
    armed = replace(other, groups=frozenset({DUTY, KeycloakId("g")}), roles=other.roles | {role})
    scene.realm = replace(scene.realm, users={**scene.realm.users, armed.id: armed})
    difference = scene.compare()
    assert told(difference) == [("revoke", DUTY), ("role_remove", role)]
    assert [item.violation for item in difference.findings if item.kind is not FindingKind.FOREIGN_USER] == [
        True,
        True,
    ]


@pytest.mark.parametrize("first", ["outer", "inner"])
def test_a_cycle_of_roles_hides_no_duty(first: str) -> None:
    """Of two roles that contain each other, one of them a duty as well, both are taken, whichever is asked
    about first."""
    names = [first, *({"outer", "inner"} - {first})]
    people = [stranger(name, roles=frozenset({DEFAULT_ROLE, RoleName(name)})) for name in names]
    scene = Scene(registry([ONE], [claim(ONE)]), *people)
    contents = {"outer": {"inner"}, "inner": {"outer", "post-operator"}}
    made = {
        RoleName(name): RealmRole(
            id=KeycloakId(name), name=RoleName(name), composites=frozenset(map(RoleName, inside))
        )
        for name, inside in contents.items()
    }
    scene.realm = replace(scene.realm, roles={**scene.realm.roles, **made})
    assert told(scene.compare()) == [("role_remove", name) for name in names]


def test_what_entered_the_default_role_is_not_taken_from_everybody() -> None:
    """A role that gives a duty only through the default role is left: the default role is mended."""
    scene = Scene(registry([ONE], [claim(ONE)]), stranger(roles=frozenset({DEFAULT_ROLE, RoleName("wide")})))
    contents = {DEFAULT_ROLE: "post-operator", RoleName("wide"): DEFAULT_ROLE}
    made = {
        name: RealmRole(id=KeycloakId(name), name=name, composites=frozenset({RoleName(inside)}))
        for name, inside in contents.items()
    }
    scene.realm = replace(scene.realm, roles={**scene.realm.roles, **made})
    assert told(scene.compare()) == []


def test_shared_identity() -> None:
    """One identity of one provider on two users is a violation that names both."""
    known = registry([ONE], [claim(ONE)])
    mine = next(iter(realm_of(desire(known)).users.values()))
    scene = Scene(known, stranger("b", identities=mine.identities), stranger("c"))
    found = [item for item in scene.compare().findings if item.kind is FindingKind.DUPLICATE_IDENTITY]
    assert [(item.subject, item.violation) for item in found] == [(f"b、{ONE.username}", True)]
