"""A guard in memory: it believes rules as the real one does, and judges nothing.

Passes the same contract suite as :class:`quanheng.keycloak.guard_rest.RestGuard` (``tests/contract``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from quanheng.keycloak.fake_base import FakeState, refusal
from quanheng.keycloak.guard import GuardStatus, Holder, Restored, SealedRules
from quanheng.keycloak.judged_mappers import MapperRules, Verdict
from quanheng.keycloak.representation import plain_name
from quanheng.model.ids import KeycloakId, RoleName


class FakeGuard:
    """Implements :class:`quanheng.keycloak.guard.Guard` over a realm in memory.

    ``state`` is what the server was told and has: a test sets it.
    """

    def __init__(
        self,
        realm: FakeState,
        call: Callable[[str], AbstractContextManager[None]],
        tell: Callable[[str, str, str], None],
        actor: str,
    ) -> None:
        self.state = realm.guard
        self._realm = realm
        self._call = call
        self._tell = tell
        self._actor = actor

    def read_status(self) -> GuardStatus | None:
        """What it says of itself; None while it is not installed."""
        with self._call("guard_read_status"):
            if not self.state.installed:
                return None
            rules, problem = self.state.rules, self._problem(self.state.rules)
            return GuardStatus(
                version=self.state.version,
                required=self.state.required,
                valid=not problem,
                problem=problem,
                sequence=rules.sequence if rules is not None and not problem else self.state.highest,
                break_glass_until=self.state.break_glass_until,
            )

    def publish(self, rules: SealedRules) -> None:
        """Put rules in force."""
        with self._installed("publish"):
            if problem := self._problem(rules):
                raise refusal(409, f"the guard refuses the rules: {problem}")
            if self._actor not in _body(rules)["writers"]:
                raise refusal(409, "the account that gives the rules is none of their writers")
            self.state.rules = rules
            self.state.highest, self.state.seen = rules.sequence, rules.payload

    def restore(self) -> tuple[Restored, ...]:
        """Have each protected role contain what the rules say and no other role a duty; there are no default
        groups, and no mappers that give or forge roles."""
        with self._installed("restore"):
            if problem := self._problem(self.state.rules):
                raise refusal(409, f"the guard has no rules: {problem}")
            return tuple(self._restored())

    def clear_caches(self) -> None:
        """Nothing is cached here."""
        with self._installed("clear_caches"):
            pass

    def read_holders(self) -> Mapping[KeycloakId, Holder]:
        """What everybody holds."""
        with self._installed("read_holders"):
            return {
                key: Holder(
                    roles=frozenset(self._realm.roles[name].id for name in user.roles),
                    groups=user.groups,
                    identities=user.identities,
                )
                for key, user in self._realm.users.items()
            }

    def _restored(self) -> Iterator[Restored]:
        assert self.state.rules is not None  # noqa: S101 -- they are valid
        body = _body(self.state.rules)
        yield from self._restored_roles(body)
        for group in sorted(self._realm.default_groups):
            name = self._realm.groups[group].path[-1]
            yield Restored(kind="default_group", subject=self._realm.realm, removed=name)
        self._realm.default_groups.clear()
        # Claims of identity are among those of roles here.
        rules = MapperRules.parse({"identity_claims": (), **body["protect"]})
        for mapper in list(self._realm.mappers.values()):
            if rules.judge(mapper) is not Verdict.ORDINARY:
                del self._realm.mappers[mapper.id]
                yield Restored.of_mapper(mapper)

    def _restored_roles(self, body: Any) -> Iterator[Restored]:
        roles = self._realm.roles
        names: Mapping[str, RoleName] = {role.id: name for name, role in roles.items()}
        duties = frozenset(names[role] for role in body["duties"] if role in names)
        composites: Mapping[str, list[str]] = body["protect"]["composites"]
        for name, role in sorted(roles.items()):
            wanted = role.composites - duties
            if role.id in composites:
                wanted = frozenset(names[part] for part in composites[role.id] if part in names)
            if wanted != role.composites:
                roles[name] = replace(role, composites=wanted)
                self._tell("UPDATE", "REALM_ROLE", f"roles-by-id/{role.id}/composites")
            for surplus in sorted(role.composites - wanted):
                yield Restored(kind="composite", subject=plain_name(name), removed=plain_name(surplus))

    def _problem(self, rules: SealedRules | None) -> str:
        if rules is None:
            return "the realm has no rules"
        keys = map(Ed25519PublicKey.from_public_bytes, self.state.public_keys)
        if not any(_is_signed(rules, key) for key in keys):
            return "the signature is not of a key that this server knows"
        body = _body(rules)
        if body["realm"] != self._realm.realm or body["sequence"] != rules.sequence:
            return "the rules are of another realm"
        if rules.sequence < self.state.highest:
            return "newer rules have been in force already"
        if rules.sequence == self.state.highest and rules.payload != self.state.seen:
            return "other rules with the same sequence have been in force already"
        return ""

    @contextmanager
    def _installed(self, name: str) -> Iterator[None]:
        with self._call(f"guard_{name}"):
            if not self.state.installed:
                raise refusal(404, "this server has no guard")
            yield


def _is_signed(rules: SealedRules, key: Ed25519PublicKey) -> bool:
    try:
        key.verify(rules.signature, rules.payload)
    except InvalidSignature:
        return False
    return True


def _body(rules: SealedRules) -> Any:
    return json.loads(rules.payload)
