"""``quanheng init``."""

from __future__ import annotations

from pathlib import Path

from quanheng.cli.console import lines_of
from quanheng.cli.session import Given
from quanheng.operations.initialise import write_example


def init(directory: Path = Path(), *, session: Given) -> None:
    """Write a commented quanheng.toml to begin with.

    Parameters
    ----------
    directory
        Where it goes. An existing file is never overwritten.
    """
    file = write_example(directory)
    session.report(
        {"file": str(file)},
        lambda out: out.print(
            lines_of(
                [
                    f"已写入 {file}",
                    "下一步：按注释填写，然后运行 quanheng keys generate，再运行 quanheng doctor",
                ]
            )
        ),
    )
