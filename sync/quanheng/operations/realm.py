"""The realm's configuration: applied with an administrator of the master realm, compared every day."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Final

from quanheng.errors import ConfigurationError, QuanhengError
from quanheng.keycloak.aspect import Documents
from quanheng.keycloak.clients import close_configurator, open_configurator
from quanheng.keycloak.compare import MISSING
from quanheng.keycloak.configuration import (
    PARTS,
    UNFORESEEN,
    DesiredConfiguration,
    Difference,
    NotMendedError,
    Pins,
    RealmChoices,
    Subsystem,
    apply_configuration,
    created_pins,
    load_configuration,
    read_pins,
)
from quanheng.keycloak.configuration_files import UNSET_ISSUER
from quanheng.keycloak.connection import Connection, is_loopback
from quanheng.keycloak.credentials import Credential
from quanheng.keycloak.open import connect_admin
from quanheng.keycloak.port import RealmRefusedError
from quanheng.keycloak.reading import RealmReading
from quanheng.keycloak.rest import RestRealm
from quanheng.logs import get_logger
from quanheng.model.ids import RoleName
from quanheng.model.realm import ObservedRealm
from quanheng.operations.client_keys import read_public_key
from quanheng.operations.context import Context
from quanheng.operations.guarding import Published, exchanged_names, publish_rules
from quanheng.operations.noting import note_if_begun
from quanheng.policy.contents import Pack
from quanheng.store.meta import read_text, write_text

_FORBIDDEN: Final = 403
_SERVER_FAULT: Final = 500
_CONFLICT: Final = 409
_ROLES: Final = "roles."
"""How the places of differences of roles begin."""
_FOREIGN: Final = "quanheng.invalid"
"""A name that nobody has (RFC 2606)."""
_VERSION: Final = "server_version"
_MEMORY: Final = "realm_options"
"""Entry of ``meta``: what was chosen when the realm was configured, so that ``check`` asks for the same."""
_PINS: Final = "identity_provider_pins"
"""Entry of ``meta``: the card provider's addresses and the like, as ``realm apply`` left them (:data:`Pins`).

Whoever points it elsewhere logs in as anybody, so they are compared, and ``realm apply`` puts them back."""
_ISSUER: Final = "social_card_issuer"
"""Entry of ``meta``: the bridge whose addresses the card's provider was given last."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RealmOptions:
    """What whoever configures the realm may choose."""

    password_form: bool = False
    """Login by password: for demos and tests, on this machine alone."""
    social_card_issuer: str = UNSET_ISSUER
    """As somebody chose it; where nobody did it is that of ``[bridge]`` (:func:`issuer_of`)."""
    social_card: bool | None = None
    """Login by card; None: nobody has said yet, and the provider's switch is the operator's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RealmApplied:
    """What configuring did."""

    mended: tuple[Difference, ...]
    """Set right now; ``foreign`` ones were left alone."""
    configurator_open: bool
    accepted: tuple[Difference, ...] = ()
    """What of the card provider's addresses is kept though it is not as it was left the last time: somebody
    asked for it, or nobody knows how it was left, and it is not as we would make it."""
    published: Published | None = None
    """Rules that the guard got now."""
    rules_refused: str = ""
    """Why the guard, which does not have to guard this realm, does not take our rules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How the realm's configuration differs."""

    differences: tuple[Difference, ...] = ()
    not_seen: tuple[str, ...] = ()
    """Parts that the client used may not read."""
    exchanged: tuple[Difference, ...] = ()
    """Among them: duties' roles that go by others' names. What else of those roles differs is not known."""

    @property
    def ours(self) -> tuple[Difference, ...]:
        """Differences of what is ours."""
        return tuple(gap for gap in self.differences if not gap.foreign)

    @property
    def alarming(self) -> tuple[Difference, ...]:
        """What the watcher tells of settings: differences of ours, and ways to power that others made. Of
        names that were exchanged it tells apart."""
        told = (gap for gap in self.differences if not gap.foreign or gap.way_in)
        return tuple(gap for gap in told if gap not in self.exchanged)


