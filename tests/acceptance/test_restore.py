"""After losing the store: restore, a sweep, and everything is as it was."""

from __future__ import annotations

import shutil
from pathlib import Path

from fixtures.world import BUREAU, VILLAGE, World
from quanheng.model.sensitive import Sensitive
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
