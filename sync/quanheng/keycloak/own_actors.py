"""Who we are in admin events: user ids of our own service accounts, true also after they were made anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from quanheng.model.realm import AdminEvent

_CLIENT: Final = "CLIENT"


class OwnActors:
    """Asks for them once, and again when something is seen for the first time after which they may be others.

    A client that is made anew has another service account. What tells of it: an event about a client, an act
    of somebody unknown, and our own token when it is of somebody unknown. Each is a reason once, so that
    looks in which nothing new happens ask nothing.
    """

    def __init__(self, ask: Callable[[], frozenset[str]]) -> None:
        self._ask = ask
        self._ids: frozenset[str] | None = None
        self._reasons: set[str] = set()
        """Ids of events and users for which they were asked again, or are to be."""
        self._outdated = False

    def ids(self, acting_as: str | None) -> frozenset[str]:
        """Those of now. ``acting_as``: the user id of our last token, None before the first."""
        if acting_as is not None:
            self._see(acting_as)
        if self._ids is None or self._outdated:
            self._outdated = False  # what is seen while we ask is a reason to ask again
            try:
                self._ids = self._ask()
            except Exception:
                self._outdated = True
                raise
        return self._ids

    def take_note(self, event: AdminEvent) -> None:
        """See whether an event is a reason to ask again."""
        if event.resource_type == _CLIENT:
            self._see(event.id)
        self._see(event.actor_user)

    def renew(self) -> None:
        """Ask now what would have to be asked at the next use."""
        if self._outdated:
            self.ids(None)

    def _see(self, reason: str) -> None:
        # Before they were asked for the first time nothing can be out of date.
        if self._ids is not None and reason not in self._ids and reason not in self._reasons:
            self._reasons.add(reason)
            self._outdated = True
