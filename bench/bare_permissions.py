"""The rival of :mod:`bench.permissions`: the same policies and permissions by bare REST calls, four at once.

Each thread has a session and nothing else. Keycloak remembers a group at the first permission about it,
and refuses with 409 whoever does so at the same moment; so permissions that share a group are one
thread's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import requests

from quanheng.model.permission import AdminPermission, AdminPermissions

THREADS: Final = 4
Call = tuple[str, Mapping[str, Any]]
"""Path below the client's resource server, and the body."""


class BareWriter:
    """Posts what is given it; everything is made ready before anything is measured."""

    def __init__(self, server: str, base: str, wanted: AdminPermissions, bodies: Mapping[str, Call]) -> None:
        """``base``: path of the client's resource server; ``bodies``: by the name of what they make."""
        self._url = f"{server}/{base}"
        self._policies = [
            [bodies[name] for name in wanted.policies][part::THREADS] for part in range(THREADS)
        ]
        self._permissions = [
            [bodies[item.name] for item in part] for part in _deal(_together(wanted.permissions.values()))
        ]

    def write(self, token: str) -> int:
        """Policies, then permissions; returns how many requests that took. Raises when one is refused."""
        with ThreadPoolExecutor(THREADS) as pool:
            return sum(
                sum(pool.map(lambda calls: self._post(calls, token), parts))
                for parts in (self._policies, self._permissions)
            )

    def _post(self, calls: Sequence[Call], token: str) -> int:
        with requests.Session() as session:
            session.trust_env = False
            session.headers["Authorization"] = f"Bearer {token}"
            for path, body in calls:
                answer = session.post(f"{self._url}/{path}", json=body, timeout=60)
                if answer.status_code != requests.codes.created:
                    raise SystemExit(f"{path} answered {answer.status_code}: {answer.text[:300]}")
        return len(calls)


def _together(permissions: Iterable[AdminPermission]) -> list[list[AdminPermission]]:
    """Permissions that share a group, directly or through others, in one list."""
    lists: list[list[AdminPermission]] = []
    of: dict[str, list[AdminPermission]] = {}
    for permission in permissions:
        mine = [permission]
        for other in {id(of[group]): of[group] for group in permission.resources if group in of}.values():
            mine += other
            lists = [item for item in lists if item is not other]
        lists.append(mine)
        of.update({group: mine for item in mine for group in item.resources})
    return lists


def _deal(lists: Iterable[list[AdminPermission]]) -> Sequence[list[AdminPermission]]:
    """One list for each thread, as equal as may be by the groups that they name."""
    hands: Sequence[list[AdminPermission]] = [[] for _ in range(THREADS)]
    weight: dict[int, int] = defaultdict(int)
    for item in sorted(lists, key=_weight, reverse=True):
        lightest = min(range(THREADS), key=lambda hand: weight[hand])
        hands[lightest].extend(item)
        weight[lightest] += _weight(item)
    return hands


def _weight(permissions: Iterable[AdminPermission]) -> int:
    return sum(1 + len(item.resources) for item in permissions)
