"""The guard and the judge decide alike: the same words on 10,000 generated cases."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from deploy.local.guard import guard_jar
from deploy.local.keycloak import built_distribution

from quanheng.keycloak.sealing import seal
from quanheng.model.ids import KeycloakId, OrgCode, QualificationId, RoleName
from quanheng.model.realm import ObservedRealm, RealmRole
from quanheng.policy.judge import judge_gain, may_grant
from quanheng.policy.rules import (
    CompiledRules,
    Duty,
    ExclusionRule,
    Held,
    MaximumRule,
    WaiverInForce,
    Within,
)

CASES: Final = 10_000
RUNNER: Final = Path(__file__).parent / "java" / "org" / "quanheng" / "guard" / "rules" / "CaseRunner.java"
CASES_FOR_EACH_RULE_SET: Final = 50
DAY: Final = date(2026, 11, 22)
ROLES: Final = [RoleName(f"post-{number}") for number in range(8)] + [
    RoleName(f"sub/{number}") for number in range(4)
]
AREAS: Final = [OrgCode(code) for code in ("14", "1409", "140902", "140921", "1405", "140502")]
QUALIFICATIONS: Final = [QualificationId(name) for name in ("formal", "certified", "trained")]
USER: Final = KeycloakId("user-1")


@dataclass(frozen=True)
class Case:
    """Somebody who holds something and gains something, and pairs of a duty and an area to grant."""

    rules: CompiledRules
    sealed: dict[str, Any]
    waivers: tuple[WaiverInForce, ...]
    held: tuple[Held, ...]
    gained: tuple[Held, ...]
    qualifications: frozenset[QualificationId]
    others: dict[str, dict[str, int]]
    grants: tuple[tuple[RoleName, OrgCode | None], ...]
    as_in_a_transaction: bool
    """The guard is asked as it asks itself: what is gained is held already, and no way to it is known."""

    def for_the_guard(self) -> str:
        """One line for its runner."""
        held = self.held
        if self.as_in_a_transaction:
            held = tuple(replace(item, path=()) for item in (*self.held, *self.gained))
        return json.dumps(
            {
                "rules": self.sealed,
                "user": USER,
                "day": DAY.isoformat(),
                "held": [_written(item) for item in held],
                "gained": [_written(item) for item in self.gained],
                "qualifications": sorted(self.qualifications),
                "others": self.others,
                "grants": self.grants,
            },
            ensure_ascii=False,
        )

    def by_the_judge(self) -> dict[str, Any]:
        """What the judge decides, in the runner's form."""
        conflicts = judge_gain(
            self.rules,
            self.held,
            self.gained,
            qualifications=self.qualifications,
            waivers=self.waivers,
            day=DAY,
            user=USER,
            others=lambda rule, area: self.others.get(rule.id, {}).get(area, 0),
        )
        return {
            "conflicts": [
                {"rule": item.rule, "article": item.article, "reason": item.reason} for item in conflicts
            ],
            "grants": [may_grant(self.rules, self.held, role, area) for role, area in self.grants],
        }


def _written(held: Held) -> dict[str, Any]:
    return {"role": held.role, "area": held.area, "path": held.path}


def generate(random: Random) -> Iterator[Case]:
    """Cases without end, some to each set of rules."""
    key = Ed25519PrivateKey.generate()
    roles = {name: RealmRole(id=KeycloakId(name), name=name) for name in ROLES}
    while True:
        rules = _rules(random)
        waivers = tuple(_waivers(random, rules))
        sealed = seal(
            rules,
            ObservedRealm(groups={}, users={}, roles=roles),
            realm="generated",
            sequence=1,
            now=datetime(2026, 11, 22, tzinfo=UTC),
            waivers=waivers,
            writers=(),
            qualifications={name: KeycloakId(name) for name in QUALIFICATIONS},
            card="social-card",
            user_names=(),
            default_role=(RoleName("none"), ()),
            key=key,
        )
        body = json.loads(sealed.payload)
        for number in range(CASES_FOR_EACH_RULE_SET):
            yield Case(
                rules=rules,
                sealed=body,
                waivers=waivers,
                held=tuple(_held(random) for _ in range(random.randrange(6))),
                gained=tuple(_held(random) for _ in range(random.randrange(1, 5))),
                qualifications=frozenset(_some(random, QUALIFICATIONS, 0)),
                others={
                    rule.id: {area: random.randrange(4) for area in _some(random, AREAS, 0)}
                    for rule in rules.maxima
                },
                grants=tuple((random.choice(ROLES), random.choice([*AREAS, None])) for _ in range(4)),
                as_in_a_transaction=number % 2 == 1,
            )


def _some(random: Random, items: list[Any], least: int = 1, most: int = 4) -> list[Any]:
    return random.sample(items, random.randint(least, min(most, len(items))))


