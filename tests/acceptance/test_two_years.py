"""Two years of a county on a real Keycloak, whose clock seems to step: every transition of an account.

The server's clock stands, so the times of its events are shifted (:mod:`fixtures.stepped`); logins are real.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import pytest

from fixtures.life import Life, make_life
from fixtures.real_world import RealWorld
from fixtures.stepped import SteppedWorld, step_world
from fixtures.world import BUREAU, OTHER_VILLAGE, VILLAGE
from quanheng.clock import CHINA
from quanheng.model.ids import StaffNo
from quanheng.model.person import HoldKind, Proposal, ProposalKind
from quanheng.notify.port import NoticeKind
from quanheng.operations.lifecycle.daily import do_day

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

    def to(self, day: str) -> None:
        """Live until noon of a day: logins, the day's work, a sync, every few days."""
        goal = datetime.combine(date.fromisoformat(day), time(12), tzinfo=CHINA)
        while (now := self.life.world.clock()) < goal:
            self.stepped.to(min(now + STEP, goal))
            self.live()

    def live(self) -> None:
        """One day."""
        for who in self.busy if self.days % 5 == 0 else self.busy[:1]:
            assert self.stepped.login(who)
        self.days += 1
        do_day(self.life.context)
        self.life.world.sync()

    def proposal(self, kind: ProposalKind) -> Proposal:
        """The one that waits."""
        (found,) = [item for item in self.life.world.proposals() if item.kind is kind]
        return found

    def on(self, who: str) -> bool:
        """Whether somebody gets in, by Keycloak's own word: a real login."""
        enabled = self.life.enabled(who)
        assert self.stepped.login(who) is enabled
        return enabled


@pytest.fixture
def county(real_world: RealWorld) -> County:
    """A dozen people in their first days."""
    stepped = step_world(real_world, BEGIN)
    life = make_life(real_world.world)
    county = County(life, stepped, [])
    county.busy = [county.hire() for _ in range(3)]
    return county


def test_two_years_of_a_county(county: County) -> None:
    """What the regulations ask of an account from the day it is made until its person is gone."""
    life = county.life
    world = life.world
    idle, mother, ill, mover, retired, suspect = (county.hire() for _ in range(6))
    gone, handler = county.hire(), county.hire(BUREAU, "经办人员")
    county.busy += [handler, mover, retired, gone, *world.region.founders.values()]
    county.report()
    county.live()
    assert county.on(idle)

    # Three months without a login: announced, then locked at the same hour; nobody else is.
    county.busy += [mother, ill, suspect]
    county.to("2026-06-02")
    assert life.enabled(idle)
    assert {facts["days"] for facts in life.told(NoticeKind.LOCK_AHEAD)} == {30, 7, 1}
    county.to("2026-06-03")
    assert not county.on(idle)
    assert life.holds(idle) == {HoldKind.INACTIVE}
    assert [facts["count"] for facts in life.told(NoticeKind.LOCKED)] == [1]

    # The console's switch does not help.
    user = world.user(idle)
    county.stepped.real.admin.send("PUT", f"/users/{user.id}", {"enabled": True})
    world.sync()
    assert not county.on(idle)

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

    # Retired: off at once, and asked about.
    world.change(retired, status="退休", status_from="2027-03-01")
    county.busy.remove(retired)
    county.to("2027-02-28")
    county.report()
    assert county.on(retired)
    county.to("2027-03-01")
    assert not county.on(retired)
    assert county.proposal(ProposalKind.DEREGISTER).subject == retired

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
    county.to("2028-03-01")
    assert all(county.on(who) for who in county.busy)
    assert not any(county.on(who) for who in (idle, retired, gone))
    assert len(world.ledger("disable")) == locked
    assert life.told(NoticeKind.LOGINS_MISSING) == []
    assert world.verify_ledger().entries > 0
    assert world.check().differences == ()
