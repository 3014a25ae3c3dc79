"""``quanheng.toml``: where the servers, sources and keys are. Read once, strict, frozen.

Secrets are never in it: it names files that hold them. Paths are relative to the file itself.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from quanheng.bridge.settings import BridgeSettings
from quanheng.config_fields import LOOPBACK, RelativePath, SafeUrl, StrictSettings
from quanheng.errors import ConfigurationError
from quanheng.model.person import APPLICATION


class ClientSettings(StrictSettings):
    """A service client: authenticates with ``private_key_jwt`` (RFC 7523)."""

    client_id: str
    key_file: RelativePath
    """PEM private key (ES256), mode 0600."""


class KeycloakSettings(StrictSettings):
    """The Keycloak server and our two clients in its realm (decision 14)."""

    url: str
    realm: str
    ca_file: RelativePath | None = None
    timeout_seconds: float = Field(default=30, gt=0)
    workers: int = Field(default=4, ge=1, le=16)
    """Requests at once."""
    batch_size: int = Field(default=25, ge=1, le=100)
    """Users per partialImport; its cost grows with the square of the batch."""
    sync: ClientSettings
    configurator: ClientSettings
    configurator_stays_open: bool = False
    """Where no guard can be put into the server: the watcher undoes through the open configurator what the
    guard would. Whoever steals that client's key then owns the realm."""


class FeedSettings(StrictSettings):
    """An HR feed: a folder with a manifest and the files it names."""

    kind: Literal["feed"]
    id: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")
    directory: RelativePath
    manifest: str = "manifest.json"
    max_megabytes: int = Field(default=1024, ge=1)


class LdapSettings(StrictSettings):
    """An LDAP directory, read live."""

    kind: Literal["ldap"]
    id: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")
    url: str
    """``ldap://host:389`` or ``ldaps://host:636``."""
    tls: Literal["starttls", "ldaps", "plain"] = "starttls"
    """``plain`` has to be asked for; it sends the password in the clear."""
    ca_file: RelativePath | None = None
    bind_dn: str
    password_file: RelativePath
    people_base: str
    posts_base: str
    scope: tuple[str, ...]
    """Organisation codes it speaks of, each with everything below."""
    page_size: int = Field(default=500, ge=1, le=10_000)
    timeout_seconds: float = Field(default=30, gt=0)


SourceSettings = Annotated[FeedSettings | LdapSettings, Field(discriminator="kind")]


class Limit(StrictSettings):
    """How much of one kind of change passes without a second person: both bounds hold."""

    count: int = Field(ge=0)
    percent: float = Field(ge=0, le=100)
    """Of the accounts (or groups) that exist. One single change always passes the percentage."""


class SafetySettings(StrictSettings):
    """Limits per kind of change (decision 15)."""

    disable: Limit = Limit(count=50, percent=5)
    revoke: Limit = Limit(count=100, percent=5)
    move: Limit = Limit(count=100, percent=5)
    update: Limit = Limit(count=500, percent=20)
    enable: Limit = Limit(count=100, percent=10)
    grant: Limit = Limit(count=200, percent=10)
    create: Limit = Limit(count=500, percent=20)
    structure: Limit = Limit(count=50, percent=10)
    shrink_percent: float = Field(default=10, ge=0, le=100)
    """A complete snapshot with this much fewer rows than the last is not believed on absences."""
    plan_hours: float = Field(default=24, gt=0)
    """How long a plan may wait for its approval."""


