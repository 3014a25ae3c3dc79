"""The bridge of login by card: its files, whether it answers, whether the realm trusts exactly it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import requests

from quanheng.bridge.card.national import NationalPlatform
from quanheng.bridge.settings import BridgeSettings
from quanheng.errors import ConfigurationError, QuanhengError
from quanheng.identity.files import require_private
from quanheng.keycloak.aspect import Documents
from quanheng.keycloak.configuration import created_pins, read_pins
from quanheng.keycloak.configuration_files import SOCIAL_CARD
from quanheng.keycloak.rest import RestRealm
from quanheng.operations.context import Context
from quanheng.operations.doctor.local import examine_private
from quanheng.operations.doctor.result import Result, fail, ok, warn
from quanheng.operations.doctor.stored import is_usable
from quanheng.operations.realm import desired_configuration, issuer_of, read_options

_SECONDS: Final = 5
_IDENTITY: Final = ("issuer", "clientId")
_ADDRESSES: Final = ("authorizationUrl", "tokenUrl", "jwksUrl", "clientAssertionAudience")
_RUN: Final = "检查 quanheng bridge serve 是否在运行，以及前面的代理和证书"
_INIT: Final = "运行 quanheng bridge init"
_PLATFORM_KEY: Final = "把平台给的密钥写入该文件，一行，权限 0600"


def examine_bridge(context: Context) -> Iterator[Result]:
    """Everything about login by card; nothing where there is neither a bridge nor login by card."""
    bridge = context.settings.bridge
    if bridge is not None:
        yield from _files(bridge)
        yield from _platform(bridge)
    if not is_usable(context):
        return
    options = read_options(context)
    if bridge is None and not options.social_card:
        return
    yield from _provider(context)
    yield from _reached(
        issuer_of(context, options), context.settings.keycloak.ca_file, ours=bridge is not None
    )


def _files(bridge: BridgeSettings) -> Iterator[Result]:
    platform = bridge.platform
    files = {
        "bridge.key": (bridge.key_file, _INIT),
        "bridge.platform.signing_key": (platform.signing_key_file, _PLATFORM_KEY),
        "bridge.platform.encryption_key": (platform.encryption_key_file, _PLATFORM_KEY),
    }
    if platform.iv_file is not None:
        files["bridge.platform.iv"] = (platform.iv_file, _PLATFORM_KEY)
    if bridge.tls_key is not None:
        files["bridge.tls_key"] = (bridge.tls_key, "把 TLS 私钥放在该处，权限 0600")
    if bridge.tls_certificate is None and bridge.issuer.startswith("https:") and not bridge.trusted_proxies:
        yield warn(
            "bridge.proxies",
            "登录桥在代理后面，却没有设置 trusted_proxies：所有人都算作同一个地址，一起受限",
            "在 [bridge] 中设置 trusted_proxies，并让代理写 X-Forwarded-For",
        )
    if platform.iv_file is not None:
        yield warn(
            "bridge.platform.fixed_iv",
            "加密用固定的初始向量，只在卡平台要求时才可以",
            "请与平台核实；不需要的，删去 iv_file",
        )
    if not platform.answers_signed:
        yield warn(
            "bridge.platform.answers",
            "卡平台的应答不验签，只靠 TLS 保护",
            "能签名时请设为 answers_signed = true",
        )
    for id_, (file, remedy) in files.items():
        yield examine_private(id_, partial(require_private, file, if_missing=remedy))


def _platform(bridge: BridgeSettings) -> Iterator[Result]:
    """Whether the card platform makes a code, which nobody scans."""

    async def make_code() -> None:
        platform = NationalPlatform(bridge.platform)
        try:
            await platform.make_code()
        finally:
            await platform.close()

    try:
        asyncio.run(make_code())
    except ConfigurationError:
        return  # told with its file
    except QuanhengError as error:
        yield fail("bridge.platform.reached", f"卡平台：{error.args[0]}", error.remedy)
        return
    yield ok("bridge.platform.reached", f"卡平台有应答：{bridge.platform.url}")


def _provider(context: Context) -> Iterator[Result]:
    if not isinstance(context.realm, RestRealm):
        return
    desired = desired_configuration(context, read_options(context))
    documents = Documents(context.realm.connection)
    found = documents.get(f"/identity-provider/instances/{SOCIAL_CARD}")
    if found is None:
        yield fail(
            "bridge.provider", "域中没有电子社保卡身份提供方", "运行 quanheng realm apply --social-card"
        )
        return
    if found.get("enabled"):
        yield ok("bridge.provider", "电子社保卡登录已启用")
    else:
        yield warn(
            "bridge.provider",
            "电子社保卡登录没有启用：除应急账号外无人能登录",
            "运行 quanheng realm apply --social-card",
        )
    yield _addresses(
        created_pins(desired)[SOCIAL_CARD],
        read_pins(documents, desired)[SOCIAL_CARD],
        desired.pins.get(SOCIAL_CARD, {}),
    )


def _addresses(wanted: Mapping[str, str], there: Mapping[str, str], kept: Mapping[str, str]) -> Result:
    """Whether the realm trusts this bridge. Keycloak may reach it by other addresses than browsers do, once
    somebody has accepted them; who it says it is stays the same."""
    others = [name for name in (*_IDENTITY, *_ADDRESSES) if there.get(name, "") != wanted[name]]
    accepted = all(name in _ADDRESSES and there.get(name, "") == kept.get(name) for name in others)
    if not accepted:
        return fail(
            "bridge.addresses",
            f"身份提供方指向的不是本桥：{'、'.join(others)}",
            "核对 [bridge] 的 issuer 后运行 quanheng realm apply；确为他处的桥，加 --social-card-issuer",
        )
    if others:
        return ok("bridge.addresses", f"身份提供方信任本桥；已确认的其他地址：{'、'.join(others)}")
    return ok("bridge.addresses", f"身份提供方的地址与登录桥一致：{wanted['issuer']}")


def _reached(issuer: str, ca_file: Path | None, *, ours: bool) -> Iterator[Result]:
    with requests.Session() as session:
        session.trust_env = False
        session.verify = True if ca_file is None else str(ca_file)
        metadata = _read(session, f"{issuer}/.well-known/openid-configuration")
        if metadata is None:
            yield fail("bridge.reached", f"登录桥没有应答：{issuer}", _RUN)
            return
        if metadata.get("issuer") != issuer:
            yield fail("bridge.reached", f"{issuer} 应答的是另一个签发者", "核对 [bridge] 的 issuer 和代理")
            return
        yield ok("bridge.reached", f"登录桥有应答：{issuer}")
        keys = (_read(session, f"{issuer}/jwks") or {}).get("keys")
    algorithms = sorted({str(key.get("alg")) for key in keys}) if isinstance(keys, list) else []
    if not algorithms:
        yield fail("bridge.jwks", "登录桥没有公布签名密钥", _INIT if ours else _RUN)
    else:
        yield ok("bridge.jwks", f"登录桥公布了签名密钥（{'、'.join(algorithms)}）")


def _read(session: requests.Session, url: str) -> Mapping[str, Any] | None:
    try:
        answer = session.get(url, timeout=_SECONDS, allow_redirects=False)
        body = answer.json() if answer.status_code == requests.codes.ok else None
    except (requests.RequestException, ValueError):
        return None
    return body if isinstance(body, dict) else None
