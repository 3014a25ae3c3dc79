"""One look at what happened, every few seconds: take it in, judge it, repair it, tell of it.

Events are hints. A look with nothing new costs one request; each minute another one makes up for events that
were committed late. The lease is taken only when there is something to do; while somebody else has it, that
waits for the next look.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from quanheng.errors import LeaseHeldError
from quanheng.keycloak.events import Affected, affected
from quanheng.keycloak.representation import GUARD_EVENT
from quanheng.ledger.chain import Ledger
from quanheng.logs import get_logger
from quanheng.model.change import Json
from quanheng.model.realm import AdminEvent
from quanheng.notify.port import NoticeKind
from quanheng.operations.carrying_out import hold_lease, recover
from quanheng.operations.context import Context
from quanheng.operations.noting import note
from quanheng.operations.refresh import Seen, refresh_by, sweep
from quanheng.operations.watching.announcing import announce
from quanheng.operations.watching.causes import restore_causes
from quanheng.operations.watching.intake import structure_actors
from quanheng.operations.watching.news import OVERLAP, News, read_news
from quanheng.operations.watching.protection import EVENTS_OFF, look_after_configuration, look_after_guard
from quanheng.operations.watching.repairing import Repaired, repair, takes_power
from quanheng.store.lease import Lease
from quanheng.store.meta import read_number, read_text
from quanheng.store.mirror import MirrorState, read_mirror, read_mirror_state
from quanheng.store.plans import read_unfinished
from quanheng.store.watching import (
    ToJudge,
    clear_to_judge,
    end_exposures,
    read_exposures,
    read_seen,
    read_to_judge,
)
from quanheng.watch.exposure import ExposureReport, close_exposures, report_exposure

SHORT_OVERLAP: Final = timedelta(seconds=20)
"""How far back most looks go; the one each minute goes as far back as a sync's (:data:`OVERLAP`)."""
_EVERY: Final = timedelta(minutes=1)
_MANY: Final = 20
"""Lines of a notice; more are counted."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """What one look found and did."""

    events: int = 0
    """New ones, other than our own."""
    changes: int = 0
    """Carried out."""
    refused: int = 0
    """Keycloak refused them: what they were to take away is still there."""
    waiting: bool = False
    """Somebody else has the lease: what there is to do is done at the next look."""
    stopped: bool = False
    """The repair exceeds a limit and was not done."""

    @property
    def quiet(self) -> bool:
        """Whether there was nothing to do."""
        return self == Tick()


class Watcher:
    """Looks at one realm, time after time, through one context."""

    def __init__(self, context: Context, turn: threading.Lock | None = None) -> None:
        """``turn``: held by whoever writes in this process; the lease is for other processes."""
        self._context = context
        self._turn = turn or threading.Lock()
        self._passed: dict[str, datetime] = {}
        """Events that ask for nothing (our own, mostly): not kept in the store."""
        self._thorough_at: datetime | None = None
        self._looked_far = False
        """Whether the look under way is the one of each minute."""
        self._guard_at: datetime | None = None
        self._revision: int | None = None

    def tick(self) -> Tick:
        """Look once. Raises :class:`QuanhengError` when Keycloak or the store is away; look again then."""
        context = self._context
        keyring = context.keyring
        with context.database.reading() as connection:
            state = read_mirror_state(connection, context.realm_name)
            seen = read_seen(connection)
            waiting = read_to_judge(connection)
            revision = read_number(connection, "revision", 0)
            blind = bool(read_text(connection, EVENTS_OFF))
            begun = Ledger(connection, keyring, context.clock).last() is not None
        if not begun:
            return Tick()  # before the bootstrap nothing is ours
        if state is None:
            return self._in_turn(self._first, Tick(waiting=True))
        news = self._look(state, seen)
        if blind and self._looked_far:
            news = replace(news, blind=True)
        hint = affected(news.events, known_actors=context.realm.own_actors)
        vetoes = any(event.resource_type == GUARD_EVENT for event in news.events)
        if not waiting and not vetoes and not news.gap and not news.blind and hint == Affected():
            self._pass(news.events)
            self._each_minute(revision)
            return Tick()
        return self._in_turn(
            lambda lease: self._act(lease, news), Tick(events=len(news.events), waiting=True)
        )

    def _in_turn(self, act: Callable[[Lease], Tick], otherwise: Tick) -> Tick:
        """Do something as the one writer; when somebody else is, it is done at the next look."""
        if not self._turn.acquire(blocking=False):
            return otherwise
        try:
            with hold_lease(self._context) as lease:
                return act(lease)
        except LeaseHeldError:
            return otherwise
        finally:
            self._turn.release()

    def _look(self, state: MirrorState, seen: Mapping[str, datetime]) -> News:
        """Events since the last look; each minute, further back."""
        now = self._context.clock()
        thorough = self._thorough_at is None or not timedelta() <= now - self._thorough_at < _EVERY
        realm = self._context.realm
        known = {**seen, **self._passed}
        news = read_news(
            realm,
            state,
            known,
            moment=realm.read_server_time() if thorough else None,
            overlap=OVERLAP if thorough else SHORT_OVERLAP,
        )
        self._looked_far = thorough
        if thorough:
            self._thorough_at = now
        return news

    def _pass(self, events: Sequence[AdminEvent]) -> None:
        self._passed |= {event.id: event.at for event in events}
        newest = max(self._passed.values(), default=None)
        if newest is not None:
            old = newest - 2 * OVERLAP
            self._passed = {key: at for key, at in self._passed.items() if at >= old}

    def _first(self, _lease: Lease) -> Tick:
        """Nothing is known of the realm: read everything, and judge it at the next look."""
        sweep(self._context)
        return Tick(waiting=True)

    def _act(self, lease: Lease, news: News) -> Tick:
        context = self._context
        with context.database.reading() as connection:
            unfinished = read_unfinished(connection)
        if unfinished is not None:
            recover(context, lease)
        with context.database.reading() as connection:
            # A sync may have taken it in since we looked.
            state = read_mirror_state(connection, context.realm_name)
            seen = read_seen(connection)
            swept = read_to_judge(connection).everybody
        assert state is not None  # noqa: S101 -- nobody forgets it
        news = news.against(state, {**seen, **self._passed})
        if news.gap:
            self._passed.clear()  # they are gone as well
        taken = refresh_by(context, state, news, everybody=False)
        actors = structure_actors(context, news.events)
        restored = self._look_after(taken, actors, everything=taken.whole or swept)
        with context.database.reading() as connection:
            wanted = read_to_judge(connection)
        done = repair(context, lease, wanted) if wanted else None
        if restored and done is not None and done.outcome is not None:
            log.info("a role that had entered others was taken out of them", roles=restored)
        if done is not None:
            self._tell(done, wanted, news.events)
        self._close_exposures()
        return Tick(
            events=len(news.events),
            changes=sum(done.outcome.done.values()) if done is not None and done.outcome is not None else 0,
            refused=len(done.outcome.refused) if done is not None and done.outcome is not None else 0,
            stopped=done is not None and done.outcome is None,
        )

    def _look_after(self, taken: Seen, actors: Sequence[str], *, everything: bool) -> int:
        """What has no owner to be repaired: roles in roles, settings, the guard's rules.

        ``everything``: after a sweep, since what it found may have been written past Keycloak, with no event.
        """
        context, hint = self._context, taken.hint
        restored = 0
        if hint.roles or hint.configuration or everything:
            restored = restore_causes(context, taken.observed, actors)
            look_after_guard(context, taken.observed)
            self._guard_at = context.clock()
        if hint.configuration or everything:
            look_after_configuration(context, actors)
        return restored

    def _each_minute(self, revision: int) -> None:
        """While nothing happens: whether the guard still has its rules, those of today's waivers."""
        now = self._context.clock()
        if self._guard_at is not None:
            since = now - self._guard_at
            # Not in the same look as what else is done each minute, unless looks are that far apart.
            if timedelta() <= since < (2 * _EVERY if self._thorough_at == now else _EVERY):
                return
        look_after_guard(self._context, None, anew=revision != self._revision)
        self._guard_at, self._revision = now, revision

    def _tell(self, done: Repaired, wanted: ToJudge, events: Sequence[AdminEvent]) -> None:
        context = self._context
        if done.outcome is None:
            excess = [str(item) for item in done.plan.excess]
            log.critical("REPAIR STOPPED: it exceeds a limit; nothing was changed", excess=excess)
            with context.database.transaction() as connection:
                clear_to_judge(
                    connection, wanted
                )  # the next sync finds the same, and a second person decides
                note(context, connection, "repair_stopped", {"excess": list(excess)})
                announce(context, connection, NoticeKind.CAP_REACHED, {"excess": list(excess)})
            return
        refused = [item.change for item in done.outcome.refused]
        for item in done.outcome.refused:
            log.error("Keycloak refused a repair", kind=str(item.change.kind), problem=item.refusal)
        taken = [change for change in done.plan.changes if takes_power(change) and change not in refused]
        if not taken:
            return
        own = context.realm.own_actors
        actors = {event.actor_user for event in events if event.actor_user and event.actor_user not in own}
        lines = [
            f"{change.subject}：{change.reason} {change.detail.get('path', '')}" for change in taken[:_MANY]
        ]
        if len(taken) > _MANY:
            lines.append(f"另有 {len(taken) - _MANY} 项")
        with context.database.transaction() as connection:
            facts: dict[str, Json] = {
                "count": len(taken),
                "changes": list(lines),
                "actors": [*sorted(actors)],
            }
            announce(context, connection, NoticeKind.REPAIR, facts)

    def _close_exposures(self) -> None:
        """Date the end of what was held without right, by the events of its end."""
        context = self._context
        with context.database.reading() as connection:
            held = read_exposures(connection, only_open=True)
        if not held:
            return
        events = list(context.realm.read_admin_events(min(item.granted_at for item in held)))
        with context.database.transaction() as connection:
            mirror = read_mirror(connection, users={item.user for item in held})
            end_exposures(
                connection,
                close_exposures(held, events, mirror.users, default_role=context.realm.default_role),
            )


def read_exposure(context: Context, *, since: datetime | None = None) -> ExposureReport:
    """How long things were held without right: all that is known, or since a time."""
    with context.database.reading() as connection:
        return report_exposure(read_exposures(connection, since=since))
