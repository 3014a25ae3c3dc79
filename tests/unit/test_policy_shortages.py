"""What a regulation asks for and nobody does."""

from __future__ import annotations

import pytest

from fixtures.pack_making import COUNTY, NEIGHBOUR, hold, shipped
from quanheng.model.ids import KeycloakId, OrgCode
from quanheng.policy.compiling import compile_rules
from quanheng.policy.rules import Held
from quanheng.policy.shortages import find_shortages

PROVINCE, CITY = OrgCode("62"), OrgCode("6201")
GANSU = OrgCode("620102")


def people(pack: str, *posts: tuple[str, OrgCode | None]) -> dict[KeycloakId, tuple[Held, ...]]:
    """One person for each post in an area; several posts with one ``+`` are one person's."""
    rules = compile_rules(shipped(pack))
    return {
        KeycloakId(f"u{number}"): tuple(
            held for role in names.split("+") for held in hold(rules, f"post-{role}", area)
        )
        for number, (names, area) in enumerate(posts)
    }


def missing(
    pack: str, areas: list[OrgCode], held: dict[KeycloakId, tuple[Held, ...]]
) -> list[tuple[str, str]]:
    """Rules and areas that lack somebody."""
    return [(item.rule, item.area) for item in find_shortages(shipped(pack), areas, held)]


def test_county_without_administrators() -> None:
    """Each county and the province lack what they must have, cities nothing; whoever is there fills it."""
    areas = [OrgCode("14"), OrgCode("1409"), COUNTY, NEIGHBOUR]
    held = people("shanxi", ("system-admin", COUNTY), ("operator", COUNTY), ("business-admin", None))
    assert missing("shanxi", areas, held) == [
        ("s3-has-system-admin", "14"),
        ("s3-has-system-admin", NEIGHBOUR),
        ("s3-has-business-admin", "14"),
        ("s3-has-business-admin", COUNTY),
        ("s3-has-business-admin", NEIGHBOUR),
        ("s3-has-operator", NEIGHBOUR),
        ("b8-has-auditor", "14"),
    ]


@pytest.mark.parametrize(("pack", "area"), [("shanxi", "14"), ("enshi", "4228"), ("gansu", "62")])
def test_nobody_audits(pack: str, area: str) -> None:
    """Where a pack has administrators of its topmost tier, it has somebody who audits (三员)."""
    at = OrgCode(area)
    assert ("b8-has-auditor", at) in missing(pack, [at], {})
    assert ("b8-has-auditor", at) not in missing(pack, [at], people(pack, ("auditor", at)))


def test_no_pair() -> None:
    """恩施: one account administrator is no A/B pair, two are."""
    county = OrgCode("422801")
    one = people("enshi", ("account-admin", county), ("library-permission-admin", county))
    (short,) = find_shortages(shipped("enshi"), [county], one)
    assert (short.rule, short.article, short.area) == ("e7-account-admin-pair", "E7", county)
    assert short.detail == "422801：账户管理员应至少 2 人，现有 1 人"
    two = people("enshi", ("account-admin", county), ("account-admin", county), ("permission-admin", county))
    assert missing("enshi", [county], two) == []


def stages(*posts: tuple[str, OrgCode | None]) -> list[str]:
    """What 甘肃's three levels say of a county."""
    found = find_shortages(shipped("gansu"), [GANSU], people("gansu", *posts))
    return [item.detail for item in found if item.rule == "g13-three-levels"]


def test_high_risk_business_without_three_levels() -> None:
    """A high-risk business on which somebody works lacks whoever is missing; else it lacks nothing."""
    assert stages(("registration-clerk", GANSU)) == []
    assert stages(("key-change-clerk", GANSU)) == ["620102：个人关键信息变更缺少复核、审核人员"]
    whole = [(f"account-{step}", GANSU) for step in ("rechecker", "approver")]
    assert stages(("key-change-clerk", GANSU), *whole) == []
    assert stages(("back-pay-clerk", GANSU), ("benefit-rechecker", GANSU), ("benefit-approver", CITY)) == [
        "620102：待遇补发缺少审核人员"
    ]


def test_one_person_fills_one_level() -> None:
    """Three levels need three people, even when each level has somebody."""
    assert stages(("key-change-clerk+account-rechecker", GANSU), ("account-approver", GANSU)) == [
        "620102：个人关键信息变更的初审、复核、审核不足 3 名不同的人员"
    ]
    assert (
        stages(
            ("key-change-clerk+account-rechecker", GANSU),
            ("account-approver+key-change-clerk", GANSU),
            ("account-approver+account-rechecker", GANSU),
        )
        == []
    )
