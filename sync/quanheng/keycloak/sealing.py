"""Compiled rules made into what the guard matches: names become ids of Keycloak, and the whole is signed.

By id, so that a role that is renamed does not escape. The bytes depend on nothing but the arguments.
``guard/README.md`` describes the JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from quanheng.errors import ConfigurationError
from quanheng.keycloak.configuration_files import read_mapper_rules
from quanheng.keycloak.guard import SealedRules
from quanheng.model.ids import KeycloakId, OrgCode, QualificationId, RoleName
from quanheng.model.realm import ObservedRealm
from quanheng.policy.rules import CompiledRules, Duty, ExclusionRule, MaximumRule, WaiverInForce
from quanheng.policy.sealed_roles import contents_of

FORMAT: Final = 1
_CHANGING: Final = frozenset({"sequence", "issued"})
"""What differs between two issues of the same rules."""


class UnsealableRulesError(ConfigurationError):
    """The rules speak of roles that the realm does not have."""


class SwappedRolesError(ConfigurationError):
    """A duty's role goes by another's name: what is found by its name would be taken for the other."""

    def __init__(self, swapped: Sequence[Swap]) -> None:
        names = ", ".join(f"'{swap.was}' is called '{swap.now}' now" for swap in swapped)
        super().__init__(
            f"roles of duties go by each other's names: {names}",
            remedy="give them their names back in Keycloak's console (docs/howto/guard.md says how, also "
            "when the guard refuses that); then run again",
        )
        self.swapped = tuple(swapped)


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """A duty's role that goes by another duty's name, or by the default role's."""

    was: RoleName
    now: RoleName


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
    """What is known of names that were exchanged; false when none were."""

    swaps: tuple[Swap, ...] = ()
    names: frozenset[RoleName] = frozenset()
    """By which nothing may be found to be written: those that the roles had and have, of duties that have
    another than they had, and those of posts that contain one of them."""

    def __bool__(self) -> bool:
        return bool(self.swaps)

    def require_none(self) -> None:
        """Raise :class:`SwappedRolesError` when names were exchanged."""
        if self.swaps:
            raise SwappedRolesError(self.swaps)


def duty_ids(rules: CompiledRules, observed: ObservedRealm) -> Mapping[KeycloakId, RoleName]:
    """Which duty each role is, by its name now."""
    roles = observed.roles
    return {roles[name].id: name for name in rules.duties if name in roles}


def find_exchanged(
    rules: CompiledRules,
    known: Mapping[KeycloakId, RoleName],
    now: Mapping[KeycloakId, RoleName],
    *,
    default_role: RoleName,
) -> Exchanged:
    """Whether a role that is known as one duty's goes by a name under which another is looked for.

    ``now``: names of all roles. A role that is not known was made anew. One whose duty the packs do not have
    any more may be renamed.
    """
    renamed = [
        Swap(was=known[role], now=name)
        for role, name in now.items()
        if known.get(role, name) != name and known[role] in rules.duties
    ]
    swaps = [swap for swap in renamed if swap.now in rules.duties or swap.now == default_role]
    if not swaps:
        return Exchanged()
    names = {name for swap in renamed for name in (swap.was, swap.now)}
    return Exchanged(
        swaps=tuple(sorted(swaps, key=lambda swap: swap.was)),
        names=frozenset(names | {post for post, parts in rules.composites.items() if parts & names}),
    )


def seal(
    rules: CompiledRules,
    observed: ObservedRealm,
    *,
    realm: str,
    sequence: int,
    now: datetime,
    waivers: Iterable[WaiverInForce],
    writers: Iterable[KeycloakId],
    qualifications: Mapping[QualificationId, KeycloakId],
    card: str,
    user_names: Collection[str],
    default_role: tuple[RoleName, Collection[RoleName]],
    key: Ed25519PrivateKey,
) -> SealedRules:
    """Rules for one realm, signed (Ed25519, RFC 8032).

    ``writers``: user ids of our service accounts; ``qualifications``: the group of each; ``card``: alias of
    the provider without whose link nobody holds a duty; ``user_names``: those that no administrator of the
    realm gives to an account, where "#" at the end stands for a number; ``default_role``: what everybody
    holds, and the roles in it, protected as far as they are there. A qualification without a group gets an
    id that no group has: nobody is in it, so nobody gets what requires it. Raises
    :class:`UnsealableRulesError` when the realm lacks a role of the packs.
    """
    ids = _Ids(observed, qualifications)
    needed = frozenset[QualificationId]().union(*map(_required, rules.duties.values()))
    mappers = read_mapper_rules()
    contents = contents_of(rules, observed.roles)
    everybody, inside = default_role
    if everybody in observed.roles:
        contents = {everybody: frozenset(inside) & observed.roles.keys(), **contents}
    body = {
        "format": FORMAT,
        "realm": realm,
        "sequence": sequence,
        "issued": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "card": card,
        "writers": sorted(writers),
        "duties": {ids.role(role): _duty(duty, ids) for role, duty in rules.duties.items()},
        "exclusions": [_exclusion(rule, ids) for rule in rules.exclusions],
        "maxima": [_maximum(rule, ids) for rule in rules.maxima],
        "waivers": _waivers(rules, waivers),
        "groups": {ids.group(name): rules.qualifications.get(name, name) for name in needed},
        "protect": {
            "composites": {ids.role(role): ids.roles(parts) for role, parts in contents.items()},
            "protocol_mappers": sorted(mappers.protocol_mappers),
            "provider_mappers": sorted(mappers.provider_mappers),
            "role_claims": sorted(mappers.decisive_claims),
            "truthful": [{"kind": item.kind, "config": dict(item.config)} for item in mappers.truthful],
            "provider_attributes": sorted(mappers.provider_attributes),
            "user_names": sorted(user_names),
        },
    }
    ids.require_all()
    payload = _canonical(body)
    return SealedRules(payload=payload, signature=key.sign(payload), sequence=sequence)


