"""Rules about passwords, as Keycloak's policy of a realm says them. Pure.

A realm has one policy for everybody: of the lengths for users and for administrators the longer one counts
(J23 asks for 6 and 8). What ``keycloak-config/realm.yaml`` asks for stays; of both the stricter counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from quanheng.policy.schema_lifecycle import Passwords

_RULE: Final = re.compile(r"(\w+)(?:\((.*)\))?")
_NO_NUMBER: Final = "undefined"
"""What the console writes where a rule has nothing to choose."""
_NOT_USERNAME: Final = "notUsername"
_SMALLER_IS_STRICTER: Final = "forceExpiredPasswordChange"


def realm_settings(base: Mapping[str, Any], passwords: Passwords) -> Mapping[str, Any]:
    """Settings of the realm in place of those of ``base``: the policy, and how many wrong ones in a row until
    an account waits.

    Raises :class:`ValueError` for a policy in ``base`` that is not written as Keycloak writes them.
    """
    return {
        "passwordPolicy": policy_text(str(base["passwordPolicy"]), passwords),
        "failureFactor": min(int(base["failureFactor"]), passwords.failures),
    }


def policy_text(base: str, passwords: Passwords) -> str:
    """The stricter of both, those of ``base`` first: ``length(10) and notUsername and …``.

    Raises :class:`ValueError` where ``base`` is no policy, or has a rule of the pack's without a number, for
    which Keycloak would take its own.
    """
    rules = parse_policy(base)
    for name, value in _rules_of(passwords).items():
        there = rules.get(name)
        if name not in rules or value is None:
            rules[name] = None if value is None else str(value)
        elif there is None or not there.isdecimal():
            raise ValueError(f"a rule about passwords without its number: {name}")
        else:
            stricter = min if name == _SMALLER_IS_STRICTER else max
            rules[name] = str(stricter(int(there), value))
    return " and ".join(name if value is None else f"{name}({value})" for name, value in rules.items())


def parse_policy(text: str) -> dict[str, str | None]:
    """Each rule and what stands in its brackets; None for nothing.

    Raises :class:`ValueError` for anything else, and for a rule that is there twice: the last counts in
    Keycloak.
    """
    found: dict[str, str | None] = {}
    for part in filter(None, map(str.strip, text.split(" and "))):
        match = _RULE.fullmatch(part)
        if match is None or match[1] in found:
            raise ValueError(f"not a rule about passwords, or the second of its name: {part}")
        found[match[1]] = None if match[2] in (None, "", _NO_NUMBER) else match[2]
    return found


def same_policy(wanted: str, found: str) -> bool:
    """Whether both ask for the same, in whatever order and spelling.

    What cannot be read is something else, unless it is the very same text.
    """
    try:
        return parse_policy(wanted) == parse_policy(found)
    except ValueError:
        return wanted == found


def meets(passwords: Passwords, text: str) -> bool:
    """Whether a password has the length and the signs that are asked for, of an administrator's."""
    return (
        len(text) >= max(passwords.length, passwords.administrator_length)
        and sum(map(str.isdigit, text)) >= passwords.digits
        and sum(map(str.islower, text)) >= passwords.lower_case
        and sum(map(str.isupper, text)) >= passwords.upper_case
        and sum(not sign.isalnum() for sign in text) >= passwords.special
    )


def _rules_of(passwords: Passwords) -> Mapping[str, int | None]:
    wanted: dict[str, int | None] = {
        "length": max(passwords.length, passwords.administrator_length),
        **({_NOT_USERNAME: None} if passwords.not_username else {}),
        "digits": passwords.digits,
        "lowerCase": passwords.lower_case,
        "upperCase": passwords.upper_case,
        "specialChars": passwords.special,
        "passwordHistory": passwords.history,
        _SMALLER_IS_STRICTER: passwords.renew_days,
    }
    return {name: value for name, value in wanted.items() if value != 0}
