"""Why Keycloak gave no token, as far as its answer tells, and what to do. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_APPLY: Final = "run 'quanheng realm apply', which sets it right"
_CAUSES: Final = (
    (r"User '.*' disabled", f"the client's service account is switched off: {_APPLY}"),
    (
        r"Invalid client or Invalid client credentials",
        "the client is switched off, gone, or made to authenticate otherwise than by our key; "
        f"a configurator is off between uses, any other: {_APPLY}",
    ),
    (r"Client not enabled to retrieve service account", f"the client has no service account: {_APPLY}"),
    (
        r"Public client not allowed .*|Bearer-only not allowed|Wrong client protocol\.",
        f"the client was turned into one of another kind: {_APPLY}",
    ),
    (r"Unable to load public key", f"Keycloak knows another public key of the client: {_APPLY}"),
    (
        r"Invalid token audience",
        "the server calls itself otherwise than it answers: see keycloak.url and its --hostname",
    ),
    (r"Token is not active|Token was issued .*", "set the clocks of both machines ('quanheng doctor')"),
    (r"Realm not enabled", f"the realm is switched off: {_APPLY}"),
    (
        r"Realm does not exist",
        "the realm is gone, or has another name: see keycloak.realm; 'quanheng realm apply' makes one",
    ),
    (r"Invalid user credentials", "see the administrator's name and password"),
)
"""What Keycloak 26.7 answers, whole, with the likely cause and the remedy."""
_UNKNOWN: Final = "see that the client exists, is enabled and has our public key ('quanheng doctor')"


def remedy_of(answer: Mapping[str, Any]) -> str:
    """For the body of the token endpoint's answer, or of what was asked before it."""
    said = str(answer.get("error_description") or answer.get("error") or "")
    found = (remedy for pattern, remedy in _CAUSES if re.fullmatch(pattern, said))
    return next(found, _UNKNOWN)
