"""Whether those who are to be told can be told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from quanheng.errors import QuanhengError
from quanheng.notify.open import open_notifiers
from quanheng.operations.context import Context
from quanheng.operations.doctor.result import Result, fail, ok

_WELL: Final = {
    "file": "通知文件可写",
    "webhook": "密钥文件仅属主可读，证书可用；没有发送测试通知",
    "smtp": "邮件服务器可连接、可登录；没有发送测试邮件",
}


def examine_notices(context: Context) -> Iterator[Result]:
    """Each way of telling that is set: its secret's file, and what else can be seen without telling."""
    for name, notifier in open_notifiers(context.settings.notify, clock=context.clock).items():
        try:
            notifier.check()
        except QuanhengError as error:
            yield fail(f"notify.{name}", str(error.args[0]), error.remedy)
        else:
            yield ok(f"notify.{name}", _WELL[name])
