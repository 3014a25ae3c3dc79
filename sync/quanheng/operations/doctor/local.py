"""Files of this machine: keys, passwords, room on the disks, limits."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy import make_url

from quanheng.clock import day_in_china
from quanheng.config import LdapSettings, Settings
from quanheng.errors import ConfigurationError, SourceError
from quanheng.identity.files import require_private
from quanheng.identity.keys import FileKeyring, KeyName, key_versions
from quanheng.identity.rules_key import PRIVATE, read_rules_key
from quanheng.operations.bootstrap import SEALS
from quanheng.operations.client_keys import our_clients, read_public_key
from quanheng.operations.context import Context
from quanheng.operations.doctor.result import Result, fail, ok, warn
from quanheng.operations.lifecycle.calendar import working_days

_LITTLE_BYTES: Final = 200_000_000
"""Less than a sync of a province writes."""
_SOME_BYTES: Final = 2_000_000_000
_NO_LIMIT_PERCENT: Final = 100
_NEXT_YEAR_FROM: Final = 12
"""The month in which the next year's days off have been told: the notice comes in November."""

_RULES_KEY: Final = "运行 quanheng keys generate --clients-only，再把 quanheng-rules.pub.pem 交给服务器管理员"
_BIND_FILE: Final = "把绑定账号的口令写入该文件，权限 0600"


def examine_files(context: Context) -> Iterator[Result]:
    """Everything that needs neither the store nor another machine."""
    settings = context.settings
    yield _keys(settings)
    for client in our_clients(settings):
        yield examine_private(f"keys.{client.client_id}", partial(read_public_key, client))
    if (settings.keys_directory / PRIVATE).exists():
        yield examine_private("keys.rules", partial(read_rules_key, settings.keys_directory))
    else:
        yield warn("keys.rules", "没有规则签名密钥，守卫得不到规则", _RULES_KEY)
    seals = settings.keys_directory / SEALS
    if seals.exists():
        yield examine_private("keys.seals", partial(require_private, seals))
    for source in settings.sources:
        if isinstance(source, LdapSettings):
            yield examine_private(
                f"source.{source.id}.password",
                partial(require_private, source.password_file, if_missing=_BIND_FILE),
            )
    yield from _disks(settings)
    yield _limits(settings)
    yield _holidays(context)


def _keys(settings: Settings) -> Result:
    directory = settings.keys_directory
    try:
        if directory.is_dir() and len(key_versions(directory, KeyName.INDEX)) > 1:
            return warn(
                "keys",
                "索引密钥轮换中断，有两个版本",
                "运行 quanheng status 即会收尾；然后再检查",
            )
        FileKeyring.open(directory)
    except ConfigurationError as error:
        return fail("keys", str(error.args[0]), error.remedy)
    return ok("keys", f"三把密钥齐全，仅属主可读：{directory}")


def examine_private(id_: str, look: Callable[[], object]) -> Result:
    """Whether a file is there, and for its owner alone; otherwise ``look`` raises."""
    try:
        look()
    except ConfigurationError as error:
        return fail(id_, str(error.args[0]), error.remedy)
    return ok(id_, "在，且仅属主可读")


def _disks(settings: Settings) -> Iterator[Result]:
    url = make_url(settings.store_url)
    places = {"disk.keys": settings.keys_directory}
    if url.get_backend_name() == "sqlite" and url.database:
        places["disk.store"] = Path(url.database).parent
    if settings.anchors_directory is not None:
        places["disk.anchors"] = settings.anchors_directory
    for id_, place in places.items():
        there = next((folder for folder in (place, *place.absolute().parents) if folder.is_dir()), Path("/"))
        free = shutil.disk_usage(there).free
        text = f"{place}：剩余 {free / 1e9:,.1f} GB"
        remedy = "清理磁盘，或换到更大的磁盘；磁盘写满时同步会中止，不会写坏"
        if free < _LITTLE_BYTES:
            yield fail(id_, text, remedy)
        elif free < _SOME_BYTES:
            yield warn(id_, text, remedy)
        else:
            yield ok(id_, text)


def _limits(settings: Settings) -> Result:
    open_ = [
        name
        for name, limit in dict(settings.safety).items()
        if getattr(limit, "percent", 0) >= _NO_LIMIT_PERCENT
    ]
    if open_:
        return warn(
            "safety",
            f"安全限度不设百分比上限：{'、'.join(open_)}",
            "首次导入以外，请在 [safety] 中恢复合适的百分比",
        )
    return ok("safety", "各类变更都有安全限度")


def _holidays(context: Context) -> Result:
    """Whether it is known when people are off this year and, from December on, in the next."""
    try:
        calendar = working_days(context)
    except SourceError as error:
        return fail("holidays", str(error.args[0]), error.remedy)
    today = day_in_china(context.clock())
    years = [today.year, today.year + 1] if today.month == _NEXT_YEAR_FROM else [today.year]
    unknown = [f"{year} 年" for year in years if calendar.is_provisional(year)]
    if unknown:
        return warn(
            "holidays",
            f"{'、'.join(unknown)}的节假日尚未登记，工作日仅按周末推算",
            "按国务院办公厅的放假通知填写 [lifecycle] holidays_file，见 docs/howto/holidays.zh-CN.md",
        )
    return ok("holidays", f"{'、'.join(f'{year} 年' for year in years)}的节假日已知")
