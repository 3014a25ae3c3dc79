"""One look at what happened, every few seconds: take it in, judge it, repair it, tell of it.

Events are hints. A look with nothing new costs one request; each minute another one makes up for events that
were committed late. The lease is taken only when there is something to do, and each minute for the guard's
rules; while somebody else has it, that waits for the next look.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from quanheng.errors import LeaseHeldError, QuanhengError
from quanheng.keycloak.events import Affected, affected
from quanheng.keycloak.guard import Restored
from quanheng.keycloak.representation import GUARD_EVENT
from quanheng.ledger.chain import Ledger
from quanheng.logs import get_logger
from quanheng.model.change import Change, Json
from quanheng.model.realm import AdminEvent
from quanheng.notify.port import NoticeKind
from quanheng.operations.carrying_out import hold_lease, recover
from quanheng.operations.context import Context
from quanheng.operations.limits_exceeded import describe_excess
from quanheng.operations.noting import note
from quanheng.operations.refresh import Seen, refresh_by, sweep
from quanheng.operations.watching.administrators import look_after_administrators
from quanheng.operations.watching.announcing import announce
from quanheng.operations.watching.causes import are_unrestored, restore_causes
from quanheng.operations.watching.counting import count_causes
from quanheng.operations.watching.doubting import end_doubt, find_doubted, is_due
from quanheng.operations.watching.glass import GlassWatch
from quanheng.operations.watching.intake import structure_actors
from quanheng.operations.watching.news import OVERLAP, News, read_news
from quanheng.operations.watching.permissions import look_after_permissions
from quanheng.operations.watching.protection import (
    EVENTS_OFF,
    look_after_configuration,
    look_after_guard,
    look_after_names,
)
from quanheng.operations.watching.repairing import Repaired, repair, takes_power
from quanheng.operations.watching.telling import Topic, clear, find_untold
from quanheng.store.lease import Lease
from quanheng.store.meta import read_number, read_text, write_text
from quanheng.store.mirror import MirrorState, read_mirror_state, read_users
from quanheng.store.plans import read_unfinished
from quanheng.store.watching import (
    ToJudge,
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

_NOT_LOOKED_AFTER: Final = "not_looked_after"
"""Entry of ``meta``: not empty while Keycloak failed when settings and what is nobody's were looked after."""

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
    """A repair exceeds a limit: all of it but the undoing of refused grants waits for a person."""

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
        self._read_to: datetime | None = None
        """Up to where quiet looks have read events. Kept apart from the store's cursor, which only who holds
        the lease moves: after a load every look would read all its events again."""
        self._server_time: datetime | None = None
        """At the last quiet look that asked for it."""
        self._refused = ToJudge()
        """Whom Keycloak refused to have set right: tried again each minute. A new process begins with a sync,
        which tries them all."""
        self._guard_at: datetime | None = None
        self._revision: int | None = None
        self._glass = GlassWatch(context)
        self._doubt_stays = False
        """Whether the log has that the last doubt could not be ended."""

    def tick(self) -> Tick:
        """Look once. Raises :class:`QuanhengError` when Keycloak or the store is away; look again then."""
        with self._context.database.reading() as connection:
            revision = read_number(connection, "revision", 0)
            begun = Ledger(connection, self._context.keyring, self._context.clock).last() is not None
        if not begun:
            return Tick()  # before the bootstrap nothing is ours
        try:
            return self._look_at_all(revision)
        finally:
            # Whatever keeps us from the rest, or the rest from us: that the glass is broken is told.
            self._glass.look()

    def _look_at_all(self, revision: int) -> Tick:
        done = self._look_and_act()
        if done.waiting:  # found again at the next look, however late its event showed
            self._read_to = self._server_time = None
        elif is_due(self._context):  # by events that were taken in
            self._in_turn(self._end_doubt, Tick(waiting=True))
        # After whatever there was to do: who makes events without an end must not keep us from the guard.
        self._each_minute(revision)
        return done

    def _look_and_act(self) -> Tick:
        context = self._context
        with context.database.reading() as connection:
            state = read_mirror_state(connection, context.realm_name)
            seen = read_seen(connection)
            waiting = bool(read_to_judge(connection)) or bool(read_text(connection, _NOT_LOOKED_AFTER))
            blind = bool(read_text(connection, EVENTS_OFF))
        if state is None:
            return self._in_turn(self._first, Tick(waiting=True))
        news = self._look(state, seen)
        if self._looked_far:
            news = replace(news, blind=blind)
            waiting = waiting or bool(self._refused) or are_unrestored(context)
        hint = affected(news.events, known_actors=context.realm.own_actors)
        doubted = find_doubted(context, news.events)
        vetoes = any(event.resource_type == GUARD_EVENT for event in news.events)
        if not (waiting or vetoes or doubted or news.gap or news.blind or hint != Affected()):
            self._pass(news)
            return Tick()
        return self._in_turn(
            lambda lease: self._act(lease, news), Tick(events=self._count_foreign(news), waiting=True)
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
        moment = realm.read_server_time() if thorough else None
        news = read_news(
            realm,
            replace(state, cursor=max(state.cursor, self._server_time or state.cursor)),
            known,
            moment=moment,
            overlap=OVERLAP if thorough else SHORT_OVERLAP,
            read_to=self._read_to,
        )
        self._looked_far = thorough
        if thorough:
            self._thorough_at = now
        return news

    def _count_foreign(self, news: News) -> int:
        own = self._context.realm.own_actors
        return sum(event.actor_user not in own for event in news.events)

    def _pass(self, news: News) -> None:
        """Nothing has to be done for these."""
        self._passed |= {event.id: event.at for event in news.events}
        if self._looked_far:
            self._server_time = news.cursor
        if self._server_time is not None and self._thorough_at is not None:
            # The server's time without asking; should our clock jump, the look of the minute goes far back.
            since = self._context.clock() - self._thorough_at
            self._read_to = self._server_time + min(_EVERY, max(timedelta(), since))
        newest = max(self._passed.values(), default=None)
        if newest is not None:
            old = newest - 2 * OVERLAP
            self._passed = {key: at for key, at in self._passed.items() if at >= old}

    def _first(self, lease: Lease) -> Tick:
        """Nothing is known of the realm: read everything, and judge it at the next look."""
        sweep(self._context, lease)
        return Tick(waiting=True)

    def _end_doubt(self, lease: Lease) -> Tick:
        """Whether what is done in our name may be believed again; when not, it is tried at the next look."""
        try:
            end_doubt(self._context, lease)
        except LeaseHeldError:
            raise
        except QuanhengError as error:
            if not self._doubt_stays:
                log.error("our own accounts' acts stay in doubt", problem=str(error))  # noqa: TRY400 -- expected
            self._doubt_stays = True
        else:
            self._doubt_stays = False
        return Tick()

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
            left = read_to_judge(connection)
            revision = read_number(connection, "revision", 0)
            due = bool(read_text(connection, _NOT_LOOKED_AFTER))
        assert state is not None  # noqa: S101 -- nobody forgets it
        news = news.against(state, {**seen, **self._passed})
        if news.gap:
            self._passed.clear()  # they are gone as well
            self._read_to = self._server_time = None
        taken = refresh_by(context, lease, state, news, everybody=False)
        actors = structure_actors(context, news.events)
        # What a sync took in, or a look that died, nobody has looked after.
        everything = taken.whole or left.everybody or left.structure or are_unrestored(context) or due
        restored, failure = self._look_after(lease, taken, actors, revision, everything=everything)
        with context.database.reading() as connection:
            wanted = read_to_judge(connection) | self._refused
        done = repair(context, lease, wanted) if wanted else None
        look_after_administrators(context, taken.observed, wanted, news.events)
        if restored and done is not None:
            log.info("a role that had entered others was taken out of them", roles=len(restored))
        if done is not None:
            self._refused = done.refused
            self._tell(done, news.events)
        self._close_exposures(lease)
        count_causes(context, lease, taken.observed, restored, done)
        if failure is not None:
            raise failure
        return Tick(
            events=self._count_foreign(news),
            changes=sum(done.outcome.done.values()) if done is not None else 0,
            refused=len(done.outcome.refused) if done is not None else 0,
            stopped=done is not None and bool(done.excess),
        )

    def _look_after(
        self, lease: Lease, taken: Seen, actors: Sequence[str], revision: int, *, everything: bool
    ) -> tuple[tuple[Restored, ...], QuanhengError | None]:
        """What has no owner to be repaired: roles in roles, settings, the guard's rules.

        Returns what was set right, and what kept us from the rest: it is looked after at the next look, and
        keeps nobody from being repaired meanwhile. ``everything``: after a sweep, since what it found may
        have been written past Keycloak, with no event; and when somebody else took the events in.
        """
        context, hint = self._context, taken.hint
        restored: tuple[Restored, ...] = ()
        failure: QuanhengError | None = None
        try:
            if hint.roles or hint.configuration or everything:
                # The rules first: what is restored is what the guard's rules say, and those of roles that
                # were renamed meanwhile would have the parts of one role put into another.
                look_after_names(context, taken.observed)
                look_after_guard(context, taken.observed)
                restored = restore_causes(context, lease, taken.observed, actors)
                self._guard_at, self._revision = context.clock(), revision
            if hint.configuration or everything:
                look_after_configuration(context, actors)
            if hint.permissions or everything:
                look_after_permissions(context, taken.observed, actors)
        except QuanhengError as error:
            failure = error
        self._keep_due(lease, due=failure is not None)
        return restored, failure

    def _keep_due(self, lease: Lease, *, due: bool) -> None:
        """Keep whether all of it has to be looked after again; before a repair, which ends what waits."""
        with self._context.database.reading() as connection:
            if due == bool(read_text(connection, _NOT_LOOKED_AFTER)):
                return
        with self._context.database.transaction() as connection:
            lease.assert_held(connection)
            write_text(connection, _NOT_LOOKED_AFTER, "yes" if due else "")

    def _each_minute(self, revision: int) -> None:
        """Whether the guard still has its rules, those of today's waivers; a sync gives them itself."""
        now = self._context.clock()
        if self._guard_at is not None:
            since = now - self._guard_at
            # Not in the same look as what else is done each minute, unless looks are that far apart.
            if timedelta() <= since < (2 * _EVERY if self._thorough_at == now else _EVERY):
                return

        def look(_lease: Lease) -> Tick:
            look_after_guard(self._context, None, anew=revision != self._revision)
            self._guard_at, self._revision = now, revision
            return Tick()

        # As the one writer: two that give rules at once would give different ones the same number.
        self._in_turn(look, Tick(waiting=True))

    def _tell(self, done: Repaired, events: Sequence[AdminEvent]) -> None:
        context = self._context
        if done.excess:
            # The next sync finds the same, and a second person decides.
            excess = [describe_excess(item) for item in done.excess]
            log.critical("REPAIR STOPPED: it exceeds a limit; only refused grants were undone", excess=excess)
            with context.database.transaction() as connection:
                # By kind: the numbers may be others at each look.
                if find_untold(connection, Topic.CAP, [item.name for item in done.excess]):
                    note(context, connection, "repair_stopped", {"excess": list(excess)})
                    announce(context, connection, NoticeKind.CAP_REACHED, {"excess": list(excess)})
        else:
            clear(context, Topic.CAP)
        self._tell_refused(done)
        refused = [item.change for item in done.outcome.refused]
        taken = [change for change in done.plan.changes if takes_power(change) and change not in refused]
        if not taken:
            return
        own = context.realm.own_actors
        actors = {event.actor_user for event in events if event.actor_user and event.actor_user not in own}
        with context.database.transaction() as connection:
            facts: dict[str, Json] = {
                "count": len(taken),
                "changes": _lines(taken),
                "actors": [*sorted(actors)],
            }
            announce(context, connection, NoticeKind.REPAIR, facts)

    def _tell_refused(self, done: Repaired) -> None:
        """What was to be taken away and is still there, once."""
        context = self._context
        for item in done.outcome.refused:
            log.error("Keycloak refused a repair", kind=str(item.change.kind), problem=item.refusal)
        left = {
            f"{item.change.kind} {item.change.subject} {item.change.detail.get('path', '')}": item.change
            for item in done.outcome.refused
            if takes_power(item.change)
        }
        if not left:
            clear(context, Topic.REFUSED)
            return
        with context.database.transaction() as connection:
            new = [left[key] for key in find_untold(connection, Topic.REFUSED, left)]
            if new:
                facts: dict[str, Json] = {"count": len(new), "changes": _lines(new)}
                note(context, connection, "repair_refused", facts)
                announce(context, connection, NoticeKind.REPAIR_REFUSED, facts)

    def _close_exposures(self, lease: Lease) -> None:
        """Date the end of what was held without right, by the events of its end."""
        context = self._context
        with context.database.reading() as connection:
            held = read_exposures(connection, only_open=True)
        if not held:
            return
        events = list(context.realm.read_admin_events(min(item.granted_at for item in held)))
        with context.database.transaction() as connection:
            lease.assert_held(connection)
            users = read_users(connection, {item.user for item in held if item.user is not None})
            end_exposures(
                connection, close_exposures(held, events, users, default_role=context.realm.default_role)
            )


def _lines(changes: Sequence[Change]) -> list[Json]:
    """Changes for people, the first of them."""
    lines: list[Json] = [
        f"{change.subject}：{change.reason} {change.detail.get('path', '')}" for change in changes[:_MANY]
    ]
    return [*lines, f"另有 {len(changes) - _MANY} 项"] if len(changes) > _MANY else lines


def read_exposure(context: Context, *, since: datetime | None = None) -> ExposureReport:
    """How long things were held without right: all that is known, or since a time."""
    with context.database.reading() as connection:
        return report_exposure(read_exposures(connection, since=since))
