"""Known holes of Keycloak that concern this product: which release closes each, and what is done here.

Kept by hand from the advisories and the tracker; :data:`REVIEWED` says when. "Open" means that no release
closes it, so every version is told.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Final

REVIEWED: Final = date(2026, 11, 21)
OLDEST_SUPPORTED: Final = "26.7.3"
"""Older servers have holes in delegated administration, on which the counties' administrators rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """One hole."""

    id: str
    text: str
    """What it lets somebody do, in Chinese."""
    closed_in: str | None
    """First release without it; None while it is open."""
    guarded: bool
    """Whether what is done here is enough to live with it."""
    done: str
    """What is done here against it, or what the operator has to do."""


HOLES: Final = (
    Hole(
        id="CVE-2026-14209",
        text="委派管理的权限检查可被绕过",
        closed_in="26.7.3",
        guarded=False,
        done="升级 Keycloak",
    ),
    Hole(
        id="CVE-2026-9099",
        text="委派管理员可把组移到无权管理的上级组之下",
        closed_in="26.7.0",
        guarded=False,
        done="升级 Keycloak",
    ),
    Hole(
        id="CVE-2026-14614",
        text="委派管理员可给无权管理的客户端添加作用域",
        closed_in="26.7.1",
        guarded=True,
        done="本系统不委派客户端权限；请升级 Keycloak",
    ),
    Hole(
        id="CVE-2026-16104",
        text="可读取认证步骤配置中的机密",
        closed_in="26.7.3",
        guarded=True,
        done="只有审计员可查看域设置，本系统的认证步骤不含机密；请升级 Keycloak",
    ),
    Hole(
        id="CVE-2026-16105",
        text="委派管理员可更改无权管理的复合角色",
        closed_in="26.7.3",
        guarded=True,
        done="守卫保护岗位角色的组成；请升级 Keycloak",
    ),
    Hole(
        id="CVE-2026-17059",
        text="按角色列出人员时不检查查看权限",
        closed_in="26.7.3",
        guarded=True,
        done="县级管理员不持有查看角色的权限；请升级 Keycloak",
    ),
    Hole(
        id="CVE-2026-14613",
        text="委派管理员可列出角色所属的、无权查看的组",
        closed_in="26.7.2",
        guarded=False,
        done="升级 Keycloak",
    ),
    Hole(
        id="CVE-2026-14615",
        text="列出下级组时不逐一检查查看权限",
        closed_in="26.7.1",
        guarded=False,
        done="升级 Keycloak",
    ),
    Hole(
        id="CVE-2026-16106",
        text="委派管理员可删除无权管理的复合角色成员",
        closed_in="26.7.3",
        guarded=True,
        done="守卫保护岗位角色的组成；请升级 Keycloak",
    ),
    Hole(
        id="CVE-2026-16108",
        text="委派管理员可更改默认组",
        closed_in="26.7.3",
        guarded=True,
        done="守卫拒绝设置默认组；请升级 Keycloak",
    ),
    Hole(
        id="CVE-2026-18571",
        text="建立账号时对所选组的权限检查可被绕过",
        closed_in="26.7.3",
        guarded=False,
        done="升级 Keycloak；守卫只允许新账号属于一个机构组",
    ),
    Hole(
        id="keycloak#51143",
        text="细粒度权限对聚合策略判断有误",
        closed_in="26.7.3",
        guarded=True,
        done="本系统只用组策略和角色策略；quanheng check 指出外来策略",
    ),
    Hole(
        id="keycloak#51144",
        text="细粒度权限的列表和搜索不理会上级组策略（extendChildren）",
        closed_in="26.7.3",
        guarded=True,
        done="本系统的策略逐组列明，不用 extendChildren；quanheng check 指出外来策略",
    ),
    Hole(
        id="CVE-2026-18569",
        text="身份提供方未启用签名校验时，可用未签名的令牌使他人退出",
        closed_in=None,
        guarded=True,
        done="本系统为 social-card 设置 validateSignature=true，核对配置时检查",
    ),
    Hole(
        id="CVE-2026-94000",
        text="持有 manage-users 者加入带有管理角色的组，即成为域管理员",
        closed_in=None,
        guarded=True,
        done="不建带管理角色的组：quanheng check 会指出组上的外来角色；县级管理员不持有 manage-users",
    ),
    Hole(
        id="keycloak#51630",
        text="获准管理客户端的委派管理员可更改、停用权限客户端 admin-permissions",
        closed_in=None,
        guarded=True,
        done="本系统不委派客户端权限；quanheng check 指出外来权限和被改动的设置",
    ),
    Hole(
        id="keycloak#53004",
        text="控制台的角色映射页工作不正常（26.7.3 起）",
        closed_in=None,
        guarded=True,
        done="本系统不用该页：岗位只经由组授予，直接授予由守卫拒绝",
    ),
    Hole(
        id="keycloak#49220",
        text="view-clients 可读取客户端口令",
        closed_in=None,
        guarded=True,
        done="本系统的客户端只用私钥（private_key_jwt）；请勿在本域建立用口令认证的客户端",
    ),
)


def holes_of(version: str) -> tuple[Hole, ...]:
    """The holes that a version has; one that cannot be read has them all."""
    number = release(version)
    return tuple(
        hole for hole in HOLES if hole.closed_in is None or number is None or number < _known(hole.closed_in)
    )


def release(version: str) -> tuple[int, ...] | None:
    """``26.7.3`` as numbers; None for anything that does not begin so."""
    match = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    return None if match is None else tuple(int(part) for part in match.groups())


def _known(version: str) -> tuple[int, ...]:
    found = release(version)
    assert found is not None, version  # noqa: S101 -- written above
    return found
