"""After logins of every kind nothing secret is left anywhere: logs, store, events, tokens, addresses."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from deploy.local.card_login import CardBrowser
from deploy.local.keycloak import RunningKeycloak
from sqlalchemy import select

from fixtures.card_login import FIRST, CardLogin, card_login
from fixtures.card_platform import SIGNING_KEY
from quanheng.bridge.card.national import NationalPlatform
from quanheng.bridge.values import Card
from quanheng.logs import start_logs
from quanheng.model.sensitive import Sensitive
from quanheng.operations.login_records import note_logins
from quanheng.store.tables import metadata

__all__ = ["card_login"]

SEALED = {"document_sealed", "phone_sealed", "body_sealed", "original_sealed", "private_wrapped"}
"""Columns that are encrypted: what is in them shows nothing, and is not text."""


class Overheard(logging.Handler):
    """Everything that any part of the process logs, before anything is taken out of it."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the text, the arguments and whatever came along."""
        self.lines.append(f"{record.getMessage()} {record.args!r} {record.__dict__!r}")


@pytest.fixture(scope="module")
def overheard() -> Iterator[Overheard]:
    """Listens to every logger while logins are made."""
    handler = Overheard()
    root = logging.getLogger()
    start_logs(debug=True)
    root.addHandler(handler)
    yield handler
    root.removeHandler(handler)


@pytest.fixture(scope="module")
def after(
    card_login: CardLogin, overheard: Overheard, keycloak_server: RunningKeycloak
) -> tuple[CardLogin, list[str], list[str]]:
    """Numbers of people and cards, and each address that browsers were sent to, after logins of each kind."""
    numbers: list[str] = []
    for who in card_login.staff:
        row = card_login.world.row(card_login.staff[who])
        numbers += [row.canonical_number, row.canonical_number[:17], row.phone]
    addresses: list[str] = []
    spied = CardBrowser.__init__

    def spying(self: Any, *args: Any, **kwargs: Any) -> None:
        spied(self, *args, **kwargs)
        session = self._session
        session.hooks["response"].append(lambda answer, **_: addresses.append(answer.url))

    identify = NationalPlatform.identify

    async def identifying(self: NationalPlatform, essc_no: Sensitive) -> Card:
        numbers.append(essc_no.reveal())
        return await identify(self, essc_no)

    CardBrowser.__init__ = spying  # type: ignore[method-assign]
    NationalPlatform.identify = identifying  # type: ignore[method-assign]
    try:
        browser, page = card_login.log_in("operator")
        assert page.status_code == 200
        browser.open(f"{card_login.subsystems[FIRST]}/")
        for who, changes in (("handler", {"card_status": "2"}), ("unlinked", {"name": "别人"})):
            one = CardBrowser(card_login.simulator.origin)
            shown = one.open(f"{card_login.subsystems[FIRST]}/")
            assert one.confirm(shown, card_login.card(who, **changes)) == "refused"
    finally:
        CardBrowser.__init__ = spied  # type: ignore[method-assign]
        NationalPlatform.identify = identify  # type: ignore[method-assign]
    numbers.append(SIGNING_KEY)
    note_logins(card_login.world.context)
    return card_login, numbers, addresses


def found(text: str, numbers: list[str]) -> list[str]:
    """Which of these numbers a text holds, by their place in the list."""
    return [f"number {place}" for place, number in enumerate(numbers) if number and number in text]


def test_the_search_finds_what_is_there(after: tuple[CardLogin, list[str], list[str]]) -> None:
    """Were a number there, it would be seen."""
    _, numbers, addresses = after
    assert found(f"x{numbers[0]}x", numbers)
    assert len(addresses) > 10


def test_no_address_has_a_number(after: tuple[CardLogin, list[str], list[str]]) -> None:
    """None that a browser was sent to, from the subsystem to the end."""
    _, numbers, addresses = after
    assert found("\n".join(addresses), numbers) == []


def test_no_column_has_a_number(after: tuple[CardLogin, list[str], list[str]]) -> None:
    """None of any table, the ledger among them; what is encrypted is not text."""
    card_login, numbers, _ = after
    with card_login.world.context.database.reading() as connection:
        for table in metadata.sorted_tables:
            for row in connection.execute(select(table)).mappings():
                text = json.dumps({key: str(value) for key, value in row.items() if key not in SEALED})
                assert found(text, numbers) == [], table.name


def test_no_column_has_a_secret_of_a_browser(after: tuple[CardLogin, list[str], list[str]]) -> None:
    """Codes that were in addresses are in no table: only their digests are."""
    card_login, _, addresses = after
    bridge = [match[1] for url in addresses for match in re.finditer(r"[?&]code=([A-Za-z0-9_-]{43})", url)]
    assert bridge, "the bridge's code is in the address that leads back to Keycloak"
    with card_login.world.context.database.reading() as connection:
        for table in metadata.sorted_tables:
            text = str([tuple(row) for row in connection.execute(select(table))])
            assert found(text, bridge) == [], table.name


def test_no_log_has_a_number(
    after: tuple[CardLogin, list[str], list[str]], overheard: Overheard, keycloak_server: RunningKeycloak
) -> None:
    """Neither ours, even before anything is taken out of it, nor Keycloak's."""
    _, numbers, addresses = after
    assert overheard.lines, "something is logged"
    assert found("\n".join(overheard.lines), numbers) == []
    codes = [match[1] for url in addresses for match in re.finditer(r"[?&]code=([A-Za-z0-9_-]{43})", url)]
    assert found("\n".join(overheard.lines), codes) == []
    script = next(word for word in _words(keycloak_server.pid) if word.endswith("/bin/kc.sh"))
    log = Path(script).parent.parent / "keycloak.log"
    assert found(log.read_text(encoding="utf-8", errors="replace"), numbers) == []


def test_no_event_has_a_number(after: tuple[CardLogin, list[str], list[str]]) -> None:
    """Keycloak's events of logins and of administration, details included."""
    card_login, numbers, _ = after
    events = [*card_login.admin.get("/events", max="500"), *card_login.admin.get("/admin-events", max="500")]
    assert any(event.get("type") == "LOGIN" for event in events)
    assert found(json.dumps(events, ensure_ascii=False), numbers) == []


def test_nobody_in_keycloak_has_a_number(after: tuple[CardLogin, list[str], list[str]]) -> None:
    """No attribute and no link: the ``sub`` is random."""
    card_login, numbers, _ = after
    for user in card_login.admin.get("/users", max="500", briefRepresentation="false"):
        links = card_login.admin.get(f"/users/{user['id']}/federated-identity")
        assert found(json.dumps([user, links], ensure_ascii=False), numbers) == []


def test_no_token_has_a_number(after: tuple[CardLogin, list[str], list[str]]) -> None:
    """What a subsystem gets of somebody who logged in by card: who, where, with which duties."""
    card_login, numbers, _ = after
    claims = card_login.admin.get(
        f"/clients/{_client(card_login)}/evaluate-scopes/generate-example-id-token",
        scope="openid",
        userId=card_login.user("operator")["id"],
    )
    assert claims["groups"]
    assert found(json.dumps(claims, ensure_ascii=False), numbers) == []


def _client(card_login: CardLogin) -> str:
    (client,) = card_login.admin.get("/clients", clientId=FIRST)
    return str(client["id"])


def _words(pid: int) -> list[str]:
    words: list[str] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(stat[2]) == pid:
                    words += (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
    return words
