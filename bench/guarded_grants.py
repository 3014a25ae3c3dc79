"""What the guard costs: the same grants in a realm that it guards with 300 rules and in one that it does not.

    python -m bench.guarded_grants --grants 400 --rounds 3 [--rules 300]

One server with the guard, two realms configured the same; only one of them is among the server's required
realms, and has rules. People who hold the post of 业务操作员 join a duty group of a county, by the sync's
service account and by an entitled 业务管理员, one client and four; and new people are imported with two
duties each. Blocks of fifty alternate between the realms, and who begins alternates too. A cost is the time
per grant, guarded over not guarded, the median over pairs of neighbouring blocks. Exit 1 when one exceeds
the limit. Warm-up rounds, in which Java compiles what it runs, are not reported.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any, Final

from bench.acting import Grantor, Grants, Membership, log_in
from bench.harness import BenchRealm, Servers, make_people, started_servers
from bench.many_rules import COUNTY, write_pack
from bench.measure import EMBEDDED, POSTGRESQL, measured, report, say
from quanheng.engine.desired import CARD_PROVIDER
from quanheng.keycloak.open import connect_client, open_realm
from quanheng.keycloak.representation import new_user_body
from quanheng.keycloak.rest import RestRealm
from quanheng.model.ids import GroupPath, KeycloakId, Username
from quanheng.model.realm import FederatedIdentity, NewUser, RealmGroup

LIMIT: Final = 1.10
_BLOCK: Final = 50
_IMPORTED: Final = 10
"""Users per partialImport: so few that a block of fifty keeps four clients busy."""
_SIDES: Final = ("guarded", "open")
_DUTY: Final = "养老待遇核定受理岗"
_OTHER_DUTY: Final = "经办人员"


class Side:
    """One of the two realms, with people, and those who grant there."""

    def __init__(self, servers: Servers, name: str, people: Any, pack: str) -> None:
        realm = BenchRealm(servers, name, people, pack=pack)
        realm.prepare()
        made = realm.run_sync()
        say(f"{name}: {made['changes']}")
        self.name = name
        self.rest: RestRealm = open_realm(realm.settings)
        groups = self.rest.read_groups()
        self.duty = _group(groups.values(), "岗位", _DUTY)
        self._duties = (self.duty.path, _group(groups.values(), "岗位", _OTHER_DUTY).path)
        self.users = [
            user.id for user in self.rest.sweep_users() if not user.service_account and user.identities
        ]
        office = _group(groups.values(), "管理员", "业务管理员")
        qualification = next(item for item in groups.values() if item.path == ("资格", "正式在编"))
        administrator = self.rest.create_user(_somebody(qualification.path, office.path))
        keycloak = realm.settings.keycloak
        self._importer = Grantor(connect_client(keycloak, keycloak.configurator))
        self.grantors = {
            "writer": Grantor(self.rest.connection),
            "administrator": Grantor(log_in(keycloak, realm.administrator, administrator)),
        }

    def join(self, actor: str, users: Sequence[KeycloakId], clients: int) -> Grants:
        """Give each the duty."""
        return self.grantors[actor].join(self._memberships(users), clients)

    def take_back(self, users: Sequence[KeycloakId]) -> None:
        """Take the duty from each."""
        self.grantors["writer"].leave(self._memberships(users), 4)

    def _memberships(self, users: Sequence[KeycloakId]) -> list[Membership]:
        return [Membership(user=user, group=self.duty.id) for user in users]

    def bring_in(self, count: int, clients: int) -> Grants:
        """Import new people with two duties each."""
        batches = [[self._newcomer() for _ in range(_IMPORTED)] for _ in range(max(1, count // _IMPORTED))]
        return self._importer.bring_in(batches, clients)

    def _newcomer(self) -> dict[str, Any]:
        user = _somebody(*self._duties)
        paths = ["/" + "/".join(path) for path in user.groups]
        return {**new_user_body(user, paths), "realmRoles": [self.rest.default_role]}


@dataclass
class Case:
    """One way of granting, with what its blocks took on either side."""

    name: str
    block: Callable[[Side, Sequence[KeycloakId]], Grants]
    undo: Callable[[Side, Sequence[KeycloakId]], None] = lambda side, users: side.take_back(users)
    """Not measured."""
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Per grant, of each block, by side; those of one place were neighbours."""
    latencies: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    cpu: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Keycloak's, all blocks together."""
    grants: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def run(self, sides: Sequence[Side], pids: dict[str, int], count: int, *, keep: bool) -> None:
        """One round."""
        for place, first in enumerate(range(0, count, _BLOCK)):
            size = min(_BLOCK, count - first)
            for side in sides if place % 2 else reversed(sides):
                users = side.users[first : first + size]
                with measured(pids) as stretch:
                    done = self.block(side, users)
                self.undo(side, users)
                if keep:
                    self.seconds[side.name].append(done.seconds / size)
                    self.latencies[side.name] += done.latencies
                    self.cpu[side.name] += stretch.cpu_seconds["keycloak"]
                    self.grants[side.name] += size

    def cost(self) -> float:
        """Guarded over not guarded."""
        return median(self._ratios())

    def figures(self) -> dict[str, Any]:
        """For the JSON."""
        low, _, high = quantiles(self._ratios(), n=4)
        latency = {side: median(self.latencies[side]) for side in _SIDES}
        cpu = {side: self.cpu[side] / self.grants[side] for side in _SIDES}
        return {
            "grants_a_side": self.grants["guarded"],
            "grants_a_second": {side: round(1 / median(self.seconds[side]), 1) for side in _SIDES},
            "median_request_ms": {side: round(latency[side] * 1000, 2) for side in _SIDES},
            "keycloak_cpu_ms_a_grant": {side: round(cpu[side] * 1000, 2) for side in _SIDES},
            "cost": round(self.cost(), 3),
            "cost_quartiles": [round(low, 3), round(high, 3)],
            "cost_by_median_request": round(latency["guarded"] / latency["open"], 3),
            "cost_by_keycloak_cpu": round(cpu["guarded"] / cpu["open"], 3),
            "met": self.cost() <= LIMIT,
        }

    def _ratios(self) -> list[float]:
        return [a / b for a, b in zip(self.seconds["guarded"], self.seconds["open"], strict=True)]


