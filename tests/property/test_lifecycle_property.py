"""Whatever is told, frozen, unlocked or logged in to, however many days go by: nobody is on who must not be,
nobody is off without a reason in the ledger, and the same once more comes to the same.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fixtures.life import Life, make_life
from fixtures.world import OTHER_VILLAGE, VILLAGE, WorldTemplate, temporary
from quanheng.clock import CHINA, day_in_china
from quanheng.errors import QuanhengError
from quanheng.model.person import Proposal, ProposalKind, RequestKind
from quanheng.operations.lifecycle.daily import do_day
from quanheng.operations.lifecycle.freezing import freeze
from quanheng.operations.lifecycle.requesting import REQUESTS, ask_request, prepare_request

ASKER, APPROVER = "P00002", "P00001"
"""The province's 业务管理员 asks, its 系统管理员 approves."""
PEOPLE = ("C00001", "C00002", "C00003")
STATUSES = ("在职", "退休", "调出", "接受调查", "病假", "产假", "短病假")
REASONS = {
    RequestKind.UNLOCK: "返岗继续经办",
    RequestKind.UNFREEZE: "核实无误",
    RequestKind.RESTORE: "重新任用",
    RequestKind.EXEMPT: "驻村帮扶",
    RequestKind.DEREGISTER: "多余账号",
}

EXEMPT_FOR = timedelta(days=120)

who = st.integers(min_value=0, max_value=len(PEOPLE) - 1)
step = st.one_of(
    st.tuples(st.just("status"), who, st.sampled_from(STATUSES)),
    st.tuples(st.just("login"), who, st.just("")),
    st.tuples(st.just("freeze"), who, st.just("")),
    st.tuples(st.just("ask"), who, st.sampled_from(list(RequestKind)[:3])),
    st.tuples(st.just("decide"), who, st.just("")),
    st.tuples(st.just("console"), who, st.booleans()),
    st.tuples(st.just("move"), who, st.sampled_from([VILLAGE, OTHER_VILLAGE])),
    st.tuples(st.sampled_from(["drop", "exempt", "deregister"]), who, st.just("")),
    st.tuples(st.just("days"), st.sampled_from([1, 20, 31, 62, 93]), st.just("")),
)


@dataclass
class Witness:
    """What somebody who watches knows, without a look into the store."""

    frozen: set[str] = field(default_factory=set)
    """By command, and not unfrozen since by a second person."""
    dropped: set[str] = field(default_factory=set)
    """Missing from the roll."""
    gone: set[str] = field(default_factory=set)
    """Deregistered, and not restored since."""
    exempt: dict[str, date] = field(default_factory=dict)
    """Until which day nobody is locked for not logging in."""
    status: dict[str, tuple[str, date]] = field(default_factory=dict)
    """What the last report said, and since when."""
    used: dict[str, datetime] = field(default_factory=dict)
    """When each account was made, given back, or logged in to last."""
    on: set[str] = field(default_factory=set)
    on_at: dict[str, int] = field(default_factory=dict)
    """The last entry of the ledger when each account was seen switched on."""

    def note_approval(self, proposal: Proposal, today: date) -> None:
        """A second person approved something."""
        who, said = proposal.subject, proposal.summary
        if proposal.kind is ProposalKind.DEREGISTER or said.startswith(REQUESTS[RequestKind.DEREGISTER]):
            self.gone.add(who)
        elif said.startswith(REQUESTS[RequestKind.RESTORE]):
            self.gone.discard(who)
        elif said.startswith(REQUESTS[RequestKind.UNFREEZE]):
            self.frozen.discard(who)
        elif said.startswith(REQUESTS[RequestKind.EXEMPT]):
            self.exempt[who] = today + EXEMPT_FOR


def must_be_off(witness: Witness, staff_no: str, now: datetime) -> bool:
    """Whether a rule says so."""
    status, since = witness.status.get(staff_no, ("在职", date.min))
    away = {"病假": 150, "产假": 158}.get(status)
    today = day_in_china(now)
    return (
        staff_no in witness.frozen
        or staff_no in witness.gone
        or status in ("退休", "调出", "接受调查")
        or (away is not None and since <= today <= since + timedelta(days=away))
    )


def months_ago(now: datetime) -> datetime:
    """Three calendar months ago by the wall clock in China, or a day or two earlier at the end of a month."""
    local = now.astimezone(CHINA)
    year, month = divmod(local.year * 12 + local.month - 1 - 3, 12)
    day = local.day
    while True:
        try:
            return local.replace(year=year, month=month + 1, day=day)
        except ValueError:
            day -= 1


