"""Carrying out a plan over the fake: order, batches, refusals, and what is recorded when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from fixtures.feeds import shanxi
from fixtures.pack_roles import make_roles
from fixtures.pure import AS_OF, claim, compare, desire, person, registry
from quanheng.engine.adopt import adopt_accounts
from quanheng.engine.apply import FLUSH_STEPS, Outcome, apply_plan
from quanheng.engine.desired import CARD_PROVIDER
from quanheng.engine.plan import Plan, order_changes
from quanheng.engine.steps import Result
from quanheng.errors import UnreachableError
from quanheng.keycloak.fake import FakeRealm
from quanheng.keycloak.port import RealmRefusedError
from quanheng.model.change import ORDER, Change
from quanheng.model.finding import FindingKind
from quanheng.model.ids import KeycloakId, Username
from quanheng.model.realm import NewUser, ObservedRealm, RealmUser
from quanheng.model.registry import Registry, RegistryDelta
from quanheng.operations.refresh import read_live

PEOPLE = [person(number) for number in range(1, 31)]


@dataclass
class Memory:
    """A recorder that remembers."""

    records: list[list[Result]] = field(default_factory=list)
    asked: int = 0
    refuse_from: int | None = None

    def require_writer(self) -> None:
        """Count, and refuse when told to."""
        self.asked += 1
        if self.refuse_from is not None and self.asked >= self.refuse_from:
            raise UnreachableError("no longer the writer")

    def record(self, plan: Plan, results: Sequence[Result]) -> None:
        """Remember."""
        self.records.append(list(results))

    @property
    def steps(self) -> list[int]:
        """Numbers of recorded steps."""
        return [result.step for batch in self.records for result in batch]


@pytest.fixture
def fake() -> FakeRealm:
    """A realm with the roles of the pack."""
    realm = FakeRealm("shanxi", clock=lambda: AS_OF)
    make_roles(realm, shanxi())
    return realm


def known(count: int = 30) -> Registry:
    """So many operators."""
    return registry(PEOPLE[:count], [claim(item) for item in PEOPLE[:count]])


def plan_for(state: Registry, observed: ObservedRealm) -> Plan:
    """The plan that leads there."""
    adopted = adopt_accounts(state, observed, today=AS_OF.date())
    return make(order_changes(compare(adopted.registry, observed).changes))


def make(changes: Sequence[Change]) -> Plan:
    """A plan of these changes."""
    return Plan(
        digest="d",
        realm="shanxi",
        base_revision=0,
        planner="test",
        created_at=AS_OF,
        changes=tuple(changes),
        delta=RegistryDelta(),
        findings=(),
        excess=(),
        sources=(),
    )


def run(plan: Plan, fake: FakeRealm, memory: Memory, *, workers: int = 2, **options: object) -> Outcome:
    """Carry out a plan."""
    observed = read_live(fake.as_actor("reader"))
    return apply_plan(
        plan,
        fake,
        observed,
        memory,
        provider=CARD_PROVIDER,
        workers=workers,
        batch_size=7,
        **options,  # type: ignore[arg-type]
    )


def load(fake: FakeRealm, state: Registry) -> Memory:
    """Carry out what a registry asks for."""
    memory = Memory()
    run(plan_for(state, read_live(fake.as_actor("reader"))), fake, memory)
    return memory


@pytest.mark.parametrize("workers", [1, 4])
def test_plan_leads_where_it_should(fake: FakeRealm, workers: int) -> None:
    """After a plan the next one is empty; each step is recorded once, with what it left behind."""
    plan = plan_for(known(), read_live(fake.as_actor("reader")))
    memory = Memory()
    outcome = run(plan, fake, memory, workers=workers)
    assert sorted(memory.steps) == list(range(len(plan.changes)))
    assert outcome.done == Counter(str(change.kind) for change in plan.changes)
    live = read_live(fake.as_actor("reader"))
    assert plan_for(known(), live).changes == ()
    users = {result.user.id: result.user for batch in memory.records for result in batch if result.user}
    assert users == live.users
    groups = {result.group.id: result.group for batch in memory.records for result in batch if result.group}
    assert groups == live.groups


def test_batches_and_one_by_one_end_alike(fake: FakeRealm) -> None:
    """With the configurator open users come in batches, without it one by one: the same users result."""
    load(fake, known())
    assert fake.calls["import_users"] == 5
    assert fake.calls["create_user"] == 0
    other = FakeRealm("shanxi", clock=lambda: AS_OF, can_import=False)
    make_roles(other, shanxi())
    load(other, known())
    assert other.calls["import_users"] == 0
    assert other.calls["create_user"] == 30

    def content(realm: FakeRealm) -> set[object]:
        live = read_live(realm)
        return {
            (
                user.username,
                user.enabled,
                user.name,
                tuple(sorted(user.attributes.items())),
                frozenset(live.groups[group].path for group in user.groups),
                user.roles,
                user.identities,
            )
            for user in live.users.values()
        }

    assert content(fake) == content(other)


def test_neighbours_are_imported_together(fake: FakeRealm) -> None:
    """Whatever their names say, people of one group share as few batches as they can."""
    villages = ("140902001001", "140921001001")
    state = registry(
        PEOPLE[:28], [claim(item, villages[number % 2]) for number, item in enumerate(PEOPLE[:28])]
    )
    homes: list[set[str]] = []
    original = fake.import_users

    def recording(users: Sequence[NewUser]) -> Mapping[Username, KeycloakId]:
        homes.append({user.attributes["org_code"][0] for user in users})
        return original(users)

    fake.import_users = recording  # type: ignore[method-assign]
    load(fake, state)
    assert sorted(map(sorted, homes)) == [[village] for village in villages for _ in range(2)]


def test_phases_do_not_overlap(fake: FakeRealm) -> None:
    """All steps of one kind are recorded before the first of the next kind begins."""
    plan = plan_for(known(), read_live(fake.as_actor("reader")))
    memory = Memory()
    run(plan, fake, memory, workers=4)
    kinds = [result.change.kind for batch in memory.records for result in batch]
    assert kinds == sorted(kinds, key=ORDER.__getitem__)
    assert all(len({result.change.kind for result in batch}) == 1 for batch in memory.records)


def test_records_are_bounded(fake: FakeRealm) -> None:
    """A crash loses sight of no more than some hundred steps: records are made as the work goes on."""
    people = [person(number) for number in range(1, 2 * FLUSH_STEPS + 20)]
    memory = load(fake, registry(people, [claim(item) for item in people]))
    assert max(len(batch) for batch in memory.records) < FLUSH_STEPS + 7


def test_group_steps_run_one_after_another(fake: FakeRealm) -> None:
    """Renames change the paths of what lies below: later steps know the new paths."""
    load(fake, known())
    console = fake.as_actor("console")
    for group in read_live(console).groups.values():
        if len(group.path) in (1, 2, 4):
            console.update_group(group.id, f"x{group.path[-1]}", group.attributes)
    plan = plan_for(known(), read_live(console))
    memory = Memory()
    run(plan, fake, memory)
    live = read_live(console)
    assert plan_for(known(), live).changes == ()
    groups = {result.group.id: result.group for batch in memory.records for result in batch if result.group}
    assert set(groups) <= set(live.groups)


def test_progress_counts_to_the_end(fake: FakeRealm) -> None:
    """Progress of each kind rises to its total."""
    seen: dict[str, tuple[int, int]] = {}
    plan = plan_for(known(), read_live(fake.as_actor("reader")))

    def progress(kind: str, done: int, total: int) -> None:
        assert done >= seen.get(kind, (0, 0))[0]
        seen[kind] = (done, total)

    run(plan, fake, Memory(), progress=progress)
    assert all(done == total for done, total in seen.values())
    assert seen["create"] == (30, 30)


def test_repeating_a_plan_is_harmless(fake: FakeRealm) -> None:
    """Every step is idempotent: the same plan carried out again changes nothing."""
    plan = plan_for(known(), read_live(fake.as_actor("reader")))
    run(plan, fake, Memory())
    live = read_live(fake.as_actor("reader"))
    assert run(plan, fake, Memory()).refused == ()
    assert read_live(fake.as_actor("reader")) == live


def test_failure_records_what_was_done(fake: FakeRealm) -> None:
    """When Keycloak goes away, what it had answered until then is recorded before the error is raised."""
    plan = plan_for(known(), read_live(fake.as_actor("reader")))
    memory = Memory()
    count = 0

    def hook(name: str) -> None:
        nonlocal count
        count += name == "import_users"
        if count == 3:
            fake.down()

    fake.before_call = hook
    with pytest.raises(UnreachableError):
        run(plan, fake, memory, workers=1)
    fake.before_call = None
    fake.down(False)
    recorded = {result.user.id for batch in memory.records for result in batch if result.user}
    assert recorded == set(read_live(fake.as_actor("reader")).users)
    assert len(recorded) == 14


def test_lost_lease_stops_the_next_call(fake: FakeRealm) -> None:
    """Before each call the recorder is asked; when it says no, nothing more is sent."""
    plan = plan_for(known(), read_live(fake.as_actor("reader")))
    memory = Memory(refuse_from=5)
    with pytest.raises(UnreachableError):
        run(plan, fake, memory, workers=1)
    assert fake.writes == 4
    assert len(memory.steps) == 4


def test_refusals_do_not_stop_the_rest(fake: FakeRealm) -> None:
    """One refused user is told with its reason; every other step is done."""
    plan = plan_for(known(), read_live(fake.as_actor("reader")))
    count = 0

    def veto(name: str) -> None:
        nonlocal count
        if name == "import_users":
            raise RealmRefusedError("one is not valid", status=400)
        if name == "create_user":
            count += 1
            if count == 9:
                raise RealmRefusedError("not valid", status=400, remedy="mend it")

    fake.before_call = veto
    memory = Memory()
    outcome = run(plan, fake, memory, workers=1)
    assert [(item.change.subject, item.refusal) for item in outcome.refused] == [
        ("sx0000009", "not valid → mend it")
    ]
    assert outcome.done["create"] == 29
    assert outcome.refused[0].step not in memory.steps


def test_desired_is_reached_from_anywhere(fake: FakeRealm) -> None:
    """People of one county and of another, by turns: each plan leads to exactly what it asks for."""
    for org in ("140902001001", "140921001001", "140902000"):
        post = "handler" if org.endswith("000") else "operator"
        state = registry(PEOPLE[:5], [claim(item, org, post) for item in PEOPLE[:5]])
        load(fake, state)
        live = read_live(fake.as_actor("reader"))
        wanted = desire(state).users[PEOPLE[0].id]
        user = next(item for item in live.users.values() if item.username == PEOPLE[0].username)
        assert wanted.home is not None
        assert {live.groups[group].path for group in user.groups} == wanted.groups | {wanted.home}


def named(fake: FakeRealm, number: int) -> RealmUser:
    """Whoever has this person's user name."""
    user = fake.find_user(PEOPLE[number].username)
    assert user is not None
    return user


