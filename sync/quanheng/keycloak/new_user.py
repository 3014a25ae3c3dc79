"""What a new user must be before Keycloak is asked: partialImport checks nothing itself. Pure.

Both ways of creating a user go through here, so that neither lets in what the other refuses. The
patterns are those of ``keycloak-config/user-profile.yaml``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from quanheng.keycloak.port import RealmRefusedError
from quanheng.model.realm import Attributes, NewUser

_USERNAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{2,63}")
"""Keycloak lower-cases names silently, so only lower case is taken: the name read is the name written."""
_FORBIDDEN_IN_NAME: Final = re.compile(r"[<>&\"\v$%!#?§;*~/\\|^=\[\]{}()\x00-\x1f\x7f]")
"""Keycloak's own ``person-name-prohibited-characters``."""
_MAX_VALUES: Final = {"org_code": 24, "staff_no": 64, "person_id": 64}
"""Attributes of the user profile and their longest values. Keycloak drops any other without a word."""
_MAX_NAME: Final = 255


def check_new_users(users: Iterable[NewUser]) -> None:
    """Refuse the batch when one of it is not whole or two of it are the same.

    Raises :class:`RealmRefusedError` (400) with the user name, never the person's name or a value.
    """
    names: set[str] = set()
    subjects: set[tuple[str, str]] = set()
    for user in users:
        fault = _fault(user)
        if user.username in names:
            fault = "is there twice"
        links = {(identity.provider, identity.subject) for identity in user.identities}
        if links & subjects:
            fault = "shares its federated identity with another"
        if fault:
            raise RealmRefusedError(
                f"the new user '{user.username}' {fault}", status=400, remedy="mend the source row"
            )
        names.add(user.username)
        subjects |= links


def check_fields(username: str, name: str, attributes: Attributes) -> None:
    """Refuse fields that Keycloak would refuse or silently drop: :class:`RealmRefusedError` (400)."""
    if fault := _field_fault(name, attributes):
        raise RealmRefusedError(f"the user '{username}' {fault}", status=400, remedy="mend the source row")


def _field_fault(name: str, attributes: Attributes) -> str:
    if not 0 < len(name) <= _MAX_NAME or name != name.strip():
        return "has an empty, padded or overlong name"
    if _FORBIDDEN_IN_NAME.search(name):
        return "has a character in its name that Keycloak forbids"
    for attribute, values in attributes.items():
        if attribute not in _MAX_VALUES:
            return f"has an attribute '{attribute}' that the user profile lacks"
        if not values or not all(0 < len(value) <= _MAX_VALUES[attribute] for value in values):
            return f"has an empty or overlong value of '{attribute}'"
    return ""


def _fault(user: NewUser) -> str:
    if not _USERNAME.fullmatch(user.username):
        return "has no valid user name (a-z, 0-9, '.', '_', '-'; 3 to 64)"
    if fault := _field_fault(user.name, user.attributes):
        return fault
    providers = [identity.provider for identity in user.identities]
    if len(set(providers)) != len(providers):
        return "has two federated identities of one provider"
    return ""
