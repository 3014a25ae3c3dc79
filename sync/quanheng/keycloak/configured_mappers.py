"""Mappers that give roles or groups past any grant: there are none.

A protocol mapper writes into tokens what nobody granted; a mapper of an identity provider grants at login.
``keycloak-config/mappers.yaml`` lists their kinds; the guard gets the same list with its rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from quanheng.keycloak.aspect import MISSING, THERE, Documents, Mending, escaped
from quanheng.keycloak.compare import Difference
from quanheng.keycloak.configuration_files import DesiredConfiguration


def protocol_mappers(documents: Documents, desired: DesiredConfiguration) -> Iterator[Mending]:
    """Of clients and client scopes."""
    for client in documents.pages("/clients"):
        where, path = f"clients.{client['clientId']}", f"/clients/{client['id']}"
        yield from _of_holder(documents, desired.mappers, where, path, client)
    for scope in documents.get("/client-scopes") or ():
        where, path = f"client-scopes.{scope['name']}", f"/client-scopes/{scope['id']}"
        yield from _of_holder(documents, desired.mappers, where, path, scope)


def provider_mappers(documents: Documents, desired: DesiredConfiguration) -> Iterator[Mending]:
    """Of identity providers."""
    for provider in documents.get("/identity-provider/instances") or ():
        path = f"/identity-provider/instances/{escaped(provider['alias'])}/mappers"
        for mapper in documents.get(path) or ():
            if mapper["identityProviderMapper"] in desired.mappers["provider_mappers"]:
                where = f"identity-providers.{provider['alias']}.mappers.{mapper['name']}"
                yield _surplus(where, documents, f"{path}/{mapper['id']}")


def _of_holder(
    documents: Documents, kinds: Mapping[str, Any], where: str, path: str, holder: Mapping[str, Any]
) -> Iterator[Mending]:
    for mapper in holder.get("protocolMappers") or ():
        kind = mapper["protocolMapper"]
        place = f"{where}.mappers.{mapper['name']}"
        if kind in kinds["protocol_mappers"]:
            yield _surplus(place, documents, f"{path}/protocol-mappers/models/{mapper['id']}")
        elif _writes_roles(kinds, mapper) and kind not in kinds["role_claim_mappers"]:
            # What it writes depends on its settings: for its owner to judge.
            yield Mending((Difference(place, MISSING, THERE, foreign=True),), None)


def _writes_roles(kinds: Mapping[str, Any], mapper: Mapping[str, Any]) -> bool:
    claim = str((mapper.get("config") or {}).get("claim.name", ""))
    return claim.partition(".")[0] in kinds["role_claims"]


def _surplus(where: str, documents: Documents, path: str) -> Mending:
    return Mending((Difference(where, MISSING, THERE),), partial(documents.delete, path))
