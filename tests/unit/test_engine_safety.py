"""Bounds on how much a plan may change, class by class."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from quanheng.config import Limit, SafetySettings
from quanheng.engine.safety import Excess, judge_safety
from quanheng.model.change import Change, ChangeKind

CLASSES = {
    "disable": (ChangeKind.DISABLE,),
    "revoke": (ChangeKind.REVOKE, ChangeKind.ROLE_REMOVE, ChangeKind.UNLINK),
    "move": (ChangeKind.MOVE,),
    "update": (ChangeKind.UPDATE, ChangeKind.LINK, ChangeKind.ROLE_ADD),
    "enable": (ChangeKind.ENABLE,),
    "grant": (ChangeKind.GRANT,),
    "create": (ChangeKind.CREATE,),
    "structure": (
        ChangeKind.GROUP_UPDATE,
        ChangeKind.GROUP_MOVE,
        ChangeKind.GROUP_RETIRE,
        ChangeKind.GROUP_ROLE_ADD,
        ChangeKind.GROUP_ROLE_REMOVE,
    ),
}
CASES = [(name, kind) for name, kinds in CLASSES.items() for kind in kinds]


def changes(kind: ChangeKind, count: int, **detail: str) -> list[Change]:
    """So many changes of a kind."""
    return [
        Change(kind=kind, subject=f"sx{number}", reason="", detail=dict(detail)) for number in range(count)
    ]


def judge(
    found: Sequence[Change],
    *,
    count: int = 10,
    percent: float = 10,
    population: int = 1000,
    **options: object,
) -> tuple[Excess, ...]:
    """Judge against one bound for every class."""
    bounds = dict.fromkeys(CLASSES, Limit(count=count, percent=percent))
    values = {"accounts": population, "groups": population, "may_grow": False, **options}
    return judge_safety(found, bounds, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_each_class_by_count(name: str, kind: ChangeKind) -> None:
    """As many as the count pass, one more does not, and the excess says what it was."""
    assert judge(changes(kind, 10)) == ()
    assert judge(changes(kind, 11)) == (Excess(name=name, count=11, allowed=10, population=1000),)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_each_class_by_percentage(name: str, kind: ChangeKind) -> None:
    """As many as the percentage of what exists pass, one more does not."""
    assert judge(changes(kind, 3), population=30) == ()
    assert [item.name for item in judge(changes(kind, 4), population=30)] == [name]


@pytest.mark.parametrize(("name", "kind"), CASES)
@pytest.mark.parametrize("population", [1, 2, 3])
def test_each_class_in_a_small_realm(name: str, kind: ChangeKind, population: int) -> None:
    """Where a tenth is less than one, a single change passes and two do not."""
    assert judge(changes(kind, 1), population=population) == ()
    assert [item.name for item in judge(changes(kind, 2), population=population)] == [name]


def test_every_kind_is_bounded_or_builds_only() -> None:
    """Each kind of change belongs to one class; only the creation of groups is free."""
    bounded = {kind for kinds in CLASSES.values() for kind in kinds}
    assert set(ChangeKind) - bounded == {ChangeKind.GROUP_CREATE}
    assert judge(changes(ChangeKind.GROUP_CREATE, 10_000)) == ()
    assert set(CLASSES) <= set(SafetySettings.model_fields)


def test_classes_add_up_and_are_told_together() -> None:
    """Kinds of one class count together; several classes in excess are all told."""
    found = changes(ChangeKind.REVOKE, 6) + changes(ChangeKind.ROLE_REMOVE, 6) + changes(ChangeKind.MOVE, 11)
    assert [(item.name, item.count) for item in judge(found)] == [("move", 11), ("revoke", 12)]


def test_growth_frees_creations_alone() -> None:
    """A first load or a wider scope brings people; it does not excuse anything else."""
    found = changes(ChangeKind.CREATE, 500) + changes(ChangeKind.DISABLE, 11)
    assert [item.name for item in judge(found, may_grow=True)] == ["disable"]
    assert [item.name for item in judge(found)] == ["create", "disable"]


def test_count_of_nought_allows_nothing() -> None:
    """A bureau that wants to see every disable sets its count to nought."""
    assert [item.name for item in judge(changes(ChangeKind.DISABLE, 1), count=0)] == ["disable"]


def test_approved_posts_are_not_counted() -> None:
    """Joining a group that each person was approved for is counted nowhere; other groups are."""
    for kind in (ChangeKind.GRANT, ChangeKind.MOVE):
        approved = changes(kind, 20, key="admin:140902:system_admin")
        assert judge(approved, approved_keys={"admin:140902:system_admin"}) == ()
        assert judge(approved)


def test_what_was_admitted_before_is_not_counted_again() -> None:
    """What an interrupted plan had left is excused change by change; anything else about them is not."""
    left = changes(ChangeKind.DISABLE, 20, id="a")
    assert judge(left, admitted=left) == ()
    assert judge(left, admitted=left[:9])
    assert judge(changes(ChangeKind.DISABLE, 20, id="b"), admitted=left)


def test_excess_reads_as_a_sentence() -> None:
    """The operator reads the class, how many of how many, and how many are allowed."""
    assert str(judge(changes(ChangeKind.DISABLE, 11))[0]) == "disable: 11 of 1000, 10 allowed"
