"""Every mapper of a realm, as Keycloak shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from quanheng.keycloak.aspect import Documents, escaped
from quanheng.model.ids import KeycloakId
from quanheng.model.realm import MapperHolder, RealmMapper

_PROVIDERS: Final = "/identity-provider/instances"
_TAILS: Final = {MapperHolder.CLIENT: "/clients", MapperHolder.CLIENT_SCOPE: "/client-scopes"}


def find_protocol_mappers(documents: Documents) -> Iterator[RealmMapper]:
    """Of clients and client scopes, whoever made them."""
    for client in documents.pages("/clients"):
        yield from _of_holder(MapperHolder.CLIENT, client, client["clientId"])
    for scope in documents.get("/client-scopes") or ():
        yield from _of_holder(MapperHolder.CLIENT_SCOPE, scope, scope["name"])


def find_provider_mappers(documents: Documents) -> Iterator[RealmMapper]:
    """Of identity providers, ours and others."""
    for provider in documents.get(_PROVIDERS) or ():
        alias = provider["alias"]
        for body in documents.get(f"{_PROVIDERS}/{escaped(alias)}/mappers") or ():
            yield _mapper(MapperHolder.PROVIDER, alias, alias, body, "identityProviderMapper")


def path_of(mapper: RealmMapper) -> str:
    """Where a mapper is, below its realm."""
    if mapper.holder is MapperHolder.PROVIDER:
        return f"{_PROVIDERS}/{escaped(mapper.holder_id)}/mappers/{mapper.id}"
    return f"{_TAILS[mapper.holder]}/{mapper.holder_id}/protocol-mappers/models/{mapper.id}"


def _of_holder(kind: MapperHolder, holder: Mapping[str, Any], name: str) -> Iterator[RealmMapper]:
    for body in holder.get("protocolMappers") or ():
        yield _mapper(kind, holder["id"], name, body, "protocolMapper")


def _mapper(kind: MapperHolder, holder: str, name: str, body: Mapping[str, Any], key: str) -> RealmMapper:
    return RealmMapper(
        id=KeycloakId(body["id"]),
        name=body["name"],
        holder=kind,
        holder_id=holder,
        holder_name=name,
        kind=body[key],
        config=body.get("config") or {},
    )
