"""Fine-grained permissions in memory: they are kept, and give nobody anything.

Passes the same contract suite as :class:`quanheng.keycloak.permissions_rest.RestPermissions`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from quanheng.delegation.comparing import Deed, PermissionChange
from quanheng.keycloak.fake_base import FakePermissionState, refusal
from quanheng.model.permission import AdminPermission, AdminPermissions, AdminPolicy


class FakePermissions:
    """Implements :class:`quanheng.keycloak.permissions.Permissions` over a realm in memory."""

    def __init__(
        self,
        state: FakePermissionState,
        call: Callable[[str], AbstractContextManager[None]],
        tell: Callable[[str, str, str], None],
        *,
        may_write: bool,
    ) -> None:
        self.state = state
        self._call = call
        self._tell = tell
        self._may_write = may_write

    def read(self) -> AdminPermissions | None:
        """Everything that is kept."""
        with self._call("permissions_read"):
            if not self.state.enabled:
                return None
            return AdminPermissions(
                policies=dict(self.state.policies), permissions=dict(self.state.permissions)
            )

    def write(self, changes: Sequence[PermissionChange]) -> None:
        """Carry them out."""
        for change in changes:
            with self._call("permissions_write"):
                if not (self._may_write and self.state.enabled):
                    raise refusal(403, "permissions of administrators cannot be written now")
                self._write(change)
                self._tell(change.deed.upper(), "AUTHORIZATION_POLICY", f"clients/x/authz/{change.name}")

    def _write(self, change: PermissionChange) -> None:
        wanted, state = change.wanted, self.state
        if change.deed is Deed.CREATE and change.name in (*state.policies, *state.permissions):
            raise refusal(409, f"the name '{change.name}' is taken")
        if isinstance(wanted, AdminPolicy):
            state.policies[wanted.name] = wanted
        elif isinstance(wanted, AdminPermission):
            state.permissions[wanted.name] = wanted
        elif change.is_policy:
            state.policies.pop(change.name, None)
            self._forget(change.name)
        else:
            state.permissions.pop(change.name, None)

    def _forget(self, policy: str) -> None:
        """Take a policy out of the permissions that use it; one without any is gone."""
        for name, item in list(self.state.permissions.items()):
            if policy in item.policies:
                self.state.permissions[name] = replace(item, policies=item.policies - {policy})
                if item.policies == {policy}:
                    del self.state.permissions[name]