def digest_of_rules(rules: SealedRules) -> str:
    """SHA-256 of what they say, hex: the same for two issues of the same rules."""
    body = {name: part for name, part in json.loads(rules.payload).items() if name not in _CHANGING}
    return hashlib.sha256(_canonical(body)).hexdigest()


class _Ids:
    """Ids of roles and groups by name; remembers what was asked for in vain."""

    def __init__(self, observed: ObservedRealm, qualifications: Mapping[QualificationId, KeycloakId]) -> None:
        self._roles = observed.roles
        self._groups = qualifications
        self._missing: set[RoleName] = set()

    def role(self, name: RoleName) -> str:
        found = self._roles.get(name)
        if found is None:
            self._missing.add(name)
            return ""
        return found.id

    def roles(self, names: Iterable[RoleName]) -> list[str]:
        return sorted(self.role(name) for name in names)

    def group(self, name: QualificationId) -> str:
        return self._groups.get(name, f"no-group:{name}")

    def groups(self, names: Iterable[QualificationId]) -> list[str]:
        return sorted(self.group(name) for name in names)

    def require_all(self) -> None:
        if self._missing:
            raise UnsealableRulesError(
                f"the realm lacks roles of the packs: {', '.join(sorted(self._missing))}",
                remedy="make them with 'quanheng realm apply'; then run again",
            )


def _required(duty: Duty) -> frozenset[QualificationId]:
    return duty.requires.union(*(item.requires for item in duty.within))


def _duty(duty: Duty, ids: _Ids) -> dict[str, Any]:
    body: dict[str, Any] = {
        "label": duty.label,
        "article": duty.article,
        "requires": ids.groups(duty.requires),
        "granters": ids.roles(duty.granters),
    }
    if duty.within:
        body["within"] = [
            {
                "areas": _areas(item.areas),
                "requires": ids.groups(item.requires),
                "granters": ids.roles(item.granters),
            }
            for item in duty.within
        ]
    return body


def _exclusion(rule: ExclusionRule, ids: _Ids) -> dict[str, Any]:
    return {
        "id": rule.id,
        "label": rule.label,
        "article": rule.article,
        "scope": rule.scope,
        "areas": _areas(rule.areas),
        "left": ids.roles(rule.left),
        "right": ids.roles(rule.right),
    }


def _maximum(rule: MaximumRule, ids: _Ids) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": rule.id,
        "label": rule.label,
        "article": rule.article,
        "per": rule.per,
        "areas": _areas(rule.areas),
        "roles": ids.roles(rule.roles),
        "most": rule.most,
    }
    if rule.digits:
        body["digits"] = sorted(rule.digits)
    return body


def _waivers(rules: CompiledRules, waivers: Iterable[WaiverInForce]) -> list[dict[str, str]]:
    """Of rules that may be waived alone: the guard does not know which those are."""
    waivable = {rule.source for rule in rules.exclusions if rule.waivable}
    waivable |= {rule.source for rule in rules.maxima if rule.waivable}
    found: set[tuple[KeycloakId, str, date]] = {
        (item.user, item.rule, item.until) for item in waivers if item.rule in waivable
    }
    return [{"user": user, "rule": rule, "until": until.isoformat()} for user, rule, until in sorted(found)]


def _areas(codes: Iterable[OrgCode]) -> list[str]:
    return sorted(codes)


def _canonical(body: Mapping[str, Any]) -> bytes:
    return json.dumps(
        body, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    ).encode()
