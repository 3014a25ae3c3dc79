"""Whether what our own accounts are said to have done was done by us. Pure.

Who administers the server can change the key of our client, take a token of its service account, act with it
and put the client back. What was done in our name around such a change is looked at like anybody's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from quanheng.model.ids import KeycloakId
from quanheng.model.realm import AdminEvent, RealmUser

TOKEN_LIFE: Final = timedelta(minutes=10)
"""How long a token that was taken may be used: five minutes are set, and as long again for the clocks. Who
takes one may have set more, so a doubt does not end by this alone."""
_CLOCKS: Final = timedelta(minutes=1)
"""So far the clocks of two nodes of the server may be apart."""
_LATE: Final = timedelta(minutes=5)
"""So much later an event may show than it is dated."""

_TOKENS_REST_ON: Final = frozenset(
    {
        "AUTHENTICATOR_CONFIG",
        "AUTH_EXECUTION",
        "AUTH_EXECUTION_FLOW",
        "AUTH_FLOW",
        "CLIENT",
        "CLIENT_SCOPE",
        "CLIENT_SCOPE_CLIENT_MAPPING",
        "COMPONENT",
        "IDENTITY_PROVIDER",
        "PROTOCOL_MAPPER",
    }
)
"""How clients authenticate, what is written into tokens, and the keys that sign them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A time in which our own accounts may have been somebody else's; by Keycloak's clock.

    It does not pass by itself: what was done in our name after it began is in doubt until every token that
    our accounts were given is void.
    """

    since: datetime
    until: datetime
    """Before then it is not ended: the tokens are voided once, after the last tampering."""
    ended: datetime | None = None
    """Up to when what was done is in doubt; None while it is open."""

    def covers(self, event: AdminEvent) -> bool:
        """Whether an event falls into it."""
        return self.since <= event.at and (self.ended is None or event.at <= self.ended)

    def is_due(self, now: datetime) -> bool:
        """Whether it is open, and time to void the tokens of our accounts and to end it."""
        return self.ended is None and now > self.until

    def is_news_after(self, before: Doubt | None) -> bool:
        """Whether it has to be told, and not only that ``before`` was renewed meanwhile."""
        return before is None or self.until - TOKEN_LIFE > before.until + _LATE


def follow(
    doubt: Doubt | None, events: Iterable[AdminEvent], own: Collection[str]
) -> tuple[Doubt | None, tuple[AdminEvent, ...]]:
    """The doubt as events renew it, and those that do: after each of them somebody may have a token of ours.

    They are about what tokens rest on, and not by us. What was done in our name while it was in doubt counts
    as somebody else's: who has a token could use it to get the next one.
    """
    found = []
    for event in events:
        trusted = event.actor_user in own and not (doubt is not None and doubt.covers(event))
        if not trusted and _touches_tokens(event, own) and not _voids_our_tokens(event, own):
            doubt = renew(doubt, event.at)
            found.append(event)
    return doubt, tuple(found)


def _touches_tokens(event: AdminEvent, own: Collection[str]) -> bool:
    if event.resource_type in _TOKENS_REST_ON:
        return True
    if event.resource_type == "REALM" and event.operation == "UPDATE":
        return True
    word, _, rest = event.resource_path.partition("/")
    return word == "users" and rest.partition("/")[0] in own


def _voids_our_tokens(event: AdminEvent, own: Collection[str]) -> bool:
    """Whether it is the end of a doubt, as we write it. Whoever else does this in our name gains nothing."""
    word, _, rest = event.resource_path.partition("/")
    user, _, what = rest.partition("/")
    return event.actor_user in own and word == "users" and user in own and what == "logout"


def renew(doubt: Doubt | None, at: datetime) -> Doubt:
    """Doubt what was done from then on; what is in doubt already stays so while its events may still come."""
    if doubt is None or (doubt.ended is not None and at > doubt.ended + _LATE):
        return Doubt(since=at - _CLOCKS, until=at + TOKEN_LIFE)
    return Doubt(since=min(doubt.since, at - _CLOCKS), until=max(doubt.until, at + TOKEN_LIFE))


def end(doubt: Doubt, at: datetime) -> Doubt:
    """The same, after the tokens of our accounts were voided; ``at``: the time after that.

    A token says in whole seconds when it was given, and one that was given in the second of the voiding
    outlives it, as does one by a node whose clock is ahead. Nobody who put our client back has one: at least
    :data:`TOKEN_LIFE` has passed since the last tampering that we know of, so whoever got a token just then
    has tampered since. That event, however late it shows, renews the doubt. (Who did not put it back has a
    way in that stays open, which differs from the declared configuration.) What was under way with a token
    that is void now may be dated a little later.
    """
    return replace(doubt, ended=at + _CLOCKS)


def doubted(
    events: Iterable[AdminEvent], own: Collection[str], doubt: Doubt | None
) -> tuple[AdminEvent, ...]:
    """Events in our name that fall into the time."""
    if doubt is None:
        return ()
    return tuple(event for event in events if event.actor_user in own and doubt.covers(event))


def users_of(events: Iterable[AdminEvent]) -> frozenset[KeycloakId]:
    """Users whom events are about."""
    return frozenset(
        KeycloakId(event.resource_path.split("/")[1])
        for event in events
        if event.resource_path.startswith("users/")
    )


def unexplained(
    events: Sequence[AdminEvent], mirror: Mapping[KeycloakId, RealmUser]
) -> tuple[AdminEvent, ...]:
    """Events about users that the mirror does not show as ours.

    We write what we do into the mirror, so a membership that is there as the last event of it says, and a
    user that is there, are explained without asking Keycloak. Of roles and fields an event says too little.
    """
    last = {
        event.resource_path: event
        for event in sorted(events, key=lambda item: item.at)
        if event.resource_path.startswith("users/") and event.operation != "ACTION"
    }
    return tuple(event for event in last.values() if not _is_explained(event, mirror))


def _is_explained(event: AdminEvent, mirror: Mapping[KeycloakId, RealmUser]) -> bool:
    parts = event.resource_path.split("/")
    user = mirror.get(KeycloakId(parts[1]))
    if user is None:
        return False
    if event.resource_type == "GROUP_MEMBERSHIP":
        return (KeycloakId(parts[-1]) in user.groups) == (event.operation == "CREATE")
    # Made alone or in an import: it is there, so we made it.
    return event.operation == "CREATE" and len(parts) == 2


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupWrites:
    """How often groups themselves, and what roles they map, were changed."""

    groups: int = 0
    mappings: int = 0

    def __le__(self, other: GroupWrites) -> bool:
        return self.groups <= other.groups and self.mappings <= other.mappings


def count_group_writes(events: Iterable[AdminEvent]) -> GroupWrites:
    """What events tell of groups."""
    paths = [event.resource_path for event in events if event.resource_path.partition("/")[0] == "groups"]
    mappings = sum("/role-mappings/" in path for path in paths)
    return GroupWrites(groups=len(paths) - mappings, mappings=mappings)
