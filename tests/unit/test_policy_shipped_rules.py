"""Every exclusion of the regulations, on one path: the posts and permissions that one person never combines.

``docs/reference/rules.md`` points here. A row is pack, article, rule, and two roles; a role of a post is held
with all that it contains.
"""

from __future__ import annotations

from datetime import date

import pytest

from fixtures.pack_making import hold, shipped
from quanheng.model.ids import OrgCode, QualificationId
from quanheng.model.person import BasisKind
from quanheng.policy.compiling import compile_rules
from quanheng.policy.judge import judge_gain, may_grant
from quanheng.policy.schema import Tier

DAY = date(2026, 11, 22)
STACK = "shanxi+jincheng"
AREAS = {"shanxi": "140902", STACK: "1405", "enshi": "422801", "gansu": "620102", "fifth": "990201"}
EMPLOYED = {QualificationId(name) for name in ("permanent", "staff", "official")}

APART = [
    # 山西
    ("shanxi", "S3", "s3-two-administrators", "post-system-admin", "post-business-admin"),
    ("shanxi", "S4", "s4-system-admin-no-business", "post-system-admin", "post-handler"),
    ("shanxi", "S4", "s4-system-admin-no-business", "post-system-admin", "post-reviewer"),
    ("shanxi", "S4", "s4-system-admin-no-business", "post-system-admin", "post-operator"),
    ("shanxi", "S4", "s4-system-admin-no-permission", "post-system-admin", "jiujinban/service_handle"),
    ("shanxi", "S4", "s4-system-admin-no-permission", "post-system-admin", "jiujinban/benefit_review"),
    ("shanxi", "S5", "s5-business-admin-no-business", "post-business-admin", "post-handler"),
    ("shanxi", "S5", "s5-business-admin-no-business", "post-business-admin", "post-reviewer"),
    ("shanxi", "S5", "s5-business-admin-no-business", "post-business-admin", "post-operator"),
    ("shanxi", "S5", "s5-business-admin-no-permission", "post-business-admin", "jiujinban/card_handle"),
    ("shanxi", "S5", "s5-business-admin-no-permission", "post-business-admin", "jiujinban/benefit_review"),
    *(
        ("shanxi", "B8.1.5", "b8-auditor-nothing-else", "post-auditor", other)
        for other in ("post-system-admin", "post-business-admin", "post-handler", "jiujinban/service_query")
    ),
    # 恩施
    ("enshi", "E6", "e6-three-kinds", "post-account-admin", "post-permission-admin"),
    ("enshi", "E6", "e6-three-kinds", "post-account-admin", "post-casual-permission-admin"),
    ("enshi", "E6", "e6-three-kinds", "post-account-admin", "post-casual-operator"),
    ("enshi", "E6", "e6-three-kinds", "post-permission-admin", "post-library-operator"),
    ("enshi", "E6", "e6-three-kinds", "post-library-permission-admin", "labour_library/person_update"),
    *(
        ("enshi", "B8.1.5", "b8-auditor-nothing-else", "post-auditor", other)
        for other in ("post-account-admin", "post-casual-permission-admin", "labour_library/person_query")
    ),
    # 晋城, in 山西's realm
    (STACK, "B8.1.5", "b8-auditor-nothing-else", "post-auditor", "post-super-admin"),
    (STACK, "B8.1.5", "b8-auditor-nothing-else", "post-auditor", "gongjian/project_query"),
    (STACK, "J8", "j8-super-and-system-admin", "post-super-admin", "post-lead-system-admin"),
    (STACK, "J8", "j8-super-and-system-admin", "post-super-admin", "post-system-admin"),
    (STACK, "J8", "j8-administrators-and-users", "post-super-admin", "post-acceptance-user"),
    (STACK, "J8", "j8-administrators-and-users", "post-lead-system-admin", "post-approval-user"),
    (STACK, "J8", "j8-administrators-and-users", "post-system-admin", "gongjian/project_approve"),
    (STACK, "S5", "s5-business-admin-no-user-work", "post-business-admin", "post-acceptance-user"),
    (STACK, "S5", "s5-business-admin-no-user-work", "post-business-admin", "gongjian/project_approve"),
    # 甘肃
    ("gansu", "G11", "g11-four-categories", "post-registration-clerk", "post-cashier"),
    ("gansu", "G11", "g11-four-categories", "post-payment-clerk", "post-data-manager"),
    ("gansu", "G11", "g11-four-categories", "post-benefit-approver", "post-internal-control"),
    ("gansu", "G11", "g11-four-categories", "post-accountant", "post-data-manager"),
    ("gansu", "G11", "g11-four-categories", "post-cashier", "post-internal-control"),
    ("gansu", "G11", "g11-four-categories", "post-data-manager", "post-internal-control"),
    ("gansu", "G11", "g11-four-categories", "post-data-manager", "shebao/payment_first"),
    ("gansu", "G11", "g11-benefit-approval", "shebao/benefit_first", "shebao/personal_account_first"),
    ("gansu", "G11", "g11-benefit-approval", "shebao/benefit_recheck", "shebao/eligibility_first"),
    ("gansu", "G11", "g11-benefit-approval", "shebao/benefit_approve", "shebao/transfer_first"),
    ("gansu", "G11", "g11-benefit-approval-posts", "post-benefit-clerk", "post-account-clerk"),
    ("gansu", "G11", "g11-benefit-approval-posts", "post-benefit-clerk", "post-eligibility-clerk"),
    ("gansu", "G11", "g11-benefit-approval-posts", "post-benefit-clerk", "post-transfer-clerk"),
    ("gansu", "G11", "g11-three-steps", "shebao/key_change_first", "shebao/key_change_recheck"),
    ("gansu", "G11", "g11-three-steps", "shebao/key_change_first", "shebao/key_change_approve"),
    ("gansu", "G11", "g11-three-steps", "shebao/key_change_recheck", "shebao/key_change_approve"),
    ("gansu", "G11", "g11-three-steps", "post-back-pay-clerk", "post-benefit-approver"),
    ("gansu", "G11", "g11-accountant-cashier", "post-accountant", "post-cashier"),
    ("gansu", "G11", "g11-accountant-cashier", "post-chief-accountant", "post-cashier"),
    ("gansu", "G11", "g11-make-and-review", "caiwu/voucher_make", "caiwu/voucher_review"),
    ("gansu", "G11", "g11-make-and-review", "post-accountant", "post-chief-accountant"),
    ("gansu", "G11", "g11-cashier-books", "post-cashier", "post-finance-archivist"),
    ("gansu", "G11", "g11-cashier-books", "post-cashier", "caiwu/ledger_entry"),
    (
        "gansu",
        "G18",
        "g18-maintainers-no-business",
        "post-permission-maintainer",
        "shebao/registration_first",
    ),
    ("gansu", "G18", "g18-maintainers-no-business", "post-system-operator", "post-cashier"),
    ("gansu", "G18", "g18-maintainers-no-business", "post-system-operator", "shebao/statistics"),
    ("gansu", "G18", "g18-maintainers-no-business", "post-permission-maintainer", "shebao/audit"),
    ("gansu", "B8.1.5", "b8-system-and-permissions", "post-system-operator", "post-permission-maintainer"),
    *(
        ("gansu", "B8.1.5", "b8-auditor-nothing-else", "post-auditor", other)
        for other in ("post-principal", "post-system-operator", "post-cashier", "shebao/insured_query")
    ),
    # the pack that was written from the page
    ("fifth", "N4", "n4-administrators-apart", "post-system-admin", "post-security-admin"),
    ("fifth", "N4", "n4-auditor-alone", "post-audit-admin", "jiuye/query"),
    ("fifth", "N4", "n4-administrators-apart", "post-security-admin", "post-audit-admin"),
    ("fifth", "N4", "n4-administrators-apart", "post-audit-admin", "post-payer"),
    ("fifth", "F2", "f2-two-steps", "post-subsidy-first", "post-subsidy-recheck"),
    ("fifth", "F3", "f3-pay-and-book", "post-payer", "post-bookkeeper"),
    ("fifth", "F4", "f4-service-and-money", "post-subsidy-first", "post-payer"),
    ("fifth", "N6", "n6-loan-and-counter", "post-loan-officer", "post-counter"),
]

