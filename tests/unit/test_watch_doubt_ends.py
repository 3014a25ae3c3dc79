"""When what was done in our name is in doubt, and when it is believed again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from quanheng.model.realm import AdminEvent
from quanheng.watch.doubt import TOKEN_LIFE, Doubt, end, follow, renew

T0 = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
OURS = "ours"
OWN = frozenset({OURS, "configurator"})


def event(
    minutes: float = 0,
    *,
    actor: str = "master",
    kind: str = "CLIENT",
    path: str = "clients/ours",
    operation: str = "UPDATE",
) -> AdminEvent:
    """What somebody did, so long after the beginning."""
    at = T0 + timedelta(minutes=minutes)
    return AdminEvent(
        id=f"{actor} {at}",
        at=at,
        operation=operation,
        resource_type=kind,
        resource_path=path,
        actor_realm="shanxi",
        actor_client=actor,
        actor_user=actor,
    )


def after(*events: AdminEvent, before: Doubt | None = None) -> Doubt:
    """The doubt after these."""
    doubt, _ = follow(before, events, OWN)
    assert doubt is not None
    return doubt


def test_open_it_covers_whatever_comes() -> None:
    """Time alone does not end it: a token may have been made to live for a day."""
    doubt = after(event())
    assert doubt.ended is None
    assert not doubt.covers(event(-2, actor=OURS))
    assert all(doubt.covers(event(minutes, actor=OURS)) for minutes in (0, 11, 60 * 24))


def test_ended_it_covers_what_was_done_before() -> None:
    """A minute more than to its end, since clocks differ."""
    doubt = end(after(event()), T0 + timedelta(minutes=15))
    assert doubt.covers(event(15.5, actor=OURS))
    assert not doubt.covers(event(17, actor=OURS))


def test_due_after_a_tokens_life() -> None:
    """Counted from the last tampering; what was ended is not ended again."""
    doubt = after(event(), event(8))
    at = T0 + timedelta(minutes=8) + TOKEN_LIFE
    assert not doubt.is_due(at)
    assert doubt.is_due(at + timedelta(seconds=1))
    assert not end(doubt, at).is_due(at + timedelta(days=1))


def test_tampering_after_its_end_is_another() -> None:
    """Begun anew; what shows late of the time before opens the old one again."""
    ended = end(after(event()), T0 + timedelta(minutes=11))
    late = renew(ended, T0 + timedelta(minutes=11.5))
    assert (late.since, late.ended) == (ended.since, None)
    another = renew(ended, T0 + timedelta(minutes=30))
    assert another == Doubt(
        since=T0 + timedelta(minutes=29), until=T0 + timedelta(minutes=30) + TOKEN_LIFE, ended=None
    )
    assert another.is_news_after(ended)
    assert not late.is_news_after(ended)
    assert ended.is_news_after(None)


@pytest.mark.parametrize(("seconds", "same"), [(0, True), (300, True), (301, False)])
def test_what_may_have_been_done_before_its_end_opens_it_again(seconds: int, same: bool) -> None:
    """An event may show five minutes after it is dated: what is dated so soon after the end is of the time
    before, whose events may still come."""
    ended = end(after(event()), T0 + timedelta(minutes=11))
    assert ended.ended is not None
    again = renew(ended, ended.ended + timedelta(seconds=seconds))
    assert again.ended is None
    assert (again.since == ended.since) is same


def test_an_open_one_goes_on() -> None:
    """From its beginning, however long ago, and told again."""
    first = after(event())
    later = after(event(60), before=first)
    assert (later.since, later.until) == (first.since, T0 + timedelta(minutes=60) + TOKEN_LIFE)
    assert later.is_news_after(first)


@pytest.mark.parametrize(
    ("kind", "path", "operation", "counts"),
    [
        ("CLIENT", "clients/ours", "UPDATE", True),
        ("USER", f"users/{OURS}/reset-password", "ACTION", True),
        ("USER", f"users/{OURS}/logout", "ACTION", False),
        ("USER", "users/configurator/logout", "ACTION", False),
        ("USER", "users/somebody", "UPDATE", False),
    ],
)
def test_what_is_done_in_our_name_in_doubt(kind: str, path: str, operation: str, counts: bool) -> None:
    """It may be a thief's, and renews the doubt; our own logout, which ends it, does not. Outside a doubt it
    is ours."""
    done = event(5, actor=OURS, kind=kind, path=path, operation=operation)
    assert follow(None, [done], OWN) == (None, ())
    begun = event()
    doubt, tampering = follow(None, [begun, done], OWN)
    assert doubt is not None
    assert tampering == ((begun, done) if counts else (begun,))
    assert doubt.until == (done.at if counts else begun.at) + TOKEN_LIFE


def test_somebody_elses_logout_of_our_account_counts() -> None:
    """It makes our next token, and touches our account: not by us."""
    path = f"users/{OURS}/logout"
    assert follow(None, [event(kind="USER", path=path, operation="ACTION")], OWN)[0] is not None
