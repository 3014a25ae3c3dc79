"""Names of roles that were exchanged on a real server: what ``realm apply`` and our own client do then."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from deploy.local.keycloak import RunningKeycloak

from fixtures.real_world import Console, RealWorld, choices_of, open_real_world
from fixtures.servers_keycloak import KeycloakRealm
from fixtures.world import WorldTemplate
from quanheng.keycloak.credentials import AdminPassword
from quanheng.keycloak.port import RealmRefusedError
from quanheng.keycloak.sealing import SwappedRolesError, duty_ids
from quanheng.model.ids import RoleName
from quanheng.model.realm import ObservedRealm
from quanheng.model.sensitive import Sensitive
from quanheng.operations.realm import RealmOptions, apply_realm, read_drift
from quanheng.policy.pack import load_packs
from quanheng.store.meta import write_text

HANDLER: Final = RoleName("post-handler")
REVIEWER: Final = RoleName("post-reviewer")


def exchange(admin: Console, first: str = HANDLER, second: str = REVIEWER) -> None:
    """Exchange the names of two roles, by an administrator whom nothing guards against."""
    one, two = (admin.get(f"/roles/{name}") for name in (first, second))
    for role, name in ((one, "aside"), (two, first), (one, second)):
        admin.send("PUT", f"/roles-by-id/{role['id']}", {**role, "name": name})


@pytest.fixture
def real(
    make_keycloak_realm: Callable[..., KeycloakRealm], world_template: WorldTemplate, tmp_path: Path
) -> RealWorld:
    """A realm that nothing guards, of which the store knows the roles of duties."""
    made = make_keycloak_realm(**choices_of(load_packs(["shanxi"])))
    real = open_real_world(made, world_template, tmp_path / "world", rules_key=Ed25519PrivateKey.generate())
    observed = ObservedRealm(groups={}, users={}, roles=real.realm.read_roles())
    known = duty_ids(real.world.context.rules, observed)
    with real.world.context.database.transaction() as connection:
        write_text(connection, "rules_duties", json.dumps(known))
    return real


def all_of(admin: Console) -> Any:
    """Settings, and every role with its id and what it contains."""
    roles = {
        role["id"]: (
            role["name"],
            sorted(part["id"] for part in admin.get(f"/roles-by-id/{role['id']}/composites")),
        )
        for role in admin.get("/roles", max=500, briefRepresentation="false")
    }
    return admin.get(""), roles


def test_realm_apply_writes_nothing(real: RealWorld, keycloak_server: RunningKeycloak) -> None:
    """It says what to do, before it has changed anything at all; the drift names the exchange, and of the
    roles concerned nothing else. With the names back it mends."""
    credential = AdminPassword(keycloak_server.admin_user, Sensitive(keycloak_server.admin_password))
    context = real.world.context
    options = RealmOptions(social_card_issuer="https://bridge.invalid/")
    real.admin.send("PUT", "", {"accessTokenLifespan": 4000})
    exchange(real.admin)
    before = all_of(real.admin)
    with pytest.raises(SwappedRolesError, match=r"'post-handler' is called 'post-reviewer'") as refused:
        apply_realm(context, credential, options)
    assert "docs/howto/guard.md" in refused.value.remedy
    assert all_of(real.admin) == before
    drift = read_drift(context)
    names = {f"roles.{HANDLER}.name", f"roles.{REVIEWER}.name"}
    assert {gap.where for gap in drift.ours if gap.where.startswith("roles.")} == names
    assert {gap.where for gap in drift.exchanged} == names
    assert "realm.accessTokenLifespan" in {gap.where for gap in drift.alarming}
    assert not names & {gap.where for gap in drift.alarming}
    exchange(real.admin)
    done = apply_realm(context, credential, options)
    assert "realm.accessTokenLifespan" in {gap.where for gap in done.mended}
    assert read_drift(context).ours == ()


def test_roles_that_were_kept(real: RealWorld) -> None:
    """Our own client, which knew a role by a name that is another's now: Keycloak refuses it once, and what
    was read since is believed."""
    realm, admin = real.realm, real.admin
    groups = [realm.create_group(None, name, {}, frozenset()) for name in ("甲", "乙", "丙")]
    realm.add_group_roles(groups[0], frozenset({HANDLER}))
    exchange(admin)
    with pytest.raises(RealmRefusedError) as refused:
        realm.add_group_roles(groups[1], frozenset({HANDLER}))
    assert refused.value.status == 404
    realm.add_group_roles(groups[1], frozenset({HANDLER}))
    exchange(admin)
    realm.read_roles()
    realm.add_group_roles(groups[2], frozenset({HANDLER}))
    found = realm.read_groups()
    assert [found[group].roles for group in groups] == [{HANDLER}, {REVIEWER}, {HANDLER}]
