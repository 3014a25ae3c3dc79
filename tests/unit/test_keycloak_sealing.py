"""Compiled rules made into the guard's JSON: by id, signed, and the same bytes for the same rules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fixtures.feeds import shanxi
from fixtures.pure import desire, realm_of, registry
from quanheng.keycloak.configuration_files import read_mapper_rules
from quanheng.keycloak.guard import SealedRules
from quanheng.keycloak.sealing import (
    Exchanged,
    SwappedRolesError,
    UnsealableRulesError,
    digest_of_rules,
    duty_ids,
    find_exchanged,
    seal,
)
from quanheng.model.ids import KeycloakId, OrgCode, QualificationId, RoleName
from quanheng.model.realm import ObservedRealm
from quanheng.policy.compiling import compile_rules
from quanheng.policy.rules import CompiledRules, Duty, ExclusionRule, MaximumRule, WaiverInForce, Within

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
NOW = datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC)
PERMANENT = QualificationId("permanent")
A, B = RoleName("post-a"), RoleName("sys/b")
RULES = CompiledRules(
    duties={
        A: Duty(
            role=A,
            label="甲",
            article="S5",
            requires=frozenset({PERMANENT}),
            granters=frozenset({A}),
            within=(
                Within(
                    areas=(OrgCode("1405"),),
                    requires=frozenset({QualificationId("other")}),
                    granters=frozenset(),
                ),
            ),
        ),
        B: Duty(role=B, label="乙", article=""),
    },
    exclusions=(
        ExclusionRule(
            id="x-one#2",
            label="不得兼任",
            article="S3",
            scope="county",
            left=frozenset({A}),
            right=frozenset({B}),
            areas=(OrgCode("1405"),),
            waivable=True,
        ),
        ExclusionRule(
            id="x-two", label="严禁", article="S3", scope="person", left=frozenset({A}), right=frozenset({B})
        ),
    ),
    maxima=(
        MaximumRule(
            id="m-one",
            label="至多一人",
            article="S8",
            per="county",
            roles=frozenset({A}),
            most=1,
            digits=frozenset({6, 2}),
        ),
    ),
    composites={A: frozenset({B})},
    qualifications={PERMANENT: "正式在编", QualificationId("other"): "其他"},
)


def realm_with(*names: RoleName) -> ObservedRealm:
    """A realm with roles of these names."""
    observed = realm_of(desire(registry()))
    role = next(iter(observed.roles.values()))
    roles = {name: replace(role, id=KeycloakId(f"id-{name}"), name=name) for name in names}
    return ObservedRealm(groups={}, users={}, roles=roles)


def sealed(
    rules: CompiledRules = RULES, observed: ObservedRealm | None = None, **changes: Any
) -> SealedRules:
    """Rules of a realm with both roles, sealed."""
    given: dict[str, Any] = {
        "realm": "shanxi",
        "sequence": 12,
        "now": NOW,
        "waivers": (),
        "writers": (KeycloakId("w2"), KeycloakId("w1")),
        "qualifications": {PERMANENT: KeycloakId("g1")},
        "card": "social-card",
        "user_names": ("sx#", "break-glass-1"),
        "default_role": (DEFAULT, {RoleName("account/view-profile")}),
        "key": KEY,
    }
    return seal(rules, observed or realm_with(A, B), **(given | changes))


def test_everything_is_named_by_id() -> None:
    """The JSON is the one that the guard reads, with ids in place of names."""
    mappers = read_mapper_rules()
    assert json.loads(sealed().payload) == {
        "format": 1,
        "realm": "shanxi",
        "sequence": 12,
        "issued": "2026-11-22T01:02:03Z",
        "card": "social-card",
        "writers": ["w1", "w2"],
        "duties": {
            "id-post-a": {
                "label": "甲",
                "article": "S5",
                "requires": ["g1"],
                "granters": ["id-post-a"],
                "within": [{"areas": ["1405"], "requires": ["no-group:other"], "granters": []}],
            },
            "id-sys/b": {"label": "乙", "article": "", "requires": [], "granters": []},
        },
        "exclusions": [
            {
                "id": "x-one#2",
                "label": "不得兼任",
                "article": "S3",
                "scope": "county",
                "areas": ["1405"],
                "left": ["id-post-a"],
                "right": ["id-sys/b"],
            },
            {
                "id": "x-two",
                "label": "严禁",
                "article": "S3",
                "scope": "person",
                "areas": [],
                "left": ["id-post-a"],
                "right": ["id-sys/b"],
            },
        ],
        "maxima": [
            {
                "id": "m-one",
                "label": "至多一人",
                "article": "S8",
                "per": "county",
                "areas": [],
                "digits": [2, 6],
                "roles": ["id-post-a"],
                "most": 1,
            }
        ],
        "waivers": [],
        "groups": {"g1": "正式在编", "no-group:other": "其他"},
        "protect": {
            "composites": {"id-post-a": ["id-sys/b"], "id-sys/b": []},
            "protocol_mappers": sorted(mappers.protocol_mappers),
            "provider_mappers": sorted(mappers.provider_mappers),
            "role_claims": sorted(mappers.role_claims | mappers.identity_claims),
            "truthful": [{"kind": item.kind, "config": dict(item.config)} for item in mappers.truthful],
            "provider_attributes": sorted(mappers.provider_attributes),
            "user_names": ["break-glass-1", "sx#"],
        },
    }


def test_signed_and_repeatable() -> None:
    """The signature is over the very bytes, and the same rules make the same bytes."""
    rules = sealed()
    KEY.public_key().verify(rules.signature, rules.payload)
    with pytest.raises(InvalidSignature):
        KEY.public_key().verify(rules.signature, rules.payload.replace(b"12", b"13"))
    assert sealed() == rules


def test_digest_is_of_what_they_say() -> None:
    """A later issue of the same rules has the same digest; another rule, id or writer another."""
    digest = digest_of_rules(sealed())
    assert digest_of_rules(sealed(sequence=13, now=NOW + timedelta(days=1))) == digest
    assert digest_of_rules(sealed(replace(RULES, exclusions=()))) != digest
    assert digest_of_rules(sealed(writers=())) != digest
    assert digest_of_rules(sealed(qualifications={PERMANENT: KeycloakId("g2")})) != digest


def test_missing_roles_are_named() -> None:
    """A role that the realm lacks is an error that says what to run: a rule must not fall silent."""
    with pytest.raises(UnsealableRulesError, match=r"lacks roles of the packs: sys/b →") as found:
        sealed(observed=realm_with(A))
    assert "realm apply" in found.value.remedy


def test_waivers_of_waivable_rules_alone() -> None:
    """The guard does not know which rules may be waived, so it is never told of others."""
    until = date(2026, 12, 31)
    waivers = [
        WaiverInForce(user=KeycloakId("u"), rule=rule, until=until) for rule in ("x-two", "x-one", "nothing")
    ]
    assert json.loads(sealed(waivers=waivers).payload)["waivers"] == [
        {"user": "u", "rule": "x-one", "until": "2026-12-31"}
    ]


def test_a_whole_pack() -> None:
    """Every rule of a shipped pack is sealed once the realm has its roles."""
    observed = realm_of(desire(registry()))
    rules = compile_rules(shanxi())
    body = json.loads(sealed(rules, observed).payload)
    assert len(body["duties"]) == len(rules.duties)
    assert len(body["exclusions"]) == len(rules.exclusions)
    sealed_parts = body["protect"]["composites"]
    assert set(sealed_parts) >= {f"id {name}" for name in (*rules.composites, *rules.duties)}
    console = {part for post in rules.composites for part in sealed_parts[f"id {post}"]}
    assert console <= sealed_parts.keys()
    assert sealed_parts["id realm-management/query-users"] == []
    assert sealed_parts["id realm-management/view-users"] == [
        "id realm-management/query-groups",
        "id realm-management/query-users",
    ]


DEFAULT, ASIDE, POST = RoleName("default-roles-shanxi"), RoleName("aside"), RoleName("post-c")


def test_what_everybody_holds_is_protected() -> None:
    """Exactly what the configuration says, as far as it is there; under another name it is not known."""
    own = RoleName("account/view-profile")

    def inside(*roles: RoleName) -> Any:
        return json.loads(sealed(observed=realm_with(A, B, *roles)).payload)["protect"]["composites"]

    assert inside(DEFAULT, own)[f"id-{DEFAULT}"] == [f"id-{own}"]
    assert inside(DEFAULT)[f"id-{DEFAULT}"] == []
    assert f"id-{DEFAULT}" not in inside(own)


def exchanged(now: Mapping[str, RoleName], known: Mapping[KeycloakId, RoleName] | None = None) -> Exchanged:
    """What is found of roles whose names are these now."""
    names = {KeycloakId(role): name for role, name in now.items()}
    rules = replace(RULES, composites={A: frozenset(), POST: frozenset({B})})
    before = duty_ids(RULES, realm_with(A, B)) if known is None else known
    return find_exchanged(rules, before, names, default_role=DEFAULT)


def test_names_of_duties_that_were_swapped() -> None:
    """An id that is known as one duty's and goes by another's name: an error that says which."""
    known = duty_ids(RULES, realm_with(A, B))
    assert known == {"id-post-a": A, "id-sys/b": B}
    assert not exchanged({**known, "other": DEFAULT})
    exchanged({**known}).require_none()
    with pytest.raises(
        SwappedRolesError, match=r"'post-a' is called 'sys/b' now, 'sys/b' is called"
    ) as found:
        exchanged({"id-post-a": B, "id-sys/b": A}).require_none()
    assert "console" in found.value.remedy
    assert [(swap.was, swap.now) for swap in found.value.swapped] == [(A, B), (B, A)]


def test_one_name_taken_over() -> None:
    """One of them deleted, and the other under its name: no less."""
    assert exchanged({"id-sys/b": A})
    assert exchanged({"id-sys/b": A, "new": B})


def test_a_duty_under_the_name_of_what_everybody_holds() -> None:
    """By that name everybody is given the default role."""
    found = exchanged({"id-post-a": DEFAULT, "default": ASIDE, "id-sys/b": B})
    assert [(swap.was, swap.now) for swap in found.swaps] == [(A, DEFAULT)]


def test_names_that_say_nothing_any_more() -> None:
    """Those that the roles had and have, and those of posts that contain one; of other roles, none."""
    found = exchanged({"id-post-a": ASIDE, "id-sys/b": A, "other": RoleName("other")})
    assert [(swap.was, swap.now) for swap in found.swaps] == [(B, A)]
    assert found.names == {A, B, ASIDE, POST}
    assert exchanged({"id-post-a": ASIDE, "id-sys/b": B}) == Exchanged()  # a name that nothing looks for


def test_a_role_made_anew_is_no_other() -> None:
    """An id that nobody knows may have any name, and so may one whose duty the packs dropped."""
    assert not exchanged({"new": A, "id-sys/b": B})
    assert not exchanged({"old": A}, {KeycloakId("old"): RoleName("post-gone")})
