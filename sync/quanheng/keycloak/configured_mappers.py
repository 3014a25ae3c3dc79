"""Mappers that give roles past any grant, or forge what a token says: there are none.

A protocol mapper writes into tokens what nobody granted; a mapper of an identity provider grants at login.
:mod:`quanheng.keycloak.judged_mappers` judges each, whoever made its client or provider.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from quanheng.keycloak.aspect import Documents, Mending, escaped
from quanheng.keycloak.compare import MISSING, THERE, Difference
from quanheng.keycloak.configuration_files import DesiredConfiguration
from quanheng.keycloak.judged_mappers import MapperRules, Verdict


def protocol_mappers(documents: Documents, desired: DesiredConfiguration) -> Iterator[Mending]:
    """Of clients and client scopes."""
    rules = MapperRules.parse(desired.mappers)
    for client in documents.pages("/clients"):
        where, path = f"clients.{client['clientId']}", f"/clients/{client['id']}"
        yield from _of_holder(documents, rules, where, path, client)
    for scope in documents.get("/client-scopes") or ():
        where, path = f"client-scopes.{scope['name']}", f"/client-scopes/{scope['id']}"
        yield from _of_holder(documents, rules, where, path, scope)


def provider_mappers(documents: Documents, desired: DesiredConfiguration) -> Iterator[Mending]:
    """Of identity providers, ours and others; what a mapper of theirs does otherwise is only reported."""
    rules = MapperRules.parse(desired.mappers)
    for provider in documents.get("/identity-provider/instances") or ():
        path = f"/identity-provider/instances/{escaped(provider['alias'])}/mappers"
        for mapper in documents.get(path) or ():
            where = f"identity-providers.{provider['alias']}.mappers.{mapper['name']}"
            if rules.of_provider_mapper(mapper) is Verdict.ORDINARY:
                yield Mending((Difference(where, MISSING, THERE, foreign=True),), None)
            else:
                yield _surplus(where, documents, f"{path}/{mapper['id']}")


def _of_holder(
    documents: Documents, rules: MapperRules, where: str, path: str, holder: Mapping[str, Any]
) -> Iterator[Mending]:
    for mapper in holder.get("protocolMappers") or ():
        if rules.of_protocol_mapper(mapper) is not Verdict.ORDINARY:
            place = f"{where}.mappers.{mapper['name']}"
            yield _surplus(place, documents, f"{path}/protocol-mappers/models/{mapper['id']}")


def _surplus(where: str, documents: Documents, path: str) -> Mending:
    return Mending((Difference(where, MISSING, THERE),), partial(documents.delete, path))
