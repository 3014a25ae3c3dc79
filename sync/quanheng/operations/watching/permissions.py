"""The permissions of administrators, looked after: whoever changes them gives power without a grant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from quanheng.logs import get_logger
from quanheng.model.change import Json
from quanheng.model.realm import ObservedRealm
from quanheng.notify.port import NoticeKind
from quanheng.operations.context import Context
from quanheng.operations.delegating import compare_delegation
from quanheng.operations.noting import note
from quanheng.operations.watching.announcing import announce
from quanheng.operations.watching.telling import Topic, find_untold

_MANY: Final = 20
"""Lines of a notice; more are counted."""

log = get_logger(__name__)


def look_after_permissions(context: Context, observed: ObservedRealm, actors: Sequence[str]) -> int:
    """Compare the permissions of administrators with the packs and tell what differs, each once.

    Returns how many things that is. One request per permission.
    """
    lines = {f"{item.subject}：{item.detail}": item.subject for item in compare_delegation(context, observed)}
    _ = context.keyring  # opened before the transaction: it may need one of its own
    with context.database.transaction() as connection:
        new = find_untold(connection, Topic.PERMISSIONS, lines)
        if new:
            log.error("administrators' permissions are not as they should be", differences=len(lines))
            where: list[Json] = [lines[line] for line in new]
            note(context, connection, "permissions_changed", {"where": where, "actors": list(actors)})
            body: dict[str, Json] = {"gaps": list(new[:_MANY]), "count": len(new), "actors": list(actors)}
            announce(context, connection, NoticeKind.PERMISSIONS, body)
    return len(lines)
