"""What the guard does with rules, in memory and inside a real Keycloak alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fixtures.world import NOON
from quanheng.keycloak.guard import Guard, GuardStatus, SealedRules
from quanheng.keycloak.port import RealmRefusedError
from quanheng.keycloak.sealing import seal
from quanheng.model.ids import KeycloakId, RoleName, Username
from quanheng.model.realm import FederatedIdentity, MapperHolder, NewUser, ObservedRealm
from quanheng.policy.rules import CompiledRules, Duty, ExclusionRule

from .conftest import Bench, FakeBench, GuardBench

NONE: frozenset[RoleName] = frozenset()
OPERATOR, HANDLER = RoleName("post-operator"), RoleName("post-handler")
_sequences = count(100, 10)
NO_GUARD = "this server has no guard: deploy/local/guard.py builds it with Maven and puts it in"


@pytest.fixture
def guard(guard_bench: GuardBench) -> Guard:
    """The guard behind its port."""
    return guard_bench.bench.realm.guard


def status_of(guard: Guard) -> GuardStatus:
    """What it says of itself."""
    found = guard.read_status()
    assert found is not None, NO_GUARD
    return found


def sealed(guard_bench: GuardBench, sequence: int, **changes: Any) -> SealedRules:
    """Rules with two duties, one of which contains the other's permission."""
    realm = guard_bench.bench.realm
    permission = RoleName("jiujinban/service_query")
    rules = CompiledRules(
        duties={
            role: Duty(role=role, label="岗位", article="S5") for role in (OPERATOR, HANDLER, permission)
        },
        exclusions=(
            ExclusionRule(
                id="x-one",
                label="不得兼任",
                article="S3",
                scope="person",
                left=frozenset({OPERATOR}),
                right=frozenset({HANDLER}),
            ),
        ),
        composites={OPERATOR: frozenset({permission}), HANDLER: NONE},
    )
    given: dict[str, Any] = {
        "realm": guard_bench.realm,
        "sequence": sequence,
        "now": NOON,
        "waivers": (),
        "writers": [KeycloakId(user) for user in realm.own_actors],
        "qualifications": {},
        "card": "social-card",
        "user_names": {"sx#"},
        "default_role": (RoleName("none"), ()),
        "key": guard_bench.key,
    }
    observed = ObservedRealm(groups={}, users={}, roles=realm.read_roles())
    return seal(rules, observed, **(given | changes))


def person(number: int) -> NewUser:
    """Somebody with a card."""
    return NewUser(
        username=Username(f"sx{number}"),
        enabled=True,
        name="张三",
        attributes={},
        groups=(),
        identities=frozenset({FederatedIdentity("social-card", f"subject-{number}", f"sx{number}")}),
    )


@pytest.fixture
def base(guard_bench: GuardBench) -> int:
    """Rules in force, and their number: higher than any before."""
    guard_bench.bench.client_role("jiujinban", "service_query", "", NONE)
    number = next(_sequences)
    guard_bench.bench.realm.guard.publish(sealed(guard_bench, number))
    return number


def assert_refused(call: Callable[[], object]) -> None:
    """The guard refuses with 409."""
    with pytest.raises(RealmRefusedError) as found:
        call()
    assert found.value.status == 409


def test_no_guard(bench: Bench) -> None:
    """A server without the guard says nothing: None, never an error; a guard says its version."""
    status = bench.realm.guard.read_status()
    if isinstance(bench, FakeBench):
        assert status is None
    else:
        assert status is not None, NO_GUARD
        assert status.version


def test_in_force(guard: Guard, base: int) -> None:
    """Rules that were put are in force, and may be put again."""
    status = status_of(guard)
    assert (status.valid, status.problem, status.sequence) == (True, "", base)
    assert status.version
    assert status.break_glass_until is None


def test_put_again(guard_bench: GuardBench, guard: Guard, base: int) -> None:
    """The same rules twice are one issue; higher numbers replace them."""
    later = sealed(guard_bench, base + 1)
    for _ in range(2):
        guard.publish(later)
    assert status_of(guard).sequence == base + 1


def test_not_believed(guard_bench: GuardBench, guard: Guard, base: int) -> None:
    """Another's signature, changed bytes, another realm's rules, an older number, another text under the
    same number, rules whose writers we are not: refused with 409, and what was in force stays."""
    good = sealed(guard_bench, base + 1)
    for bad in (
        sealed(guard_bench, base + 1, key=Ed25519PrivateKey.generate()),
        replace(good, payload=good.payload.replace(b"S3", b"S4")),
        replace(good, signature=b"x"),
        sealed(guard_bench, base + 1, realm="another"),
        sealed(guard_bench, base - 1),
        sealed(guard_bench, base, card="another"),
        sealed(guard_bench, base + 1, writers=()),
    ):
        assert_refused(partial(guard.publish, bad))
    assert status_of(guard).sequence == base


