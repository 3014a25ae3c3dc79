"""The judge against another that knows nothing of it: plain loops over plain graphs.

The second judge is written from the docstrings of ``policy.rules`` and shares no code with the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from quanheng.model.ids import GroupPath, KeycloakId, OrgCode, QualificationId, RoleName, Username
from quanheng.model.realm import ObservedRealm, RealmGroup, RealmRole, RealmUser
from quanheng.policy.effective import Powers, in_order
from quanheng.policy.judge import judge, judge_gain, may_grant
from quanheng.policy.rules import CompiledRules, Duty, ExclusionRule, Held, MaximumRule, WaiverInForce, Within

DAY = date(2026, 11, 22)
ME = KeycloakId("me")
DUTIES = [RoleName(name) for name in ("post-a", "post-b", "post-c", "sys/p", "sys/q", "sys/r")]
OTHERS = [RoleName(name) for name in ("offline_access", "bundle", "other/x")]
CODES = [None, "14", "1405", "140502", "140581", "140502101", "140500000", "140902", "140902Y01"]
AREAS = [None, "14", "1405", "140502", "140581", "140902"]
QUALIFICATIONS = [QualificationId("permanent"), QualificationId("official")]
PATHS: list[GroupPath] = [("a",), ("a", "b"), ("a", "b", "c"), ("a", "d"), ("e",), ("e", "b"), ("f", "lost")]

role_sets = st.frozensets(st.sampled_from(DUTIES), min_size=1, max_size=3)
area_lists = st.lists(st.sampled_from(["14", "1405", "140502", "1409"]), max_size=2).map(
    lambda codes: tuple(OrgCode(code) for code in codes)
)

few_areas = st.one_of(st.just(()), st.just(()), area_lists)


@dataclass(frozen=True)
class Case:
    """One realm, its rules, and what somebody is about to get."""

    rules: CompiledRules
    realm: ObservedRealm
    user: RealmUser
    joining: KeycloakId | None
    adding: RoleName | None
    qualifications: frozenset[QualificationId]
    waivers: tuple[WaiverInForce, ...]
    others: int


@st.composite
def all_rules(draw: st.DrawFn) -> CompiledRules:
    """Rules about six duties; every feature of the compiled form appears."""
    needs = st.frozensets(st.sampled_from(QUALIFICATIONS), max_size=1)
    duties = {}
    for role in DUTIES:
        within = tuple(
            Within(areas=areas, requires=draw(needs), granters=draw(role_sets))
            for areas in draw(st.lists(area_lists.filter(bool), max_size=1))
        )
        duties[role] = Duty(
            role=role,
            label=f"岗位{role}",
            article="S3",
            requires=draw(needs),
            granters=draw(role_sets),
            within=within,
        )
    exclusions = tuple(
        ExclusionRule(
            id=f"x-{number // 2}#{number}",
            label="规则",
            article="S3",
            scope=draw(st.sampled_from(["county", "county", "person"])),
            left=draw(role_sets),
            right=draw(role_sets),
            areas=draw(few_areas),
            waivable=draw(st.booleans()),
        )
        for number in range(draw(st.integers(1, 5)))
    )
    maxima = tuple(
        MaximumRule(
            id=f"m-{number}",
            label="至多",
            article="S8",
            per=draw(st.sampled_from(["person", "county"])),
            roles=draw(role_sets),
            most=draw(st.integers(1, 2)),
            areas=draw(area_lists),
            digits=draw(st.sampled_from([frozenset(), frozenset({6}), frozenset({2, 4})])),
            waivable=draw(st.booleans()),
        )
        for number in range(draw(st.integers(0, 2)))
    )
    return CompiledRules(duties=duties, exclusions=exclusions, maxima=maxima)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A random realm with nested groups and nested (also circular) composites, and somebody in it."""
    some_roles = st.frozensets(st.sampled_from(DUTIES + OTHERS), max_size=2)
    few_roles = st.one_of(st.just(frozenset()), st.just(frozenset()), some_roles)
    roles = {
        name: RealmRole(id=KeycloakId(f"id-{name}"), name=name, composites=draw(few_roles))
        for name in DUTIES + OTHERS
        if draw(st.integers(0, 9))
    }
    groups = {}
    for path in PATHS:
        code = draw(st.sampled_from(CODES))
        identifier = KeycloakId("/".join(path))
        groups[identifier] = RealmGroup(
            id=identifier,
            path=path,
            attributes={} if code is None else {"org_code": (code,)},
            roles=draw(some_roles),
        )
    some_groups = st.sampled_from([*groups, KeycloakId("gone")])
    user = RealmUser(
        id=ME,
        username=Username("sx1"),
        enabled=True,
        name="",
        groups=draw(st.frozensets(some_groups, min_size=1, max_size=4)),
        roles=draw(few_roles),
    )
    waivers = tuple(
        WaiverInForce(
            user=KeycloakId(draw(st.sampled_from(["me", "you"]))),
            rule=draw(st.sampled_from(["x-0", "x-1", "m-0"])),
            until=DAY + timedelta(days=draw(st.integers(-1, 1))),
        )
        for _ in range(draw(st.integers(0, 2)))
    )
    return Case(
        rules=draw(all_rules()),
        realm=ObservedRealm(groups=groups, users={ME: user}, roles=roles),
        user=user,
        joining=draw(st.none() | some_groups),
        adding=draw(st.none() | st.sampled_from(DUTIES + OTHERS)),
        qualifications=draw(st.frozensets(st.sampled_from(QUALIFICATIONS))),
        waivers=waivers,
        others=draw(st.integers(0, 2)),
    )


# The second judge

Pair = tuple[RoleName, str | None]