TOGETHER = [
    ("shanxi", "post-handler", "post-operator"),
    ("shanxi", "post-system-admin", "jiujinban/service_query"),
    ("gansu", "post-registration-clerk", "post-account-clerk"),
    ("gansu", "post-account-rechecker", "shebao/insured_query"),
    ("gansu", "post-cashier", "shebao/insured_query"),
    ("gansu", "post-permission-maintainer", "shebao/insured_query"),
    ("gansu", "post-registration-clerk", "shebao/payment_recheck"),
    ("gansu", "post-accountant", "post-finance-archivist"),
    ("enshi", "post-permission-admin", "post-casual-permission-admin"),
    (STACK, "post-acceptance-user", "post-handler"),
    ("fifth", "post-subsidy-first", "post-loan-officer"),
]


def refusals(pack: str, held: str, gained: str) -> set[tuple[str, str]]:
    """Rules and articles that gaining one role while holding another would break."""
    rules = compile_rules(shipped(pack))
    area = OrgCode(AREAS[pack])
    found = judge_gain(
        rules, hold(rules, held, area), hold(rules, gained, area), qualifications=EMPLOYED, day=DAY
    )
    return {(item.rule.partition("#")[0], item.article) for item in found}


@pytest.mark.parametrize(("pack", "article", "rule", "left", "right"), APART)
def test_never_in_one_hand(pack: str, article: str, rule: str, left: str, right: str) -> None:
    """Whoever has one of the two may not get the other, whichever came first; the rule cites its article."""
    assert (rule, article) in refusals(pack, left, right)
    assert (rule, article) in refusals(pack, right, left)


