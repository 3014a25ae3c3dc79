"""What the rooms of the bridge hand to each other. Frozen, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal, NewType

from quanheng.model.ids import PersonId
from quanheng.model.sensitive import Sensitive
from quanheng.model.staff import Document

LoginId = NewType("LoginId", str)
"""Random id of one code's login, 32 characters of base64url (192 bits); it is in URLs and opens nothing."""

Locale = Literal["zh", "en"]

LOGIN_ID_BYTES: Final = 24
SECRET_BYTES: Final = 32
"""Of what a browser holds, of authorization codes and of access tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """A valid authentication request (OpenID Connect Core 1.0, section 3.1.2.1)."""

    client_id: str
    client_name: str
    redirect_uri: str
    state: str
    nonce: str
    code_challenge: str
    """Of the method S256, the only one (RFC 7636)."""
    scope: str
    """As asked for, ``openid`` in it; blanks between."""
    locale: Locale


class LoginState(StrEnum):
    """How far a login is. The last four are final: nothing leads out of them."""

    PREPARING = "preparing"
    """There is no code yet: the platform was not asked, or did not answer."""
    WAITING = "waiting"
    SCANNED = "scanned"
    ACCEPTED = "accepted"
    """It is known who it is; the browser that began may fetch the answer, once."""
    DONE = "done"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


FINAL: Final = frozenset({LoginState.DONE, LoginState.REFUSED, LoginState.CANCELLED, LoginState.EXPIRED})
OPEN: Final = frozenset(LoginState) - FINAL


class RefusalReason(StrEnum):
    """Why a card does not log in, as the page tells it."""

    CARD_SEALED = "card_sealed"
    CARD_LOST = "card_lost"
    CARD_LOCKED = "card_locked"
    CARD_CANCELLED = "card_cancelled"
    CARD_UNUSABLE = "card_unusable"
    UNKNOWN = "unknown"
    """Nobody of the registry, or nobody with an account."""
    IN_DOUBT = "in_doubt"
    """Who that is, is being looked into: two sources differ, or the name is not the card's."""
    DRAFT = "draft"
    INACTIVE = "inactive"
    ABSENT = "absent"
    LEFT = "left"
    ACCOUNT_EXPIRED = "account_expired"
    """An account for a time: its last day is over, or it has none."""
    FROZEN = "frozen"
    """Also for an investigation, and with the same words."""
    ANSWER = "answer"
    """The platform's answer cannot be used: it said nobody, or no document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A card that does not log in."""

    reason: RefusalReason
    person: PersonId | None = None
    office: str = ""
    """Whose administrator to ask: ``忻府区``. Empty where nobody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """A card whose person may come in."""

    person: PersonId
    subject: str
    """Random ``sub`` of the federated identity (decision 8)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """One code and the request it is for."""

    id: LoginId
    request: AuthorizationRequest
    state: LoginState
    created_at: datetime
    deadline: datetime
    """When the whole login ends, whatever code it is at."""
    expires_at: datetime | None
    """When this code ends; None while there is none."""
    qr_code: str | None
    """What the QR code says, as the platform made it."""
    refreshes: int
    """Codes before this one in the same login."""
    address: str
    browser: str
    """Family of the browser and its system, made of ``User-Agent``; never that text itself."""
    refusal: RefusalReason | None = None
    office: str = ""
    person: PersonId | None = None
    subject: str | None = field(default=None, repr=False)
    region: str = ""
    """Issuing region of the card (``aab301``)."""
    authenticated_at: datetime | None = None


class ScanState(StrEnum):
    """What the card platform says of a code."""

    WAITING = "waiting"
    SCANNED = "scanned"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanAnswer:
    """An answer about a code."""

    state: ScanState
    essc_no: Sensitive | None = None
    """Number of the electronic card; there exactly when it was confirmed, and never empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A card and its holder, as the platform has them now."""

    region: str
    """Issuing region: digits of GB/T 2260."""
    usable: bool
    status: str
    """Value of ``aaz502``."""
    document: Document
    name: Sensitive


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRecord:
    """How a login by card ended, for the auditor. No name, no number."""

    at: datetime
    login: LoginId
    outcome: str
    """``accepted``, ``cancelled`` (on the phone), ``late`` (confirmed, and over before it was known who it
    was), or why it was refused (:class:`RefusalReason`)."""
    person: PersonId | None
    client_id: str
    address: str
    browser: str
    region: str