def read_options(context: Context) -> RealmOptions:
    """What was chosen last. Where Keycloak is on another machine, login by password was not: a store that
    moves there brings no such choice along."""
    with context.database.reading() as connection:
        text = read_text(connection, _MEMORY)
    options = RealmOptions() if text is None else RealmOptions(**json.loads(text))
    there = options.password_form and is_loopback(context.settings.keycloak.url)
    return replace(options, password_form=there)


def issuer_of(context: Context, options: RealmOptions) -> str:
    """Address of the bridge that the realm is to trust, without a slash at its end."""
    chosen, bridge = options.social_card_issuer.rstrip("/"), context.settings.bridge
    return bridge.issuer if chosen == UNSET_ISSUER and bridge is not None else chosen


def _last_issuer(context: Context) -> str:
    with context.database.reading() as connection:
        text = read_text(connection, _ISSUER)
    # A store that was used before there was such an entry.
    return read_options(context).social_card_issuer.rstrip("/") if text is None else text


def _require_bridge(context: Context, options: RealmOptions) -> None:
    if options.social_card and issuer_of(context, options) == UNSET_ISSUER:
        raise ConfigurationError(
            "login by card cannot be switched on: nobody has said where the bridge is",
            remedy="write [bridge] into the settings, or give --social-card-issuer",
        )


def _require_no_password_form(options: RealmOptions, *addresses: str) -> None:
    if options.password_form and not all(map(is_loopback, addresses)):
        raise ConfigurationError(
            "login by password is for demos and tests on one machine, and Keycloak is at an address for "
            "others (not 127.0.0.1, ::1 or localhost)",
            remedy="give --no-password-form; in an emergency use a sealed account: docs/howto/break-glass.md",
        )


def _require_name_for_password_form(options: RealmOptions, connection: Connection) -> None:
    """Refuse a server that takes the name it is asked under for its own: through a proxy or a tunnel it would
    serve the form to others as theirs.

    This shows only that the issuer stays. A server with a fixed name still answers whoever reaches it under
    another one; what keeps others away is that it listens on this machine alone, which we cannot see.
    """
    if options.password_form and not is_loopback(connection.issuer_asked_as(_FOREIGN)):
        raise ConfigurationError(
            "login by password is for demos and tests on one machine, and Keycloak goes by whatever name it "
            "is asked under",
            remedy="start Keycloak with --hostname=http://127.0.0.1:<port> --http-host=127.0.0.1, or give "
            "--no-password-form",
        )


def read_server_version(context: Context) -> str | None:
    """The server's version when an administrator last looked: the daily client may not see it."""
    with context.database.reading() as connection:
        return read_text(connection, _VERSION)


def desired_configuration(context: Context, options: RealmOptions) -> DesiredConfiguration:
    """What ``keycloak-config/`` asks of this realm, with these options, and what is pinned of it."""
    keycloak = context.settings.keycloak
    desired = load_configuration(
        RealmChoices(
            realm=keycloak.realm,
            label=context.pack.info.realm_label,
            post_roles={RoleName(post.role): post.label for post in context.pack.posts.posts},
            subsystems=subsystems_of(context.pack),
            composites=context.rules.composites,
            sync_client=keycloak.sync.client_id,
            sync_keys=(read_public_key(keycloak.sync),),
            configurator_client=keycloak.configurator.client_id,
            configurator_keys=(read_public_key(keycloak.configurator),),
            configurator_stays_open=keycloak.configurator_stays_open,
            password_form=options.password_form,
            social_card_issuer=issuer_of(context, options),
            social_card=options.social_card,
            refreshes_kept=context.pack.lifecycle.logins.refresh_counts,
            passwords=context.pack.lifecycle.passwords,
        )
    )
    return replace(desired, pins=_read_pins(context))


