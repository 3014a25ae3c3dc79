"""Decisions on one rule at a time."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from fixtures.pack_making import (
    COUNTY,
    NEIGHBOUR,
    administrator,
    exclusion,
    hold,
    permission,
    post,
    rules_of,
)
from quanheng.model.ids import KeycloakId, OrgCode, QualificationId, RoleName
from quanheng.policy.judge import describe_path, judge, judge_gain, may_grant
from quanheng.policy.rules import CompiledRules, Conflict, Held, WaiverInForce, Within

DAY = date(2026, 11, 22)
USER = KeycloakId("u")
POSTS = [post(name) for name in "abc"]


def broken(rules: CompiledRules, *held: tuple[Held, ...], **options: Any) -> tuple[Conflict, ...]:
    """What somebody breaks by holding these."""
    given: dict[str, Any] = {"qualifications": (), "day": DAY, "user": USER}
    return judge(rules, [item for items in held for item in items], **(given | options))


def pair(**fields: Any) -> CompiledRules:
    """Posts ``a`` and ``b`` exclude each other."""
    return rules_of(
        *POSTS, exclusions=[exclusion(**({"left": {"posts": ["a"]}, "right": {"posts": ["b"]}} | fields))]
    )


def test_both_sides_break_a_rule_one_does_not() -> None:
    """Holding one side is fine, holding both is not, whatever else is held."""
    rules = pair()
    assert broken(rules, hold(rules, "post-a"), hold(rules, "post-c")) == ()
    (conflict,) = broken(rules, hold(rules, "post-b"), hold(rules, "post-c"), hold(rules, "post-a"))
    assert (conflict.rule, conflict.article) == ("x-rule", "S3")
    assert {item.role for item in conflict.held} == {"post-a", "post-b"}


def test_reason_tells_rule_article_things_and_paths() -> None:
    """The Chinese reason has the rule, its article, both things by their labels, and how each is held."""
    rules = rules_of(
        *POSTS,
        permissions=[permission("p", "b")],
        exclusions=[exclusion(left={"posts": ["a"]}, right={"permissions": ["sys/p"]})],
    )
    (conflict,) = judge_gain(
        rules, hold(rules, "post-b"), hold(rules, "post-a"), qualifications=(), day=DAY, user=USER
    )
    assert conflict.reason == (
        "“规则x-rule”（S3）：“岗位a”（/140902/post-a → 岗位a）"
        "与“权限p”（/140902/post-b → 岗位b → 权限p）不相容"
    )


def test_county_rule_counts_within_one_county() -> None:
    """Held in two counties it does not count; held without a county it is held in every one."""
    rules = pair(scope="county")
    here, there = hold(rules, "post-b", COUNTY), hold(rules, "post-b", NEIGHBOUR)
    assert broken(rules, hold(rules, "post-a"), there) == ()
    assert broken(rules, hold(rules, "post-a"), there, here)
    assert broken(rules, hold(rules, "post-a"), hold(rules, "post-b", None))
    assert broken(pair(), hold(rules, "post-a"), there)


def test_rule_of_an_area_counts_there() -> None:
    """A rule with areas counts what is held in them and below, and what is held without a county."""
    rules = pair(areas=["1405"])

    def both(one: str | None, other: str | None) -> bool:
        areas = [OrgCode(code) if code else None for code in (one, other)]
        return bool(broken(rules, hold(rules, "post-a", areas[0]), hold(rules, "post-b", areas[1])))

    assert both("140502", "1405")
    assert both("140502", None)
    assert both(None, None)
    assert not both("140902", "140902")
    assert not both("140502", "14")


def test_gain_judges_only_what_it_takes_part_in() -> None:
    """An old conflict keeps nobody from gaining something else; a part of it gained again is refused."""
    rules = pair()
    held = (*hold(rules, "post-a"), *hold(rules, "post-b"))

    def gain(role: str) -> tuple[Conflict, ...]:
        return judge_gain(rules, held, hold(rules, role, NEIGHBOUR), qualifications=(), day=DAY, user=USER)

    assert gain("post-c") == ()
    assert [item.rule for item in gain("post-a")] == ["x-rule"]
    assert judge_gain(rules, held, (), qualifications=(), day=DAY, user=USER) == ()


def test_gain_that_breaks_a_rule_by_itself() -> None:
    """A group that carries both sides is refused to somebody who holds nothing."""
    rules = pair()
    gained = (*hold(rules, "post-a"), *hold(rules, "post-b"))
    assert judge_gain(rules, (), gained, qualifications=(), day=DAY, user=USER)


def waiver(until: date, *, user: str = "u", rule: str = "x-rule") -> WaiverInForce:
    """A waiver until a day."""
    return WaiverInForce(user=KeycloakId(user), rule=rule, until=until)


@pytest.mark.parametrize(
    ("given", "waivable", "counts"),
    [
        (waiver(DAY), True, True),
        (waiver(DAY + timedelta(days=9)), True, True),
        (waiver(DAY - timedelta(days=1)), True, False),
        (waiver(DAY, user="other"), True, False),
        (waiver(DAY, rule="x-other"), True, False),
        (waiver(DAY), False, False),
    ],
    ids=["last day", "days ahead", "day after", "another person", "another rule", "rule without room"],
)
def test_waiver(given: WaiverInForce, *, waivable: bool, counts: bool) -> None:
    """A waiver counts for its person and rule until its day, that day included, where the text has room."""
    rules = pair(waivable=waivable)
    found = broken(rules, hold(rules, "post-a"), hold(rules, "post-b"), waivers=[given])
    assert (found == ()) is counts


def test_waiver_of_an_expanded_rule() -> None:
    """A waiver names the rule of the pack, whatever pair of it is broken."""
    rules = rules_of(
        *POSTS, exclusions=[exclusion(among=[{"posts": [name]} for name in "abc"], waivable=True)]
    )
    held = [hold(rules, f"post-{name}") for name in "abc"]
    assert len(broken(rules, *held)) == 3
    assert broken(rules, *held, waivers=[waiver(DAY)]) == ()


def test_missing_qualification() -> None:
    """A post that requires a qualification is refused without it, once and not again for what it carries."""
    rules = rules_of(post("a", requires=["permanent"]), permissions=[permission("p", "a")])
    (conflict,) = broken(rules, hold(rules, "post-a"))
    assert conflict.rule == "requires-permanent"
    assert "正式在编" in conflict.reason
    assert len(conflict.held) == 1
    assert broken(rules, hold(rules, "post-a"), qualifications={QualificationId("permanent")}) == ()
    assert [item.rule for item in broken(rules, hold(rules, "sys/p", None))] == ["requires-permanent"]


def limit(**fields: Any) -> dict[str, Any]:
    """At most two of the posts by one person."""
    values: dict[str, Any] = {
        "id": "x-most",
        "label": "至多",
        "article": "S8",
        "per": "person",
        "of": {"posts": ["a", "b", "c"]},
        "most": 2,
    }
    return values | fields


def test_maximum_of_a_person() -> None:
    """Different things count, not the ways by which one is held."""
    rules = rules_of(*POSTS, maxima=[limit(waivable=True)])
    two = [hold(rules, "post-a"), hold(rules, "post-a", NEIGHBOUR), hold(rules, "post-b")]
    assert broken(rules, *two) == ()
    (conflict,) = broken(rules, *two, hold(rules, "post-c"))
    assert len(conflict.held) == 3
    assert broken(rules, *two, hold(rules, "post-c"), waivers=[waiver(DAY, rule="x-most")]) == ()


def test_maximum_of_a_person_and_a_gain() -> None:
    """A gain that does not count is not refused because the person has too many already."""
    rules = rules_of(*POSTS, post("d"), maxima=[limit()])
    held = [item for name in "abc" for item in hold(rules, f"post-{name}")]
    options: dict[str, Any] = {"qualifications": (), "day": DAY, "user": USER}
    assert judge_gain(rules, held, hold(rules, "post-d"), **options) == ()
    assert judge_gain(rules, held[:2], hold(rules, "post-c"), **options)


def test_maximum_of_a_county() -> None:
    """As many people as allowed and no more, in each county; without others it is not judged."""
    rules = rules_of(*POSTS, maxima=[limit(per="county", tiers=["county"], areas=["14"])])
    mine = hold(rules, "post-a")

    def with_others(count: int, held: tuple[Held, ...] = mine) -> tuple[Conflict, ...]:
        return broken(rules, held, others=lambda _rule, _area: count)

    assert with_others(1) == ()
    (conflict,) = with_others(2)
    assert conflict.reason.startswith("“至多”（S8）：140902 至多 2 人，另有 2 人在任")
    assert broken(rules, mine) == ()
    assert with_others(2, hold(rules, "post-a", OrgCode("1409"))) == ()
    assert with_others(2, hold(rules, "post-a", OrgCode("620102"))) == ()
    assert with_others(2, hold(rules, "post-a", None)) == ()


def test_who_may_grant() -> None:
    """A granter's post counts in its own area and below; without a county it counts nowhere."""
    rules = rules_of(
        administrator("chief"), post("a", granted_by=["chief"], bases=["console"]), post("closed")
    )

    def may(at: str | None, role: str = "post-a", area: str | None = "140902") -> bool:
        held = hold(rules, "post-chief", OrgCode(at) if at else None)
        return may_grant(rules, held, RoleName(role), OrgCode(area) if area else None)

    assert may("140902")
    assert may("14")
    assert not may("140921")
    assert not may(None)
    assert not may("140902", area="14")
    assert not may("14", area=None)
    assert not may("14", role="post-closed")
    assert not may("14", role="post-unknown")
    assert not may_grant(rules, hold(rules, "post-a"), RoleName("post-a"), COUNTY)


