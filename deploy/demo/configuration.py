"""``quanheng.toml`` of the demo."""

from __future__ import annotations

from tests.fixtures.ldif import PEOPLE_OU, POSTS_OU
from tests.fixtures.people import Population

from deploy.demo.folder import DemoFolder
from deploy.local.keycloak import RunningKeycloak
from deploy.local.slapd import RunningSlapd

REALM = "shanxi"

_TEMPLATE = """\
# Written by 'make demo'; paths are relative to this folder.
packs = ["shanxi"]
store_url = "sqlite:///quanheng.db"
keys_directory = "keys"
anchors_directory = "anchors"

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
"""


def write_configuration(
    folder: DemoFolder, keycloak: RunningKeycloak, slapd: RunningSlapd, population: Population
) -> None:
    """Write the configuration for these servers and the scope of these people."""
    text = _TEMPLATE.format(
        keycloak_url=keycloak.url,
        realm=REALM,
        ldap_url=slapd.url,
        bind_dn=slapd.bind_dn,
        suffix=slapd.suffix,
        people=PEOPLE_OU,
        posts=POSTS_OU,
        scope=", ".join(f'"{code}"' for code in population.scope),
    )
    if not folder.config.exists() or folder.config.read_text(encoding="utf-8") != text:
        folder.write_text(folder.config.name, text)
