"""When an account that is for a time ends, on every boundary."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from quanheng.clock import day_in_china
from quanheng.lifecycle.terms import (
    ORIGIN,
    Step,
    TermFacts,
    TermState,
    article_of,
    days_left,
    hold_of,
    is_past,
    latest_end,
    needs_term,
    next_step,
    notice_due,
    state_of,
)
from quanheng.model.ids import OrgCode, PersonId, SourceId
from quanheng.model.person import Claim, HoldKind, Term, TermKind
from quanheng.model.staff import Origin
from quanheng.policy.pack import Pack, find_pack, load_pack, load_packs
from quanheng.policy.schema_lifecycle import Temporary

END = date(2026, 6, 30)
WHO = PersonId("p1")
TERM = Term(person=WHO, kind=TermKind.TEMPORARY, owner=PersonId("p2"), until=END, purpose="借用人员")
HELD = hold_of(WHO, TERM, END + timedelta(days=1))
NOTHING = TermFacts(term=None, hold=None, needed=False)


@pytest.fixture(scope="module")
def pack() -> Pack:
    """山西 alone, which says nothing of such accounts."""
    return load_pack(find_pack("shanxi"))


def with_temporary(pack: Pack, **fields: Any) -> Pack:
    """The pack with a word about them."""
    temporary = Temporary(article="X1", **fields)
    return replace(pack, lifecycle=pack.lifecycle.model_copy(update={"temporary": temporary}))


def claim(employment: str = "contract", status: str = "active", **fields: Any) -> Claim:
    """What a source says of somebody at work."""
    values: dict[str, Any] = {
        "source": SourceId("hr"),
        "person": WHO,
        "org": OrgCode("140902001001"),
        "post": None,
        "employment": employment,
        "status": status,
        "status_from": None,
        "status_to": None,
        "post_start": None,
        "origin": Origin(SourceId("hr"), "1"),
    }
    return Claim(**values | fields)


@pytest.mark.parametrize(
    ("moment", "past"),
    [
        (datetime(2026, 6, 30, 15, 59, 59, tzinfo=UTC), False),  # 23:59:59 in China
        (datetime(2026, 6, 30, 16, 0, 0, tzinfo=UTC), True),  # midnight there, still the 30th in UTC
        (datetime(2026, 6, 29, 16, 0, 0, tzinfo=UTC), False),
    ],
)
def test_the_last_day_counts_whole_in_china(moment: datetime, past: bool) -> None:
    """Whatever the zone of the server."""
    assert is_past(TERM, day_in_china(moment)) is past


@pytest.mark.parametrize(
    ("today", "latest"),
    [
        (date(2026, 3, 2), date(2026, 9, 2)),
        (date(2026, 8, 31), date(2027, 2, 28)),
        (date(2027, 8, 31), date(2028, 2, 29)),
    ],
)
def test_how_far_ahead_an_end_may_lie(pack: Pack, today: date, latest: date) -> None:
    """Six calendar months where no pack says."""
    assert latest_end(pack, today) == latest


def test_a_pack_says_how_far(pack: Pack) -> None:
    """Its number, and its article; 晋城's on top of 山西 too."""
    stricter = with_temporary(pack, most_months=2)
    assert latest_end(stricter, date(2026, 3, 2)) == date(2026, 5, 2)
    assert (article_of(stricter), article_of(pack)) == ("X1", "")
    assert article_of(load_packs(["shanxi", "jincheng"])) == "J21"


@pytest.mark.parametrize(
    ("left", "notice"), [(31, None), (30, 30), (8, 30), (7, 7), (2, 7), (1, 1), (0, 1), (-1, None)]
)
def test_announcements(pack: Pack, left: int, notice: int | None) -> None:
    """The last one whose time has come; on the last day there is still one, after it none."""
    today = END - timedelta(days=left)
    assert days_left(TERM, today) == left
    assert notice_due(TERM, pack, today) == notice


