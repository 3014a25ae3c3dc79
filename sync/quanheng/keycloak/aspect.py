"""What every part of the configuration needs: the realm's documents, and a difference with its remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from quanheng.keycloak.compare import MISSING, THERE, Difference
from quanheng.keycloak.connection import Connection
from quanheng.keycloak.port import RealmRefusedError

_PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Mending:
    """An object that differs, and what sets it right (None: it is not ours)."""

    differences: tuple[Difference, ...]
    mend: Callable[[], object] | None


class Documents:
    """Reads and writes the JSON documents below one realm."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, tail: str, **params: Any) -> Any:
        """A document, or None when it is not there."""
        try:
            return self._connection.get(self._connection.realm_path(tail), **params)
        except RealmRefusedError as error:
            if error.status == 404:
                return None
            raise

    def pages(self, tail: str, **params: Any) -> Iterator[Any]:
        """Every item of a list."""
        first = 0
        while True:
            page = self.get(tail, first=first, max=_PAGE, **params) or []
            yield from page
            if len(page) < _PAGE:
                return
            first += _PAGE

    def client(self, client_id: str) -> Any:
        """The client of this id, or None."""
        return next(iter(self.get("/clients", clientId=client_id)), None)

    def put(self, tail: str, body: Any) -> None:
        """Replace a document."""
        self._send("PUT", tail, body)

    def post(self, tail: str, body: Any) -> None:
        """Make a document, or add to a list."""
        self._send("POST", tail, body)

    def delete(self, tail: str, body: Any = None) -> None:
        """Take a document away, or items from a list."""
        self._send("DELETE", tail, body)

    def _send(self, method: str, tail: str, body: Any) -> None:
        self._connection.request(method, self._connection.realm_path(tail), json=body)


def escaped(name: str) -> str:
    """A name as part of a path."""
    return quote(name, safe="")


def mending(gaps: Iterator[Difference], mend: Callable[[], object] | None) -> Iterator[Mending]:
    """A mending when there are differences."""
    found = tuple(gaps)
    if found:
        yield Mending(found, mend)


def missing(where: str, create: Callable[[], object]) -> Mending:
    """Something that is not there at all."""
    return Mending((Difference(where, THERE, MISSING),), create)