def _read_pins(context: Context) -> Pins:
    with context.database.reading() as connection:
        text = read_text(connection, _PINS)
    pins: Pins = json.loads(text or "{}")
    return pins


def subsystems_of(pack: Pack) -> tuple[Subsystem, ...]:
    """The pack's subsystems with their permissions, as clients and their roles."""
    return tuple(
        Subsystem(
            id=subsystem.id,
            label=subsystem.label,
            permissions={item.id: item.label for item in subsystem.permissions},
        )
        for subsystem in pack.permissions.subsystems
    )


def apply_realm(
    context: Context,
    admin: Credential,
    options: RealmOptions,
    *,
    keep_open: bool = False,
    accept_provider: bool = False,
) -> RealmApplied:
    """Make or mend the realm, remember the options, leave the configurator open or closed, and give the
    guard its rules. ``keep_open``: whatever the settings say of it.

    The card provider's addresses are put back as they were left; ``accept_provider`` keeps them as they are
    now, and so does the first time. Another issuer than the last takes all of them from the issuer.

    Raises :class:`ConfigurationError` before anything is written when login by password is asked for and
    Keycloak is at another machine's address, by our settings or by its own word, or has no word of its own,
    or login by card and nobody has said where its bridge is.
    Raises :class:`SwappedRolesError` before anything is written when duties' roles go by each other's names:
    it finds roles by their names. Raises :class:`NotMendedError` when something could not be set right, after
    all of this; how the card provider's addresses were left stays known then.
    """
    _require_no_password_form(options, context.settings.keycloak.url)
    _require_bridge(context, options)
    desired = desired_configuration(context, options)
    if issuer_of(context, options) != _last_issuer(context):
        desired = replace(desired, pins=created_pins(desired))
    configurator = context.settings.keycloak.configurator.client_id
    keep_open = keep_open or context.settings.keycloak.configurator_stays_open
    with connect_admin(context.settings.keycloak, admin) as connection:
        # Behind a proxy on this machine it serves others, and says so.
        _require_no_password_form(options, str(connection.claims()["iss"]))
        _require_name_for_password_form(options, connection)
        if Documents(connection).get("") is not None:
            exchanged_names(context, RealmReading(connection).role_names()).require_none()
        before = desired.pins or created_pins(desired)
        if accept_provider:
            desired = replace(desired, pins={**desired.pins, **read_pins(Documents(connection), desired)})
        failure: NotMendedError | None = None
        try:
            mended = tuple(apply_configuration(connection, desired))
        except NotMendedError as error:
            failure, mended = error, error.mended
        _remember_version(context, connection)
        pins = read_pins(Documents(connection), desired)
        if failure is not None:  # what was not put back is not how it was left
            pins = {**pins, **desired.pins}
        accepted = _changed(before, pins)
        with context.database.transaction() as transaction:
            write_text(transaction, _MEMORY, json.dumps(asdict(options)))
            write_text(transaction, _PINS, json.dumps(pins))
            write_text(transaction, _ISSUER, issuer_of(context, options))
        switch = open_configurator if keep_open else close_configurator
        with _after(failure):
            switch(connection, configurator)
    note_if_begun(
        context,
        "realm_configured",
        {
            "administrator": admin.label,
            "mended": [gap.where for gap in mended if not gap.foreign],
            "options": asdict(options),
            "configurator_open": keep_open,
            "accepted": [gap.where for gap in accepted],
            "not_mended": [] if failure is None else list(failure.refused),
        },
    )
    published, refused = None, ""
    with _after(failure):
        published, refused = _publish(context)
    if failure is not None:
        raise failure
    return RealmApplied(
        mended=mended,
        configurator_open=keep_open,
        accepted=accepted,
        published=published,
        rules_refused=refused,
    )


@contextmanager
def _after(failure: NotMendedError | None) -> Iterator[None]:
    """What follows something that was not mended may fail for it: the first is raised, the other logged."""
    try:
        yield
    except QuanhengError as error:
        if failure is None:
            raise
        log.error("what follows failed as well", problem=str(error))  # noqa: TRY400 -- expected


