"""The bridge as its page says to run it: several processes, a role that may do little, one of the keys."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import pytest
import requests
from deploy.local.card_login import CardBrowser
from deploy.local.ports import HOST, free_ports
from deploy.local.web import start_web_server, stop_web_server
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from fixtures.bridge_login import authorization_query
from fixtures.card_platform import platform_settings, run_simulator
from fixtures.servers_postgres import SETTLED
from fixtures.stores import put_people
from quanheng.clock import system_clock
from quanheng.identity.keys import FileKeyring, generate_keys
from quanheng.store.database import Database, open_database
from quanheng.store.rotation import open_keyring
from quanheng.store.tables import account, claim, login_record, person, unit

PAGE: Final = Path(__file__).parents[2] / "docs" / "howto" / "run-the-bridge.md"
PROGRAM: Final = Path(sys.executable).parent / "quanheng"
ROLE: Final = "quanheng_bridge"
REDIRECT: Final = "http://127.0.0.1:9/realms/shanxi/broker/social-card/endpoint"
_SETTINGS: Final = """
packs = ["shanxi"]
store_url = "{store}"
keys_directory = "bridge-keys"
[keycloak]
url = "http://127.0.0.1:9"
realm = "shanxi"
sync = {{ client_id = "a", key_file = "a" }}
configurator = {{ client_id = "b", key_file = "b" }}
[bridge]
issuer = "{issuer}"
port = {port}
key_file = "bridge.key"
region = "山西省忻州市"
[bridge.platform]
url = "{platform}"
channel_no = "1"
access_no = "1"
access_key = "{access_key}"
system_name = "x"
signing_key_file = "{signing}"
encryption_key_file = "{encryption}"
poll_seconds = 0.5
"""


@dataclass(frozen=True, kw_only=True)
class Serving:
    """A bridge of two processes."""

    url: str
    simulator: str
    database: Database
    """As its owner."""
    role_url: str


def give_role(database: Database) -> None:
    """What the page tells the operator to type."""
    found = re.search(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    assert found is not None
    with database.transaction() as connection:
        if connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :r"), {"r": ROLE}).first():
            connection.execute(text(f"DROP OWNED BY {ROLE}"))
            connection.execute(text(f"DROP ROLE {ROLE}"))
        for statement in found[1].split(";"):
            if statement.strip():
                connection.execute(text(statement))


def put_clerks(database: Database, keyring: FileKeyring) -> list[dict[str, str]]:
    """Three people with accounts; their cards, for the simulator."""
    documents = put_people(database, keyring, 3, SETTLED)
    with database.transaction() as connection:
        county = {"code": "140902", "name": "忻府区", "kind": "county", "parent": None}
        connection.execute(insert(unit), [{**county, "source": "hr", "locator": "x"}])
        rows = connection.execute(select(person).order_by(person.c.serial)).all()
        for row in rows:
            values = {"person_id": row.id, "keycloak_id": row.id, "enabled_written": True}
            connection.execute(insert(account), [values])
            words = {"org": "140902", "post": "", "employment": "permanent", "status": "active"}
            connection.execute(
                insert(claim),
                [{**words, "source": "hr", "person_id": row.id, "locator": "x", "quarantined": False}],
            )
    return [
        {"id": row.username, "name": row.name, "document_number": document.number.reveal()}
        for row, document in zip(rows, documents, strict=True)
    ]


@pytest.fixture
def serving(postgres_url: str, tmp_path: Path) -> Iterator[Serving]:
    """Started by command, as the role of the page, with the index key alone."""
    keys, alone = tmp_path / "keys", tmp_path / "bridge-keys"
    generate_keys(keys)
    alone.mkdir(mode=0o700)
    for file in keys.glob("index.*.key"):
        shutil.copy2(file, alone)
    role_url = re.sub(r"//[^@/]+@", f"//{ROLE}@", postgres_url)
    port = free_ports(1)[0]
    url = f"http://{HOST}:{port}"
    with open_database(postgres_url, clock=system_clock) as database, run_simulator() as simulator:
        for clerk in put_clerks(database, open_keyring(database, keys)):
            simulator.post("people", **clerk)
        give_role(database)
        platform = platform_settings(tmp_path, simulator.url)
        file = tmp_path / "quanheng.toml"
        file.write_text(
            _SETTINGS.format(
                store=role_url,
                issuer=url,
                port=port,
                platform=simulator.url,
                access_key=platform.access_key,
                signing=platform.signing_key_file,
                encryption=platform.encryption_key_file,
            ),
            encoding="utf-8",
        )
        command = [PROGRAM, "--config", file, "bridge"]
        subprocess.run([*command, "init"], check=True, capture_output=True)
        pid = start_web_server(
            [*command, "serve", "--workers", "2"],
            folder=tmp_path,
            health_url=f"{url}/healthz",
            log_file=tmp_path / "bridge.log",
        )
        try:
            yield Serving(url=url, simulator=simulator.origin, database=database, role_url=role_url)
        finally:
            assert stop_web_server(pid, str(file))
    log = (tmp_path / "bridge.log").read_text(encoding="utf-8")
    # There is no Keycloak here that would tell its keys.
    told = [line for line in log.splitlines() if "event='keys of a client cannot be read'" not in line]
    assert "error" not in "\n".join(told).lower(), log


def test_logins_over_two_processes(serving: Serving) -> None:
    """Each gets its code, and one record."""
    for number in (1, 2, 3, 1):
        query = authorization_query(client_id="shanxi", redirect_uri=REDIRECT)
        with CardBrowser(serving.simulator) as browser:
            page = browser.open(f"{serving.url}/authorize?{urlencode(query)}")
            assert browser.confirm(page, f"sx{number:06}") == "accepted"
            with pytest.raises(requests.ConnectionError) as nobody_there:
                browser.finish(page)
            assert nobody_there.value.request is not None
            assert str(nobody_there.value.request.url).startswith(f"{REDIRECT}?code=")
    with serving.database.reading() as connection:
        outcomes = connection.execute(select(login_record.c.outcome)).scalars().all()
    assert outcomes == ["accepted"] * 4


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE person SET subject = 'x'",
        "UPDATE login_record SET outcome = 'x'",
        "DELETE FROM login_record",
        "INSERT INTO hold SELECT person_id, 'frozen', now(), '', '' FROM account",
        "SELECT * FROM plan",
        "DELETE FROM ledger",
    ],
)
def test_what_the_role_may_not(serving: Serving, statement: str) -> None:
    """Whoever takes the bridge over changes nobody, and no record."""
    with (
        open_database(serving.role_url, clock=system_clock) as database,
        pytest.raises(DBAPIError, match="permission denied"),
        database.engine.begin() as connection,
    ):
        connection.execute(text(statement))
