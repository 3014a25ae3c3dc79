"""The other side of :mod:`bench.lifecycle`: the script that an administrator would write.

It pages through all users, asks Keycloak for the newest login of each, and switches off whoever had none for
three months, ending the sessions. Four threads, each with a connection that is kept open. It uses nothing of
quanheng, remembers nothing from one night to the next, and writes down nothing. It is given the newest login
to whatever client, so that one request per user is enough.
"""

from __future__ import annotations

import calendar
import json
import resource
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import requests

_PAGE: Final = 500
_THREADS: Final = 4
_MONTHS: Final = 3
_RENEWED_EACH: Final = 45.0
"""Seconds; the token of the master realm's administrator lasts sixty."""


def months_ago(moment: datetime, months: int) -> datetime:
    """The same time of day, so many calendar months earlier; the last day of a month that is shorter."""
    number = moment.year * 12 + moment.month - 1 - months
    year, month = number // 12, number % 12 + 1
    return moment.replace(year=year, month=month, day=min(moment.day, calendar.monthrange(year, month)[1]))


class Client:
    """One thread's connection to Keycloak."""

    def __init__(self, url: str, realm: str, user: str, password: str) -> None:
        self.counts: Counter[str] = Counter()
        self._url = url
        self._admin = f"{url}/admin/realms/{realm}"
        self._form = {
            "grant_type": "password",
            "client_id": "admin-cli",
            "username": user,
            "password": password,
        }
        self._session = requests.Session()
        self._token_at = float("-inf")

    def get(self, path: str, **params: str | int) -> Any:
        """The JSON of an answer."""
        return self.send("GET", path, params=params).json()

    def send(self, method: str, path: str, **content: Any) -> requests.Response:
        """Send one request; raises when it is refused."""
        if time.monotonic() > self._token_at + _RENEWED_EACH:
            self._renew()
        self.counts[method] += 1
        answer = self._session.request(method, self._admin + path, timeout=60, **content)
        answer.raise_for_status()
        return answer

    def _renew(self) -> None:
        self.counts["TOKEN"] += 1
        self._token_at = time.monotonic()
        path = f"{self._url}/realms/master/protocol/openid-connect/token"
        answer = self._session.post(path, data=self._form, timeout=60)
        answer.raise_for_status()
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


class Script:
    """One night's run."""

    def __init__(self, url: str, realm: str, user: str, password: str) -> None:
        self._own = threading.local()
        self._clients: list[Client] = []
        self._make = partial(Client, url, realm, user, password)
        before = months_ago(datetime.now().astimezone(), _MONTHS)
        self._before_ms = int(before.timestamp() * 1000)

    def run(self) -> int:
        """Lock who is due; returns how many."""
        pages = -(-int(self._client.get("/users/count")) // _PAGE)
        with ThreadPoolExecutor(_THREADS) as pool:
            due = [user for found in pool.map(self._due, range(pages)) for user in found]
            list(pool.map(self._lock, due))
        return len(due)

    def requests(self) -> Mapping[str, int]:
        """By method."""
        total: Counter[str] = Counter()
        for client in self._clients:
            total += client.counts
        return dict(total)

    @property
    def _client(self) -> Client:
        if not hasattr(self._own, "client"):
            self._own.client = self._make()
            self._clients.append(self._own.client)
        client: Client = self._own.client
        return client

    def _due(self, page: int) -> list[str]:
        users = self._client.get("/users", first=page * _PAGE, max=_PAGE, briefRepresentation="true")
        return [user["id"] for user in users if user["enabled"] and self._last(user) <= self._before_ms]

    def _last(self, user: Mapping[str, Any]) -> int:
        """When somebody logged in last, or since when the account is there."""
        found = self._client.get("/events", type="LOGIN", user=user["id"], max=1)
        return int(found[0]["time"] if found else user["createdTimestamp"])

    def _lock(self, user: str) -> None:
        self._client.send("PUT", f"/users/{user}", json={"enabled": False})
        self._client.send("POST", f"/users/{user}/logout")


def main(url: str, realm: str, user: str, password_file: str) -> None:
    """Run once and print what it took."""
    script = Script(url, realm, user, Path(password_file).read_text(encoding="utf-8"))
    began = time.perf_counter()
    locked = script.run()
    seconds = time.perf_counter() - began
    usage = resource.getrusage(resource.RUSAGE_SELF)
    by_kind = script.requests()
    figures = {
        "seconds": round(seconds, 2),
        "client_cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_memory_mib": _peak_memory_mib(),
        "requests": sum(by_kind.values()),
        "requests_by_kind": by_kind,
        "locked": locked,
    }
    print(json.dumps(figures))


def _peak_memory_mib() -> int:
    """Of this program alone: ``ru_maxrss`` begins with what its parent had."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024)


if __name__ == "__main__":
    main(*sys.argv[1:])
