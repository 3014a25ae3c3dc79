"""What roles contain in which nobody may put another: exactly this. Pure.

Those of posts and permissions, and Keycloak's own: administrators' posts contain some that administer the
realm, and everybody's default role some of the account's, so whatever enters one would come with it and be
nobody's grant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from quanheng.model.ids import RoleName
from quanheng.policy.console_roles import REALM_MANAGEMENT
from quanheng.policy.rules import CompiledRules

ACCOUNT: Final = "account"
"""Keycloak's own client by which everybody sees the own account."""


def _roles(*names: str, client: str = REALM_MANAGEMENT) -> frozenset[RoleName]:
    return frozenset(RoleName(f"{client}/{name}") for name in names)


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
    **dict.fromkeys(
        _roles(
            "delete-account",
            "manage-account-links",
            "view-applications",
            "view-consent",
            "view-groups",
            "view-profile",
            client=ACCOUNT,
        ),
        frozenset(),
    ),
    **dict.fromkeys(_roles("manage-account", client=ACCOUNT), _roles("manage-account-links", client=ACCOUNT)),
    **dict.fromkeys(_roles("manage-consent", client=ACCOUNT), _roles("view-consent", client=ACCOUNT)),
}
"""What Keycloak 26.7 puts into roles of its own (``AdminRoles``, ``RealmManager.addQueryCompositeRoles``,
``RealmManager.setupAccountManagement``).
Not ``realm-admin``, which contains them all: whoever holds it gains nothing by one more."""


def contents_of(rules: CompiledRules, roles: Iterable[RoleName]) -> Mapping[RoleName, frozenset[RoleName]]:
    """What each role that the rules protect contains. ``roles``: those of the realm, of which Keycloak's own
    are protected where they are there."""
    return {
        **{role: BY_KEYCLOAK[role] for role in roles if role in BY_KEYCLOAK},
        **dict.fromkeys(rules.duties, frozenset()),
        **rules.composites,
    }


def is_fixed(role: RoleName) -> bool:
    """Whether Keycloak lets nobody change what a role contains."""
    return role in BY_KEYCLOAK and role.startswith(f"{REALM_MANAGEMENT}/")


def own_roles(names: Iterable[str]) -> frozenset[RoleName]:
    """Roles of Keycloak's own by their short names, with what it puts into them itself."""
    roles = _roles(*names)
    return roles.union(*(BY_KEYCLOAK.get(role, frozenset()) for role in roles))
