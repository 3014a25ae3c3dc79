"""Whether what Keycloak tells of logins may be believed. Pure.

If logins went quiet, everybody would seem not to have come for three months.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

OVERLAP: Final = timedelta(hours=1)
"""How far before the cursor events are read again: an event's time is set before its commit, and a database
that fails over may show it later still. Who logged in is asked at night, when that hour has few events."""
CLOCK_SLACK: Final = timedelta(minutes=5)
"""How much the server's clock and ours may differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far login events were read."""

    cursor: datetime
    """By the server's clock."""
    newest: str = ""
    """Id of the newest event that was seen, and when it was; it is shown again until another one is newer."""
    newest_at: datetime | None = None

    @property
    def since(self) -> datetime:
        """From where on events are read: the newest one that was seen is among them."""
        return min(self.cursor - OVERLAP, self.newest_at or self.cursor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a reading showed, gathered event by event."""

    newest: str = ""
    newest_at: datetime | None = None
    has_known: bool = False
    """Whether the newest event of the last time was among them."""
    future: bool = False
    """Whether one lies after the server's present."""

    def with_event(self, identifier: str, at: datetime, known: str, now: datetime) -> Shown:
        """The same, and one event more."""
        return replace(
            self,
            newest=identifier if self.newest_at is None or at >= self.newest_at else self.newest,
            newest_at=at if self.newest_at is None else max(at, self.newest_at),
            has_known=self.has_known or identifier == known,
            future=self.future or at > now + CLOCK_SLACK,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What follows from a reading."""

    position: Position | None
    """None: nothing is taken for read yet."""
    lost_since: datetime | None = None
    """From when on events may be missing, up to now."""
    problem: str = ""
    """Why nobody may be locked now, in Chinese; empty when nothing speaks against it."""


def judge_reading(before: Position | None, shown: Shown, *, server: datetime, ours: datetime) -> Trust:
    """Whether events are missing, and how far was read. ``server``: its time before the reading."""
    if abs(server - ours) > CLOCK_SLACK:
        return _doubt(before, server, "本机与 Keycloak 服务器的时钟相差过大")
    if before is not None and server + CLOCK_SLACK < before.cursor:
        return _doubt(before, server, "Keycloak 服务器的时钟被调回")
    if shown.future:
        return _doubt(before, server, "登录事件的时间在将来，服务器时钟可能被改动过")
    after = Position(cursor=server, newest=shown.newest, newest_at=shown.newest_at)
    if before is not None and before.newest and not shown.has_known:
        return Trust(position=after, lost_since=before.cursor - OVERLAP, problem="已读过的登录事件不见了")
    if before is not None and not shown.newest:
        after = replace(after, newest=before.newest, newest_at=before.newest_at)
    return Trust(position=after)


def _doubt(before: Position | None, server: datetime, problem: str) -> Trust:
    """Nothing is taken for read: what was not seen now is seen when the clock is right again."""
    return Trust(position=before, problem=problem)


def are_silent(logins: Iterable[datetime], by_card: Iterable[datetime], *, at_least: int) -> bool:
    """Whether the bridge let in several people of whose logins Keycloak tells nothing.

    ``by_card``: when each person was let in last.
    """
    newest = max(logins, default=None)
    late = [at for at in by_card if newest is None or at > newest + CLOCK_SLACK]
    return len(late) >= at_least
