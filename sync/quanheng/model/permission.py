"""Fine-grained permissions of administrators, as Keycloak keeps them (version 2), as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from quanheng.model.ids import KeycloakId

GROUPS: Final = "Groups"
"""The type of what our permissions are about."""
_KNOWN: Final = frozenset({"group", "role", "user"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminPolicy:
    """Who: members of any of these groups, or holders of any of these roles."""

    name: str
    kind: str
    """``group`` and ``role`` are what we make; other kinds go by Keycloak's names."""
    members: frozenset[KeycloakId]
    """Groups, roles or, of the kind ``user``, users."""
    negative: bool = False
    """Everybody else is meant."""
    extending: frozenset[KeycloakId] = frozenset()
    """Groups of ``members`` whose subgroups count too."""
    detail: str = ""
    """What else it says, canonical; empty for one as we make it."""

    @property
    def is_open(self) -> bool:
        """Whether it cannot be told from members whom it means: a script, a time, an address, a claim of the
        token. It may be anybody. What else a policy of roles can say only means fewer people."""
        return self.kind not in _KNOWN or (self.kind != "role" and bool(self.detail))


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminPermission:
    """What those of its policies may do to what."""

    name: str
    resource_type: str
    resources: frozenset[KeycloakId]
    """Groups, users, …; empty: every one of the type."""
    scopes: frozenset[str]
    policies: frozenset[str]
    """Names. All of them have to agree."""
    description: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminPermissions:
    """Every policy and permission of a realm, by name: the names of both are one space."""

    policies: Mapping[str, AdminPolicy]
    permissions: Mapping[str, AdminPermission]
