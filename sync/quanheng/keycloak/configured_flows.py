"""Our own login flows: made, compared step by step, and filled anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final
from uuid import uuid4

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
        steps = [_step(item, item.get("level", 0), _config(documents, item)) for item in items]
        wanted_steps = list(_wanted_steps(wanted["executions"]))
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
    _fill_flow(documents, alias, wanted["executions"])


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
    _fill_flow(documents, found["alias"], wanted["executions"])


def _fill_flow(documents: Documents, alias: str, executions: Sequence[Mapping[str, Any]]) -> None:
    """Make the steps, each off, and switch them on from the last to the first: what denies whoever came this
    far is there before what lets anybody come."""
    steps: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = []
    for item in executions:
        # A realm has each name of a flow or of settings once; somebody may have taken any that is foreseen.
        below = f"quanheng {uuid4()}"
        if "flow" in item:
            documents.post(f"{_executions(alias)}/flow", {"alias": below, "type": "basic-flow"})
        else:
            documents.post(f"{_executions(alias)}/execution", {"provider": item["authenticator"]})
        made = [step for step in documents.get(_executions(alias)) if step.get("level", 0) == 0][-1]
        if "flow" in item:
            _fill_flow(documents, below, item["flow"])
        if "config" in item:
            body = {"alias": f"{alias} {made['id']}", "config": item["config"]}
            documents.post(f"/authentication/executions/{made['id']}/config", body)
        steps.append((item, made))
    for item, made in reversed(steps):
        documents.put(_executions(alias), {**made, "requirement": item["requirement"]})


def _executions(alias: str) -> str:
    return f"{_FLOWS}/{escaped(alias)}/executions"


def _config(documents: Documents, item: Mapping[str, Any]) -> Mapping[str, Any]:
    if "authenticationConfig" not in item:
        return {}
    found = documents.get(f"/authentication/config/{item['authenticationConfig']}") or {}
    return found.get("config") or {}


def _wanted_steps(executions: Sequence[Mapping[str, Any]], level: int = 0) -> Iterator[str]:
    for item in executions:
        yield _step({**item, "providerId": item.get("authenticator")}, level, item.get("config"))
        yield from _wanted_steps(item.get("flow", ()), level + 1)


def _step(item: Mapping[str, Any], level: int, config: Mapping[str, Any] | None) -> str:
    """A step in words; one that is a flow of its own, whatever its name, is told by the steps below it."""
    settings = "".join(f" {key}={value}" for key, value in sorted((config or {}).items()))
    return f"{'> ' * level}{item.get('providerId') or 'flow'} {item['requirement']}{settings}"