@pytest.mark.parametrize(("pack", "one", "other"), TOGETHER)
def test_may_be_in_one_hand(pack: str, one: str, other: str) -> None:
    """What no regulation separates can be combined: queries, neighbouring steps of different businesses."""
    assert refusals(pack, one, other) == set()


@pytest.mark.parametrize("pack", sorted(AREAS))
def test_every_exclusion_is_in_the_table(pack: str) -> None:
    """No exclusion of a pack goes untested."""
    tested = {rule for name, _, rule, _, _ in APART if name in (pack, "shanxi")}
    assert {rule.source for rule in compile_rules(shipped(pack)).exclusions} <= tested


@pytest.mark.parametrize("pack", sorted(AREAS))
def test_who_audits_holds_nothing_else(pack: str) -> None:
    """No post and no permission of a realm goes together with auditing, queries neither (三员)."""
    (audit,) = shipped(pack).audit_posts
    role = shipped(pack).post_by_id[audit].role
    others = [other for other in compile_rules(shipped(pack)).duties if other != role]
    assert len(others) > 10
    assert [other for other in others if not refusals(pack, role, other)] == []


def test_only_where_the_text_leaves_room() -> None:
    """原则上 in J8 can be waived; 严禁 (S3) and 不得 (E6, G11) never."""
    waivable = {
        rule.source
        for pack in ("shanxi", STACK, "enshi", "gansu")
        for rule in compile_rules(shipped(pack)).exclusions
        if rule.waivable
    }
    assert waivable == {"j8-super-and-system-admin"}


