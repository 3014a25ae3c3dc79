"""Readings laid over the registry: persons, claims, units, proposals, as values."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from fixtures.identities import a_mint
from fixtures.pure import AS_OF, HR, LDAP, UNITS, accepted, claim, lay, person, registry, row
from fixtures.world import unit
from quanheng.engine.merge import AcceptedReading
from quanheng.model.finding import FindingKind
from quanheng.model.ids import OrgCode, StaffNo
from quanheng.model.person import APPLICATION, ProposalKind, ProposalState
from quanheng.model.registry import claim_key
from quanheng.model.sensitive import Sensitive
from quanheng.model.staff import Mode, OrgKind, Origin, Reason, RejectedRow


def rejected(**fields: object) -> RejectedRow:
    """A row in quarantine."""
    values = {
        "origin": Origin(HR, "people.csv:9"),
        "reason": Reason.BAD_PHONE,
        "field": "联系电话",
        "value_kind": "3 digits",
        "remedy": "",
        "original": Sensitive(""),
    }
    return RejectedRow(**(values | fields))  # type: ignore[arg-type]


def test_new_people_get_names_one_after_another() -> None:
    """Each new person has the next free serial, random ids, and secrets on their way to the store."""
    merged = lay(registry(), accepted([row(1), row(2)]))
    assert [item.username for item in merged.delta.persons] == ["sx0000001", "sx0000002"]
    assert len({item.subject for item in merged.delta.persons} | {p.id for p in merged.delta.persons}) == 4
    assert set(merged.delta.secrets) == {item.id for item in merged.delta.persons}
    assert merged.delta.next_serial == 3


def test_names_go_by_the_index_of_the_document() -> None:
    """The order of the rows, which is that of organisations, gives nobody a name; who is known keeps it."""
    known = registry([person(99)], next_serial=2)
    for order in ([row(3), row(4), row(2)], [row(2), row(3), row(4)]):
        merged = lay(known, accepted([*order, row(99)])).registry.persons.values()
        assert {item.document_index: (item.username, item.serial) for item in merged} == {
            "document-2": ("sx0000002", 2),
            "document-3": ("sx0000003", 3),
            "document-4": ("sx0000004", 4),
            "document-99": ("sx0000099", 99),
        }


def test_taken_name_is_passed_over() -> None:
    """A user name that exists in the realm is never issued, whoever has it."""
    merged = lay(registry(), accepted([row(1)]), taken=["sx0000001", "sx0000002"])
    assert [item.username for item in merged.delta.persons] == ["sx0000003"]


def test_a_lost_name_is_replaced() -> None:
    """Whose name was taken before there was an account gets the next free one, and stays who it is."""
    known = registry([person(1), person(2)], [claim(person(1), "140902001001")], next_serial=3)
    merged = lay(known, taken=["sx0000001", "sx0000003"], lost=[person(1).id])
    (moved,) = merged.delta.persons
    assert (moved.username, moved.serial, merged.delta.next_serial) == ("sx0000004", 4, 5)
    assert replace(moved, username=person(1).username, serial=1) == person(1)


def test_nothing_new_is_an_empty_delta() -> None:
    """A reading that says what is known changes nothing, though lines shifted and time passed."""
    known = registry([person(1)], [claim(person(1), "140902001001")])
    again = row(1, origin=Origin(HR, "people.csv:99"))
    merged = lay(known, accepted([again], as_of=datetime(2026, 3, 9, tzinfo=UTC)))
    assert merged.delta.empty


def test_changed_phone_is_news_for_the_store_alone() -> None:
    """A new phone is kept with the person, sealed, and in nothing else."""
    merged = lay(registry([person(1)], [claim(person(1))]), accepted([row(1, phone=Sensitive("5"))]))
    assert [item.phone_index for item in merged.delta.persons] == ["phone-5"]
    assert merged.delta.claims_put == ()
    assert "5" not in repr(merged.delta.secrets[person(1).id])


def test_first_source_sets_name_and_number() -> None:
    """What the source of higher precedence says of the person stands; another name is told."""
    merged = lay(
        registry(),
        accepted([row(1)]),
        accepted([row(1, name="别人", staff_no=StaffNo("L1"), source=LDAP)], source=LDAP),
    )
    assert [(item.name, item.staff_no) for item in merged.delta.persons] == [("人1", "S1")]
    assert [item.kind for item in merged.findings] == [FindingKind.SOURCES_DISAGREE]
    assert {key[0] for key in merged.registry.claims} == {HR, LDAP}


def test_row_order_does_not_pick_the_number() -> None:
    """Of two staff numbers in one source the lesser is kept, in whatever order the rows come."""
    rows = [row(1, staff_no=StaffNo("B")), row(1, "140902001002", staff_no=StaffNo("A"))]
    for order in (rows, rows[::-1]):
        assert [item.staff_no for item in lay(registry(), accepted(order)).delta.persons] == ["A"]


def test_changed_document_is_proposed_and_not_done() -> None:
    """Same staff number, same name, unknown document: a proposal, and the old claim is kept as doubtful."""
    known = registry([person(1)], [claim(person(1))])
    merged = lay(known, accepted([row(7, staff_no=StaffNo("S1"), name="人1")]))
    assert [item.kind for item in merged.delta.proposals] == [ProposalKind.DOCUMENT_CHANGED]
    assert merged.delta.persons == ()
    assert [item.quarantined for item in merged.registry.claims.values()] == [True]


def test_approved_document_moves_the_index() -> None:
    """Approved, the same person has the new document; no other person is made."""
    known = registry([person(1)], [claim(person(1))])
    again = row(7, staff_no=StaffNo("S1"), name="人1")
    proposal = lay(known, accepted([again])).delta.proposals[0]
    known = replace(known, proposals={proposal.key: replace(proposal, state=ProposalState.APPROVED)})
    merged = lay(known, accepted([again]))
    assert [(item.id, item.document_index) for item in merged.delta.persons] == [(person(1).id, "document-7")]
    assert [item.quarantined for item in merged.registry.claims.values()] == [False]


def test_number_that_moves_is_proposed() -> None:
    """Same staff number, other name, or a person known already: the number moves, when approved."""
    known = registry([person(1), person(2)], [claim(person(1)), claim(person(2))])
    for moved in (row(7, staff_no=StaffNo("S1")), row(2, staff_no=StaffNo("S1"))):
        merged = lay(known, accepted([moved]))
        assert [item.kind for item in merged.delta.proposals] == [ProposalKind.STAFF_NO_MOVED]
        assert merged.registry.claims[claim_key(claim(person(1)))].quarantined
        assert merged.delta.persons == ()


def test_proposal_says_no_number() -> None:
    """A proposal holds the staff number and a keyed digest, never the document."""
    mint = a_mint()
    number = next(text for _ in range(50) if (text := mint.resident_number()).isdigit())
    known = registry([person(1)])
    changed = row(int(number), staff_no=StaffNo("S1"), origin=Origin(HR, "people.csv:2"))
    proposal = lay(known, accepted([changed])).delta.proposals[0]
    assert number not in repr(proposal)


def test_withdrawn_only_by_the_source_that_proposed() -> None:
    """A proposal of the feed is not withdrawn because the directory, read alone, does not repeat it."""
    known = registry([person(1)], [claim(person(1))])
    proposal = lay(known, accepted([row(7, staff_no=StaffNo("S1"))])).delta.proposals[0]
    known = replace(known, proposals={proposal.key: proposal})
    assert lay(known, accepted([], source=LDAP)).delta.proposals == ()
    gone = lay(known, accepted([row(1)])).delta.proposals
    assert [item.state for item in gone] == [ProposalState.WITHDRAWN]


def test_grace_begins_and_ends() -> None:
    """Missing is noted with the day of the snapshot; after the grace the claim is over."""
    known = registry([person(1)], [claim(person(1))])
    first = lay(known, accepted([]))
    assert [item.missing_since for item in first.delta.claims_put] == [date(2026, 3, 2)]
    for day, ended in ((8, 0), (9, 1)):
        later = lay(first.registry, accepted([], as_of=datetime(2026, 3, day, 4, tzinfo=UTC)))
        assert len(later.delta.claims_ended) == ended


def test_no_absence_where_it_does_not_count() -> None:
    """Outside the scope where absence counts, in a delta or a shrunken snapshot, nobody is missing."""
    known = registry([person(1)], [claim(person(1))])
    for reading in (
        accepted([], absence_scope=[]),
        accepted([], absence_scope=["1401"]),
        accepted([], scope=(OrgCode("140921"),), absence_scope=["140921"]),
        accepted([], mode=Mode.DELTA, absence_scope=[]),
    ):
        assert lay(known, reading).delta.claims_put == ()
        assert lay(known, reading).delta.claims_ended == ()


APPLIED = claim(
    person(2), post=None, source=APPLICATION, post_start=None, status_from=AS_OF.date() - timedelta(days=1)
)


@pytest.mark.parametrize(
    ("readings", "since"),
    [
        ([accepted([row(1)])], AS_OF.date()),
        ([accepted([row(1)], as_of=AS_OF - timedelta(days=1))], None),
        ([accepted([row(1)], absence_scope=())], None),
        ([accepted([row(1)], absence_scope=["140921"])], None),
        ([accepted([row(1)], rejected=[rejected(county=OrgCode("140902"))])], None),
        ([accepted([row(1)], rejected=[rejected(staff_no=StaffNo("S2"))])], None),
        ([accepted([row(1)]), accepted(source=LDAP, rejected=[rejected(staff_no=StaffNo("S2"))])], None),
        (
            [accepted([row(1)]), accepted([row(1)], source=LDAP, as_of=AS_OF + timedelta(days=2))],
            AS_OF.date(),
        ),
    ],
)
def test_an_application_that_no_snapshot_bears_out(
    readings: list[AcceptedReading], since: date | None
) -> None:
    """Since the first complete one that was made after it; a row of that person, believed or not, speaks."""
    merged = lay(registry([person(1), person(2)], [claim(person(1)), APPLIED]), *readings)
    kept = merged.registry.claims[claim_key(APPLIED)]
    assert kept == replace(APPLIED, missing_since=since)
    assert [item for item in merged.delta.claims_put if item.source == APPLICATION] == (
        [kept] if since is not None else []
    )


def test_an_application_is_missed_once_and_not_when_it_shows() -> None:
    """The day stays, and goes with a row that is not believed; a believed one ends the application."""
    missed = replace(APPLIED, missing_since=AS_OF.date())
    known = registry([person(1), person(2)], [claim(person(1)), missed])
    later = {"as_of": AS_OF + timedelta(days=3)}
    again = lay(known, accepted([row(1)], **later))
    assert again.registry.claims[claim_key(APPLIED)] == missed
    shown = lay(known, accepted([row(1)], rejected=[rejected(staff_no=StaffNo("S2"))], **later))
    assert shown.registry.claims[claim_key(APPLIED)] == APPLIED
    named = lay(known, accepted([row(1), row(2)], **later))
    assert claim_key(APPLIED) not in named.registry.claims


def test_absence_in_one_source_is_not_absence_in_another() -> None:
    """A reading ends claims of its own source alone."""
    known = registry([person(1)], [claim(person(1), source=LDAP)])
    assert lay(known, accepted([])).delta.empty


def test_row_in_quarantine_keeps_its_person() -> None:
    """By document or by staff number, somebody of a bad row is present; grants are marked as doubtful."""
    known = registry([person(1)], [claim(person(1), missing_since=date(2026, 2, 1))])
    for bad in (rejected(staff_no=StaffNo("S1")), rejected(document=row(1).document)):
        kept = lay(known, accepted([], rejected=[bad])).registry.claims[claim_key(claim(person(1)))]
        assert (kept.quarantined, kept.missing_since) == (True, None)


def test_bad_row_of_nobody_spares_a_county_or_all() -> None:
    """A row that says only its county spares that county; one that says nothing spares everybody."""
    known = registry([person(1)], [claim(person(1))])
    assert lay(known, accepted([], rejected=[rejected(county=OrgCode("140902"))])).delta.claims_put == ()
    assert lay(known, accepted([], rejected=[rejected()])).delta.claims_put == ()
    assert lay(known, accepted([], rejected=[rejected(county=OrgCode("140921"))])).delta.claims_put


def test_second_post_ends_at_once_when_the_person_is_named() -> None:
    """A believed snapshot that names somebody without the second post ends it; a shrunken one does not."""
    second = claim(person(1), "140902000", "handler")
    known = registry([person(1)], [claim(person(1)), second])
    assert lay(known, accepted([row(1)])).delta.claims_ended == (claim_key(second),)
    assert lay(known, accepted([row(1)], absence_scope=[])).delta.claims_ended == ()


def test_units_of_a_reading() -> None:
    """Named units are put, vanished ones go, those of another source or scope stay."""
    ours = {code: item for code, item in UNITS.items() if code.startswith("1409")}
    known = registry(units={**ours, OrgCode("140105"): unit("140105", "小店区", OrgKind.COUNTY, "1401")})
    left = [item for code, item in ours.items() if code != "140902Y01"]
    merged = lay(known, accepted([], units=[*left, unit("140922", "五台县", OrgKind.COUNTY, "1409")]))
    assert [item.code for item in merged.delta.units_put] == ["140922"]
    assert merged.delta.units_gone == ("140902Y01",)


def test_units_stay_when_in_doubt() -> None:
    """No unit goes by an empty file, a shrunken snapshot, a bad row of its county, or from under others."""
    known = registry()
    all_but_bank = [item for code, item in UNITS.items() if code != "140902Y01"]
    all_but_county = [item for code, item in UNITS.items() if code != "140902"]
    for reading in (
        accepted([], units=[]),
        accepted([], units=all_but_bank, absence_scope=[]),
        accepted([], units=all_but_bank, rejected=[rejected(county=OrgCode("140902"))]),
        accepted([], units=all_but_bank, rejected=[rejected()]),
        accepted([], units=all_but_county),
        accepted([], units=None),
    ):
        assert lay(known, reading).delta.units_gone == ()


def test_declaration_is_remembered() -> None:
    """A new sequence is news; a live source read again at a later time is none."""
    known = registry()
    assert lay(known, accepted([], sequence=2)).delta.sources[0].sequence == 2
    later = accepted([], as_of=AS_OF.replace(day=9))
    assert lay(known, later).delta.sources == ()
