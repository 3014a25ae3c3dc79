"""After losing the store: restore, a sweep, and everything is as it was."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fixtures.asking import CLERK, KEEPER, ask, frozen, look, staffed
from fixtures.life import Life
from fixtures.watching import as_administrator
from fixtures.world import BUREAU, VILLAGE, World
from quanheng.model.finding import FindingKind
from quanheng.model.person import HoldKind, RequestKind
from quanheng.model.sensitive import Sensitive
from quanheng.operations.anchoring import anchor_ledger
from quanheng.operations.approve import decide_all
from quanheng.operations.carrying_out import hold_lease
from quanheng.operations.refresh import sweep
from quanheng.operations.synchronise import synchronise
from quanheng.store.backup import backup, restore
from quanheng.store.database import open_database

_PASSPHRASE = Sensitive("a passphrase of the demo world")


def test_restored_store_agrees_with_the_realm(world: World, tmp_path: Path) -> None:
    """With store and keys gone, the backup and a sweep bring back the same state: nothing is left to do."""
    world.hire(VILLAGE)
    reviewer = world.hire(BUREAU, "审核人员")
    world.issue_and_sync()
    world.approve()
    world.sync()
    before = world.registry()
    users = world.users()
    archive = tmp_path / "backup.qh"
    backup(world.context.database, world.settings.keys_directory, archive, _PASSPHRASE)

    world.close()
    for file in world.folder.glob("quanheng.db*"):
        file.unlink()
    shutil.rmtree(world.settings.keys_directory)
    database = open_database(world.settings.store_url, clock=world.clock)
    restore(archive, database, world.settings.keys_directory, _PASSPHRASE)
    database.close()

    context = world.open()
    world.context = context
    with hold_lease(context) as lease:
        sweep(context, lease)
    again = synchronise(context)
    assert again.plan.empty
    assert world.registry() == before
    assert world.users() == users
    assert "审核人员" in world.duties(reviewer)
    assert world.check().clean
    world.verify_ledger()


def test_what_happened_after_the_backup_is_found_again(world: World, tmp_path: Path) -> None:
    """Somebody hired after the backup is not made twice: the account is reported, and safety decides."""
    world.hire(VILLAGE)
    world.issue_and_sync()
    archive = tmp_path / "backup.qh"
    backup(world.context.database, world.settings.keys_directory, archive, _PASSPHRASE)
    late = world.hire(VILLAGE)
    world.issue_and_sync()
    account = world.user(late)

    restore(archive, world.context.database, world.settings.keys_directory, _PASSPHRASE, force=True)
    world.context = world.open()
    with hold_lease(world.context) as lease:
        sweep(world.context, lease)
    found = world.check()

    assert not found.clean
    assert any(finding.subject == account.username for finding in found.findings)


def _switch(life: Life, *, on: bool, by: str = KEEPER) -> None:
    """Somebody switches the clerk's account in the console."""
    user = life.world.user(CLERK)
    as_administrator(life.world, by).update_user(
        user.id, username=user.username, enabled=on, name=user.name, attributes=user.attributes
    )


def _put_back(life: Life, how: str, folder: Path) -> None:
    """Freeze the clerk, and put back the store of before, by our command or by copying its file."""
    world = life.world
    if how == "command":
        archive = folder / "backup.qh"
        backup(world.context.database, world.settings.keys_directory, archive, _PASSPHRASE)
        frozen(life)
        restore(archive, world.context.database, world.settings.keys_directory, _PASSPHRASE, force=True)
        return
    world.close()
    file = world.folder / "quanheng.db"
    kept = shutil.copyfile(file, folder / "kept.db")
    world.context = life.context = world.open()
    frozen(life)
    anchor_ledger(life.context)
    world.close()
    shutil.copyfile(kept, file)


@pytest.mark.parametrize("how", ["command", "copy"])
def test_what_was_frozen_after_the_backup_stays_off(world: World, tmp_path: Path, how: str) -> None:
    """The backup does not know of it: the account is held as off for a reason that nobody knows, and only two
    people give it back, not a switch in the console; from then on the console counts as ever."""
    life = staffed(world, anchors_directory=tmp_path / "anchors")
    (tmp_path / "anchors").mkdir()
    look(life, 2)
    _put_back(life, how, tmp_path)
    world.context = life.context = world.open()

    done = world.sync()
    assert [item.kind for item in done.plan.findings if item.kind is FindingKind.OFF_AFTER_RESTORE] == [
        FindingKind.OFF_AFTER_RESTORE
    ]
    assert [hold.origin for hold in life.stored(CLERK)] == ["restored"]
    assert not world.registry().restored
    _switch(life, on=True)
    look(life, 2)
    world.sync()
    assert not life.enabled(CLERK)

    asked = ask(life, RequestKind.UNFREEZE)
    decide_all(life.context, [asked.key], world.login(world.region.founders["system_admin"]), approve=True)
    assert life.enabled(CLERK)
    _switch(life, on=False)
    look(life, 2)
    assert [(hold.kind, hold.origin) for hold in life.stored(CLERK)] == [(HoldKind.FROZEN, "console")]
    assert len(world.ledger("restored_compared")) == 1
    assert len(world.ledger("store_is_older")) == (how == "copy")


def test_who_knows_of_the_freeze_says_why(world: World, tmp_path: Path) -> None:
    """Frozen once more, an account that was found off after a restore is off for a reason that is known."""
    life = staffed(world, anchors_directory=tmp_path / "anchors")
    (tmp_path / "anchors").mkdir()
    look(life, 2)
    _put_back(life, "command", tmp_path)
    world.context = life.context = world.open()
    world.sync()
    assert [hold.origin for hold in life.stored(CLERK)] == ["restored"]
    assert frozen(life).new
    assert [hold.origin for hold in life.stored(CLERK)] == ["freeze:os:operator@test"]
    assert not life.enabled(CLERK)
    assert not frozen(life).new
