"""What is told, and the port through which it is told.

Implementations: :mod:`quanheng.notify.file`, :mod:`quanheng.notify.webhook`, :mod:`quanheng.notify.smtp`.

Must: deliver or raise :class:`UndeliveredError` within its time limit; never raise anything else for a fault
of the other side; never put a secret into an exception. May: deliver the same notice twice, which has the
same id then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from quanheng.errors import QuanhengError
from quanheng.model.change import Json


class UndeliveredError(QuanhengError):
    """A notice could not be delivered; it is tried again."""

    exit_code = 5


USERS: Final = frozenset({"user", "actor", "actors"})
"""Facts that are Keycloak ids of users; the fact ``names`` has the user names of those that are known."""


class NoticeKind(StrEnum):
    """What is told; each has its words in ``templates/``."""

    VETO = "veto"
    REPAIR = "repair"
    REPAIR_REFUSED = "repair_refused"
    CAP_REACHED = "cap_reached"
    CONFIGURATION = "configuration"
    PERMISSIONS = "permissions"
    CAUSE = "cause"
    ADMINISTRATOR = "administrator"
    ACCOUNT_GONE = "account_gone"
    PASSWORD = "password"  # noqa: S105 -- none, but what is told of one
    GAP = "gap"
    BLIND = "blind"
    SEEING = "seeing"
    BREAK_GLASS = "break_glass"
    GLASS_USED = "glass_used"
    GLASS_REFUSED = "glass_refused"
    RULES = "rules"
    GUARD_GONE = "guard_gone"
    GUARD_NOT_REQUIRED = "guard_not_required"
    LOCK_AHEAD = "lock_ahead"
    LOCKED = "locked"
    LOCK_STOPPED = "lock_stopped"
    LOGINS_MISSING = "logins_missing"
    FROZEN = "frozen"
    TENURE = "tenure"
    OVERDUE = "overdue"
    TERM_ENDS = "term_ends"
    REVIEW_UNANSWERED = "review_unanswered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something to tell. Facts hold no name of a person, no number and no phone; user names are ids."""

    id: str
    kind: NoticeKind
    at: datetime
    realm: str
    facts: Mapping[str, Json]


class Notifier(Protocol):
    """One way of telling."""

    def send(self, notice: Notice) -> None:
        """Deliver one notice. Raises :class:`UndeliveredError`, or :class:`ConfigurationError` for a secret's
        file that is missing, empty or open to others."""

    def check(self) -> None:
        """See whether it could deliver, and tell nobody. Raises the same."""