def _held(random: Random) -> Held:
    role, area = random.choice(ROLES), random.choice([*AREAS, None])
    start = ("直接授予",) if area is None else (f"/岗位/{area}/甲",)
    between = _some(random, [*ROLES, "bundle", "x/y"], 0, 2)
    return Held(role=role, area=area, path=(*start, *between, role))


def _rules(random: Random) -> CompiledRules:
    areas = [(), (), *((area,) for area in AREAS), ("1409", "1405")]
    exclusions = tuple(
        ExclusionRule(
            id=f"exclusion-{number}" + random.choice(["", "#1", "#2"]),
            label=f"规则{number}",
            article=f"S{number}",
            scope=random.choice(["person", "county"]),
            left=frozenset(_some(random, ROLES)),
            right=frozenset(_some(random, ROLES)),
            areas=tuple(map(OrgCode, random.choice(areas))),
            waivable=random.random() < 0.5,
        )
        for number in range(random.randrange(6))
    )
    maxima = tuple(
        MaximumRule(
            id=f"maximum-{number}",
            label=f"限额{number}",
            article=f"E{number}",
            per=random.choice(["person", "county"]),
            roles=frozenset(_some(random, ROLES)),
            most=random.randrange(1, 4),
            areas=tuple(map(OrgCode, random.choice(areas))),
            digits=frozenset(random.choice([(), (), (6,), (4, 6)])),
            waivable=random.random() < 0.5,
        )
        for number in range(random.randrange(4))
    )
    return CompiledRules(
        duties={role: _duty(random, role) for role in ROLES if random.random() < 0.9},
        exclusions=exclusions,
        maxima=maxima,
        qualifications={name: f"资格{name}" for name in QUALIFICATIONS[:2]},
    )


def _duty(random: Random, role: RoleName) -> Duty:
    return Duty(
        role=role,
        label=f"岗位{role}",
        article=random.choice(["S5", "G13", ""]),
        requires=frozenset(_some(random, QUALIFICATIONS, 0, 2)),
        granters=frozenset(_some(random, ROLES, 0)),
        within=tuple(
            Within(
                areas=tuple(_some(random, AREAS)),
                requires=frozenset(_some(random, QUALIFICATIONS, 0, 2)),
                granters=frozenset(_some(random, ROLES, 0)),
            )
            for _ in range(random.choice([0, 0, 1, 2]))
        ),
    )


def _waivers(random: Random, rules: CompiledRules) -> Iterator[WaiverInForce]:
    for rule in (*rules.exclusions, *rules.maxima):
        if random.random() < 0.3:
            yield WaiverInForce(
                user=random.choice([USER, KeycloakId("user-2")]),
                rule=rule.source,
                until=DAY + timedelta(days=random.choice([-1, 0, 1])),
            )


def _compiled(libraries: Path, folder: Path) -> str:
    """Compiles the runner next to the guard; a class path with both."""
    guard = os.pathsep.join([str(guard_jar()), f"{libraries}/*"])
    subprocess.run(["javac", "-cp", guard, "-d", str(folder), str(RUNNER)], check=True, capture_output=True)
    return os.pathsep.join([str(folder), guard])


def _rules_broken(decision: dict[str, Any]) -> list[tuple[str, str]]:
    return [(item["rule"], item["article"]) for item in decision["conflicts"]]


def test_guard_agrees_with_the_judge(tmp_path: Path) -> None:
    """Rules sealed for the guard give, in the guard, the judge's own decisions, reason by reason."""
    random = Random(1403)  # noqa: S311 - the same cases each time
    cases = list(islice(generate(random), CASES))
    libraries = built_distribution(guard_jar()) / "lib" / "lib" / "main"
    done = subprocess.run(
        [
            "java",
            "-XX:TieredStopAtLevel=1",
            "-Xmx512m",
            "-cp",
            _compiled(libraries, tmp_path),
            "org.quanheng.guard.rules.CaseRunner",
        ],
        input="\n".join(case.for_the_guard() for case in cases),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    decisions = [json.loads(line) for line in done.stdout.splitlines()]

    assert len(decisions) == CASES
    seen: Counter[str] = Counter()
    for case, decision in zip(cases, decisions, strict=True):
        expected = case.by_the_judge()
        if case.as_in_a_transaction:
            assert _rules_broken(decision) == _rules_broken(expected)
        else:
            assert decision == expected
        seen.update(item["rule"].partition("-")[0] for item in expected["conflicts"])
        seen["clear"] += not expected["conflicts"]
        seen["granted"] += any(expected["grants"])
    # Every kind of decision was among them, often.
    assert all(
        seen[kind] > CASES // 20 for kind in ("requires", "exclusion", "maximum", "clear", "granted")
    ), seen
