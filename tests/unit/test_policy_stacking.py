"""Several packs in one realm: the stricter holds, inside the scope of the upper one."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from fixtures.pack_making import administrator, exclusion, hold, make_pack, permission, post, shipped
from quanheng.errors import ConfigurationError
from quanheng.model.ids import OrgCode, PostId, QualificationId
from quanheng.policy.compiling import compile_rules
from quanheng.policy.contents import Pack
from quanheng.policy.judge import judge, may_grant
from quanheng.policy.schema import Post
from quanheng.policy.stacking import stack

DAY = date(2026, 11, 22)
INSIDE, OUTSIDE = OrgCode("140502"), OrgCode("140902")
CHIEFS = [administrator("chief"), administrator("deputy", approved_by=["chief"])]


def lower(**rules: Any) -> Pack:
    """The pack of the province."""
    seller = post(
        "seller", tiers=["city", "county"], bases=["source", "console"], granted_by=["chief", "deputy"]
    )
    return make_pack([*CHIEFS, seller], [permission("sell", "seller")], **rules)


def upper(*posts: dict[str, Any], info: dict[str, Any] | None = None, **parts: Any) -> Pack:
    """The pack of one city."""
    names = {"id": "upper", "scope": ("1405",), **(info or {})}
    return make_pack(list(posts) or [post("buyer")], info=names, **parts)


def strict_seller(**fields: Any) -> dict[str, Any]:
    """The seller as the city has it."""
    values: dict[str, Any] = {
        "aliases": ["售票员"],
        "tiers": ["county", "township"],
        "risk": "high",
        "requires": ["permanent"],
        "approval": "second_person",
        "approved_by": ["chief"],
        "bases": ["console", "application"],
        "granted_by": ["chief"],
        "tenure_years": 3,
        "ceiling": "low",
    }
    return post("seller", **(values | fields))


def at(pack: Pack, name: str, area: OrgCode) -> Post | None:
    """A post in an area."""
    return pack.post_at(PostId(name), area)


def test_one_pack_is_itself() -> None:
    """A stack of one is the pack; a stack of none is refused."""
    pack = lower()
    assert stack([pack]) is pack
    assert pack.posts_at(OUTSIDE) == pack.posts.posts
    with pytest.raises(ConfigurationError):
        stack([])


def test_new_posts_exist_in_the_scope_alone() -> None:
    """A post of the upper pack exists inside its scope and nowhere else."""
    pack = stack([lower(), upper()])
    assert [item.id for item in pack.posts_at(OUTSIDE)] == ["chief", "deputy", "seller"]
    assert [item.id for item in pack.posts_at(INSIDE)] == ["chief", "deputy", "seller", "buyer"]
    assert at(pack, "nobody", INSIDE) is None


def test_stricter_of_two_descriptions() -> None:
    """Every key of a post in both packs is the stricter one inside the scope, and as before outside."""
    pack = stack([lower(), upper(strict_seller(), *CHIEFS)])
    there, here = at(pack, "seller", OUTSIDE), at(pack, "seller", INSIDE)
    assert there is not None
    assert here is not None
    assert there.model_copy(update={"aliases": ()}) == lower().post_by_id[PostId("seller")]
    assert here.model_dump(exclude={"id", "label", "kind", "category", "article", "areas"}) == {
        "aliases": ("售票员",),
        "tiers": ("county",),
        "risk": "high",
        "requires": ("permanent",),
        "approval": "second_person",
        "approved_by": ("chief",),
        "granted_by": ("chief",),
        "bases": ("console",),
        "tenure_years": 3,
        "ceiling": "low",
    }
    assert pack.post_by_label["售票员"].id == "seller"


def test_judge_asks_more_inside_the_scope() -> None:
    """Qualifications and granters of the upper pack count in its areas alone."""
    rules = compile_rules(stack([lower(), upper(strict_seller(), *CHIEFS)]))

    def broken(area: OrgCode) -> list[str]:
        held = hold(rules, "post-seller", area)
        return [item.rule for item in judge(rules, held, qualifications=(), day=DAY)]

    assert broken(OUTSIDE) == []
    assert broken(INSIDE) == ["requires-permanent"]
    deputy = hold(rules, "post-deputy", OrgCode("14"))
    role = hold(rules, "post-seller")[0].role
    assert may_grant(rules, deputy, role, OUTSIDE)
    assert not may_grant(rules, deputy, role, INSIDE)


def test_rules_of_the_upper_pack_count_in_its_scope() -> None:
    """Rules get the scope as their areas, or keep the narrower areas they have."""
    apart = {"left": {"posts": ["buyer"]}, "right": {"posts": ["seller"]}}
    over = upper(
        strict_seller(),
        *CHIEFS,
        post("buyer"),
        exclusions=[exclusion(**apart), exclusion("x-narrow", **apart, areas=["140581"])],
    )
    pack = stack([lower(), over])
    assert [rule.areas for rule in pack.rules.exclusions] == [("1405",), ("140581",)]
    rules = compile_rules(pack)
    for area, count in ((INSIDE, 1), (OrgCode("140581"), 2), (OUTSIDE, 0)):
        held = (*hold(rules, "post-buyer", area), *hold(rules, "post-seller", area))
        found = judge(rules, held, qualifications={QualificationId("permanent")}, day=DAY)
        assert len(found) == count


def test_rules_of_the_first_pack_count_for_all() -> None:
    """A rule about kinds or categories catches what the upper pack brings."""
    base = lower(exclusions=[exclusion(left={"posts": ["chief"]}, right={"kinds": ["经办"]})])
    more = upper(
        table={"subsystems": [{"id": "two", "label": "二", "permissions": [permission("p", "buyer")]}]}
    )
    rules = compile_rules(stack([base, more]))
    assert rules.exclusions[0].right == {"sys/sell", "two/p"}


def test_charges_of_the_upper_pack_count_in_its_scope() -> None:
    """Charges get the scope as their areas, or keep narrower ones; the others stay as they are."""
    charge = {"tiers": ["county"], "powers": ["accounts"], "over": ["bureaus"], "article": "S4"}
    over = upper(
        administrator("warden", approved_by=["chief"], tiers=["county"]),
        *CHIEFS,
        administration={
            "charges": [{"post": "warden", **charge}, {"post": "warden", **charge, "areas": ["140581"]}]
        },
    )
    base = make_pack(CHIEFS, administration={"charges": [{"post": "chief", **charge}]})
    charges = stack([base, over]).administration.charges
    assert [(item.post, item.areas) for item in charges] == [
        ("chief", ()),
        ("warden", ("1405",)),
        ("warden", ("140581",)),
    ]


def test_auditor_of_the_first_pack_serves_the_others() -> None:
    """The 三员 are the first pack's; who audits the province gets no post of the upper pack either."""
    pack = shipped("shanxi+jincheng")
    assert pack.administration.officers == shipped("shanxi").administration.officers
    rules = compile_rules(pack)
    auditor = hold(rules, "post-auditor", OrgCode("14"))
    held = (*auditor, *hold(rules, "post-super-admin", OrgCode("1405")))
    found = judge(rules, held, qualifications={QualificationId("permanent")}, day=DAY)
    assert {item.rule for item in found} == {"b8-auditor-nothing-else"}


