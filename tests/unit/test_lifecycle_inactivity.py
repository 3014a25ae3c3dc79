"""When an account is locked: calendar months by the wall clock in China, to the second."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from fixtures.feeds import shanxi
from quanheng.clock import CHINA
from quanheng.lifecycle.inactivity import (
    Subject,
    Verdict,
    add_span,
    clients_that_count,
    judge_use,
    start_of_oldest,
)
from quanheng.model.ids import OrgCode, PersonId, PostId
from quanheng.model.person import AccountRequest, RequestKind
from quanheng.policy.schema_lifecycle import Inactivity, Span

MONTHS = Span(value=3, unit="months")
PERSON = PersonId("1" * 32)


def moment(text: str) -> datetime:
    """A moment by the wall clock in China."""
    return datetime.fromisoformat(text).replace(tzinfo=CHINA)


@pytest.mark.parametrize(
    ("start", "due"),
    [
        ("2026-03-02 12:00:00", "2026-06-02 12:00:00"),
        ("2026-08-31 15:00:00", "2026-11-30 15:00:00"),
        ("2026-11-30 09:30:01", "2027-02-28 09:30:01"),
        ("2027-11-29 00:00:00", "2028-02-29 00:00:00"),
        ("2027-11-30 23:59:59", "2028-02-29 23:59:59"),
        ("2028-02-29 08:00:00", "2028-05-29 08:00:00"),
        ("2026-12-31 23:00:00", "2027-03-31 23:00:00"),
    ],
)
def test_three_calendar_months(start: str, due: str) -> None:
    """The same hour of the same day of the month, or of its last."""
    assert add_span(moment(start), MONTHS) == moment(due)


def test_the_zone_is_chinas() -> None:
    """A login in the small hours in China is one of the day before in UTC; the day in China counts, wherever
    the moment was written down."""
    start = moment("2026-08-31 05:00:00")
    for zone in (UTC, timezone(timedelta(hours=-5)), CHINA):
        assert add_span(start.astimezone(zone), MONTHS) == moment("2026-11-30 05:00:00")
    # By UTC it would be 30 August and so 30 November too, but of 1 March not:
    assert add_span(moment("2027-03-01 05:00:00"), MONTHS) == moment("2027-06-01 05:00:00")


def test_days_are_days() -> None:
    """A pack that counts days means days."""
    assert add_span(moment("2026-02-01 10:00:00"), Span(value=90, unit="days")) == moment(
        "2026-05-02 10:00:00"
    )


def subject(**fields: Any) -> Subject:
    """An operator of 忻府区 who logged in last on 31 August."""
    values: dict[str, Any] = {
        "person": PERSON,
        "posts": frozenset({PostId("operator")}),
        "county": OrgCode("140902"),
        "orgs": frozenset(),
        "counts_from": moment("2026-01-05 09:00:00"),
        "last": moment("2026-08-31 15:00:00"),
    }
    return Subject(**(values | fields))


def rules(**fields: Any) -> Inactivity:
    """Three months."""
    return Inactivity.model_validate({"after": MONTHS.model_dump(), "article": "S11"} | fields)


def judge(item: Subject, inactivity: Inactivity, *requests: AccountRequest, **options: Any) -> Verdict:
    """What becomes of an account."""
    values: dict[str, Any] = {"floor": None, "today": date(2026, 11, 23)}
    return judge_use(item, inactivity, requests, **(values | options))


def test_due_to_the_second() -> None:
    """Not a second earlier."""
    found = judge(subject(), rules())
    due = moment("2026-11-30 15:00:00")
    assert found.due == due
    assert not found.is_due(due - timedelta(seconds=1))
    assert found.is_due(due)


def test_whatever_is_latest_begins_the_count() -> None:
    """A login, the day it was given back, or the end of a time without events."""
    given_back = moment("2026-09-10 09:00:00")
    assert judge(subject(counts_from=given_back), rules()).due == moment("2026-12-10 09:00:00")
    floor = moment("2026-10-01 01:00:00")
    assert judge(subject(), rules(), floor=floor).due == moment("2027-01-01 01:00:00")


def test_never_used() -> None:
    """Counts since it was made; where the pack begins with the first login, not at all."""
    made = moment("2026-01-05 09:00:00")
    assert judge(subject(last=None), rules()).due == moment("2026-04-05 09:00:00")
    found = judge(subject(last=None), rules(starts_with="first_login"))
    assert not found.is_due(made + timedelta(days=1000))
    assert found.notice(found.due - timedelta(days=1), (30, 7, 1)) is None


@pytest.mark.parametrize(
    ("before", "days"),
    [
        (timedelta(days=30, seconds=1), None),
        (timedelta(days=30), 30),
        (timedelta(days=8), 30),
        (timedelta(days=7), 7),
        (timedelta(days=1, seconds=1), 7),
        (timedelta(days=1), 1),
        (timedelta(seconds=1), 1),
        (timedelta(0), None),
    ],
)
def test_which_announcement_has_its_time(before: timedelta, days: int | None) -> None:
    """The last whose time has come; none when it is too late for any."""
    found = judge(subject(), rules())
    assert found.notice(found.due - before, (30, 7, 1)) == days


def test_overrides() -> None:
    """The shortest of those that concern somebody; an override may be longer than the rule."""
    inactivity = rules(
        overrides=[
            {"posts": ["operator"], "after": {"value": 6, "unit": "months"}, "article": "S11"},
            {"areas": ["1409"], "after": {"value": 150, "unit": "days"}, "article": "X3"},
            {"areas": ["1405"], "after": {"value": 2, "unit": "days"}, "article": "J9"},
            {"posts": ["handler"], "after": {"value": 2, "unit": "days"}, "article": "S5"},
        ]
    )
    found = judge(subject(), inactivity)
    assert (found.after, found.article) == (Span(value=150, unit="days"), "X3")
    elsewhere = judge(subject(county=OrgCode("140302")), inactivity)
    assert elsewhere.after == Span(value=6, unit="months")
    nobody = judge(subject(county=OrgCode("140302"), posts=frozenset()), inactivity)
    assert nobody.after == MONTHS


def request(kind: RequestKind = RequestKind.EXEMPT, **fields: Any) -> AccountRequest:
    """An approved exemption of the person."""
    values: dict[str, Any] = {
        "key": "k",
        "person": PERSON,
        "kind": kind,
        "reason": "驻村",
        "until": date(2026, 12, 31),
        "about": "",
    }
    return AccountRequest(**(values | fields))


def test_exemptions_end() -> None:
    """The last day is one of them; the one that lasts longest counts."""
    late = moment("2027-06-01 00:00:00")
    inactivity = rules(exemptions=[{"areas": ["1409"], "reason": "汛期驻守", "until": date(2026, 11, 23)}])
    assert not judge(subject(), inactivity).is_due(late)
    assert judge(subject(), inactivity, today=date(2026, 11, 24)).is_due(late)
    found = judge(subject(), inactivity, request())
    assert found.exempt is not None
    assert found.exempt.reason == "驻村"
    assert judge(subject(), rules(), request(person=PersonId("2" * 32))).exempt is None
    assert judge(subject(), rules(), request(RequestKind.UNLOCK, until=None)).exempt is None


@pytest.mark.parametrize("month", range(1, 13))
def test_who_need_not_be_looked_at(month: int) -> None:
    """Nobody who was used since that moment has anything due before tomorrow, whatever the month."""
    now = moment(f"2026-{month:02}-28 12:00:00")
    inactivity = rules(
        overrides=[{"areas": ["14"], "after": {"value": 70, "unit": "days"}, "article": "S11"}]
    )
    start = start_of_oldest(now, inactivity)
    for county in ("140902", "620102"):
        found = judge(subject(last=start, county=OrgCode(county)), inactivity)
        tomorrow = now + timedelta(days=1) - timedelta(seconds=1)
        assert not found.is_due(tomorrow)
        assert found.notice(tomorrow, inactivity.notices_days) is None


def test_which_clients_count() -> None:
    """The pack's subsystems, and the console, in which administrators work."""
    assert clients_that_count(shanxi()) == {"jiujinban", "security-admin-console"}
