"""What each account may do to whom in the console, by live permissions, beside what it rightly may. Pure.

Never from what we wrote ourselves: what the permissions, groups and roles of Keycloak say now is compared
with what the packs give to the seats that somebody rightly has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from quanheng.delegation.compiling import Place
from quanheng.delegation.evaluating import Evaluation, Power, RolesHeld, powers_of
from quanheng.delegation.holders import Seat, Seats
from quanheng.model.ids import KeycloakId, RoleName
from quanheng.model.permission import GROUPS, AdminPermission, AdminPermissions
from quanheng.model.realm import ObservedRealm, RealmUser
from quanheng.policy.console_roles import REALM_MANAGEMENT


class CauseKind(StrEnum):
    """What gives somebody more than the packs do."""

    PERMISSION = "permission"
    """One that somebody else made, or that is not as compiled."""
    POLICY = "policy"
    """One of ours that is not as compiled."""
    MEMBERSHIP = "membership"
    """All is as compiled, but who sits in the group, or holds the role, has no right to."""
    ROLE = "role"
    """A role of Keycloak's own, through another role or a group."""


@dataclass(frozen=True, slots=True, order=True)
class Cause:
    """One cause, whoever gains by it."""

    kind: CauseKind
    name: str
    """Of the permission, policy or carrier; of the account, where that is the cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """What an account rightly has."""

    seats: Seats = frozenset()
    roles: frozenset[RoleName] = frozenset()
    """Of Keycloak's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPowers:
    """One account: what it may do, and how that differs from what it should."""

    user: RealmUser
    right: Right
    powers: Mapping[Power, frozenset[str]]
    """Each, and the permissions that give it."""
    roles: Mapping[RoleName, str]
    """Roles of Keycloak's own that administer or show the realm, and through what; empty for a direct one."""
    surplus: Mapping[Cause, frozenset[Power]]
    surplus_roles: Mapping[Cause, frozenset[RoleName]]
    missing: frozenset[Power]
    missing_roles: frozenset[RoleName]

    @property
    def has_surplus(self) -> bool:
        """Whether it may do anything that it should not."""
        return bool(self.surplus or self.surplus_roles)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """What one cause gives, to how many."""

    cause: Cause
    powers: frozenset[Power] = frozenset()
    roles: frozenset[RoleName] = frozenset()
    users: tuple[RealmUser, ...] = ()
    anybody: bool = False
    """It may be anybody: who is among them cannot be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RealmPowers:
    """Everybody who may do anything in the console, or should."""

    accounts: tuple[AccountPowers, ...]
    """By user name; nobody who is here for what anybody may do."""
    gains: tuple[Gain, ...]
    """Each surplus, by cause."""


def gains_of(powers: Iterable[AccountPowers]) -> tuple[Gain, ...]:
    """The causes of what these accounts have too much."""
    return tuple(_Gains.of(powers))


class PowerJudge:
    """Compares what accounts of one realm may do with what they should; made once for any number of them."""

    def __init__(
        self,
        observed: ObservedRealm,
        found: AdminPermissions,
        compiled: AdminPermissions,
        places: Collection[Place],
        ids: Mapping[str, KeycloakId],
    ) -> None:
        """``found``: as Keycloak has them; ``compiled`` and ``places``: as they should be; ``ids``: groups by
        key."""
        self._observed = observed
        self._found = found
        self._compiled = compiled
        self._held = RolesHeld(observed)
        self.evaluation = Evaluation(found, observed, self._held)
        self._of_seat: dict[Seat, set[Power]] = defaultdict(set)
        for place in places:
            if place.key in ids:
                for scope, seats in place.scopes.items():
                    for seat in seats:
                        self._of_seat[seat].add(Power(GROUPS, scope, ids[place.key]))
        self._for_anybody = {name for name in found.permissions if self.evaluation.is_for_anybody(name)}

    def judge(self, rights: Mapping[KeycloakId, Right]) -> RealmPowers:
        """Everybody. ``rights``: of those who have any."""
        accounts: list[AccountPowers] = []
        anybody: dict[str, list[RealmUser]] = {name: [] for name in sorted(self._for_anybody)}
        for user in sorted(self._observed.users.values(), key=lambda user: user.username):
            account = self._account(user, rights.get(user.id, Right()), anybody)
            if account.powers or account.roles or account.right != Right():
                accounts.append(account)
        return RealmPowers(
            accounts=tuple(accounts),
            gains=(*(self._for_all(name, users) for name, users in anybody.items()), *gains_of(accounts)),
        )

    def _for_all(self, name: str, users: Sequence[RealmUser]) -> Gain:
        """What a permission gives that may be for anybody."""
        powers = frozenset(powers_of(self._found.permissions[name]))
        cause = self._cause(self._found.permissions[name], powers) or Cause(CauseKind.PERMISSION, name)
        return Gain(cause=cause, powers=powers, users=tuple(users), anybody=True)

    def _account(
        self, user: RealmUser, right: Right, anybody: Mapping[str, list[RealmUser]]
    ) -> AccountPowers:
        rightful = frozenset[Power]().union(*(self._of_seat.get(seat, ()) for seat in right.seats))
        live: dict[Power, frozenset[str]] = {}
        surplus: dict[Cause, set[Power]] = defaultdict(set)
        open_to: set[str] = set()
        for power, names in self.evaluation.powers(self.evaluation.signature(user)).items():
            open_to |= names & self._for_anybody
            own = names - self._for_anybody
            if own:
                live[power] = own
                if power not in rightful:
                    for name in own:
                        cause = self._cause(self._found.permissions[name], {power})
                        surplus[cause or Cause(CauseKind.MEMBERSHIP, str(user.username))].add(power)
        for name in open_to:
            anybody[name].append(user)
        roles = {
            role: way for role, way in self._held.of(user).items() if role.startswith(f"{REALM_MANAGEMENT}/")
        }
        surplus_roles: dict[Cause, set[RoleName]] = defaultdict(set)
        extra = roles.keys() - right.roles
        # What one of these contains comes with it.
        for role in extra - frozenset[RoleName]().union(*map(self._held.inside, extra)) or extra:
            way = roles[role]
            mine = Cause(CauseKind.MEMBERSHIP, str(user.username))
            surplus_roles[Cause(CauseKind.ROLE, way) if way else mine].add(role)
        return AccountPowers(
            user=user,
            right=right,
            powers=live,
            roles=roles,
            surplus={cause: frozenset(items) for cause, items in sorted(surplus.items())},
            surplus_roles={cause: frozenset(items) for cause, items in sorted(surplus_roles.items())},
            missing=rightful - live.keys(),
            missing_roles=right.roles - roles.keys(),
        )

    def _cause(self, permission: AdminPermission, powers: Collection[Power]) -> Cause | None:
        """Why a permission gives somebody powers that it should not have; None: it is as compiled."""
        wanted = self._compiled.permissions.get(permission.name)
        if wanted is None or wanted.policies != permission.policies or set(powers) - set(powers_of(wanted)):
            return Cause(CauseKind.PERMISSION, permission.name)
        for name in sorted(permission.policies):
            if self._found.policies.get(name) != self._compiled.policies.get(name):
                return Cause(CauseKind.POLICY, name)
        return None


@dataclass
class _Gains:
    powers: set[Power] = field(default_factory=set)
    roles: set[RoleName] = field(default_factory=set)
    users: dict[KeycloakId, RealmUser] = field(default_factory=dict)

    @classmethod
    def of(cls, accounts: Iterable[AccountPowers]) -> Iterator[Gain]:
        found: dict[Cause, _Gains] = defaultdict(cls)
        for account in accounts:
            for cause, powers in account.surplus.items():
                found[cause].powers |= powers
                found[cause].users[account.user.id] = account.user
            for cause, roles in account.surplus_roles.items():
                found[cause].roles |= roles
                found[cause].users[account.user.id] = account.user
        for cause, gain in sorted(found.items()):
            yield Gain(
                cause=cause,
                powers=frozenset(gain.powers),
                roles=frozenset(gain.roles),
                users=tuple(gain.users.values()),
            )