def test_stricter_within_a_scope() -> None:
    """Where a stacked pack asks more, more is required and fewer may grant."""
    rules = rules_of(
        administrator("one"),
        administrator("two"),
        post("a", granted_by=["one", "two"], bases=["console"]),
    )
    (duty,) = (item for item in rules.duties.values() if item.post == "a")
    within = Within(
        areas=(OrgCode("1405"),),
        requires=frozenset({QualificationId("permanent")}),
        granters=frozenset({RoleName("post-one")}),
    )
    stacked = CompiledRules(
        duties={
            **rules.duties,
            duty.role: type(duty)(
                role=duty.role,
                label=duty.label,
                article=duty.article,
                granters=duty.granters,
                within=(within,),
            ),
        }
    )
    assert broken(stacked, hold(rules, "post-a")) == ()
    assert broken(stacked, hold(rules, "post-a", OrgCode("140502")))
    assert broken(stacked, hold(rules, "post-a", None))
    two = hold(rules, "post-two", OrgCode("14"))
    assert may_grant(stacked, two, RoleName("post-a"), OrgCode("140902"))
    assert not may_grant(stacked, two, RoleName("post-a"), OrgCode("140502"))


def test_path_in_words() -> None:
    """Roles on a path are told by their labels, groups as they are called."""
    rules = rules_of(post("a"), permissions=[permission("p", "a")])
    assert describe_path(rules, hold(rules, "post-a")[1]) == "/140902/post-a → 岗位a → 权限p"
