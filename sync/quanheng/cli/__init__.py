"""The command ``quanheng``: one file per command, put together in ``app``, run by ``entry``.

Standard output carries the report and nothing else; messages, progress and logs go to standard error.
"""

from quanheng.cli.entry import main

__all__ = ["main"]
