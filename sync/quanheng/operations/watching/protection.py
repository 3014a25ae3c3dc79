"""What protects us, looked after: the realm's settings, and the rules that the guard has."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from quanheng.errors import QuanhengError
from quanheng.keycloak.guard import GuardStatus
from quanheng.logs import get_logger
from quanheng.model.change import Json
from quanheng.model.realm import ObservedRealm
from quanheng.notify.port import NoticeKind
from quanheng.operations.context import Context
from quanheng.operations.guarding import publish_rules, read_issue
from quanheng.operations.noting import note
from quanheng.operations.realm import read_drift
from quanheng.operations.watching.announcing import announce
from quanheng.store.meta import read_text, write_text
from quanheng.store.mirror import read_mirror

_TOLD_DRIFT: Final = "told_drift"
_TOLD_GUARD: Final = "told_guard"
"""Entries of ``meta``: what was told last, so that the same is not told at each look."""
_PASSING: Final = ("rules ", "gone ")
"""How texts of it begin that are over when the guard has valid rules, and told again the next time."""

EVENTS_OFF: Final = "admin_events_off"
"""Entry of ``meta``: not empty while Keycloak keeps no admin events, so that events tell nothing."""
_EVENTS: Final = "realm.adminEventsEnabled"

log = get_logger(__name__)


def look_after_configuration(context: Context, actors: Sequence[str]) -> int:
    """Compare the settings and tell an administrator what differs; returns how many of ours do."""
    gaps = read_drift(context).ours
    blind = any(gap.where == _EVENTS for gap in gaps)
    lines = [f"{gap.where}：应为 {gap.wanted}，实为 {gap.found}" for gap in gaps]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest() if lines else ""
    with context.database.transaction() as connection:
        write_text(connection, EVENTS_OFF, "yes" if blind else "")
        if (read_text(connection, _TOLD_DRIFT) or "") == digest:
            return len(gaps)
        write_text(connection, _TOLD_DRIFT, digest)
        if gaps:
            log.error("the realm's configuration is not as it should be", differences=len(gaps))
            body: dict[str, Json] = {"gaps": list(lines), "actors": list(actors)}
            note(
                context,
                connection,
                "configuration_changed",
                {"where": [gap.where for gap in gaps], "actors": list(actors)},
            )
            announce(context, connection, NoticeKind.CONFIGURATION, body)
    return len(gaps)


def look_after_guard(
    context: Context, observed: ObservedRealm | None, *, anew: bool = False
) -> GuardStatus | None:
    """Give the guard its rules when it lacks them; tell of break-glass, of rules that are not valid, and of a
    guard that is gone.

    ``observed``: groups and roles when they may have changed; None asks for the mirror's only when needed.
    ``anew``: what is known of people has changed, and waivers with it perhaps.
    """
    status = context.guard.read_status()
    if status is None:
        last = read_issue(context)
        if last.digest:  # it was here and had our rules: somebody has taken it out of the server
            facts: dict[str, Json] = {"sequence": last.sequence}
            _tell_once(context, f"gone {last.sequence}", "guard_gone", NoticeKind.GUARD_GONE, facts)
        return None
    now = context.clock()
    until = status.break_glass_until
    if until is not None and until > now:
        _tell_once(
            context,
            f"break-glass {until.isoformat()}",
            "guard_break_glass",
            NoticeKind.BREAK_GLASS,
            {"until": until.isoformat(timespec="seconds"), "reason": ""},
        )
    if status.valid:
        _forget_passed(context)
        if observed is None and not anew:
            return status
    if observed is None:
        with context.database.reading() as connection:
            observed = read_mirror(connection, users=())
    problem, outcome = status.problem, "已重新下发"
    try:
        if publish_rules(context, observed) is None and status.valid:
            return status
    except QuanhengError as error:
        log.error("the guard did not get the rules", problem=str(error))  # noqa: TRY400 -- expected
        outcome = "未能下发，请查看日志并运行 quanheng doctor"
    if not status.valid:
        _tell_once(
            context,
            f"rules {problem} {outcome}",
            "guard_rules_invalid",
            NoticeKind.RULES,
            {"problem": problem, "outcome": outcome},
        )
    return status


def _forget_passed(context: Context) -> None:
    with context.database.reading() as connection:
        told = read_text(connection, _TOLD_GUARD) or ""
    if told.startswith(_PASSING):
        with context.database.transaction() as connection:
            write_text(connection, _TOLD_GUARD, "")


def _tell_once(context: Context, what: str, kind: str, notice: NoticeKind, facts: dict[str, Json]) -> None:
    _ = context.keyring  # opened before the transaction: it may need one of its own
    with context.database.transaction() as connection:
        if read_text(connection, _TOLD_GUARD) == what:
            return
        write_text(connection, _TOLD_GUARD, what)
        note(context, connection, kind, facts)
        announce(context, connection, notice, facts)
