"""What holds for every history of sources, decisions and tampering, over small worlds and the fake."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixtures.feeds import shanxi
from fixtures.pure import AS_OF, HR, LDAP, TODAY, claim, desire, person, registry
from fixtures.world import (
    BANK,
    BUREAU,
    OTHER_BUREAU,
    OTHER_VILLAGE,
    TOWNSHIP,
    VILLAGE,
    VILLAGE_2,
    World,
    WorldTemplate,
    temporary,
)
from quanheng.errors import RefusedError
from quanheng.keycloak.port import RealmRefusedError
from quanheng.model.ids import KeycloakId, OrgCode, PostId, RoleName
from quanheng.model.person import Hold, HoldKind, ProposalState, Withholding
from quanheng.model.realm import FederatedIdentity, NewUser, RealmUser
from quanheng.policy.pack import Pack

quick = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

POSTS = {
    BUREAU: ("经办人员", "审核人员", "系统管理员", "业务管理员", ""),
    OTHER_BUREAU: ("经办人员", "审核人员", "系统管理员", "业务管理员"),
    VILLAGE: ("业务操作员", ""),
    VILLAGE_2: ("业务操作员",),
    TOWNSHIP: ("操作员",),
    OTHER_VILLAGE: ("业务操作员",),
    BANK: ("业务操作员",),
}
STATUSES = ("在职", "在职", "在职", "退休", "接受调查", "病假", "调出")
BASE_PEOPLE = 14


@contextmanager
def new_world(template: WorldTemplate) -> Iterator[World]:
    """A loaded world in a folder of its own: people of every post, all approved."""
    with tempfile.TemporaryDirectory() as folder, temporary(template.make(Path(folder) / "world")) as world:
        for org, posts in POSTS.items():
            for post in posts[:4]:
                world.hire(org, post)
        world.issue_and_sync()
        world.approve()
        world.sync()
        yield world


# What may happen

choice = st.integers(min_value=0, max_value=10_000)
place = st.sampled_from([(org, post) for org, posts in POSTS.items() for post in posts])


def somebody(world: World, number: int) -> str:
    """One of the people who are no founders."""
    staff = [row.staff_no for row in world.people if not row.staff_no.startswith("P")]
    return staff[number % len(staff)] if staff else world.hire(VILLAGE)


def account(world: World, number: int) -> RealmUser:
    """One of the accounts."""
    users = sorted(world.users().values(), key=lambda user: user.username)
    return users[number % len(users)]


def hire(world: World, number: int, at: tuple[str, str]) -> None:
    world.hire(at[0], at[1], employment="正式在编" if number % 3 else "合同制")


def move(world: World, number: int, at: tuple[str, str]) -> None:
    world.change(somebody(world, number), org=at[0], post=at[1])


def second_post(world: World, number: int, at: tuple[str, str]) -> None:
    who = somebody(world, number)
    if not any(row.staff_no == who and row.org == at[0] for row in world.people):
        world.also(who, org=at[0], post=at[1])


def status(world: World, number: int, at: tuple[str, str]) -> None:
    world.change(somebody(world, number), status=STATUSES[number % len(STATUSES)])


def drop(world: World, number: int, at: tuple[str, str]) -> None:
    world.drop(somebody(world, number))


def spoil(world: World, number: int, at: tuple[str, str]) -> None:
    world.change(somebody(world, number), phone="1")


def new_number(world: World, number: int, at: tuple[str, str]) -> None:
    world.change(somebody(world, number), document_number=world._mint.resident_number())


def decide(world: World, number: int, at: tuple[str, str]) -> None:
    for proposal in world.proposals():
        try:
            world.approve(proposal.key, approve=bool(number % 3), by="P00001" if number % 2 else "P00002")
        except (RefusedError, KeyError):
            continue


def days(world: World, number: int, at: tuple[str, str]) -> None:
    world.pass_time(days=number % 10)


def join_any(world: World, number: int, at: tuple[str, str]) -> None:
    groups = sorted(world.console.read_groups().values(), key=lambda group: group.path)
    world.console.join_group(account(world, number).id, groups[number % len(groups)].id)


def leave_any(world: World, number: int, at: tuple[str, str]) -> None:
    user = account(world, number)
    for group in sorted(user.groups)[:1]:
        world.console.leave_group(user.id, group)


def switch(world: World, number: int, at: tuple[str, str]) -> None:
    user = account(world, number)
    world.console.update_user(
        user.id,
        username=user.username,
        enabled=not user.enabled,
        name=user.name,
        attributes=user.attributes,
    )


def give_role(world: World, number: int, at: tuple[str, str]) -> None:
    roles = [RoleName(post.role) for post in shanxi().posts.posts]
    world.console.add_roles(account(world, number).id, frozenset({roles[number % len(roles)]}))


def relink(world: World, number: int, at: tuple[str, str]) -> None:
    other = next(iter(account(world, number + 1).identities), None)
    wrong = FederatedIdentity("social-card", other.subject if other and number % 2 else "zzz", "n")
    world.console.link_identity(account(world, number).id, wrong)


def delete(world: World, number: int, at: tuple[str, str]) -> None:
    user = account(world, number)
    if not user.attributes["staff_no"][0].startswith("P"):
        world.console.tamper_delete_user(user.id)


def rename_group(world: World, number: int, at: tuple[str, str]) -> None:
    groups = sorted(world.console.read_groups().values(), key=lambda group: group.path)
    group = groups[number % len(groups)]
    try:
        world.console.update_group(group.id, f"名{number}", group.attributes)
    except RealmRefusedError:
        return


def arm_group(world: World, number: int, at: tuple[str, str]) -> None:
    groups = sorted(world.console.read_groups().values(), key=lambda group: group.path)
    roles = [RoleName(post.role) for post in shanxi().posts.posts]
    world.console.add_group_roles(groups[number % len(groups)].id, frozenset({roles[number % len(roles)]}))


Happening = Callable[[World, int, tuple[str, str]], None]
SOURCES: tuple[Happening, ...] = (hire, move, second_post, status, drop, spoil, new_number, decide, days)
CONSOLE: tuple[Happening, ...] = (
    join_any,
    leave_any,
    switch,
    give_role,
    relink,
    delete,
    rename_group,
    arm_group,
)
happenings = st.lists(st.tuples(st.sampled_from(SOURCES + CONSOLE), choice, place), min_size=1, max_size=8)
source_happenings = st.lists(st.tuples(st.sampled_from(SOURCES), choice, place), min_size=1, max_size=8)


def make_strangers(world: World) -> dict[KeycloakId, RealmUser]:
    """A foreign user, with a role and a group of its own, and a service account."""
    console = world.console
    role = console.tamper_role("auditor")
    group = console.create_group(
        None, "其他系统", {"quanheng_key": ("duty:140902:operator",)}, frozenset({role})
    )
    user = console.create_user(
        NewUser(
            username="stranger",  # type: ignore[arg-type]
            enabled=True,
            name="外来",
            attributes={},
            groups=(("其他系统",),),
            identities=frozenset({FederatedIdentity("wechat", "w", "w")}),
        )
    )
    console.add_roles(user, frozenset({role}))
    robot = console.tamper_service_account("robot")
    assert console.read_group(group) is not None
    return {key: console.read_user(key) for key in (user, robot)}


class Watch:
    """After each write of a sync: whether somebody now holds what excludes each other, who did not before."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._before = self._offenders()
        self.found: set[str] = set()

    def __call__(self, name: str) -> None:
        """Look, after a call of the sync."""
        if not name.startswith("read_") and name not in ("sweep_users", "find_user"):
            self.found |= self._offenders() - self._before

    def _offenders(self) -> set[str]:
        groups = self._world.console.read_groups()
        offenders = set()
        for user in self._world.console.sweep_users():
            roles = {role for group in user.groups for role in groups[group].roles} | user.roles
            if breaks(self._world.pack, roles):
                offenders.add(str(user.username))
        return offenders


