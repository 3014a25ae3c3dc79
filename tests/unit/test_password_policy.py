"""What a pack asks of passwords, as Keycloak's policy says it."""

from __future__ import annotations

import pytest

from quanheng.keycloak.password_policy import meets, parse_policy, policy_text, realm_settings
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


def test_a_policy_that_is_none() -> None:
    """What is not written as Keycloak does is refused, and not passed over."""
    assert parse_policy("length(10) and notUsername(undefined)") == {"length": 10, "notUsername": None}
    with pytest.raises(ValueError, match="not a rule"):
        parse_policy("length 10")


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