def main() -> int:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--grants", type=int, default=400, help="of each case, side and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warm-up", type=int, default=4, help="rounds that are not reported")
    parser.add_argument("--embedded", action="store_true", help="not PostgreSQL, but H2")
    parser.add_argument("--rules", type=int, default=300, help="exclusions in force")
    arguments = parser.parse_args()
    population = make_people(arguments.grants)
    cases = _cases()
    database = EMBEDDED if arguments.embedded else POSTGRESQL
    with started_servers(population, guarded="guarded", database=database) as servers:
        pack = str(write_pack(servers.folder / "pack", arguments.rules))
        sides = [Side(servers, name, population, pack) for name in _SIDES]
        others: list[float] = []
        status = [side.rest.guard.read_status() for side in sides]
        for number in range(1 - arguments.warm_up, arguments.rounds + 1):
            with measured(servers.pids) as stretch:
                for case in cases:
                    case.run(sides, {"keycloak": servers.keycloak.pid}, arguments.grants, keep=number > 0)
            say(f"round {number}: {stretch.figures()}")
            if number > 0:
                others.append(stretch.figures()["cpu_seconds"]["others"])
                say(f"costs so far: { {case.name: round(case.cost(), 3) for case in cases} }")
    guarding = [found is not None and (found.required, found.valid) for found in status]
    if guarding != [(True, True), (False, False)]:
        raise SystemExit(f"the guard is not where it should be: {status}")
    met = all(case.cost() <= LIMIT for case in cases)
    report(
        "guarded_grants",
        {
            "rules": arguments.rules,
            "limit": LIMIT,
            "met": met,
            "others_cpu_seconds": others,
            "cases": {case.name: case.figures() for case in cases},
        },
        database=database,
    )
    return 0 if met else 1


def _cases() -> list[Case]:
    cases = []
    for actor in ("writer", "administrator"):
        for clients in (1, 4):

            def block(
                side: Side, users: Sequence[KeycloakId], actor: str = actor, clients: int = clients
            ) -> Grants:
                return side.join(actor, users, clients)

            cases.append(Case(f"{actor}, {clients} at once", block))
    imported = Case(
        "import, 4 at once",
        lambda side, users: side.bring_in(len(users), 4),
        undo=lambda side, users: None,
    )
    cases.append(imported)
    return cases


def _group(groups: Any, root: str, name: str) -> RealmGroup:
    found: RealmGroup = next(
        item
        for item in groups
        if item.path[0] == root and item.path[-1] == name and item.path[1].startswith(f"{COUNTY}-")
    )
    return found


def _somebody(*groups: GroupPath) -> NewUser:
    name = f"bx{secrets.token_hex(6)}"
    return NewUser(
        username=Username(name),
        enabled=True,
        name="张三",
        attributes={},
        groups=groups,
        identities=frozenset({FederatedIdentity(CARD_PROVIDER, f"sub-{name}", name)}),
    )


if __name__ == "__main__":
    sys.exit(main())
