"""What was told already, so that a state is told when it comes about and not at each look that finds it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection

from quanheng.operations.context import Context
from quanheng.store.meta import read_text, write_text

_NOTHING: Final[tuple[str, ...]] = ()


class Topic(StrEnum):
    """States that are told, each remembered by itself: what comes and goes of one has no say in another."""

    BREAK_GLASS = "break_glass"
    CAP = "cap"
    CAUSES = "causes"
    CONFIGURATION = "configuration"
    """What differs in the realm's settings, ways in that others made among it."""
    GUARD_GONE = "guard_gone"
    PERMISSIONS = "permissions"
    """What differs in the permissions of administrators."""
    NOT_REQUIRED = "guard_not_required"
    REFUSED = "repair_refused"
    RULES = "rules_invalid"
    SWAPPED = "roles_swapped"
    UNRESTORED = "causes_unrestored"


def find_untold(connection: Connection, topic: Topic, items: Collection[str]) -> tuple[str, ...]:
    """Which of the things that hold now were not told before, in their order; all of them count as told then.

    ``items`` is all that holds of the topic: what is no longer among them is told again when it comes back.
    Within the transaction that tells it.
    """
    known = read_text(connection, _entry(topic))
    before = frozenset(json.loads(known or "[]"))
    now = {_digest(item): item for item in items}
    if now.keys() != before:
        write_text(connection, _entry(topic), json.dumps(sorted(now)))
    return tuple(item for digest, item in now.items() if digest not in before)


def tell_once(connection: Connection, topic: Topic, state: str) -> bool:
    """Whether a state of which there is one at a time has to be told: it is another than was told last, or
    nothing held since. Within the transaction that tells it."""
    return bool(find_untold(connection, topic, (state,)))


def is_told(context: Context, topic: Topic, items: Collection[str]) -> bool:
    """Whether exactly these were told: then there is nothing to write."""
    with context.database.reading() as connection:
        known = read_text(connection, _entry(topic))
    return frozenset(json.loads(known or "[]")) == {_digest(item) for item in items}


def clear(context: Context, *topics: Topic) -> None:
    """Nothing of these holds any more. Costs a reading and no more while nothing was told."""
    for topic in topics:
        if not is_told(context, topic, _NOTHING):
            with context.database.transaction() as connection:
                find_untold(connection, topic, _NOTHING)


def _entry(topic: Topic) -> str:
    """Name of its entry in ``meta``."""
    return f"told_{topic}"


def _digest(item: str) -> str:
    return hashlib.sha256(item.encode()).hexdigest()[:32]
