"""The realm of :mod:`bench.lifecycle`: so many people, who have been there for long, and their logins."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg
from sqlalchemy import bindparam, update
from tests.fixtures.people import Population, generate_many, write_feed

from bench.acting import log_in
from bench.harness import BenchRealm, Servers, open_context, run_child
from bench.lifecycle_logins import KEPT_DAYS, LAST_DAY, Days, EventTable, draw_days
from bench.measure import say
from bench.one_night import NIGHT, TAKE_IN
from quanheng.clock import system_clock
from quanheng.keycloak.clients import close_configurator
from quanheng.keycloak.open import open_realm
from quanheng.model.ids import Username
from quanheng.model.realm import NewUser
from quanheng.operations.carrying_out import hold_lease
from quanheng.operations.refresh import refresh_mirror
from quanheng.store.login_position import read_position, write_position
from quanheng.store.tables import account, person, seen_event
from quanheng.store.watching import read_seen

REALM: Final = "lifecycle"
SCOPE: Final = "1409"
CLIENT: Final = "jiujinban"
"""A subsystem that keeps an account alive in the pack 山西."""
_THERE_SINCE: Final = timedelta(days=250)
"""Accounts are so old, longer than the pack's time."""
_QUIET: Final = timedelta(hours=1)
"""So long before the night nobody administered anything. Otherwise the load itself would be read again."""
_LIMITS: Final = "\n[lifecycle]\nlock = {{ count = {count}, percent = 50 }}\n"
_SAMPLE: Final = Username("sample-of-a-login")


