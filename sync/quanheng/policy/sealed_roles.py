"""What roles contain in which nobody may put another: exactly this. Pure.

Those of posts and permissions, and Keycloak's own that administer the realm: administrators' posts contain
some of these, so whatever enters one would come with the post and be nobody's grant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from quanheng.model.ids import RoleName
from quanheng.policy.console_roles import REALM_MANAGEMENT
from quanheng.policy.rules import CompiledRules


def _roles(*names: str) -> frozenset[RoleName]:
    return frozenset(RoleName(f"{REALM_MANAGEMENT}/{name}") for name in names)


BY_KEYCLOAK: Final[Mapping[RoleName, frozenset[RoleName]]] = {
    **dict.fromkeys(
        _roles(
            "create-client",
            "impersonation",
            "manage-authorization",
            "manage-clients",
            "manage-events",
            "manage-identity-providers",
            "manage-organizations",
            "manage-realm",
            "manage-users",
            "query-clients",
            "query-groups",
            "query-organizations",
            "query-realms",
            "query-users",
            "view-authorization",
            "view-events",
            "view-identity-providers",
            "view-realm",
        ),
        frozenset(),
    ),
    **dict.fromkeys(_roles("view-clients"), _roles("query-clients")),
    **dict.fromkeys(_roles("view-organizations"), _roles("query-organizations")),
    **dict.fromkeys(_roles("view-users"), _roles("query-groups", "query-users")),
}
"""What Keycloak 26.7 puts into roles of its own (``AdminRoles``, ``RealmManager.addQueryCompositeRoles``).
Not ``realm-admin``, which contains them all: whoever holds it gains nothing by one more."""


def contents_of(rules: CompiledRules, roles: Iterable[RoleName]) -> Mapping[RoleName, frozenset[RoleName]]:
    """What each role that the rules protect contains. ``roles``: those of the realm, of which Keycloak's own
    are protected where they are there."""
    return {
        **{role: BY_KEYCLOAK[role] for role in roles if role in BY_KEYCLOAK},
        **dict.fromkeys(rules.duties, frozenset()),
        **rules.composites,
    }


def own_roles(names: Iterable[str]) -> frozenset[RoleName]:
    """Roles of Keycloak's own by their short names, with what it puts into them itself."""
    roles = _roles(*names)
    return roles.union(*(BY_KEYCLOAK.get(role, frozenset()) for role in roles))
