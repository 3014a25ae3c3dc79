"""A plan's order and its digest."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

from fixtures.pure import declaration
from quanheng.engine.plan import digest_of, order_changes
from quanheng.model.change import Change, ChangeKind

CREATE = Change(
    kind=ChangeKind.CREATE,
    subject="sx1",
    reason="",
    detail={"attributes": {"person_id": ["a"], "staff_no": ["S1"]}, "enabled": True},
    private={"name": "人", "subject": "random"},
)


def change(kind: ChangeKind, subject: str = "sx1") -> Change:
    """A change of a kind."""
    return Change(kind=kind, subject=subject, reason="")


def test_taking_comes_before_giving() -> None:
    """Structure, revokes, disables, moves, updates, creations, grants, enables: in whatever order found."""
    kinds = [ChangeKind.GRANT, ChangeKind.ENABLE, ChangeKind.REVOKE, ChangeKind.CREATE, ChangeKind.MOVE]
    expected = ["revoke", "move", "create", "grant", "enable"]
    for order in permutations(kinds):
        assert [str(item.kind) for item in order_changes([change(kind) for kind in order])] == expected
    ranks = {kind: place for place, kind in enumerate(ChangeKind)}
    gives = (ChangeKind.CREATE, ChangeKind.GRANT, ChangeKind.ENABLE, ChangeKind.ROLE_ADD, ChangeKind.LINK)
    takes = (ChangeKind.REVOKE, ChangeKind.DISABLE, ChangeKind.ROLE_REMOVE, ChangeKind.UNLINK)
    assert max(ranks[kind] for kind in takes) < min(ranks[kind] for kind in gives)


def test_qualifications_come_before_what_requires_them() -> None:
    """A qualification is given before anybody moves among the administrators or gets a duty."""

    def member(kind: ChangeKind, key: str) -> Change:
        return Change(kind=kind, subject="sx1", reason="", detail={"key": key})

    wanted = [
        change(ChangeKind.DISABLE),
        member(ChangeKind.GRANT, "qual:permanent"),
        member(ChangeKind.MOVE, "admin:140902:system_admin"),
        member(ChangeKind.GRANT, "duty:140902:handler"),
    ]
    for order in permutations(wanted):
        assert list(order_changes(order)) == wanted


def test_groups_from_the_top_down() -> None:
    """Groups are created by depth, then by name."""
    paths = [["机构", "14", "1409"], ["岗位"], ["机构", "14"], ["机构"]]
    made = [
        Change(kind=ChangeKind.GROUP_CREATE, subject="/".join(path), reason="", detail={"path": list(path)})
        for path in paths
    ]
    depths = [len(item.detail["path"]) for item in order_changes(made)]  # type: ignore[arg-type]
    assert depths == [1, 1, 2, 3]


def test_digest_names_what_would_be_done() -> None:
    """Realm, revision, sources, and each part of each change count; random identities do not."""
    said = [declaration()]
    digest = digest_of("shanxi", 1, [CREATE], said)
    same = replace(
        CREATE,
        detail={"attributes": {"person_id": ["b"], "staff_no": ["S1"]}, "enabled": True},
        private={"name": "人", "subject": "other"},
    )
    assert digest_of("shanxi", 1, [same], said) == digest
    others = [
        digest_of("enshi", 1, [CREATE], said),
        digest_of("shanxi", 2, [CREATE], said),
        digest_of("shanxi", 1, [], said),
        digest_of("shanxi", 1, [CREATE, CREATE], said),
        digest_of("shanxi", 1, [CREATE], [declaration(sequence=2)]),
        digest_of("shanxi", 1, [CREATE], [declaration(digest="e")]),
        digest_of("shanxi", 1, [replace(CREATE, subject="sx2")], said),
        digest_of("shanxi", 1, [replace(CREATE, kind=ChangeKind.UPDATE)], said),
        digest_of("shanxi", 1, [replace(CREATE, reason="x")], said),
        digest_of("shanxi", 1, [replace(CREATE, private={"name": "别人", "subject": "random"})], said),
        digest_of("shanxi", 1, [replace(CREATE, detail={**CREATE.detail, "enabled": False})], said),
    ]
    assert len({digest, *others}) == len(others) + 1


def test_digest_holds_no_name() -> None:
    """A digest is hex and nothing else."""
    assert len(bytes.fromhex(digest_of("shanxi", 1, [CREATE], []))) == 32
