"""Switching off that was decided already, so that no limit keeps an account on for it. Pure (decision 15).

The limits are there for what sources say: a feed may be wrong about thousands. What a person froze, or two
people deregistered, is no mistake of a feed; nor is an account to stay on because somebody switched on
many at once in the console.
"""

from __future__ import annotations

from collections.abc import Iterable

from quanheng.engine.adopt import CONSOLE
from quanheng.engine.holds import is_deregistered
from quanheng.model.change import Change, ChangeKind
from quanheng.model.person import Hold, HoldKind
from quanheng.model.registry import Registry


def find_undisputed(changes: Iterable[Change], registry: Registry) -> tuple[Change, ...]:
    """The changes that switch off whom a person had off, or what we had switched off ourselves.

    ``registry``: as it was before anybody looked at the accounts. Of one that came from a backup only what
    people decided counts: that it has an account as off may be of long ago.
    """
    firm = {hold.person for hold in registry.holds if _was_decided(hold)}
    off = {
        person
        for person, account in registry.accounts.items()
        if not account.enabled_written and not registry.restored
    }
    return tuple(
        change for change in changes if change.kind is ChangeKind.DISABLE and change.person in firm | off
    )


def _was_decided(hold: Hold) -> bool:
    """Whether a stored hold is a freeze by command, or 注销 that was approved."""
    return (hold.kind is HoldKind.FROZEN and hold.origin != CONSOLE) or is_deregistered([hold])
