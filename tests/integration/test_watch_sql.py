"""Power given in the server's database, past Keycloak: no veto, no event, and the caches show none of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from deploy.local.keycloak import QUICK_START, ServerDatabase, start_keycloak, stop_keycloak
from deploy.local.postgres import LocalPostgres
from deploy.local.server_database import create_server_database
from sqlalchemy import Engine, create_engine, text

from fixtures.real_world import choices_of
from fixtures.servers_keycloak import describe_realm, guard_options
from fixtures.watched_realm import OFFICE, ROLE, WHO, WatchedRealm, build_watched_realm
from fixtures.world import WorldTemplate
from quanheng.operations.daemon import SWEEP
from quanheng.policy.pack import load_packs

OTHER = "T00003"
"""A villager, 业务操作员."""
MEMBERSHIP = text(
    "insert into user_group_membership (user_id, group_id, membership_type) values (:a, :b, 'UNMANAGED')"
)
MAPPING = text("insert into user_role_mapping (user_id, role_id) values (:a, :b)")
COMPOSITE = text("insert into composite_role (composite, child_role) values (:a, :b)")
LEFT = text("select count(*) from user_role_mapping where user_id = :a and role_id = :b")


@pytest.fixture
def database(postgres: LocalPostgres) -> Iterator[tuple[ServerDatabase, Engine]]:
    """A database for a Keycloak, as the server opens it and as its administrator does."""
    name = f"keycloak{os.environ.get('PYTEST_XDIST_WORKER', '')}"
    made = create_server_database(postgres, name)
    engine = create_engine(postgres.url(name))
    yield made, engine
    engine.dispose()
    postgres.drop_database(name)


@pytest.fixture
def watched(
    database: tuple[ServerDatabase, Engine],
    keycloak_keys: dict[str, ec.EllipticCurvePrivateKey],
    world_template: WorldTemplate,
    tmp_path: Path,
) -> Iterator[WatchedRealm]:
    """A guarded realm of a server on that database."""
    key = Ed25519PrivateKey.generate()
    server = start_keycloak(
        tmp_path / "keycloak",
        heap="512m",
        java_options=QUICK_START,
        guard=guard_options(key, tmp_path, metrics=False),  # as Keycloak comes
        database=database[0],
    )
    try:
        choices = choices_of(load_packs(["shanxi"]))
        realm = describe_realm(server, keycloak_keys, "guarded-sql", choices)
        made = build_watched_realm(realm, world_template, tmp_path / "world", key)
        yield made
        made.world.close()
        realm.close()
    finally:
        stop_keycloak(server.pid, hard=True)


def test_the_sweep_finds_what_was_written_past_keycloak(
    watched: WatchedRealm, database: tuple[ServerDatabase, Engine]
) -> None:
    """A membership, a role and a composite by INSERT: unseen while cached, all undone after one sweep."""
    engine, world = database[1], watched.world
    who, other, office = watched.ids[WHO], watched.ids[OTHER], watched.ids[OFFICE]
    names = (ROLE, "post-handler", "post-business-admin")
    role, handler, business = (watched.role(name)["id"] for name in names)

    def effective(user: str) -> set[str]:
        found = watched.admin.get(f"/users/{user}/role-mappings/realm/composite")
        return {item["name"] for item in found}

    cached = {user: effective(user) for user in (who, other)}
    with engine.begin() as connection:
        connection.execute(MEMBERSHIP, {"a": other, "b": office})
        connection.execute(MAPPING, {"a": who, "b": role})
        connection.execute(COMPOSITE, {"a": handler, "b": business})
    assert {user: effective(user) for user in cached} == cached
    assert watched.look().quiet

    told = SWEEP.run(world.context)
    assert "caches_cleared=True" in told
    assert "conflicts=0" not in told
    assert ROLE in effective(who) & effective(other)
    assert "post-business-admin" in effective(who)

    assert watched.look().changes == 2
    assert {user: effective(user) for user in cached} == cached
    watched.assert_right()
    assert watched.look().quiet
    with engine.connect() as connection:
        assert connection.execute(LEFT, {"a": who, "b": role}).scalar() == 0
    taken = {(body["subject"], kind) for kind in ("revoke", "role_remove") for body in watched.bodies(kind)}
    first, second = (str(world.person(staff_no).username) for staff_no in (WHO, OTHER))
    assert taken == {(second, "revoke"), (first, "role_remove")}
    assert [body["subject"] for body in watched.bodies("cause_restored")] == ["post-handler"]
    world.verify_ledger()
