"""How far login events were read, and what was wrong with them: single values of the store."""

from __future__ import annotations

import json
from datetime import datetime

from sqlalchemy import Connection

from quanheng.lifecycle.feed import Position
from quanheng.store.meta import read_text, write_text

_POSITION = "login_position"
_PROBLEM = "login_problem"


def read_position(connection: Connection) -> Position | None:
    """How far login events were read; None before the first time."""
    kept = read_text(connection, _POSITION)
    if kept is None:
        return None
    cursor, newest, newest_at = json.loads(kept)
    return Position(
        cursor=datetime.fromisoformat(cursor),
        newest=newest,
        newest_at=None if newest_at is None else datetime.fromisoformat(newest_at),
    )


def write_position(connection: Connection, position: Position) -> None:
    """Remember it; in the transaction that writes the logins."""
    newest_at = None if position.newest_at is None else position.newest_at.isoformat()
    write_text(connection, _POSITION, json.dumps([position.cursor.isoformat(), position.newest, newest_at]))


def read_problem(connection: Connection) -> str:
    """Why nobody was locked the last time; empty when nothing spoke against it."""
    return read_text(connection, _PROBLEM) or ""


def write_problem(connection: Connection, problem: str) -> None:
    """Remember it."""
    if problem != read_problem(connection):
        write_text(connection, _PROBLEM, problem)
