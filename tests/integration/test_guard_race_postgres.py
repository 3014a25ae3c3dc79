"""The same grants at once on PostgreSQL, where the guard locks and reads by a statement of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from deploy.local.keycloak import QUICK_START, start_keycloak, stop_keycloak
from deploy.local.postgres import LocalPostgres
from deploy.local.server_database import create_server_database

from fixtures.guard import GuardedRealm, build_guarded_realm
from fixtures.opposing import assert_last_seat_is_given_once, assert_one_of_each_pair
from fixtures.servers_keycloak import describe_realm, guard_options


@pytest.fixture(scope="module")
def guarded_on_postgres(
    postgres: LocalPostgres,
    keycloak_keys: dict[str, ec.EllipticCurvePrivateKey],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[GuardedRealm]:
    """A guarded realm of a server whose database is a PostgreSQL."""
    name = f"keycloak_race{os.environ.get('PYTEST_XDIST_WORKER', '')}"
    folder = tmp_path_factory.mktemp("race")
    key = Ed25519PrivateKey.generate()
    server = start_keycloak(
        folder / "keycloak",
        heap="512m",
        java_options=QUICK_START,
        guard=guard_options(key, folder),
        database=create_server_database(postgres, name),
    )
    try:
        realm = describe_realm(server, keycloak_keys, "guarded-race")
        yield build_guarded_realm(realm, key)
        realm.close()
    finally:
        stop_keycloak(server.pid, hard=True)
        postgres.drop_database(name)


def test_opposing_pairs_on_postgres(guarded_on_postgres: GuardedRealm) -> None:
    """Four clients give one user two posts that exclude each other, again and again: never both are held."""
    assert_one_of_each_pair(guarded_on_postgres)


def test_last_seat_of_a_county_on_postgres(guarded_on_postgres: GuardedRealm) -> None:
    """Four clients give four people the one seat of a county, each by another group: one gets it."""
    assert_last_seat_is_given_once(guarded_on_postgres)
