"""Keycloak's own client scopes, as far as our clients need them: made again, with the mappers that count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from quanheng.keycloak.aspect import Documents, Mending, mending, missing
from quanheng.keycloak.compare import differences, merged
from quanheng.keycloak.configuration_files import DesiredConfiguration

_SCOPES: Final = "/client-scopes"
_PROTOCOL: Final = {"protocol": "openid-connect"}


def client_scopes(documents: Documents, desired: DesiredConfiguration) -> Iterator[Mending]:
    """The scopes by name; what else is in one that is there is the operator's."""
    present = {scope["name"]: scope for scope in documents.get(_SCOPES)}
    for name, parts in desired.client_scopes.items():
        where, found = f"client-scopes.{name}", present.get(name)
        mappers = {item: {**_PROTOCOL, **wanted} for item, wanted in parts["managed"].items()}
        if found is None:
            body = {"name": name, **_PROTOCOL, **parts["created"]}
            listed = [{"name": item, **wanted} for item, wanted in mappers.items()]
            body["protocolMappers"] = [*body.get("protocolMappers", ()), *listed]
            yield missing(where, partial(documents.post, _SCOPES, body))
            continue
        path = f"{_SCOPES}/{found['id']}"
        yield from mending(
            differences(where, _PROTOCOL, found), partial(documents.put, path, merged(found, _PROTOCOL))
        )
        there = {mapper["name"]: mapper for mapper in found.get("protocolMappers") or ()}
        for item, wanted in mappers.items():
            yield from mending(
                differences(f"{where}.mappers.{item}", wanted, there.get(item)),
                partial(
                    _replace, documents, f"{path}/protocol-mappers/models", there.get(item), item, wanted
                ),
            )


def _replace(
    documents: Documents, path: str, found: Mapping[str, Any] | None, name: str, wanted: Mapping[str, Any]
) -> None:
    # The kind of one that is there stays what it is, whatever a PUT says.
    if found is not None:
        documents.delete(f"{path}/{found['id']}")
    documents.post(path, {"name": name, **wanted})
