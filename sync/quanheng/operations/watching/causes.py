"""Roles that entered other roles: the cause is undone, not thousands of people (decision 13)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from quanheng.engine.sessions import MOST, end_sessions, holders_of
from quanheng.errors import QuanhengError
from quanheng.keycloak.guard import Restored
from quanheng.keycloak.representation import plain_name
from quanheng.logs import get_logger
from quanheng.model.change import Json
from quanheng.model.ids import RoleName
from quanheng.model.realm import ObservedRealm, RealmRole
from quanheng.notify.port import NoticeKind
from quanheng.operations.administering import administrators_of
from quanheng.operations.context import Context
from quanheng.operations.guarding import exchanged_names, names_of
from quanheng.operations.noting import note
from quanheng.operations.watching.announcing import announce
from quanheng.operations.watching.mending import Mended, forget_under_way, mend_causes
from quanheng.operations.watching.telling import Topic, clear, find_untold, is_told, tell_once
from quanheng.policy.effective import Powers
from quanheng.store.lease import Lease
from quanheng.store.mirror import find_in_mirror, replace_roles
from quanheng.watch.causes import find_surplus

_BY_HAND: Final = (
    "本系统的日常账号无权改动角色：岗位、权限和默认角色中直接加入的内容，请运行 quanheng realm apply 恢复；"
    "注明“经”某角色带入的，由主域管理员在控制台从该角色中移除，quanheng realm apply 不能恢复；"
    "realm-management 的角色按操作文档《在 Keycloak 中安装守卫》处理；他人自建的角色由主域管理员处理。"
    "恢复前，持有该角色的人员仍有相应权限。"
)
_UNRESTORED: Final = (
    "本系统每分钟重试。恢复之前，被改动的角色、映射器所带来的权限仍然有效。请运行 quanheng doctor 查明原因；"
    "短时间内不能恢复的，由主域管理员运行 quanheng realm apply，并核实操作人。"
)
_BY_GUARD: Final = "Keycloak 内的守卫"
_BY_US: Final = "本系统（配置客户端）"
_ENDED: Final = {
    "holders": "有关人员的登录会话已结束。",
    "everybody": "涉及人员较多，已结束全域的登录会话，所有人员须重新登录。",
    "failed": "有关人员的登录会话未能结束：请在 Keycloak 控制台结束全域会话。",
}
_FOR_EVERYBODY: Final = frozenset({"protocol_mapper", "provider_mapper"})
"""Kinds of what is restored that may be in anybody's tokens."""

log = get_logger(__name__)


def find_causes(context: Context, observed: ObservedRealm) -> tuple[str, ...]:
    """Protected roles that contain what they should not, the default role when it gives a power, and roles of
    anybody's own that contain a duty. Names that were exchanged are told by themselves."""
    exchanged = exchanged_names(context, names_of(observed)).names
    rules, default = context.rules, context.realm.default_role
    surplus = find_surplus(observed.roles, rules, untouched=exchanged | {default})
    found = [_containing(name, parts) for name, parts in surplus.items()]
    if default in observed.roles and default not in exchanged:
        powers = {item.role for item in Powers(observed, rules).of_role(default)}
        administrators = administrators_of(context, observed)
        powers |= {way for part in observed.roles[default].composites for way in administrators.ways_of(part)}
        if powers:
            found.append(_containing(default, powers) + _by_way_of(observed, default, powers))
    return tuple(found)


def _by_way_of(observed: ObservedRealm, role: RoleName, powers: Collection[str]) -> str:
    """Which roles inside this one bring the powers: they are taken out there, ``realm apply`` does not look
    into roles of others."""
    inside: set[RoleName] = set()
    waiting = [role]
    while waiting:
        parts = observed.roles[waiting.pop()].composites & observed.roles.keys()
        waiting += parts - inside
        inside |= parts
    # Inside a power is what belongs to it.
    through = {
        name for name in inside - set(powers) - {role} if observed.roles[name].composites.intersection(powers)
    }
    return f"（经 {'、'.join(sorted(through))}）" if through else ""


def _containing(name: RoleName, parts: Collection[RoleName]) -> str:
    return f"{name} 含有 {'、'.join(sorted(parts))}"


def are_unrestored(context: Context) -> bool:
    """Whether what was changed could not be set right the last time: it is tried again."""
    return not is_told(context, Topic.UNRESTORED, ())


