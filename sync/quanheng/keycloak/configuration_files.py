"""Reads ``keycloak-config/`` and fills in what differs from realm to realm."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

import yaml
from cryptography.hazmat.primitives.asymmetric import ec

from quanheng.errors import ConfigurationError
from quanheng.keycloak.credentials import public_jwk
from quanheng.keycloak.judged_mappers import MapperRules
from quanheng.keycloak.password_policy import realm_settings
from quanheng.keycloak.representation import REFRESH, SERVICE_ACCOUNT_PREFIX
from quanheng.model.ids import RoleName, Username
from quanheng.policy.administration import Administration, HolderKind
from quanheng.policy.schema_lifecycle import Passwords

_FILES: Final = (
    "realm",
    "user-profile",
    "flows",
    "identity-providers",
    "client-scopes",
    "clients",
    "roles",
    "mappers",
    "ways-in",
)
SOCIAL_CARD: Final = "social-card"
"""Alias of the card's identity provider; it is in every link that the sync makes."""
_CHANGE: Final = "UPDATE_PASSWORD"
UNSET_ISSUER: Final = "https://social-card.invalid"
"""Where the card's bridge is, before anybody said so; RFC 2606: it leads nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subsystem:
    """A subsystem, which is a client, and its permissions, which are roles of that client."""

    id: str
    label: str
    permissions: Mapping[str, str]
    """Id and label of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RealmChoices:
    """What the files leave open."""

    realm: str
    label: str
    """Name that people see."""
    post_roles: Mapping[RoleName, str]
    """Role of each post of the packs and its label."""
    subsystems: tuple[Subsystem, ...] = ()
    composites: Mapping[RoleName, frozenset[RoleName]] = field(default_factory=dict)
    """What each role of a post contains: its permissions, and nothing else."""
    sync_client: str = "quanheng-sync"
    sync_keys: tuple[ec.EllipticCurvePublicKey, ...] = field(repr=False)
    """Public keys of the daily client; two while one replaces the other."""
    configurator_client: str = "quanheng-configurator"
    configurator_keys: tuple[ec.EllipticCurvePublicKey, ...] = field(repr=False)
    configurator_stays_open: bool = False
    """That it is closed is a difference, then."""
    password_form: bool = False
    """Login by password: for demos, tests and emergencies."""
    social_card_issuer: str = UNSET_ISSUER
    social_card: bool | None = None
    """Whether login by card is on; None: made switched off, and then the operator's."""
    refreshes_kept: bool = False
    """Whether events tell of renewed tokens, since those count as logins."""
    passwords: Passwords | None = None
    """What a regulation asks of passwords."""