class Stage:
    """The realm, its store, and the time that both have behind them."""

    def __init__(
        self, servers: Servers, people: int, *, logins: int, due_percent: float, near_percent: float
    ) -> None:
        population = generate_many(people, scope=SCOPE, source="hr")
        self._realm = BenchRealm(
            servers, REALM, Population(scope=population.scope, units=population.units, people=())
        )
        self._realm.prepare(delegated=False)
        self._password_file = self._write_password()
        self._database = _connect(servers)
        self._id = str(self._realm.administrator.get(self._realm.administrator.realm_path())["id"])
        self._events = self._sample()
        self._loading = self._load(population)
        self._config_file = self._realm.folder / "lifecycle.toml"
        text = self._realm.organisations_file.read_text(encoding="utf-8")
        self._config_file.write_text(text + _LIMITS.format(count=people), encoding="utf-8")
        self._users = self._read_users()
        if len(self._users) != people:
            raise SystemExit(f"{len(self._users):,} of {people:,} accounts were made")
        self._make_older()
        self._now = system_clock()
        self._days: Days = draw_days(
            people, self._now, logins=logins, due_percent=due_percent, near_percent=near_percent
        )
        say(f"writing {len(self._days.before):,} events of logins")
        self._events.add(self._users, self._days.before, CLIENT)
        self._due = {self._users[place][0] for place in self._days.due}

    def take_in(self) -> dict[str, Any]:
        """Have quanheng read all logins before the last day."""
        found = run_child("bench.one_night", TAKE_IN, str(self._config_file))
        if found["events"] != len(self._days.before) or found["problem"]:
            raise SystemExit(f"not all events were taken in: {found}")
        return found

    def go_to_the_last_night(self) -> None:
        """Let the last day happen after what was taken in: the store is as the night before left it, and the
        watcher has seen all that administrators did, the last of it an hour ago."""
        say(f"writing {len(self._days.last_day):,} events of the last day")
        self._events.add(self._users, self._days.last_day, CLIENT)
        with open_context(self._config_file) as context:
            with hold_lease(context) as lease:
                refresh_mirror(context, lease)
            with context.database.transaction() as connection:
                position = read_position(connection)
                assert position is not None  # noqa: S101 - for the type: it was written
                write_position(connection, replace(position, cursor=self._now - LAST_DAY))
                rows = [{"event": name, "earlier": at - _QUIET} for name, at in read_seen(connection).items()]
                older = update(seen_event).where(seen_event.c.id == bindparam("event"))
                connection.execute(older.values(at=bindparam("earlier")), rows)
        self._database.execute(
            "update admin_event_entity set admin_event_time = admin_event_time - %s where realm_id = %s",
            (_QUIET // timedelta(milliseconds=1), self._id),
        )
        self._database.execute("vacuum analyze admin_event_entity")

    def switch_on(self) -> None:
        """Make everybody as before the night, in Keycloak alone, and empty its cache of users."""
        self._database.execute("update user_entity set enabled = true where realm_id = %s", (self._id,))
        self._database.execute("vacuum analyze user_entity")
        admin = self._realm.administrator
        admin.request("POST", admin.realm_path("/clear-user-cache"))

    def run_job(self) -> dict[str, Any]:
        """quanheng's night."""
        return self._night("bench.one_night", NIGHT, str(self._config_file))

    def run_script(self) -> dict[str, Any]:
        """The script's."""
        keycloak = self._realm.servers.keycloak
        arguments = (keycloak.url, REALM, keycloak.admin_user, str(self._password_file))
        return self._night("bench.lifecycle_script", *arguments)

    def figures(self) -> dict[str, Any]:
        """For the JSON."""
        return {
            "people": len(self._users),
            "due": len(self._days.due),
            "near": len(self._days.near),
            "events": {
                "days": KEPT_DAYS,
                "before_the_last_day": len(self._days.before),
                "last_day": len(self._days.last_day),
                "details_bytes": self._events.details_bytes,
            },
            "load": self._loading,
        }

    def close(self) -> None:
        """Close the connection to Keycloak's database."""
        self._database.close()

    def _night(self, module: str, *arguments: str) -> dict[str, Any]:
        """Run it; raises unless exactly those who are due were locked."""
        figures = run_child(module, *arguments)
        locked = self._read_locked()
        if locked != self._due:
            missing, wrong = len(self._due - locked), len(locked - self._due)
            raise SystemExit(f"{missing} were not locked, {wrong} were by mistake: {figures}")
        return {**figures, "locked": len(locked)}

    def _load(self, population: Population) -> dict[str, Any]:
        """The people, by an ordinary sync of a feed."""
        write_feed(
            self._realm.folder / "feed",
            population.people,
            population.units,
            sequence=2,
            as_of=system_clock(),
            scope=population.scope,
        )
        say(f"synchronising {len(population.people):,} people")
        found = run_child("bench.one_run", str(self._realm.organisations_file))
        return {name: found[name] for name in ("seconds", "peak_memory_mib", "changes")}

    def _sample(self) -> EventTable:
        """Log somebody in, and keep the event as a pattern; nothing else of it stays."""
        admin = self._realm.administrator
        with closing(open_realm(self._realm.settings)) as rest:
            user = rest.create_user(
                NewUser(
                    username=_SAMPLE,
                    enabled=True,
                    name="张三",
                    attributes={},
                    groups=(),
                    identities=frozenset(),
                )
            )
        with closing(log_in(self._realm.settings.keycloak, admin, user, ())) as connection:
            connection.subject()
        table = EventTable(self._database, like=user, username=str(_SAMPLE))
        admin.request("DELETE", admin.realm_path(f"/users/{user}"))
        for client in admin.get(admin.realm_path("/clients"), clientId="bench-console"):
            admin.request("DELETE", admin.realm_path(f"/clients/{client['id']}"))
        close_configurator(admin)
        return table

    def _read_users(self) -> list[tuple[str, str]]:
        query = (
            "select id, username from user_entity "
            "where realm_id = %s and service_account_client_link is null order by username"
        )
        return [(row[0], row[1]) for row in self._database.execute(query, (self._id,))]

    def _read_locked(self) -> set[str]:
        query = "select id from user_entity where realm_id = %s and not enabled"
        return {row[0] for row in self._database.execute(query, (self._id,))}

    def _make_older(self) -> None:
        """Accounts made today would be due in three months."""
        since = system_clock() - _THERE_SINCE
        self._database.execute(
            "update user_entity set created_timestamp = %s where realm_id = %s",
            (int(since.timestamp() * 1000), self._id),
        )
        file = self._realm.organisations_file
        with open_context(file) as context, context.database.transaction() as connection:
            connection.execute(update(person).values(created_at=since))
            connection.execute(update(account).values(counts_from=since))

    def _write_password(self) -> Path:
        file = self._realm.folder / "administrator"
        file.touch(mode=0o600)
        file.write_text(self._realm.servers.keycloak.admin_password, encoding="utf-8")
        return file


def _connect(servers: Servers) -> psycopg.Connection[Any]:
    database = servers.database
    if database is None:
        raise SystemExit("the events of the embedded database cannot be written from outside")
    place = urlsplit(database.url.removeprefix("jdbc:"))
    return psycopg.connect(
        host=place.hostname,
        port=place.port,
        dbname=place.path.removeprefix("/"),
        user=database.user,
        password=database.password,
        autocommit=True,
    )
