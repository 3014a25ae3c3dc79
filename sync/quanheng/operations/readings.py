"""Read every source, judge each reading next to the last, and put bad rows into quarantine."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from quanheng.config import FeedSettings
from quanheng.engine.merge import AcceptedReading
from quanheng.engine.plan import SourceSummary
from quanheng.errors import SourceError
from quanheng.model.finding import Finding, FindingKind
from quanheng.model.ids import SourceId
from quanheng.model.registry import Registry
from quanheng.model.staff import Mode, Reading
from quanheng.operations.context import Context
from quanheng.policy.units import Units
from quanheng.sources.acceptance import judge_declaration
from quanheng.sources.feed import read_feed
from quanheng.sources.ldap import read_ldap
from quanheng.sources.organisations import with_root


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """What all sources said."""

    accepted: tuple[AcceptedReading, ...]
    summaries: tuple[SourceSummary, ...]

    def findings(self) -> tuple[Finding, ...]:
        """Sources that were refused, and those in which nobody counts as absent."""
        whole = {
            str(item.reading.declaration.source)
            for item in self.accepted
            if item.absence_scope or item.reading.declaration.mode is Mode.DELTA
        }
        found = []
        for summary in self.summaries:
            if not summary.accepted:
                kind = FindingKind.SOURCE_REFUSED
            elif summary.source not in whole:
                kind = FindingKind.ABSENCE_SUSPENDED
            else:
                continue
            found.append(Finding(kind=kind, subject=summary.source, detail=summary.message))
        return tuple(found)


def read_sources(context: Context, registry: Registry, units: Units) -> Readings:
    """Read the sources in the order of the settings, which is their precedence.

    One that fails or may not be believed is reported, and the others go on: what it said before stays.
    Organisations that one source names are known to those after it.
    """
    accepted: list[AcceptedReading] = []
    summaries: list[SourceSummary] = []
    for source in context.settings.sources:
        try:
            reading = (
                read_feed(source, context.pack, units)
                if isinstance(source, FeedSettings)
                else read_ldap(source, context.pack, units, context.clock)
            )
        except SourceError as error:
            summaries.append(SourceSummary(source=source.id, accepted=False, message=str(error)))
            continue
        verdict = judge_declaration(
            reading.declaration,
            registry.sources.get(SourceId(source.id)),
            context.settings.safety.shrink_percent,
            now=context.clock(),
        )
        message = f"{verdict.reason} → {verdict.remedy}" if verdict.remedy else verdict.reason
        summaries.append(_summary(reading, accepted=verdict.accepted, message=message))
        if verdict.remembered is not None:
            accepted.append(
                AcceptedReading(
                    reading=reading, absence_scope=verdict.absence_scope, remembered=verdict.remembered
                )
            )
            if reading.units is not None:
                named = {unit.code: unit for unit in reading.units}
                units = with_root(Units({**units.by_code, **named}, units.recoded), context.pack)
    return Readings(
        accepted=tuple(accepted),
        summaries=tuple(summaries),
    )


def _summary(reading: Reading, *, accepted: bool, message: str) -> SourceSummary:
    return SourceSummary(
        source=str(reading.declaration.source),
        accepted=accepted,
        message=message,
        people=len({row.document for row in reading.rows}),
        rows=reading.declaration.row_count,
        rejected=dict(Counter(str(row.reason) for row in reading.rejected)),
        notes=reading.notes,
    )
