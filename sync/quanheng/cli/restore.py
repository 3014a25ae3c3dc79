"""``quanheng restore``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from quanheng.cli.asking import ask_secret
from quanheng.cli.console import lines_of
from quanheng.cli.session import Given
from quanheng.store.archive import read_passphrase
from quanheng.store.backup import restore as read_backup
from quanheng.store.database import open_database


def restore(
    file: Path,
    /,
    *,
    passphrase_file: Path | None = None,
    force: Annotated[bool, Parameter(negative=())] = False,
    session: Given,
) -> None:
    """Bring back store and keys from a backup. Stop the daemon first; run 'quanheng check' after.

    Parameters
    ----------
    file
        A file that 'quanheng backup' wrote.
    passphrase_file
        File (0600) with the passphrase; otherwise it is asked for.
    force
        Replace what is in the store, and set other keys aside.
    """
    settings = session.settings
    passphrase = (
        ask_secret("备份口令（不显示）：", instead="--passphrase-file")
        if passphrase_file is None
        else read_passphrase(passphrase_file)
    )
    # Not the context's: its keys are the ones that are not there yet.
    with open_database(settings.store_url, clock=session.surroundings.clock) as database:
        done = read_backup(file, database, settings.keys_directory, passphrase, force=force)
    session.report(
        {"file": file, "made_at": done.made_at, "rows": done.rows, "key_files": done.key_files},
        lambda out: out.print(
            lines_of(
                [
                    f"已恢复 {done.made_at:%Y-%m-%d %H:%M} 的备份："
                    f"{done.rows:,} 行、{done.key_files} 个密钥文件。",
                    "下一步：quanheng keys generate --clients-only（客户端私钥不在备份内），"
                    "quanheng realm apply，quanheng ledger verify，quanheng sync，quanheng check。",
                ]
            )
        ),
    )
