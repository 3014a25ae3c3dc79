"""Which mappers give roles, or forge what a token says, by what they do and which claim they write. Pure.

The guard judges the same (``Mappers.java``) by what it gets with its signed rules; the lists are in
``keycloak-config/mappers.yaml``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from quanheng.model.realm import MapperHolder, RealmMapper

_FIRST_PART: Final = re.compile(r"(?:\\.|[^.\\])*")
_UNESCAPED: Final = re.compile(r"\\(.)")
_CLAIM_KEYS: Final = ("claim.name", "attribute.name", "friendly.name")
"""Settings that name the claim (OpenID Connect) or the attribute (SAML, by either of its names) that a
mapper writes."""
_ATTRIBUTE_KEYS: Final = ("user.attribute", "userAttribute", "attribute")
"""Settings of a provider's mapper that name the attribute of the user it writes."""


class Verdict(Enum):
    """What a mapper amounts to."""

    ORDINARY = auto()
    FORGES = auto()
    """Gives or forges roles, says of a person what may not be so, or takes somebody else's place: told, and
    removed by the guard and by whoever applies the configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truthful:
    """Settings with which a kind of mapper writes into a decisive claim what is so."""

    kind: str
    config: Mapping[str, str]
    """Exactly these values; one that is absent, empty or ``false`` is ``""``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapperRules:
    """``keycloak-config/mappers.yaml``."""

    protocol_mappers: tuple[str, ...]
    provider_mappers: tuple[str, ...]
    role_claims: frozenset[str]
    identity_claims: frozenset[str]
    provider_attributes: frozenset[str]
    truthful: tuple[Truthful, ...]

    @property
    def decisive_claims(self) -> frozenset[str]:
        """Claims by which a subsystem decides who somebody is, and what that person may do."""
        return self.role_claims | self.identity_claims

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> MapperRules:
        """From the file's content."""
        return cls(
            protocol_mappers=tuple(body["protocol_mappers"]),
            provider_mappers=tuple(body["provider_mappers"]),
            role_claims=frozenset(body["role_claims"]),
            identity_claims=frozenset(body["identity_claims"]),
            provider_attributes=frozenset(body["provider_attributes"]),
            truthful=tuple(Truthful(**item) for item in body["truthful"]),
        )

    def judge(self, mapper: RealmMapper) -> Verdict:
        """A mapper of whatever holder."""
        if mapper.holder is MapperHolder.PROVIDER:
            body = {"identityProviderMapper": mapper.kind, "config": mapper.config}
            return self.of_provider_mapper(body)
        return self.of_protocol_mapper({"protocolMapper": mapper.kind, "config": mapper.config})

    def of_protocol_mapper(self, mapper: Mapping[str, Any]) -> Verdict:
        """A mapper of a client or client scope, as Keycloak shows it."""
        kind, config = mapper["protocolMapper"], mapper.get("config") or {}
        if _is_listed(kind, self.protocol_mappers):
            return Verdict.FORGES
        if any(item.kind == kind and _fits(config, item.config) for item in self.truthful):
            return Verdict.ORDINARY
        written = {_first_part(config.get(key) or "") for key in _CLAIM_KEYS}
        # A part that is filled in with the id of a client is whatever somebody called a client.
        forges = written & self.decisive_claims or any("${" in name for name in written)
        return Verdict.FORGES if forges else Verdict.ORDINARY

    def of_provider_mapper(self, mapper: Mapping[str, Any]) -> Verdict:
        """A mapper of an identity provider, as Keycloak shows it."""
        config = mapper.get("config") or {}
        written = {(config.get(key) or "").strip().lower() for key in _ATTRIBUTE_KEYS}
        forges = _is_listed(mapper["identityProviderMapper"], self.provider_mappers)
        return Verdict.FORGES if forges or written & self.provider_attributes else Verdict.ORDINARY


def _is_listed(kind: str, kinds: Iterable[str]) -> bool:
    return any(kind.startswith(item[:-1]) if item.endswith("*") else kind == item for item in kinds)


def _fits(config: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    return all(_plain(config.get(key)) == value for key, value in wanted.items())


def _plain(value: Any) -> str:
    return "" if value is None or value == "false" else str(value)


def _first_part(claim: str) -> str:
    """Keycloak nests a claim at each dot; a backslash takes the meaning from what follows it."""
    found = _FIRST_PART.match(claim)
    assert found is not None  # noqa: S101 -- it matches nothing as well
    return _UNESCAPED.sub(r"\1", found[0]).strip().lower()
