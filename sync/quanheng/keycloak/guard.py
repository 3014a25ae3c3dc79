"""The port to the guard: the provider inside Keycloak that vetoes (decision 12).

Two implementations: :class:`quanheng.keycloak.guard_rest.RestGuard` over the guard's own endpoint
``/realms/{realm}/quanheng-guard`` and :class:`quanheng.keycloak.guard_fake.FakeGuard` in memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from quanheng.model.ids import KeycloakId
from quanheng.model.realm import FederatedIdentity, MapperHolder, RealmMapper


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedRules:
    """Rules as they travel: the realm's attribute ``quanheng.rules``."""

    payload: bytes
    """JSON in UTF-8; ``guard/README.md`` describes it."""
    signature: bytes
    """Ed25519 (RFC 8032) over ``payload``, 64 bytes."""
    sequence: int
    """The same number as in the payload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardStatus:
    """What the guard says of itself in this realm."""

    version: str
    required: bool
    """Whether this server was told that the realm needs rules."""
    valid: bool
    """Whether it has rules that it believes. When not and ``required``: no duty can be granted."""
    problem: str
    """Why not; empty when valid."""
    sequence: int
    """Of the rules in force; while there are none, the highest that the server has seen."""
    break_glass_until: datetime | None
    """While this lies ahead, nothing is vetoed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """Something that was set right because the rules say so: by the guard, or for want of one by us."""

    kind: str
    """``composite``, ``default_group``, ``protocol_mapper`` or ``provider_mapper``."""
    subject: str
    """The role, client or provider that was changed."""
    removed: str
    """What was taken away."""

    @classmethod
    def of_mapper(cls, mapper: RealmMapper) -> Restored:
        """A mapper that was removed."""
        if mapper.holder is MapperHolder.PROVIDER:
            return cls(kind="provider_mapper", subject=mapper.holder_name, removed=mapper.name)
        subject = f"{mapper.holder} {mapper.holder_name}"
        return cls(kind="protocol_mapper", subject=subject, removed=mapper.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """What one user holds directly, as it stands in the server's database."""

    roles: frozenset[KeycloakId]
    """Of the realm and of clients, by id."""
    groups: frozenset[KeycloakId]
    identities: frozenset[FederatedIdentity]


class Guard(Protocol):
    """The guard of one realm. Every method may be repeated.

    Raises :class:`UnreachableError` and :class:`RealmRefusedError` as the realm's own port does.
    """

    def read_status(self) -> GuardStatus | None:
        """What it says of itself; None when this server has no guard."""

    def publish(self, rules: SealedRules) -> None:
        """Put rules in force. 409 when the signature, realm or sequence is not right."""

    def restore(self) -> tuple[Restored, ...]:
        """Set right what gives power past any grant: composites, default groups, forbidden mappers."""

    def clear_caches(self) -> None:
        """Forget what Keycloak has cached of this realm and its users, so that a sweep reads the database."""

    def read_holders(self) -> Mapping[KeycloakId, Holder]:
        """What everybody holds, service accounts included, one request per thousand users.

        Whom a user storage (LDAP in Keycloak) brought in is not there. 404 from a server without a guard, or
        with one that is older than this reading; 403 while we are none of its writers.
        """
