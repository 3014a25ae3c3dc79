"""A declaration next to the last accepted one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from fixtures.feeds import AS_OF
from quanheng.model.ids import OrgCode, SourceId
from quanheng.model.staff import Declaration, Mode
from quanheng.policy.units import in_scope
from quanheng.sources.acceptance import covering, intersection, judge_declaration

HOUR = timedelta(hours=1)
CODES = st.sampled_from(["14", "1409", "1401", "140902", "140921", "140902001"]).map(OrgCode)
SCOPES = st.lists(CODES, min_size=1, max_size=4).map(tuple)
DECLARATIONS = st.builds(
    Declaration,
    source=st.just(SourceId("hr")),
    mode=st.sampled_from(Mode),
    scope=SCOPES,
    as_of=st.integers(0, 5).map(lambda hours: AS_OF + hours * HOUR),
    sequence=st.integers(0, 5),
    digest=st.sampled_from(["a", "b"]),
    row_count=st.integers(0, 100),
)


def declare(**changes: object) -> Declaration:
    """A snapshot of 忻州 with changes."""
    given_values = {
        "source": SourceId("hr"),
        "mode": Mode.SNAPSHOT,
        "scope": (OrgCode("1409"),),
        "as_of": AS_OF,
        "sequence": 17,
        "digest": "a",
        "row_count": 1000,
    }
    return Declaration(**(given_values | changes))  # type: ignore[arg-type]


def after(**changes: object) -> Declaration:
    """The next issue after :func:`declare`."""
    return declare(**({"as_of": AS_OF + HOUR, "sequence": 18, "digest": "b"} | changes))


def test_a_first_snapshot_counts_in_its_scope() -> None:
    """Nothing to compare with: it is believed whole."""
    verdict = judge_declaration(declare(), None, 10)
    assert verdict.accepted
    assert verdict.absence_scope == ("1409",)


def test_an_older_time_is_refused() -> None:
    """A declaration from before the last one is refused, whatever its sequence."""
    verdict = judge_declaration(after(as_of=AS_OF - HOUR), declare(), 10)
    assert not verdict.accepted
    assert "older" in verdict.reason
    assert verdict.remedy


def test_an_earlier_sequence_is_refused() -> None:
    """A replayed issue is refused though its time was made new."""
    assert not judge_declaration(after(sequence=16), declare(), 10).accepted


def test_a_sequence_used_for_another_content_is_refused() -> None:
    """One sequence is one content and one time."""
    assert not judge_declaration(after(sequence=17), declare(), 10).accepted
    assert not judge_declaration(after(sequence=17, digest="a"), declare(), 10).accepted


def test_the_same_issue_once_more_is_accepted() -> None:
    """A second run over the same folder finds the same declaration and goes on."""
    assert judge_declaration(declare(), declare(), 10).absence_scope


def test_a_live_source_has_no_sequence() -> None:
    """With sequence 0 another content at a later time is simply the newer one."""
    verdict = judge_declaration(after(sequence=0), declare(sequence=0), 10)
    assert verdict.absence_scope


def test_an_empty_snapshot_finds_nobody_absent() -> None:
    """It is accepted, and changes neither absences nor the size that the next is measured by."""
    verdict = judge_declaration(after(row_count=0), declare(), 10)
    assert (verdict.accepted, verdict.absence_scope) == (True, ())
    assert verdict.remembered is not None
    assert verdict.remembered.row_count == 1000


def test_half_the_usual_size_finds_nobody_absent() -> None:
    """A shrunken snapshot does not count on absences, nor does the same one when it comes again."""
    last: Declaration | None = declare()
    for sequence in (18, 19, 20):
        verdict = judge_declaration(after(sequence=sequence, row_count=500), last, 10)
        assert (verdict.accepted, verdict.absence_scope) == (True, ())
        assert "500 rows after 1000" in verdict.reason
        last = verdict.remembered
    assert judge_declaration(after(sequence=21, row_count=950), last, 10).absence_scope


def test_exactly_the_allowed_share_is_believed() -> None:
    """The limit itself still counts; one row less does not."""
    assert judge_declaration(after(row_count=900), declare(), 10).absence_scope
    assert not judge_declaration(after(row_count=899), declare(), 10).absence_scope


def test_a_delta_finds_nobody_absent_and_keeps_the_measure() -> None:
    """Between two snapshots a delta of a few rows is no shrinking, and tells when one was missed."""
    delta = judge_declaration(after(mode=Mode.DELTA, row_count=3, sequence=19), declare(), 10)
    assert (delta.accepted, delta.absence_scope) == (True, ())
    assert "never read" in delta.reason
    assert delta.remembered is not None
    snapshot = after(sequence=20, as_of=AS_OF + 2 * HOUR, row_count=500)
    assert not judge_declaration(snapshot, delta.remembered, 10).absence_scope
    assert not judge_declaration(after(sequence=18), delta.remembered, 10).accepted


def test_a_narrower_scope_is_no_shrinking() -> None:
    """Of a province only one city goes on: absence counts there, and the others are not spoken of."""
    verdict = judge_declaration(after(row_count=300), declare(scope=(OrgCode("14"),), row_count=30_000), 10)
    assert verdict.absence_scope == ("1409",)


def test_a_wider_scope_counts_where_both_speak() -> None:
    """A city becomes a province: absence counts in the city, nobody elsewhere was known."""
    verdict = judge_declaration(after(scope=(OrgCode("14"),), row_count=30_000), declare(), 10)
    assert verdict.absence_scope == ("1409",)
    assert verdict.reason


def test_a_wider_scope_with_fewer_rows_is_not_believed() -> None:
    """More organisations and fewer people: then somebody is missing."""
    verdict = judge_declaration(after(scope=(OrgCode("14"),), row_count=500), declare(), 10)
    assert not verdict.absence_scope


def test_another_scope_finds_nobody_absent() -> None:
    """Two scopes that share nothing cannot be compared."""
    assert not judge_declaration(after(scope=(OrgCode("1401"),)), declare(), 10).absence_scope


def test_a_scope_written_otherwise_is_the_same() -> None:
    """Order and needless entries of a scope make no difference."""
    scope = (OrgCode("140902"), OrgCode("1409"))
    assert judge_declaration(after(scope=scope), declare(), 10).reason == ""


def test_a_time_in_the_future_is_refused() -> None:
    """A wrong clock would make every later issue an old one."""
    ahead = after(as_of=AS_OF + 48 * HOUR)
    assert not judge_declaration(ahead, declare(), 10, now=AS_OF).accepted
    assert judge_declaration(ahead, declare(), 10, now=AS_OF + 47 * HOUR).accepted


@given(DECLARATIONS, DECLARATIONS, st.floats(0, 100))
def test_absence_is_never_found_outside_both_scopes(
    new: Declaration, last: Declaration, share: float
) -> None:
    """Whoever may be absent is somebody of whom the new declaration speaks."""
    verdict = judge_declaration(new, last, share)
    assert all(in_scope(code, new.scope) for code in verdict.absence_scope)
    if last.mode is Mode.SNAPSHOT:
        assert all(in_scope(code, last.scope) for code in verdict.absence_scope)
    if new.mode is Mode.DELTA or new.row_count == 0 or not verdict.accepted:
        assert not verdict.absence_scope


@given(DECLARATIONS, st.floats(0, 100))
def test_the_same_again_is_always_accepted(new: Declaration, share: float) -> None:
    """Reading twice is no mistake: what was remembered accepts what it was made of."""
    first = judge_declaration(new, None, share)
    assert first.remembered is not None
    assert judge_declaration(new, first.remembered, share).accepted


@given(st.lists(DECLARATIONS, max_size=6))
def test_what_was_refused_changes_nothing_and_time_never_goes_back(issues: list[Declaration]) -> None:
    """Over any run of issues the remembered time and sequence only rise."""
    last: Declaration | None = None
    for issue in issues:
        verdict = judge_declaration(issue, last, 10)
        assert (verdict.remembered is None) == (not verdict.accepted)
        if verdict.remembered is not None:
            if last is not None:
                assert verdict.remembered.as_of >= last.as_of
                assert verdict.remembered.sequence >= last.sequence
            assert verdict.remembered.digest == issue.digest
            last = verdict.remembered


@given(SCOPES, SCOPES, CODES)
def test_the_intersection_is_what_both_hold(
    one: tuple[OrgCode, ...], other: tuple[OrgCode, ...], code: OrgCode
) -> None:
    """A code is in the intersection when it is in both scopes, and a covering holds what the scope holds."""
    assert in_scope(code, intersection(one, other)) == (in_scope(code, one) and in_scope(code, other))
    assert in_scope(code, covering(one)) == in_scope(code, one)


def test_a_verdict_is_not_tied_to_the_declarations_given() -> None:
    """What is remembered of a snapshot that is believed is the snapshot itself."""
    new = after()
    assert judge_declaration(new, replace(declare()), 10).remembered == new
