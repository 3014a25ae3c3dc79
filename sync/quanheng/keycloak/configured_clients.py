"""Clients, and the accounts of ours with what they may do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from quanheng.errors import ConfigurationError
from quanheng.keycloak.aspect import Documents, Mending, mending, missing
from quanheng.keycloak.compare import MISSING, THERE, Difference, differences, merged
from quanheng.keycloak.configuration_files import DesiredConfiguration

_MANAGEMENT: Final = "realm-management"
_OVERRIDES: Final = "authenticationFlowBindingOverrides"
"""Login flows of a client's own: who sets one says who logs in there as whom."""


def our_clients(documents: Documents, desired: DesiredConfiguration) -> Iterator[Mending]:
    """Our clients."""
    for client_id, parts in desired.clients["clients"].items():
        wanted = merged(parts["managed"], desired.clients["every"])
        found = documents.client(client_id)
        if "flow" in parts:
            wanted[_OVERRIDES] = _own_flow(documents, parts["flow"], found)
        if found is None:
            body = {"clientId": client_id, "protocol": "openid-connect"}
            body |= merged(parts.get("created", {}), wanted)
            yield missing(f"clients.{client_id}", partial(documents.post, "/clients", body))
        else:
            yield from mending(
                differences(f"clients.{client_id}", wanted, found),
                partial(_mend_client, documents, found, wanted),
            )


def _own_flow(documents: Documents, alias: str, found: Mapping[str, Any] | None) -> dict[str, str]:
    """The binding of a client to a login flow of its own, for browsers, and to no other."""
    ids = {flow["alias"]: flow["id"] for flow in documents.get("/authentication/flows")}
    there = (found or {}).get(_OVERRIDES) or {}
    return {**dict.fromkeys(there, ""), "browser": ids.get(alias, "")}


def other_clients(documents: Documents, desired: DesiredConfiguration) -> Iterator[Mending]:
    """What holds for the clients that Keycloak brings along, and is asked of foreign ones."""
    wanted = desired.clients["every"]
    for found in documents.pages("/clients"):
        client_id = found["clientId"]
        if client_id in desired.clients["clients"]:
            continue
        where = f"clients.{client_id}"
        foreign = client_id not in desired.clients["built_in"]
        gaps = (
            replace(gap, foreign=foreign, way_in=foreign and gap.where.startswith(f"{where}.{_OVERRIDES}."))
            for gap in differences(where, wanted, found)
        )
        mend = partial(documents.put, f"/clients/{found['id']}", merged(found, wanted))
        yield from mending(gaps, None if foreign else mend)


def names_of_built_in(documents: Documents, desired: DesiredConfiguration) -> Iterator[Mending]:
    """Keycloak looks for the clients it brings along by their ids, and nobody can delete one: one that is not
    there has another id."""
    present = {client["clientId"]: client for client in documents.pages("/clients")}
    for client_id in desired.clients["built_in"]:
        if client_id not in present:
            # As Keycloak names them.
            named = [item for item in present.values() if item.get("name") == f"${{client_{client_id}}}"]
            found = ", ".join(item["clientId"] for item in named) or MISSING
            gap = Difference(f"clients.{client_id}", THERE, found)
            yield Mending((gap,), partial(_rename, documents, client_id, named))


def service_roles(documents: Documents, desired: DesiredConfiguration) -> Iterator[Mending]:
    """The accounts of our service clients: switched on, and may do exactly this, and what everybody may."""
    everybody = desired.roles["default_role"]
    for client_id, parts in desired.clients["clients"].items():
        client = documents.client(client_id)
        if client is None or "service_roles" not in parts:
            continue
        account = documents.get(f"/clients/{client['id']}/service-account-user")
        path = f"/users/{account['id']}/role-mappings"
        held = documents.get(path).get("clientMappings") or {}
        names = [f"{name}/{role['name']}" for name, mapping in held.items() for role in mapping["mappings"]]
        wanted = [f"{_MANAGEMENT}/{name}" for name in parts["service_roles"]]
        gaps = differences(
            f"clients.{client_id}",
            {"service_roles": wanted},
            {"service_roles": [name for name in names if name not in everybody]},
        )
        yield from mending(gaps, partial(_mend_service_roles, documents, path, held, wanted))
        # Without it there is no token, whatever else is right.
        on = {"enabled": True}
        yield from mending(
            differences(f"clients.{client_id}.service_account", on, account),
            partial(documents.put, f"/users/{account['id']}", merged(account, on)),
        )


def _rename(documents: Documents, client_id: str, found: list[Mapping[str, Any]]) -> None:
    if len(found) != 1:
        raise ConfigurationError(
            f"the realm has no client '{client_id}', which Keycloak brings along",
            remedy="somebody renamed it: give it this id again in the console",
        )
    documents.put(f"/clients/{found[0]['id']}", merged(found[0], {"clientId": client_id}))


def _mend_client(documents: Documents, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    path = f"/clients/{found['id']}"
    documents.put(path, merged(found, wanted))
    found = documents.get(path)  # another protocol brought other scopes
    # A PUT on a client passes over its scopes.
    scopes = {scope["name"]: scope["id"] for scope in documents.get("/client-scopes")}
    for kind in ("default", "optional"):
        have, want = set(found[f"{kind}ClientScopes"]), set(wanted[f"{kind}ClientScopes"])
        for name in have - want:
            documents.delete(f"{path}/{kind}-client-scopes/{scopes[name]}")
        for name in want - have:
            documents.put(f"{path}/{kind}-client-scopes/{scopes[name]}", None)


def _mend_service_roles(documents: Documents, path: str, held: Mapping[str, Any], wanted: list[str]) -> None:
    have: set[str] = set()
    for client_id, mapping in held.items():
        have |= {f"{client_id}/{role['name']}" for role in mapping["mappings"]}
        surplus = [role for role in mapping["mappings"] if f"{client_id}/{role['name']}" not in wanted]
        if surplus:
            documents.delete(f"{path}/clients/{mapping['id']}", surplus)
    management = documents.client(_MANAGEMENT)["id"]
    lacking = [
        role
        for role in documents.pages(f"/clients/{management}/roles")
        if f"{_MANAGEMENT}/{role['name']}" in set(wanted) - have
    ]
    if lacking:
        documents.post(f"{path}/clients/{management}", lacking)
