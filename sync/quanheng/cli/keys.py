"""``quanheng keys generate``, ``list`` and ``rotate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from quanheng.cli.session import Given
from quanheng.errors import ConfigurationError
from quanheng.identity.files import write_private
from quanheng.identity.keys import KeyName, generate_keys
from quanheng.identity.rules_key import make_rules_key
from quanheng.operations.bootstrap import make_seals
from quanheng.operations.client_keys import make_client_keys
from quanheng.operations.keys import list_keys, rotate_key


def keys_generate(
    *,
    seal_files: Annotated[tuple[Path, Path] | None, Parameter(negative=())] = None,
    clients_only: Annotated[bool, Parameter(negative=())] = False,
    session: Given,
) -> None:
    """Make the three keys, those of our two clients and of the guard's rules, and the bootstrap's two seals.

    Each seal is shown once and is for one person: two people take part, and neither can do it alone.

    Parameters
    ----------
    seal_files
        Write the two seals to these new files (0600) instead, for rehearsals.
    clients_only
        Make only keys of clients and rules that are missing, for example after a restore.
    """
    settings = session.settings
    report: dict[str, Any] = {"keys_directory": str(settings.keys_directory)}
    seals: tuple[str, str] | None = None
    if not clients_only:
        _require_free(seal_files)
        generate_keys(settings.keys_directory)
        seals = make_seals(settings.keys_directory)
        for file, seal in zip(seal_files or (), seals, strict=False):
            write_private(file, f"{seal}\n".encode())
        report["seals"] = [str(file) for file in seal_files] if seal_files else list(seals)
    report["client_keys"] = [str(file) for file in make_client_keys(settings)]
    rules_key = make_rules_key(settings.keys_directory)
    report["rules_public_key"] = None if rules_key is None else str(rules_key)

    def show(out: Console) -> None:
        if seals is not None:
            out.print(f"已生成三把密钥：{settings.keys_directory}。请立即备份：没有密钥，存储无法读取。")
        for file in report["client_keys"]:
            out.print(f"已生成客户端私钥：{file}")
        if rules_key is not None:
            out.print(
                f"已生成规则签名密钥。请把公钥 {rules_key} 交给服务器管理员，设为守卫的 public-key-file。"
            )
        if seals is not None and seal_files is None:
            out.print("两个封条只显示这一次。请两人各抄一个，分开保管，首次任命管理员时由两人各自输入：")
            out.print(f"  第一人：{seals[0]}", style="bold")
            out.print(f"  第二人：{seals[1]}", style="bold")
        elif seal_files is not None:
            out.print(f"封条已写入 {seal_files[0]} 和 {seal_files[1]}，请分别交给两人后删除。")

    session.report(report, show)


def keys_list(*, session: Given) -> None:
    """List the keys, their versions and which of them is in use. Shows nothing of the keys."""
    found = list_keys(session.settings)

    def show(out: Console) -> None:
        out.print(str(session.settings.keys_directory), style="bold")
        table = Table()
        for label in ("密钥", "版本", "文件", "权限", "用途"):
            table.add_column(label)
        for key in found:
            use = "写入" if key.writes else "只读旧数据"
            version = "" if key.version is None else str(key.version)
            table.add_row(key.name, version, key.file.name, key.mode, use)
        out.print(table)

    keys = [
        {
            "name": key.name,
            "version": key.version,
            "file": str(key.file),
            "mode": key.mode,
            "writes": key.writes,
            "thumbprint": key.thumbprint,
        }
        for key in found
    ]
    session.report({"keys": keys}, show)


def keys_rotate(name: KeyName, /, *, session: Given) -> None:
    """Make a new version of a key and use it from now on.

    Stop the daemon first, make a backup after it.

    Parameters
    ----------
    name
        "data" encrypts, "index" finds people, "ledger" signs.
    """
    version = rotate_key(session.context, name)
    session.report(
        {"name": str(name), "version": version},
        lambda out: out.print(
            f"{name} 密钥已换为第 {version} 版。请现在做一次备份（quanheng backup）；旧备份仍须用旧密钥恢复。"
        ),
    )


def _require_free(files: tuple[Path, Path] | None) -> None:
    """Before any key is made: a seal that could not be written would be lost."""
    if files is None:
        return
    if files[0].absolute() == files[1].absolute():
        raise ConfigurationError("both seals would go to one file", remedy="name two files")
    for file in files:
        if file.exists() or not file.absolute().parent.is_dir():
            raise ConfigurationError(
                f"{file}: is there already, or its folder is not",
                remedy="name a new file in a folder of yours",
            )
