"""Our own login flows: made, compared step by step, and filled anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from quanheng.keycloak.aspect import Documents, Mending, escaped, mending, missing
from quanheng.keycloak.compare import Difference, differences
from quanheng.keycloak.configuration_files import DesiredConfiguration

_FLOWS: Final = "/authentication/flows"
_KIND: Final = {"providerId": "basic-flow", "builtIn": False}
"""Of each of ours; nobody may add a step to one that calls itself built in."""


def flows(documents: Documents, desired: DesiredConfiguration) -> Iterator[Mending]:
    """Our own login flows. One that differs is emptied and filled again; meanwhile it lets nobody in."""
    present = {flow["alias"]: flow for flow in documents.get(_FLOWS)}
    for alias, wanted in desired.flows.items():
        where, found = f"flows.{alias}", present.get(alias)
        if found is None:
            yield missing(where, partial(_create_flow, documents, present, alias, wanted))
            continue
        items = documents.get(_executions(alias))
        steps = [_step(_authenticator(item), item, _config(documents, item)) for item in items]
        wanted_steps = [
            _step(item["authenticator"], item, item.get("config")) for item in wanted["executions"]
        ]
        # As one text: the order of the steps is part of what they do.
        gap = Difference(where, "; ".join(wanted_steps), "; ".join(steps))
        gaps = (*differences(where, _KIND, found), *((gap,) if gap.wanted != gap.found else ()))
        yield from mending(iter(gaps), partial(_refill_flow, documents, found, items, wanted))


def _create_flow(
    documents: Documents, present: Mapping[str, Any], alias: str, wanted: Mapping[str, Any]
) -> None:
    for other in present:
        # A flow within another is not in the list, and holds its name all the same.
        for step in documents.get(_executions(other)) or ():
            if step.get("authenticationFlow") and step.get("displayName") == alias:
                path = f"{_FLOWS}/{step['flowId']}"
                documents.put(path, {**documents.get(path), "alias": f"{alias} {step['flowId']}"})
    documents.post(_FLOWS, {"alias": alias, "description": wanted["description"], "topLevel": True, **_KIND})
    _fill_flow(documents, alias, wanted)


def _refill_flow(
    documents: Documents,
    found: Mapping[str, Any],
    items: list[Mapping[str, Any]],
    wanted: Mapping[str, Any],
) -> None:
    documents.put(f"{_FLOWS}/{found['id']}", {**found, **_KIND})
    for item in items:
        if item.get("level", 0) == 0:
            documents.delete(f"/authentication/executions/{item['id']}")
    _fill_flow(documents, found["alias"], wanted)


def _fill_flow(documents: Documents, alias: str, wanted: Mapping[str, Any]) -> None:
    for item in wanted["executions"]:
        documents.post(f"{_executions(alias)}/execution", {"provider": item["authenticator"]})
        made = documents.get(_executions(alias))[-1]
        documents.put(_executions(alias), {**made, "requirement": item["requirement"]})
        if "config" in item:
            # A realm has each name of settings once, and somebody may have taken any that is foreseen.
            body = {"alias": f"{alias} {made['id']}", "config": item["config"]}
            documents.post(f"/authentication/executions/{made['id']}/config", body)


def _executions(alias: str) -> str:
    return f"{_FLOWS}/{escaped(alias)}/executions"


def _config(documents: Documents, item: Mapping[str, Any]) -> Mapping[str, Any]:
    if "authenticationConfig" not in item:
        return {}
    found = documents.get(f"/authentication/config/{item['authenticationConfig']}") or {}
    return found.get("config") or {}


def _authenticator(item: Mapping[str, Any]) -> str:
    """Of a step; one that is a flow of its own has none."""
    return str(item.get("providerId") or f"flow {item.get('displayName', '')}")


def _step(authenticator: str, item: Mapping[str, Any], config: Mapping[str, Any] | None) -> str:
    settings = "".join(f" {key}={value}" for key, value in sorted((config or {}).items()))
    return f"{authenticator} {item['requirement']}{settings}"
