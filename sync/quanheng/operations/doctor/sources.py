"""Feeds and directories, as they are now; nothing of a person is read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from quanheng.config import FeedSettings, LdapSettings
from quanheng.errors import QuanhengError
from quanheng.operations.context import Context
from quanheng.operations.doctor.certificates import days_left, judge_days
from quanheng.operations.doctor.result import Result, fail, ok, warn
from quanheng.sources.directory import open_directory, peer_certificate
from quanheng.sources.manifest import read_manifest

_FEED_AGE: Final = timedelta(days=35)
"""Accounts are reviewed monthly (S11, E8), so a feed is expected at least monthly."""


def examine_sources(context: Context) -> Iterator[Result]:
    """Each source by itself."""
    if not context.settings.sources:
        yield warn("sources", "没有配置任何来源", "在 quanheng.toml 中添加 [[sources]]")
    for source in context.settings.sources:
        try:
            if isinstance(source, FeedSettings):
                yield _feed(source, context)
            else:
                yield from _directory(source, context)
        except QuanhengError as error:
            yield fail(f"source.{source.id}", str(error.args[0]), error.remedy)


def _feed(source: FeedSettings, context: Context) -> Result:
    id_ = f"source.{source.id}"
    manifest = read_manifest(source.directory / source.manifest)
    if str(manifest.source) != source.id:
        return fail(id_, f"清单属于来源 {manifest.source}", "核对目录，或请报送单位更正清单的 source")
    age = context.clock() - manifest.as_of
    text = f"清单有效，第 {manifest.sequence} 期，截至 {manifest.as_of:%Y-%m-%d}"
    if age > _FEED_AGE:
        return warn(id_, f"{text}，已 {age.days} 天", "请报送单位报送新一期")
    return ok(id_, text)


def _directory(source: LdapSettings, context: Context) -> Iterator[Result]:
    id_ = f"source.{source.id}"
    with open_directory(source) as directory:
        if source.tls == "plain":
            yield warn(f"{id_}.tls", "未加密：口令明文传送", '请改用 tls = "starttls" 或 "ldaps"')
        else:
            days = days_left(peer_certificate(directory), context.clock())
            yield judge_days(f"{id_}.tls", days)
        for base in (source.people_base, source.posts_base):
            directory.read(base, "objectClass")
    yield ok(id_, "可连接、可登录，两个基准目录可见")
