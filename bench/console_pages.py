"""What Keycloak's console (26.7.3) asks for on the pages that an administrator of people uses.

Found in the console's own sources, and seen in a browser's record of its requests. Requests of a stage
go out together; a stage begins when the one before has been answered. What the console asks once when
it starts (the realm, who one is, the server's information) is left out.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import quote, urlencode, urlsplit

from quanheng.keycloak.connection import Connection

_CONNECTIONS: Final = 6
"""That a browser opens to one server."""
_FORBIDDEN: Final = 403
"""The console asks for things that an administrator of a county may not see, and goes without."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request below the realm's path."""

    path: str
    """Ids stand for themselves; :attr:`label` is the same for all."""
    label: str
    method: str = "GET"


Stages = Sequence[Sequence[Ask]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a page is about."""

    user: str
    """Id of a person."""
    name: str
    """Of that person."""
    duty: str
    """Id of a group that the administrator may grant."""
    way: Sequence[str]
    """Ids of the groups above it, from the root."""
    organisations: Sequence[str]
    """Ids of the groups above a unit, and of its own, from the root."""
    area: str
    """Name of something whose group is looked for."""
    word: str
    """Found in the names of many groups."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page, or what one click on it asks for."""

    name: str
    stages: Callable[[Subject], Stages]
    listing: bool = False
    """Whether it is one of the lists that are to be quick."""
    grants: bool = False
    """Whether it changes something: for those alone who may grant."""


def _get(label: str, path: str | None = None, **query: Any) -> Ask:
    text = f"?{urlencode(query)}" if query else ""
    return Ask(f"{path or label}{text}", label)


def _list(first: int, **more: str) -> Ask:
    return _get("/ui-ext/brute-force-user", briefRepresentation="true", first=first, max=11, q="", **more)


def _person(subject: Subject, tail: str = "", **query: Any) -> Ask:
    return _get(f"/users/…{tail}", f"/users/{subject.user}{tail}", **query)


def _open_person(subject: Subject) -> Stages:
    locked = f"/attack-detection/brute-force/users/{subject.user}"
    profile = _get("/users/profile")
    return [
        [
            profile,
            _person(subject, "/unmanagedAttributes"),
            _get("/attack-detection/brute-force/users/…", locked),
            _person(subject, userProfileMetadata="true"),
        ],
        [profile, _get("/authentication/required-actions")],
    ]


def _memberships(subject: Subject) -> Ask:
    return _person(subject, "/groups", first=0, max=11)


def _choose(subject: Subject) -> Stages:
    """The dialogue in which a group is chosen: the roots, and each step down."""
    stages = [[_get("/groups/", first=0, max=11)], [_person(subject, "/groups")]]
    for group in subject.way:
        stages += [[_group(group)], [_children(group, first=0, max=10)], [_person(subject, "/groups")]]
    return stages


def _grant(subject: Subject) -> Stages:
    join = Ask(f"/users/{subject.user}/groups/{subject.duty}", "/users/…/groups/…", "PUT")
    return [[join], [_memberships(subject)]]


def _group(group: str) -> Ask:
    return _get("/groups/…", f"/groups/{group}")


def _children(group: str, **query: Any) -> Ask:
    return _get("/groups/…/children", f"/groups/{group}/children", **query)


def _tree(**query: Any) -> Ask:
    return _get("/groups", first=0, max=21, exact="false", **query)


def _search_groups(text: str) -> Stages:
    return [[_tree(**{"global": "true", "search": text})]]


def _go_down(subject: Subject) -> Stages:
    """From the roots to a unit by the table of groups; each step asks for every group above again.

    The tree beside the table breaks at its second level (keycloak#52241, mended in 26.7.4).
    """
    stages: list[Sequence[Ask]] = []
    for depth, group in enumerate(subject.organisations):
        first, *others = subject.organisations[: depth + 1]
        stages += [[_group(first), _children(group, first=0, max=11)], *([_group(other)] for other in others)]
    return stages


def _members(subject: Subject) -> Stages:
    *_, unit = subject.organisations
    path = f"/groups/{unit}/members"
    return [[_group(unit)], [_get("/groups/…/members", path, briefRepresentation="true", first=0, max=11)]]


PAGES: Final[Sequence[Page]] = (
    Page(
        name="open the list",
        stages=lambda subject: [[_get("/ui-ext/info"), _get("/users/profile"), _list(0)]],
        listing=True,
    ),
    Page(name="page 10", stages=lambda subject: [[_list(90)]], listing=True),
    Page(name="search a person", stages=lambda subject: [[_list(0, search=subject.name)]], listing=True),
    Page(name="search a surname", stages=lambda subject: [[_list(0, search=subject.name[0])]], listing=True),
    Page(name="open a person", stages=_open_person),
    Page(name="a person's groups", stages=lambda subject: [[_memberships(subject)]]),
    Page(name="choose a group", stages=_choose, grants=True),
    Page(name="grant", stages=_grant, grants=True),
    Page(
        name="open the groups",
        stages=lambda subject: [[_tree(**{"global": "false"}), _get("/groups/", max=11)]],
        listing=True,
    ),
    Page(name="search a group", stages=lambda subject: _search_groups(subject.area), listing=True),
    Page(name="search a common word", stages=lambda subject: _search_groups(subject.word), listing=True),
    Page(name="go down the groups", stages=_go_down),
    Page(name="members of a group", stages=_members, listing=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one request took."""

    label: str
    seconds: float
    status: int


class Window:
    """A browser's connections, which cost next to nothing themselves."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        host = urlsplit(connection.url).netloc
        self._lines = [http.client.HTTPConnection(host, timeout=60) for _ in range(_CONNECTIONS)]
        self._pool = ThreadPoolExecutor(_CONNECTIONS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()
        for line in self._lines:
            line.close()

    def show(self, stages: Stages) -> tuple[float, Sequence[Answer]]:
        """Everything a page asks; its seconds, and what each request took. Raises when one fails."""
        # Renewed when near its end; nobody else needs the bare token.
        token = self._connection._current_token().text  # noqa: SLF001
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        answers: list[Answer] = []
        began = time.perf_counter()
        for stage in stages:
            # A thread costs more than a request that goes alone.
            run = self._pool.map if len(stage) > 1 else map
            answers += run(lambda ask, line: self._send(line, ask, headers), stage, self._lines)
        return time.perf_counter() - began, answers

    def _send(self, line: http.client.HTTPConnection, ask: Ask, headers: Mapping[str, str]) -> Answer:
        path = self._connection.realm_path(quote(ask.path, safe="/?&=%+-_.~"))
        began = time.perf_counter()
        line.request(ask.method, f"/{path}", headers=dict(headers))
        answer = line.getresponse()
        body = answer.read()
        seconds = time.perf_counter() - began
        if (answer.status >= 300 and answer.status != _FORBIDDEN) or (
            ask.method != "GET" and answer.status != 204
        ):
            raise SystemExit(f"{ask.method} {ask.label} answered {answer.status}: {body[:300]!r}")
        return Answer(label=f"{ask.method} {ask.label}", seconds=seconds, status=answer.status)
