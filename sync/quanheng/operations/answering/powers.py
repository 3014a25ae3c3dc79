"""Who may do what to whom in the console, read live and compared with the packs. Writes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from quanheng.delegation.holders import Seat
from quanheng.delegation.powers import (
    AccountPowers,
    Cause,
    CauseKind,
    Gain,
    PowerJudge,
    RealmPowers,
    Right,
    gains_of,
)
from quanheng.delegation.wording import Wording
from quanheng.keycloak.configuration_files import read_administration
from quanheng.model.change import ChangeKind
from quanheng.model.finding import Finding, FindingKind
from quanheng.model.ids import KeycloakId, OrgCode, PostId, RoleName
from quanheng.model.permission import AdminPermissions
from quanheng.model.realm import ObservedRealm, RealmUser
from quanheng.operations.comparing import Compared, compare_observed
from quanheng.operations.context import Context
from quanheng.operations.delegating import Delegation, build_delegation, find_differences
from quanheng.operations.glass.accounts import ids_of_glass
from quanheng.operations.refresh import read_live
from quanheng.policy.console_roles import console_roles
from quanheng.policy.effective import Powers
from quanheng.policy.sealed_roles import own_roles
from quanheng.policy.shortages import Shortage, find_shortages

_NAMED: Final = 3
"""Accounts that one finding names; the rest are counted."""
_NOTHING: Final = AdminPermissions(policies={}, permissions={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Somebody in the group of an administrator's post."""

    user: RealmUser
    rightful: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """An administrator's post in an area, and who is in its group now."""

    seat: Seat
    area_name: str
    label: str
    holders: tuple[Holder, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PowersReport:
    """Everybody's powers in the console."""

    observed: ObservedRealm
    found: AdminPermissions | None
    """None while the realm has fine-grained permissions switched off."""
    delegation: Delegation
    realm: RealmPowers
    offices: tuple[Office, ...]
    """By area, in the order of the packs' posts."""
    shortages: tuple[Shortage, ...]
    """Minima of administrators' posts that are not filled."""
    wording: Wording
    judge: PowerJudge

    @property
    def differences(self) -> tuple[Finding, ...]:
        """How the permissions themselves differ, each with how many gain by it."""
        told: dict[str, list[Gain]] = defaultdict(list)
        for gain in self.realm.gains:
            told[gain.cause.name].append(gain)
        texts = {name: "；" + "；".join(self._gained(gain) for gain in gains) for name, gains in told.items()}
        return find_differences(self.delegation.compiled, self.found, texts)

    @property
    def has_surplus(self) -> bool:
        """Whether anybody has a power that no pack gives, or a permission is not as it should be."""
        return bool(self.realm.gains) or bool(self.differences)

    def findings(self, told: Mapping[KeycloakId, frozenset[RoleName]]) -> tuple[Finding, ...]:
        """Every surplus, by cause. ``told``: roles of Keycloak's own that are told of already, by account."""
        left = [
            replace(
                account,
                surplus_roles={
                    cause: roles - told.get(account.user.id, frozenset())
                    for cause, roles in account.surplus_roles.items()
                    if roles - told.get(account.user.id, frozenset())
                },
            )
            for account in self.realm.accounts
        ]
        return (*self.differences, *map(self._finding, _of_people(gains_of(left))))

    def find(self, username: str) -> AccountPowers | None:
        """The account of a user name."""
        return next((item for item in self.realm.accounts if item.user.username == username), None)

    def explain_cause(self, cause: Cause) -> str:
        """What to know of a cause of a surplus, in words."""
        compiled = self.delegation.compiled.permissions
        if cause.kind is CauseKind.PERMISSION:
            word = "被改动" if cause.name in compiled.permissions else "外来权限"
            return f"{word} {cause.name}"
        if cause.kind is CauseKind.POLICY:
            return f"策略被改动 {cause.name}"
        return f"经由 {cause.name}" if cause.kind is CauseKind.ROLE else "本人所在的组或直接授予的角色"

    def _gained(self, gain: Gain) -> str:
        who = f"可能是任何人（{len(gain.users)} 个账号）" if gain.anybody else _names(gain.users)
        return f"{who}因此可以 {self.wording.describe(gain.powers)}"

    def _finding(self, gain: Gain) -> Finding:
        parts = [self.wording.describe(gain.powers)] if gain.powers else []
        parts += [f"持有 {'、'.join(sorted(gain.roles))}"] if gain.roles else []
        what = "；".join(parts)
        if gain.cause.kind is CauseKind.ROLE:
            detail = f"{_names(gain.users)}经由它{what}，规则包不给：在控制台移除该角色，或移出该组"
        else:
            detail = f"多出的管理权限：{what}；不是其岗位所有：无依据的岗位由同步收回，其余在控制台移除"
        return Finding(
            kind=FindingKind.ADMIN_PERMISSION, subject=gain.cause.name, detail=detail, violation=True
        )


def read_powers(context: Context) -> PowersReport:
    """Read everything from Keycloak: the realm, and with the daily client one request per permission."""
    return judge_powers(context, compare_observed(context, read_live(context.realm)))


def judge_powers(context: Context, compared: Compared) -> PowersReport:
    """The same for a realm that was read and compared already."""
    found = context.realm.permissions.read()
    observed = compared.observed
    delegation = build_delegation(context, observed, compared.trusted.registry)
    judge = PowerJudge(
        observed,
        found or _NOTHING,
        delegation.compiled.permissions,
        delegation.places,
        delegation.groups.ids,
    )
    rights = _rights(context, compared, delegation)
    offices = tuple(_offices(context, compared, delegation, rights))
    return PowersReport(
        observed=observed,
        found=found,
        delegation=delegation,
        realm=judge.judge(rights),
        offices=offices,
        shortages=_shortages(context, compared, delegation, offices),
        wording=Wording(delegation.units, delegation.groups.keys, observed),
        judge=judge,
    )


def _rights(context: Context, compared: Compared, delegation: Delegation) -> Mapping[KeycloakId, Right]:
    """What each account should have: by the bases of the people, and never by who is in a group."""
    pack, observed = context.pack, compared.observed
    # Kept though the sources have ended it, until there is another: told as such.
    kept = {
        item.subject for item in compared.difference.findings if item.kind is FindingKind.LAST_ADMINISTRATOR
    }
    revoked = {
        (change.detail.get("id"), change.detail.get("key"))
        for change in compared.difference.changes
        if change.kind is ChangeKind.REVOKE
    }
    rights: dict[KeycloakId, Right] = {}
    for person, desired in compared.desired.users.items():
        account = compared.registry.accounts.get(person)
        user = observed.users.get(account.keycloak_id) if account is not None else None
        if user is None:
            continue
        seats = {
            Seat(area.code, PostId(basis.post))
            for basis in desired.bases
            if pack.post_by_id[basis.post].kind == "administrator"
            and (area := delegation.units.resolve(basis.area)) is not None
        }
        if str(user.username) in kept:
            keys = {delegation.groups.keys.get(group, "") for group in user.groups}
            seats |= {seat for key in keys if (user.id, key) not in revoked and (seat := _seat(key))}
        roles = frozenset[RoleName]().union(*(console_roles(pack, seat.post) for seat in seats))
        if seats:
            rights[user.id] = Right(seats=frozenset(seats), roles=own_roles(_short(roles)))
    return {**rights, **_rights_of_accounts(context, compared)}


def _rights_of_accounts(context: Context, compared: Compared) -> Mapping[KeycloakId, Right]:
    """Our service accounts and the sealed ones: by id, since anybody could have the name of one."""
    keycloak = context.settings.keycloak
    known = read_administration(keycloak.sync.client_id, keycloak.configurator.client_id)
    sealed = ids_of_glass(context)
    rights: dict[KeycloakId, Right] = {}
    for user in compared.observed.users.values():
        if user.id in context.realm.own_actors:
            rights[user.id] = Right(roles=own_roles(known.own.get(user.username, frozenset())))
        elif user.id in sealed:
            rights[user.id] = Right(roles=own_roles(known.sealed.get(user.username, frozenset())))
    return rights


def _offices(
    context: Context, compared: Compared, delegation: Delegation, rights: Mapping[KeycloakId, Right]
) -> Iterator[Office]:
    members: dict[KeycloakId, list[RealmUser]] = defaultdict(list)
    for user in sorted(compared.observed.users.values(), key=lambda user: user.username):
        for joined in user.groups:
            members[joined].append(user)
    for key in delegation.offices:
        seat = _seat(key)
        if seat is None:
            continue
        unit = delegation.units.by_code.get(seat.area)
        group = delegation.groups.ids.get(key)
        yield Office(
            seat=seat,
            area_name=unit.name if unit is not None else "",
            label=context.pack.post_by_id[seat.post].label,
            holders=tuple(
                Holder(user=user, rightful=seat in rights.get(user.id, Right()).seats)
                for user in (members[group] if group is not None else ())
            ),
        )


def _shortages(
    context: Context, compared: Compared, delegation: Delegation, offices: Sequence[Office]
) -> tuple[Shortage, ...]:
    """Minima of administrators' posts; whoever is switched off does not count."""
    powers = Powers(compared.observed, context.rules)
    users = {item.user.id: item.user for office in offices for item in office.holders if item.user.enabled}
    asked = {
        rule.id
        for rule in context.pack.rules.minima
        if any(context.pack.post_by_id[PostId(post)].kind == "administrator" for post in rule.posts)
    }
    areas = {office.seat.area for office in offices}
    held = {key: powers.of_user(user) for key, user in users.items()}
    return tuple(item for item in find_shortages(context.pack, areas, held) if item.rule in asked)


def _seat(key: str) -> Seat | None:
    word, _, rest = key.partition(":")
    area, _, post = rest.partition(":")
    return Seat(OrgCode(area), PostId(post)) if word == "admin" and post else None


def _short(roles: frozenset[RoleName]) -> frozenset[str]:
    return frozenset(role.partition("/")[2] for role in roles)


def _of_people(gains: Sequence[Gain]) -> Iterator[Gain]:
    """Those whose cause is no permission and no policy: these are told as such."""
    return (gain for gain in gains if gain.cause.kind in (CauseKind.MEMBERSHIP, CauseKind.ROLE))


def _names(users: Sequence[RealmUser]) -> str:
    named = "、".join(str(user.username) for user in users[:_NAMED])
    return f"{len(users)} 个账号（{named}{' 等' if len(users) > _NAMED else ''}）"
