"""Two years of a county on a real Keycloak, whose clock seems to step: every transition of an account.

The server's clock stands, so the times of its events are shifted (:mod:`fixtures.stepped`); logins are real.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.asking import COLLEAGUE, KEEPER, ask
from fixtures.life import WIDE, Life, make_life
from fixtures.real_world import RealWorld
from fixtures.reviewing import fill, folder_of, items, workbook_of
from fixtures.stepped import SteppedWorld, step_world
from fixtures.terms import put
from fixtures.world import BUREAU, OTHER_VILLAGE, VILLAGE
from quanheng.clock import CHINA
from quanheng.lifecycle.review import Handling, ReviewKind
from quanheng.model.ids import StaffNo
from quanheng.model.person import HoldKind, Proposal, ProposalKind, RequestKind
from quanheng.notify.port import NoticeKind
from quanheng.operations.approve import decide_all
from quanheng.operations.lifecycle.daily import do_day
from quanheng.operations.lifecycle.freezing import freeze
from quanheng.operations.review.answers import take_in_answers
from quanheng.operations.review.applying import carry_out_answers, plan_answers
from quanheng.operations.review.reading import read_workbook
from quanheng.policy.pack import find_pack

BEGIN = datetime(2026, 3, 2, 4, tzinfo=UTC)
STEP = timedelta(days=6)


@dataclass
class County:
    """忻府区, day by day."""

    life: Life
    stepped: SteppedWorld
    busy: list[StaffNo]
    """Who logs in now and then; the first of them whenever time goes on."""
    days: int = 0

    def hire(self, org: str = VILLAGE, post: str = "业务操作员", **fields: str) -> StaffNo:
        """One more person."""
        return self.life.world.hire(org, post, **fields)

    def report(self) -> None:
        """The source's next issue, and a sync."""
        self.life.world.issue_and_sync()

    def to(self, day: str, *, step: timedelta = STEP) -> None:
        """Live until noon of a day: logins, the day's work, a sync, every few days."""
        goal = datetime.combine(date.fromisoformat(day), time(12), tzinfo=CHINA)
        while (now := self.life.world.clock()) < goal:
            self.stepped.to(min(now + step, goal))
            self.live(everybody=step > STEP)

    def live(self, *, everybody: bool = False) -> None:
        """One day; on every fifth everybody logs in who does so at all."""
        for who in self.busy if everybody or self.days % 5 == 0 else self.busy[:1]:
            assert self.stepped.login(who)
        self.days += 1
        do_day(self.life.context)
        self.life.world.sync()

    def decide(self, proposal: Proposal) -> None:
        """The province approves, which counts at once."""
        province = next(iter(self.life.world.region.founders.values()))
        decide_all(self.life.context, [proposal.key], self.life.world.login(province), approve=True)

    def proposal(self, kind: ProposalKind) -> Proposal:
        """The one that waits."""
        (found,) = [item for item in self.life.world.proposals() if item.kind is kind]
        return found

    def on(self, who: str) -> bool:
        """Whether somebody gets in, by Keycloak's own word: a real login."""
        enabled = self.life.enabled(who)
        assert self.stepped.login(who) is enabled
        return enabled


def demanding_pack(folder: Path) -> str:
    """The pack of 山西 with five years for a post, as 甘肃 has for its own."""
    shutil.copytree(find_pack("shanxi"), folder)
    changes: tuple[tuple[str, Callable[[Any], object]], ...] = (
        ("lifecycle.yaml", lambda file: file.update(tenure={"article": "S8"})),
        (
            "posts.yaml",
            lambda file: next(post for post in file["posts"] if post["id"] == "operator").update(
                tenure_years=5
            ),
        ),
    )
    for name, change in changes:
        content = yaml.safe_load((folder / name).read_text(encoding="utf-8"))
        change(content)
        (folder / name).write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return str(folder)


