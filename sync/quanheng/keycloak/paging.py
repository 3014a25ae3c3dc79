"""GETs of one realm: single ones, lists page by page, and several at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from quanheng.keycloak.connection import Connection
from quanheng.keycloak.port import RealmRefusedError

_T = TypeVar("_T")
_R = TypeVar("_R")
_PAGE: Final = 500


class Pages:
    """Paths are those below the realm: ``/users``. Raises what :class:`Connection` raises."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, tail: str, **params: Any) -> Any:
        """The JSON of one answer."""
        return self._connection.get(self._connection.realm_path(tail), **params)

    def get_or_none(self, tail: str) -> Any:
        """The same, or None when it is not there (404)."""
        try:
            return self.get(tail)
        except RealmRefusedError as error:
            if error.status == 404:
                return None
            raise

    def all(self, tail: str, **params: Any) -> Iterator[Any]:
        """Every item of a list, one page after another."""
        first = 0
        while True:
            page = self.get(tail, first=first, max=_PAGE, **params)
            yield from page
            if len(page) < _PAGE:
                return
            first += _PAGE

    def all_at_once(self, tail: str, **params: Any) -> Iterator[Any]:
        """The same, several pages at once, until one is not full."""
        first, step = 0, _PAGE * self._connection.workers
        while True:
            starts = range(first, first + step, _PAGE)
            pages = self.parallel(
                lambda start: self.get(tail, first=start, max=_PAGE, **params),
                # Most realms of a test and every search for service accounts fit into one page.
                starts if first else starts[:1],
            )
            for page in pages:
                yield from page
            if len(pages[-1]) < _PAGE:
                return
            first = first + step if first else _PAGE

    def parallel(self, work: Callable[[_T], _R], items: Iterable[_T]) -> list[_R]:
        """Outcomes in the order of the items; as many at once as the connection has workers."""
        items = list(items)
        if len(items) < 2:
            return [work(item) for item in items]
        with ThreadPoolExecutor(self._connection.workers) as pool:
            return list(pool.map(work, items))
