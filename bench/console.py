"""The pages of Keycloak's console: what each kind of administrator waits for, next to a full one.

    python -m bench.console --people 60000 --scope 14 [--turns 60] [--in-order]

A realm of its own with the guard, all the groups of the scope, and permissions as quanheng compiles and
writes them. Nine in ten people are 业务操作员 of townships, villages and bank branches, one in ten is
经办人员 of a bureau, all made by ``partialImport``. The 系统管理员 and 业务管理员 of the county with
most people, those of the province, and somebody with ``realm-admin`` open the same pages in turn, over
lean connections, as many at once as a browser has. A page's time ends with its last answer. A ratio is
the median over that of the full administrator, who opens the same page about the same people right
before or after. Lists have to come within 0.3 s (95th percentile) and eight times the full
administrator's; exit 1 when one does not. The first turns (``--warm-up``) are not reported.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any, Final

from bench.console_pages import PAGES, Answer, Page, Subject, Window
from bench.console_stage import REALM, Office, Stage
from bench.harness import make_people, started_servers
from bench.measure import EMBEDDED, POSTGRESQL, measured, report, say
from quanheng.keycloak.connection import Connection
from quanheng.model.ids import KeycloakId

LIMIT_SECONDS: Final = 0.3
LIMIT_RATIO: Final = 8.0
_NEWCOMERS: Final = 20
"""People of each administrator who have no duty: it grants them one, which is taken back."""
_KNOWN: Final = 200
"""People whom an administrator looks at in turn."""


class Administrator:
    """Somebody at the console, with people to look at and to grant to."""

    def __init__(self, stage: Stage, office: Office) -> None:
        self.office = office
        self.connection = stage.log_in(office)
        self.window = Window(self.connection)
        self.sees = _count(self.connection)
        path = self.connection.realm_path("/users")
        self._people = self.connection.get(path, max=_KNOWN, briefRepresentation="true")
        self._newcomers = stage.newcomers(office, _NEWCOMERS) if office.grants else []
        self._duty = stage.way(stage.places.post(stage.places.area(office.about), office.duty))
        self._unit = stage.way(stage.places.home(office.about))
        self._searched = stage.places.units.by_code[office.searched].name

    def subject(self, turn: int, page: Page) -> Subject:
        """Whom and what a page is about at a turn."""
        person = self._people[turn % len(self._people)]
        *way, duty = self._duty
        return Subject(
            user=self._newcomers[turn % len(self._newcomers)] if page.grants else person["id"],
            name=person["firstName"],
            duty=duty,
            way=way,
            organisations=self._unit,
            area=self._searched,
            word=self.office.word,
        )


@dataclass
class Times:
    """What one page took somebody."""

    seconds: list[float] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)
    """By status, of one turn."""
    requests: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, seconds: float, answers: Sequence[Answer]) -> None:
        """One turn."""
        self.seconds.append(seconds)
        self.answers = Counter(answer.status for answer in answers)
        for answer in answers:
            self.requests[answer.label].append(answer.seconds)

    def figures(self) -> dict[str, Any]:
        """For the JSON."""
        slowest = max(self.requests, key=lambda label: median(self.requests[label]))
        return {
            "median_ms": _ms(median(self.seconds)),
            "p95_ms": _ms(self.p95),
            "slowest_request": {slowest: _ms(median(self.requests[slowest]))},
        }

    @property
    def p95(self) -> float:
        """95th percentile."""
        return quantiles(self.seconds, n=20, method="inclusive")[-1]


@dataclass
class Pair:
    """One page, opened by an administrator and by the full one."""

    page: Page
    own: Times = field(default_factory=Times)
    full: Times = field(default_factory=Times)

    @property
    def ratio(self) -> float:
        """Of the medians."""
        return median(self.own.seconds) / median(self.full.seconds)

    @property
    def met(self) -> bool:
        """Whether it is as quick as a list has to be; other pages need not be."""
        return not self.page.listing or (self.own.p95 <= LIMIT_SECONDS and self.ratio <= LIMIT_RATIO)

    def figures(self) -> dict[str, Any]:
        """For the JSON."""
        return {
            "requests": self.own.answers.total(),
            "answers": {str(status): number for status, number in sorted(self.own.answers.items())},
            **self.own.figures(),
            "full": self.full.figures(),
            "ratio": round(self.ratio, 2),
            **({"met": self.met} if self.page.listing else {}),
        }


class Opening:
    """Every page, by every administrator and by the full one beside it."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.administrators = [Administrator(stage, office) for office in stage.offices()]
        province = next(office for office in reversed(stage.offices()) if office.grants)
        # The guard lets nobody grant who has not the office for it.
        connection = stage.log_in(province, ("realm-admin",))
        self.sees = {item.office.name: item.sees for item in self.administrators}
        self.sees["full administrator"] = _count(connection)
        self._full = Window(connection)
        self.pairs: dict[str, dict[str, Pair]] = {
            administrator.office.name: {
                page.name: Pair(page) for page in PAGES if administrator.office.grants or not page.grants
            }
            for administrator in self.administrators
        }

    def turn(self, number: int, *, keep: bool) -> None:
        """Everybody opens every page once; who begins alternates."""
        for administrator in self.administrators:
            for pair in self.pairs[administrator.office.name].values():
                subject = administrator.subject(number, pair.page)
                both = [(administrator.window, pair.own), (self._full, pair.full)]
                for window, times in both if number % 2 else reversed(both):
                    seconds, answers = window.show(pair.page.stages(subject))
                    if pair.page.name == "grant":
                        self._stage.take_back(KeycloakId(subject.user), KeycloakId(subject.duty))
                    if keep:
                        times.add(seconds, answers)

    @property
    def met(self) -> bool:
        """Whether every list is quick enough."""
        return all(pair.met for pages in self.pairs.values() for pair in pages.values())

    def figures(self) -> Mapping[str, Any]:
        """For the JSON, by page and administrator."""
        return {
            page.name: {
                name: pages[page.name].figures() for name, pages in self.pairs.items() if page.name in pages
            }
            for page in PAGES
        }