def _restore(context: Context, observed: ObservedRealm) -> tuple[str, Mended]:
    """By the guard, or through the configurator where none does it and that one stays open; and by whom."""
    try:
        status = context.guard.read_status()
        if status is not None and status.valid:  # it restores what valid rules protect
            return _BY_GUARD, Mended(restored=context.guard.restore())
    except QuanhengError as error:
        return _BY_GUARD, Mended(problem=str(error))
    if context.settings.keycloak.configurator_stays_open:
        return _BY_US, mend_causes(context, observed)
    return "", Mended()


def restore_causes(
    context: Context, lease: Lease, observed: ObservedRealm, actors: Sequence[str]
) -> tuple[Restored, ...]:
    """Have set right what the rules protect, end the sessions concerned, and tell an administrator; of what
    is left, once.

    Returns what was set right. That something could not be is told once. ``observed`` is the mirror after
    the events were taken in.
    """
    by, mended = _restore(context, observed)
    restored = mended.restored
    if mended.problem:
        log.error("not everything was restored", by=by, problem=mended.problem)
        _tell_unrestored(context, by, mended.problem, actors)
    else:
        clear(context, Topic.UNRESTORED)
    roles = _read_roles(context) if restored else observed.roles
    left = None
    if roles is not None:
        left = find_causes(context, ObservedRealm(groups=observed.groups, users={}, roles=roles))
    if not restored and left is not None and is_told(context, Topic.CAUSES, left):
        return ()
    ended = _end_sessions(context, observed, restored)
    _ = context.keyring  # opened before the transaction: it may need one of its own
    with context.database.transaction() as connection:
        lease.assert_held(connection)
        if restored and roles is not None:
            replace_roles(connection, roles)
        new = () if left is None else find_untold(connection, Topic.CAUSES, left)
        if restored:
            forget_under_way(connection)
        for item in restored:
            body: dict[str, Json] = {"kind": item.kind, "subject": item.subject, "removed": item.removed}
            note(context, connection, "cause_restored", {**body, "actors": list(actors), "sessions": ended})
        for cause in new:
            log.error("a role contains what it should not; an administrator has to mend it", role=cause)
            note(context, connection, "cause_found", {"cause": cause, "actors": list(actors)})
        if restored or new:
            told = [f"{item.subject}：已移除 {item.removed}" for item in restored]
            done = f"已由{by}恢复，无须处理；请核实操作人。"
            facts: dict[str, Json] = {
                "causes": [*told, *new],
                "actors": list(actors),
                "remedy": (_BY_HAND if new else done) + _ENDED.get(ended, ""),
            }
            announce(context, connection, NoticeKind.CAUSE, facts)
    return restored


def _read_roles(context: Context) -> Mapping[RoleName, RealmRole] | None:
    """Roles after something was restored; None when Keycloak does not say, since what was restored has to be
    told all the same."""
    try:
        return context.realm.read_roles()
    except QuanhengError as error:
        log.error("roles could not be read again", problem=str(error))  # noqa: TRY400 -- expected
        return None


def _tell_unrestored(context: Context, by: str, problem: str, actors: Sequence[str]) -> None:
    """Tell that what was changed could not be set right, whatever it was."""
    if is_told(context, Topic.UNRESTORED, ("",)):
        return
    _ = context.keyring  # opened before the transaction: it may need one of its own
    with context.database.transaction() as connection:
        if tell_once(connection, Topic.UNRESTORED, ""):
            who: list[Json] = list(actors)
            note(context, connection, "cause_not_restored", {"problem": problem, "actors": who})
            causes: list[Json] = [f"{by}未能核对并恢复角色和映射器：{problem}"]
            facts: dict[str, Json] = {"causes": causes, "actors": who, "remedy": _UNRESTORED}
            announce(context, connection, NoticeKind.CAUSE, facts)


def _end_sessions(context: Context, observed: ObservedRealm, restored: Sequence[Restored]) -> str:
    """End the sessions whose tokens may carry what was taken away; says whose, '' for nobody's.

    ``observed``: as it was before.
    """
    try:
        if any(item.kind in _FOR_EVERYBODY for item in restored):
            context.realm.logout_everybody()
            return "everybody"
        subjects = {item.subject for item in restored if item.kind == "composite"}
        names = {name for name in observed.roles if plain_name(name) in subjects}
        users = find_in_mirror(context.database)(holders_of(observed, names), MOST) if names else ()
        if not users:
            return ""
        return "everybody" if end_sessions(context.realm, users) else "holders"
    except QuanhengError as error:
        # What was restored has to be told all the same; tokens of before live for five minutes.
        log.error("sessions were not ended", problem=str(error))  # noqa: TRY400 -- expected
        return "failed"
