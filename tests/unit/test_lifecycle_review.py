"""The words of the monthly review, which answers fit, what each leads to, and what names a line."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from quanheng.lifecycle.review import (
    CHOICES,
    HANDLINGS,
    KINDS,
    Effect,
    Found,
    Handling,
    ReviewItem,
    ReviewKind,
    answers_digest,
    choices_of,
    effect_of,
    is_month,
    list_digest,
    month_of,
    needs_reason,
    review_key,
)
from quanheng.lifecycle.review_scene import label_of
from quanheng.model.ids import KeycloakId, OrgCode, PersonId, Username
from quanheng.model.realm import RealmUser

WHO = PersonId("a" * 32)
FOUND = Found(
    kind=ReviewKind.IDLE,
    county=OrgCode("140902"),
    person=WHO,
    username="sx0000001",
    about="",
    detail="从未登录",
    proposed=Handling.FREEZE,
    article="S11",
)
ITEM = ReviewItem(
    key="k",
    month="2026-03",
    county=OrgCode("140902"),
    person=WHO,
    username="sx0000001",
    kind=ReviewKind.IDLE,
    detail="从未登录",
    proposed=Handling.FREEZE,
    deadline=date(2026, 3, 9),
)


def test_every_kind_and_handling_has_its_words_and_choices() -> None:
    """In Chinese, each its own; the workbook's lists are no longer than Excel takes (255 characters)."""
    assert set(KINDS) == set(CHOICES) == set(ReviewKind)
    assert set(HANDLINGS) == set(Handling)
    assert len(set(HANDLINGS.values())) == len(HANDLINGS)
    for choices in CHOICES.values():
        assert len(",".join(HANDLINGS[item] for item in choices)) < 255


@pytest.mark.parametrize("kind", ReviewKind)
def test_choices_are_offered_once_and_nobodys_account_is_not_deregistered(kind: ReviewKind) -> None:
    """注销 is a form about a person of the registry."""
    assert len(set(choices_of(kind, WHO))) == len(choices_of(kind, WHO)) > 1
    assert Handling.DEREGISTER not in choices_of(kind, None)


@pytest.mark.parametrize(
    ("handling", "person", "effect"),
    [
        (Handling.KEEP, WHO, Effect.NOTHING),
        (Handling.END, WHO, Effect.NOTHING),
        (Handling.FREEZE, WHO, Effect.FREEZE),
        (Handling.FREEZE, None, Effect.BY_HAND),
        (Handling.DEREGISTER, WHO, Effect.REQUEST),
        (Handling.REVOKE, WHO, Effect.BY_HAND),
        (Handling.SEPARATE, WHO, Effect.BY_HAND),
        (Handling.COMPLETE, None, Effect.BY_HAND),
        (Handling.RENEW, WHO, Effect.BY_HAND),
        (Handling.ROTATE, WHO, Effect.BY_HAND),
    ],
)
def test_what_an_answer_leads_to(handling: Handling, person: PersonId | None, effect: Effect) -> None:
    """What is nobody's is never switched off by us (decision 9)."""
    assert effect_of(handling, person) is effect
    assert replace(ITEM, answer=handling, person=person).effect is effect


def test_no_answer_leads_to_nothing() -> None:
    """Nothing is done by itself."""
    assert ITEM.effect is None


def test_any_answer_but_the_proposed_one_says_why() -> None:
    """To keep an account that was found is a decision."""
    assert not needs_reason(ITEM, Handling.FREEZE)
    assert needs_reason(ITEM, Handling.KEEP)


@pytest.mark.parametrize(
    "other",
    [
        replace(FOUND, kind=ReviewKind.SURPLUS),
        replace(FOUND, county=OrgCode("140921")),
        replace(FOUND, person=PersonId("b" * 32)),
        replace(FOUND, person=None, username="visitor"),
        replace(FOUND, about="rule"),
    ],
)
def test_another_thing_is_another_line(other: Found) -> None:
    """Kind, county, account, rule; so is the same thing in another month."""
    assert review_key("2026-03", other) != review_key("2026-03", FOUND)
    assert review_key("2026-04", FOUND) != review_key("2026-03", FOUND)


def test_the_same_thing_said_otherwise_is_the_same_line() -> None:
    """What is told of it, and its user name, may change within the month."""
    told = replace(FOUND, detail="仍未登录", username="sx0000002", proposed=Handling.KEEP, article="E8")
    assert review_key("2026-03", told) == review_key("2026-03", FOUND)


@pytest.mark.parametrize(
    "change",
    [
        {"username": "sx0000009"},
        {"kind": ReviewKind.SURPLUS},
        {"detail": "常常登录"},
        {"proposed": Handling.KEEP},
        {"deadline": date(2026, 3, 31)},
        {"county": OrgCode("140921")},
    ],
)
def test_a_changed_list_has_another_digest(change: dict[str, object]) -> None:
    """Whatever a line says; not what was answered."""
    assert list_digest([replace(ITEM, **change)]) != list_digest([ITEM])  # type: ignore[arg-type]
    assert list_digest([]) != list_digest([ITEM])
    assert list_digest([replace(ITEM, answer=Handling.KEEP, answer_reason="本人在岗")]) == list_digest([ITEM])


def test_other_answers_have_another_digest() -> None:
    """So that what is carried out is what was shown."""
    answered = replace(ITEM, answer=Handling.FREEZE, answered_by="sx0000003")
    for other in (
        replace(answered, answer=Handling.DEREGISTER),
        replace(answered, answer_reason="长期离岗"),
        replace(answered, answered_by="sx0000004"),
    ):
        assert answers_digest([other]) != answers_digest([answered])
    two = [answered, replace(answered, key="m")]
    assert answers_digest(two) == answers_digest(two[::-1])


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("visitor", "visitor"),
        ("x" * 64, "x" * 64),
        ("x" * 65, "id"),
        ("13812345678", "id"),
        ("a.138-1234-5678", "id"),
    ],
)
def test_an_account_goes_by_its_id_when_its_name_tells_too_much(name: str, shown: str) -> None:
    """Too long for a line, or perhaps somebody's number."""
    user = RealmUser(id=KeycloakId("id"), username=Username(name), enabled=True, name="")
    assert label_of(user) == shown


def test_months() -> None:
    """Written with two digits."""
    assert month_of(date(2026, 3, 31)) == "2026-03"
    assert [
        text for text in ("2026-03", "2026-13", "2026-3", "2026-00", "26-03", "2026-03-01") if is_month(text)
    ] == ["2026-03"]
