"""What of an object in Keycloak differs from what is wanted of it. Pure.

Only what is wanted is compared: a mapping by its keys, a list as a set when it holds plain values. A mapping
that is wanted empty says that nothing is there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

MISSING: Final = "missing"
THERE: Final = "there"


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting that is not as it should be."""

    where: str
    """``realm.accessTokenLifespan``, ``clients.quanheng-sync.attributes.jwks.string``."""
    wanted: str
    found: str
    foreign: bool = False
    """Not ours: reported, and left alone."""
    way_in: bool = False
    """Not ours, and another way to power: the watcher tells of it as well."""


def differences(where: str, wanted: Any, found: Any) -> Iterator[Difference]:
    """Each setting below ``where`` that is not as wanted."""
    if isinstance(wanted, Mapping):
        there = found if isinstance(found, Mapping) else {}
        for key, value in wanted.items():
            if _wanted_empty(value):
                yield from _surplus(f"{where}.{key}", there.get(key))
            else:
                yield from differences(f"{where}.{key}", value, there.get(key))
    elif not _equal(wanted, found):
        yield Difference(where, _text(wanted), _text(found))


def merged(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """``found`` with everything wanted put in; what is not spoken of stays.

    Below what is wanted empty each entry becomes '': one that is left out of a PUT stays in Keycloak.
    """
    result = dict(found)
    for key, value in wanted.items():
        below = result.get(key)
        there = below if isinstance(below, Mapping) else {}
        if _wanted_empty(value):
            result[key] = dict.fromkeys(there, "")
        else:
            result[key] = merged(there, value) if isinstance(value, Mapping) else value
    return result


def _wanted_empty(value: Any) -> bool:
    return isinstance(value, Mapping) and not value


def _surplus(where: str, found: Any) -> Iterator[Difference]:
    for key, value in found.items() if isinstance(found, Mapping) else ():
        if value not in (None, ""):
            yield Difference(f"{where}.{key}", MISSING, _text(value))


def _equal(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, list):
        there = found or []
        return sorted(map(_text, wanted)) == sorted(map(_text, there))
    # Keycloak leaves out what is off.
    return bool(wanted == found) or (wanted in (False, "false") and found in (None, ""))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
