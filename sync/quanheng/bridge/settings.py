"""The table ``[bridge]`` of ``quanheng.toml``. Secrets are files that it names."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from quanheng.config_fields import LOOPBACK, RelativePath, SafeUrl, StrictSettings

MAX_CODE_SECONDS: Final = 120
"""A code on a screen lives no longer (RFC 10027)."""


def _origin(url: str) -> str:
    parts = urlsplit(url)
    if not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment or parts.username:
        raise ValueError("scheme, host and port alone: cookies are bound to the whole host")
    default = {"https": 443, "http": 80}[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    # As browsers write it in Origin.
    return f"{parts.scheme}://{host}" + ("" if parts.port in (None, default) else f":{parts.port}")


def _without_fragment(url: str) -> str:
    if "#" in url:
        raise ValueError("an address to redirect to has no fragment (RFC 6749, section 3.1.2)")
    return url


def _network(text: str) -> str:
    ip_network(text)  # raises ValueError, which is told with the field
    return text


class ProviderClientSettings(StrictSettings):
    """A client of the bridge: a realm of Keycloak. It authenticates by ``private_key_jwt`` alone."""

    client_id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    redirect_uris: tuple[Annotated[SafeUrl, AfterValidator(_without_fragment)], ...] = Field(min_length=1)
    """Compared character by character (RFC 9700, section 4.1.3)."""
    post_logout_redirect_uris: tuple[SafeUrl, ...] = ()
    jwks_url: SafeUrl
    """Where its public keys are; read again when a key is not known."""
    name: str = Field(min_length=1, max_length=60)
    """What people know it as: ``山西省人社统一认证``."""


class LimitSettings(StrictSettings):
    """What one address, and all together, may ask. A county's clerks often share one address."""

    logins_per_minute: int = Field(default=600, ge=1)
    """New logins of one address: a county's clerks come at eight, all at once."""
    logins_per_minute_in_all: int = Field(default=3000, ge=1)
    requests_per_minute: int = Field(default=3000, ge=1)
    """Everything else that one address asks; a waiting page that polls asks about once in two seconds."""
    open_logins: int = Field(default=10_000, ge=1)
    """Logins under way in the whole store; one more gets a page that says to come again."""
    streams_per_address: int = Field(default=500, ge=1)
    """Pages of one address that are told of changes (server-sent events); more of them poll."""
    refreshes: int = Field(default=5, ge=0, le=20)
    """How often a person may ask for another code in one login."""


class ServiceNames(StrictSettings):
    """What the channel calls its services. The person look-up has no name that is known: ask the operator."""

    make_code: str = "qrcode_channel_encrypt"
    ask: str = "qrcode_channel_query_encrypt"
    person: str = "essc_person_query_encrypt"


class FieldNames(StrictSettings):
    """What the channel calls its fields, in requests and decrypted answers."""

    channel_no: str = "channelNo"
    access_no: str = "accessNo"
    system_name: str = "systemName"
    qr_code: str = "qrCode"
    state: str = "qrCodeStatus"
    essc_no: str = "esscNo"
    region: str = "aab301"
    card_status: str = "aaz502"
    document_number: str = "aac002"
    document_kind: str = "aac058"
    """May be absent: a resident identity number then."""
    name: str = "aac003"


_STATES: Final[Mapping[str, str]] = {
    "0": "waiting",
    "1": "scanned",
    "2": "confirmed",
    "3": "cancelled",
    "4": "expired",
    "5": "expired",
}
_KINDS: Final[Mapping[str, str]] = {
    "01": "resident_id",
    "08": "passport",
}