def test_restored(guard_bench: GuardBench, guard: Guard, base: int) -> None:
    """A role that entered a post's role, and a duty that entered a role of somebody's own, are taken out;
    a permission that was taken out is put back; the second time there is nothing to do."""
    bench = guard_bench.bench
    bench.put_into(HANDLER, frozenset({RoleName("account/view-profile")}))
    own = bench.composite("own", frozenset({OPERATOR}))

    found = guard.restore()

    assert {(item.kind, item.subject, item.removed) for item in found} == {
        ("composite", "post-handler", "account/view-profile"),
        ("composite", "own", "post-operator"),
    }
    roles = bench.realm.read_roles()
    assert roles[HANDLER].composites == roles[own].composites == NONE
    assert roles[OPERATOR].composites == {"jiujinban/service_query"}
    assert guard.restore() == ()


def test_restored_past_roles(guard_bench: GuardBench, guard: Guard) -> None:
    """Default groups go, and mappers that give or forge roles, whatever they belong to; others stay."""
    bench = guard_bench.bench
    realm = bench.realm
    bench.client_role("jiujinban", "service_query", "", NONE)
    group = realm.create_group(None, "机构", {}, NONE)
    bench.default_group(group)
    made = {
        MapperHolder.CLIENT: ("oidc-hardcoded-role-mapper", {"role": "post-handler"}),
        MapperHolder.CLIENT_SCOPE: (
            "oidc-hardcoded-claim-mapper",
            {"claim.name": "name", "claim.value": "x"},
        ),
        MapperHolder.PROVIDER: ("hardcoded-attribute-idp-mapper", {"attribute": "org_code"}),
    }
    holders = {
        holder: bench.mapper(holder, "forging", kind, config) for holder, (kind, config) in made.items()
    }
    ordinary = {"claim.name": "department", "user.attribute": "department"}
    bench.mapper(MapperHolder.CLIENT, "kept", "oidc-usermodel-attribute-mapper", ordinary)
    guard.publish(sealed(guard_bench, next(_sequences)))

    found = guard.restore()

    assert {(item.kind, item.subject, item.removed) for item in found} == {
        ("default_group", guard_bench.realm, "机构"),
        ("protocol_mapper", f"client {holders[MapperHolder.CLIENT]}", "forging"),
        ("protocol_mapper", f"client scope {holders[MapperHolder.CLIENT_SCOPE]}", "forging"),
        ("provider_mapper", holders[MapperHolder.PROVIDER], "forging"),
    }
    assert realm.read_default_groups() == {}
    assert {"forging", "kept"} & {item.name for item in realm.read_mappers()} == {"kept"}
    assert guard.restore() == ()


def test_caches(guard: Guard, base: int) -> None:
    """Caches can be cleared at any time; rules stay in force."""
    for _ in range(2):
        guard.clear_caches()
    assert status_of(guard).sequence == base


def test_holders(guard_bench: GuardBench, guard: Guard, base: int) -> None:
    """Everybody is there with roles and groups by id, and links, just as each is read by itself: a service
    account, somebody with nothing, somebody with roles of the realm and of a client."""
    bench = guard_bench.bench
    realm = bench.realm
    group = realm.create_group(None, "机构", {}, NONE)
    account = bench.service_account()
    made = realm.import_users([person(number) for number in range(3)])
    bare, plain, held = (made[Username(f"sx{number}")] for number in range(3))
    realm.remove_roles(bare, frozenset({realm.default_role}))
    realm.unlink_identity(bare, "social-card")
    realm.join_group(held, group)
    realm.add_roles(held, frozenset({OPERATOR}))
    bench.map_client_role(held, RoleName("jiujinban/service_query"))

    holders = guard.read_holders()

    assert holders.keys() >= {account, *made.values()}
    roles = {role.id: name for name, role in realm.read_roles().items()}
    for user, holder in holders.items():
        found = realm.read_user(user)
        assert found is not None
        assert frozenset(roles[role] for role in holder.roles) == found.roles
        assert (holder.groups, holder.identities) == (found.groups, found.identities)
    assert [len(holders[user].identities) for user in (bare, plain, held, account)] == [0, 1, 1, 0]
    assert [len(holders[user].roles) for user in (bare, plain, held)] == [0, 1, 3]
    assert holders[held].groups == {group}


def test_no_holders_without_a_guard(bench: Bench) -> None:
    """A server without the guard refuses with 404; with one, our own sync may ask, rules or not."""
    guard = bench.realm.guard
    if guard.read_status() is None:
        with pytest.raises(RealmRefusedError) as found:
            guard.read_holders()
        assert found.value.status == 404
    else:
        assert bench.realm.own_actors <= guard.read_holders().keys()


def test_without_rules(guard_bench: GuardBench, guard: Guard, base: int) -> None:
    """Rules that were wiped are missed, nothing is restored without them, and newer ones are believed. What
    number they would have to pass is told."""
    guard_bench.wipe_rules()
    status = status_of(guard)
    assert (status.valid, status.sequence) == (False, base)
    assert status.problem
    assert_refused(guard.restore)
    assert_refused(partial(guard.publish, sealed(guard_bench, base - 1)))
    guard.publish(sealed(guard_bench, base + 1))
    assert status_of(guard).valid
