"""Carry out a plan: the only writer (decisions 15, 18, 20, 21).

Every step is idempotent. A finished step's journal mark, ledger entry and mirror row are written in
one transaction, so that after ``kill -9`` a step either counts as done, once, or is looked at again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Protocol

from quanheng.engine.effects import is_group_change
from quanheng.engine.plan import Plan
from quanheng.engine.sessions import MOST, FindsHolders, among, end_sessions, inherited, members_of
from quanheng.engine.steps import (
    Result,
    Step,
    World,
    run_creations,
    run_group_step,
    run_user_step,
    set_name_aside,
)
from quanheng.keycloak.port import Realm, RealmRefusedError
from quanheng.model.change import ChangeKind
from quanheng.model.ids import KeycloakId
from quanheng.model.realm import ObservedRealm, RealmGroup

_GIVES: Final = frozenset({ChangeKind.MOVE, ChangeKind.GRANT, ChangeKind.ENABLE})
FLUSH_STEPS: Final = 200
"""Steps per transaction of the store: a crash repeats the look at no more than these."""


class Recorder(Protocol):
    """Where finished steps are kept; :class:`quanheng.store.recorder.StoreRecorder` is the one."""

    def require_writer(self) -> None:
        """Raise when this process may no longer write: Keycloak itself would not notice."""

    def record(self, plan: Plan, results: Sequence[Result]) -> None:
        """Journal, ledger, mirror and accounts of these steps, in one transaction, or raise."""


Progress = Callable[[str, int, int], None]
"""Called with the kind of change, how many of it are done, and how many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a plan."""

    done: dict[str, int]
    """Steps carried out, by kind."""
    refused: tuple[Result, ...]
    """Steps that Keycloak refused; the rest went on, and the next plan tries again."""


def apply_plan(
    plan: Plan,
    realm: Realm,
    observed: ObservedRealm,
    recorder: Recorder,
    *,
    provider: str,
    workers: int,
    batch_size: int,
    progress: Progress | None = None,
    after_structure: Callable[[Mapping[KeycloakId, RealmGroup]], object] | None = None,
    find_holders: FindsHolders | None = None,
) -> Outcome:
    """Carry out ``plan`` on ``realm``, which holds ``observed``.

    ``after_structure`` is called once with all groups when groups were made, before anybody joins them.
    ``find_holders`` searches everybody, where ``observed`` has a part of them.

    Raises :class:`UnreachableError` when Keycloak is gone; what was done until then is recorded.
    """
    world = World(observed)
    holders = find_holders or among(world.users)
    run = _Run(plan, realm, world, recorder, provider, workers, batch_size, progress, holders)
    with ThreadPoolExecutor(max_workers=workers) as pool:
        for kind, group in groupby(enumerate(plan.changes), key=lambda step: step[1].kind):
            run.phase(pool, kind, list(group))
            if kind is ChangeKind.GROUP_CREATE and after_structure is not None:
                after_structure(run.world.groups)
    return Outcome(done=dict(run.done), refused=tuple(run.refused))


class _Run:
    def __init__(
        self,
        plan: Plan,
        realm: Realm,
        world: World,
        recorder: Recorder,
        provider: str,
        workers: int,
        batch_size: int,
        progress: Progress | None,
        find_holders: FindsHolders,
    ) -> None:
        self.plan, self.realm, self.world, self.recorder = plan, realm, world, recorder
        self.provider, self.workers, self.batch_size, self.progress = provider, workers, batch_size, progress
        self.done: Counter[str] = Counter()
        self.refused: list[Result] = []
        self._find_holders = find_holders
        self._pending: list[Result] = []
        self._weakened: set[KeycloakId] = set()
        """Groups whose members, and those of the groups below, lost a role by what is pending."""
        self._spared: set[str] = set()
        """Users of whom something could not be taken: they are given nothing on top of it."""

    def phase(self, pool: ThreadPoolExecutor, kind: ChangeKind, steps: list[Step]) -> None:
        """Carry out all steps of one kind; the next kind begins when they are recorded."""
        total = len(steps)
        try:
            for results in self._results(pool, kind, steps):
                self._take(results)
                if self.progress is not None:
                    self.progress(kind, min(total, self.done[kind] + len(self.refused)), total)
        finally:
            # Also when Keycloak went away in the middle: what is done must be known to be done.
            self._flush()

    def _results(
        self, pool: ThreadPoolExecutor, kind: ChangeKind, steps: list[Step]
    ) -> Iterator[Sequence[Result]]:
        if kind is ChangeKind.GROUP_CREATE:
            # Parents before children: one depth at a time.
            for _, level in groupby(steps, key=_depth):
                yield from self._parallel(pool, self._groups, [[step] for step in level])
        elif is_group_change(kind):
            for step in steps:  # few, and a rename changes the paths of others
                self.recorder.require_writer()
                yield self._groups([step])
        elif kind is ChangeKind.CREATE:
            # Neighbours together: a batch of few groups is imported sooner.
            steps = sorted(steps, key=lambda step: json.dumps(step[1].detail["groups"]))
            batches = [steps[at : at + self.batch_size] for at in range(0, len(steps), self.batch_size)]
            paths = {group.path: group.id for group in self.world.groups.values()}
            yield from self._parallel(
                pool, lambda batch: run_creations(self.realm, self.provider, paths, batch), batches
            )
        else:
            if kind is ChangeKind.UPDATE:
                self._make_way(steps)
            people = [list(group) for _, group in groupby(steps, key=lambda step: step[1].subject)]
            yield from self._parallel(pool, self._users, people)

    def _make_way(self, steps: Sequence[Step]) -> None:
        """Free the names that others of these steps are to have: where two were exchanged by hand, Keycloak
        would refuse each of them for ever. Whoever is set aside here gets its own name in the same phase."""
        names = {change.subject for _, change in steps}
        for step in steps:
            user = self.world.users.get(KeycloakId(str(step[1].detail["id"])))
            if user is not None and user.username != step[1].subject and user.username in names:
                self.recorder.require_writer()
                with suppress(RealmRefusedError):  # the steps themselves say so
                    set_name_aside(self.realm, user, step[1])

    def _parallel(
        self,
        pool: ThreadPoolExecutor,
        call: Callable[[list[Step]], Sequence[Result]],
        work: Sequence[list[Step]],
    ) -> Iterator[Sequence[Result]]:
        """Results as they come, a few calls ahead; after a failure the calls under way are still taken in."""
        waiting: set[Future[Sequence[Result]]] = set()
        failure: BaseException | None = None
        remaining = iter(work)
        while True:
            while failure is None and len(waiting) < 2 * self.workers:
                if (item := next(remaining, None)) is None:
                    break
                self.recorder.require_writer()
                waiting.add(pool.submit(call, item))
            if not waiting:
                break
            finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in finished:
                if (error := future.exception()) is not None:
                    failure = failure or error
                else:
                    yield future.result()
        if failure is not None:
            raise failure

    def _groups(self, steps: list[Step]) -> Sequence[Result]:
        return [_guarded(step, lambda step: run_group_step(self.realm, self.world, step)) for step in steps]

    def _users(self, steps: list[Step]) -> Sequence[Result]:
        # Several steps of one kind on one user build on each other, so each is learned at once.
        results: list[Result] = []
        for step in steps:
            if step[1].kind in _GIVES and step[1].subject in self._spared:
                result = Result(step=step[0], change=step[1], refusal="此前的步骤被拒绝，暂不授予")
            else:
                result = _guarded(step, lambda step: run_user_step(self.realm, self.world, step))
            self.world.learn(result)
            results.append(result)
        return results

    def _take(self, results: Sequence[Result]) -> None:
        for result in results:
            if result.group is not None and self._weakens(result.change.kind, result.group):
                self._weakened.add(result.group.id)
            self.world.learn(result)
            if result.refusal is None:
                self.done[result.change.kind] += 1
                self._pending.append(result)
            else:
                self.refused.append(result)
                self._spared.add(result.change.subject)
        if len(self._pending) >= FLUSH_STEPS:
            self._flush()

    def _weakens(self, kind: ChangeKind, after: RealmGroup) -> bool:
        """Whether a change took a role from the members of a group; asked before the world learns of it."""
        if kind is not ChangeKind.GROUP_MOVE:
            return kind is ChangeKind.GROUP_ROLE_REMOVE
        paths = {group.path: group for group in self.world.groups.values()}
        before = self.world.groups[after.id].path
        return not inherited(paths, before) <= inherited(paths, after.path)

    def _flush(self) -> None:
        if self._weakened:
            # Before it is recorded: whoever dies in between is followed by a run that looks at it again.
            members = members_of(self.world.groups, self._weakened)
            self.recorder.require_writer()
            with suppress(RealmRefusedError):  # what was taken is taken all the same
                end_sessions(self.realm, self._find_holders(members, MOST))
            self._weakened = set()
        if self._pending:
            self.recorder.record(self.plan, self._pending)
            self._pending = []


def _guarded(step: Step, call: Callable[[Step], Result]) -> Result:
    try:
        return call(step)
    except RealmRefusedError as error:
        return Result(step=step[0], change=step[1], refusal=str(error))


def _depth(step: Step) -> int:
    path = step[1].detail.get("path")
    return len(path) if isinstance(path, list) else 0
