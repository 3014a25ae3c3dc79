"""``quanheng bridge``: login by 电子社保卡."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from quanheng.bridge.settings import BridgeSettings
from quanheng.cli.session import Given, Session
from quanheng.clock import CHINA
from quanheng.errors import ConfigurationError
from quanheng.operations.bridge_keys import initialise_bridge, list_signing_keys, rotate_signing_key
from quanheng.store.bridge_keys import StoredKey


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