def main() -> int:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--people", type=int, default=60_000)
    parser.add_argument("--scope", default="14", help="divisions: 14 is all of 山西, 1409 忻州")
    parser.add_argument("--turns", type=int, default=60)
    parser.add_argument("--warm-up", type=int, default=10, help="turns that are not reported")
    parser.add_argument("--in-order", action="store_true", help="user names in the order of organisations")
    parser.add_argument("--embedded", action="store_true", help="not PostgreSQL, but H2")
    arguments = parser.parse_args()
    database = EMBEDDED if arguments.embedded else POSTGRESQL
    with started_servers(make_people(1), guarded=REALM, database=database) as servers:
        stage = Stage(servers, arguments.scope, arguments.people, in_order=arguments.in_order)
        opening = Opening(stage)
        status = stage.rest.guard.read_status()
        if status is None or (status.required, status.valid) != (True, True):
            raise SystemExit(f"the guard is not where it should be: {status}")
        say(
            f"{stage.permissions}, sees: { {item.office.name: item.sees for item in opening.administrators} }"
        )
        for number in range(arguments.warm_up):
            opening.turn(number, keep=False)
        say("warm")
        with measured(servers.pids) as stretch:
            for number in range(arguments.turns):
                opening.turn(number, keep=True)
    report(
        "console",
        {
            "people": arguments.people,
            "scope": arguments.scope,
            "names_in_order": arguments.in_order,
            **stage.permissions,
            "limits": {"list_p95_ms": _ms(LIMIT_SECONDS), "list_ratio": LIMIT_RATIO},
            "met": opening.met,
            "turns": arguments.turns,
            "sees": opening.sees,
            "pages": opening.figures(),
            **stretch.figures(),
        },
        database=database,
    )
    return 0 if opening.met else 1


def _count(connection: Connection) -> int:
    return int(connection.get(connection.realm_path("/users/count")))


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


if __name__ == "__main__":
    sys.exit(main())
