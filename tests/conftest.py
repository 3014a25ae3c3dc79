"""Fixtures that every test may ask for, one module for each server."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    "fixtures.kills", "fixtures.guard", "fixtures.opposing", "fixtures.admin_matrix"
)
pytest_plugins = [
    "fixtures.servers_keycloak",
    "fixtures.guard",
    "fixtures.servers_slapd",
    "fixtures.servers_postgres",
    "fixtures.stores",
    "fixtures.world",
    "fixtures.real_world",
    "fixtures.watched_realm",
    "fixtures.delegated_realm",
    "fixtures.delegated_packs",
    "fixtures.console_realm",
    "fixtures.command_line",
]
