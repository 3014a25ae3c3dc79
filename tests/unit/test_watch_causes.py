"""What roles contain beyond what they should: ours, the console's in administrators' posts, and others."""

from __future__ import annotations

import pytest

from fixtures.pack_making import shipped
from quanheng.keycloak.configuration_files import read_mapper_rules
from quanheng.model.ids import KeycloakId, RoleName
from quanheng.model.realm import RealmRole
from quanheng.policy.compiling import compile_rules
from quanheng.policy.console_roles import AUDITING, DELEGATED, REALM_MANAGEMENT
from quanheng.policy.sealed_roles import BY_KEYCLOAK, contents_of
from quanheng.watch.causes import find_remedy, find_surplus

RULES = compile_rules(shipped("shanxi"))
AUDITOR = RoleName("post-auditor")
VIEW_USERS = RoleName(f"{REALM_MANAGEMENT}/view-users")
MANAGE_USERS = RoleName(f"{REALM_MANAGEMENT}/manage-users")


def surplus(**more: frozenset[RoleName]) -> dict[RoleName, frozenset[RoleName]]:
    """What a realm contains too much whose roles are as they should be, but for what some contain as well."""
    contents = dict(contents_of(RULES, BY_KEYCLOAK))
    for name, parts in more.items():
        role = RoleName(name)
        contents[role] = contents.get(role, frozenset()) | parts
    roles = {
        name: RealmRole(id=KeycloakId(name), name=name, composites=parts) for name, parts in contents.items()
    }
    return dict(find_surplus(roles, RULES))


def test_as_it_should_be() -> None:
    """What Keycloak put into a role of its own is right, also when a post contains that role."""
    assert surplus() == {}


def test_more_than_the_console_needs() -> None:
    """A role that changes something is too much in the post of whoever audits, and in any other."""
    for post in (AUDITOR, RoleName("post-operator")):
        assert surplus(**{post: frozenset({MANAGE_USERS})}) == {post: {MANAGE_USERS}}
    assert surplus(**{"post-operator": DELEGATED}) == {RoleName("post-operator"): DELEGATED}


def test_a_permission_contains_nothing() -> None:
    """Neither a duty nor a role of Keycloak's own belongs into a permission, nor a duty elsewhere."""
    permission = min(role for role in RULES.duties if "/" in role)
    assert surplus(**{permission: frozenset({MANAGE_USERS})}) == {permission: {MANAGE_USERS}}
    assert surplus(**{VIEW_USERS: frozenset({AUDITOR})}) == {VIEW_USERS: {AUDITOR}}


@pytest.mark.parametrize("name", ["query-users", "view-users", "view-realm", "manage-users"])
def test_keycloaks_own_roles_contain_what_keycloak_put_into_them(name: str) -> None:
    """Whatever enters one comes with an administrator's post, a sealed account or our own: it is a cause."""
    role, impersonation = (
        RoleName(f"{REALM_MANAGEMENT}/{name}"),
        RoleName(f"{REALM_MANAGEMENT}/impersonation"),
    )
    assert surplus(**{role: frozenset({impersonation})}) == {role: {impersonation}}


def test_keycloak_lets_nobody_change_its_own() -> None:
    """So nothing of it is tried through the configurator. A post is mended all the same, but gets back no
    role which somebody put power into."""
    contents = {**contents_of(RULES, BY_KEYCLOAK), VIEW_USERS: frozenset({MANAGE_USERS}), AUDITOR: DELEGATED}
    roles = {
        name: RealmRole(id=KeycloakId(name), name=name, composites=parts) for name, parts in contents.items()
    }
    remedy = find_remedy(roles, RULES, exchanged=(), default_groups={}, mappers=(), judge=read_mapper_rules())
    assert (remedy.surplus, remedy.lacking) == ({}, {AUDITOR: AUDITING - DELEGATED - {VIEW_USERS}})
