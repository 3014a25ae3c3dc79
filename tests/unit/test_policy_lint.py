"""What lint proves of posts, permissions and rules: one bad pack for each fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fixtures.pack_making import administrator, exclusion, make_pack, permission, post
from quanheng.policy.contents import Pack
from quanheng.policy.lint import lint

Making = Callable[[], Pack]

AB: list[dict[str, Any]] = [post("a"), post("b")]
AND_B = {"left": {"posts": ["a"]}, "right": {"posts": ["b"]}}
BUSINESS = {"businesses": [{"id": "w", "label": "业务", "risk": "high"}]}
GUARDED = {"risk": "high", "approval": "second_person"}


def clean(*posts: dict[str, Any], **rules: Any) -> Pack:
    """A small pack that holds together but for what is added."""
    return make_pack(
        [administrator("chief"), *AB, *posts], [permission("p", "a"), permission("q", "b")], **rules
    )


def limit(**fields: Any) -> dict[str, Any]:
    """At most one of post ``a`` in a county."""
    rule = {
        "id": "x-most",
        "label": "至多",
        "article": "S8",
        "per": "county",
        "of": {"posts": ["a"]},
        "most": 1,
    }
    return rule | fields


def minimum(**fields: Any) -> dict[str, Any]:
    """At least two of post ``a`` in a county."""
    rule = {
        "id": "x-least",
        "label": "至少",
        "article": "S3",
        "posts": ["a"],
        "tiers": ["county"],
        "least": 2,
    }
    return rule | fields


def staged(**fields: Any) -> Pack:
    """A business of high risk, with a post for each of two steps."""
    rule = {
        "id": "x-steps",
        "label": "分级",
        "article": "S3",
        "risk": "high",
        "kinds": ["初审", "复核"],
        "tiers": ["county"],
    }
    steps = [
        permission("first", "a", kind="初审", business="w"),
        permission("second", "b", kind="复核", business="w"),
    ]
    rules = {key: fields.pop(key) for key in ("maxima",) if key in fields}
    steps = fields.pop("steps", steps)
    subsystems = {"subsystems": [{"id": "sys", "label": "系统", "permissions": steps}]}
    return make_pack(AB, table={**BUSINESS, **subsystems}, stages=[rule | fields], **rules)


FAULTS: dict[str, tuple[Making, str]] = {
    # selectors
    "others of nothing": (
        lambda: clean(exclusions=[exclusion(left={"others": True}, right={"posts": ["a"]})]),
        "rules.yaml: x-rule: others goes into the right of an exclusion alone",
    ),
    "others counted": (
        lambda: clean(maxima=[limit(of={"others": True})]),
        "rules.yaml: x-most: others goes into the right of an exclusion alone",
    ),
    "others but for some": (
        lambda: clean(
            exclusions=[exclusion(left={"posts": ["a"]}, right={"others": True, "except_kinds": ["经办"]})]
        ),
        "rules.yaml: x-rule: except_kinds goes with",
    ),
    "a post with others": (
        lambda: make_pack(
            AB,
            [permission("p", "a")],
            exclusions=[exclusion(left={"posts": ["a"]}, right={"others": True})],
        ),
        "rules.yaml: x-rule: post 'a' breaks it by itself",
    ),
    # posts
    "unknown granter": (
        lambda: clean(post("c", granted_by=["king"], bases=["console"])),
        "posts.yaml: c: granted_by 'king' is not defined",
    ),
    "console without granter": (
        lambda: clean(post("c", bases=["console"])),
        "posts.yaml: c: accepts console grants, but granted_by names nobody",
    ),
    "granter without console": (
        lambda: clean(post("c", granted_by=["chief"])),
        "posts.yaml: c: granted_by is never used",
    ),
    "granter below": (
        lambda: clean(
            post("low", tiers=["county"]),
            post("c", tiers=["province"], granted_by=["low"], bases=["console"]),
        ),
        "posts.yaml: c: at tier province nobody of granted_by can be in its area or above",
    ),
    "approver who is no administrator": (
        lambda: clean(post("c", **GUARDED, approved_by=["a"])),
        "posts.yaml: c: approved_by 'a' is no administrator's post",
    ),
    "cycle of approvers": (
        lambda: clean(
            administrator("one", tiers=["county"], approved_by=["two"]),
            administrator("two", tiers=["county"], approved_by=["one"]),
        ),
        "posts.yaml: two: at tier county nobody can ever approve it",
    ),
    "administrators of one level approve each other": (
        lambda: clean(administrator("one", tiers=["city"])),
        "posts.yaml: one: at tier city nobody can ever approve it",
    ),
    "approver only below": (
        lambda: clean(
            administrator("one", tiers=["county"], approved_by=["chief"]),
            post("c", tiers=["city"], **GUARDED, approved_by=["one"]),
        ),
        "posts.yaml: c: at tier city nobody can ever approve it",
    ),
    "qualifications that nobody has together": (
        lambda: disjoint(),
        "posts.yaml: a: requires: no employment gives all of these",
    ),
    "tier above the root": (
        lambda: make_pack([post("a", tiers=["province"])], info={"root": ("1409", "忻州市")}),
        "posts.yaml: a: tiers: no province lies in the pack, whose root is a city",
    ),
    "post outside the scope": (
        lambda: clean(post("c", areas=["62"])),
        "posts.yaml: c: areas '62' lies outside the pack's scope",
    ),
    # permissions
    "permission above the ceiling": (
        lambda: make_pack([post("a", ceiling="low")], [permission("p", "a", risk="medium")]),
        "permissions.yaml: sys/p: posts 'a' has the ceiling low, below medium",
    ),
    "permission that crosses a category": (
        lambda: crossing(one_category=True),
        "permissions.yaml: sys/p: posts 'a' is of category 业务运行, not 基金财务",
    ),
    "unknown crossing kind": (
        lambda: crossing(crossing_kinds=["飞行"]),
        "permissions.yaml: crossing_kinds '飞行' is not defined",
    ),
    "unknown business": (
        lambda: make_pack(AB, [permission("p", "a", business="w")]),
        "permissions.yaml: sys/p: business 'w' is not defined",
    ),
    "business twice": (
        lambda: make_pack(AB, table={"businesses": BUSINESS["businesses"] * 2}),
        "permissions.yaml: business id 'w' is there twice",
    ),
    # exclusions
    "one side only": (
        lambda: clean(exclusions=[exclusion(left={"posts": ["a"]})]),
        "rules.yaml: x-rule: write either left and right, or among",
    ),
    "among of one": (
        lambda: clean(exclusions=[exclusion(among=[{"posts": ["a"]}])]),
        "rules.yaml: x-rule: write either left and right, or among",
    ),
    "pair and among": (
        lambda: clean(exclusions=[exclusion(**AND_B, among=[{"posts": ["a"]}, {"posts": ["b"]}])]),
        "rules.yaml: x-rule: write either left and right, or among",
    ),
    "same post on both sides": (
        lambda: clean(exclusions=[exclusion(left={"posts": ["a", "b"]}, right={"posts": ["b"]})]),
        "rules.yaml: x-rule: 'post-b' is on both sides",
    ),
    "post that breaks a rule by itself": (
        lambda: make_pack(
            AB,
            [permission("p", "a"), permission("q", "a", kind="审核")],
            exclusions=[exclusion(left={"kinds": ["经办"]}, right={"kinds": ["审核"]})],
        ),
        "rules.yaml: x-rule: post 'a' breaks it by itself, with 'sys/p' and 'sys/q'",
    ),
    "post against its own permission": (
        lambda: clean(exclusions=[exclusion(left={"posts": ["a"]}, right={"permissions": ["sys/p"]})]),
        "rules.yaml: x-rule: post 'a' breaks it by itself",
    ),
    "selector that matches nothing": (
        lambda: make_pack(
            AB,
            [permission("p", "a", category="其他")],
            exclusions=[
                exclusion(left={"posts": ["b"]}, right={"categories": ["其他"], "except_kinds": ["经办"]})
            ],
        ),
        "rules.yaml: x-rule: categories ['其他'] matches nothing",
    ),
    "no business on both sides": (
        lambda: make_pack(
            AB,
            [permission("p", "a", business="w"), permission("q", "b", kind="审核")],
            table=None,
            exclusions=[exclusion(scope="business", left={"kinds": ["经办"]}, right={"kinds": ["审核"]})],
        ),
        "rules.yaml: x-rule: matches nothing: no business has something on both sides",
    ),
    "posts in the scope of a business": (
        lambda: clean(exclusions=[exclusion(scope="business", **AND_B)]),
        "rules.yaml: x-rule: scope business is about permissions",
    ),
    "exception of kinds beside posts": (
        lambda: clean(
            exclusions=[exclusion(left={"posts": ["a"], "except_kinds": ["经办"]}, right={"posts": ["b"]})]
        ),
        "rules.yaml: x-rule: except_kinds goes with categories",
    ),
    "unknown business of a rule": (
        lambda: clean(exclusions=[exclusion(left={"businesses": ["w"]}, right={"posts": ["b"]})]),
        "rules.yaml: x-rule: businesses 'w' is not defined",
    ),
    "rule that repeats another": (
        lambda: clean(
            exclusions=[
                exclusion("x-one", **AND_B),
                exclusion("x-two", left=AND_B["right"], right=AND_B["left"], scope="county"),
            ]
        ),
        "rules.yaml: x-two: says nothing that 'x-one' does not",
    ),
    "rule outside the scope": (
        lambda: clean(exclusions=[exclusion(**AND_B, areas=["62"])]),
        "rules.yaml: x-rule: areas '62' lies outside the pack's scope",
    ),
    "same id in two lists": (
        lambda: clean(exclusions=[exclusion("x-most", **AND_B)], maxima=[limit()]),
        "rules.yaml: rule id 'x-most' is there twice",
    ),
    # maxima
    "maximum of more than there are": (
        lambda: clean(maxima=[limit(per="person")]),
        "rules.yaml: x-most: nobody can have more than 1 of these",
    ),
    "maximum that a post breaks by itself": (
        lambda: make_pack(
            AB,
            [permission("p", "a"), permission("q", "a")],
            maxima=[limit(per="person", of={"kinds": ["经办"]})],
        ),
        "rules.yaml: x-most: post 'a' breaks it by itself with 2 of them",
    ),
    "tiers of a person": (
        lambda: clean(maxima=[limit(per="person", of={"posts": ["a", "b"]}, tiers=["county"])]),
        "rules.yaml: x-most: tiers go with per: county",
    ),
    "tier that is no area's": (
        lambda: clean(maxima=[limit(tiers=["village"])]),
        "rules.yaml: x-most: tiers: village is served by its county",
    ),
    "maximum where nobody is": (
        lambda: clean(maxima=[limit(tiers=["city"])]),
        "rules.yaml: x-most: matches nothing: none of these exists at city",
    ),
    # minima
    "minimum of an unknown post": (
        lambda: clean(minima=[minimum(posts=["nobody"])]),
        "rules.yaml: x-least: posts 'nobody' is not defined",
    ),
    "minimum where nobody can be": (
        lambda: clean(minima=[minimum(tiers=["city"])]),
        "rules.yaml: x-least: nobody can satisfy it: none of these posts exists at city",
    ),
    "minimum above a maximum": (
        lambda: clean(minima=[minimum()], maxima=[limit()]),
        "rules.yaml: x-least: contradicts 'x-most': at least 2, but at most 1 at tier county",
    ),
    "minimum above maxima of each post": (
        lambda: clean(
            minima=[minimum(posts=["a", "b"], least=3)],
            maxima=[limit(), limit(id="x-other", of={"posts": ["b"]})],
        ),
        "rules.yaml: x-least: contradicts 'x-most、x-other': at least 3, but at most 2",
    ),
    # stages
    "stage without a post": (
        lambda: staged(
            steps=[
                permission("first", "a", kind="初审", business="w"),
                permission("second", kind="复核", business="w"),
            ]
        ),
        "rules.yaml: x-steps: nobody can satisfy it: at tier county no post carries a permission",
    ),
    "stages at another tier": (
        lambda: staged(tiers=["city"]),
        "rules.yaml: x-steps: nobody can satisfy it: at tier city no post carries a permission of kind 初审",
    ),
    "stages of no business": (
        lambda: staged(risk="low"),
        "rules.yaml: x-steps: matches nothing: no business is of risk low",
    ),
    "unknown kind of a stage": (
        lambda: staged(kinds=["初审", "终审"]),
        "rules.yaml: x-steps: kinds '终审' is not defined",
    ),
    "maximum that makes stages impossible": (
        lambda: staged(maxima=[limit(of={"posts": ["a", "b"]})]),
        "rules.yaml: x-steps: contradicts 'x-most': business 'w' needs 2 people, but at most 1",
    ),
}


def crossing(**table: Any) -> Pack:
    """A permission of money in a post of services."""
    money = permission("p", "a", category="基金财务")
    return make_pack(
        AB, table={"subsystems": [{"id": "sys", "label": "系统", "permissions": [money]}]} | table
    )


def disjoint() -> Pack:
    """A post that requires two qualifications of different employments."""
    pack = make_pack([post("a", requires=["permanent", "hired"])])
    qualifications = pack.qualifications.model_validate(
        pack.qualifications.model_dump()
        | {
            "qualifications": [
                {"id": "permanent", "label": "正式在编", "employments": ["permanent"]},
                {"id": "hired", "label": "聘用", "employments": ["contract"]},
            ]
        }
    )
    return Pack(**{**vars(pack), "qualifications": qualifications})


@pytest.mark.parametrize(("making", "sentence"), FAULTS.values(), ids=list(FAULTS))
def test_fault(making: Making, sentence: str) -> None:
    """Each contradiction is named with file and place, and with what to do about it."""
    faults = lint(making())
    (fault,) = [item for item in faults if item.startswith(sentence)]
    assert "; " in fault or "write either" in fault


def test_what_is_allowed() -> None:
    """What comes close to a fault and is none: areas that do not meet, a narrower copy, kinds that cross."""
    assert (
        lint(
            clean(
                exclusions=[exclusion(**AND_B), exclusion("x-two", **AND_B, areas=["1405"])],
                minima=[minimum(areas=["1409"])],
                maxima=[limit(areas=["1405"])],
            )
        )
        == []
    )
    assert lint(staged()) == []
    assert lint(staged(maxima=[limit()])) == []
    crossed = crossing(one_category=True, crossing_kinds=["经办"])
    assert lint(crossed) == []


def test_two_thousand_rules() -> None:
    """A pack of 2,000 rules about 200 posts is linted, and only what is wrong in it is told."""
    posts = [post(f"p{number}") for number in range(200)]
    pairs = [(one, other) for one in range(200) for other in range(one)][:2000]
    rules = [
        exclusion(f"x-{one}-{other}", left={"posts": [f"p{one}"]}, right={"posts": [f"p{other}"]})
        for one, other in pairs
    ]
    assert lint(make_pack(posts, exclusions=rules)) == []
    rules[1999]["right"] = rules[1999]["left"]
    (fault,) = lint(make_pack(posts, exclusions=rules))
    assert fault.startswith("rules.yaml: x-63-46: 'post-p63' is on both sides")
