"""A store that came from a backup: noticed, and compared with Keycloak whole before it is an ordinary one.

``quanheng restore`` says so itself. A file or a database that somebody put back by other means is known by
the anchors: they tell of entries that its ledger does not have.
"""

from __future__ import annotations

from quanheng.engine.adopt import RESTORED
from quanheng.engine.plan import Plan
from quanheng.errors import ConfigurationError
from quanheng.ledger.anchor import read_newest_anchor
from quanheng.ledger.chain import Ledger
from quanheng.logs import get_logger
from quanheng.model.realm import ObservedRealm
from quanheng.operations.context import Context
from quanheng.operations.noting import note
from quanheng.operations.refresh import refresh_mirror, sweep
from quanheng.store.lease import Lease
from quanheng.store.restored import is_restored, mark_behind, mark_compared

log = get_logger(__name__)


def observe(context: Context, lease: Lease, *, live: bool = False) -> ObservedRealm:
    """The mirror, brought up to now; read anew from Keycloak when the store came from a backup: of what our
    own accounts did since then no event is heeded."""
    _notice(context, lease)
    with context.database.reading() as connection:
        anew = live or is_restored(connection)
    return sweep(context, lease) if anew else refresh_mirror(context, lease)


def note_compared(context: Context, lease: Lease, plan: Plan) -> None:
    """The plan that was just carried out was made of everything: from now on who switches an account off in
    the console is heeded as ever."""
    with context.database.reading() as connection:
        if not is_restored(connection):
            return
    off = [hold for hold in plan.delta.holds_put if hold.origin == RESTORED]
    _ = context.keyring  # opened before the transaction: it may need one of its own
    with context.database.transaction() as connection:
        lease.assert_held(connection)
        mark_compared(connection)
        note(context, connection, "restored_compared", {"found_off": len(off)})
    log.warning("the restored store was compared with Keycloak", found_off=len(off))


def _notice(context: Context, lease: Lease) -> None:
    directory = context.settings.anchors_directory
    if directory is None or not directory.is_dir():
        return
    try:
        anchor = read_newest_anchor(directory)
    except ConfigurationError as error:
        log.error("the anchors cannot be read", problem=str(error))  # noqa: TRY400 -- expected
        return
    if anchor is None:
        return
    keyring = context.keyring  # opened before the transaction: it may need one of its own
    with context.database.transaction() as connection:
        lease.assert_held(connection)
        last = Ledger(connection, keyring, context.clock).last()
        if last is not None and last[0] >= anchor.sequence:
            return
        if mark_behind(connection, anchor.sequence):
            note(context, connection, "store_is_older", {"anchor": anchor.sequence})
            log.error("the store is older than its anchors", anchor=anchor.sequence)
