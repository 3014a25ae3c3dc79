"""Admin events that are not in the mirror yet, and whether any may have been lost (decision 19)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from quanheng.keycloak.port import Realm
from quanheng.model.realm import AdminEvent
from quanheng.store.mirror import MirrorState

OVERLAP: Final = timedelta(minutes=5)
"""How far before the cursor events are read again: an event's time is set before its commit."""
CLOCK_SLACK: Final = timedelta(seconds=2)
"""The server tells its time to the second, its events to the millisecond."""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What events tell since the last time."""

    events: tuple[AdminEvent, ...]
    """Those not seen before, oldest first."""
    shown: tuple[AdminEvent, ...]
    """All that were read."""
    cursor: datetime
    """Up to where they were read, by the server's clock."""
    swept_at: datetime
    """When everything was read last, as these were read: a sweep makes up for a gap."""
    gap: str = ""
    """Why events may be missing, in Chinese; empty when none is."""
    blind: bool = False
    """Admin events are switched off, as was told already: only reading everything shows anything."""

    def against(self, state: MirrorState, seen: Mapping[str, datetime]) -> News:
        """The same events, when something was taken in meanwhile."""
        return replace(
            self,
            events=tuple(event for event in self.shown if event.id not in seen),
            cursor=max(state.cursor, self.cursor),
            gap="" if state.swept_at != self.swept_at else self.gap,
        )


def read_news(
    realm: Realm,
    state: MirrorState,
    seen: Mapping[str, datetime],
    *,
    moment: datetime | None,
    overlap: timedelta = OVERLAP,
    read_to: datetime | None = None,
) -> News:
    """Read the events. ``moment``: the server's time, taken before; None saves a request. ``read_to``: up to
    where the caller has read them since the mirror was written; what asks for nothing does not write it.

    The newest event that was seen is always among those asked for: when it, or another one that should be
    shown again, is missing, somebody cleared the events, or they expired before they were read.
    """
    newest = max(seen.values(), default=None)
    since = max(state.cursor, read_to or state.cursor) - overlap
    if newest is not None:
        since = min(since, newest)
    shown = tuple(realm.read_admin_events(since))
    gap = _missing(seen, shown, since)
    if not gap and moment is not None and moment + CLOCK_SLACK < state.cursor:
        gap = "服务器时钟被调回"
    last = max((event.at for event in shown), default=state.cursor)
    return News(
        events=tuple(event for event in shown if event.id not in seen),
        shown=shown,
        cursor=max(state.cursor, last) if moment is None else moment,
        swept_at=state.swept_at,
        gap=gap,
    )


def _missing(seen: Mapping[str, datetime], shown: Iterable[AdminEvent], since: datetime) -> str:
    there = {event.id for event in shown}
    lost = any(at >= since and event not in there for event, at in seen.items())
    return "已读过的管理事件不见了" if lost else ""
