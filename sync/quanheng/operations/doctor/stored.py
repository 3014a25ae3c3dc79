"""The store, what runs on it, and the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import make_url, select

from quanheng.errors import ConfigurationError, QuanhengError
from quanheng.ledger.anchor import read_newest_anchor
from quanheng.operations.anchoring import verify_ledger
from quanheng.operations.context import Context
from quanheng.operations.doctor.result import Result, fail, ok, warn
from quanheng.operations.heartbeat import Heartbeat, read_heartbeat
from quanheng.operations.status import Status, read_status
from quanheng.store.database import newest_revision, open_database, schema_revision
from quanheng.store.holder import is_gone
from quanheng.store.tables import lease

_SWEEP_AGE: Final = timedelta(days=2)
"""A sweep is due every night."""
_ANCHOR_AGE: Final = timedelta(days=2)
_HEARTBEAT_AGE: Final = timedelta(minutes=5)
"""Written at least every half a minute."""


def examine_store(context: Context) -> Iterator[Result]:
    """Everything in the store; nothing is asked of one that is new or older than this version."""
    reached = _schema(context)
    yield reached
    if reached.state == "ok":
        status = read_status(context)
        yield _bootstrap(status)
        yield _lease(context)
        yield _unfinished(status)
        yield from _ledger(context, status)
        yield _mirror(context, status)
        yield from _heartbeat(context)


def is_usable(context: Context) -> bool:
    """Whether there is a store of this version: who looks into another makes one, or upgrades it."""
    return _schema(context).state == "ok"


def _schema(context: Context) -> Result:
    # Not by context.database, which would bring an older store to this version's schema.
    url = make_url(context.settings.store_url)
    if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).exists():
        return warn("store", f"还没有存储 {url.database}", "首次运行 quanheng bootstrap 或 sync 时会建立")
    try:
        with (
            open_database(context.settings.store_url, clock=context.clock) as database,
            database.reading() as connection,
        ):
            revision = schema_revision(connection)
    except QuanhengError as error:
        return fail("store", str(error.args[0]), error.remedy)
    if revision is None:
        return warn("store", "存储是空的", "首次运行 quanheng bootstrap 或 sync 时会建表")
    if revision != newest_revision():
        return warn(
            "store",
            f"存储结构为 {revision}，本版本为 {newest_revision()}",
            "先运行 quanheng backup，再运行任一命令即会升级；若存储更新，请换用新版本程序",
        )
    return ok("store", f"可用，结构版本 {revision}")


def _bootstrap(status: Status) -> Result:
    if status.bootstrapped:
        return ok("bootstrap", "首任管理员已由两人任命")
    return warn("bootstrap", "首任管理员未任命", "两人一起运行 quanheng bootstrap，见 docs/howto/first-start")


def _lease(context: Context) -> Result:
    with context.database.reading() as connection:
        row = connection.execute(select(lease).where(lease.c.realm == context.realm_name)).first()
    if row is None or row.until <= context.clock():
        return ok("lease", "没有进程在写入")
    if is_gone(row.holder):
        return ok("lease", f"{row.holder} 已退出，下一次运行会接管")
    return ok("lease", f"{row.holder} 正在写入，至 {row.until:%H:%M:%S} UTC")


def _unfinished(status: Status) -> Result:
    if status.unfinished is None:
        return ok("plan", "没有中断的计划")
    return warn("plan", f"计划 {status.unfinished[:12]} 执行中断或正在执行", "运行 quanheng sync，会自动续完")


def _ledger(context: Context, status: Status) -> Iterator[Result]:
    directory = context.settings.anchors_directory
    try:
        report = verify_ledger(context)
        newest = read_newest_anchor(directory) if directory is not None and directory.is_dir() else None
    except ConfigurationError as error:
        yield fail("ledger", str(error.args[0]), error.remedy)
        return
    yield ok("ledger", f"{report.entries:,} 条，完整无改动")
    if directory is None:
        yield warn("anchor", "没有设置锚点目录", "在 quanheng.toml 设置 anchors_directory，最好在另一台主机")
    elif newest is None:
        yield warn("anchor", "还没有锚点", "运行 quanheng ledger anchor，或让 quanheng run 每日写")
    elif newest.sequence < status.ledger_entries - 1 and context.clock() - newest.at > _ANCHOR_AGE:
        yield warn(
            "anchor", f"最近的锚点写于 {newest.at:%Y-%m-%d}", "运行 quanheng ledger anchor；查看 quanheng run"
        )
    else:
        yield ok("anchor", f"与锚点一致至第 {newest.sequence:,} 条")


def _mirror(context: Context, status: Status) -> Result:
    mirror = status.mirror
    if mirror is None:
        return warn("mirror", "从未完整读取 Keycloak", "运行 quanheng sync")
    age = context.clock() - mirror.swept_at
    if age > _SWEEP_AGE:
        return warn(
            "mirror",
            f"上次完整读取在 {age.days} 天前",
            "让 quanheng run 一直运行，它每晚完整读取一次",
        )
    return ok("mirror", f"上次完整读取 {mirror.swept_at:%Y-%m-%d %H:%M} UTC")


def _heartbeat(context: Context) -> Iterator[Result]:
    file = context.settings.schedule.heartbeat_file
    if file is None:
        return
    beat = read_heartbeat(file)
    if beat is None:
        yield warn("daemon", "守护进程没有心跳文件", "启动 quanheng run，见 docs/howto/run-as-a-service.md")
    elif beat.state == "stopped":
        yield warn("daemon", f"守护进程已于 {beat.at:%Y-%m-%d %H:%M} UTC 停止", "需要时再次启动 quanheng run")
    elif context.clock() - beat.at > _HEARTBEAT_AGE:
        yield fail("daemon", f"守护进程自 {beat.at:%Y-%m-%d %H:%M} UTC 起没有心跳", "查看其日志并重新启动")
    elif beat.result not in (None, "ok"):
        yield warn(
            "daemon", f"上一项任务 {beat.job} 结果为 {beat.result}：{beat.message}", "按所述处理；下次会再试"
        )
    else:
        yield ok("daemon", f"{beat.state}，上一项任务 {beat.job or '无'}")
    if beat is not None and beat.state != "stopped" and context.settings.watch.enabled:
        yield _watching(context, beat)


def _watching(context: Context, beat: Heartbeat) -> Result:
    # It begins after the first job; from then on it looks while others work, too.
    since = beat.watched or beat.job_finished
    if since is None:
        return warn("watch", "守护进程正在执行首次同步，尚未开始监看", "同步完成后再检查")
    if context.clock() - since <= _HEARTBEAT_AGE:
        return ok("watch", f"上次监看 {since:%Y-%m-%d %H:%M} UTC")
    return fail(
        "watch",
        f"守护进程自 {since:%Y-%m-%d %H:%M} UTC 起没有监看：越权的授予此后无人收回",
        "查看 quanheng run 的日志（Keycloak 是否可达、存储是否可写），必要时重新启动",
    )
