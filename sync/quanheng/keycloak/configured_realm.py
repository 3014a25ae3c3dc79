"""Settings of the realm, its user profile, required actions and identity providers.

Read-modify-write everywhere: a PUT on a realm that lacks an attribute would make Keycloak drop it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from quanheng.keycloak.aspect import Documents, Mending, escaped, mending, missing
from quanheng.keycloak.compare import MISSING, THERE, Difference, differences, merged
from quanheng.keycloak.configuration_files import DesiredConfiguration, Pins
from quanheng.keycloak.password_policy import same_policy

_PROVIDERS: Final = "/identity-provider/instances"
_POLICY: Final = "passwordPolicy"


def settings(documents: Documents, desired: DesiredConfiguration) -> Iterator[Mending]:
    """Settings of the realm itself."""
    found = documents.get("")
    wanted = dict(desired.realm)
    policy = found.get(_POLICY) or ""
    if same_policy(wanted.get(_POLICY) or "", policy):
        # The console writes the same rules in another order as soon as somebody saves them.
        wanted.pop(_POLICY, None)
    yield from mending(
        differences("realm", wanted, found), partial(documents.put, "", merged(found, desired.realm))
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
    """Actions that are switched off, or on for whom they are asked of; none is asked of all who are new."""
    present = {item["alias"]: item for item in documents.get("/authentication/required-actions")}
    off = dict.fromkeys(desired.roles["required_actions_off"], False)
    on = dict.fromkeys(desired.roles["required_actions_on"], True)
    for alias, enabled in (off | on).items():
        wanted = {"enabled": enabled, "defaultAction": False}
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
    """Identity providers; what is only created is compared as far as it is pinned. One of another type is
    none of ours: it is made anew."""
    for alias, parts in desired.identity_providers.items():
        where, path = f"identity-providers.{alias}", _provider(alias)
        pins = desired.pins.get(alias, {})
        found = documents.get(path)
        made = {"alias": alias, **_pinned(merged(parts["created"], parts["managed"]), pins)}
        if found is None:
            yield missing(where, partial(documents.post, _PROVIDERS, made))
            continue
        there = _pins(parts, found)
        gaps = (
            *differences(where, parts["managed"], found),
            *(
                Difference(f"{where}.config.{name}", value or MISSING, there[name] or MISSING)
                for name, value in pins.items()
                if there.get(name, value) != value
            ),
        )
        if found["providerId"] == parts["managed"]["providerId"]:
            # Keycloak refuses signatures without an address of keys.
            config = {**parts["created"]["config"], **(found.get("config") or {})}
            body = _pinned(merged({**found, "config": config}, parts["managed"]), pins)
            mend = partial(documents.put, path, body)
        else:
            mend = partial(_make_anew, documents, path, made)
        yield from mending(iter(gaps), mend)


def _make_anew(documents: Documents, path: str, body: Mapping[str, Any]) -> None:
    # Links that were made to the other go with it. A sync makes ours again; of very many it waits for a
    # second person, who cannot log in by a link that is gone (docs/howto/approve.md).
    documents.delete(path)
    documents.post(_PROVIDERS, body)


def read_pins(documents: Documents, desired: DesiredConfiguration) -> Pins:
    """What is pinned of each identity provider of ours, as it stands; of one that is not there, nothing."""
    found = {alias: documents.get(_provider(alias)) for alias in desired.identity_providers}
    return {
        alias: _pins(desired.identity_providers[alias], body)
        for alias, body in found.items()
        if body is not None
    }


def created_pins(desired: DesiredConfiguration) -> Pins:
    """What is pinned of each as these files would make it."""
    return {alias: _pins(parts, parts["created"]) for alias, parts in desired.identity_providers.items()}


def _provider(alias: str) -> str:
    return f"{_PROVIDERS}/{escaped(alias)}"


def _pins(parts: Mapping[str, Any], found: Mapping[str, Any]) -> Mapping[str, str]:
    config = found.get("config") or {}
    # The console writes out what is off.
    return {
        name: "" if config.get(name) in (None, "false") else str(config[name]) for name in parts["pinned"]
    }


def _pinned(body: Mapping[str, Any], pins: Mapping[str, str]) -> Mapping[str, Any]:
    """The same with everything pinned put in, and what is pinned to nothing left out."""
    kept = {key: value for key, value in (body.get("config") or {}).items() if key not in pins}
    return {**body, "config": {**kept, **{name: value for name, value in pins.items() if value}}}


def other_ways_in(documents: Documents, desired: DesiredConfiguration) -> Iterator[Mending]:
    """Ways by which accounts, or tokens of somebody else's making, could come in: told, and left alone."""
    for provider in documents.get(_PROVIDERS) or ():
        if provider["alias"] not in desired.identity_providers:
            yield _way_in(f"identity-providers.{provider['alias']}")
    for token in documents.get("/clients-initial-access") or ():
        if token["remainingCount"]:  # whoever has it makes clients, with no admin event
            yield _way_in(f"initial-access-tokens.{token['id']}")
    types = desired.ways_in["components"]
    seen: set[tuple[str, str]] = set()
    for component in sorted(documents.get("/components") or (), key=_other_name):
        kind, provider = component.get("providerType", ""), component["providerId"]
        if kind not in types:
            continue
        if provider not in types[kind]["shipped"] or (kind, provider) in seen:
            yield _way_in(f"{types[kind]['called']}.{component.get('name') or provider}")
        seen.add((kind, provider))


def _other_name(component: Mapping[str, Any]) -> bool:
    """Of several of a kind, one that is named as Keycloak names its own comes first, and the next is told."""
    return not str(component.get("name", "")).startswith(component["providerId"])


def _way_in(where: str) -> Mending:
    return Mending((Difference(where, MISSING, THERE, foreign=True, way_in=True),), None)


def default_groups(documents: Documents, _desired: DesiredConfiguration) -> Iterator[Mending]:
    """Groups that every new account would join unasked: there are none."""
    for group in documents.get("/default-groups") or ():
        gap = Difference(f"default-groups.{group['path']}", MISSING, THERE)
        yield Mending((gap,), partial(documents.delete, f"/default-groups/{group['id']}"))
