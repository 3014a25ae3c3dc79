"""What a pack asks of passwords, as Keycloak's policy says it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from quanheng.errors import ConfigurationError
from quanheng.keycloak.aspect import Documents
from quanheng.keycloak.configuration_files import RealmChoices, configuration_folder, load_configuration
from quanheng.keycloak.configured_realm import settings
from quanheng.keycloak.password_policy import (
    meets,
    parse_policy,
    policy_text,
    realm_settings,
    same_policy,
)
from quanheng.operations.glass.sealing import _new_password
from quanheng.policy.pack import find_pack, load_pack
from quanheng.policy.schema_lifecycle import Passwords


def asked(**fields: object) -> Passwords:
    """Rules of passwords with something else."""
    values: dict[str, object] = {
        "length": 6,
        "administrator_length": 8,
        "not_username": False,
        "renew_days": 90,
        "articles": ("J23",),
    }
    return Passwords.model_validate(values | fields)


def choices(passwords: Passwords | None, *, password_form: bool = False) -> RealmChoices:
    """Choices for a realm with these rules."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return RealmChoices(
        realm="test",
        label="测试",
        post_roles={},
        sync_keys=(key,),
        configurator_keys=(key,),
        password_form=password_form,
        passwords=passwords,
    )


def test_of_jincheng() -> None:
    """J23 to J25: beside what every realm of ours asks for, which is longer."""
    passwords = load_pack(find_pack("jincheng")).lifecycle.passwords
    assert passwords is not None
    base = {"passwordPolicy": "length(10) and notUsername", "failureFactor": 5}
    assert realm_settings(base, passwords) == {
        "passwordPolicy": "length(10) and notUsername and digits(1) and lowerCase(1) and upperCase(1)"
        " and specialChars(1) and passwordHistory(3) and forceExpiredPasswordChange(90)",
        "failureFactor": 5,
    }


@pytest.mark.parametrize(
    ("base", "fields", "text"),
    [
        ("", {}, "length(8) and forceExpiredPasswordChange(90)"),
        ("length(10)", {"administrator_length": 12}, "length(12) and forceExpiredPasswordChange(90)"),
        ("length(4)", {"length": 9}, "length(9) and forceExpiredPasswordChange(90)"),
        (
            "notUsername",
            {"not_username": True},
            "notUsername and length(8) and forceExpiredPasswordChange(90)",
        ),
        ("forceExpiredPasswordChange(30)", {}, "forceExpiredPasswordChange(30) and length(8)"),
        ("forceExpiredPasswordChange(365)", {}, "forceExpiredPasswordChange(90) and length(8)"),
        ("digits(2)", {"digits": 1}, "digits(2) and length(8) and forceExpiredPasswordChange(90)"),
        ("digits(2)", {"digits": 3}, "digits(3) and length(8) and forceExpiredPasswordChange(90)"),
    ],
)
def test_the_stricter_counts(base: str, fields: dict[str, object], text: str) -> None:
    """Of what the realm asks for anyway and what the pack does."""
    assert policy_text(base, asked(**fields)) == text


@pytest.mark.parametrize(("ours", "theirs", "wanted"), [(5, 3, 3), (5, 10, 5)])
def test_wrong_ones_in_a_row(ours: int, theirs: int, wanted: int) -> None:
    """The fewer."""
    base = {"passwordPolicy": "", "failureFactor": ours}
    assert realm_settings(base, asked(failures=theirs))["failureFactor"] == wanted


def test_what_stands_in_brackets_stays() -> None:
    """Also what is no number: without it Keycloak would take its own."""
    base = "hashAlgorithm(pbkdf2-sha512) and passwordBlacklist(words.txt) and regexPattern(^(a|b).*$)"
    assert policy_text(base, asked()) == f"{base} and length(8) and forceExpiredPasswordChange(90)"


def test_as_the_console_writes_it() -> None:
    """In its own order, and with a word where there is nothing to choose."""
    assert parse_policy("length(10) and notUsername(undefined)") == {"length": "10", "notUsername": None}
    assert same_policy("length(10) and notUsername", "notUsername(undefined) and length(10)")


