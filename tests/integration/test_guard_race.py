"""Two grants at once that exclude each other: the row of the user decides, and one of them fails.

On the embedded database of the session's server; ``test_guard_race_postgres`` is the same on PostgreSQL.
"""

from __future__ import annotations

from fixtures.guard import GuardedRealm
from fixtures.opposing import assert_last_seat_is_given_once, assert_one_of_each_pair


def test_opposing_pairs(guarded_realm: GuardedRealm) -> None:
    """Four clients give one user two posts that exclude each other, again and again: never both are held."""
    assert_one_of_each_pair(guarded_realm)


def test_last_seat_of_a_county(guarded_realm: GuardedRealm) -> None:
    """Four clients give four people the one seat of a county, each by another group: one gets it."""
    assert_last_seat_is_given_once(guarded_realm)
