"""Two thousand rules in one realm: compiled, sealed and believed by the real guard, the last of them too."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import combinations
from typing import Final

from fixtures.guard import CARD, GuardedRealm, assert_vetoed, raw
from fixtures.pack_making import exclusion, post, rules_of
from quanheng.keycloak.guard import SealedRules
from quanheng.keycloak.sealing import seal
from quanheng.model.ids import KeycloakId, RoleName
from quanheng.operations.refresh import read_live

RULES: Final = 2000
POSTS: Final = tuple(f"many{number:02}" for number in range(64))
"""As many as it takes: 2,016 pairs."""
PAIRS: Final = tuple(combinations(POSTS, 2))
LAST: Final = PAIRS[RULES - 1]
FREE: Final = next(pair for pair in PAIRS[RULES:] if pair[1] == LAST[1] or pair[0] == LAST[1])
"""A pair that no rule is about, with one post of the last rule in it."""


def sealed_rules(realm: GuardedRealm) -> SealedRules:
    """The rules of a pack of so many, for this realm as it is."""
    rules = rules_of(
        *(post(name) for name in POSTS),
        exclusions=[
            exclusion(f"x-{one}-{other}", left={"posts": [one]}, right={"posts": [other]})
            for one, other in PAIRS[:RULES]
        ],
    )
    assert len(rules.exclusions) == RULES
    realm.sequence += 1
    return seal(
        rules,
        read_live(realm.realm.rest()),
        realm=realm.name,
        sequence=realm.sequence,
        now=datetime.now(UTC),
        waivers=(),
        writers=[KeycloakId(realm.sync.subject()), KeycloakId(realm.configurator.subject())],
        qualifications={},
        card=CARD,
        user_names=(),
        default_role=(RoleName("none"), ()),
        key=realm.key,
    )


def test_two_thousand_rules(guarded_realm: GuardedRealm) -> None:
    """All are kept whole and believed again when Keycloak has forgotten what it cached; a grant that breaks
    the last of them is vetoed, one that breaks none passes."""
    realm = guarded_realm
    for name in POSTS:
        realm.add_role(f"post-{name}", f"岗位{name}")
    roles = {role["name"]: role["id"] for role in realm.admin.get(realm.path("/roles"), max=500)}
    county = "/岗位/140902-忻府区"
    one, other = LAST
    free = FREE[0] if FREE[1] == other else FREE[1]
    groups = {
        name: realm.add_group(county, f"岗位{name}", area="140902", role=roles[f"post-{name}"])
        for name in (one, other, free)
    }
    sealed = sealed_rules(realm)
    guard = realm.realm.rest().guard
    guard.publish(sealed)
    user = realm.add_person()
    assert realm.join(realm.sync, user, groups[other]).status_code == 204

    for _ in range(2):
        status = guard.read_status()
        assert status is not None
        assert (status.valid, status.sequence) == (True, sealed.sequence)
        assert_vetoed(
            realm.join(realm.sync, user, groups[one]), f"x-{one}-{other}", 409, f"规则x-{one}-{other}"
        )
        assert realm.groups_of(user) == {groups[other]}
        assert raw(realm.sync, "POST", realm.guard_path("clear-caches")).status_code == 204
    assert realm.join(realm.sync, user, groups[free]).status_code == 204
    assert realm.groups_of(user) == {groups[other], groups[free]}

    kept = realm.admin.get(realm.path(""))["attributes"]["quanheng.rules"]
    assert len(kept) > len(sealed.payload) > 300_000