def test_announcements_as_the_pack_has_them(pack: Pack) -> None:
    """The days on which locks are announced; without any, 30, 7 and 1."""
    assert pack.lifecycle.inactivity is not None
    inactivity = pack.lifecycle.inactivity.model_copy(update={"notices_days": (3,)})
    other = replace(pack, lifecycle=pack.lifecycle.model_copy(update={"inactivity": inactivity}))
    none = replace(pack, lifecycle=pack.lifecycle.model_copy(update={"inactivity": None}))
    today = END - timedelta(days=5)
    assert (notice_due(TERM, other, today), notice_due(TERM, none, today)) == (None, 7)


@pytest.mark.parametrize(
    ("facts", "today", "step"),
    [
        (TermFacts(term=TERM, hold=None, needed=False), END, Step.NOTHING),
        (TermFacts(term=TERM, hold=None, needed=False), END + timedelta(days=1), Step.HOLD),
        (TermFacts(term=TERM, hold=None, needed=False), END + timedelta(days=15), Step.HOLD),
        (TermFacts(term=TERM, hold=HELD, needed=False), END + timedelta(days=15), Step.NOTHING),
        (TermFacts(term=TERM, hold=HELD, needed=True), END, Step.NOTHING),
        (TermFacts(term=None, hold=None, needed=True), END, Step.HOLD),
        (TermFacts(term=None, hold=HELD, needed=True), END, Step.NOTHING),
        (TermFacts(term=None, hold=HELD, needed=False), END, Step.LIFT),
        (
            TermFacts(term=None, hold=replace(HELD, origin="other"), needed=False),
            END,
            Step.NOTHING,
        ),
        (NOTHING, END, Step.NOTHING),
    ],
)
def test_what_a_day_asks_for(facts: TermFacts, today: date, step: Step) -> None:
    """Held once after the last day; what has ended is lifted by no day, what only lacked an end is."""
    assert next_step(facts, today) is step


@pytest.mark.parametrize(
    ("facts", "today", "state"),
    [
        (TermFacts(term=TERM, hold=None, needed=True), date(2026, 5, 30), TermState.IN_FORCE),
        (TermFacts(term=TERM, hold=None, needed=True), date(2026, 5, 31), TermState.ENDING),
        (TermFacts(term=TERM, hold=None, needed=True), END, TermState.ENDING),
        (TermFacts(term=TERM, hold=None, needed=True), END + timedelta(days=1), TermState.ENDED),
        (TermFacts(term=TERM, hold=HELD, needed=True), date(2026, 5, 1), TermState.ENDED),
        (TermFacts(term=None, hold=None, needed=True), END, TermState.MISSING),
        (NOTHING, END, None),
    ],
)
def test_how_it_stands(pack: Pack, facts: TermFacts, today: date, state: TermState | None) -> None:
    """Near within the days of the monthly review (30); over when it is past or closed."""
    assert state_of(facts, pack, today) is state


def test_who_must_have_an_end(pack: Pack) -> None:
    """Whom any source has in such an employment now; who has left it, need not."""
    bound = with_temporary(pack, employments=("dispatched",))
    today = date(2026, 3, 2)
    assert needs_term([claim(), claim("dispatched")], bound, today=today)
    assert not needs_term([claim()], bound, today=today)
    assert not needs_term([claim("dispatched")], pack, today=today)
    ended = next(item for item in pack.statuses.statuses if item.ends_post).id
    assert not needs_term([claim("dispatched", ended, status_from=today)], bound, today=today)
    assert needs_term([claim("dispatched", ended, status_from=date(2026, 3, 3))], bound, today=today)


def test_the_hold_says_why() -> None:
    """That it ended and when, that it was closed, or that there is no end; one kind, one origin."""
    test = replace(TERM, kind=TermKind.TEST)
    reasons = [
        hold_of(WHO, TERM, END).reason,
        hold_of(WHO, test, END, closed=True).reason,
        hold_of(WHO, None, END).reason,
    ]
    assert reasons == ["临时账号已到期：至 2026-06-30", "测试账号已在验收前关闭", "没有期限和责任人"]
    assert (HELD.kind, HELD.origin) == (HoldKind.EXPIRED, ORIGIN)
