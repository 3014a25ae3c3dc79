"""The sealed accounts in Keycloak: made, given new credentials, and the address at which they log in.

By a connection of a master realm's administrator: nobody else may write credentials.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from quanheng.errors import ConfigurationError
from quanheng.keycloak.connection import Connection
from quanheng.keycloak.reading import RealmReading
from quanheng.model.ids import KeycloakId, RoleName, Username
from quanheng.model.sensitive import Sensitive

GLASS_CLIENT: Final = "quanheng-break-glass"
"""The only client by which a sealed account logs in."""
GLASS_ROLE: Final = RoleName("break-glass")
OTP_DIGITS: Final = 6
OTP_SECONDS: Final = 30
_CHALLENGE: Final = "no-code-of-this-login-is-ever-exchanged-for-a-token"
"""Of PKCE (RFC 7636), longer than what S256 makes of any verifier: the login gives a session and no token."""


class GlassAccounts:
    """The sealed accounts of one realm."""

    def __init__(self, admin: Connection) -> None:
        self._admin = admin
        self._reading = RealmReading(admin)

    def address(self) -> str:
        """What to open to log in, as Keycloak itself says where it is. No redirection is named: the client
        has one, the console's."""
        realm = f"realms/{self._admin.realm}"
        found = self._admin.get(f"{realm}/.well-known/openid-configuration")
        question = {
            "client_id": GLASS_CLIENT,
            "response_type": "code",
            # With it the console knows the answer, which is none of its own, for one, and takes it out of its
            # address; else it would ask Keycloak to come back there, which Keycloak refuses.
            "state": "x",
            "code_challenge_method": "S256",
            "code_challenge": _CHALLENGE,
        }
        return f"{found['authorization_endpoint']}?{urlencode(question)}"

    def server_time(self) -> datetime:
        """The server's clock, by which logins are dated."""
        return self._admin.server_time()

    def find(self, username: Username) -> KeycloakId | None:
        """Id of the account of this name, whoever made it."""
        return self._reading.find_id(username)

    def make(self, username: Username, label: str) -> KeycloakId:
        """Make the account, switched off and with nothing."""
        body = {"username": username, "firstName": label, "enabled": False}
        made = self._send("POST", "/users", body)
        return KeycloakId(made.headers["Location"].rsplit("/", 1)[-1])

    def void(self, user: KeycloakId) -> None:
        """Switch the account off, and end its credentials and sessions."""
        self._put(user, enabled=False)
        for credential in self._get(f"/users/{user}/credentials"):
            self._send("DELETE", f"/users/{user}/credentials/{credential['id']}")
        self._send("POST", f"/users/{user}/logout")

    def empower(self, user: KeycloakId) -> None:
        """Give the account its role. Raises :class:`ConfigurationError` when the realm has none."""
        role = next(
            (body for body in self._get("/roles", search=GLASS_ROLE) if body["name"] == GLASS_ROLE), None
        )
        if role is None:
            raise ConfigurationError(
                f"the realm has no role '{GLASS_ROLE}'", remedy="run 'quanheng realm apply', then seal again"
            )
        self._send("POST", f"/users/{user}/role-mappings/realm", [role])

    def arm(self, user: KeycloakId, password: Sensitive, otp: Sensitive) -> frozenset[str]:
        """Give the account these credentials (``otp``: the secret in base 32) and switch it on.

        Returns their marks as :meth:`Realm.read_credentials` does.
        """
        settings = {
            "subType": "totp",
            "digits": OTP_DIGITS,
            "counter": 0,
            "period": OTP_SECONDS,
            "algorithm": "HmacSHA1",
            "secretEncoding": "BASE32",
        }
        self._put(
            user,
            enabled=True,
            requiredActions=[],
            credentials=[
                {"type": "password", "value": password.reveal(), "temporary": False},
                {
                    "type": "otp",
                    "credentialData": json.dumps(settings),
                    "secretData": json.dumps({"value": otp.reveal()}),
                },
            ],
        )
        return self._reading.credentials(user)

    def _put(self, user: KeycloakId, **change: Any) -> None:
        self._send("PUT", f"/users/{user}", change)

    def _get(self, tail: str, **params: Any) -> Any:
        return self._admin.get(self._admin.realm_path(tail), **params)

    def _send(self, method: str, tail: str, body: Any = None) -> Any:
        return self._admin.request(method, self._admin.realm_path(tail), json=body)
