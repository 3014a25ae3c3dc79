"""Chinese labels of what reports name. Reasons of the quarantine have theirs in ``sources.reasons``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from quanheng.model.change import ChangeKind
from quanheng.model.finding import FindingKind
from quanheng.model.person import BasisKind, HoldKind, ProposalKind, ProposalState
from quanheng.operations.answering.assessing import ObstacleKind
from quanheng.operations.waivers import WaiverState
from quanheng.watch.exposure import ExposureReport

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
    FindingKind.DRAFT_ACCOUNT: "草稿账号",
    FindingKind.DRAFT_NOT_LINKED: "草稿未能关联",
    FindingKind.NUMBER_IN_DRAFT: "草稿含证件号码或电话",
    FindingKind.APPLICATION_UNCONFIRMED: "申请补全未经来源证实",
    FindingKind.FOREIGN_GROUP: "非本系统的组",
    FindingKind.FOREIGN_ROLE: "非本系统的角色",
    FindingKind.DUTY_ON_FOREIGN_USER: "非本系统账号持有岗位",
    FindingKind.ADMINISTRATOR: "持有域管理权限",
    FindingKind.BREAK_GLASS: "应急账号",
    FindingKind.ADMIN_PERMISSION: "管理权限",
    FindingKind.SOURCES_DISAGREE: "来源不一致",
    FindingKind.OTHER_COUNTY: "跨县任岗",
    FindingKind.NOT_QUALIFIED: "不具备任岗条件",
    FindingKind.EXCLUDED_POSTS: "不相容岗位",
    FindingKind.CONFLICT: "实际持有不相容权限",
    FindingKind.SHORTAGE: "岗位缺人",
    FindingKind.BASIS_SUSPENDED: "授予依据暂停",
    FindingKind.WITHHELD: "管理员已收回",
    FindingKind.AWAITS_APPROVAL: "等待第二人批准",
    FindingKind.ABSENCE_SUSPENDED: "暂不认定离职",
    FindingKind.SOURCE_REFUSED: "来源未被接受",
    FindingKind.LAST_ADMINISTRATOR: "最后一名管理员",
    FindingKind.FROZEN_IN_CONSOLE: "控制台停用",
    FindingKind.OFF_AFTER_RESTORE: "恢复后停用",
    FindingKind.NAME_TAKEN: "用户名被占用",
    FindingKind.DUPLICATE_IDENTITY: "身份重复",
    FindingKind.UNKNOWN_UNIT: "机构未知",
    FindingKind.FORGED_DECISION: "伪造的批准",
    FindingKind.EXCHANGED_NAMES: "角色名被互换",
    FindingKind.TENURE: "任职年限",
}

PROPOSALS: Final[Mapping[ProposalKind, str]] = {
    ProposalKind.GUARDED_POST: "须批准的岗位",
    ProposalKind.DOCUMENT_CHANGED: "证件号码变更",
    ProposalKind.STAFF_NO_MOVED: "人员编号改属他人",
    ProposalKind.UNSAFE_PLAN: "超限计划",
    ProposalKind.WAIVER: "豁免",
    ProposalKind.DEREGISTER: "注销",
    ProposalKind.WITHHOLD: "暂收岗位",
    ProposalKind.REQUEST: "账号申请",
}

PROPOSAL_STATES: Final[Mapping[ProposalState, str]] = {
    ProposalState.OPEN: "待决定",
    ProposalState.APPROVED: "已批准",
    ProposalState.REJECTED: "已驳回",
    ProposalState.WITHDRAWN: "已撤回",
}

BASES: Final[Mapping[BasisKind, str]] = {
    BasisKind.SOURCE: "来源",
    BasisKind.CONSOLE: "控制台授予",
    BasisKind.APPLICATION: "申请",
    BasisKind.WAIVER: "豁免",
}

HOLDS: Final[Mapping[HoldKind, str]] = {
    HoldKind.DRAFT: "尚未启用",
    HoldKind.FROZEN: "冻结",
    HoldKind.INACTIVE: "长期未登录",
    HoldKind.ABSENT: "不在岗",
    HoldKind.LEFT: "离岗",
    HoldKind.INVESTIGATION: "暂停使用",
    HoldKind.EXPIRED: "已到期",
    HoldKind.IDENTITY_IN_DOUBT: "身份待核实",
}

OBSTACLES: Final[Mapping[ObstacleKind, str]] = {
    ObstacleKind.RULE: "不相容",
    ObstacleKind.QUALIFICATION: "不具备资格",
    ObstacleKind.TIER: "级别不符",
    ObstacleKind.OTHER_COUNTY: "不在本地区",
    ObstacleKind.NOT_HERE: "本地区不设",
    ObstacleKind.NOT_OURS: "非实名账号",
    ObstacleKind.NOT_PLACED: "无任职机构",
    ObstacleKind.LEFT: "已离岗",
}

WAIVER_STATES: Final[Mapping[WaiverState, str]] = {
    WaiverState.OPEN: "待批准",
    WaiverState.IN_FORCE: "有效",
    WaiverState.REJECTED: "已驳回",
    WaiverState.ENDED: "已到期",
    WaiverState.LAPSED: "逾期未批准",
    WaiverState.VOID: "规则已不可豁免",
}


def label_of_change(kind: str) -> str:
    """The label of a kind of change given as text."""
    return CHANGES.get(ChangeKind(kind), kind)


def describe_exposure(found: ExposureReport) -> str:
    """How long things were held without right, in a line."""
    if found.longest_seconds is None:
        return "无" if not found.open else f"{found.open} 次尚未收回"
    still = f"，{found.open} 次尚未收回" if found.open else ""
    return (
        f"{found.ended} 次：中位 {found.median_seconds:.1f} 秒，95% 在 {found.p95_seconds or 0:.1f} 秒以内，"
        f"最长 {found.longest_seconds:.1f} 秒{still}"
    )
