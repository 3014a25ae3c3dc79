"""``quanheng.toml`` of the demo."""

from __future__ import annotations

from tests.fixtures.ldif import PEOPLE_OU, POSTS_OU
from tests.fixtures.people import Population

from deploy.demo.folder import DemoFolder
from deploy.local.keycloak import RunningKeycloak
from deploy.local.slapd import RunningSlapd

REALM = "shanxi"
BRIDGE_KEY = "keys/bridge.key"

_TEMPLATE = """\
# Written by 'make demo'; paths are relative to this folder.
packs = ["shanxi"]
store_url = "sqlite:///quanheng.db"
keys_directory = "keys"
anchors_directory = "anchors"

[lifecycle]
reviews_directory = "reviews"

[keycloak]
url = "{keycloak_url}"
realm = "{realm}"
sync = {{ client_id = "quanheng-sync", key_file = "keys/quanheng-sync.pem" }}
configurator = {{ client_id = "quanheng-configurator", key_file = "keys/quanheng-configurator.pem" }}

[[sources]]
kind = "feed"
id = "hr"
directory = "feed"

[[sources]]
kind = "ldap"
id = "ldap"
url = "{ldap_url}"
tls = "starttls"
ca_file = "slapd/tls/ca.pem"
bind_dn = "{bind_dn}"
password_file = "slapd/password"
people_base = "ou={people},{suffix}"
posts_base = "ou={posts},{suffix}"
scope = [{scope}]

[bridge]
issuer = "{bridge_url}"
port = {bridge_port}
key_file = "{bridge_key}"
region = "{region}"
contact = "演示环境，无人值守"

[bridge.platform]
url = "{simulator_url}/CSB/"
channel_no = "demo"
access_no = "demo"
access_key = "simulator"
system_name = "{region}人社业务系统（演示）"
signing_key_file = "card-signing"
encryption_key_file = "card-encryption"
"""


def write_configuration(
    folder: DemoFolder,
    keycloak: RunningKeycloak,
    slapd: RunningSlapd,
    population: Population,
    *,
    bridge_url: str,
    simulator_url: str,
) -> None:
    """Write the configuration for these servers and the scope of these people."""
    names = {unit.code: unit.name for unit in population.units}
    text = _TEMPLATE.format(
        keycloak_url=keycloak.url,
        realm=REALM,
        ldap_url=slapd.url,
        bind_dn=slapd.bind_dn,
        suffix=slapd.suffix,
        people=PEOPLE_OU,
        posts=POSTS_OU,
        scope=", ".join(f'"{code}"' for code in population.scope),
        bridge_url=bridge_url,
        bridge_port=bridge_url.rpartition(":")[2],
        bridge_key=BRIDGE_KEY,
        region=names.get(population.scope[0], "山西省"),
        simulator_url=simulator_url,
    )
    if not folder.config.exists() or folder.config.read_text(encoding="utf-8") != text:
        folder.write_text(folder.config.name, text)
