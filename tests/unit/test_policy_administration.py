"""Who administers the realm: found by any way, and told by kind of holder."""

from __future__ import annotations

from collections.abc import Collection

import pytest
import yaml

from quanheng.keycloak.configuration_files import configuration_folder, read_administration
from quanheng.model.ids import KeycloakId, RoleName, Username
from quanheng.model.realm import ObservedRealm, RealmGroup, RealmRole, RealmUser
from quanheng.policy.administration import Administrator, Administrators, HolderKind, describe

ADMIN, USERS = RoleName("realm-management/realm-admin"), RoleName("realm-management/manage-users")
VIEW = RoleName("realm-management/view-users")
INNER, OUTER, POST, DEFAULT = (
    RoleName(name) for name in ("inner", "outer", "post-handler", "default-roles-x")
)
TOP, BELOW = KeycloakId("top"), KeycloakId("below")


def role(name: RoleName, *parts: RoleName) -> RealmRole:
    """A role that contains others."""
    return RealmRole(id=KeycloakId(f"id {name}"), name=name, composites=frozenset(parts))


ROLES = {
    item.name: item
    for item in (
        role(ADMIN, USERS, VIEW),
        role(USERS),
        role(VIEW),
        role(INNER, USERS, OUTER),  # a circle
        role(OUTER, INNER),
        role(POST, USERS),
        role(DEFAULT, ADMIN),
    )
}
GROUPS = {
    TOP: RealmGroup(id=TOP, path=("领导",), roles=frozenset({ADMIN})),
    BELOW: RealmGroup(id=BELOW, path=("领导", "甲/乙")),
}


def found(
    *roles: RoleName,
    groups: frozenset[KeycloakId] = frozenset(),
    name: str = "x",
    service: bool = False,
    own: Collection[str] = (),
) -> list[Administrator]:
    """What a user with these is found to be."""
    user = RealmUser(
        id=KeycloakId(name),
        username=Username(name),
        enabled=True,
        name="",
        roles=frozenset(roles),
        groups=groups,
        service_account=service,
    )
    administrators = Administrators(
        ObservedRealm(groups=GROUPS, users={}, roles=ROLES),
        read_administration("quanheng-sync", "quanheng-configurator"),
        ours={POST, DEFAULT},
    )
    return list(administrators.find([user], {KeycloakId("ours")}, own))


@pytest.mark.parametrize(
    ("given", "groups", "ways"),
    [
        ((ADMIN,), set(), {ADMIN: ""}),
        ((OUTER,), set(), {USERS: "角色 outer"}),
        ((), {BELOW}, {ADMIN: "组 /领导"}),
        ((USERS,), {TOP}, {ADMIN: "组 /领导", USERS: ""}),
        ((RoleName("realm-management/brought-by-a-later-release"),), set(), None),
    ],
)
def test_by_any_way(
    given: tuple[RoleName, ...], groups: set[KeycloakId], ways: dict[RoleName, str] | None
) -> None:
    """Directly, by a composite that contains itself, by a group and the groups above it; a role that nobody
    knows counts."""
    (one,) = found(*given, groups=frozenset(groups))
    assert one.ways == (ways if ways is not None else dict.fromkeys(given, ""))
    assert one.kind is HolderKind.FOREIGN_USER


def test_harmless() -> None:
    """What only shows things is nobody's power, and neither is the same name at another client."""
    assert found(VIEW, RoleName("other/realm-admin"), RoleName("realm-admin")) == []


def test_a_cause_is_not_everybody() -> None:
    """What entered a post's role or the default role is told as that, and not of each of its holders."""
    assert found(POST, DEFAULT) == []


def test_what_is_ours_and_administers_is_no_cause_alone() -> None:
    """A role that administers is protected itself, and counts in somebody's hands all the same."""
    administrators = Administrators(
        ObservedRealm(groups={}, users={}, roles=ROLES),
        read_administration("quanheng-sync", "quanheng-configurator"),
        ours={USERS, VIEW},
    )
    assert administrators.ways_of(OUTER) == {USERS: "角色 outer"}
    assert administrators.ways_of(USERS) == {USERS: ""}


def test_kinds_and_own_accounts() -> None:
    """A holder is named by its kind; our own accounts hold what they need, and no more."""
    assert [item.kind for item in found(USERS, name="ours")] == [HolderKind.PERSON]
    (service,) = found(USERS, name="service-account-evil", service=True)
    assert describe(service) == "服务账号 service-account-evil 持有 realm-management/manage-users"
    ours = "service-account-quanheng-sync"
    assert found(USERS, name=ours, service=True, own={ours}) == []
    (more,) = found(USERS, ADMIN, name=ours, service=True, own={ours})
    assert set(more.ways) == {ADMIN}
    assert len(found(USERS, name=ours, service=True)) == 1  # somebody else of that name


def test_sealed_accounts_may_hold_what_their_role_gives() -> None:
    """ways-in.yaml says of each what roles.yaml puts into the role."""
    roles = yaml.safe_load((configuration_folder() / "roles.yaml").read_text(encoding="utf-8"))
    given = {name.partition("/")[2] for name in roles["realm_roles"]["break-glass"]["composites"]}
    sealed = read_administration("quanheng-sync", "quanheng-configurator").sealed
    assert sealed == {Username(f"break-glass-{number}"): given for number in (1, 2)}


def test_in_words() -> None:
    """The way is told with the role."""
    (one,) = found(groups=frozenset({BELOW}))
    assert describe(one) == "外来账号 x 持有 realm-management/realm-admin（经由 组 /领导）"
