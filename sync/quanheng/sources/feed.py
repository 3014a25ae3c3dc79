"""An HR feed: a folder with a manifest and the CSV files that it names. One row per person and post.

Both files are passed over twice: once to prove that they are what the manifest says, once to read. What
is kept in memory is the rows, never the text.
"""

from __future__ import annotations

from array import array

from quanheng.clock import CHINA
from quanheng.config import FeedSettings
from quanheng.errors import SourceError
from quanheng.model.ids import SourceId
from quanheng.model.staff import Declaration, OrgUnit, Origin, Reading, RejectedRow, StaffRow
from quanheng.policy.pack import Pack
from quanheng.policy.units import Units, in_scope
from quanheng.sources.lines import unreadable
from quanheng.sources.manifest import FileEntry, Manifest, content_digest, read_manifest
from quanheng.sources.organisations import read_organisations, with_root
from quanheng.sources.rows import RowJudge
from quanheng.sources.settle import find_contradictions, reject_row, without
from quanheng.sources.table import Table

_BYTES_PER_MEGABYTE = 1_000_000


def read_feed(settings: FeedSettings, pack: Pack, units: Units) -> Reading:
    """Read a feed. ``units`` are the organisations known so far; the feed's own come over them.

    Raises :class:`SourceError` when the feed as a whole may not be believed: no manifest or one that
    does not match, cut off, wrong encoding, columns missing or doubled. Single bad rows are in
    ``Reading.rejected``. An empty feed is a reading with no rows; what follows is the engine's to say.
    """
    manifest = read_manifest(settings.directory / settings.manifest)
    _require_ours(manifest, settings, pack)
    rejected: list[RejectedRow] = []
    notes: list[str] = []
    own: tuple[OrgUnit, ...] | None = None
    known = with_root(units, pack)
    if manifest.organisations is not None:
        columns = pack.sources.feed.organisations.model_dump()
        with Table(manifest.organisations, columns, pack.sources.feed.encodings, manifest.encoding) as table:
            found, rejected = read_organisations(table, manifest.source, manifest.scope, pack, units)
            notes += _extra_columns(table)
        known = with_root(units, pack, found)
        own = tuple(found.values())
    columns = pack.sources.feed.people.model_dump()
    with Table(manifest.people, columns, pack.sources.feed.encodings, manifest.encoding) as table:
        judge = RowJudge(
            pack=pack,
            units=known,
            scope=manifest.scope,
            labels=columns,
            today=manifest.as_of.astimezone(CHINA).date(),
        )
        rows, bad_rows = _read_people(table, manifest.source, judge)
        notes += _extra_columns(table)
    return Reading(
        declaration=Declaration(
            source=manifest.source,
            mode=manifest.mode,
            scope=manifest.scope,
            as_of=manifest.as_of,
            sequence=manifest.sequence,
            digest=content_digest(manifest),
            row_count=manifest.people.rows,
        ),
        rows=rows,
        rejected=(*rejected, *bad_rows),
        units=own,
        notes=tuple(notes),
    )


def _read_people(
    table: Table, source: SourceId, judge: RowJudge
) -> tuple[tuple[StaffRow, ...], list[RejectedRow]]:
    rows: list[StaffRow] = []
    offsets = array("Q")  # of each believed row: its text is only wanted when it meets a contradiction
    rejected: list[RejectedRow] = []
    for record in table.records():
        line = record.line
        origin = Origin(source, f"{table.name}:{line.number}")
        if record.fault is not None:
            rejected.append(judge.reject(record.values, origin, table.original(line), record.fault))
            continue
        row = judge.judge(record.values, origin, lambda line=line: table.original(line))  # type: ignore[misc]
        if isinstance(row, StaffRow):
            rows.append(row)
            offsets.append(line.offset)
        else:
            rejected.append(row)
    faults = find_contradictions(rows, rejected)
    rejected += [
        reject_row(rows[index], fault, table.text(offsets[index]), judge.labels)
        for index, fault in sorted(faults.items())
    ]
    return tuple(without(rows, faults)), rejected


def _require_ours(manifest: Manifest, settings: FeedSettings, pack: Pack) -> None:
    """Refuse what is another source's, or for organisations the pack does not speak for, or too large."""
    if manifest.source != settings.id:
        raise SourceError(
            f"{manifest.file}: source: not '{settings.id}', whose folder this is",
            remedy="put each feed into its own folder, or mend 'id' in quanheng.toml",
        )
    if not all(in_scope(code, pack.info.scope) for code in manifest.scope):
        raise SourceError(
            f"{manifest.file}: scope: a code outside the scope of pack '{pack.info.id}'",
            remedy="have the sender declare only organisations of this jurisdiction",
        )
    for entry in (manifest.people, manifest.organisations):
        if entry is not None and _size(entry) > settings.max_megabytes * _BYTES_PER_MEGABYTE:
            raise SourceError(
                f"{entry.path.name}: larger than {settings.max_megabytes} MB",
                remedy="see whether the export is right; if it is, raise max_megabytes of this source",
            )


def _size(entry: FileEntry) -> int:
    try:
        return entry.path.stat().st_size
    except OSError as error:
        raise unreadable(entry.path, error) from None


def _extra_columns(table: Table) -> list[str]:
    return [f"{table.name}: {len(table.extra)} columns that the pack does not know were passed over"] * bool(
        table.extra
    )
