"""Whether login events may be believed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from quanheng.lifecycle.feed import OVERLAP, Position, Shown, Trust, are_silent, judge_reading

NOW = datetime(2026, 11, 23, 1, tzinfo=UTC)
BEFORE = Position(cursor=NOW - timedelta(days=1), newest="n", newest_at=NOW - timedelta(days=1, minutes=1))


def shown(*events: tuple[str, datetime], known: str = "n") -> Shown:
    """What a reading showed."""
    found = Shown()
    for identifier, at in events:
        found = found.with_event(identifier, at, known, NOW)
    return found


def read(before: Position | None, found: Shown, **clocks: datetime) -> Trust:
    """Judge a reading, with clocks that agree."""
    return judge_reading(before, found, **({"server": NOW, "ours": NOW} | clocks))


def test_first_reading() -> None:
    """Nothing was read before, so nothing can be missing."""
    found = read(None, shown(("a", NOW - timedelta(days=9)), ("b", NOW - timedelta(days=2))))
    assert found.problem == ""
    assert found.position == Position(cursor=NOW, newest="b", newest_at=NOW - timedelta(days=2))


def test_the_newest_event_is_asked_for_again() -> None:
    """However long ago it was: so it shows when events were cleared."""
    assert BEFORE.since == BEFORE.cursor - OVERLAP
    old = Position(cursor=NOW, newest="n", newest_at=NOW - timedelta(days=30))
    assert old.since == NOW - timedelta(days=30)
    assert Position(cursor=NOW).since == NOW - OVERLAP


def test_in_order() -> None:
    """The known event is there, and newer ones."""
    assert BEFORE.newest_at is not None
    found = read(BEFORE, shown(("n", BEFORE.newest_at), ("m", NOW - timedelta(hours=1))))
    assert (found.problem, found.lost_since) == ("", None)
    assert found.position is not None
    assert found.position.newest == "m"


@pytest.mark.parametrize("rest", [(), (("m", NOW),)], ids=["all", "the old ones"])
def test_cleared(rest: tuple[tuple[str, datetime], ...]) -> None:
    """The known event is gone: from the last reading on nothing is certain."""
    found = read(BEFORE, shown(*rest))
    assert "不见了" in found.problem
    assert found.lost_since == BEFORE.cursor - OVERLAP
    assert found.position is not None
    assert found.position.cursor == NOW


def test_a_quiet_night_is_no_gap() -> None:
    """Before the first event ever, nothing can be missing."""
    found = read(Position(cursor=NOW - timedelta(days=1)), shown())
    assert (found.problem, found.lost_since) == ("", None)


@pytest.mark.parametrize(
    "clocks",
    [
        {"ours": NOW + timedelta(minutes=6)},
        {"ours": NOW - timedelta(minutes=6)},
        {"server": BEFORE.cursor - timedelta(hours=1), "ours": BEFORE.cursor - timedelta(hours=1)},
    ],
    ids=["ahead", "behind", "turned back"],
)
def test_clocks_that_cannot_be(clocks: dict[str, datetime]) -> None:
    """Nothing is taken for read, and nobody is locked."""
    assert BEFORE.newest_at is not None
    found = read(BEFORE, shown(("n", BEFORE.newest_at)), **clocks)
    assert "时钟" in found.problem
    assert found.position == BEFORE
    assert found.lost_since is None


def test_an_event_from_the_future() -> None:
    """The server's clock was ahead for a while: what it wrote then cannot be believed."""
    assert BEFORE.newest_at is not None
    found = read(BEFORE, shown(("n", BEFORE.newest_at), ("m", NOW + timedelta(hours=1))))
    assert "将来" in found.problem
    assert found.position == BEFORE


def test_people_who_came_in_by_card_and_left_no_trace() -> None:
    """Three are no accident; one may have been refused by Keycloak."""
    late = NOW + timedelta(minutes=10)
    assert are_silent([NOW], [late] * 3, at_least=3)
    assert not are_silent([NOW], [late] * 2, at_least=3)
    assert not are_silent([NOW, late], [late] * 3, at_least=3)
    assert are_silent([], [late] * 3, at_least=3)
