"""Keycloak's own roles that open its console, and for whose posts. Pure.

They come through the role of a post, so the guard keeps them there and nowhere else. None is a duty: what
administrators may do to whom is said by fine-grained permissions, and these alone show no person.
"""

from __future__ import annotations

from typing import Final

from quanheng.model.ids import PostId, RoleName
from quanheng.policy.contents import Pack

REALM_MANAGEMENT: Final = "realm-management"
"""Client of each realm to which these roles belong."""


def _roles(*names: str) -> frozenset[RoleName]:
    return frozenset(RoleName(f"{REALM_MANAGEMENT}/{name}") for name in names)


DELEGATED: Final = _roles("query-groups", "query-users")
"""Of whoever has charge of anybody: lists, in which Keycloak shows what permissions let be seen."""

AUDITING: Final = _roles(
    "query-clients",
    "query-groups",
    "query-realms",
    "query-users",
    "view-authorization",
    "view-events",
    "view-identity-providers",
    "view-realm",
    "view-users",
)
"""Of the audit administrator: reads all, changes nothing. Not view-clients, which reads clients' secrets
(keycloak#49220)."""


def console_roles(pack: Pack, post: PostId) -> frozenset[RoleName]:
    """What the role of a post contains beside its permissions; nothing for whoever administers nobody."""
    if post in pack.audit_posts:
        return AUDITING
    if any(charge.post == post for charge in pack.administration.charges):
        return DELEGATED
    return frozenset()