def breaks(pack: Pack, roles: Any) -> bool:
    """Whether a set of roles has both sides of an exclusion."""
    held = {post.id for post in pack.posts.posts if post.role in roles}
    return any(held & set(rule.left.posts) and held & set(rule.right.posts) for rule in pack.rules.exclusions)


def check_world(world: World) -> None:
    """What holds after each sync."""
    again = world.sync()
    assert again.plan.empty, [(change.kind, change.subject, change.reason) for change in again.plan.changes]
    assert world.check().differences == ()
    offenders = Watch(world)._offenders()
    assert offenders == set()
    names = [user.username for user in world.console.sweep_users()]
    assert len(set(names)) == len(names)
    world.verify_ledger()


@quick
@given(history=st.lists(happenings, min_size=1, max_size=3))
def test_every_history_ends_in_an_empty_plan(
    world_template: WorldTemplate, history: list[list[tuple[Happening, int, tuple[str, str]]]]
) -> None:
    """After any happenings one sync repairs all, the next is empty, strangers are as they were, and no
    write on the way gives anybody two posts that exclude each other."""
    with new_world(world_template) as world:
        strangers = make_strangers(world)
        for part in history:
            for happen, number, at in part:
                happen(world, number, at)
            world.issue()
            watch = Watch(world)
            world.fake.after_call = watch
            done = world.sync()
            world.fake.after_call = None
            assert done.outcome.refused == ()
            assert watch.found == set()
            check_world(world)
        assert {key: world.console.read_user(key) for key in strangers} == strangers


