"""What people are told of accounts that are for a time: their ends, and owners who are gone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import date
from typing import Final

from sqlalchemy import Connection

from quanheng.clock import day_in_china
from quanheng.engine.safety import Excess
from quanheng.lifecycle.terms import KINDS, days_left, is_past, notice_due
from quanheng.model.change import Json
from quanheng.model.ids import OrgCode, PersonId
from quanheng.notify.port import NoticeKind
from quanheng.operations.context import Context
from quanheng.operations.lifecycle.term_facts import KnownTerm, KnownTerms
from quanheng.operations.lifecycle.unused import county_of
from quanheng.operations.limits_exceeded import describe_excess
from quanheng.operations.watching.announcing import announce
from quanheng.store.announced import announce_once, forget

_TOPIC: Final = "term"
_NAMED: Final = 200
"""Accounts in one notice."""


def tell_terms(
    context: Context,
    connection: Connection,
    known: KnownTerms,
    *,
    due: Sequence[KnownTerm],
    kept: Collection[PersonId],
    excess: Sequence[Excess],
) -> int:
    """Tell of what came near, has ended, or has lost its owner: each once, in one notice for each county.

    ``due``: whose time is over. ``kept``: who is left on, being the last administrator of a kind at the top.
    Returns how many lines are new.
    """
    today = day_in_china(context.clock())
    over = {item.person.id for item in due}
    done = "已登记停用，尚未执行" if excess else "已停用"
    lines: dict[OrgCode, list[str]] = defaultdict(list)
    for item in known.items:
        for subject, text in _of(context, item, today, over=over, kept=kept, done=done):
            if announce_once(connection, _TOPIC, f"{item.person.id}:{subject}", context.clock()):
                lines[_county(item)].append(f"{item.person.username}：{text}")
        if item.owner is not None and item.owner_fit:
            forget(connection, _TOPIC, f"{item.person.id}:{_owner_subject(item)}")
    for county, texts in sorted(lines.items()):
        facts: dict[str, Json] = {
            "county": str(county),
            "count": len(texts),
            "accounts": _shortened(texts),
            "excess": [describe_excess(item) for item in excess],
        }
        announce(context, connection, NoticeKind.TERM_ENDS, facts)
    return sum(map(len, lines.values()))


def _of(
    context: Context,
    item: KnownTerm,
    today: date,
    *,
    over: Collection[PersonId],
    kept: Collection[PersonId],
    done: str,
) -> Iterable[tuple[str, str]]:
    """What is to be told of one account: what it is told once for, and the words."""
    term, person = item.facts.term, item.person.id
    if term is None:
        if person in over:
            since = item.facts.hold.since if item.facts.hold is not None else today
            yield f"missing:{since.isoformat()}", f"没有期限和责任人，{done}"
        return
    until = term.until.isoformat()
    label = f"{KINDS[term.kind]}，{until} 到期"
    if person in kept:
        yield f"kept:{until}", f"{label}；是本级最后一名管理员，未停用，请先补任"
    elif person in over:
        yield f"over:{until}", f"{label}，{done}"
    if is_past(term, today) or item.facts.hold is not None:
        return
    days = notice_due(term, context.pack, today)
    if days is not None:
        left = days_left(term, today)
        yield f"near:{until}:{days}", f"{label}，还有 {left} 天，责任人 {_owner(item)}"
    if not item.owner_fit:
        yield _owner_subject(item), f"{label}，责任人 {_owner(item)} 的账号已停用，请另行指定责任人"


def _owner(item: KnownTerm) -> str:
    return str(item.owner.username) if item.owner is not None else "不详"


def _owner_subject(item: KnownTerm) -> str:
    return f"owner:{item.facts.term.owner if item.facts.term is not None else ''}"


def _county(item: KnownTerm) -> OrgCode:
    return county_of(item.org) if item.org is not None else OrgCode("")


def _shortened(texts: Sequence[str]) -> list[Json]:
    """The first of them; the rest are counted."""
    more = len(texts) - _NAMED
    return [*texts[:_NAMED], *([f"另有 {more:,} 项，见 quanheng accounts temporary"] if more > 0 else [])]