Pins = Mapping[str, Mapping[str, str]]
"""Of each identity provider, by alias: settings of its ``config`` that are the operator's choice and say who
logs in as whom, by name; '' for one that is not set. No secrets among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredConfiguration:
    """Everything that is wanted of the realm, one part per file."""

    realm_name: str
    realm: Mapping[str, Any]
    user_profile: Mapping[str, Any]
    flows: Mapping[str, Any]
    identity_providers: Mapping[str, Any]
    client_scopes: Mapping[str, Any]
    clients: Mapping[str, Any]
    roles: Mapping[str, Any]
    mappers: Mapping[str, Any]
    ways_in: Mapping[str, Any]
    post_roles: Mapping[RoleName, str]
    subsystems: tuple[Subsystem, ...]
    composites: Mapping[RoleName, frozenset[RoleName]]
    pins: Pins = field(default_factory=dict)
    """As the configuration was left the last time; without them nothing of it is compared."""


def load_configuration(choices: RealmChoices, folder: Path | None = None) -> DesiredConfiguration:
    """Read the files. Raises :class:`ConfigurationError` when one is missing or not YAML."""
    folder = folder or configuration_folder()
    values = {
        "realm": choices.realm,
        "label": choices.label,
        "browser_flow": "quanheng-browser-password" if choices.password_form else "quanheng-browser",
        "social_card_issuer": choices.social_card_issuer.rstrip("/"),
        "sync": choices.sync_client,
        "configurator": choices.configurator_client,
        "sync_jwks": _key_set(choices.sync_keys),
        "configurator_jwks": _key_set(choices.configurator_keys),
    }
    parts = {name.replace("-", "_"): _filled(_read(folder / f"{name}.yaml"), values) for name in _FILES}
    if choices.configurator_stays_open:
        parts["clients"]["clients"][choices.configurator_client]["managed"]["enabled"] = True
    if choices.social_card is not None:
        parts["identity_providers"][SOCIAL_CARD]["managed"]["enabled"] = choices.social_card
    if choices.refreshes_kept:
        # Named kinds take the place of Keycloak's own choice, so all of that is named too.
        parts["realm"]["enabledEventTypes"] = [
            *_read(folder / "event-types.yaml")["kept_by_default"],
            REFRESH,
        ]
    if choices.passwords is not None:
        parts["realm"] |= _with_passwords(parts["realm"], choices.passwords)
        # Whatever is initial or not there: without it nothing that is too old is renewed either.
        if choices.password_form:
            _let_change_passwords(parts["roles"])
    return DesiredConfiguration(
        realm_name=choices.realm,
        post_roles=dict(choices.post_roles),
        subsystems=choices.subsystems,
        composites=dict(choices.composites),
        **parts,
    )


def _with_passwords(realm: Mapping[str, Any], passwords: Passwords) -> Mapping[str, Any]:
    try:
        return realm_settings(realm, passwords)
    except (KeyError, ValueError) as error:
        raise ConfigurationError(
            f"realm.yaml: passwordPolicy, failureFactor: {error}",
            remedy="write them as in the file that ships with quanheng, each rule with its number",
        ) from None


def _let_change_passwords(roles: dict[str, Any]) -> None:
    """Where people log in by password, who has an initial one, or an old one, is asked for another."""
    roles["required_actions_off"] = [name for name in roles["required_actions_off"] if name != _CHANGE]
    roles["required_actions_on"] = [_CHANGE]


def read_mapper_rules(folder: Path | None = None) -> MapperRules:
    """Which mappers give or forge roles."""
    return MapperRules.parse(_read((folder or configuration_folder()) / "mappers.yaml"))


@cache
def read_administration(
    sync_client: str, configurator_client: str, folder: Path | None = None
) -> Administration:
    """Who may administer the realm: our service accounts, of these clients, as ``clients.yaml`` says, and the
    sealed accounts, as ``ways-in.yaml`` does."""
    folder = folder or configuration_folder()
    found = _read(folder / "ways-in.yaml")["administration"]
    names = {"sync": sync_client, "configurator": configurator_client}
    clients = _filled(_read(folder / "clients.yaml")["clients"], names)
    return Administration(
        client=found["client"],
        harmless=frozenset(found["harmless"]),
        own={
            Username(f"{SERVICE_ACCOUNT_PREFIX}{client}".lower()): frozenset(parts["service_roles"])
            for client, parts in clients.items()
            if "service_roles" in parts
        },
        tolerated={HolderKind(kind): frozenset(roles) for kind, roles in found["tolerated"].items()},
        sealed={Username(name): frozenset(roles) for name, roles in found["sealed"].items()},
    )


def read_default_role(folder: Path | None = None) -> frozenset[RoleName]:
    """What every user holds by the default role, as ``roles.yaml`` says."""
    found = _read((folder or configuration_folder()) / "roles.yaml")["default_role"]
    return frozenset(map(RoleName, found))


def configuration_folder() -> Path:
    """Where the files are: in the installed package, or in the checkout."""
    shipped = Path(str(resources.files("quanheng"))) / "_keycloak_config"
    return shipped if shipped.is_dir() else Path(__file__).resolve().parents[3] / "keycloak-config"


def _read(file: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{file}: not there, or not YAML in UTF-8 ({type(error).__name__})",
            remedy="take the file that ships with quanheng",
        ) from None
    if not isinstance(content, dict):
        raise ConfigurationError(f"{file}: not a mapping", remedy="take the file that ships with quanheng")
    return content


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    """The value with each ``{name}`` replaced, in keys too."""
    if isinstance(value, str):
        for name, text in values.items():
            value = value.replace(f"{{{name}}}", text)
        return value
    if isinstance(value, dict):
        return {_filled(key, values): _filled(item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, values) for item in value]
    return value


def _key_set(keys: tuple[ec.EllipticCurvePublicKey, ...]) -> str:
    return json.dumps({"keys": [public_jwk(key) for key in keys]}, separators=(",", ":"), sort_keys=True)
