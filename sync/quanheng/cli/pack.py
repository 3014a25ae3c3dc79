"""``quanheng pack lint``."""

from __future__ import annotations

from pathlib import Path

from quanheng.cli.console import lines_of
from quanheng.cli.session import Given
from quanheng.policy.pack import find_pack, load_pack


def pack_lint(name: str | None = None, /, *, session: Given) -> None:
    """Read a policy pack and prove that it holds together. Exit 2 names every fault at once.

    Parameters
    ----------
    name
        Folder, or id of a shipped pack; without it the packs of quanheng.toml.
    """
    folders = [Path(name) if "/" in name else find_pack(name)] if name else []
    folders = folders or [find_pack(item) for item in session.settings.packs]
    packs = [(folder, load_pack(folder)) for folder in folders]
    payload = [
        {
            "id": pack.info.id,
            "label": pack.info.label,
            "folder": str(folder),
            "posts": len(pack.posts.posts),
            "exclusions": len(pack.rules.exclusions),
        }
        for folder, pack in packs
    ]
    session.report(
        {"packs": payload},
        lambda out: out.print(
            lines_of(
                f"{item['id']}（{item['label']}）：岗位 {item['posts']}，"
                f"不相容规则 {item['exclusions']}，未发现问题"
                for item in payload
            )
        ),
    )
