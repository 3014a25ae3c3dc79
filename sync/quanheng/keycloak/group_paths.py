"""Group paths as Keycloak takes them when users are created.

A path is one string there, and names may hold slashes: ``/a/b`` is first tried as ``b`` below ``a``, then
as one group ``a/b``; a server may instead be set to expect ``~/`` for a slash inside a name. A path that
would lead elsewhere is refused, since a user in a wrong group holds somebody else's duties.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from quanheng.keycloak.connection import Connection
from quanheng.keycloak.port import RealmRefusedError
from quanheng.keycloak.reading import RealmReading
from quanheng.model.ids import GroupPath, KeycloakId
from quanheng.model.realm import RealmGroup


class GroupPaths:
    """Remembers groups that were seen, so that only unknown paths cost requests."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._reading = RealmReading(connection)
        self._lock = threading.Lock()
        self._ids: dict[GroupPath, KeycloakId] = {}
        self._paths: dict[KeycloakId, GroupPath] = {}
        self._texts: dict[GroupPath, str] = {}

    def learn(self, groups: Iterable[RealmGroup]) -> None:
        """All groups as they were just read."""
        ids = {group.path: group.id for group in groups}
        with self._lock:
            self._ids = ids
            self._paths = {group: path for path, group in ids.items()}
            self._texts = {}

    def add(self, parent: KeycloakId | None, name: str, group: KeycloakId) -> None:
        """A group that was just made."""
        with self._lock:
            above = () if parent is None else self._paths.get(parent)
            if above is not None:
                self._ids[(*above, name)] = group
                self._paths[group] = (*above, name)

    def forget(self) -> None:
        """Something was renamed, moved or is gone."""
        self.learn(())

    def texts(self, paths: Iterable[GroupPath]) -> list[str]:
        """Each path as a string, in this order: the guard judges each join as it comes."""
        return [self.text(path) for path in paths]

    def text(self, path: GroupPath) -> str:
        """The path as a string that leads to this very group.

        Raises :class:`RealmRefusedError` 404 when there is no such group, 409 when no string leads to it.
        """
        with self._lock:
            known, ready = self._ids.get(path), self._texts.get(path)
        if ready is not None:
            return ready
        group = known or self._walk(path)
        text = "/" + "/".join(path)
        if any("/" in name for name in path):
            text = self._leading_to(group, path)
        with self._lock:
            self._ids[path], self._paths[group], self._texts[path] = group, path, text
        return text

    def _walk(self, path: GroupPath) -> KeycloakId:
        at: KeycloakId | None = None
        for name in path:
            body: Any = self._reading.child(at, name)
            if body is None:
                raise RealmRefusedError(
                    f"there is no group '{'/'.join(path)}'",
                    status=404,
                    remedy="run again, so that groups are made first",
                )
            at = KeycloakId(body["id"])
        if at is None:
            raise RealmRefusedError("an empty group path", status=400)
        return at

    def _leading_to(self, group: KeycloakId, path: GroupPath) -> str:
        for slash in ("/", "~/"):
            text = "/" + "/".join(name.replace("/", slash) for name in path)
            try:
                found = self._connection.get(
                    self._connection.realm_path(f"/group-by-path{quote(text, safe='/~')}")
                )
            except RealmRefusedError as error:
                if error.status != 404:
                    raise
                continue
            if found["id"] == group:
                return text
        raise RealmRefusedError(
            f"Keycloak finds another group than '{'/'.join(path)}' by this path",
            status=409,
            remedy="rename the group, so that its name holds no slash",
        )