@pytest.mark.parametrize(
    ("pack", "post", "qualification"),
    [
        ("shanxi", "system_admin", "permanent"),
        ("shanxi", "business_admin", "permanent"),
        ("shanxi", "auditor", "permanent"),
        ("gansu", "account_rechecker", "permanent"),
        ("gansu", "account_approver", "permanent"),
        ("gansu", "benefit_rechecker", "permanent"),
        ("gansu", "benefit_approver", "permanent"),
    ],
)
def test_formal_staff(pack: str, post: str, qualification: str) -> None:
    """Administrators (S3) and reviewers of high-risk business (G13) are formal staff."""
    (found,) = [item for item in shipped(pack).posts.posts if item.id == post]
    assert qualification in found.requires


def test_reviewers_of_high_risk_are_formal_staff() -> None:
    """甘肃: whoever rechecks or reviews what is of high risk (G13), whatever system it is in."""
    pack = shipped("gansu")
    reviewing = {
        post
        for subsystem in pack.permissions.subsystems
        for item in subsystem.permissions
        if item.risk == "high" and item.kind in ("复核", "审核")
        for post in item.posts
    }
    assert {"account_rechecker", "chief_accountant"} <= reviewing
    assert {
        post.id for post in pack.posts.posts if post.id in reviewing and "permanent" not in post.requires
    } == set()


def test_maintainers_only_at_city_and_above() -> None:
    """甘肃: a county has no permission maintainers; its city's grant there (G17)."""
    pack = shipped("gansu")
    (maintainer,) = [item for item in pack.posts.posts if item.id == "permission_maintainer"]
    assert set(maintainer.tiers) == {Tier.PROVINCE, Tier.CITY}
    rules = compile_rules(pack)
    city = hold(rules, "post-permission-maintainer", OrgCode("6201"))
    role = hold(rules, "post-cashier")[0].role
    assert may_grant(rules, city, role, OrgCode("620102"))
    assert not may_grant(rules, city, role, OrgCode("620202"))


def test_high_risk_posts_end_after_five_years() -> None:
    """甘肃: posts on high-risk business have a tenure of five years (G13)."""
    pack = shipped("gansu")
    risky = {
        post
        for subsystem in pack.permissions.subsystems
        for item in subsystem.permissions
        if item.risk == "high" and (item.business is not None or item.kind == "审核")
        for post in item.posts
    }
    assert "chief_accountant" in risky
    assert {post.tenure_years for post in pack.posts.posts if post.id in risky} == {5}


def test_village_work_is_low_risk() -> None:
    """山西: what an operator carries is of low risk, and nothing else could be given (X)."""
    pack = shipped("shanxi")
    (operator,) = [item for item in pack.posts.posts if item.id == "operator"]
    assert operator.ceiling == "low"
    carried = [
        item
        for system in pack.permissions.subsystems
        for item in system.permissions
        if "operator" in item.posts
    ]
    assert carried
    assert {item.risk for item in carried} == {"low"}


def test_one_administrator_of_each_kind_per_county() -> None:
    """山西: a second 系统管理员 or 业务管理员 of a county is refused, in the province it is not (S8)."""
    rules = compile_rules(shipped("shanxi"))
    for role in ("post-system-admin", "post-business-admin"):
        for area, count in (("140902", 1), ("14", 0)):
            found = judge_gain(
                rules,
                (),
                hold(rules, role, OrgCode(area)),
                qualifications=EMPLOYED,
                day=DAY,
                others=lambda _rule, _area: 1,
            )
            assert [item.article for item in found] == ["S8(1)"] * count


def test_county_grants_to_its_own() -> None:
    """山西: a county's 业务管理员 grants in that county (S5); nobody is made administrator in the console."""
    rules = compile_rules(shipped("shanxi"))
    granter = hold(rules, "post-business-admin", OrgCode("140902"))
    for name, may in (("operator", True), ("handler", True), ("reviewer", False), ("system-admin", False)):
        role = hold(rules, f"post-{name}")[0].role
        assert may_grant(rules, granter, role, OrgCode("140902")) is may
        assert not may_grant(rules, granter, role, OrgCode("140921"))
    for post in shipped("shanxi").posts.posts:
        assert (BasisKind.CONSOLE in post.bases) == bool(post.granted_by)