def rename(fake: FakeRealm, user: RealmUser, name: str) -> None:
    """Give a user another name in the console, and a person's name that we would not give."""
    console = fake.as_actor("console")
    console.update_user(
        user.id, username=Username(name), enabled=user.enabled, name="甲", attributes=user.attributes
    )


@pytest.mark.parametrize("ring", [(0, 1), (0, 1, 2)], ids=["exchanged", "in a ring"])
@pytest.mark.parametrize("workers", [1, 4])
def test_exchanged_names(fake: FakeRealm, ring: tuple[int, ...], workers: int) -> None:
    """Names that were passed round among people of ours are put back by one plan, each entered once, and
    nobody keeps the name of the time between; somebody else's wrong name costs no more than one call."""
    load(fake, known(5))
    users = [named(fake, number) for number in ring]
    rename(fake, named(fake, 4), "somebody")
    rename(fake, users[0], "between")
    for user, other in zip(users[1:], users, strict=False):
        rename(fake, user, other.username)
    rename(fake, users[0], users[-1].username)
    fake.calls.clear()
    memory = Memory()
    outcome = run(plan_for(known(5), read_live(fake.as_actor("reader"))), fake, memory, workers=workers)
    assert outcome.refused == ()
    assert fake.calls["update_user"] == 2 * len(ring) + 1
    assert len(memory.steps) == len(ring) + 1
    assert [named(fake, number).id for number in ring] == [user.id for user in users]
    assert plan_for(known(5), read_live(fake.as_actor("reader"))).empty


