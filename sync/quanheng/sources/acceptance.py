"""Whether a reading may be believed next to the last one, and whether its absences count. Pure.

Decision 16: an older or replayed declaration is refused; absence counts only in a complete snapshot.
Decision 15: an empty or shrunken source stops what depends on absence, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from quanheng.model.ids import OrgCode
from quanheng.model.staff import Declaration, Mode
from quanheng.policy.units import in_scope

_CLOCK_SKEW: Final = timedelta(hours=24)
"""How far the clock of a bureau may be ahead: a declaration of 2099 would make all later ones older."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """The verdict on a declaration."""

    accepted: bool
    reason: str
    """Why it was refused, or why absences do not count; empty when there is nothing to say."""
    remedy: str = ""
    absence_scope: tuple[OrgCode, ...] = ()
    """Where somebody whom the reading does not name is absent (prefixes of codes); nowhere when empty."""
    remembered: Declaration | None = None
    """What to store as the last declaration, None when refused. It keeps the size of the last snapshot
    that was believed, so that a source that shrank does not become the measure of the next."""


def judge_declaration(
    new: Declaration, last: Declaration | None, shrink_percent: float, *, now: datetime | None = None
) -> Acceptance:
    """Compare a declaration with the last accepted one (``Acceptance.remembered`` of then).

    ``shrink_percent``: a snapshot with more than this share of rows fewer is not believed on absences.
    With ``now``, a declaration more than a day ahead of it is refused.

    Sequence 0 is a source that is read live: only its time is compared. Else the sequence must rise,
    or everything must be equal: the same issue read once more changes nothing. When the scope has
    changed, counts say nothing, and absence counts where both scopes speak; people of units that left
    the scope are not spoken of, hence not absent.
    """
    if refusal := _refusal(new, last, now):
        return Acceptance(accepted=False, reason=refusal[0], remedy=refusal[1])
    if new.mode is Mode.DELTA:
        baseline = (
            new if last is None else replace(last, as_of=new.as_of, sequence=new.sequence, digest=new.digest)
        )
        missed = last is not None and new.sequence > last.sequence + 1
        return Acceptance(
            accepted=True,
            reason="issues in between were never read; ask for them or for a snapshot" if missed else "",
            remembered=baseline,
        )
    if new.row_count == 0:
        reason = "the snapshot is empty: nobody counts as absent"
        return Acceptance(accepted=True, reason=reason, remembered=_keep_size(new, last))
    if last is None or last.mode is Mode.DELTA:
        return Acceptance(accepted=True, reason="", absence_scope=covering(new.scope), remembered=new)
    scope, last_scope = covering(new.scope), covering(last.scope)
    both = intersection(scope, last_scope)
    # A wider scope must bring at least the rows of the narrower one; a narrower one may bring any number.
    comparable = both == last_scope
    if comparable and new.row_count < last.row_count * (1 - shrink_percent / 100):
        return Acceptance(
            accepted=True,
            reason=f"{new.row_count} rows after {last.row_count}: more than {shrink_percent:g}% fewer, "
            "so nobody counts as absent",
            remedy="ask the sender; if the source really shrank, raise safety.shrink_percent for one run",
            remembered=_keep_size(new, last),
        )
    changed = "" if scope == last_scope else "the scope changed: absence counts where both scopes speak"
    return Acceptance(accepted=True, reason=changed, absence_scope=both, remembered=new)


def covering(scope: Iterable[OrgCode]) -> tuple[OrgCode, ...]:
    """The same scope with as few prefixes as possible, in order."""
    kept: list[OrgCode] = []
    for code in sorted(set(scope)):
        if not in_scope(code, kept):
            kept.append(code)
    return tuple(kept)


def intersection(one: Iterable[OrgCode], other: Iterable[OrgCode]) -> tuple[OrgCode, ...]:
    """What lies in both scopes."""
    ones, others = tuple(one), tuple(other)
    return covering(
        [code for code in ones if in_scope(code, others)] + [code for code in others if in_scope(code, ones)]
    )


def _refusal(new: Declaration, last: Declaration | None, now: datetime | None) -> tuple[str, str] | None:
    if now is not None and new.as_of > now + _CLOCK_SKEW:
        return "its as-of time lies in the future", "have the sender set its clock and issue it again"
    if last is None:
        return None
    newest = "have the sender deliver its newest issue"
    if new.as_of < last.as_of:
        return f"older than the last accepted one ({last.as_of.isoformat()})", newest
    if new.sequence < last.sequence:
        return f"sequence {new.sequence} after {last.sequence}: an earlier issue", newest
    if new.sequence == last.sequence != 0 and (new.digest, new.as_of) != (last.digest, last.as_of):
        return (
            f"sequence {new.sequence} was accepted with another content",
            "have the sender raise the sequence with every issue",
        )
    return None


def _keep_size(new: Declaration, last: Declaration | None) -> Declaration:
    """The new declaration, with size and scope of the last snapshot that was believed."""
    if last is None or last.mode is Mode.DELTA:
        return new
    return replace(new, scope=last.scope, row_count=last.row_count)