def subsystem(name: str, *items: dict[str, Any], label: str = "系统") -> dict[str, Any]:
    """A table of one subsystem."""
    return {"subsystems": [{"id": name, "label": label, "permissions": list(items)}]}


CLASHES: dict[str, tuple[Pack, str]] = {
    "another realm": (upper(info={"realm": "other"}), "pack.yaml: realm 'other' is not 'shanxi'"),
    "scope outside": (upper(info={"scope": ("62",)}), "pack.yaml: scope '62' lies outside"),
    "letter of another regulation": (
        upper(info={"regulations": ({"letter": "S", "title": "别的", "issued_by": "别处"},)}),
        "pack.yaml: regulation 'S' is '山西省人社信息系统用户账号管理办法'",
    ),
    "label of another post": (
        upper(post("buyer", label="岗位seller")),
        "posts.yaml: buyer: label '岗位seller' is post 'seller'",
    ),
    "one id for two things": (
        upper(post("seller", label="另一个")),
        "posts.yaml: seller: label is '岗位seller' in the pack below",
    ),
    "no tier left": (upper(post("seller", tiers=["village"])), "posts.yaml: seller: tiers: none is left"),
    "no basis left": (
        upper(post("seller", bases=["application"])),
        "posts.yaml: seller: bases: none is left",
    ),
    "no approver left": (
        upper(administrator("deputy"), administrator("chief")),
        "posts.yaml: deputy: approved_by: nobody is left",
    ),
    "permission in both": (
        upper(table=subsystem("sys", permission("sell"))),
        "permissions.yaml: sys/sell: is in the pack below",
    ),
    "subsystem of another name": (
        upper(table=subsystem("sys", label="另一个")),
        "permissions.yaml: sys: label is '系统' in the pack below",
    ),
    "permission for a post of the pack below": (
        upper(strict_seller(), *CHIEFS, table=subsystem("two", permission("p", "seller"))),
        "permissions.yaml: two/p: posts: 'seller' is the pack below's",
    ),
    "same rule id": (
        upper(
            strict_seller(),
            post("buyer"),
            exclusions=[exclusion("x-base", left={"posts": ["buyer"]}, right={"posts": ["seller"]})],
        ),
        "rules.yaml: rule id 'x-base' is in the pack below",
    ),
    "stricter ceiling below what it carries": (
        upper(strict_seller(ceiling="low"), *CHIEFS),
        "permissions.yaml: sys/sell: posts 'seller' has the ceiling low, below medium",
    ),
}


@pytest.mark.parametrize(("over", "sentence"), CLASHES.values(), ids=list(CLASHES))
def test_clash(over: Pack, sentence: str) -> None:
    """What cannot be put together is refused by name of both packs, file and place."""
    under = lower(exclusions=[exclusion("x-base", left={"posts": ["chief"]}, right={"posts": ["seller"]})])
    if "ceiling" in sentence:
        under = make_pack(
            [item.model_dump() for item in under.posts.posts],
            [permission("sell", "seller", risk="medium")],
        )
    with pytest.raises(ConfigurationError) as caught:
        stack([under, over])
    assert f"shanxi + upper: {sentence}" in str(caught.value)


def test_jincheng_lies_in_shanxi() -> None:
    """晋城's posts exist in 晋城; its rule against 山西's 系统管理员 counts there and can be waived."""
    pack = shipped("shanxi+jincheng")
    assert at(pack, "super_admin", OrgCode("1405")) is not None
    assert at(pack, "super_admin", OrgCode("1409")) is None
    rules = compile_rules(pack)
    (rule,) = [item for item in rules.exclusions if item.id == "j8-super-and-system-admin"]
    assert (rule.areas, rule.waivable) == (("1405",), True)
