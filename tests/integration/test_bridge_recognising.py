"""Whose card it is, read from the store with the index key alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import delete, event, insert

from fixtures.identities import IdentityMint
from fixtures.life import make_life
from fixtures.world import VILLAGE, World
from quanheng.bridge.login.words import ZH
from quanheng.bridge.recognising import StoreRecogniser, is_same_name
from quanheng.bridge.values import Card, Recognised, Refusal, RefusalReason
from quanheng.errors import ConfigurationError, IntegrityError
from quanheng.identity.documents import canonical_document
from quanheng.model.person import HoldKind
from quanheng.model.sensitive import Sensitive
from quanheng.model.staff import DocumentKind
from quanheng.operations.keys import rotate_key
from quanheng.store.tables import account, hold

WHY = "2026-01-05"
QUERIES = 12
"""Of one recognition: the key, person, account, claims, holds, and the way from a village to its county."""


def card_of(world: World, staff_no: str, **fields: object) -> Card:
    """Somebody's card as the platform tells of it."""
    row = world.row(staff_no)
    document = canonical_document(DocumentKind.RESIDENT_ID, row.canonical_number)
    told = {"region": "140900", "usable": True, "status": "1", "name": Sensitive(row.name), **fields}
    return Card(document=document, **told)  # type: ignore[arg-type]


def recogniser(world: World, keys: Path | None = None, **options: bool) -> StoreRecogniser:
    """Of the world's store."""
    context = world.context
    return StoreRecogniser(
        context.database, keys or context.settings.keys_directory, context.pack, context.clock, **options
    )


@pytest.fixture
def clerk(world: World) -> str:
    """An operator of a village, with an account."""
    staff_no = world.hire(VILLAGE)
    world.issue_and_sync()
    return staff_no


def put_hold(world: World, staff_no: str, kind: HoldKind) -> None:
    """A hold that no source says."""
    with world.context.database.transaction() as connection:
        connection.execute(
            insert(hold).values(
                person_id=world.person(staff_no).id,
                kind=kind.value,
                since=date(2026, 1, 5),
                reason="x",
                origin="test",
            )
        )


def test_the_subject_of_the_person(world: World, clerk: str) -> None:
    """It is the random one that the sync wrote into Keycloak."""
    found = recogniser(world).recognise(card_of(world, clerk))
    person = world.person(clerk)
    assert found == Recognised(person=person.id, subject=person.subject)
    (link,) = world.user(clerk).identities
    assert link.subject == person.subject


def test_a_stranger(world: World, clerk: str) -> None:
    """Somebody whom no source names is nobody here."""
    document = canonical_document(DocumentKind.RESIDENT_ID, _mint().resident_number())
    card = Card(region="", usable=True, status="1", document=document, name=Sensitive("某某"))
    assert recogniser(world).recognise(card) == Refusal(reason=RefusalReason.UNKNOWN)


def test_a_person_without_an_account(world: World, clerk: str) -> None:
    """Known, but Keycloak has nobody to log in."""
    with world.context.database.transaction() as connection:
        connection.execute(delete(account).where(account.c.person_id == world.person(clerk).id))
    found = recogniser(world).recognise(card_of(world, clerk))
    assert found == Refusal(reason=RefusalReason.UNKNOWN)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("0", RefusalReason.CARD_SEALED),
        ("2", RefusalReason.CARD_LOST),
        ("3", RefusalReason.CARD_LOCKED),
        ("4", RefusalReason.CARD_LOST),
        ("9", RefusalReason.CARD_CANCELLED),
        ("", RefusalReason.CARD_UNUSABLE),
        ("77", RefusalReason.CARD_UNUSABLE),
    ],
)
def test_a_card_that_is_not_usable(world: World, clerk: str, status: str, reason: RefusalReason) -> None:
    """It is refused, whoever's it is, and nobody is told whose."""
    found = recogniser(world).recognise(card_of(world, clerk, usable=False, status=status))
    assert found == Refusal(reason=reason)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (HoldKind.FROZEN, RefusalReason.FROZEN),
        (HoldKind.INVESTIGATION, RefusalReason.FROZEN),
        (HoldKind.INACTIVE, RefusalReason.INACTIVE),
        (HoldKind.ABSENT, RefusalReason.ABSENT),
        (HoldKind.EXPIRED, RefusalReason.ACCOUNT_EXPIRED),
        (HoldKind.LEFT, RefusalReason.LEFT),
        (HoldKind.DRAFT, RefusalReason.DRAFT),
        (HoldKind.IDENTITY_IN_DOUBT, RefusalReason.IN_DOUBT),
    ],
)
def test_a_hold_refuses(world: World, clerk: str, kind: HoldKind, reason: RefusalReason) -> None:
    """Each kind of hold, with the county whose administrator to ask."""
    put_hold(world, clerk, kind)
    found = recogniser(world).recognise(card_of(world, clerk))
    assert found == Refusal(reason=reason, person=world.person(clerk).id, office="忻府区")


def test_a_hold_that_a_row_says(world: World, clerk: str) -> None:
    """What the sources say counts on the day on which they say it."""
    world.change(clerk, status="退休", status_from=WHY)
    world.issue_and_sync()
    found = recogniser(world).recognise(card_of(world, clerk))
    assert isinstance(found, Refusal)
    assert found.reason is RefusalReason.LEFT


