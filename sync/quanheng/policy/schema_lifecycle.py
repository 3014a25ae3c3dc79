"""``lifecycle.yaml``: the life of an account. ``docs/reference/packs.md`` teaches it."""

from __future__ import annotations

from datetime import date
from typing import Literal, Self

from pydantic import Field, model_validator

from quanheng.policy.schema_base import AreaCode, Article, AsciiId, Part


class Span(Part):
    """A length of time; months are calendar months (decision 24)."""

    value: int = Field(ge=1, le=1000)
    unit: Literal["months", "days"]

    @model_validator(mode="after")
    def _longer_than_a_day(self) -> Self:
        # What shows late is told from what was known by the day (operations.lifecycle.mistaken).
        if self.unit == "days" and self.value < 2:
            raise ValueError("a time without a login is 2 days or more")
        return self


class _Concerns(Part):
    """Whom an exception concerns: holders of these posts, in these areas; what is not named is any."""

    posts: tuple[AsciiId, ...] = ()
    areas: tuple[AreaCode, ...] = ()
    """Codes with everything below."""

    @model_validator(mode="after")
    def _of_somebody(self) -> Self:
        if not (self.posts or self.areas):
            raise ValueError("names neither posts nor areas: it would concern everybody")
        return self


class InactivityOverride(_Concerns):
    """Another length of time for some; of several that concern one person the shortest counts."""

    after: Span
    article: Article


class InactivityExemption(_Concerns):
    """Who is not locked for not logging in, why, and until which day (that day included)."""

    reason: str = Field(min_length=4, max_length=200)
    until: date


class Inactivity(Part):
    """An account that nobody logs in to is locked (S11)."""

    after: Span
    starts_with: Literal["creation", "first_login"] = "creation"
    """From when an account counts that nobody has logged in to: since it was made or given back, or not at
    all."""
    notices_days: tuple[int, ...] = (30, 7, 1)
    """Days before the lock on which it is announced; the longest first."""
    overrides: tuple[InactivityOverride, ...] = ()
    exemptions: tuple[InactivityExemption, ...] = ()
    article: Article

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if any(days < 1 for days in self.notices_days):
            raise ValueError("notices_days: a notice comes at least one day before")
        if list(self.notices_days) != sorted(set(self.notices_days), reverse=True):
            raise ValueError("notices_days: the longest first, each once")
        return self


class Logins(Part):
    """Which logins count as using the account."""

    clients: tuple[str, ...] = ()
    """Clients of the realm that keep an account alive beside the subsystems that do (``keeps_alive``): the
    console, in which administrators work."""
    refresh_counts: bool = False
    """Whether renewing a token counts as a login: only for subsystems that never send people to log in."""


class Outside(Part):
    """Accounts that are nobody's and that no rule of this file locks, with the reason; each is named."""

    break_glass: str = Field(min_length=4, max_length=200)
    service_account: str = Field(min_length=4, max_length=200)


class Tenure(Part):
    """The same high-risk post for too long; how many years is the post's ``tenure_years``."""

    warn_months: int = Field(default=3, ge=1, le=24)
    """Calendar months before the end of the years from which on it is warned of."""
    break_days: int = Field(default=183, ge=0, le=730)
    """A break of at most so many days does not begin the years anew; its days do not count either."""
    article: Article


class Temporary(Part):
    """Accounts for a time: they have an owner and an end."""

    employments: tuple[AsciiId, ...] = ()
    """Kinds of employment whose accounts are such."""
    most_months: int = Field(default=6, ge=1, le=24)
    """How far ahead the end may lie."""
    article: Article


class Passwords(Part):
    """Passwords, where a regulation knows them; expressed as Keycloak's policy."""

    length: int = Field(ge=6, le=64)
    administrator_length: int = Field(ge=6, le=64)
    digits: int = Field(default=0, ge=0, le=8)
    lower_case: int = Field(default=0, ge=0, le=8)
    upper_case: int = Field(default=0, ge=0, le=8)
    special: int = Field(default=0, ge=0, le=8)
    not_username: bool = True
    history: int = Field(default=0, ge=0, le=24)
    """How many earlier ones may not be taken again."""
    renew_days: int = Field(ge=1, le=365)
    """Days after which it has to be changed; the initial one has to be at the first login."""
    failures: int = Field(default=5, ge=1, le=20)
    """Wrong ones in a row after which the account waits."""
    articles: tuple[Article, ...] = Field(min_length=1)


class Review(Part):
    """The monthly look at accounts (《账号清理清单》)."""

    idle: Span
    """An account that nobody has logged in to for so long is idle."""
    answer_working_days: int = Field(default=5, ge=1, le=20)
    """Working days that the reviewer has; after that the level above is told."""
    ending_days: int = Field(default=30, ge=1, le=120)
    """Waivers and temporary accounts that end within so many days are named."""
    article: Article


class LifecycleFile(Part):
    """``lifecycle.yaml``. What a regulation does not ask for is left out."""

    inactivity: Inactivity | None = None
    logins: Logins = Logins()
    outside: Outside
    tenure: Tenure | None = None
    temporary: Temporary | None = None
    passwords: Passwords | None = None
    review: Review


__all__ = [
    "Inactivity",
    "InactivityExemption",
    "InactivityOverride",
    "LifecycleFile",
    "Logins",
    "Outside",
    "Passwords",
    "Review",
    "Span",
    "Temporary",
    "Tenure",
]