def act(life: Life, witness: Witness, name: str, number: int, value: Any) -> None:
    """Do one thing, as somebody would; what is refused is refused."""
    world = life.world
    if name == "days":
        world.pass_time(days=number)
        for lively in (*life.lively, ASKER, APPROVER):
            life.login(lively)
        world.sync()
        do_day(life.context)
        return
    staff_no = PEOPLE[number]
    today = day_in_china(world.clock())
    if name in ("status", "move", "drop") and staff_no in witness.dropped:
        return  # no source speaks of this one any more
    if name == "status":
        end = {"病假": 150, "产假": 158, "短病假": 30}.get(value)
        until = "" if end is None else (today + timedelta(days=end)).isoformat()
        begin = "" if value == "在职" else today.isoformat()
        label = "病假" if value == "短病假" else value
        world.change(staff_no, status=label, status_from=begin, status_to=until)
        world.issue_and_sync()
        witness.status[staff_no] = (value, today)
    elif name == "login":
        enabled = life.enabled(staff_no)
        life.login(staff_no, error="" if enabled else "user_disabled")
        if enabled:
            witness.used[staff_no] = world.clock()
    elif name == "freeze":
        freeze(life.context, staff_no, reason="口令可能泄露")
        witness.frozen.add(staff_no)
    elif name == "move":
        world.change(staff_no, org=value)
        world.issue_and_sync()
    elif name == "console":
        user = world.user(staff_no)
        world.console.update_user(
            user.id, username=user.username, enabled=value, name=user.name, attributes=dict(user.attributes)
        )
        world.sync()
    elif name == "drop":
        world.drop(staff_no)
        world.issue_and_sync()
        witness.dropped.add(staff_no)
    elif name in ("ask", "exempt", "deregister"):
        kind = RequestKind(value or name)
        until = today + EXEMPT_FOR if kind is RequestKind.EXEMPT else None
        reason = f"{REASONS[kind]} {world.clock():%m%d}"
        try:
            ask_request(
                life.context,
                prepare_request(life.context, staff_no, kind, reason=reason, until=until),
                world.login(ASKER),
            )
        except QuanhengError:
            return  # there is nothing to lift, or it was asked for
    else:
        for proposal in world.proposals():
            try:
                world.approve(proposal.key, by=APPROVER)
            except QuanhengError:
                continue
            witness.note_approval(proposal, today)
        world.sync()


def reasons(life: Life, staff_no: str, *, after: int) -> list[str]:
    """Why somebody was switched off, by the ledger, since an entry."""
    person = life.world.person(staff_no).id
    found = []
    for entry in life.world.ledger("disable", "account_frozen", "hold_put"):
        body = json.loads(entry.body)
        if entry.sequence > after and body.get("person") == person:
            found.append(body.get("reason", ""))
    return [reason for reason in found if reason]


def see(life: Life, witness: Witness) -> None:
    """Look at every account: what is true now, and what follows from it."""
    now = life.world.clock()
    users = life.world.users()
    last = max(entry.sequence for entry in life.world.ledger())
    for staff_no in PEOPLE:
        enabled = users[staff_no].enabled
        if enabled:
            assert not must_be_off(witness, staff_no, now), f"{staff_no} is on"
            if staff_no not in witness.on:
                witness.used[staff_no] = max(now, witness.used.get(staff_no, now))
                witness.on.add(staff_no)
            witness.on_at[staff_no] = last
        else:
            witness.on.discard(staff_no)
            assert reasons(life, staff_no, after=witness.on_at[staff_no]), (
                f"{staff_no} is off without a reason"
            )


def live(
    life: Life, steps: list[tuple[str, int, Any]]
) -> dict[str, tuple[bool, tuple[str, ...], frozenset[str]]]:
    """Live through all of it; what becomes of everybody."""
    world = life.world
    for staff_no in PEOPLE:
        world.hire(VILLAGE, staff_no=staff_no)
    life.begin()
    witness = Witness()
    see(life, witness)
    for name, number, value in steps:
        act(life, witness, name, number, value)
        if name == "days":
            late = months_ago(world.clock())
            for staff_no, used in witness.used.items():
                exempt = witness.exempt.get(staff_no, date.min) >= day_in_china(world.clock())
                unused = life.enabled(staff_no) and used < late
                assert exempt or not unused, f"{staff_no} is on and was not used"
        see(life, witness)
    world.verify_ledger()
    return {
        staff_no: (
            life.enabled(staff_no),
            tuple(sorted(world.paths(staff_no))),
            frozenset(map(str, life.holds(staff_no))),
        )
        for staff_no in PEOPLE
    }


@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(step, min_size=3, max_size=10))
@example(steps=[("freeze", 0, ""), ("ask", 0, RequestKind.UNFREEZE), ("decide", 0, "")])
@example(steps=[("days", 93, ""), ("ask", 0, RequestKind.UNLOCK), ("decide", 0, ""), ("days", 62, "")])
@example(steps=[("days", 93, ""), ("freeze", 0, ""), ("ask", 0, RequestKind.UNLOCK), ("decide", 0, "")])
@example(
    steps=[("freeze", 0, ""), ("deregister", 0, ""), ("decide", 0, ""), ("ask", 0, RequestKind.UNFREEZE)]
)
@example(steps=[("drop", 0, ""), ("days", 31, ""), ("decide", 0, ""), ("days", 31, "")])
@example(steps=[("exempt", 0, ""), ("decide", 0, ""), ("days", 62, ""), ("days", 31, ""), ("days", 93, "")])
@example(
    steps=[
        ("status", 0, "退休"),
        ("decide", 0, ""),
        ("status", 0, "在职"),
        ("ask", 0, RequestKind.RESTORE),
        ("decide", 0, ""),
    ]
)
def test_any_life(world_template: WorldTemplate, steps: list[tuple[str, int, Any]]) -> None:
    """Nobody is on who must not be, nobody off without a reason, and the same again comes to the same."""
    ends = []
    for _ in range(2):
        with (
            tempfile.TemporaryDirectory() as folder,
            temporary(world_template.make(Path(folder) / "world")) as world,
        ):
            ends.append(live(make_life(world), steps))
    assert ends[0] == ends[1]
