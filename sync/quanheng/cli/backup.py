"""``quanheng backup``."""

from __future__ import annotations

from pathlib import Path

from quanheng.cli.asking import ask_secret
from quanheng.cli.session import Given
from quanheng.errors import ConfigurationError
from quanheng.model.sensitive import Sensitive
from quanheng.store.archive import MINIMUM_PASSPHRASE, read_passphrase
from quanheng.store.backup import backup as write_backup


def backup(file: Path, /, *, passphrase_file: Path | None = None, session: Given) -> None:
    """Write store and keys to one encrypted file. The daemon may go on running.

    Parameters
    ----------
    file
        A new file; it appears when it is complete.
    passphrase_file
        File (0600) with the passphrase in its first line; otherwise it is asked for twice.
    """
    context = session.context
    passphrase = _asked() if passphrase_file is None else read_passphrase(passphrase_file)
    done = write_backup(context.database, session.settings.keys_directory, file, passphrase)
    session.report(
        {"file": file, "made_at": done.made_at, "rows": done.rows, "key_files": done.key_files},
        lambda out: out.print(
            f"已备份 {done.rows:,} 行、{done.key_files} 个密钥文件到 {file}。"
            "口令与备份须分开保管；忘记口令则无法恢复。"
        ),
    )


def _asked() -> Sensitive:
    passphrase = ask_secret("备份口令（不显示）：", instead="--passphrase-file")
    if len(passphrase.reveal()) < MINIMUM_PASSPHRASE:
        raise ConfigurationError(
            f"the passphrase is shorter than {MINIMUM_PASSPHRASE} characters", remedy="choose a longer one"
        )
    if ask_secret("再输入一次：", instead="--passphrase-file") != passphrase:
        raise ConfigurationError("the two passphrases differ; nothing was written", remedy="try again")
    return passphrase
