"""Keycloak: reachable, known, and giving our clients exactly what they need."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from quanheng.errors import QuanhengError
from quanheng.keycloak.connection import Connection
from quanheng.keycloak.port import RealmRefusedError
from quanheng.keycloak.rest import RestRealm
from quanheng.operations.context import Context
from quanheng.operations.doctor.certificates import days_left, judge_days
from quanheng.operations.doctor.guard import INSTALL
from quanheng.operations.doctor.holes import OLDEST_SUPPORTED, REVIEWED, holes_of, release
from quanheng.operations.doctor.result import Result, fail, ok, warn
from quanheng.operations.realm import desired_configuration, read_drift, read_options, read_server_version

_CLOCK_DIFFERENCE: Final = timedelta(seconds=60)
"""An assertion lives for 60 s: beyond this, Keycloak takes it for one of the past or the future."""
_CONNECT_SECONDS: Final = 5.0
_SHOWN: Final = 5
_FEATURES_OFF: Final = (
    "CIBA",
    "CLIENT_ADMIN_API",
    "DEVICE_FLOW",
    "IMPERSONATION",
    "ORGANIZATION",
    "SCIM_API",
    "TOKEN_EXCHANGE",
    "TOKEN_EXCHANGE_STANDARD",
    "WORKFLOWS",
)
"""Ways to a token, to clients (another Admin API beside that which was looked at), to users or to groups
(workflows, with no event) that nobody needs; the realm's settings cannot switch all of them off. Without
their version, which Keycloak adds to some (``…_STANDARD_V2``) and ``--features-disabled`` does not want."""
_VERSION: Final = re.compile(r"_V\d+$")
_THEMES: Final = {"login": "loginTheme", "admin": "adminTheme"}
"""Setting of the realm that names a theme, by the kind under which the server lists it."""


def examine_server(context: Context) -> Iterator[Result]:
    """Everything about Keycloak; once it is unreachable, only that."""
    if not isinstance(context.realm, RestRealm):
        yield ok("keycloak", "内存中的域")
        return
    yield from _transport(context)
    connection = context.realm.connection
    try:
        claims = connection.claims()
    except QuanhengError as error:
        yield fail("keycloak.token", str(error.args[0]), error.remedy)
        return
    yield ok("keycloak.token", f"日常客户端取得令牌：{connection.url}，域 {connection.realm}")
    yield _clock(context, connection)
    info = connection.get("admin/serverinfo")
    yield from _version(context, info)
    yield _features(info)
    desired = desired_configuration(context, read_options(context))
    yield _themes(info, desired.realm)
    client = context.settings.keycloak.sync.client_id
    yield _roles(claims, desired.clients["clients"][client]["service_roles"])
    yield _configurator(context, connection)
    if read_options(context).password_form:
        yield warn(
            "keycloak.password_form",
            "已启用口令登录",
            "正式环境请运行 quanheng realm apply --no-password-form",
        )
    yield from _drift(context)


def _transport(context: Context) -> Iterator[Result]:
    settings = context.settings.keycloak
    url = urlsplit(settings.url)
    host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
    if url.scheme != "https":
        yield warn("keycloak.tls", "未加密的 http，只用于本机", "正式环境请用 https")
        return
    tls = ssl.create_default_context(cafile=settings.ca_file)
    try:
        with (
            socket.create_connection((host, port), timeout=_CONNECT_SECONDS) as plain,
            tls.wrap_socket(plain, server_hostname=host) as secure,
        ):
            certificate = secure.getpeercert()
    except ssl.SSLCertVerificationError as error:
        yield fail("keycloak.tls", f"证书不可信：{error.verify_message}", "核对 ca_file、主机名和证书有效期")
        return
    except OSError as error:
        yield fail(
            "keycloak.tls", f"无法建立加密连接（{type(error).__name__}）", "检查地址、网络和服务是否运行"
        )
        return
    yield judge_days("keycloak.tls", days_left(certificate, context.clock()))


def _clock(context: Context, connection: Connection) -> Result:
    difference = abs(connection.server_time() - context.clock())
    text = f"与服务器时钟相差 {difference.total_seconds():.0f} 秒"
    if difference > _CLOCK_DIFFERENCE:
        return fail("keycloak.clock", text, "在两台主机上启用时间同步（chrony 或 NTP）")
    return ok("keycloak.clock", text)


def _version(context: Context, info: dict[str, Any]) -> Iterator[Result]:
    version = (info.get("systemInfo") or {}).get("version") or read_server_version(context)
    if version is None:
        yield warn(
            "keycloak.version",
            "日常客户端无权查看服务器版本",
            "运行一次 quanheng realm status --admin-user 管理员，版本会被记下",
        )
    elif (release(version) or (0,)) < (release(OLDEST_SUPPORTED) or ()):
        yield fail("keycloak.version", f"Keycloak {version}", f"升级到 {OLDEST_SUPPORTED} 或更新")
    else:
        yield ok("keycloak.version", f"Keycloak {version}")
    for hole in holes_of(version or ""):
        text = f"{hole.text}（{'尚无版本修复' if hole.closed_in is None else f'{hole.closed_in} 已修复'}）"
        # What cannot be known of an unknown version is no failure: the line above asks for it.
        if hole.guarded or version is None:
            yield warn(f"hole.{hole.id}", text, f"{hole.done}（{REVIEWED} 核对）")
        else:
            yield fail(f"hole.{hole.id}", text, hole.done)


def _features(info: dict[str, Any]) -> Result:
    enabled = {_VERSION.sub("", item["name"]) for item in info.get("features", ()) if item.get("enabled")}
    on = sorted(enabled.intersection(_FEATURES_OFF))
    if on:
        names = ",".join(name.lower().replace("_", "-") for name in on)
        return warn(
            "keycloak.features",
            f"服务器启用了不需要的功能：{names}",
            f"kc.sh build --features-disabled={names}",
        )
    return ok("keycloak.features", "不需要的功能均已关闭")


def _themes(info: dict[str, Any], wanted: Mapping[str, Any]) -> Result:
    """Whether the server has the themes that the realm is told to show; it shows its own for one it lacks."""
    for kind, setting in _THEMES.items():
        there = {theme["name"] for theme in info.get("themes", {}).get(kind, ())}
        if wanted[setting] not in there:
            return warn(
                "keycloak.themes",
                f"服务器没有界面主题 {wanted[setting]}：登录页和控制台显示 Keycloak 自带的界面和提示",
                INSTALL,
            )
    return ok("keycloak.themes", "登录页和控制台的界面主题已安装")


def _roles(claims: Any, wanted: list[str]) -> Result:
    held = {
        f"{client}/{role}"
        for client, access in claims.get("resource_access", {}).items()
        for role in access.get("roles", ())
        if client != "account"
    }
    asked = {f"realm-management/{role}" for role in wanted}
    # Keycloak adds what a role contains: view-users brings query-users and query-groups.
    implied = {
        "realm-management/query-users",
        "realm-management/query-groups",
        "realm-management/query-clients",
    }
    broader, missing = sorted(held - asked - implied), sorted(asked - held)
    if broader:
        return fail(
            "keycloak.roles", f"日常客户端权限过大：{'、'.join(broader)}", "运行 quanheng realm apply 收回"
        )
    if missing:
        return fail(
            "keycloak.roles", f"日常客户端缺少：{'、'.join(missing)}", "运行 quanheng realm apply 补齐"
        )
    return ok("keycloak.roles", "日常客户端只有所需的最小权限")


def _configurator(context: Context, connection: Connection) -> Result:
    client_id = context.settings.keycloak.configurator.client_id
    try:
        found = connection.get(connection.realm_path("/clients"), clientId=client_id)
    except RealmRefusedError:
        return warn("keycloak.configurator", "无权查看配置客户端", "运行 quanheng realm apply 补齐权限")
    if not found:
        return fail("keycloak.configurator", "没有配置客户端", "运行 quanheng realm apply")
    is_open = found[0]["enabled"]
    if context.settings.keycloak.configurator_stays_open:
        if is_open:
            return ok("keycloak.configurator", "配置客户端按设置保持启用：没有守卫时由它恢复角色和映射器")
        return fail(
            "keycloak.configurator",
            "设置要求配置客户端保持启用，但它已停用：被改动的角色和映射器不能自动恢复",
            "运行 quanheng realm open；已安装守卫的，删去设置 configurator_stays_open",
        )
    if is_open:
        return warn(
            "keycloak.configurator", "配置客户端处于启用状态", "首次导入完成后运行 quanheng realm close"
        )
    return ok("keycloak.configurator", "配置客户端已停用")


def _drift(context: Context) -> Iterator[Result]:
    drift = read_drift(context)
    if drift.ours:
        shown = "、".join(gap.where for gap in drift.ours[:_SHOWN])
        yield fail(
            "keycloak.configuration",
            f"{len(drift.ours)} 项配置不一致：{shown}",
            "quanheng realm status 列出，quanheng realm apply 修复",
        )
    else:
        yield ok("keycloak.configuration", "域的配置符合要求")
    if drift.not_seen:
        yield warn(
            "keycloak.configuration.not_seen",
            f"日常客户端无权查看：{'、'.join(drift.not_seen)}",
            "用 quanheng realm status --admin-user 全部核对",
        )
    foreign = [gap.where for gap in drift.differences if gap.foreign]
    if foreign:
        yield warn(
            "keycloak.foreign",
            f"{len(foreign)} 项非本系统配置不合建议：{'、'.join(foreign[:_SHOWN])}",
            "请其负责人调整，或确认可以接受",
        )