def test_name_that_somebody_foreign_has(fake: FakeRealm) -> None:
    """Whoever cannot have its name back keeps the one it was given, and is told."""
    load(fake, known(2))
    user = named(fake, 0)
    rename(fake, user, "between")
    rename(fake, named(fake, 1), PEOPLE[0].username)
    outcome = run(plan_for(known(1), read_live(fake.as_actor("reader"))), fake, Memory())
    assert [item.change.subject for item in outcome.refused] == [PEOPLE[0].username]
    left = fake.read_user(user.id)
    assert left is not None
    assert left.username == "between"


def test_no_name_is_set_aside_by_who_is_no_longer_the_writer(fake: FakeRealm) -> None:
    """Names that were exchanged, and a lease that was lost: nothing is sent."""
    load(fake, known(2))
    one, other = named(fake, 0), named(fake, 1)
    rename(fake, one, "between")
    rename(fake, other, one.username)
    rename(fake, one, other.username)
    plan = plan_for(known(2), read_live(fake.as_actor("reader")))
    fake.calls.clear()
    with pytest.raises(UnreachableError):
        run(plan, fake, Memory(refuse_from=1))
    assert fake.calls["update_user"] == 0


def test_names_in_a_ring_with_somebody_foreign(fake: FakeRealm) -> None:
    """Whose name a foreign account has is set aside for the next in the ring, and named; as soon as the
    foreign account lets go of the name, the next plan gives it back."""
    load(fake, known(3))
    foreign, one, other = (named(fake, number) for number in (2, 0, 1))
    rename(fake, one, "between")
    rename(fake, foreign, PEOPLE[0].username)
    rename(fake, named(fake, 1), PEOPLE[2].username)
    rename(fake, one, PEOPLE[1].username)
    state = known(2)

    outcome = run(plan_for(state, read_live(fake.as_actor("reader"))), fake, Memory())

    assert [item.change.subject for item in outcome.refused] == [PEOPLE[0].username]
    assert named(fake, 1).id == other.id
    aside = fake.read_user(one.id)
    assert aside is not None
    assert aside.username == f"quanheng-{one.id}"
    live = read_live(fake.as_actor("reader"))
    found = compare(adopt_accounts(state, live, today=AS_OF.date()).registry, live).findings
    (finding,) = [item for item in found if item.kind is FindingKind.NAME_TAKEN]
    assert (finding.subject, finding.violation) == (PEOPLE[0].username, True)

    rename(fake, named(fake, 0), "elsewhere")
    assert run(plan_for(state, read_live(fake.as_actor("reader"))), fake, Memory()).refused == ()
    assert named(fake, 0).id == one.id
    live = read_live(fake.as_actor("reader"))
    found = compare(adopt_accounts(state, live, today=AS_OF.date()).registry, live).findings
    assert FindingKind.NAME_TAKEN not in {item.kind for item in found}
