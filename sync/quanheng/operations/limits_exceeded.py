"""The limits of ``[safety]`` that a plan exceeds, in words for staff."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from quanheng.engine.safety import Excess
from quanheng.lifecycle.batches import REALM

SAFETY: Final[Mapping[str, str]] = {
    "disable": "停用账号",
    "revoke": "收回岗位",
    "move": "调整机构",
    "update": "更新账号",
    "enable": "启用账号",
    "grant": "授予岗位",
    "create": "新建账号",
    "structure": "调整组",
}
"""Labels of the classes of change that ``[safety]`` limits."""
_ALL: Final[Mapping[str, str]] = {**SAFETY, REALM: "锁定账号"}


def describe_excess(excess: Excess) -> str:
    """One class of change that exceeds its limit, in a line."""
    name, _, area = excess.name.partition(":")
    return (
        f"{area and f'{area} '}{_ALL.get(name, name)} {excess.count:,} 项，"
        f"上限 {excess.allowed:,}（现有 {excess.population:,}）"
    )
