"""Mappers that give roles past any grant, or forge what a token says: there are none.

A protocol mapper writes into tokens what nobody granted; a mapper of an identity provider grants at login.
:mod:`quanheng.keycloak.judged_mappers` judges each, whoever made its client or provider.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from quanheng.keycloak.aspect import Documents, Mending
from quanheng.keycloak.compare import MISSING, THERE, Difference
from quanheng.keycloak.configuration_files import DesiredConfiguration
from quanheng.keycloak.found_mappers import find_protocol_mappers, find_provider_mappers, path_of
from quanheng.keycloak.judged_mappers import MapperRules, Verdict
from quanheng.model.realm import MapperHolder, RealmMapper

_PLACES: Final = {
    MapperHolder.CLIENT: "clients",
    MapperHolder.CLIENT_SCOPE: "client-scopes",
    MapperHolder.PROVIDER: "identity-providers",
}


def protocol_mappers(documents: Documents, desired: DesiredConfiguration) -> Iterator[Mending]:
    """Of clients and client scopes."""
    rules = MapperRules.parse(desired.mappers)
    for mapper in find_protocol_mappers(documents):
        if rules.judge(mapper) is not Verdict.ORDINARY:
            yield _surplus(documents, mapper)


def provider_mappers(documents: Documents, desired: DesiredConfiguration) -> Iterator[Mending]:
    """Of identity providers, ours and others; what a mapper of theirs does otherwise is only reported."""
    rules = MapperRules.parse(desired.mappers)
    for mapper in find_provider_mappers(documents):
        if rules.judge(mapper) is Verdict.ORDINARY:
            yield Mending((Difference(_where(mapper), MISSING, THERE, foreign=True),), None)
        else:
            yield _surplus(documents, mapper)


def _surplus(documents: Documents, mapper: RealmMapper) -> Mending:
    gap = Difference(_where(mapper), MISSING, THERE)
    return Mending((gap,), partial(documents.delete, path_of(mapper)))


def _where(mapper: RealmMapper) -> str:
    return f"{_PLACES[mapper.holder]}.{mapper.holder_name}.mappers.{mapper.name}"
