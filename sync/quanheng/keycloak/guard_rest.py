"""The guard of one realm, over its own endpoint inside Keycloak."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from quanheng.errors import UnreachableError
from quanheng.keycloak.connection import Connection
from quanheng.keycloak.guard import GuardStatus, Holder, Restored, SealedRules
from quanheng.keycloak.port import RealmRefusedError
from quanheng.model.ids import KeycloakId
from quanheng.model.realm import FederatedIdentity

_PAGE: Final = 1000
"""The most that the guard answers at once."""


class RestGuard:
    """Implements :class:`quanheng.keycloak.guard.Guard` with the daily sync's connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def read_status(self) -> GuardStatus | None:
        """What it says of itself; None when this server has no such endpoint."""
        try:
            body = self._connection.get(self._path("status"))
        except RealmRefusedError as error:
            if error.status == 404:
                return None
            raise
        try:
            return _status(body)
        except (KeyError, TypeError, ValueError):
            raise _unreadable() from None

    def publish(self, rules: SealedRules) -> None:
        """Put rules in force; the same ones may be put again."""
        body = {"payload": _text(rules.payload), "signature": _text(rules.signature)}
        try:
            self._connection.request("PUT", self._path("rules"), json=body)
        except RealmRefusedError as error:
            if error.status != 409:
                raise
            raise RealmRefusedError(
                str(error.args[0]),
                status=409,
                remedy="see that the server's option public-key-file names the public half of our key, "
                "quanheng-rules.pub.pem (when it speaks of writers: our service accounts were made anew "
                "meanwhile); then run again",
            ) from None

    def restore(self) -> tuple[Restored, ...]:
        """Have it set right what gives power past any grant."""
        found = self._connection.request("POST", self._path("restore")).json()
        return tuple(
            Restored(kind=item["kind"], subject=item["subject"], removed=item["removed"]) for item in found
        )

    def clear_caches(self) -> None:
        """Have Keycloak read the database anew."""
        self._connection.request("POST", self._path("clear-caches"))

    def read_holders(self) -> Mapping[KeycloakId, Holder]:
        """What everybody holds, a thousand users at a time; each page begins after the last user before."""
        found: dict[KeycloakId, Holder] = {}
        sets = _Sets()
        after = ""
        while True:
            page = self._connection.get(self._path("holders"), after=after, max=_PAGE)
            try:
                found |= {KeycloakId(body["user"]): _holder(body, sets) for body in page}
                if len(page) < _PAGE:
                    return found
                after = page[-1]["user"]
            except (KeyError, TypeError):
                raise _unreadable() from None

    def _path(self, tail: str) -> str:
        return f"realms/{self._connection.realm}/quanheng-guard/{tail}"


def _status(body: Mapping[str, Any]) -> GuardStatus:
    until = body.get("break_glass_until")
    return GuardStatus(
        version=str(body["version"] or ""),
        required=_flag(body["required"]),
        valid=_flag(body["valid"]),
        problem=str(body.get("problem") or ""),
        sequence=int(body["sequence"]),
        break_glass_until=None if not until else datetime.fromisoformat(until),
    )


class _Sets(dict[tuple[str, ...], frozenset[KeycloakId]]):
    """Sets of ids, each kept once: a hundred thousand people hold a few hundred different ones."""

    def of(self, ids: Sequence[str]) -> frozenset[KeycloakId]:
        """The set of these."""
        key = tuple(sorted(ids))
        known = self.get(key)
        if known is None:
            known = self[key] = frozenset(map(KeycloakId, key))
        return known


def _holder(body: Mapping[str, Any], sets: _Sets) -> Holder:
    return Holder(
        roles=sets.of(body["roles"]),
        groups=sets.of(body["groups"]),
        identities=frozenset(
            FederatedIdentity(link["provider"], link.get("subject") or "", link.get("name") or "")
            for link in body["links"]
        ),
    )


def _unreadable() -> UnreachableError:
    return UnreachableError(
        "the guard's answer cannot be read: it is of another version than this program",
        remedy="put the guard JAR of this release into Keycloak's providers and build it again",
    )


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError("not a flag")
    return value


def _text(content: bytes) -> str:
    return b64encode(content).decode()