def _changed(before: Pins, now: Pins) -> tuple[Difference, ...]:
    return tuple(
        Difference(f"identity-providers.{alias}.config.{name}", before[alias][name] or MISSING, value)
        for alias, pins in now.items()
        for name, value in pins.items()
        if name in before.get(alias, {}) and value != before[alias][name]
    )


def _publish(context: Context) -> tuple[Published | None, str]:
    """What the guard got, or why it refused; the latter is an error where it has to guard this realm."""
    status, realm = context.guard.read_status(), context.realm
    if status is None:
        return None, ""
    observed = ObservedRealm(roles=realm.read_roles(), groups=realm.read_groups(), users={})
    try:
        return publish_rules(context, observed), ""
    except RealmRefusedError as error:
        if error.status != _CONFLICT or status.required:
            raise
        return None, str(error)


def switch_configurator(context: Context, admin: Credential, *, enabled: bool) -> bool:
    """Open or close the configurator; tells whether that changed anything."""
    client = context.settings.keycloak.configurator.client_id
    with connect_admin(context.settings.keycloak, admin) as connection:
        changed = (open_configurator if enabled else close_configurator)(connection, client)
    kind = "configurator_opened" if enabled else "configurator_closed"
    note_if_begun(context, kind, {"administrator": admin.label, "changed": changed})
    return changed


def read_drift(context: Context) -> Drift:
    """The drift as far as the daily client sees it. A realm in memory has no configuration."""
    if not isinstance(context.realm, RestRealm):
        return Drift()
    return _read_drift(context, context.realm.connection)


def read_drift_as(context: Context, admin: Credential) -> Drift:
    """The whole drift, seen by an administrator of the master realm."""
    with connect_admin(context.settings.keycloak, admin) as connection:
        _remember_version(context, connection)
        return _read_drift(context, connection)


def _read_drift(context: Context, connection: Connection) -> Drift:
    drift = compare_realm(connection, desired_configuration(context, read_options(context)))
    if not any(gap.where.startswith(_ROLES) for gap in drift.differences):
        return drift
    found = exchanged_names(context, RealmReading(connection).role_names())
    exchanged = tuple(
        Difference(f"{_ROLES}{swap.was}.name", str(swap.was), str(swap.now)) for swap in found.swaps
    )
    unknown = tuple(f"{_ROLES}{name}." for name in found.names)
    known = (gap for gap in drift.differences if not f"{gap.where}.".startswith(unknown))
    return replace(drift, differences=(*known, *exchanged), exchanged=exchanged)


def _remember_version(context: Context, connection: Connection) -> None:
    version = (connection.get("admin/serverinfo").get("systemInfo") or {}).get("version")
    if version:
        with context.database.transaction() as transaction:
            write_text(transaction, _VERSION, str(version))


def compare_realm(connection: Connection, desired: DesiredConfiguration) -> Drift:
    """Every part that this connection may read, compared; the others are named."""
    documents = Documents(connection)
    if documents.get("") is None:
        return Drift(differences=(Difference("realm", desired.realm_name, MISSING),))
    differences: list[Difference] = []
    not_seen: list[str] = []
    for part in PARTS:
        try:
            found = [gap for mending in part(documents, desired) for gap in mending.differences]
        except RealmRefusedError as error:
            if error.status == _FORBIDDEN:
                not_seen.append(part.__name__)
            elif error.status >= _SERVER_FAULT:
                raise
            else:
                differences.append(_unreadable(part.__name__, f"{error.status}"))
        except UNFORESEEN as error:
            problem = type(error).__name__
            log.error("a part of the settings cannot be compared", part=part.__name__, problem=problem)  # noqa: TRY400 -- no values
            differences.append(_unreadable(part.__name__, problem))
        else:
            differences += found
    return Drift(differences=tuple(differences), not_seen=tuple(not_seen))


def _unreadable(part: str, problem: str) -> Difference:
    return Difference(part, "readable", problem)
