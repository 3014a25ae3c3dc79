"""How long a server's certificate is still good."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from quanheng.operations.doctor.result import Result, fail, ok, warn

SOON_DAYS: Final = 30
"""A new certificate takes an office a few weeks."""


def days_left(certificate: Mapping[str, Any] | None, now: datetime) -> int | None:
    """Whole days until ``notAfter`` of what ``SSLSocket.getpeercert()`` gave; None when it says nothing."""
    if not certificate or "notAfter" not in certificate:
        return None
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), tz=UTC)
    return (ends - now).days


def judge_days(id_: str, days: int | None) -> Result:
    """Whether somebody should see to a new one."""
    remedy = "请服务器管理员更换证书"
    if days is None:
        return warn(id_, "证书没有说明有效期", remedy)
    if days < 0:
        return fail(id_, "证书已过期", remedy)
    if days < SOON_DAYS:
        return warn(id_, f"证书将在 {days} 天后到期", remedy)
    return ok(id_, f"加密连接，证书还有 {days} 天到期")
