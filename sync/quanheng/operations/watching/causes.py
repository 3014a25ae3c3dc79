"""Roles that entered other roles: the cause is undone, not thousands of people (decision 13)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from quanheng.errors import QuanhengError
from quanheng.keycloak.guard import Restored
from quanheng.logs import get_logger
from quanheng.model.change import Json
from quanheng.model.ids import RoleName
from quanheng.model.realm import ObservedRealm
from quanheng.notify.port import NoticeKind
from quanheng.operations.context import Context
from quanheng.operations.noting import note
from quanheng.operations.watching.announcing import announce
from quanheng.policy.effective import Powers
from quanheng.store.mirror import replace_roles

_BY_HAND: Final = "本系统的日常账号无权改动角色：请运行 quanheng realm apply 恢复。"
_DONE: Final = "已由 Keycloak 内的守卫恢复，无须处理；请核实操作人。"

log = get_logger(__name__)


def find_causes(context: Context, observed: ObservedRealm) -> tuple[str, ...]:
    """Roles of ours that contain what they should not, and the default role when it gives a power."""
    rules = context.rules
    found = []
    permissions = {part for parts in rules.composites.values() for part in parts}
    for name in sorted(rules.composites.keys() | permissions):
        role = observed.roles.get(name)
        if role is not None and (surplus := role.composites - rules.composites.get(name, frozenset())):
            found.append(f"{name} 含有 {'、'.join(sorted(surplus))}")
    default: RoleName = context.realm.default_role
    if powers := Powers(observed, rules).of_role(default):
        found.append(f"{default} 含有 {'、'.join(sorted({str(item.role) for item in powers}))}")
    return tuple(found)


def restore_causes(context: Context, observed: ObservedRealm, actors: Sequence[str]) -> int:
    """Have the guard set right what the signed rules protect, and tell an administrator of the rest.

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
    if not restored and not left:
        return 0
    told: list[Json] = [f"{item.subject}：已移除 {item.removed}" for item in restored]
    with context.database.transaction() as connection:
        if restored:
            replace_roles(connection, roles)
        for item in restored:
            body: dict[str, Json] = {"kind": item.kind, "subject": item.subject, "removed": item.removed}
            note(context, connection, "cause_restored", {**body, "actors": list(actors)})
        for cause in left:
            log.error("a role contains what it should not; an administrator has to mend it", role=cause)
            note(context, connection, "cause_found", {"cause": cause, "actors": list(actors)})
        facts: dict[str, Json] = {
            "causes": [*told, *left],
            "actors": list(actors),
            "remedy": _BY_HAND if left else _DONE,
        }
        announce(context, connection, NoticeKind.CAUSE, facts)
    return len(restored)
