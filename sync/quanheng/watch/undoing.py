"""What of a repair only takes back what was never anybody's by right. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from quanheng.engine.effects import texts
from quanheng.model.change import Change, ChangeKind
from quanheng.model.ids import RoleName
from quanheng.watch.actors import MoveKind
from quanheng.watch.exposure import Exposure, mark_of


def find_undoing(changes: Sequence[Change], held: Iterable[Exposure]) -> tuple[Change, ...]:
    """The changes that end an exposure and do nothing else, in their order.

    ``held`` are exposures that are open: each began with an event, of something that neither the mirror nor
    the registry knew of before. Of a change that takes several roles, the part that ends one is given.
    """
    given = {(str(item.user), item.kind, item.subject) for item in held}
    found = []
    for change in changes:
        user = str(change.detail.get("id", ""))
        if change.kind is ChangeKind.REVOKE:
            if (user, MoveKind.JOINED, str(change.detail["group"])) in given:
                found.append(change)
        elif change.kind is ChangeKind.ROLE_REMOVE:
            taken = texts(change.detail["roles"])
            ours = [name for name in taken if (user, MoveKind.ROLES_ADDED, mark_of(RoleName(name))) in given]
            if len(ours) == len(taken):
                found.append(change)
            elif ours:
                found.append(replace(change, detail={**change.detail, "roles": list(ours)}))
    return tuple(found)
