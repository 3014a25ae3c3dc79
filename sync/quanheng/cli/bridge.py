"""``quanheng bridge``: login by 电子社保卡."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Final

import segno
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from quanheng.bridge.serving import run_server
from quanheng.bridge.settings import BridgeSettings
from quanheng.cli.session import Given, Session
from quanheng.clock import CHINA
from quanheng.errors import ConfigurationError
from quanheng.operations.bridge_keys import initialise_bridge, list_signing_keys, rotate_signing_key
from quanheng.operations.trying_platform import STEP_LABELS, try_platform
from quanheng.store.bridge_keys import StoredKey
from quanheng.store.login_records import KeptRecord, read_records


def bridge_init(*, session: Given) -> None:
    """Make the bridge's key file and its first signing key.

    The file (bridge.key_file) encrypts the signing keys in the store, and nothing else. It is in no backup:
    when it is lost, make another and restart the bridge.
    """
    settings, context = _settings(session), session.context
    file = initialise_bridge(settings, context.database, context.clock)

    def show(out: Console) -> None:
        out.print(f"已生成登录桥密钥文件：{file}，以及第一把签名密钥。")

    session.report({"key_file": str(file)}, show)


def bridge_serve(*, workers: int = 1, session: Given) -> None:
    """Serve login by card until SIGTERM or Ctrl-C.

    Parameters
    ----------
    workers
        Processes that share the port; with several the store has to be PostgreSQL.
    """
    settings = _settings(session)
    if workers > 1 and session.settings.store_url.startswith("sqlite"):
        raise ConfigurationError(
            "several workers need PostgreSQL as their store", remedy="set store_url, or leave --workers out"
        )
    session.err.print(f"登录桥：{settings.issuer}（监听 {settings.host}:{settings.port}）")
    run_server(session.settings, workers=workers, settings_file=session.config)


def bridge_logins(
    *,
    user: str | None = None,
    since: date | None = None,
    until: date | None = None,
    limit: int = 50,
    session: Given,
) -> None:
    """Who logged in by card, or was refused, the newest first. No name, no number: user names and outcomes.

    Parameters
    ----------
    user
        Of this user name alone.
    since
        From this day on, Beijing time.
    until
        To the end of this day.
    limit
        So many at most.
    """
    with session.context.database.reading() as connection:
        records = read_records(
            connection,
            since=_morning(since),
            until=_morning(until and until + timedelta(days=1)),
            username=user,
            limit=limit,
        )

    def show(out: Console) -> None:
        table = Table("时间", "用户名", "结果", "地址", "浏览器", "卡归属地")
        for kept in records:
            record = kept.record
            table.add_row(
                _time(record.at),
                kept.username or "—",
                OUTCOMES.get(record.outcome, record.outcome),
                record.address,
                record.browser,
                record.region,
            )
        out.print(table)

    session.report({"logins": [_login_payload(kept) for kept in records]}, show)


def bridge_try(*, wait: float = 120, session: Given) -> int:
    """Ask the card platform for a code, wait for a scan, and look the card up. Nobody is logged in.

    Exit 1 when a step failed, or the card could not log in.

    Parameters
    ----------
    wait
        Seconds to wait for the phone.
    """
    settings = _settings(session).platform

    def show_code(text: str) -> None:
        code = segno.make(text, error="m")
        if session.err.is_terminal:
            code.terminal(sys.stderr, compact=True)
        session.err.print(f"二维码内容：{text}")
        session.err.print("请用电子社保卡扫描并确认。")

    trial = asyncio.run(try_platform(settings, wait, show_code=show_code))
    payload = {
        "good": trial.good,
        "steps": [
            {
                "step": str(result.step),
                "good": result.good,
                "seconds": round(result.seconds, 2),
                "told": result.told,
                "remedy": result.remedy or None,
                "platform_code": result.platform_code or None,
            }
            for result in trial.steps
        ],
    }

    def show(out: Console) -> None:
        for result in trial.steps:
            how, style = ("成功", "green") if result.good else ("失败", "red")
            label = f"{STEP_LABELS[result.step]}（{result.seconds:.1f} 秒）"
            out.print(f"{how}　{label}：{result.told}", style=style)
            if result.platform_code:
                out.print(f"  平台错误码 {result.platform_code}")
            if result.remedy:
                out.print(f"  → {result.remedy}")

    session.report(payload, show)
    return 0 if trial.good else 1


def bridge_rotate(
    *,
    at_once: Annotated[bool, Parameter(negative=())] = False,
    session: Given,
) -> None:
    """Make the next signing key: published now, it signs in ten minutes. The one before stays published until
    nothing that it signed counts.

    Parameters
    ----------
    at_once
        The key before is not to be trusted any longer: the new one signs now, the old one counts no more.
    """
    settings, context = _settings(session), session.context
    key = rotate_signing_key(settings, context.database, context.clock, at_once=at_once)

    def show(out: Console) -> None:
        out.print(f"新签名密钥 {key.kid}，{_time(key.signs_from)} 起使用。")

    session.report(_payload(key), show)


def bridge_keys(*, session: Given) -> None:
    """List the signing keys that are published. Shows nothing of their private halves."""
    keys = list_signing_keys(session.context.database, session.context.clock)

    def show(out: Console) -> None:
        table = Table("密钥（指纹）", "算法", "起用", "公布到")
        for key in keys:
            until = "—" if key.published_until is None else _time(key.published_until)
            table.add_row(key.kid, key.algorithm, _time(key.signs_from), until)
        out.print(table)

    session.report({"keys": [_payload(key) for key in keys]}, show)


OUTCOMES: Final[Mapping[str, str]] = {
    "accepted": "登录",
    "cancelled": "在手机上取消",
    "late": "已确认，但未及查明即过期",
    "card_sealed": "拒绝：卡已封存",
    "card_lost": "拒绝：卡已挂失",
    "card_locked": "拒绝：卡应用锁定",
    "card_cancelled": "拒绝：卡已注销",
    "card_unusable": "拒绝：卡状态异常",
    "unknown": "拒绝：查无此人",
    "in_doubt": "拒绝：身份待核实",
    "draft": "拒绝：账号未补全",
    "inactive": "拒绝：长期未登录",
    "absent": "拒绝：离岗",
    "left": "拒绝：已离职",
    "account_expired": "拒绝：账号已到期",
    "frozen": "拒绝：账号已停用",
    "answer": "拒绝：卡平台应答异常",
}
"""How a login ended, in the record's words and in an administrator's."""


def _login_payload(kept: KeptRecord) -> Mapping[str, Any]:
    record = kept.record
    return {
        "at": record.at,
        "user": kept.username or None,
        "outcome": record.outcome,
        "client": record.client_id,
        "address": record.address,
        "browser": record.browser,
        "region": record.region,
        "login": record.login,
        "in_ledger": kept.noted_at is not None,
    }


def _morning(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), CHINA)


def _settings(session: Session) -> BridgeSettings:
    if session.settings.bridge is None:
        raise ConfigurationError(
            f"{session.config}: there is no table [bridge]",
            remedy="write one: docs/reference/configuration.md, docs/howto/run-the-bridge.md",
        )
    return session.settings.bridge


def _payload(key: StoredKey) -> Mapping[str, Any]:
    return {
        "kid": key.kid,
        "algorithm": key.algorithm,
        "created_at": key.created_at,
        "signs_from": key.signs_from,
        "published_until": key.published_until,
    }


def _time(at: datetime) -> str:
    return at.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")
