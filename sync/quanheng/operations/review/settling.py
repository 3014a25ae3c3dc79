"""What became of lines without anybody's doing: nothing is found any more, or a later list has them again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, Self

from sqlalchemy import Connection

from quanheng.clock import day_in_china
from quanheng.lifecycle.review import Effect, Found, ReviewItem, month_of, review_key
from quanheng.model.change import Json
from quanheng.model.ids import OrgCode
from quanheng.operations.context import Context
from quanheng.operations.noting import note
from quanheng.store.reviews import REVIEW_SETTLED, put_answers, read_answered_keys, read_items

GONE: Final = "gone:"
"""Begins what became of a line that is no longer found; the day follows."""
CARRIED: Final = "carried:"
"""Begins what became of a line that a later month's list has again; the month follows."""
_WAITING: Final = frozenset({Effect.REQUEST, Effect.FREEZE})
"""What is carried out by a command, and stays until it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fates:
    """What is found now, beside what was asked and answered."""

    today: date
    found: Mapping[str, Mapping[str, Found]]
    """By month, and by the key that a line of it has in that month."""
    stored: frozenset[str]
    """Keys of lines that are in the store."""
    answered: frozenset[str]
    """Keys of lines that were answered."""

    @classmethod
    def read(
        cls, connection: Connection, today: date, found: Collection[Found], items: Sequence[ReviewItem]
    ) -> Self:
        """From all lines of the store, and what a look found."""
        months = {item.month for item in items} | {month_of(today)}
        return cls(
            today=today,
            found={month: {review_key(month, one): one for one in found} for month in months},
            stored=frozenset(item.key for item in items),
            answered=read_answered_keys(connection),
        )

    def end(self, item: ReviewItem) -> ReviewItem:
        """A line with what became of it; as it is, when it still waits or is settled.

        What somebody answered later of the same matter takes the place of an older answer that waits.
        """
        if item.settled:
            return item
        one, month = self.found[item.month].get(item.key), month_of(self.today)
        if one is None:
            return replace(item, settled=f"{GONE}{self.today.isoformat()}")
        for later in sorted(self.found, reverse=True):
            if later > item.month and (key := review_key(later, one)) in self.answered:
                return self._carried(item, later, key)
        key = review_key(month, one)
        stays = item.effect in _WAITING or item.month == month or key not in self.stored
        return item if stays else self._carried(item, month, key)

    def _carried(self, item: ReviewItem, month: str, key: str) -> ReviewItem:
        late = item.answer is None and item.deadline < self.today
        return replace(item, settled=f"{CARRIED}{month}", into=key, late=late)


def settle_lines(
    context: Context, connection: Connection, found: Collection[Found], county: OrgCode | None = None
) -> None:
    """End the lines of which nothing is found any more, or which a later month's list has again.

    Those whose answer waits to be carried out stay as long as the matter is found and nobody answered it
    otherwise since. ``found``: everything, or everything of ``county``; within the caller's transaction.
    """
    items = read_items(connection, county=county)
    fates = Fates.read(connection, day_in_china(context.clock()), found, items)
    note_ends(
        context, connection, [ended for item in items if (ended := fates.end(item)).settled != item.settled]
    )


def note_ends(context: Context, connection: Connection, items: Collection[ReviewItem]) -> None:
    """Write down what became of lines."""
    if not items:
        return
    put_answers(connection, items)
    lines: list[Json] = [_line(item) for item in items]
    note(context, connection, REVIEW_SETTLED, {"lines": lines})


def _line(item: ReviewItem) -> dict[str, Json]:
    more: dict[str, Json] = {"into": item.into, "late": item.late} if item.into else {}
    return {"key": item.key, "settled": item.settled, **more}
