"""What several packs say of the life of accounts: where two speak, the stricter holds. Pure."""

from __future__ import annotations

from typing import Final

from quanheng.errors import ConfigurationError
from quanheng.policy.schema_lifecycle import (
    Inactivity,
    InactivityOverride,
    LifecycleFile,
    Logins,
    Passwords,
    Review,
    Span,
    Temporary,
    Tenure,
)

_DAYS_OF_A_MONTH: Final = 31
"""For telling which of two spans is shorter; a month is never longer."""


def stack_lifecycles(base: LifecycleFile, upper: LifecycleFile, scope: tuple[str, ...]) -> LifecycleFile:
    """One file that says what both say; the upper pack's time without a login counts in its own scope.

    Passwords, reviews and tenures are the realm's: there the stricter of both counts everywhere. Raises
    :class:`ConfigurationError` when the upper pack locks for not logging in and the first does not.
    """
    return LifecycleFile(
        inactivity=_inactivity(base.inactivity, upper.inactivity, scope),
        logins=Logins(
            clients=base.logins.clients,
            refresh_counts=base.logins.refresh_counts and upper.logins.refresh_counts,
        ),
        outside=base.outside,
        tenure=_tenure(base.tenure, upper.tenure),
        temporary=_temporary(base.temporary, upper.temporary),
        passwords=_passwords(base.passwords, upper.passwords),
        review=_review(base.review, upper.review),
    )


def shorter(one: Span, other: Span) -> Span:
    """The shorter of two lengths of time."""
    return min(one, other, key=lambda span: span.value * (_DAYS_OF_A_MONTH if span.unit == "months" else 1))


def _inactivity(
    base: Inactivity | None, upper: Inactivity | None, scope: tuple[str, ...]
) -> Inactivity | None:
    if upper is None:
        return base
    if base is None:
        raise ConfigurationError(
            "lifecycle.yaml: inactivity: only a pack that is stacked on another has it",
            remedy="give the first pack a time, which may be longer",
        )
    own = InactivityOverride(areas=scope, after=upper.after, article=upper.article)
    overrides = [item if item.areas else item.model_copy(update={"areas": scope}) for item in upper.overrides]
    return base.model_copy(update={"overrides": (*base.overrides, own, *overrides)})


def _tenure(base: Tenure | None, upper: Tenure | None) -> Tenure | None:
    if base is None or upper is None:
        return base or upper
    return Tenure(
        warn_months=max(base.warn_months, upper.warn_months),
        break_days=max(base.break_days, upper.break_days),
        article=base.article,
    )


def _temporary(base: Temporary | None, upper: Temporary | None) -> Temporary | None:
    if base is None or upper is None:
        return base or upper
    return Temporary(
        employments=tuple(dict.fromkeys((*base.employments, *upper.employments))),
        most_months=min(base.most_months, upper.most_months),
        article=base.article,
    )


def _passwords(base: Passwords | None, upper: Passwords | None) -> Passwords | None:
    if base is None or upper is None:
        return base or upper
    return Passwords(
        length=max(base.length, upper.length),
        administrator_length=max(base.administrator_length, upper.administrator_length),
        digits=max(base.digits, upper.digits),
        lower_case=max(base.lower_case, upper.lower_case),
        upper_case=max(base.upper_case, upper.upper_case),
        special=max(base.special, upper.special),
        not_username=base.not_username or upper.not_username,
        history=max(base.history, upper.history),
        renew_days=min(base.renew_days, upper.renew_days),
        failures=min(base.failures, upper.failures),
        articles=tuple(dict.fromkeys((*base.articles, *upper.articles))),
    )


def _review(base: Review, upper: Review) -> Review:
    return Review(
        idle=shorter(base.idle, upper.idle),
        answer_working_days=min(base.answer_working_days, upper.answer_working_days),
        ending_days=max(base.ending_days, upper.ending_days),
        article=base.article,
    )
