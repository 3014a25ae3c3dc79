"""The local server: its data outlives it, and it is stopped and killed by its own number alone."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest
from deploy.local.keycloak import QUICK_START, start_keycloak, stop_keycloak

from fixtures.world import World
from quanheng.errors import ConfigurationError
from quanheng.keycloak.connection import Connection, is_loopback
from quanheng.keycloak.credentials import AdminPassword
from quanheng.model.sensitive import Sensitive
from quanheng.operations.realm import RealmOptions, apply_realm


def test_data_outlives_the_server(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped, or killed, and started again, the server has its realms and the same administrator; without a
    name of its own it gets no login by password."""
    folder = tmp_path / "keycloak"
    server = start_keycloak(folder, heap="512m", java_options=QUICK_START)
    try:
        credential = AdminPassword(server.admin_user, Sensitive(server.admin_password))
        with Connection(server.url, "kept", credential, token_realm="master") as connection:
            connection.request("POST", "admin/realms", json={"realm": "kept", "enabled": True})
            assert is_loopback(connection.issuer_asked_as("quanheng.invalid"))
        stop_keycloak(server.pid)
        server = start_keycloak(folder, heap="512m", java_options=QUICK_START, named=False)
        with Connection(server.url, "kept", credential, token_realm="master") as connection:
            assert connection.get("admin/realms/kept")["realm"] == "kept"
        monkeypatch.setattr("quanheng.operations.realm.desired_configuration", lambda *_: None)
        keycloak = world.settings.keycloak.model_copy(update={"url": server.url})
        elsewhere = world.open(settings=world.settings.model_copy(update={"keycloak": keycloak}))
        with pytest.raises(ConfigurationError, match="whatever name"):
            apply_realm(elsewhere, credential, RealmOptions(password_form=True))
    finally:
        stop_keycloak(server.pid, hard=True)

    assert server.admin_password not in repr(server)
    assert stat.S_IMODE((folder / "admin.json").stat().st_mode) == 0o600
    stop_keycloak(server.pid)  # nothing happens when it is gone


def test_other_processes_are_left_alone() -> None:
    """A number that belongs to something else by now is not stopped."""
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as other:
        try:
            stop_keycloak(other.pid, hard=True)
            assert other.poll() is None
        finally:
            other.kill()