@pytest.fixture
def county(real_world: RealWorld, tmp_path: Path) -> County:
    """A dozen people and two administrators in their first days."""
    stepped = step_world(real_world, BEGIN)
    world = real_world.world
    settings = WIDE.model_copy(update={"reviews_directory": folder_of(world)})
    county = County(make_life(world, settings, packs=(demanding_pack(tmp_path / "pack"),)), stepped, [])
    county.busy = [county.hire() for _ in range(3)]
    for post, number in (("系统管理员", KEEPER), ("业务管理员", COLLEAGUE)):
        county.busy.append(world.hire(BUREAU, post, staff_no=number))
    return county


def test_two_years_of_a_county(county: County) -> None:
    """What the regulations ask of an account from the day it is made until its person is gone."""
    life = county.life
    world = life.world
    idle, mother, ill, mover, retired, suspect = (county.hire() for _ in range(6))
    gone, handler, tester = county.hire(), county.hire(BUREAU, "经办人员"), county.hire()
    veteran = county.hire(post_start="2022-01-10")
    county.busy += [handler, mover, retired, gone, veteran, *world.region.founders.values()]
    county.report()
    world.approve()
    world.sync()
    county.live()
    assert county.on(idle)
    session = county.stepped.session_of(idle)
    assert county.stepped.is_honoured(session)
    assert county.on(idle)
    session = county.stepped.session_of(idle)

    # An account for a test ends by itself, the day after its last.
    put(life, tester, owner=county.busy[0], until=date(2026, 5, 15), test=True)
    county.to("2026-05-15")
    assert county.on(tester)
    county.to("2026-05-16")
    assert not county.on(tester)
    assert life.holds(tester) == {HoldKind.EXPIRED}

    # Three months without a login: announced, then locked at the same hour; nobody else is.
    county.busy += [mother, ill, suspect]
    county.to("2026-06-02")
    assert life.enabled(idle)
    assert {facts["days"] for facts in life.told(NoticeKind.LOCK_AHEAD)} == {30, 7, 1}
    county.to("2026-06-03")
    assert not county.on(idle)
    assert life.holds(idle) == {HoldKind.INACTIVE}
    assert [facts["count"] for facts in life.told(NoticeKind.LOCKED)] == [1]

    # The console's switch does not help: the session is over, and the account off again at the next look.
    user = world.user(idle)
    assert county.stepped.real.admin.get(f"/users/{user.id}/sessions") == []
    county.stepped.real.admin.send("PUT", f"/users/{user.id}", {"enabled": True})
    assert not county.stepped.is_honoured(session)
    world.sync()
    assert not county.on(idle)

    # One administrator asks, another decides; the count begins anew, and nobody comes all the same.
    asked = ask(life, RequestKind.UNLOCK, idle)
    assert not county.on(idle)
    county.decide(asked)
    assert county.on(idle)

    # Maternity leave, known in advance: off on its first day, the duties withheld when somebody approves it,
    # all of it back on the return.
    world.change(mother, status="产假", status_from="2026-06-20", status_to="2026-11-24")
    county.report()
    assert county.on(mother)
    county.busy.remove(mother)
    county.to("2026-06-20")
    assert not county.on(mother)
    assert world.duties(mother) == {"业务操作员"}
    world.approve(county.proposal(ProposalKind.WITHHOLD).key)
    world.sync()
    assert world.duties(mother) == set()

    # Sick leave that is renewed month by month: off when it comes to three months.
    county.busy.remove(ill)
    for first, last in (("07-01", "07-31"), ("08-01", "08-31")):
        world.change(ill, status="病假", status_from=f"2026-{first}", status_to=f"2026-{last}")
        county.report()
        county.to(f"2026-{last}")
        assert life.enabled(ill)
    county.to("2026-09-01")
    assert county.on(ill)
    world.change(ill, status="病假", status_from="2026-09-01", status_to="2026-10-07")
    county.report()
    assert not county.on(ill)
    world.change(ill, status="在职", status_from="", status_to="")
    county.report()
    assert county.on(ill)
    county.busy.append(ill)

    # Locked again, and nobody asked: October's list says so, the county answers, and another one approves.
    county.to("2026-09-04")
    assert life.holds(idle) == {HoldKind.INACTIVE}
    county.to("2026-10-09")
    (line,) = [item for item in items(life, month="2026-10") if item.person == world.person(idle).id]
    assert (line.kind, line.proposed) == (ReviewKind.IDLE, Handling.DEREGISTER)
    filled = fill(workbook_of(life, month="2026-10"), {line.key: ("注销", "")})
    assert len(take_in_answers(life.context, read_workbook(filled), world.login(COLLEAGUE)).answered) == 1
    plan = plan_answers(life.context)
    carry_out_answers(life.context, plan.digest, world.login(COLLEAGUE))
    county.decide(county.proposal(ProposalKind.REQUEST))
    assert HoldKind.LEFT in life.holds(idle)

    # Five years in a post are warned of three months before, and reported; nothing is taken.
    county.to("2026-10-11")
    assert len(life.told(NoticeKind.TENURE)) == 1
    assert county.on(veteran)

    county.to("2026-11-25")
    assert county.on(mother)
    assert world.duties(mother) == {"业务操作员"}
    county.busy.append(mother)

    # Under investigation: off at once, and given back when it ends.
    world.change(suspect, status="接受调查")
    county.busy.remove(suspect)
    county.report()
    assert not county.on(suspect)
    assert not any("接受调查" in entry.body for entry in world.ledger("disable"))
    county.to("2027-02-01")
    warned, reported = (fact["people"] for fact in life.told(NoticeKind.TENURE))
    assert "将于 2027-01-10 满 5 年" in warned[0]
    assert "已于 2027-01-10 满 5 年" in reported[0]
    assert county.on(veteran)
    world.change(suspect, status="在职")
    county.report()
    assert county.on(suspect)
    county.busy.append(suspect)

    # Another county: the old duty goes, the new one comes.
    world.change(mover, org=OTHER_VILLAGE)
    county.report()
    assert {path for path in world.paths(mover) if "岗位" in path} == {"/岗位/140921-定襄县/业务操作员"}
    assert county.on(mover)

    # Switched off in the console, and on again: no sync has a say in it.
    user = world.user(handler)
    county.busy.remove(handler)
    county.stepped.real.admin.send("PUT", f"/users/{user.id}", {"enabled": False})
    county.to("2027-02-20")
    assert not county.on(handler)
    assert life.holds(handler) == {HoldKind.FROZEN}
    county.stepped.real.admin.send("PUT", f"/users/{user.id}", {"enabled": True})
    world.sync()
    assert county.on(handler)
    county.busy.append(handler)

    # Frozen at once by command; the sync has no say in it, and a second person gives the account back.
    freeze(life.context, suspect, reason="手机遗失，登录可能被冒用")
    assert not county.on(suspect)
    world.sync()
    assert not county.on(suspect)
    county.decide(ask(life, RequestKind.UNFREEZE, suspect))
    assert county.on(suspect)

    # Retired: off at once, and asked about; 注销 stands, whatever the source says later.
    world.change(retired, status="退休", status_from="2027-03-01")
    county.busy.remove(retired)
    county.to("2027-02-28")
    county.report()
    assert county.on(retired)
    county.to("2027-03-01")
    assert not county.on(retired)
    assert county.proposal(ProposalKind.DEREGISTER).subject == retired
    county.decide(county.proposal(ProposalKind.DEREGISTER))
    world.change(retired, status="在职", status_from="")
    county.report()
    assert not county.on(retired)

    # Missing from the complete roll: off after the grace, not before.
    world.drop(gone)
    county.report()
    county.busy.remove(gone)
    assert county.on(gone)
    county.to("2027-03-09")
    county.report()
    assert not county.on(gone)

    # The rest of the two years: who works stays, who is locked stays locked, and the ledger is whole.
    locked = len(world.ledger("disable"))
    county.to("2028-03-01", step=timedelta(weeks=4))
    assert all(county.on(who) for who in county.busy)
    assert not any(county.on(who) for who in (idle, tester, retired, gone))
    assert len(world.ledger("disable")) == locked
    assert life.told(NoticeKind.LOGINS_MISSING) == []
    assert world.verify_ledger().entries > 0
    assert world.check().differences == ()
