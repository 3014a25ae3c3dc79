"""Accounts that nobody logs in to: when each is locked, and when that is announced (S11). Pure.

Three months are calendar months, by the wall clock in China, to the second: whoever logged in on 31 August at
15:00 is locked on 30 November at 15:00, or at the first job after that, wherever the server's clock has its
zone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from quanheng.clock import CHINA
from quanheng.engine.calendar import add_months
from quanheng.model.ids import OrgCode, PersonId, PostId
from quanheng.model.person import AccountRequest, RequestKind
from quanheng.policy.contents import Pack
from quanheng.policy.lifecycle_stacking import shorter
from quanheng.policy.schema_lifecycle import Inactivity, Span
from quanheng.policy.units import in_scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An account, as far as it matters here."""

    person: PersonId
    posts: frozenset[PostId]
    """Posts that the sources name, or that it holds."""
    county: OrgCode
    """Of its organisation; empty when no source has the person now."""
    orgs: frozenset[OrgCode]
    """Codes of all places where the sources have the person now, or where it holds a post."""
    counts_from: datetime
    last: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemption:
    """Why an account is not locked, and until which day (that day included)."""

    reason: str
    until: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of an account."""

    person: PersonId
    county: OrgCode
    last: datetime | None
    due: datetime
    """When it is locked, or would be without an exemption."""
    after: Span
    article: str
    exempt: Exemption | None = None
    never_used: bool = False
    """Nobody has logged in yet, and the pack counts from the first login on."""

    @property
    def locks_at(self) -> datetime:
        """When it is locked: not before its exemption is over, if it has one."""
        if self.exempt is None:
            return self.due
        return max(self.due, datetime.combine(self.exempt.until + timedelta(days=1), time(), CHINA))

    def is_due(self, now: datetime) -> bool:
        """Whether it is to be locked now."""
        return self.exempt is None and not self.never_used and self.due <= now

    def notice(self, now: datetime, days: Sequence[int]) -> int | None:
        """Days before the lock of the announcement that has its time now: the last whose time has come, so
        that of those that were missed one is made up for. The end of an exemption is announced like that of a
        count."""
        if self.never_used or self.locks_at <= now:
            return None
        return min((item for item in days if self.locks_at - timedelta(days=item) <= now), default=None)


def add_span(start: datetime, span: Span) -> datetime:
    """The same time of day, so much later by the wall clock in China."""
    local = start.astimezone(CHINA)
    day = local.date()
    later = add_months(day, span.value) if span.unit == "months" else day + timedelta(days=span.value)
    return datetime.combine(later, local.timetz())


def start_of_oldest(now: datetime, inactivity: Inactivity) -> datetime:
    """Accounts that were used at or after this moment need not be looked at: neither lock nor announcement of
    theirs can have its time before tomorrow."""
    spans = [inactivity.after, *(item.after for item in inactivity.overrides)]
    days = min(span.value * (28 if span.unit == "months" else 1) for span in spans)
    ahead = max(inactivity.notices_days, default=0) + 1
    return now - timedelta(days=max(0, days - ahead))


def judge_use(
    subject: Subject,
    inactivity: Inactivity,
    requests: Iterable[AccountRequest],
    *,
    floor: datetime | None,
    today: date,
) -> Verdict:
    """When an account is locked, and what keeps it from it.

    ``requests``: those of this person that were approved. ``floor``: the end of the last time of which login
    events are missing; whoever was there then may have logged in, so the count begins there at the earliest.
    """
    after, article = _time_for(subject, inactivity)
    starts = [subject.counts_from, *filter(None, (subject.last, floor))]
    return Verdict(
        person=subject.person,
        county=subject.county,
        last=subject.last,
        due=add_span(max(starts), after),
        after=after,
        article=article,
        exempt=_exemption(subject, inactivity, requests, today),
        never_used=subject.last is None and inactivity.starts_with == "first_login",
    )


def clients_that_count(pack: Pack) -> frozenset[str]:
    """Clients a login to which keeps an account alive."""
    alive = (item.id for item in pack.permissions.subsystems if item.keeps_alive)
    return frozenset([*alive, *pack.lifecycle.logins.clients])


def clients_of_administrators(pack: Pack) -> frozenset[str]:
    """Clients of those that keep an administrator's account alive alone: they are no subsystem."""
    return frozenset(pack.lifecycle.logins.clients) - {item.id for item in pack.permissions.subsystems}


def administrators_of(pack: Pack) -> frozenset[PostId]:
    """Posts of administrators."""
    return frozenset(PostId(post.id) for post in pack.posts.posts if post.kind == "administrator")


def newest(*moments: datetime | None) -> datetime | None:
    """The latest of those that there are."""
    return max(filter(None, moments), default=None)


def describe_span(span: Span) -> str:
    """In words for staff."""
    return f"{span.value} 个月" if span.unit == "months" else f"{span.value} 天"


def _concerns(item: object, subject: Subject) -> bool:
    posts: Collection[str] = getattr(item, "posts", ())
    areas: tuple[str, ...] = getattr(item, "areas", ())
    return (not posts or not subject.posts.isdisjoint(map(PostId, posts))) and (
        not areas or any(in_scope(org, areas) for org in (subject.county, *subject.orgs))
    )


def _time_for(subject: Subject, inactivity: Inactivity) -> tuple[Span, str]:
    mine = [item for item in inactivity.overrides if _concerns(item, subject)]
    if not mine:
        return inactivity.after, inactivity.article
    chosen = mine[0]
    for item in mine[1:]:
        if shorter(item.after, chosen.after) != chosen.after:
            chosen = item
    return chosen.after, chosen.article


def _exemption(
    subject: Subject, inactivity: Inactivity, requests: Iterable[AccountRequest], today: date
) -> Exemption | None:
    found = [
        Exemption(reason=item.reason, until=item.until)
        for item in inactivity.exemptions
        if _concerns(item, subject)
    ]
    found += [
        Exemption(reason=item.reason, until=item.until)
        for item in requests
        if item.kind is RequestKind.EXEMPT and item.person == subject.person and item.until is not None
    ]
    return max((item for item in found if item.until >= today), key=lambda item: item.until, default=None)
