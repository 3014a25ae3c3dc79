"""What the server's operator decides by options, and what outlives a restart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from deploy.local.cache import LocalServerError
from deploy.local.keycloak import QUICK_START, start_keycloak, stop_keycloak

from fixtures.guard import GuardedRealm, assert_vetoed, build_guarded_realm
from fixtures.servers_keycloak import describe_realm, guard_options


def test_break_glass_and_restart(
    tmp_path: Path, keycloak_keys: dict[str, ec.EllipticCurvePrivateKey]
) -> None:
    """With the glass broken all passes and is recorded; a restarted server still knows the newest rules."""
    folder, key = tmp_path / "keycloak", Ed25519PrivateKey.generate()
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    options = guard_options(key, tmp_path, break_glass_until=until)
    server = start_keycloak(folder, heap="512m", java_options=QUICK_START, guard=options)
    try:
        realm = build_guarded_realm(describe_realm(server, keycloak_keys, "guarded-restart"), key)
        older = realm.admin.get(realm.path(""))["attributes"]
        realm.publish()
        user = realm.add_person("business-admin")

        assert realm.join(realm.admin, user, realm.duty("system-admin")).status_code == 204
        [told] = realm.vetoes(user)
        assert (told["kind"], told["rule"]) == ("break_glass", "acting-not-entitled")
        assert "无权在该辖区授予" in told["reason"]
        assert "不相容" in told["reason"]
        assert realm.status()["break_glass_until"] == until.isoformat().replace("+00:00", "Z")

        realm.admin.request("PUT", realm.path(""), json={"attributes": older})
        realm.realm.close()
        stop_keycloak(server.pid)

        server = start_keycloak(
            folder, heap="512m", java_options=QUICK_START, guard=guard_options(key, tmp_path)
        )
        again = GuardedRealm(
            describe_realm(server, keycloak_keys, "guarded-restart"),
            key,
            roles=realm.roles,
            groups=realm.groups,
            sequence=realm.sequence,
        )
        assert (again.status()["valid"], again.status()["problem"]) == (
            False,
            "newer rules have been in force already",
        )
        assert_vetoed(again.join(again.sync, user, again.duty("handler")), "rules-missing", 409)
        again.publish()
        assert again.status()["valid"]
        again.realm.close()
    finally:
        stop_keycloak(server.pid, hard=True)
    log = (folder / "keycloak.log").read_text()
    told = [line.partition("] ")[2] for line in log.splitlines() if "org.quanheng.guard.Vetoes" in line]
    assert [line.partition(") ")[2] for line in told] == [
        f"break_glass in realm guarded-restart: acting-not-entitled at users/{user}",
        "break_glass in realm guarded-restart: rules-removal at realm",
        f"veto in realm guarded-restart: rules-missing at users/{user}",
    ]
    assert "BREAK-GLASS: nothing is vetoed until" in log


def test_break_glass_is_short(tmp_path: Path) -> None:
    """A server that is told to break the glass for more than a day does not start, and says why."""
    folder = tmp_path / "keycloak"
    options = guard_options(
        Ed25519PrivateKey.generate(),
        tmp_path,
        break_glass_until=datetime.now(UTC) + timedelta(hours=24, minutes=10),
    )

    with pytest.raises(LocalServerError):
        start_keycloak(folder, heap="512m", java_options=QUICK_START, guard=options)

    assert "more than 24 hours ahead" in (folder / "keycloak.log").read_text()
