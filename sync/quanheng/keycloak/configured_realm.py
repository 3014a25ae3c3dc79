"""Settings of the realm, its user profile, required actions, login flows and identity providers.

Read-modify-write everywhere: a PUT on a realm that lacks an attribute would make Keycloak drop it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from quanheng.keycloak.aspect import MISSING, THERE, Documents, Mending, escaped, mending, missing
from quanheng.keycloak.compare import Difference, differences, merged
from quanheng.keycloak.configuration_files import DesiredConfiguration


def settings(documents: Documents, desired: DesiredConfiguration) -> Iterator[Mending]:
    """Settings of the realm itself."""
    found = documents.get("")
    yield from mending(
        differences("realm", desired.realm, found), partial(documents.put, "", merged(found, desired.realm))
    )


def user_profile(documents: Documents, desired: DesiredConfiguration) -> Iterator[Mending]:
    """Attributes of users: the document as a whole."""
    wanted = desired.user_profile
    found = documents.get("/users/profile")
    there = {item["name"]: item for item in found.get("attributes", ())}
    attributes = {item["name"]: item for item in wanted["attributes"]}
    rest = {key: value for key, value in wanted.items() if key != "attributes"}
    gaps = [
        *differences("user-profile.attributes", attributes, there),
        *(
            Difference(f"user-profile.attributes.{name}", MISSING, THERE)
            for name in sorted(there.keys() - attributes.keys())
        ),
        *differences("user-profile", rest, found),
    ]
    yield from mending(iter(gaps), partial(documents.put, "/users/profile", wanted))


def required_actions(documents: Documents, desired: DesiredConfiguration) -> Iterator[Mending]:
    """Actions that are switched off."""
    present = {item["alias"]: item for item in documents.get("/authentication/required-actions")}
    wanted = {"enabled": False, "defaultAction": False}
    for alias in desired.roles["required_actions_off"]:
        if alias in present:
            yield from mending(
                differences(f"required-actions.{alias}", wanted, present[alias]),
                partial(
                    documents.put,
                    f"/authentication/required-actions/{escaped(alias)}",
                    merged(present[alias], wanted),
                ),
            )


def identity_providers(documents: Documents, desired: DesiredConfiguration) -> Iterator[Mending]:
    """Identity providers; what is only created is not compared."""
    for alias, parts in desired.identity_providers.items():
        where, path = f"identity-providers.{alias}", f"/identity-provider/instances/{alias}"
        found = documents.get(path)
        if found is None:
            body = {"alias": alias, **merged(parts["created"], parts["managed"])}
            yield missing(where, partial(documents.post, "/identity-provider/instances", body))
        else:
            yield from mending(
                differences(where, parts["managed"], found),
                partial(documents.put, path, merged(found, parts["managed"])),
            )


def other_ways_in(documents: Documents, desired: DesiredConfiguration) -> Iterator[Mending]:
    """Ways by which accounts or roles could come in past the sources: reported, and left alone."""
    for provider in documents.get("/identity-provider/instances") or ():
        where = f"identity-providers.{provider['alias']}"
        if provider["alias"] not in desired.identity_providers:
            yield _foreign(where)
        for mapper in (
            documents.get(f"/identity-provider/instances/{escaped(provider['alias'])}/mappers") or ()
        ):
            if mapper["identityProviderMapper"] not in desired.mappers["provider_mappers"]:
                yield _foreign(f"{where}.mappers.{mapper['name']}")
    for component in documents.get("/components", type="org.keycloak.storage.UserStorageProvider") or ():
        yield _foreign(f"user-storage.{component['name']}")


def _foreign(where: str) -> Mending:
    return Mending((Difference(where, MISSING, THERE, foreign=True),), None)


def default_groups(documents: Documents, _desired: DesiredConfiguration) -> Iterator[Mending]:
    """Groups that every new account would join unasked: there are none."""
    for group in documents.get("/default-groups") or ():
        gap = Difference(f"default-groups.{group['path']}", MISSING, THERE)
        yield Mending((gap,), partial(documents.delete, f"/default-groups/{group['id']}"))


def flows(documents: Documents, desired: DesiredConfiguration) -> Iterator[Mending]:
    """Our own login flows. One that differs is emptied and filled again; meanwhile it lets nobody in."""
    present = {flow["alias"] for flow in documents.get("/authentication/flows")}
    for alias, wanted in desired.flows.items():
        if alias not in present:
            yield missing(f"flows.{alias}", partial(_create_flow, documents, alias, wanted))
            continue
        found = documents.get(_executions(alias))
        steps = [_step(item["providerId"], item, _config(documents, item)) for item in found]
        wanted_steps = [
            _step(item["authenticator"], item, item.get("config")) for item in wanted["executions"]
        ]
        # As one text: the order of the steps is part of what they do.
        gap = Difference(f"flows.{alias}", "; ".join(wanted_steps), "; ".join(steps))
        if gap.wanted != gap.found:
            yield Mending((gap,), partial(_refill_flow, documents, alias, found, wanted))


def _create_flow(documents: Documents, alias: str, wanted: Mapping[str, Any]) -> None:
    flow = {
        "alias": alias,
        "description": wanted["description"],
        "providerId": "basic-flow",
        "topLevel": True,
        "builtIn": False,
    }
    documents.post("/authentication/flows", flow)
    _fill_flow(documents, alias, wanted)


def _refill_flow(
    documents: Documents, alias: str, found: list[Mapping[str, Any]], wanted: Mapping[str, Any]
) -> None:
    for item in found:
        if item.get("level", 0) == 0:
            documents.delete(f"/authentication/executions/{item['id']}")
    _fill_flow(documents, alias, wanted)


def _fill_flow(documents: Documents, alias: str, wanted: Mapping[str, Any]) -> None:
    for item in wanted["executions"]:
        documents.post(f"{_executions(alias)}/execution", {"provider": item["authenticator"]})
        made = documents.get(_executions(alias))[-1]
        documents.put(_executions(alias), {**made, "requirement": item["requirement"]})
        if "config" in item:
            config = dict(item["config"])
            body = {"alias": config.pop("alias"), "config": config}
            documents.post(f"/authentication/executions/{made['id']}/config", body)


def _executions(alias: str) -> str:
    return f"/authentication/flows/{escaped(alias)}/executions"


def _config(documents: Documents, item: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if "authenticationConfig" not in item:
        return None
    found = documents.get(f"/authentication/config/{item['authenticationConfig']}")
    return {"alias": found["alias"], **found["config"]}


def _step(authenticator: str, item: Mapping[str, Any], config: Mapping[str, Any] | None) -> str:
    settings = "".join(f" {key}={value}" for key, value in sorted((config or {}).items()))
    return f"{authenticator} {item['requirement']}{settings}"
