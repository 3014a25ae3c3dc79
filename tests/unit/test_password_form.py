"""Login by password is for one machine: a switch that production refuses."""

from __future__ import annotations

import json

import pytest

from fixtures.world import World
from quanheng.errors import ConfigurationError
from quanheng.keycloak.connection import is_loopback
from quanheng.keycloak.credentials import AdminPassword
from quanheng.model.sensitive import Sensitive
from quanheng.operations.context import Context
from quanheng.operations.realm import RealmOptions, apply_realm, read_options
from quanheng.store.meta import write_text

ADMIN = AdminPassword("admin", Sensitive("never-sent"))


def at(world: World, url: str) -> Context:
    """The same installation with Keycloak at another address."""
    keycloak = world.settings.keycloak.model_copy(update={"url": url})
    return world.open(settings=world.settings.model_copy(update={"keycloak": keycloak}))


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("http://127.0.0.1:8080", True),
        ("https://localhost", True),
        ("http://[::1]:8080/auth", True),
        ("https://sso.example", False),
        ("https://10.0.0.5:8443", False),
        ("https://127.0.0.1.example", False),
        ("https://localhost@sso.example", False),
        ("https://0.0.0.0", False),
    ],
)
def test_this_machine(url: str, own: bool) -> None:
    """By the host alone."""
    assert is_loopback(url) is own


@pytest.mark.parametrize("url", ["https://sso.example", "https://10.0.0.5:8443"])
def test_refused_elsewhere(world: World, url: str) -> None:
    """Before anybody is asked for anything, with what to do instead."""
    with pytest.raises(ConfigurationError) as refused:
        apply_realm(at(world, url), ADMIN, RealmOptions(password_form=True))

    assert "--no-password-form" in refused.value.remedy


def test_a_choice_does_not_move(world: World) -> None:
    """What was chosen on one machine is not wanted at another address: the realm's flow differs there."""
    with world.context.database.transaction() as connection:
        write_text(connection, "realm_options", json.dumps({"password_form": True}))

    here, there = at(world, "http://localhost:8080"), at(world, "https://sso.example")

    assert read_options(here).password_form
    assert not read_options(there).password_form
