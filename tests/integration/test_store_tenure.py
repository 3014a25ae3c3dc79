"""Times in posts, what was told once, and when a proposal was made, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import insert, select

from fixtures.stores import put_people
from quanheng.identity.keys import FileKeyring
from quanheng.lifecycle.tenure import Spell
from quanheng.model.ids import OrgCode, PersonId, PostId, StaffNo, Username
from quanheng.model.person import Proposal, ProposalKind, ProposalState
from quanheng.store import tables
from quanheng.store.announced import announce_once, forget, forget_before
from quanheng.store.database import Database
from quanheng.store.registry import put_proposals
from quanheng.store.tenure import Holder, read_holders, read_spells, write_spells

NOW = datetime(2026, 3, 2, 4, tzinfo=UTC)
SPELL = Spell(
    person=PersonId("1" * 32),
    post=PostId("key_change_clerk"),
    area=OrgCode("620102"),
    since=date(2021, 6, 15),
    until=None,
    seen=date(2026, 3, 2),
)


def written(database: Database, *steps: list[Spell]) -> set[Spell]:
    """What is there after one step after another."""
    before: tuple[Spell, ...] = ()
    for after in steps:
        with database.transaction() as connection:
            write_spells(connection, before, after)
        with database.reading() as connection:
            before = read_spells(connection)
    return set(before)


def test_spells_begin_end_and_are_corrected(database: Database) -> None:
    """A corrected first day leaves nothing of the old one; a spell that ended stays beside the next."""
    other = replace(SPELL, post=PostId("back_pay_clerk"))
    ended = replace(SPELL, until=date(2026, 3, 1))
    corrected = replace(SPELL, since=date(2020, 1, 1))
    again = replace(SPELL, since=date(2026, 4, 1), seen=date(2026, 4, 1))
    assert written(database, [SPELL, other]) == {SPELL, other}
    assert written(database, [SPELL, other], [SPELL, other]) == {SPELL, other}
    assert written(database, [SPELL, other], [ended, other, again]) == {ended, other, again}
    assert written(database, [ended, other, again], [corrected]) == {corrected}
    assert written(database, [corrected], []) == set()


def test_holders_are_those_whose_time_goes_on(database: Database, keyring: FileKeyring) -> None:
    """By user name and staff number; once each, and not those who have left the post."""
    put_people(database, keyring, 2, NOW)
    with database.transaction() as connection:
        one, two = connection.execute(select(tables.person.c.id).order_by(tables.person.c.serial)).scalars()
        mine = replace(SPELL, person=PersonId(one))
        left = replace(SPELL, person=PersonId(two), until=date(2026, 3, 1))
        write_spells(connection, [], [mine, replace(mine, post=PostId("back_pay_clerk")), left])
    with database.reading() as connection:
        assert read_holders(connection) == {
            PersonId(one): Holder(username=Username("sx000001"), staff_no=StaffNo("S000001"))
        }


def test_what_was_told_is_told_once(database: Database) -> None:
    """Until it is forgotten; another subject or topic is another thing."""
    with database.transaction() as connection:
        assert announce_once(connection, "tenure", "a", NOW)
        assert not announce_once(connection, "tenure", "a", NOW + timedelta(days=1))
        assert announce_once(connection, "tenure", "b", NOW)
        assert announce_once(connection, "overdue", "a", NOW)
        forget(connection, "tenure", "a")
        assert announce_once(connection, "tenure", "a", NOW)
        assert not announce_once(connection, "tenure", "b", NOW)
        assert not announce_once(connection, "overdue", "a", NOW)


def test_what_was_told_long_ago_is_forgotten(database: Database) -> None:
    """Everything before a moment, and nothing at it or after it."""
    with database.transaction() as connection:
        for days in (0, 1):
            announce_once(connection, "tenure", str(days), NOW + timedelta(days=days))
        forget_before(connection, NOW + timedelta(days=1))
        assert announce_once(connection, "tenure", "0", NOW)
        assert not announce_once(connection, "tenure", "1", NOW)


def test_two_tell_of_it_once(database: Database) -> None:
    """What another process has told of in the meantime is not told again; what it undid is."""
    with database.transaction() as connection:
        connection.execute(insert(tables.announced).values(topic="overdue", subject="k", at=NOW))
    with database.transaction() as connection:
        assert not announce_once(connection, "overdue", "k", NOW)


def made(database: Database, *steps: tuple[ProposalState, datetime]) -> datetime:
    """When a proposal was made that went through these states."""
    proposal = Proposal(
        key="k" * 64,
        kind=ProposalKind.DEREGISTER,
        subject="S1",
        summary="注销",
        area=None,
        post=None,
        origin="people.csv:1",
        proposer="source:hr",
    )
    for state, now in steps:
        with database.transaction() as connection:
            put_proposals(connection, [replace(proposal, state=state)], now)
    with database.reading() as connection:
        return connection.execute(select(tables.proposal.c.created_at)).scalar_one()


def test_a_proposal_was_made_when_it_was_first_put(database: Database) -> None:
    """The same question again keeps its day, so does its answer; withdrawn and put anew it has another."""
    later, latest = NOW + timedelta(days=3), NOW + timedelta(days=9)
    is_open, withdrawn = ProposalState.OPEN, ProposalState.WITHDRAWN
    assert made(database, (is_open, NOW), (is_open, later)) == NOW
    assert made(database, (withdrawn, later)) == NOW
    assert made(database, (is_open, later)) == later
    assert made(database, (is_open, latest), (ProposalState.APPROVED, latest)) == later
