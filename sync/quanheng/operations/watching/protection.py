"""What protects us, looked after: the realm's settings, and the rules that the guard has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from quanheng.errors import QuanhengError
from quanheng.keycloak.compare import Difference
from quanheng.keycloak.guard import GuardStatus
from quanheng.logs import get_logger
from quanheng.model.change import Json
from quanheng.model.realm import ObservedRealm
from quanheng.notify.port import NoticeKind
from quanheng.operations.context import Context
from quanheng.operations.guarding import (
    NAMES_BACK,
    Issue,
    describe_swap,
    exchanged_names,
    names_of,
    publish_rules,
    read_issue,
)
from quanheng.operations.noting import note
from quanheng.operations.realm import read_drift
from quanheng.operations.watching.announcing import announce
from quanheng.operations.watching.telling import Topic, clear, find_untold, is_told, tell_once
from quanheng.store.meta import write_text
from quanheng.store.mirror import read_mirror

EVENTS_OFF: Final = "admin_events_off"
"""Entry of ``meta``: not empty while Keycloak keeps no admin events, so that events tell nothing."""
_EVENTS: Final = "realm.adminEventsEnabled"

log = get_logger(__name__)


def look_after_configuration(context: Context, actors: Sequence[str]) -> int:
    """Compare the settings and tell an administrator what differs, and of ways to power that others made.

    Returns how many things that is. Each is told once, and again when it comes back.
    """
    gaps = read_drift(context).alarming
    blind = any(gap.where == _EVENTS for gap in gaps)
    lines = {_line(gap): gap.where for gap in gaps}
    _ = context.keyring  # opened before the transaction: it may need one of its own
    with context.database.transaction() as connection:
        write_text(connection, EVENTS_OFF, "yes" if blind else "")
        new = find_untold(connection, Topic.CONFIGURATION, lines)
        if new:
            log.error("the realm's configuration is not as it should be", differences=len(gaps))
            where: list[Json] = [lines[line] for line in new]
            note(context, connection, "configuration_changed", {"where": where, "actors": list(actors)})
            body: dict[str, Json] = {"gaps": list(new), "actors": list(actors)}
            announce(context, connection, NoticeKind.CONFIGURATION, body)
    return len(gaps)


def _line(gap: Difference) -> str:
    if gap.way_in:
        return f"{gap.where}：非本系统所建，可带来账号、签发凭证或改变登录方式；realm apply 不会改动"
    return f"{gap.where}：应为 {gap.wanted}，实为 {gap.found}"


def look_after_guard(
    context: Context, observed: ObservedRealm | None, *, anew: bool = False
) -> GuardStatus | None:
    """Give the guard its rules when it lacks them; tell of break-glass, of rules that are not valid, and of a
    guard that is gone or no longer has to guard this realm.

    ``observed``: groups and roles when they may have changed; None asks for the mirror's only when needed.
    ``anew``: what is known of people has changed, and waivers with it perhaps.
    """
    status = context.guard.read_status()
    last = read_issue(context)
    if status is None:
        if last.digest:  # it was here and had our rules: somebody has taken it out of the server
            facts: dict[str, Json] = {"sequence": last.sequence}
            _tell_once(context, Topic.GUARD_GONE, str(last.sequence), NoticeKind.GUARD_GONE, facts)
        return None
    clear(context, Topic.GUARD_GONE)
    _tell_state(context, status, last)
    if status.valid:
        clear(context, Topic.RULES)
        if observed is None and not anew:
            return status
    if observed is None:
        with context.database.reading() as connection:
            observed = read_mirror(connection, users=())
    problem, outcome = status.problem, "已重新下发"
    try:
        published = publish_rules(context, observed)
        if published is None and status.valid:
            return status
    except QuanhengError as error:
        log.error("the guard did not get the rules", problem=str(error))  # noqa: TRY400 -- expected
        outcome = "未能下发，请查看日志并运行 quanheng doctor"
    if not status.valid:
        facts = {"problem": problem, "outcome": outcome}
        _tell_once(context, Topic.RULES, f"{problem} {outcome}", NoticeKind.RULES, facts)
    return status


def _tell_state(context: Context, status: GuardStatus, last: Issue) -> None:
    """Tell of what the server was told to do that leaves our rules without effect."""
    until = status.break_glass_until
    if until is not None and until > context.clock():
        moment = until.isoformat(timespec="seconds")
        # Never cleared: the end of a break-glass is another each time.
        facts: dict[str, Json] = {"until": moment, "reason": ""}
        _tell_once(context, Topic.BREAK_GLASS, moment, NoticeKind.BREAK_GLASS, facts)
    if status.required:
        clear(context, Topic.NOT_REQUIRED)
    elif (
        last.digest
    ):  # it had our rules, and no longer has to go by them; who never gave any was told nothing
        facts = {"sequence": last.sequence}
        _tell_once(context, Topic.NOT_REQUIRED, "", NoticeKind.GUARD_NOT_REQUIRED, facts)


def look_after_names(context: Context, observed: ObservedRealm) -> None:
    """Tell of duties' roles under each other's names, whether or not anything guards the realm."""
    exchanged = exchanged_names(context, names_of(observed))
    if not exchanged:
        clear(context, Topic.SWAPPED)
        return
    lines: list[Json] = [describe_swap(context, swap) for swap in exchanged.swaps]
    facts: dict[str, Json] = {"causes": lines, "remedy": NAMES_BACK}
    _tell_once(context, Topic.SWAPPED, "\n".join(map(str, lines)), NoticeKind.CAUSE, facts)


_LEDGER_KINDS: Final = {
    Topic.BREAK_GLASS: "guard_break_glass",
    Topic.GUARD_GONE: "guard_gone",
    Topic.NOT_REQUIRED: "guard_not_required",
    Topic.RULES: "guard_rules_invalid",
    Topic.SWAPPED: "guard_rules_withheld",
}


def _tell_once(
    context: Context, topic: Topic, state: str, notice: NoticeKind, facts: dict[str, Json]
) -> None:
    if is_told(context, topic, (state,)):
        return  # without a transaction to write in, at each look
    _ = context.keyring  # opened before the transaction: it may need one of its own
    with context.database.transaction() as connection:
        if tell_once(connection, topic, state):
            note(context, connection, _LEDGER_KINDS[topic], facts)
            announce(context, connection, notice, facts)
