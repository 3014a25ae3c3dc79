"""What the two sources of the demo say. A new issue is written only when the SCOPE has changed.

The feed and the directory's content are a pure function of scope, seed and day of issue, so that a
second ``make demo`` finds the very same files and nothing to do.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tests.fixtures import people as generator
from tests.fixtures.people import Population, build_ldif, generate, write_feed

from deploy.demo.folder import DemoFolder
from deploy.local.slapd import SUFFIX
from quanheng.clock import CHINA, Clock, day_in_china

_STATE = "issue.json"
_SEED = 1


@dataclass(frozen=True, slots=True)
class Issue:
    """What was issued last: to what scope, and whether it is new."""

    population: Population
    sequence: int
    fresh: bool


def write_issue(folder: DemoFolder, scope: str, clock: Clock) -> Issue:
    """Deliver the feed of ``scope`` unless the one that is there is the same."""
    known = folder.read(_STATE)
    wanted = {"scope": scope, "generator": _generator_digest()}
    fresh = {key: known.get(key) for key in wanted} != wanted
    as_of = (
        clock().astimezone(CHINA).replace(microsecond=0) if fresh else datetime.fromisoformat(known["as_of"])
    )
    sequence = known.get("sequence", 0) + fresh
    population = generate(scope, _SEED, today=day_in_china(as_of))
    if fresh:
        write_feed(
            folder.feed,
            population.people,
            population.units,
            sequence=sequence,
            as_of=as_of,
            scope=population.scope,
        )
        folder.write_text(folder.ldif.name, build_ldif(population.people, population.units, SUFFIX))
        # Last: an issue that was cut off is written again, with the same number.
        folder.write(_STATE, {**wanted, "as_of": as_of.isoformat(), "sequence": sequence})
    return Issue(population, sequence, fresh)


def _generator_digest() -> str:
    """Digest of everything that decides what people there are."""
    files = sorted(Path(generator.__file__).parent.glob("*.py"))
    names = ("divisions", "faults", "feed", "identities", "ldif", "people", "rows")
    digest = hashlib.sha256()
    for file in files:
        if file.stem in names:
            digest.update(file.read_bytes())
    return digest.hexdigest()