def area_of(code: str | None) -> str | None:
    """County, city or province of a code on a group."""
    if code is None:
        return None
    return {"140502101": "140502", "140500000": "1405", "140902Y01": "140902"}.get(code, code)


def reach(realm: ObservedRealm, start: set[RoleName]) -> set[RoleName]:
    """Everything that roles contain, by repeating until nothing is added."""
    found = set(start)
    while True:
        more = {inner for name in found if name in realm.roles for inner in realm.roles[name].composites}
        if more <= found:
            return found
        found |= more


def slow_holdings(realm: ObservedRealm, groups: set[KeycloakId], roles: set[RoleName]) -> set[Pair]:
    """Duties with their areas."""
    found: set[Pair] = {(role, None) for role in reach(realm, roles)}
    for joined in groups:
        if joined not in realm.groups:
            continue
        path = realm.groups[joined].path
        for group in realm.groups.values():
            if path[: len(group.path)] == group.path:
                codes = group.attributes.get("org_code", ())
                area = area_of(codes[0] if codes else None)
                found |= {(role, area) for role in reach(realm, set(group.roles))}
    return {(role, area) for role, area in found if role in DUTIES}


def inside(area: str | None, areas: tuple[OrgCode, ...]) -> bool:
    """Whether a rule for areas counts what is held in one."""
    return area is None or not areas or any(area.startswith(str(code)) for code in areas)


def slow_broken(case: Case, held: set[Pair], gained: set[Pair]) -> Iterator[str]:
    """Ids of all rules that a gain breaks."""
    rules = case.rules
    waived = {waiver.rule for waiver in case.waivers if waiver.user == ME and (waiver.until - DAY).days >= 0}
    everything = held | gained
    for role, area in gained:
        duty = rules.duties[role]
        needed = set(duty.requires)
        for more in duty.within:
            if inside(area, more.areas):
                needed |= more.requires
        for name in needed - case.qualifications:
            yield f"requires-{name}"
    for rule in rules.exclusions:
        if rule.waivable and rule.id.split("#")[0] in waived:
            continue
        for one, here in gained:
            for other, there in everything:
                apart = (one in rule.left and other in rule.right) or (
                    one in rule.right and other in rule.left
                )
                near = inside(here, rule.areas) and inside(there, rule.areas)
                same = rule.scope == "person" or None in (here, there) or here == there
                if apart and near and same:
                    yield rule.id
    for limit in rules.maxima:
        if limit.waivable and limit.id in waived:
            continue
        mine = {(role, area) for role, area in gained if role in limit.roles and inside(area, limit.areas)}
        if limit.per == "person":
            counted = {role for role, area in everything if role in limit.roles and inside(area, limit.areas)}
            if mine and len(counted) > limit.most:
                yield limit.id
        else:
            for _, area in mine:
                counts = area is not None and (not limit.digits or len(area) in limit.digits)
                if counts and case.others >= limit.most:
                    yield limit.id


@settings(max_examples=150, deadline=None)
@given(cases())
def test_holdings_agree(case: Case) -> None:
    """The same duties in the same areas are found as by repeating until nothing is added, path or no path."""
    held = Powers(case.realm, case.rules).of_user(case.user)
    slow = slow_holdings(case.realm, set(case.user.groups), set(case.user.roles))
    assert {(item.role, item.area) for item in held} == slow
    assert all(item.path[-1] == item.role for item in held)


def gained_by(case: Case) -> tuple[Held, ...]:
    """What joining the group, and the direct mapping of the role, would bring."""
    powers = Powers(case.realm, case.rules)
    held = [*powers.of_group(case.joining)] if case.joining else []
    held += powers.of_role(case.adding) if case.adding else ()
    return in_order(held)


@settings(max_examples=300, deadline=None)
@given(cases())
def test_judges_agree(case: Case) -> None:
    """Both judges name the same rules, for what somebody holds and for what a grant would bring."""
    held = Powers(case.realm, case.rules).of_user(case.user)
    gained = gained_by(case)
    slow_held = slow_holdings(case.realm, set(case.user.groups), set(case.user.roles))
    slow_gained = slow_holdings(
        case.realm, {case.joining} if case.joining else set(), {case.adding} if case.adding else set()
    )
    options = {"waivers": case.waivers, "day": DAY, "user": ME, "others": lambda *_: case.others}
    now = judge(case.rules, held, qualifications=case.qualifications, **options)  # type: ignore[arg-type]
    then = judge_gain(case.rules, held, gained, qualifications=case.qualifications, **options)  # type: ignore[arg-type]
    assert {item.rule for item in now} == set(slow_broken(case, set(), slow_held))
    assert {item.rule for item in then} == set(slow_broken(case, slow_held, slow_gained))
    for conflict in (*now, *then):
        assert conflict.reason.startswith(f"“{conflict.label}”（{conflict.article}）：")
        assert all(item in (*held, *gained) for item in conflict.held)


@settings(max_examples=100, deadline=None)
@given(cases(), st.sampled_from(DUTIES), st.sampled_from(AREAS))
def test_grants_agree(case: Case, role: RoleName, area: str | None) -> None:
    """Both judges let the same people grant."""
    held = slow_holdings(case.realm, set(case.user.groups), set(case.user.roles))
    duty = case.rules.duties[role]
    allowed = False
    for mine, at in held:
        entitled = mine in duty.granters and all(
            mine in more.granters for more in duty.within if inside(area, more.areas)
        )
        if area is not None and at is not None and area.startswith(at) and entitled:
            allowed = True
    code = None if area is None else OrgCode(area)
    assert may_grant(case.rules, Powers(case.realm, case.rules).of_user(case.user), role, code) is allowed
