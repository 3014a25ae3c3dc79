"""Keep finished steps: journal, ledger, mirror and accounts, in one transaction (decision 21)."""

from __future__ import annotations

from collections.abc import Sequence

from quanheng.engine.plan import Plan
from quanheng.engine.steps import Result
from quanheng.identity.port import Keyring
from quanheng.ledger.chain import Ledger
from quanheng.ledger.entry import Entry
from quanheng.model.change import ChangeKind
from quanheng.model.ids import PersonId
from quanheng.model.registry import AccountRecord
from quanheng.store.database import Database
from quanheng.store.lease import Lease
from quanheng.store.logins import begin_counts
from quanheng.store.mirror import put_groups, put_users
from quanheng.store.plans import write_journal
from quanheng.store.registry import put_accounts

_SWITCHES = {ChangeKind.CREATE, ChangeKind.ENABLE, ChangeKind.DISABLE}


class StoreRecorder:
    """Writes what :func:`quanheng.engine.apply.apply_plan` has done, while the lease is held."""

    def __init__(self, database: Database, keyring: Keyring, lease: Lease) -> None:
        self._database = database
        self._keyring = keyring
        self._lease = lease

    def require_writer(self) -> None:
        """Raise :class:`LeaseLostError` when another process is the writer now."""
        self._lease.check()

    def record(self, plan: Plan, results: Sequence[Result], *, how: str = "applied") -> None:
        """Keep these steps. ``how``: "applied", or "found" when an interrupted run had done them."""
        now = self._database.clock()
        users = {result.user.id: result.user for result in results if result.user is not None}
        accounts = {
            result.change.person: AccountRecord(
                person=result.change.person,
                keycloak_id=result.user.id,
                enabled_written=result.user.enabled,
            )
            for result in results
            if result.user is not None
            and result.change.person is not None
            and result.change.kind in _SWITCHES
        }
        with self._database.transaction() as connection:
            self._lease.assert_held(connection)
            write_journal(connection, plan.digest, [result.step for result in results], now)
            ledger = Ledger(connection, self._keyring, self._database.clock)
            ledger.append([_entry(plan, result, how) for result in results])
            put_users(connection, users.values())
            put_groups(connection, {r.group.id: r.group for r in results if r.group is not None}.values())
            put_accounts(connection, accounts.values())
            for kind in (ChangeKind.CREATE, ChangeKind.ENABLE):
                given_back = kind is ChangeKind.ENABLE
                begin_counts(connection, _switched_on(results, kind), now, given_back=given_back)


def _switched_on(results: Sequence[Result], kind: ChangeKind) -> list[PersonId]:
    """Who may log in by such a change, and could not before."""
    return [
        result.change.person
        for result in results
        if result.change.kind is kind
        and result.change.person is not None
        and result.user is not None
        and result.user.enabled
    ]


def _entry(plan: Plan, result: Result, how: str) -> Entry:
    change = result.change
    body = {
        "subject": change.subject,
        "person": change.person,
        "reason": change.reason,
        "origin": change.origin,
        "article": change.article,
        "detail": dict(change.detail),
        "how": how,
    }
    return Entry(kind=str(change.kind), body=body, plan=plan.digest, step=result.step)