@pytest.mark.parametrize("other", [None, *(kind for kind in HoldKind if kind is not HoldKind.INVESTIGATION)])
def test_an_investigation_reads_like_a_freeze(world: World, clerk: str, other: HoldKind | None) -> None:
    """Whatever else holds an account, nothing tells an investigation from an administrator's freeze."""
    ways = []
    for kind in (HoldKind.INVESTIGATION, HoldKind.FROZEN):
        with world.context.database.transaction() as connection:
            connection.execute(delete(hold))
        put_hold(world, clerk, kind)
        if other not in (None, kind):
            put_hold(world, clerk, other)
        ways.append(recogniser(world).recognise(card_of(world, clerk)))
    assert ways[0] == ways[1]


def test_an_investigation_that_a_row_says(world: World, clerk: str) -> None:
    """Neutral too."""
    world.change(clerk, status="接受调查", status_from=WHY)
    world.issue_and_sync()
    found = recogniser(world).recognise(card_of(world, clerk))
    assert isinstance(found, Refusal)
    assert found.reason is RefusalReason.FROZEN
    assert "investigation" not in repr(found)


def test_another_name(world: World, clerk: str) -> None:
    """A number that is another citizen's was typed wrong: in doubt; and the switch switches it off."""
    card = card_of(world, clerk, name=Sensitive("别的人"))
    found = recogniser(world).recognise(card)
    assert isinstance(found, Refusal)
    assert found.reason is RefusalReason.IN_DOUBT
    assert isinstance(recogniser(world, compare_names=False).recognise(card), Recognised)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("阿依古丽·买买提", "阿依古丽．买买提", True),
        ("阿依古丽·买买提", "阿依古丽 买买提", True),
        ("ＡＢ", "ab", True),
        ("王伟", "王 伟", True),
        ("王伟", "王玮", False),
        ("", "", False),
        ("·", "", False),
    ],
)
def test_names_are_folded(one: str, other: str, same: bool) -> None:
    """Widths, cases, blanks and middle dots do not make another name; nothing is nobody's name."""
    assert is_same_name(one, other) is same


def test_fifteen_digits(world: World) -> None:
    """A feed with the old number, and a card with the new one, are one person."""
    staff_no = world.hire(VILLAGE)
    number = world.row(staff_no).canonical_number
    if number[6:8] == "19":
        world.change(staff_no, document_number=number[:6] + number[8:17])
    world.issue_and_sync()
    assert isinstance(recogniser(world).recognise(card_of(world, staff_no)), Recognised)


def test_the_index_key_alone(world: World, clerk: str, tmp_path: Path) -> None:
    """The bridge's folder holds no other key."""
    keys = world.context.settings.keys_directory
    alone = tmp_path / "bridge-keys"
    alone.mkdir(mode=0o700)
    for file in keys.glob("index.*.key"):
        shutil.copy2(file, alone)
    assert isinstance(recogniser(world, alone).recognise(card_of(world, clerk)), Recognised)


def test_without_the_index_key(world: World, clerk: str, tmp_path: Path) -> None:
    """Nothing is recognised, and what to do is said."""
    empty = tmp_path / "empty"
    empty.mkdir(mode=0o700)
    with pytest.raises(ConfigurationError, match="index key"):
        recogniser(world, empty).recognise(card_of(world, clerk))


def test_the_key_of_another_store(
    world: World, clerk: str, make_world: Callable[..., World], tmp_path: Path
) -> None:
    """It would find nobody, or somebody else: it is refused."""
    alone = tmp_path / "other"
    alone.mkdir(mode=0o700)
    file = alone / "index.1.key"
    file.write_text("ab" * 32 + "\n")
    file.chmod(0o600)
    with pytest.raises(IntegrityError, match="not the keys"):
        recogniser(world, alone).recognise(card_of(world, clerk))


def test_the_index_key_is_rotated(world: World, clerk: str) -> None:
    """A process that runs through a rotation goes on with the new key."""
    running = recogniser(world)
    assert isinstance(running.recognise(card_of(world, clerk)), Recognised)
    rotate_key(world.context, "index")
    assert isinstance(running.recognise(card_of(world, clerk)), Recognised)


def test_a_handful_of_queries(world: World, clerk: str) -> None:
    """However many people there are: each query finds its rows by an index."""
    asked: list[tuple[str, tuple[object, ...]]] = []
    engine = world.context.database.engine
    event.listen(
        engine,
        "before_cursor_execute",
        lambda _c, _cursor, statement, parameters, *_: asked.append((statement, parameters)),
    )
    recogniser(world).recognise(card_of(world, clerk))
    selects = [query for query in asked if query[0].startswith("SELECT")]
    assert 0 < len(selects) <= QUERIES
    with engine.connect() as connection:
        for statement, parameters in selects:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            assert [row.detail for row in plan if row.detail.startswith("SCAN")] == []


def _mint() -> IdentityMint:
    return IdentityMint("15", 1, Random(3))  # noqa: S311 -- synthetic people


def test_locked_by_the_day_s_work(world: World) -> None:
    """Whoever was locked for not logging in and scans the card reads why, and which office to ask."""
    life = make_life(world)
    clerk = life.hire()
    life.begin()
    life.pass_days(93)
    assert life.holds(clerk) == {HoldKind.INACTIVE}
    refused = recogniser(world).recognise(card_of(world, clerk))
    person = world.person(clerk).id
    assert refused == Refusal(reason=RefusalReason.INACTIVE, person=person, office="忻府区")
    assert "长期未登录" in ZH.refusals[refused.reason]