@pytest.mark.parametrize(
    "found",
    [
        "",
        "length(10)",
        "length(9) and notUsername",
        "length and notUsername",
        "length(10) and notUsername and notEmail",
        "length(10) and notUsername and length(10)",
        "length 10 and notUsername",
    ],
)
def test_something_else(found: str) -> None:
    """Less, more, another number, or what cannot be read."""
    assert not same_policy("length(10) and notUsername", found)


@pytest.mark.parametrize("base", ["length 10", "length(10) and length(6)", "length", "length(ten)"])
def test_a_policy_that_is_none(base: str) -> None:
    """What is not written as Keycloak does, or leaves open what counts, is refused and not passed over."""
    with pytest.raises(ValueError, match="about passwords"):
        policy_text(base, asked())


@pytest.mark.parametrize(
    ("was", "now"), [("length(10) and notUsername", "length 10"), ("failureFactor: 5", "failureFactor: few")]
)
def test_files_that_say_none(tmp_path: Path, was: str, now: str) -> None:
    """Whoever writes the files is told which one."""
    folder = Path(shutil.copytree(configuration_folder(), tmp_path / "files"))
    text = (folder / "realm.yaml").read_text(encoding="utf-8")
    assert was in text
    (folder / "realm.yaml").write_text(text.replace(was, now), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"realm\.yaml: passwordPolicy"):
        load_configuration(choices(asked()), folder)


def test_where_one_may_change_it() -> None:
    """Where people log in by password, or nobody would be asked for another after 90 days; nowhere else, and
    never unasked of everybody who is new."""
    passwords = asked()
    shut, form = (load_configuration(choices(passwords, password_form=form)).roles for form in (False, True))
    assert ("UPDATE_PASSWORD" in shut["required_actions_off"], shut["required_actions_on"]) == (True, [])
    assert "UPDATE_PASSWORD" not in form["required_actions_off"]
    assert form["required_actions_on"] == ["UPDATE_PASSWORD"]


def test_without_a_pack_that_knows_them() -> None:
    """The realm's own policy, and nobody changes a password, with the form or without."""
    for form in (False, True):
        desired = load_configuration(choices(None, password_form=form))
        assert desired.realm["passwordPolicy"] == "length(10) and notUsername"
        assert "UPDATE_PASSWORD" in desired.roles["required_actions_off"]


class Realm:
    """A realm that has these settings, and takes none."""

    def __init__(self, body: dict[str, Any]) -> None:
        self._body = body

    def get(self, _path: str) -> dict[str, Any]:
        return self._body

    def put(self, _path: str, _body: Any) -> None:
        raise AssertionError


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ("passwordHistory(3) and length(10)", []),
        ("length(10)", ["realm.passwordPolicy"]),
        (None, ["realm.passwordPolicy"]),
        ("length(10) and passwordHistory(3) and maxLength(12)", ["realm.passwordPolicy"]),
    ],
)
def test_what_is_told(found: str | None, told: list[str]) -> None:
    """The order is no difference; what is there beside it is one, and so is none at all."""
    desired = replace(
        load_configuration(choices(None)), realm={"passwordPolicy": "length(10) and passwordHistory(3)"}
    )
    documents = cast("Documents", Realm({"passwordPolicy": found} if found else {}))
    gaps = [gap for part in settings(documents, desired) for gap in part.differences]
    assert [gap.where for gap in gaps] == told


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("Abcdefg-7", True),
        ("Abcde-7", False),
        ("abcdefg-7", False),
        ("ABCDEFG-7", False),
        ("Abcdefg-x", False),
        ("Abcdefgx7", False),
    ],
)
def test_what_meets_it(text: str, good: bool) -> None:
    """Length, and each kind of sign."""
    assert meets(asked(digits=1, lower_case=1, upper_case=1, special=1), text) is good


@pytest.mark.parametrize(
    "fields",
    [
        {"digits": 1, "lower_case": 1, "upper_case": 1, "special": 1},
        {"digits": 6, "special": 8},
        {"administrator_length": 64},
    ],
)
def test_sealed_accounts_have_one_that_meets_it(fields: dict[str, object]) -> None:
    """Whatever is drawn: Keycloak would refuse it, and the sealing would have failed."""
    rules = asked(**fields)
    for _ in range(200):
        assert meets(rules, _new_password(rules).reveal())
