"""Two grants at once that exclude each other: the row of the user decides, and one of them fails."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Final

import requests

from fixtures.guard import COUNTIES, POSTS, GuardedRealm
from quanheng.keycloak.rest import SYNC_CLIENT

PAIRS: Final = 1000
"""How many opposing pairs are tried; two in each round."""
_CLIENTS: Final = 4


class Client:
    """One of the clients: its own connection, and what it asks for in each round."""

    def __init__(self, realm: GuardedRealm, barrier: Barrier, user: str) -> None:
        self._realm = realm
        self._barrier = barrier
        self._user = user
        self._connection = realm.realm.client(SYNC_CLIENT)
        self._session = requests.Session()

    def ask(self, post: str, county: str, *, direct: bool) -> int:
        """Wait for the others, then ask; the status of the answer."""
        realm = self._realm
        role = {"id": realm.roles[post], "name": f"duty-{post}"}
        method, tail, body = (
            ("POST", f"/users/{self._user}/role-mappings/realm", [role])
            if direct
            else ("PUT", f"/users/{self._user}/groups/{realm.duty(post, county)}", None)
        )
        headers = {"Authorization": f"Bearer {self._connection._current_token().text}"}
        self._barrier.wait(timeout=60)
        answer = self._session.request(
            method, f"{self._connection.url}/{realm.path(tail)}", json=body, headers=headers, timeout=60
        )
        return answer.status_code


def test_opposing_pairs(guarded_realm: GuardedRealm) -> None:
    """Four clients give one user two posts that exclude each other, again and again: never both are held."""
    realm = guarded_realm
    user = realm.add_person()
    barrier = Barrier(_CLIENTS)
    clients = [Client(realm, barrier, user) for _ in range(_CLIENTS)]
    asked = [(post, county) for post in ("business-admin", "system-admin") for county in COUNTIES]
    answers: Counter[int] = Counter()
    with ThreadPoolExecutor(_CLIENTS) as pool:
        for number in range(PAIRS // 2):
            # In every second round one of the four is a direct mapping.
            waiting = [
                pool.submit(client.ask, *what, direct=number % 2 == 1 and index == 0)
                for index, (client, what) in enumerate(zip(clients, asked, strict=True))
            ]
            statuses = [future.result() for future in waiting]
            answers.update(statuses)
            assert set(statuses) <= {204, 409}, statuses
            assert 204 in statuses
            assert held_and_dropped(realm, user) in ({"business-admin"}, {"system-admin"})
    assert answers[409] >= PAIRS // 2


def held_and_dropped(realm: GuardedRealm, user: str) -> set[str]:
    """The posts that a user holds by groups or directly; none afterwards."""
    by_group = {realm.duty(post, county): post for post in POSTS for county in COUNTIES}
    by_role = {realm.roles[post]: post for post in POSTS}
    groups = realm.groups_of(user)
    roles = realm.roles_of(user) & by_role.keys()
    for group in groups:
        realm.admin.request("DELETE", realm.path(f"/users/{user}/groups/{group}"))
    if roles:
        body = [{"id": role, "name": f"duty-{by_role[role]}"} for role in roles]
        realm.admin.request("DELETE", realm.path(f"/users/{user}/role-mappings/realm"), json=body)
    return {by_group[group] for group in groups} | {by_role[role] for role in roles}


def test_last_seat_of_a_county(guarded_realm: GuardedRealm) -> None:
    """Four clients give four people the one seat of a county, each by another group: one gets it."""
    realm = guarded_realm
    limit = {
        "id": "s8-seat",
        "label": "限额",
        "article": "S8",
        "per": "county",
        "areas": [],
        "roles": [realm.roles["system-admin"]],
        "most": 1,
    }
    realm.add_group("/岗位", "140926-静乐县")
    seats = [
        realm.add_group("/岗位/140926-静乐县", str(seat), area="140926", role=realm.roles["system-admin"])
        for seat in range(_CLIENTS)
    ]
    realm.publish(maxima=[limit])
    users = [realm.add_person() for _ in seats]
    connection = realm.realm.client(SYNC_CLIENT, workers=_CLIENTS)
    token = {"Authorization": f"Bearer {connection._current_token().text}"}
    barrier = Barrier(_CLIENTS)

    def ask(user: str, group: str) -> int:
        barrier.wait(timeout=60)
        url = f"{connection.url}/{realm.path(f'/users/{user}/groups/{group}')}"
        return requests.put(url, headers=token, timeout=60).status_code

    with ThreadPoolExecutor(_CLIENTS) as pool:
        for _ in range(max(1, PAIRS // 20)):
            statuses = list(pool.map(ask, users, seats))
            assert sorted(statuses) == [204, 409, 409, 409]
            for user, group in zip(users, seats, strict=True):
                realm.admin.request("DELETE", realm.path(f"/users/{user}/groups/{group}"))
