"""Whether the sealed accounts are as they were sealed, read live."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from quanheng.keycloak.glass import GLASS_ROLE
from quanheng.model.finding import Finding, FindingKind
from quanheng.model.ids import KeycloakId, RoleName, join
from quanheng.model.realm import RealmGroup, RealmUser
from quanheng.operations.context import Context
from quanheng.operations.glass.accounts import GlassAccount, digest_of_marks, read_glass

NOT_SEALED: Final = "尚未封存：请由主域管理员运行 quanheng glass seal"
_OTP: Final = "otp "
"""How the marks of one-time passwords begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GlassState:
    """One of them, and what is not right with it, in Chinese."""

    account: GlassAccount
    problems: tuple[str, ...] = ()

    @property
    def wrong(self) -> bool:
        """Whether more is the matter than that nobody sealed it, which is the operator's choice."""
        return bool(set(self.problems) - {NOT_SEALED})


def judge_glass(context: Context, groups: Mapping[KeycloakId, RealmGroup] | None = None) -> list[GlassState]:
    """Each sealed account, as Keycloak has it now: five requests each. ``groups``: to name its groups."""
    with context.database.reading() as connection:
        accounts = read_glass(context, connection)
    return [
        GlassState(account=account, problems=tuple(_problems(context, account, groups or {})))
        for account in accounts
    ]


def find_glass(context: Context, groups: Mapping[KeycloakId, RealmGroup]) -> list[Finding]:
    """The same for ``check``: that none was sealed is told, anything else is a violation."""
    return [
        Finding(
            kind=FindingKind.BREAK_GLASS,
            subject=str(state.account.name),
            detail="；".join(state.problems),
            violation=state.wrong,
        )
        for state in judge_glass(context, groups)
        if state.problems
    ]


def _problems(
    context: Context, account: GlassAccount, groups: Mapping[KeycloakId, RealmGroup]
) -> Iterator[str]:
    user = context.realm.find_user(account.name)
    if account.sealed_at is None:
        yield NOT_SEALED
        if user is not None and user.enabled and user.id == account.id:
            yield "账号却已启用，而口令不在任何信封中：请立即封存，或在控制台停用"
        return
    if user is None:
        yield "账号不存在：请重新封存"
        return
    if user.id != account.id:
        yield "同名账号不是本系统封存的账号：请查明是谁建立的，删除后重新封存"
        return
    yield from _possessions(user, context.realm.default_role, groups)
    marks = context.realm.read_credentials(user.id)
    if not any(mark.startswith(_OTP) for mark in marks):
        yield "没有动态口令：请重新封存"
    elif digest_of_marks(marks) != account.credentials:
        yield "口令或动态口令在封存后被改动：请查明是谁改动的，并重新封存"


def _possessions(
    user: RealmUser, default_role: RoleName, groups: Mapping[KeycloakId, RealmGroup]
) -> Iterator[str]:
    if not user.enabled:
        yield "账号已停用：请重新封存"
    if GLASS_ROLE not in user.roles:
        yield f"不持有角色 {GLASS_ROLE}：请重新封存"
    if surplus := sorted(user.roles - {GLASS_ROLE, default_role}):
        yield f"另持有角色 {'、'.join(surplus)}：请在控制台收回"
    if user.groups:
        names = sorted(join(groups[key].path) if key in groups else str(key) for key in user.groups)
        yield f"属于组 {'、'.join(names)}：请在控制台移出"
    if user.identities:
        yield "关联了外部身份：请由主域管理员解除"