def outcome(world: World) -> dict[str, tuple[bool, frozenset[str], str]]:
    """What everybody has in the end, by staff number: user names depend on who came first."""
    return {
        staff_no: (user.enabled, frozenset(world.paths(staff_no)), user.name)
        for staff_no, user in world.users().items()
    }


@quick
@given(history=source_happenings, seed=choice)
def test_order_of_rows_does_not_matter(
    world_template: WorldTemplate, history: list[tuple[Happening, int, tuple[str, str]]], seed: int
) -> None:
    """The same rows in any order lead to the same accounts."""
    with tempfile.TemporaryDirectory() as folder:
        with temporary(world_template.make(Path(folder) / "a")) as world:
            for number in range(BASE_PEOPLE):
                hire(world, number, list(POSTS.items())[number % 7][0] and (VILLAGE, "业务操作员"))
            for happen, number, at in history:
                if happen is not decide:
                    happen(world, number, at)
            world.issue_and_sync()
            expected, rows = outcome(world), list(world.people)
        Random(seed).shuffle(rows)  # noqa: S311
        with temporary(world_template.make(Path(folder) / "b")) as world:
            world.people = rows
            world.issue_and_sync()
            assert outcome(world) == expected


@quick
@given(data=st.data())
def test_order_of_sources_does_not_matter(world_template: WorldTemplate, data: st.DataObject) -> None:
    """Two sources that agree on names lead to the same accounts, whichever has precedence."""
    rows = data.draw(
        st.lists(st.tuples(st.sampled_from(["hr", "ldap", "both", "disagree"]), place), max_size=8)
    )
    results = []
    with tempfile.TemporaryDirectory() as folder:
        people: list[Any] = []
        for sources in (("hr", "ldap"), ("ldap", "hr")):
            made = world_template.make(Path(folder) / sources[0], sources=sources)
            with temporary(made) as world:
                if not people:
                    for where, (org, post) in rows:
                        first = "ldap" if where == "ldap" else "hr"
                        staff_no = world.hire(org, post, source=first)  # type: ignore[arg-type]
                        if where in ("both", "disagree"):
                            other = {"status": "接受调查"} if where == "disagree" else {}
                            world.also(staff_no, source="ldap", **other)
                    people = list(world.people)
                world.people = list(people)
                world.issue("hr")
                world.issue_and_sync("ldap")
                assert world.sync().plan.empty
                results.append(outcome(world))
    assert results[0] == results[1]


