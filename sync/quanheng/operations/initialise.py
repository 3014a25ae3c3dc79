"""A ``quanheng.toml`` to begin with: every setting that a bureau has to look at, with its meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from quanheng.errors import ConfigurationError

EXAMPLE: Final = """\
# quanheng 的配置。说明见 docs/reference/configuration.md。
# Settings of quanheng; docs/reference/configuration.md explains each.
# 相对路径从本文件所在目录算起。密码和密钥只写文件名，不写内容。
# Relative paths start at this file's folder. Secrets are never here, only the names of their files.

# 制度包：随附的有 shanxi，也可写自有目录。 Policy packs, by id or folder.
packs = ["shanxi"]

# 存储：SQLite 文件，或 postgresql://用户@主机/库名。 The store.
store_url = "sqlite:///quanheng.db"

# 三把密钥、两个封条和服务客户端私钥所在目录（0700）。 Keys, mode 0700.
keys_directory = "keys"

# 台账锚点：最好是另一台主机的磁盘。 Signed heads of the ledger: best another host's disk.
# anchors_directory = "/mnt/archive/quanheng-anchors"

# 机构撤并、更名、改码对照表。 Merged, renamed and recoded organisations.
# organisation_changes = "organisation-changes.csv"

[keycloak]
# 必须是 https，本机除外。 https, except on this machine.
url = "https://keycloak.example.gov.cn"
realm = "shanxi"
# ca_file = "keycloak-ca.pem"
# 同时请求数、每批导入人数。 Requests at once; users per bulk import.
workers = 4
batch_size = 25
# 日常同步用的客户端（最小权限）。 The daily client, with the least roles.
sync = { client_id = "quanheng-sync", key_file = "keys/quanheng-sync.pem" }
# 配置用的客户端（权限大，平时停用）。 The configurator: broad, disabled between uses.
configurator = { client_id = "quanheng-configurator", key_file = "keys/quanheng-configurator.pem" }
# 仅当服务器不能安装守卫时才设为 true：配置客户端一直启用，其密钥被窃即失去整个域。
# Only where the guard cannot be installed: it stays open; whoever steals its key owns the realm.
# configurator_stays_open = true

# 来源按先后决定优先级。 Sources, in the order of their precedence.
[[sources]]
kind = "feed"
id = "hr"
# 目录内有 manifest.json 及其所列文件。 A folder with manifest.json and the files it names.
directory = "feed"

[[sources]]
kind = "ldap"
id = "ldap"
url = "ldap://ldap.example.gov.cn:389"
# starttls、ldaps；plain 会明文传密码。 plain sends the password in the clear.
tls = "starttls"
# ca_file = "ldap-ca.pem"
bind_dn = "cn=quanheng,dc=example,dc=gov,dc=cn"
# 只含密码一行，权限 0600。 One line, mode 0600.
password_file = "ldap-password"
people_base = "ou=people,dc=example,dc=gov,dc=cn"
posts_base = "ou=posts,dc=example,dc=gov,dc=cn"
# 本来源负责的机构编码，含其下级。 Organisation codes it speaks of, with everything below.
scope = ["14"]

# 安全限度：同时受人数和百分比约束，超出须第二人批准。
# Limits per kind of change, both bounds hold; beyond them a second person approves.
[safety]
disable = { count = 50, percent = 5 }
revoke = { count = 100, percent = 5 }
# 快照比上次少这么多行时，不据以认定离职。 A snapshot this much smaller is not believed on absences.
shrink_percent = 10
# 计划待批的有效小时数。 How long a plan may wait for its approval.
plan_hours = 24

# 守护进程（quanheng run）何时做什么，北京时间。 When the daemon does what, Beijing time.
[schedule]
sync_minutes = 15
sweep_at = "02:30"
anchor_at = "03:30"
heartbeat_file = "heartbeat.json"

# 电子社保卡扫码登录（quanheng bridge），说明见 docs/howto/run-the-bridge.zh-CN.md。 Login by card.
# [bridge]
# 浏览器访问的地址，独占一个域名。 Its address as browsers know it, a host of its own.
# issuer = "https://login.example.gov.cn"
# key_file = "keys/bridge.key"
# region = "山西省忻州市"
# contact = "市人社局信息中心"
#
# [bridge.platform]
# url = "https://card-platform.example.gov.cn/CSB/"
# channel_no = ""
# access_no = ""
# access_key = ""
# 确认页上显示的系统名称，须如实填写。 The honest name that the card's app shows.
# system_name = "忻州市人社业务系统"
# 各一行，权限 0600。 One line each, mode 0600.
# signing_key_file = "keys/card-signing"
# encryption_key_file = "keys/card-encryption"
"""
"""Valid as it stands, so that a mistake in filling it in is the only mistake there is."""


def write_example(directory: Path) -> Path:
    """Write :data:`EXAMPLE` as ``quanheng.toml``.

    Raises :class:`ConfigurationError` when there is such a file, or the folder cannot be written.
    """
    file = directory / "quanheng.toml"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as stream:
            stream.write(EXAMPLE)
    except FileExistsError:
        raise ConfigurationError(
            f"{file}: is there already; it was not touched", remedy="edit it, or name another folder"
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"{file}: cannot be written: {error.strerror}", remedy="name a folder of your own"
        ) from None
    return file
