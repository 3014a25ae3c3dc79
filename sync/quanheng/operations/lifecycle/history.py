"""Taking in the history of logins that a bureau brings."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from quanheng.clock import CHINA, day_in_china
from quanheng.errors import RefusedError
from quanheng.lifecycle.inactivity import clients_of_administrators, clients_that_count
from quanheng.model.ids import PersonId
from quanheng.operations.context import Context
from quanheng.operations.lifecycle.logins import read_administrators
from quanheng.operations.noting import note
from quanheng.operations.trust import read_trusted
from quanheng.sources.login_history import BadLine, read_login_history
from quanheng.store.logins import (
    Gap,
    cover_gaps,
    put_logins,
    read_gaps,
    seed_counts,
)

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenIn:
    """What became of a history."""

    lines: int
    """Lines that were taken in."""
    people: int
    bad: tuple[BadLine, ...]
    covered: int
    """Times of missing events of which it tells."""


def take_in_history(context: Context, file: Path, *, covers_gaps: bool = False) -> TakenIn:
    """Take the good lines in and name the bad ones; newer logins that are known stay.

    An account counts from its last login in the history, and not from when it was made here; one that was
    given back since counts from there.

    ``covers_gaps``: the history is whole for every time of which events are missing; refused while it has bad
    lines. Raises :class:`SourceError` when the file cannot be read.
    """
    now = context.clock()
    with context.database.reading() as connection:
        persons = read_trusted(connection, context.keyring).registry.persons.values()
        administrators = read_administrators(context, connection)
        gaps = read_gaps(connection)
    theirs = clients_of_administrators(context.pack)
    systems = clients_that_count(context.pack) | {item.id for item in context.pack.permissions.subsystems}
    known = {str(item.staff_no): item.id for item in persons} | {
        str(item.username): item.id for item in persons
    }
    newest: dict[tuple[PersonId, str], datetime] = {}
    bad: list[BadLine] = []
    lines = 0
    first, last, told = now, _LONG_AGO, set[Gap]()
    for item in read_login_history(file):
        if isinstance(item, BadLine):
            bad.append(item)
        elif (person := known.get(item.who)) is None:
            bad.append(_bad(item.line, "账号", "nobody's user name or staff number", "correct it"))
        elif item.client not in systems:
            bad.append(
                _bad(item.line, "系统", "no system of the pack", f"write {' or '.join(sorted(systems))}")
            )
        elif item.at > now and not (item.whole_day and day_in_china(item.at) == day_in_china(now)):
            bad.append(_bad(item.line, "登录时间", "a time in the future", "correct it"))
        else:
            lines += 1
            at = min(item.at, now)
            first, last = min(at, first), max(at, last)
            told.update(gap for gap in gaps if gap.since <= at <= gap.until)
            if item.client in theirs and person not in administrators:
                continue  # as with events: the console is no work of theirs
            place = (person, item.client)
            newest[place] = max(at, newest.get(place, at))
    if covers_gaps and bad:
        raise RefusedError(
            f"{file.name}: {len(bad)} lines cannot be read, the first is line {bad[0].line}: so it does not "
            "tell of every login; nothing was taken in",
            remedy="mend the lines, or leave --covers-gaps out",
        )
    silent = [gap for gap in gaps if gap not in told and not first < gap.since <= gap.until < last]
    if covers_gaps and silent:
        raise RefusedError(
            f"{file.name}: tells of no login between {_in_china(silent[0].since)} and "
            f"{_in_china(silent[0].until)}, and not of the time before and after; nothing was taken in",
            remedy="bring the history of all of that time, or leave --covers-gaps out",
        )
    people = len({person for person, _ in newest})
    with context.database.transaction() as connection:
        put_logins(connection, newest)
        seeded = seed_counts(connection, _latest(newest, clients_that_count(context.pack)))
        covered = cover_gaps(connection, now) if covers_gaps else 0
        note(
            context,
            connection,
            "login_history",
            {
                "file": file.name,
                "lines": lines,
                "people": people,
                "bad": len(bad),
                "seeded": seeded,
                "covered": covered,
            },
        )
    return TakenIn(lines=lines, people=people, bad=tuple(bad), covered=covered)


def _latest(
    logins: Mapping[tuple[PersonId, str], datetime], clients: Collection[str]
) -> Mapping[PersonId, datetime]:
    """Of each person the newest login that keeps the account alive."""
    found: dict[PersonId, datetime] = {}
    for (person, client), at in logins.items():
        if client in clients:
            found[person] = max(at, found.get(person, at))
    return found


def _in_china(moment: datetime) -> str:
    return moment.astimezone(CHINA).strftime("%Y-%m-%d %H:%M")


def _bad(line: int, field: str, kind: str, remedy: str) -> BadLine:
    return BadLine(line=line, field=field, kind=kind, remedy=remedy)
