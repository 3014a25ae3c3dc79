"""Who administers whom: every fault of ``administration.yaml``, by the sentence that names it."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures.pack_making import administrator, exclusion, make_pack, permission, post, shipped
from quanheng.policy.contents import Pack
from quanheng.policy.lint import lint
from quanheng.policy.lint_administration import lint_administration

APPROVED = {"approved_by": ["keeper", "granter"]}
POSTS = [
    administrator("keeper", **APPROVED),
    administrator("granter", **APPROVED),
    administrator("auditor", tiers=["province"], **APPROVED),
    post("clerk", bases=["source", "console"], granted_by=["granter"]),
    post("helper", tiers=["township", "village"], bases=["source", "console"], granted_by=["granter"]),
]
OFFICERS = {"system": ["keeper"], "security": ["granter"], "audit": ["auditor"]}
APART = [
    exclusion("x-two", left={"posts": ["keeper"]}, right={"posts": ["granter"]}),
    exclusion("x-audit", left={"posts": ["auditor"]}, right={"others": True}),
]


def charge(name: str = "keeper", **fields: Any) -> dict[str, Any]:
    """Accounts of a county's own bureau."""
    values: dict[str, Any] = {
        "post": name,
        "tiers": ["county"],
        "powers": ["accounts"],
        "over": ["bureaus"],
        "article": "S4",
    }
    return values | fields


def pack(
    *charges: dict[str, Any],
    officers: dict[str, Any] | None = None,
    posts: list[dict[str, Any]] | None = None,
    permissions: list[dict[str, Any]] | None = None,
    exclusions: list[dict[str, Any]] | None = None,
) -> Pack:
    """A small pack with three officers."""
    return make_pack(
        posts or POSTS,
        permissions,
        administration={"charges": list(charges), "officers": OFFICERS | (officers or {})},
        exclusions=APART if exclusions is None else exclusions,
    )


def granting(over: list[str], **fields: Any) -> dict[str, Any]:
    """Duties, granted by the granters."""
    return charge("granter", powers=["duties"], over=over, **fields)


def posts_but(name: str, **fields: Any) -> list[dict[str, Any]]:
    """The same posts, one of them otherwise."""
    return [item | fields if item["id"] == name else item for item in POSTS]


ALLOWED = [
    charge(over=["bureaus", "towns"]),
    charge(tiers=["province"], over=["bureaus", "administrators"], reach="below"),
    charge(tiers=["province"], over=["towns"], reach="own_and_below"),
    charge(tiers=["province", "county"], areas=["1409"]),
    granting(["bureaus", "towns"]),
    granting(["bureaus", "towns"], tiers=["province"], reach="below"),
]

