"""From a pack to sets of roles: selectors, scopes, duties."""

from __future__ import annotations

from itertools import pairwise

from fixtures.pack_making import administrator, exclusion, make_pack, permission, post, rules_of, shipped
from quanheng.model.ids import RoleName
from quanheng.policy.compiling import catalogue, compile_rules, role_of_permission
from quanheng.policy.console_roles import AUDITING, DELEGATED, REALM_MANAGEMENT
from quanheng.policy.rules import CompiledRules
from quanheng.policy.schema import Selector


def sides(rules: CompiledRules) -> list[tuple[str, set[str], set[str]]]:
    """Ids and sides of the compiled exclusions."""
    return [(rule.id, set(rule.left), set(rule.right)) for rule in rules.exclusions]


def test_permission_is_a_client_role() -> None:
    """A permission is called by its subsystem and its own id."""
    assert role_of_permission("jiujinban", "service_query") == "jiujinban/service_query"


def test_selectors() -> None:
    """Posts mean posts; categories mean posts and permissions; all others mean permissions."""
    pack = make_pack(
        [post("a", category="甲"), post("b", category="乙")],
        [
            permission("p", "a", category="甲", kind="经办", business="w"),
            permission("q", "a", category="甲", kind="查询", business="w"),
            permission("r", "b", category="乙", kind="查询"),
        ],
        table={"businesses": [{"id": "w", "label": "业务", "risk": "low"}]},
    )
    roles = catalogue(pack)
    assert roles.select(Selector(posts=("a",))) == {"post-a"}
    assert roles.select(Selector(categories=("甲",))) == {"post-a", "sys/p", "sys/q"}
    assert roles.select(Selector(categories=("甲",), except_kinds=("查询",))) == {"post-a", "sys/p"}
    assert roles.select(Selector(kinds=("查询",))) == {"sys/q", "sys/r"}
    assert roles.select(Selector(permissions=("sys/p", "sys/q"), except_kinds=("查询",))) == {"sys/p"}
    assert roles.select(Selector(businesses=("w",), except_kinds=("经办",))) == {"sys/q"}
    assert roles.select(Selector(posts=("nobody",))) == set()


def test_among_becomes_its_pairs() -> None:
    """Each pair of ``among`` is one rule with the number of the pair."""
    rules = rules_of(
        post("a"),
        post("b"),
        post("c"),
        exclusions=[exclusion(among=[{"posts": [name]} for name in "abc"])],
    )
    assert sides(rules) == [
        ("x-rule#1", {"post-a"}, {"post-b"}),
        ("x-rule#2", {"post-a"}, {"post-c"}),
        ("x-rule#3", {"post-b"}, {"post-c"}),
    ]
    assert {rule.source for rule in rules.exclusions} == {"x-rule"}


def test_others() -> None:
    """``others`` is every post and permission that the left side does not mean."""
    rules = rules_of(
        post("a"),
        post("b"),
        permissions=[permission("p", "b"), permission("q")],
        exclusions=[exclusion(left={"posts": ["a"]}, right={"others": True})],
    )
    assert sides(rules) == [("x-rule", {"post-a"}, {"post-b", "sys/p", "sys/q"})]


def test_console_roles() -> None:
    """Who has a charge gets the console's lists, who audits what shows everything; no other post anything."""
    rules = compile_rules(shipped("shanxi"))
    own = {post: {part for part in parts if "/" in part} for post, parts in rules.composites.items()}
    for name in ("post-system-admin", "post-business-admin"):
        assert own[RoleName(name)] == DELEGATED
    assert {role.partition("/")[2] for role in DELEGATED} == {"query-groups", "query-users"}
    assert own[RoleName("post-auditor")] == AUDITING
    assert f"{REALM_MANAGEMENT}/view-clients" not in AUDITING
    assert all(role.partition("/")[2].startswith(("query-", "view-")) for role in AUDITING)
    others = own.keys() - {"post-system-admin", "post-business-admin", "post-auditor"}
    assert not any(part.startswith(REALM_MANAGEMENT) for post in others for part in own[post])
    assert AUDITING.isdisjoint(rules.duties)


def test_scopes_of_business_and_subsystem() -> None:
    """One rule for each business, or subsystem, that has something on both sides; none for the others."""
    pack = make_pack(
        [post("a")],
        table={
            "businesses": [{"id": name, "label": name, "risk": "low"} for name in ("v", "w")],
            "subsystems": [
                {
                    "id": system,
                    "label": system,
                    "permissions": [
                        permission("first", kind="初审", business="v"),
                        permission("second", kind="复核", business=business),
                    ],
                }
                for system, business in (("one", "v"), ("two", "w"))
            ],
        },
        exclusions=[
            exclusion("x-business", scope="business", left={"kinds": ["初审"]}, right={"kinds": ["复核"]}),
            exclusion("x-subsystem", scope="subsystem", left={"kinds": ["初审"]}, right={"kinds": ["复核"]}),
        ],
    )
    rules = compile_rules(pack)
    assert sides(rules) == [
        ("x-business#1", {"one/first", "two/first"}, {"one/second"}),
        ("x-subsystem#1", {"one/first"}, {"one/second"}),
        ("x-subsystem#2", {"two/first"}, {"two/second"}),
    ]
    assert {rule.scope for rule in rules.exclusions} == {"person"}


def test_duties_and_who_grants_them() -> None:
    """A post is granted by those it names, but only when it accepts grants in the console."""
    rules = rules_of(
        administrator("chief"),
        post("open", granted_by=["chief"], bases=["console"], requires=["permanent"]),
        post("closed", granted_by=["chief"], bases=["source"]),
    )
    assert rules.duties["post-open"].granters == {"post-chief"}
    assert rules.duties["post-open"].requires == {"permanent"}
    assert rules.duties["post-closed"].granters == set()
    assert rules.qualifications["permanent"] == "正式在编"


def test_permission_requires_what_all_its_posts_do() -> None:
    """However a permission is held: what every post that carries it requires, is required."""
    strict, loose = post("strict", requires=["permanent"]), post("loose")
    rules = rules_of(
        strict, loose, permissions=[permission("p", "strict"), permission("q", "strict", "loose")]
    )
    assert rules.duties["sys/p"].requires == {"permanent"}
    assert rules.duties["sys/q"].requires == set()
    assert rules.duties["sys/p"].granters == set()
    assert rules.composites == {"post-strict": {"sys/p", "sys/q"}, "post-loose": {"sys/q"}}


def test_maximum_counts_in_areas_of_its_tiers() -> None:
    """Tiers become the length of the codes of areas."""
    rules = rules_of(
        administrator("chief"),
        maxima=[
            {
                "id": "x-one",
                "label": "一名",
                "article": "S8",
                "per": "county",
                "of": {"posts": ["chief"]},
                "most": 1,
                "tiers": ["county", "city"],
            }
        ],
    )
    assert rules.maxima[0].digits == {4, 6}


def test_every_rule_of_shipped_packs_is_about_known_duties() -> None:
    """The matchers never meet a role that no duty describes; numbers of one rule follow each other."""
    for name in ("shanxi", "shanxi+jincheng", "enshi", "gansu", "fifth"):
        rules = compile_rules(shipped(name))
        for rule in rules.exclusions:
            assert rule.left
            assert rule.right
            assert rule.left | rule.right <= set(rules.duties)
        for limit in rules.maxima:
            assert limit.roles <= set(rules.duties)
        numbered = [rule.id.split("#") for rule in rules.exclusions if "#" in rule.id]
        for (one, first), (other, second) in pairwise(numbered):
            assert int(second) == (int(first) + 1 if one == other else 1)
