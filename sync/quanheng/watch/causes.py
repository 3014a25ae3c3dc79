"""What gives power past any grant, and is nobody's: what roles contain, default groups, mappers. Pure.

The guard decides the same by its signed rules (``Restoration.java``), by ids; here it is by names, so a name
that was exchanged says nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from quanheng.keycloak.judged_mappers import MapperRules, Verdict
from quanheng.model.ids import KeycloakId, RoleName
from quanheng.model.realm import RealmMapper, RealmRole
from quanheng.policy.rules import CompiledRules
from quanheng.policy.sealed_roles import BY_KEYCLOAK, contents_of, is_fixed


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """What sets it right."""

    surplus: Mapping[RoleName, frozenset[RoleName]]
    """What is taken out of each role."""
    lacking: Mapping[RoleName, frozenset[RoleName]]
    """What is put back into roles of posts."""
    default_groups: Mapping[KeycloakId, str]
    """Removed, with their names: there are none."""
    mappers: tuple[RealmMapper, ...]
    """Removed."""


def find_surplus(
    roles: Mapping[RoleName, RealmRole], rules: CompiledRules, *, untouched: Collection[RoleName] = ()
) -> Mapping[RoleName, frozenset[RoleName]]:
    """What roles contain that they should not: protected ones all but what :func:`contents_of` says, others
    (the default role among them) a duty."""
    contents = contents_of(rules, roles)
    found = {}
    for name in sorted(roles.keys() - untouched):
        parts = roles[name].composites
        surplus = parts - contents[name] if name in contents else parts & rules.duties.keys()
        if surplus:
            found[name] = frozenset(surplus)
    return found


def find_remedy(
    roles: Mapping[RoleName, RealmRole],
    rules: CompiledRules,
    *,
    exchanged: Collection[RoleName],
    default_groups: Mapping[KeycloakId, str],
    mappers: Iterable[RealmMapper],
    judge: MapperRules,
) -> Remedy:
    """What there is to take away, and what to put back of what is there. ``exchanged``: names by which
    nothing may be found to be written. Of what its own roles contain, Keycloak lets nobody change most; what
    entered one would come with it, so such a role is put back nowhere."""
    known = roles.keys() - exchanged
    surplus = find_surplus(roles, rules, untouched=exchanged)
    sound = known - (surplus.keys() & BY_KEYCLOAK.keys())
    lacking = {
        name: rules.composites[name] - roles[name].composites for name in known & rules.composites.keys()
    }
    return Remedy(
        surplus={
            name: parts & known for name, parts in surplus.items() if not is_fixed(name) and parts & known
        },
        lacking={name: parts & sound for name, parts in sorted(lacking.items()) if parts & sound},
        default_groups=default_groups,
        mappers=tuple(item for item in mappers if judge.judge(item) is not Verdict.ORDINARY),
    )
