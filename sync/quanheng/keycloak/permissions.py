"""The port to the fine-grained permissions of administrators (Keycloak's version 2).

Two implementations: :class:`quanheng.keycloak.permissions_rest.RestPermissions` over the Admin REST API and
:class:`quanheng.keycloak.permissions_fake.FakePermissions` in memory; ``tests/contract`` runs over both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from quanheng.delegation.comparing import PermissionChange
from quanheng.model.permission import AdminPermissions


class Permissions(Protocol):
    """The permissions of one realm.

    Raises :class:`UnreachableError` and :class:`RealmRefusedError` as the realm's own port does.
    """

    def read(self) -> AdminPermissions | None:
        """Every policy and permission; None while the realm has fine-grained permissions switched off."""

    def write(self, changes: Sequence[PermissionChange]) -> None:
        """Carry out changes in stages: permissions and policies that are deleted first, then policies, then
        permissions, then policies that nothing needs any more; within a stage several at once. May be
        repeated.

        Keycloak lets those alone do it who may change the realm: the configurator, while it is open.
        """
