"""What roles contain beyond what they should: ours, the console's in administrators' posts, and others."""

from __future__ import annotations

from fixtures.pack_making import shipped
from quanheng.model.ids import KeycloakId, RoleName
from quanheng.model.realm import RealmRole
from quanheng.policy.compiling import compile_rules
from quanheng.policy.console_roles import AUDITING, DELEGATED, REALM_MANAGEMENT
from quanheng.watch.causes import find_surplus

RULES = compile_rules(shipped("shanxi"))
AUDITOR = RoleName("post-auditor")
VIEW_USERS = RoleName(f"{REALM_MANAGEMENT}/view-users")
MANAGE_USERS = RoleName(f"{REALM_MANAGEMENT}/manage-users")


def surplus(**more: frozenset[RoleName]) -> dict[RoleName, frozenset[RoleName]]:
    """What a realm contains too much whose roles are as they should be, but for what some contain as well."""
    contents = {**dict.fromkeys((*RULES.duties, *AUDITING), frozenset()), **RULES.composites}
    contents |= {VIEW_USERS: DELEGATED}  # as Keycloak makes it
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