class ScheduleSettings(StrictSettings):
    """When the daemon does what."""

    sync_minutes: int = Field(default=15, ge=1)
    sweep_at: str = Field(default="02:30", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    anchor_at: str = Field(default="03:30", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    heartbeat_file: RelativePath | None = None


class LifecycleSettings(StrictSettings):
    """What the life of accounts needs beside the packs."""

    daily_at: str = Field(default="01:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    holidays_file: RelativePath | None = None
    """Days off and working weekends of years that the library does not know (``docs/howto/holidays.md``)."""
    lock: Limit = Limit(count=500, percent=5)
    """How many accounts one day locks for not being used without a second person."""
    lock_county_percent: float = Field(default=20, ge=0, le=100)
    """The same of one county's accounts: at this many and above it is asked."""
    quiet_working_days: int = Field(default=2, ge=1, le=20)
    """When nobody at all has logged in for more working days than this, login events are missing."""
    reviews_directory: RelativePath | None = None
    """Where the monthly review writes its workbooks and pages."""


class WatchSettings(StrictSettings):
    """What the daemon looks after between two syncs."""

    enabled: bool = True
    seconds: float = Field(default=2, gt=0, le=60)
    """How often it asks for what happened."""


class WebhookSettings(StrictSettings):
    """A program that is told by HTTP."""

    url: SafeUrl
    secret_file: RelativePath
    """One line, mode 0600: key of the HMAC-SHA256 under each message."""
    ca_file: RelativePath | None = None
    timeout_seconds: float = Field(default=10, gt=0, le=60)


class SmtpSettings(StrictSettings):
    """A mail server, by STARTTLS."""

    host: str
    port: int = Field(default=587, ge=1, le=65535)
    starttls: bool = True
    """Only a server on this machine may be spoken to without."""
    ca_file: RelativePath | None = None
    user: str | None = None
    password_file: RelativePath | None = None
    """One line, mode 0600."""
    sender: str
    recipients: tuple[str, ...] = Field(min_length=1)
    timeout_seconds: float = Field(default=15, gt=0, le=60)

    @model_validator(mode="after")
    def _private(self) -> Self:
        if not self.starttls and self.host not in LOOPBACK:
            raise ValueError("without starttls only on this machine")
        if (self.user is None) != (self.password_file is None):
            raise ValueError("user and password_file go together")
        return self


class NotifySettings(StrictSettings):
    """Who is told of vetoes, repairs and what needs a person; every way that is set is used."""

    file: RelativePath | None = None
    """One JSON object per line, mode 0600."""
    webhook: WebhookSettings | None = None
    smtp: SmtpSettings | None = None


class Settings(StrictSettings):
    """All of ``quanheng.toml``."""

    packs: tuple[str, ...] = Field(min_length=1)
    """Ids of shipped packs or paths of folders; several stack in one realm."""
    keycloak: KeycloakSettings
    store_url: str = "sqlite:///quanheng.db"
    """SQLAlchemy URL; a relative SQLite path is taken from the folder of this file."""
    keys_directory: RelativePath = Field(default=Path("keys"), validate_default=True)
    anchors_directory: RelativePath | None = None
    """Where signed heads of the ledger are written: best another host's disk."""
    organisation_changes: RelativePath | None = None
    """Mapping file of merged, renamed and recoded units."""
    sources: tuple[SourceSettings, ...] = ()
    safety: SafetySettings = SafetySettings()
    schedule: ScheduleSettings = Field(default=ScheduleSettings(), validate_default=True)
    watch: WatchSettings = WatchSettings()
    lifecycle: LifecycleSettings = Field(default=LifecycleSettings(), validate_default=True)
    notify: NotifySettings = NotifySettings()
    bridge: BridgeSettings | None = None
    """Login by 电子社保卡; only ``quanheng bridge`` needs it."""


def read_settings(file: Path) -> Settings:
    """Read and check ``quanheng.toml``.

    Raises :class:`ConfigurationError` naming the file, the field and what is wrong; values are not
    shown, since somebody may have put a secret where it does not belong.
    """
    try:
        data: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(
            f"{file}: there is no such file",
            remedy="write one with 'quanheng init', or name it with --config",
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: not TOML in UTF-8: {error}", remedy="mend the line") from None
    base = file.resolve().parent
    url = data.get("store_url", "sqlite:///quanheng.db")
    if isinstance(url, str) and url.startswith("sqlite:///") and not url.startswith("sqlite:////"):
        data["store_url"] = f"sqlite:///{base / url.removeprefix('sqlite:///')}"
    try:
        settings = Settings.model_validate(data, context={"base": base})
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()
        )
        raise ConfigurationError(
            f"{file}: {problems}", remedy="see docs/reference/configuration.md"
        ) from None
    ids = [source.id for source in settings.sources]
    if len(set(ids)) != len(ids):
        raise ConfigurationError(
            f"{file}: sources: two have the same id", remedy="give each source its own id"
        )
    if APPLICATION in ids:
        raise ConfigurationError(
            f"{file}: sources: '{APPLICATION}' is the id of what administrators apply for",
            remedy="give the source another id",
        )
    return settings
