"""Chinese labels of what reports name. Reasons of the quarantine have theirs in ``sources.reasons``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from quanheng.model.change import ChangeKind
from quanheng.model.finding import FindingKind
from quanheng.model.person import ProposalKind, ProposalState

CHANGES: Final[Mapping[ChangeKind, str]] = {
    ChangeKind.GROUP_CREATE: "新建组",
    ChangeKind.GROUP_UPDATE: "更新组",
    ChangeKind.GROUP_MOVE: "移动组",
    ChangeKind.GROUP_ROLE_REMOVE: "移除组的角色",
    ChangeKind.ROLE_REMOVE: "移除直接角色",
    ChangeKind.REVOKE: "收回岗位",
    ChangeKind.UNLINK: "解除社保卡身份",
    ChangeKind.DISABLE: "停用账号",
    ChangeKind.MOVE: "调整机构",
    ChangeKind.UPDATE: "更新账号",
    ChangeKind.GROUP_RETIRE: "停用组",
    ChangeKind.CREATE: "新建账号",
    ChangeKind.LINK: "关联社保卡身份",
    ChangeKind.GROUP_ROLE_ADD: "补齐组的角色",
    ChangeKind.ROLE_ADD: "补齐默认角色",
    ChangeKind.GRANT: "授予岗位",
    ChangeKind.ENABLE: "启用账号",
}

FINDINGS: Final[Mapping[FindingKind, str]] = {
    FindingKind.FOREIGN_USER: "非本系统账号",
    FindingKind.FOREIGN_GROUP: "非本系统的组",
    FindingKind.FOREIGN_ROLE: "非本系统的角色",
    FindingKind.DUTY_ON_FOREIGN_USER: "非本系统账号持有岗位",
    FindingKind.SOURCES_DISAGREE: "来源不一致",
    FindingKind.OTHER_COUNTY: "跨县任岗",
    FindingKind.NOT_QUALIFIED: "不具备任岗条件",
    FindingKind.EXCLUDED_POSTS: "不相容岗位",
    FindingKind.WITHHELD: "管理员已收回",
    FindingKind.AWAITS_APPROVAL: "等待第二人批准",
    FindingKind.ABSENCE_SUSPENDED: "暂不认定离职",
    FindingKind.SOURCE_REFUSED: "来源未被接受",
    FindingKind.LAST_ADMINISTRATOR: "最后一名管理员",
    FindingKind.FROZEN_IN_CONSOLE: "控制台停用",
    FindingKind.DUPLICATE_IDENTITY: "身份重复",
    FindingKind.UNKNOWN_UNIT: "机构未知",
    FindingKind.FORGED_DECISION: "伪造的批准",
}

PROPOSALS: Final[Mapping[ProposalKind, str]] = {
    ProposalKind.GUARDED_POST: "须批准的岗位",
    ProposalKind.DOCUMENT_CHANGED: "证件号码变更",
    ProposalKind.STAFF_NO_MOVED: "人员编号改属他人",
    ProposalKind.UNSAFE_PLAN: "超限计划",
}

PROPOSAL_STATES: Final[Mapping[ProposalState, str]] = {
    ProposalState.OPEN: "待决定",
    ProposalState.APPROVED: "已批准",
    ProposalState.REJECTED: "已驳回",
    ProposalState.WITHDRAWN: "已撤回",
}

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
"""Classes of changes that ``[safety]`` limits."""


def label_of_change(kind: str) -> str:
    """The label of a kind of change given as text."""
    return CHANGES.get(ChangeKind(kind), kind)