FAULTS: dict[str, tuple[Pack, str]] = {
    "nobody's post": (pack(charge("king")), "charges.0 (king): post is no administrator's"),
    "a duty": (pack(charge(), charge("clerk")), "charges.1 (clerk): post is no administrator's"),
    "letter of no regulation": (pack(charge(article="Q4")), "charges.0 (keeper): article 'Q'"),
    "area of somebody else": (pack(charge(areas=["62"])), "charges.0 (keeper): areas '62' lies outside"),
    "tier that the post has not": (
        pack(charge(tiers=["city"])),
        "charges.0 (keeper): tiers: the post does not exist at city",
    ),
    "tier that is no area": (
        pack(charge(tiers=["township"]), posts=posts_but("keeper", tiers=["province", "township"])),
        "charges.0 (keeper): tiers: township is no area of administrators",
    ),
    "counterparts": (
        pack(charge(over=["administrators"])),
        "charges.0 (keeper): over administrators of the own area: nobody administers oneself",
    ),
    "counterparts among others": (
        pack(charge(tiers=["province"], over=["bureaus", "administrators"], reach="own_and_below")),
        "charges.0 (keeper): over administrators of the own area",
    ),
    "towns of a province": (
        pack(charge(tiers=["province", "county"], over=["towns"])),
        "charges.0 (keeper): at tier province: only counties have towns",
    ),
    "nothing below": (
        pack(charge(reach="below")),
        "charges.0 (keeper): at tier county: nothing lies below a county",
    ),
    "nothing to grant": (
        pack(charge(powers=["accounts", "duties"])),
        "at tier county: there is nothing to grant to bureaus: no post of theirs names 'keeper'",
    ),
    "nothing to grant at the tier": (
        pack(granting(["bureaus"], tiers=["province"])),
        "charges.0 (granter): at tier province: there is nothing to grant to bureaus",
    ),
    "nothing to grant to some of them": (
        pack(granting(["bureaus", "administrators"], tiers=["province"], reach="below")),
        "charges.0 (granter): at tier province: there is nothing to grant to administrators",
    ),
    "nothing to grant in towns": (
        pack(granting(["towns"]), posts=posts_but("helper", tiers=["county"])),
        "charges.0 (granter): at tier county: there is nothing to grant to towns",
    ),
    "officer of no post": (
        pack(officers={"audit": ["king"]}),
        "administration.yaml: officers: administrator's post 'king' is not defined",
    ),
    "officer without an administrator's post": (
        pack(officers={"audit": ["clerk"]}),
        "administration.yaml: officers: administrator's post 'clerk' is not defined",
    ),
    "one post for two": (
        pack(officers={"security": ["granter", "keeper"]}),
        "administration.yaml: officers: 'keeper' is there twice",
    ),
    "two officers in one person": (
        pack(exclusions=APART[1:]),
        "administration.yaml: officers: 'keeper' and 'granter' may be one person",
    ),
    "apart in one county alone": (
        pack(exclusions=[APART[0] | {"scope": "county"}, APART[1]]),
        "administration.yaml: officers: 'keeper' and 'granter' may be one person",
    ),
    "apart in one place alone": (
        pack(exclusions=[APART[0] | {"areas": ["1409"]}, APART[1]]),
        "administration.yaml: officers: 'keeper' and 'granter' may be one person",
    ),
    "apart unless waived": (
        pack(exclusions=[APART[0], APART[1] | {"waivable": True}]),
        "administration.yaml: officers: 'granter' and 'auditor' may be one person",
    ),
    "auditor with a charge": (
        pack(charge("auditor", tiers=["province"])),
        "officers: audit: 'auditor' has charge of somebody",
    ),
    "auditor who approves": (
        pack(posts=posts_but("keeper", approved_by=["granter", "auditor"])),
        "officers: audit: 'auditor' decides on 'keeper'; take it out of approved_by",
    ),
    "auditor who grants": (
        pack(posts=posts_but("clerk", granted_by=["auditor", "granter"])),
        "officers: audit: 'auditor' decides on 'clerk'; take it out of granted_by",
    ),
    "auditor with a permission": (
        pack(permissions=[permission("p", "auditor")], exclusions=APART),
        "officers: audit: 'auditor' carries 'sys/p'",
    ),
}


@pytest.mark.parametrize(("faulty", "sentence"), FAULTS.values(), ids=list(FAULTS))
def test_fault(faulty: Pack, sentence: str) -> None:
    """Each fault is one sentence with its file and place."""
    found = lint_administration(faulty)
    assert len([fault for fault in found if sentence in fault]) == 1, found
    assert all(fault.startswith("administration.yaml: ") for fault in found)


def test_what_is_allowed() -> None:
    """A charge of each kind in a pack that holds together; a pack to be stacked has no officers."""
    assert lint(pack(*ALLOWED)) == []
    assert lint_administration(make_pack(POSTS, administration={"charges": ALLOWED})) == []


@pytest.mark.parametrize("name", ["shanxi", "shanxi+jincheng", "enshi", "gansu", "fifth"])
def test_shipped_charges(name: str) -> None:
    """No shipped pack gives the audit post anything to do, and each has somebody for both powers."""
    found = shipped(name)
    charges = found.administration.charges
    assert found.audit_posts
    assert found.audit_posts.isdisjoint(charge.post for charge in charges)
    assert {power for charge in charges for power in charge.powers} == {"accounts", "duties"}
    assert lint_administration(found) == []
