"""What people are told of locks, before and after, and when logins are missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import Connection

from quanheng.clock import CHINA
from quanheng.engine.plan import Plan
from quanheng.model.change import Json
from quanheng.model.ids import OrgCode
from quanheng.notify.port import NoticeKind
from quanheng.operations.context import Context
from quanheng.operations.lifecycle.unused import Unused
from quanheng.operations.limits_exceeded import describe_excess
from quanheng.operations.watching.announcing import announce
from quanheng.store.announced import announce_once

_LOGINS: Final = "logins_missing"
_AHEAD: Final = "lock_ahead"
_NAMED: Final = 200
"""Accounts in one notice."""


def tell_ahead(context: Context, connection: Connection, items: Iterable[Unused]) -> int:
    """Announce locks that come near: of each account once for each of the pack's days, and in one notice for
    each county. Returns how many accounts were announced now."""
    inactivity = context.pack.lifecycle.inactivity
    now = context.clock()
    groups: dict[tuple[OrgCode, int], list[Unused]] = defaultdict(list)
    for item in items:
        days = item.verdict.notice(now, inactivity.notices_days) if inactivity is not None else None
        if days is None:
            continue
        subject = f"{item.person.id}:{item.verdict.locks_at.isoformat()}:{days}"
        if announce_once(connection, _AHEAD, subject, now):
            groups[item.verdict.county, days].append(item)
    for (county, days), some in sorted(groups.items()):
        lines = _lines([f"{item.person.username}：{_moment(item)}" for item in some])
        facts: dict[str, Json] = {
            "county": str(county),
            "days": days,
            "count": len(some),
            "accounts": lines,
        }
        announce(context, connection, NoticeKind.LOCK_AHEAD, facts)
    return sum(map(len, groups.values()))


def tell_locked(context: Context, connection: Connection, items: Sequence[Unused]) -> None:
    """Tell of locks, in one notice for each county."""
    groups: dict[OrgCode, list[str]] = defaultdict(list)
    for item in items:
        groups[item.verdict.county].append(str(item.person.username))
    for county, names in sorted(groups.items()):
        facts: dict[str, Json] = {"county": str(county), "count": len(names), "accounts": _lines(names)}
        announce(context, connection, NoticeKind.LOCKED, facts)


def tell_stopped(context: Context, connection: Connection, plan: Plan) -> None:
    """Tell that accounts were not locked because they are too many."""
    facts: dict[str, Json] = {
        "digest": plan.digest[:12],
        "excess": [describe_excess(item) for item in plan.excess],
        "count": len(plan.changes),
    }
    announce(context, connection, NoticeKind.LOCK_STOPPED, facts)


def tell_missing(context: Context, connection: Connection, problem: str, day: str) -> None:
    """Tell once a day that login events may not be believed, and that nobody is locked."""
    if announce_once(connection, _LOGINS, f"{day}:{problem}"[:160], context.clock()):
        announce(context, connection, NoticeKind.LOGINS_MISSING, {"reason": problem})


def _lines(texts: Sequence[str]) -> list[Json]:
    """The first of them; the rest are counted."""
    more = len(texts) - _NAMED
    return [*texts[:_NAMED], *([f"另有 {more:,} 个账号，见 quanheng lifecycle plan"] if more > 0 else [])]


def _moment(item: Unused) -> str:
    return item.verdict.locks_at.astimezone(CHINA).strftime("%Y-%m-%d %H:%M")
