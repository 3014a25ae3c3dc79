"""Two packs in one guarded realm of a real server: the city's rule is vetoed in the city alone."""

from __future__ import annotations

import os
from pathlib import Path

import requests
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from deploy.local.keycloak import RunningKeycloak

from fixtures.guard import assert_vetoed, raw
from fixtures.real_world import choices_of, open_real_world
from fixtures.servers_keycloak import describe_realm
from fixtures.stacked import CITY_BUREAU, COUNTY_BUREAU, add_city, stricter
from fixtures.world import BUREAU, SCOPE, WorldTemplate
from quanheng.keycloak.clients import open_configurator
from quanheng.keycloak.configuration import apply_configuration
from quanheng.keycloak.rest import SYNC_CLIENT
from quanheng.policy.pack import load_packs


def test_the_guard_has_the_rules_of_both(
    keycloak_server: RunningKeycloak,
    keycloak_keys: dict[str, ec.EllipticCurvePrivateKey],
    rules_key: Ed25519PrivateKey,
    world_template: WorldTemplate,
    tmp_path: Path,
) -> None:
    """Configured, synchronised and clean; what only 晋城 forbids passes in 忻府区, from our own account."""
    packs = ("shanxi", stricter(tmp_path / "strict"))
    name = f"guarded-stacked{os.environ.get('PYTEST_XDIST_WORKER', '')}"
    realm = describe_realm(keycloak_server, keycloak_keys, name, choices_of(load_packs(packs)))
    apply_configuration(realm.admin(), realm.desired)
    open_configurator(realm.admin())
    real = open_real_world(realm, world_template, tmp_path / "world", packs=packs, rules_key=rules_key)
    world = real.world
    add_city(world)
    chief = world.hire(CITY_BUREAU, "超级管理员")
    there, here = (world.hire(org, "经办人员") for org in (BUREAU, COUNTY_BUREAU))
    world.issue_and_sync(scope=(*SCOPE, "1405"))
    world.approve()
    assert world.sync().outcome.refused == ()
    assert world.duties(chief) == {"超级管理员"}
    assert world.sync().plan.empty
    assert world.check().clean

    sync = realm.client(SYNC_CLIENT)

    def join(staff_no: str, path: str) -> requests.Response:
        group = world.group(path).id
        return raw(sync, "PUT", realm_path(f"/users/{world.user(staff_no).id}/groups/{group}"))

    realm_path = real.admin.connection.realm_path
    assert_vetoed(join(here, "/岗位/140502-城区/业务操作员"), "j8-handler-and-operator", 409, "（J8）")
    office = join(chief, "/管理员/1405-晋城市/牵头科室系统管理员")
    assert_vetoed(office, "j8-super-and-system-admin", 409, "（J8）")
    assert join(there, "/岗位/140902-忻府区/业务操作员").status_code == 204
    world.close()
    realm.close()
