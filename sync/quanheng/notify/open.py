"""From the settings to the ways of telling."""

from __future__ import annotations

from collections.abc import Mapping

from quanheng.clock import Clock, system_clock
from quanheng.config import NotifySettings
from quanheng.notify.file import FileNotifier
from quanheng.notify.port import Notifier
from quanheng.notify.smtp import SmtpNotifier
from quanheng.notify.webhook import WebhookNotifier


def channels_of(settings: NotifySettings) -> tuple[str, ...]:
    """Names of the ways that are set."""
    return tuple(name for name in ("file", "webhook", "smtp") if getattr(settings, name) is not None)


def open_notifiers(settings: NotifySettings, *, clock: Clock = system_clock) -> Mapping[str, Notifier]:
    """Every way that is set, by name. Each reads its secret only when it sends, so one that cannot
    hinders no other."""
    found: dict[str, Notifier] = {}
    if settings.file is not None:
        found["file"] = FileNotifier(settings.file)
    if settings.webhook is not None:
        found["webhook"] = WebhookNotifier(settings.webhook, clock=clock)
    if settings.smtp is not None:
        found["smtp"] = SmtpNotifier(settings.smtp)
    return found