class PlatformSettings(StrictSettings):
    """The card platform (电子社保卡 national channel). All that differs between deployments is here."""

    url: SafeUrl
    """The one endpoint, for example ``https://…/CSB/``."""
    ca_file: RelativePath | None = None
    channel_no: str
    access_no: str
    system_name: str = Field(min_length=1, max_length=60)
    """Shown by the card's app before a person confirms: the honest name of system and region."""
    access_key: str
    """``_api_access_key``: names us; no secret."""
    protection: Literal["hmac-sha1-aes-cbc", "hmac-sm3-sm4-gcm"] = "hmac-sha1-aes-cbc"
    """Signature and encryption of messages."""
    signing_key_file: RelativePath
    """One line, mode 0600: the secret of ``_api_signature``."""
    encryption_key_file: RelativePath
    """One line, mode 0600: 16 characters, or 32 hexadecimal digits."""
    iv_file: RelativePath | None = None
    """Only where the platform insists on a fixed initialisation vector; without it each message has a random
    one in front (NIST SP 800-38A)."""
    answers_signed: bool = True
    """Whether answers carry ``_api_signature``; one without it, or with a wrong one, is refused."""
    api_version: str = "1.0.0"
    services: ServiceNames = ServiceNames()
    fields: FieldNames = FieldNames()
    success_codes: tuple[str, ...] = ("000000",)
    states: Mapping[str, Literal["waiting", "scanned", "confirmed", "cancelled", "expired"]] = Field(
        default=_STATES, validate_default=True
    )
    """Values of the state field. Where an answer has none, ``esscNo`` that is there and not empty means
    confirmed, and anything else waiting."""
    code_states: Mapping[str, Literal["waiting", "scanned", "cancelled", "expired"]] = Field(
        default_factory=dict
    )
    """``msgCode`` of answers that say a state without a result. Never confirmed."""
    document_kinds: Mapping[str, str] = Field(default=_KINDS, validate_default=True)
    """Codes of ``aac058`` and our kinds of documents."""
    usable_card_states: tuple[str, ...] = ("1",)
    """Values of ``aaz502`` with which a card logs in; 0 sealed, 2 lost, 3 application locked, 4 temporarily
    lost, 9 cancelled."""
    code_seconds: int = Field(default=MAX_CODE_SECONDS, ge=30, le=MAX_CODE_SECONDS)
    poll_seconds: float = Field(default=2.5, ge=0.5, le=10)
    """How often one code is asked about, while somebody waits."""
    polls_per_second: float = Field(default=400, gt=0)
    """What all codes of one process may ask together; with more of them each is asked less often."""
    connect_seconds: float = Field(default=2, gt=0, le=10)
    timeout_seconds: float = Field(default=3, gt=0, le=10)
    """A whole request, connecting included."""
    retries: int = Field(default=1, ge=0, le=3)
    """Of asking and of looking a person up; making a code is never tried twice by itself."""
    connections: int = Field(default=32, ge=1, le=256)
    breaker_failures: int = Field(default=5, ge=1)
    """So many failures one after the other, and nothing is asked for ``breaker_seconds``."""
    breaker_seconds: float = Field(default=5, gt=0)


class BridgeSettings(StrictSettings):
    """The bridge: an OpenID Provider."""

    issuer: Annotated[SafeUrl, AfterValidator(_origin)]
    """Its address as browsers know it; every URL is made of it, whatever ``Host`` says."""
    host: str = "127.0.0.1"
    port: int = Field(default=8446, ge=1, le=65535)
    tls_certificate: RelativePath | None = None
    tls_key: RelativePath | None = None
    """PEM; without them a proxy on this machine speaks TLS."""
    trusted_proxies: tuple[Annotated[str, AfterValidator(_network)], ...] = ()
    """Addresses whose ``X-Forwarded-For`` is believed."""
    key_file: RelativePath
    """32 hexadecimal digits, mode 0600, of the bridge alone: encrypts its signing keys in the store. Made by
    'quanheng bridge init'."""
    region: str = Field(min_length=1, max_length=60)
    """Named on the page: ``山西省忻州市``."""
    contact: str = Field(default="", max_length=120)
    """Whom to ask, beside the own county's administrator: ``市局信息中心 0350-…``."""
    clients: tuple[ProviderClientSettings, ...] = ()
    """Empty: the realm of [keycloak], as 'quanheng realm apply' sets it up."""
    login_seconds: int = Field(default=600, ge=60, le=900)
    """From the authorization request to its end, all codes included; Keycloak waits for 900."""
    code_seconds: int = Field(default=60, ge=5, le=60)
    """Life of an authorization code."""
    token_seconds: int = Field(default=120, ge=30, le=600)
    """Life of an ID token and an access token: Keycloak uses them at once."""
    acr: str = "urn:quanheng:acr:social-card"
    """What tokens say of how strong a login was."""
    amr: tuple[str, ...] = ("mca",)
    """Multiple-channel authentication (RFC 8176)."""
    compare_names: bool = True
    """Refuse a card whose name is not that of the person with its number: that number was typed wrong."""
    app_link: str = Field(default="", max_length=400)
    """For a phone that opens the page itself: address of the card's app, with ``{code}`` for the code."""
    keep_days: int = Field(default=200, ge=180)
    """How long the record of logins is kept; the network-security law asks for six months."""
    limits: LimitSettings = LimitSettings()
    platform: PlatformSettings

    @model_validator(mode="after")
    def _private(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        if self.tls_certificate is None and self.host not in LOOPBACK:
            raise ValueError("without tls_certificate it listens on this machine alone, behind a proxy")
        if self.app_link and urlsplit(self.app_link).scheme in ("", "http", "javascript", "data"):
            raise ValueError("app_link begins with https:// or the scheme of the card's app")
        return self
