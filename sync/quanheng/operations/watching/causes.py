"""Roles that entered other roles: the cause is undone, not thousands of people (decision 13)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from quanheng.engine.sessions import MOST, end_sessions, holders_of
from quanheng.errors import QuanhengError
from quanheng.keycloak.guard import Restored
from quanheng.keycloak.representation import plain_name
from quanheng.logs import get_logger
from quanheng.model.change import Json
from quanheng.model.ids import RoleName
from quanheng.model.realm import ObservedRealm
from quanheng.notify.port import NoticeKind
from quanheng.operations.context import Context
from quanheng.operations.noting import note
from quanheng.operations.watching.announcing import announce
from quanheng.operations.watching.telling import Topic, find_untold, is_told
from quanheng.policy.effective import Powers
from quanheng.store.lease import Lease
from quanheng.store.mirror import find_in_mirror, replace_roles

_BY_HAND: Final = (
    "本系统的日常账号无权改动角色：我方角色请运行 quanheng realm apply 恢复；他人自建的角色由主域管理员处理。"
    "恢复前，持有该角色的人员仍有相应权限。"
)
_DONE: Final = "已由 Keycloak 内的守卫恢复，无须处理；请核实操作人。"
_ENDED: Final = {
    "holders": "有关人员的登录会话已结束。",
    "everybody": "涉及人员较多，已结束全域的登录会话，所有人员须重新登录。",
    "failed": "有关人员的登录会话未能结束：请在 Keycloak 控制台结束全域会话。",
}
_FOR_EVERYBODY: Final = frozenset({"protocol_mapper", "provider_mapper"})
"""Kinds of what the guard restores that may be in anybody's tokens."""

log = get_logger(__name__)


def find_causes(context: Context, observed: ObservedRealm) -> tuple[str, ...]:
    """Roles of ours that contain what they should not, the default role when it gives a power, and roles of
    anybody's own that contain a duty."""
    rules, default = context.rules, context.realm.default_role
    permissions = {part for parts in rules.composites.values() for part in parts}
    ours = rules.composites.keys() | permissions
    found = []
    for name in sorted(ours):
        role = observed.roles.get(name)
        if role is not None and (surplus := role.composites - rules.composites.get(name, frozenset())):
            found.append(_containing(name, surplus))
    if powers := Powers(observed, rules).of_role(default):
        found.append(_containing(default, {item.role for item in powers}))
    for name in sorted(observed.roles.keys() - ours - {default}):
        if duties := observed.roles[name].composites & rules.duties.keys():
            found.append(_containing(name, duties))
    return tuple(found)


def _containing(name: RoleName, parts: Collection[RoleName]) -> str:
    return f"{name} 含有 {'、'.join(sorted(parts))}"


def restore_causes(context: Context, lease: Lease, observed: ObservedRealm, actors: Sequence[str]) -> int:
    """Have the guard set right what the signed rules protect, end the sessions concerned, and tell an
    administrator; of what is left, once.

    Returns how many things were set right. ``observed`` is the mirror after the events were taken in.
    """
    restored: tuple[Restored, ...] = ()
    try:
        status = context.guard.read_status()
        if status is not None and status.valid:  # it restores what valid rules protect
            restored = context.guard.restore()
    except QuanhengError as error:
        log.error("the guard did not restore anything", problem=str(error))  # noqa: TRY400 -- expected
    roles = context.realm.read_roles() if restored else observed.roles
    left = find_causes(context, ObservedRealm(groups=observed.groups, users={}, roles=roles))
    if not restored and is_told(context, Topic.CAUSES, left):
        return 0
    ended = _end_sessions(context, observed, restored)
    _ = context.keyring  # opened before the transaction: it may need one of its own
    with context.database.transaction() as connection:
        lease.assert_held(connection)
        if restored:
            replace_roles(connection, roles)
        new = find_untold(connection, Topic.CAUSES, left)
        for item in restored:
            body: dict[str, Json] = {"kind": item.kind, "subject": item.subject, "removed": item.removed}
            note(context, connection, "cause_restored", {**body, "actors": list(actors), "sessions": ended})
        for cause in new:
            log.error("a role contains what it should not; an administrator has to mend it", role=cause)
            note(context, connection, "cause_found", {"cause": cause, "actors": list(actors)})
        if restored or new:
            told = [f"{item.subject}：已移除 {item.removed}" for item in restored]
            facts: dict[str, Json] = {
                "causes": [*told, *new],
                "actors": list(actors),
                "remedy": (_BY_HAND if new else _DONE) + _ENDED.get(ended, ""),
            }
            announce(context, connection, NoticeKind.CAUSE, facts)
    return len(restored)


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
