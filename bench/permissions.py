"""Writing the administrators' permissions: next to bare REST calls, and when little or nothing changed.

    python -m bench.permissions --scope 14 --rounds 4

Each side of each round has a fresh realm of one server with all the groups of the scope and no
permissions, which is removed before the other side's is made: in a second realm beside the first, whoever
writes it, Keycloak needs almost twice the CPU. On one side quanheng does what each sync ends with: it
compiles, reads what is there, writes, and notes it in the ledger. On the other a script posts the same
bodies, four at once and ready made. Who begins alternates, and as many rounds begin with the one as with
the other; the ratio is their geometric mean. At the end quanheng applies (``admin apply``) and synchronises
again with nothing changed, and synchronises with a new township. Exit 1 when the ratio is above 1.1, or
nothing changed takes more than 20 requests.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import geometric_mean, median
from typing import Any, Final, TypeVar

from tests.fixtures.divisions import build_scope, read_units
from tests.fixtures.people import Population

from bench.bare_permissions import BareWriter
from bench.harness import BenchRealm, Servers, make_people, open_context, started_servers
from bench.measure import EMBEDDED, POSTGRESQL, measured, report, say
from quanheng.keycloak import permissions_rest
from quanheng.keycloak.rest import RestRealm
from quanheng.model.ids import OrgCode
from quanheng.model.permission import AdminPermissions
from quanheng.model.staff import OrgKind, OrgUnit
from quanheng.operations.carrying_out import hold_lease
from quanheng.operations.context import Context
from quanheng.operations.delegating import apply_delegation, compile_delegation, delegate
from quanheng.operations.refresh import refresh_mirror
from quanheng.operations.synchronise import synchronise

LIMIT: Final = 1.10
LIMIT_REQUESTS: Final = 20
_SIDES: Final = ("quanheng", "bare")
_T = TypeVar("_T")


class Side:
    """Quanheng or the bare calls, with a fresh realm."""

    def __init__(self, servers: Servers, population: Population, name: str, number: int) -> None:
        self._servers = servers
        self._population = population
        self._name = name
        self._realm = BenchRealm(servers, f"{name}-{number}", population, workers=4)
        self._realm.prepare(delegated=False)

    def run(self) -> dict[str, Any]:
        """What writing took."""
        with open_context(self._realm.organisations_file) as context:
            return self._bare(context) if self._name == "bare" else self._ours(context)

    def again(self) -> dict[str, Any]:
        """What our own takes when nothing changed, and with a new township."""
        realm = self._realm
        with open_context(realm.organisations_file) as context:
            synchronise(context)  # takes in the events of what was written, as any sync after a change
            applied, apply_requests = _counted(context, lambda: apply_delegation(context, None))
            nothing, sync_requests = _counted(context, lambda: synchronise(context))
        if applied.changes or nothing.delegated.changes or nothing.outcome.done:
            raise SystemExit(f"something was written again: {applied.changes[:3]} {nothing.outcome.done}")
        realm.feed_organisations((*self._population.units, _township(self._population)), sequence=2)
        with open_context(realm.organisations_file) as context:
            grown, grown_requests = _counted(context, lambda: synchronise(context))
        return {
            "nothing_changed": {"apply": apply_requests, "sync": sync_requests},
            "new_township": {
                "groups": dict(grown.outcome.done),
                "permission_writes": len(grown.delegated.changes),
                "written": [f"{change.deed} {change.name}" for change in grown.delegated.changes],
                "sync": grown_requests,
            },
        }

    def remove(self) -> None:
        """Leave the server as it was."""
        self._realm.remove()

    def _ours(self, context: Context) -> dict[str, Any]:
        if not context.realm.can_import:  # and a token, as the other has one
            raise SystemExit("the configurator is closed")
        context.realm.read_server_time()
        with measured(self._servers.pids) as stretch:
            done, requests = _counted(context, lambda: delegate(context))
        if done.outdated or done.waiting:
            raise SystemExit(f"not everything could be written: {done.waiting}")
        return {"written": len(done.changes), "requests": requests, **stretch.figures()}

    def _bare(self, context: Context) -> dict[str, Any]:
        with hold_lease(context) as lease:
            wanted = compile_delegation(context, refresh_mirror(context, lease)).permissions
        admin = self._realm.administrator
        client = admin.get(admin.realm_path("/clients"), clientId=permissions_rest.CLIENT)[0]["id"]
        base = admin.realm_path(f"/clients/{client}/authz/resource-server")
        writer = BareWriter(self._servers.keycloak.url, base, wanted, _bodies(wanted))
        token = admin._current_token().text  # noqa: SLF001 - nobody else needs the bare token
        with measured(self._servers.pids) as stretch:
            written = writer.write(token)
        found = permissions_rest.RestPermissions(admin, admin).read()
        if found != wanted:
            raise SystemExit("the bare calls did not write the same")
        return {"written": written, "requests": {"POST": written}, **stretch.figures()}


def main() -> int:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scope", default="14", help="divisions: 14 is all of 山西, 1409 忻州")
    parser.add_argument("--rounds", type=int, default=4, help="even: each side begins as often")
    parser.add_argument("--embedded", action="store_true", help="not PostgreSQL, but H2")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.rounds % 2:
        parser.error("--rounds has to be even, so that each side begins as often as the other")
    scope = arguments.scope
    population = Population(scope=build_scope(scope), units=read_units(scope), people=())
    rounds: list[dict[str, Any]] = []
    after: dict[str, Any] = {}
    database = EMBEDDED if arguments.embedded else POSTGRESQL
    with started_servers(make_people(1), database=database) as servers:
        for number in range(arguments.rounds + 1):
            taken = {}
            for name in _SIDES if number % 2 else reversed(_SIDES):
                side = Side(servers, population, name, number)
                taken[name] = side.run()
                if name == "quanheng" and number == arguments.rounds:
                    after = side.again()
                side.remove()
            rounds.append(taken)
            say(f"round {number}: {taken}")
    just_started, *counted = rounds
    ratios = [found["quanheng"]["seconds"] / found["bare"]["seconds"] for found in counted]
    nothing = {what: sum(kinds.values()) for what, kinds in after["nothing_changed"].items()}
    met = {
        "ratio": geometric_mean(ratios) <= LIMIT,
        "nothing_changed": all(number <= LIMIT_REQUESTS for number in nothing.values()),
    }
    report(
        "permissions",
        {
            "scope": scope,
            "written": counted[-1]["quanheng"]["written"],
            "seconds": {side: median(found[side]["seconds"] for found in counted) for side in _SIDES},
            "ratio": round(geometric_mean(ratios), 3),
            "ratios": [round(ratio, 3) for ratio in ratios],
            "limits": {"ratio": LIMIT, "requests_when_nothing_changed": LIMIT_REQUESTS},
            "met": met,
            "requests_when_nothing_changed": nothing,
            **after,
            "just_started": just_started,
            "rounds": counted,
        },
        database=database,
    )
    return 0 if all(met.values()) else 1


def _bodies(wanted: AdminPermissions) -> Mapping[str, tuple[str, Mapping[str, Any]]]:
    """What quanheng would send for each."""
    policies = {
        name: (f"policy/{item.kind}", permissions_rest._policy_body(item))  # noqa: SLF001 - the same bodies
        for name, item in wanted.policies.items()
    }
    permissions = {
        name: ("permission/scope", permissions_rest._permission_body(item))  # noqa: SLF001
        for name, item in wanted.permissions.items()
    }
    return {**policies, **permissions}


def _counted(context: Context, act: Callable[[], _T]) -> tuple[_T, Mapping[str, int]]:
    """What came of it, and requests of both our clients, by method."""
    rest = context.realm
    assert isinstance(rest, RestRealm)  # noqa: S101 - for the type: nothing else is opened
    lines = [line for line in (rest.connection, rest._bulk) if line is not None]  # noqa: SLF001
    before = [Counter(line.counter.by_kind()) for line in lines]
    done = act()
    spent: Counter[str] = Counter()
    for line, earlier in zip(lines, before, strict=True):
        spent += Counter(line.counter.by_kind()) - earlier
    return done, dict(spent)


def _township(population: Population) -> OrgUnit:
    """One that there is not."""
    model = next(unit for unit in population.units if unit.kind is OrgKind.TOWNSHIP)
    code = OrgCode(f"{model.code[:6]}998")
    return replace(model, code=code, name="新设镇", origin=replace(model.origin, locator=code))


if __name__ == "__main__":
    sys.exit(main())
