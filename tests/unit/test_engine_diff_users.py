"""Our users compared with what they should be: each damage is a change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from fixtures.pure import (
    DEFAULT_ROLE,
    card,
    claim,
    compare,
    desire,
    realm_of,
    registry,
)
from fixtures.scene import (
    ADMIN,
    DUTY,
    ONE,
    OTHER_DUTY,
    OTHER_TOWNSHIP,
    QUALIFIED,
    TOWNSHIP,
    Scene,
    told,
)
from quanheng.engine.diff import Difference
from quanheng.model.ids import KeycloakId, RoleName
from quanheng.model.realm import FederatedIdentity, RealmUser


@pytest.fixture
def scene() -> Scene:
    """One operator."""
    return Scene(registry([ONE], [claim(ONE)]))


def test_nothing_differs(scene: Scene) -> None:
    """A realm that holds what it should gives no change and no finding."""
    difference = scene.compare()
    assert difference == Difference(changes=(), findings=())


USERS: dict[str, tuple[Callable[[RealmUser], RealmUser], list[tuple[str, str]]]] = {
    "renamed": (lambda u: replace(u, username="x"), [("update", "username")]),
    "other name": (lambda u: replace(u, name="x"), [("update", "name")]),
    "attribute edited": (
        lambda u: replace(u, attributes={**u.attributes, "org_code": ("1",)}),
        [("update", "org_code")],
    ),
    "attributes wiped": (
        lambda u: replace(u, attributes={}),
        [("update", "person_id,staff_no,org_code")],
    ),
    "foreign attribute": (lambda u: replace(u, attributes={**u.attributes, "locale": ("zh",)}), []),
    "disabled": (lambda u: replace(u, enabled=False), [("enable", "")]),
    "duty lost": (lambda u: replace(u, groups=u.groups - {DUTY}), [("grant", DUTY)]),
    "duty added": (lambda u: replace(u, groups=u.groups | {OTHER_DUTY}), [("revoke", OTHER_DUTY)]),
    "made administrator": (lambda u: replace(u, groups=u.groups | {ADMIN}), [("revoke", ADMIN)]),
    "home lost": (lambda u: replace(u, groups=u.groups - {TOWNSHIP}), [("move", TOWNSHIP)]),
    "home added": (lambda u: replace(u, groups=u.groups | {OTHER_TOWNSHIP}), [("revoke", OTHER_TOWNSHIP)]),
    "home exchanged": (
        lambda u: replace(u, groups=(u.groups - {TOWNSHIP}) | {OTHER_TOWNSHIP}),
        [("move", TOWNSHIP)],
    ),
    "qualification lost": (lambda u: replace(u, groups=u.groups - {QUALIFIED}), [("grant", QUALIFIED)]),
    "foreign group": (lambda u: replace(u, groups=u.groups | {KeycloakId("g")}), [("revoke", "g")]),
    "foreign role": (lambda u: replace(u, roles=u.roles | {RoleName("r")}), [("role_remove", "r")]),
    "client role": (lambda u: replace(u, roles=u.roles | {RoleName("c/r")}), [("role_remove", "c/r")]),
    "default role lost": (lambda u: replace(u, roles=frozenset()), [("role_add", DEFAULT_ROLE)]),
    "no card": (lambda u: replace(u, identities=frozenset()), [("link", "social-card")]),
    "wrong card": (lambda u: replace(u, identities=frozenset({card("x")})), [("link", "social-card")]),
    "second provider": (
        lambda u: replace(u, identities=u.identities | {FederatedIdentity("wechat", "w", "w")}),
        [("unlink", "wechat")],
    ),
}


@pytest.mark.parametrize(("damage", "expected"), USERS.values(), ids=list(USERS))
def test_damaged_user(
    scene: Scene, damage: Callable[[RealmUser], RealmUser], expected: list[tuple[str, str]]
) -> None:
    """Each thing that is not as it should be on our user is one change, with the user as its subject."""
    scene.user(damage)
    difference = scene.compare()
    assert told(difference) == expected
    assert {change.subject for change in difference.changes} <= {ONE.username}


def test_update_keeps_what_is_foreign(scene: Scene) -> None:
    """Attributes that are not ours go along with an update."""
    scene.user(lambda u: replace(u, name="x", attributes={**u.attributes, "locale": ("zh",)}))
    assert scene.compare().changes[0].private["attributes"]["locale"] == ["zh"]  # type: ignore[index, call-overload]


def test_ledger_detail_names_no_person(scene: Scene) -> None:
    """What goes into the ledger holds neither name nor card; these are in the private part."""
    scene.user(lambda u: replace(u, name="x", identities=frozenset()))
    for change in scene.compare().changes:
        text = f"{change.subject} {change.detail} {change.reason} {change.origin}"
        assert ONE.name not in text
        assert ONE.subject not in text


def test_missing_user_is_created_whole() -> None:
    """Somebody without an account gets one with home, duty and card in one step."""
    known = registry([ONE], [claim(ONE)])
    realm = replace(realm_of(desire(known)), users={})
    (change,) = compare(known, realm).changes
    assert str(change.kind) == "create"
    roots = [path[0] for path in change.detail["groups"]]  # type: ignore[index,union-attr]
    # The guard judges each join as it comes: what a duty requires is there before it.
    assert roots == ["资格", "机构", "岗位"]
    assert change.private == {"name": ONE.name, "subject": ONE.subject}


def test_somebody_who_left_stays_where_it_was(scene: Scene) -> None:
    """Without any claim: disabled, duties revoked, the organisation kept."""
    known = replace(scene.known, claims={})
    difference = compare(known, scene.realm)
    assert told(difference) == [("disable", ""), ("revoke", DUTY), ("revoke", QUALIFIED)]
