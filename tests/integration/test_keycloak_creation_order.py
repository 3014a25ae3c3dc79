"""A new user joins its groups in the order given: seen through the guard, which judges each join."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from deploy.local.keycloak import RunningKeycloak

from fixtures.servers_keycloak import describe_realm
from fixtures.world import NOON
from quanheng.keycloak.clients import open_configurator
from quanheng.keycloak.configuration import apply_configuration
from quanheng.keycloak.port import RealmRefusedError
from quanheng.keycloak.rest import RestRealm
from quanheng.keycloak.sealing import seal
from quanheng.model.ids import GroupPath, KeycloakId, QualificationId, RoleName, Username
from quanheng.model.realm import FederatedIdentity, NewUser, ObservedRealm
from quanheng.policy.rules import CompiledRules, Duty

OPERATOR = RoleName("post-operator")
PERMANENT = QualificationId("permanent")
QUALIFIED: GroupPath = ("资格", "正式在编")
DUTY: GroupPath = ("岗位", "业务操作员")
_numbers = count(1)


def person(number: int, *groups: GroupPath) -> NewUser:
    """A person that is not real."""
    return NewUser(
        username=Username(f"sx{number:07}"),
        enabled=True,
        name="张三",
        attributes={},
        groups=groups,
        identities=frozenset({FederatedIdentity("social-card", f"subject-{number}", "")}),
    )


@pytest.fixture
def guarded(
    keycloak_server: RunningKeycloak,
    keycloak_keys: dict[str, ec.EllipticCurvePrivateKey],
    rules_key: Ed25519PrivateKey,
) -> Iterator[RestRealm]:
    """A guarded realm where the operator's duty requires a qualification."""
    made = describe_realm(keycloak_server, keycloak_keys, f"guarded-order-{next(_numbers)}")
    admin = made.admin()
    apply_configuration(admin, made.desired)
    open_configurator(admin)
    realm = made.rest()
    none: frozenset[RoleName] = frozenset()
    group = realm.create_group(realm.create_group(None, QUALIFIED[0], {}, none), QUALIFIED[1], {}, none)
    realm.create_group(realm.create_group(None, DUTY[0], {}, none), DUTY[1], {}, frozenset({OPERATOR}))
    duty = Duty(role=OPERATOR, label="业务操作员", article="S6", requires=frozenset({PERMANENT}))
    realm.guard.publish(
        seal(
            CompiledRules(duties={OPERATOR: duty}, qualifications={PERMANENT: "正式在编"}),
            ObservedRealm(groups={}, users={}, roles=realm.read_roles()),
            realm=made.name,
            sequence=1,
            now=NOON,
            waivers=(),
            writers=[KeycloakId(user) for user in realm.own_actors],
            qualifications={PERMANENT: group},
            card="social-card",
            user_names=(),
            default_role=(RoleName("none"), ()),
            key=rules_key,
        )
    )
    yield realm
    made.close()


def test_qualification_before_duty(guarded: RestRealm) -> None:
    """One by one and in bulk alike: with the qualification first both are joined, the other way round the
    guard refuses and nobody is left behind."""
    start = guarded.read_server_time() - timedelta(minutes=1)
    ways: tuple[Callable[[NewUser], object], ...] = (
        guarded.create_user,
        lambda user: guarded.import_users([user]),
    )
    for number, create in enumerate(ways):
        create(person(number, QUALIFIED, DUTY))
        found = guarded.find_user(Username(f"sx{number:07}"))
        assert found is not None
        assert len(found.groups) == 2
        with pytest.raises(RealmRefusedError) as refused:
            create(person(number + 10, DUTY, QUALIFIED))
        assert refused.value.status == 409
        assert guarded.find_user(Username(f"sx{number + 10:07}")) is None
    told = [event.detail for event in guarded.read_admin_events(start) if event.detail]
    assert [json.loads(detail)["kind"] for detail in told] == ["veto"] * len(ways)
