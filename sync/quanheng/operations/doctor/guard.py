"""The guard inside Keycloak: there, of this release, told to guard our realm, with our rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from quanheng.keycloak.guard import GuardStatus
from quanheng.operations.context import Context
from quanheng.operations.doctor.holes import release
from quanheng.operations.doctor.result import Result, fail, ok, warn
from quanheng.operations.guarding import read_issue

OLDEST_GUARD: Final = "1.0.0"
"""Older ones do not know this form of the rules."""
INSTALL: Final = "把本版本的 quanheng-guard.jar 放入 Keycloak 的 providers 目录，kc.sh build 后重启"


def examine_guard(context: Context) -> Iterator[Result]:
    """Everything about the guard; when it is not there, only that."""
    status = context.guard.read_status()
    if status is None:
        yield warn("guard", "Keycloak 没有安装守卫：不相容的授权不会当场拒绝，只能事后纠正", INSTALL)
        return
    yield _version(status)
    yield _required(context, status)
    yield _rules(context, status)
    if status.break_glass_until is not None and status.break_glass_until > context.clock():
        yield fail(
            "guard.break_glass",
            f"应急开关打开至 {status.break_glass_until:%Y-%m-%d %H:%M} UTC，其间守卫不拒绝任何授权",
            "应急结束后删去服务器参数 break-glass-until 并重启，再运行 quanheng sync",
        )


def _version(status: GuardStatus) -> Result:
    found = release(status.version)
    if found is None or found < (release(OLDEST_GUARD) or ()):
        return fail("guard.version", f"守卫版本 {status.version or '不明'}，过旧", INSTALL)
    return ok("guard.version", f"守卫版本 {status.version}")


def _required(context: Context, status: GuardStatus) -> Result:
    if status.required:
        return ok("guard.required", "本域由守卫保护")
    return warn(
        "guard.required",
        "守卫没有保护本域：不相容的授权不会当场拒绝，只能事后纠正",
        f"在服务器参数 --spi-events-listener--quanheng-guard--required-realms 中加入 {context.realm_name}，"
        "然后重启",
    )


def _rules(context: Context, status: GuardStatus) -> Result:
    if status.valid:
        last = read_issue(context)
        if status.sequence == last.sequence and last.digest:
            return ok("guard.rules", f"规则第 {status.sequence} 期有效")
        return warn(
            "guard.rules",
            f"守卫的规则为第 {status.sequence} 期，本机最近发布的是第 {last.sequence} 期",
            "运行 quanheng sync 重新发布；若另有程序发布规则，请查明",
        )
    text = f"守卫没有有效的规则（{status.problem}）"
    remedy = (
        "核对服务器参数 public-key-file 是否为 keys 目录中 quanheng-rules.pub.pem 的内容、state-directory "
        "是否可写；然后运行 quanheng realm apply"
    )
    if not status.required:
        return warn("guard.rules", text, remedy)
    return fail("guard.rules", f"{text}：任何岗位都不能授予", remedy)