@quick
@given(kept=st.lists(st.booleans(), min_size=30, max_size=30), waits=st.lists(st.integers(1, 40), max_size=4))
def test_shrunken_source_disables_nobody(
    world_template: WorldTemplate, kept: list[bool], waits: list[int]
) -> None:
    """Whatever is left of a snapshot that lost more than a tenth, for however long: nobody is disabled,
    nobody loses a duty."""
    with tempfile.TemporaryDirectory() as folder, temporary(world_template.make(Path(folder) / "w")) as world:
        for number in range(30):
            world.hire((VILLAGE, OTHER_VILLAGE, BANK)[number % 3])
        world.issue_and_sync()
        before = world.users()
        rest = [row for row, keep in zip(world.people[2:], kept, strict=True) if keep][:26]
        for wait in (0, *waits):
            world.pass_time(days=wait)
            world.issue(people=[*world.people[:2], *rest] if rest else [])
            assert world.sync().plan.empty
        assert world.users() == before


# Pure: decisions over one person

ONE = person(1)
AREAS = ("140902", "140921")
UNIT_POSTS = [
    (org, post)
    for org, posts in (
        ("140902000", ("handler", "reviewer", "system_admin", "business_admin", None)),
        ("140902001001", ("operator", None)),
        ("140921000", ("handler", "system_admin")),
    )
    for post in posts
]
claims_of_one = st.lists(
    st.builds(
        lambda at, source, employment, state: claim(
            ONE, at[0], at[1], source=source, employment=employment, status=state
        ),
        st.sampled_from(UNIT_POSTS),
        st.sampled_from([HR, LDAP]),
        st.sampled_from(["permanent", "contract"]),
        st.sampled_from([item.id for item in shanxi().statuses.statuses]),
    ),
    max_size=5,
)
states = st.sampled_from(list(ProposalState))


@settings(quick, max_examples=200)
@given(
    claims=claims_of_one,
    state=states,
    withheld=st.sets(
        st.tuples(st.sampled_from(["handler", "operator", "system_admin"]), st.sampled_from(AREAS))
    ),
    held=st.sets(st.sampled_from(list(HoldKind))),
)
def test_nothing_is_held_without_a_reason(
    claims: list[Any], state: ProposalState, withheld: set[tuple[str, str]], held: set[HoldKind]
) -> None:
    """Every duty rests on a claim of its post in one area; guarded ones are approved, withheld ones
    absent, exclusions kept; a stored hold always disables."""
    base = registry(
        [ONE],
        claims,
        withholdings=tuple(
            Withholding(person=ONE.id, post=PostId(post), area=OrgCode(area), actor="a", at=AS_OF, reason="")
            for post, area in withheld
        ),
        holds=tuple(Hold(person=ONE.id, kind=kind, since=TODAY, reason="", origin="x") for kind in held),
    )
    proposed = {item.key: replace(item, state=state) for item in desire(base).proposals}
    user = desire(replace(base, proposals=proposed)).users[ONE.id]
    guarded = {post.id for post in shanxi().posts.posts if post.approval == "second_person"}
    posts = {basis.post for basis in user.bases}
    assert posts <= {item.post for item in base.claims.values()}
    assert len({basis.area for basis in user.bases}) <= 1
    assert not {(basis.post, basis.area) for basis in user.bases} & withheld
    assert not posts & guarded or state is ProposalState.APPROVED
    assert not breaks(shanxi(), {shanxi().post_by_id[post].role for post in posts})
    assert len([path for path in user.groups if path[0] == "岗位"]) == len(
        [post for post in posts if shanxi().post_by_id[post].kind == "duty"]
    )
    assert (user.home is not None and user.home[0] == "管理员") == any(
        shanxi().post_by_id[post].kind == "administrator" for post in posts
    )
    if held:
        assert not user.enabled
    assert user.enabled is (not user.holds)


@settings(quick, max_examples=100)
@given(claims=claims_of_one, seed=choice)
def test_order_of_claims_does_not_matter(claims: list[Any], seed: int) -> None:
    """The registry is a set: in whatever order it is read, the same is desired."""
    shuffled = list({(item.source, item.org, item.post): item for item in claims}.values())
    expected = desire(registry([ONE], shuffled)).users
    Random(seed).shuffle(shuffled)  # noqa: S311
    assert desire(registry([ONE], shuffled)).users == expected
