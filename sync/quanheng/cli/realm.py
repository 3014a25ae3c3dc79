"""``quanheng realm apply``, ``open``, ``close`` and ``status``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import Parameter
from rich.console import Console

from quanheng.cli.asking import ask_secret
from quanheng.cli.session import Given
from quanheng.errors import ConfigurationError
from quanheng.identity.files import read_private_line
from quanheng.keycloak.configuration import Difference
from quanheng.keycloak.credentials import AdminPassword
from quanheng.operations.realm import (
    RealmOptions,
    apply_realm,
    issuer_of,
    read_drift,
    read_drift_as,
    read_options,
    switch_configurator,
)


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Administrator:
    """An administrator of the master realm, for this moment; nothing of it is kept."""

    admin_user: str | None = None
    """Name of an administrator of the master realm."""
    admin_password_file: Path | None = None
    """File (0600) with the password; otherwise it is asked for."""

    def credential(self) -> AdminPassword:
        """Ask for what is not given."""
        if self.admin_user is None:
            raise ConfigurationError(
                "this needs an administrator of the master realm", remedy="name one with --admin-user"
            )
        if self.admin_password_file is not None:
            return AdminPassword(self.admin_user, read_private_line(self.admin_password_file))
        asked = ask_secret(f"{self.admin_user} 的密码（不显示）：", instead="--admin-password-file")
        return AdminPassword(self.admin_user, asked)


_NOBODY = Administrator()
_SWITCH: Final = {None: "由管理员自行开关", True: "应启用", False: "应停用"}
"""What was chosen of login by card."""


def realm_apply(
    *,
    admin: Administrator = _NOBODY,
    password_form: bool | None = None,
    social_card: bool | None = None,
    social_card_issuer: str | None = None,
    keep_open: Annotated[bool, Parameter(negative=())] = False,
    accept_provider: Annotated[bool, Parameter(negative=())] = False,
    session: Given,
) -> None:
    """Make the realm, or set right what differs in it.

    Parameters
    ----------
    password_form
        Login by password, for demos and tests. Without either word it stays as it was chosen last.
    social_card
        Login by 电子社保卡. Without either word it stays as it was chosen last.
    social_card_issuer
        Address of the bridge, else bridge.issuer of the settings. Another than before sets all addresses of
        the card's provider.
    keep_open
        Leave the configurator enabled for a first load; close it after with 'quanheng realm close'.
    accept_provider
        Keep the addresses of the card's provider as they are now, when you changed them in the console.
        Otherwise they are put back as they were left the last time.
    """
    context = session.context
    options = _chosen(read_options(context), password_form, social_card, social_card_issuer)
    done = apply_realm(
        context, admin.credential(), options, keep_open=keep_open, accept_provider=accept_provider
    )
    payload = {
        "realm": context.realm_name,
        "mended": [_payload(gap) for gap in done.mended],
        "accepted": [_payload(gap) for gap in done.accepted],
        "configurator_open": done.configurator_open,
        "password_form": options.password_form,
        "social_card": options.social_card,
        "rules": None if done.published is None else asdict(done.published),
        "rules_refused": done.rules_refused or None,
    }

    def show(out: Console) -> None:
        ours = [gap for gap in done.mended if not gap.foreign]
        for gap in ours[:20]:
            out.print(f"已设置 {gap.where}")
        if len(ours) > 20:
            out.print(f"…… 另有 {len(ours) - 20} 项")
        for gap in done.accepted:
            out.print(f"已接受 {gap.where}：原为 {gap.wanted}，现为 {gap.found}", style="bold yellow")
        _show_foreign(out, done.mended)
        out.print(f"域 {context.realm_name} 的配置已符合要求（改动 {len(ours)} 项）。", style="green")
        if done.published is not None:
            out.print(f"守卫已启用规则第 {done.published.sequence} 期。")
        if done.rules_refused:
            out.print(f"守卫没有接受规则：{done.rules_refused}。请运行 quanheng doctor。", style="bold red")
        if options.social_card:
            out.print(f"电子社保卡登录已启用：{issuer_of(context, options)}")
        if options.password_form:
            out.print("注意：已启用口令登录，仅限演示和测试。", style="bold yellow")
        if done.configurator_open and not context.settings.keycloak.configurator_stays_open:
            out.print("配置客户端仍处于启用状态；首次导入后请运行 quanheng realm close。", style="yellow")

    session.report(payload, show)


def realm_open(*, admin: Administrator = _NOBODY, session: Given) -> None:
    """Enable the configurator, for a first load or a large one. Close it afterwards."""
    changed = switch_configurator(session.context, admin.credential(), enabled=True)
    stays = session.context.settings.keycloak.configurator_stays_open
    after = "按设置保持启用。" if stays else "用完请运行 quanheng realm close。"
    session.report(
        {"configurator_open": True, "changed": changed},
        lambda out: out.print(f"配置客户端已启用。{after}"),
    )


def realm_close(*, admin: Administrator = _NOBODY, session: Given) -> None:
    """Disable the configurator."""
    changed = switch_configurator(session.context, admin.credential(), enabled=False)
    session.report(
        {"configurator_open": False, "changed": changed}, lambda out: out.print("配置客户端已停用。")
    )


def realm_status(*, admin: Administrator = _NOBODY, session: Given) -> int:
    """Say what differs in the realm's configuration. Exit 1 when something of ours does.

    Without an administrator only what the daily client may read is compared; the rest is named.
    """
    context = session.context
    drift = read_drift(context) if admin.admin_user is None else read_drift_as(context, admin.credential())
    options = read_options(context)
    payload: dict[str, Any] = {
        "realm": context.realm_name,
        "ok": not drift.ours,
        "differences": [_payload(gap) for gap in drift.differences],
        "not_seen": list(drift.not_seen),
        "social_card": options.social_card,
        "social_card_issuer": issuer_of(context, options),
    }

    def show(out: Console) -> None:
        for gap in drift.ours:
            out.print(f"不一致：{gap.where}：应为 {gap.wanted}，实为 {gap.found}", style="red")
        _show_foreign(out, drift.differences)
        if drift.not_seen:
            out.print(f"日常客户端无权查看：{'、'.join(drift.not_seen)}；加 --admin-user 可全部核对。")
        out.print(f"电子社保卡登录：{_SWITCH[options.social_card]}，登录桥 {issuer_of(context, options)}")
        out.print("配置符合要求。" if not drift.ours else "用 quanheng realm apply 修复。")

    session.report(payload, show)
    return 1 if drift.ours else 0


def _chosen(
    last: RealmOptions, password_form: bool | None, social_card: bool | None, issuer: str | None
) -> RealmOptions:
    if password_form is not None:
        last = replace(last, password_form=password_form)
    if social_card is not None:
        last = replace(last, social_card=social_card)
    if issuer is not None:
        last = replace(last, social_card_issuer=issuer)
    return last


def _payload(gap: Difference) -> dict[str, Any]:
    return {"where": gap.where, "wanted": gap.wanted, "found": gap.found, "foreign": gap.foreign}


def _show_foreign(out: Console, gaps: Sequence[Difference]) -> None:
    for gap in gaps:
        if gap.foreign:
            out.print(
                f"非本系统配置，未改动：{gap.where}：建议 {gap.wanted}，实为 {gap.found}", style="yellow"
            )
